"""Very large invalid documents: the schema's validator is given them in parts."""

from __future__ import annotations

import pytest

from archc.diagnostics import SpecError
from archc.language.reader import decode, parse
from archc.language.schema import prefix
from archc.language.schema.prefix import prefixes
from archc.language.schema.validate import validate

HEAD = "archc: 1\nname: large\ninput: {features: 3}\n"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefix.STRETCH == 30_000
    monkeypatch.setattr(prefix, "STRETCH", 100)


def items(part: object) -> list[object]:
    assert isinstance(part, dict)
    layers = part["layers"]
    assert isinstance(layers, list)
    return layers


def test_every_part_is_a_beginning_of_the_document() -> None:
    document = parse(decode((HEAD + f"layers: [{'relu, ' * 500}tanh]\n").encode(), "large.yaml"))
    whole = document.plain()
    lengths = []
    for part in prefixes(document):
        lengths.append(len(items(part)))
        assert items(part) == items(whole)[: len(items(part))]
        assert isinstance(part, dict)
        assert {**part, "layers": None} == {**document.plain(), "layers": None}  # type: ignore[dict-item]
    assert lengths == sorted(lengths)
    assert lengths[0] < 110
    assert lengths[-1] == 501


def test_short_lists_stay_whole_past_the_end_of_a_part() -> None:
    late = "{conv: {filters: 4, kernel_size: [3, 3], padding: [[1, 1], [2, 2]]}}"
    text = f"params: {{a: [{'1, ' * 200}1]}}\nlayers: [{late}]\n"
    document = parse(decode((HEAD + text).encode(), "large.yaml"))
    assert items(next(iter(prefixes(document)))) == items(document.plain())
    assert not validate(document).diagnostics


def test_few_errors_far_apart_are_all_found() -> None:
    relus = "  - relu\n" * 400
    text = f"layers:\n  - relu\n{relus}  - rleu\n{relus}  - tanhh\n"
    document = parse(decode((HEAD + text).encode(), "large.yaml"))
    assert [one.span.line for one in validate(document).diagnostics] == [406, 807]


def test_of_very_many_the_first_are_described_and_the_rest_is_not_checked() -> None:
    text = HEAD + "layers:\n" + "  - relu\n" * 300 + "  - rleu\n" * 5_000
    with pytest.raises(SpecError) as error:
        validate(parse(decode(text.encode(), "large.yaml")))
    *shown, rest = error.value.diagnostics
    assert [one.span.line for one in shown] == list(range(305, 505))
    assert rest.code == "ARC013"
    assert rest.hint == "correct those above first: the rest of the spec is not checked"
    assert rest.times < 1_000
