"""A spec with very many errors: what is told of it, and how much work that is.

Work is counted, in calls of what compares words and splits texts, so that no load of the machine
matters."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable

import pytest

from archc import diagnostics
from archc.diagnostics import SourceText, SpecError, formats
from archc.language.reader import decode
from archc.spec import read_source

HEAD = "archc: 1\nname: many\ninput: {features: 3}\n"


def errors(text: str) -> SpecError:
    source = decode((HEAD + text).encode(), "many.yaml")
    with pytest.raises(SpecError) as raised:
        read_source(source, "/nowhere", "/nowhere/many.yaml").checked()
    return raised.value


def compared(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    """How many pairs of words are compared for the hints of a spec's errors."""
    count = 0
    ratio = difflib.SequenceMatcher.real_quick_ratio

    def counting(self: difflib.SequenceMatcher[str]) -> float:
        nonlocal count
        count += 1
        return ratio(self)

    with monkeypatch.context() as patch:
        patch.setattr(difflib.SequenceMatcher, "real_quick_ratio", counting)
        errors(text)
    return count


def test_an_error_of_a_repeated_step_is_told_once_with_how_often() -> None:
    text = "layers:\n  - repeat: 5000\n    layers:\n      - {relu: null, from: tanh_1}\n"
    (error,) = errors(text).diagnostics
    assert (error.code, error.span.line, error.times) == ("ARC407", 7, 5000)
    assert diagnostics.concise(error).endswith("unknown step `tanh_1` (5,000 times)")
    assert json.loads(formats.as_json([error]))["findings"][0]["times"] == 5000
    assert "(5,000 times)" in formats.github([error])
    assert "(5,000 times)" in formats.sarif([error], "1")


REPEATED = "layers:\n  - repeat: {}\n    layers:\n      - {{relu: null, from: tanh_1}}\n"


def test_the_search_for_similar_words_does_not_grow_with_repetitions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert compared(monkeypatch, REPEATED.format(10_000)) == compared(
        monkeypatch, REPEATED.format(10)
    )


def _params(count: int) -> str:
    lines = [f"  p{index}: $q{index}\n" for index in range(count)]
    return f"params:\n{''.join(lines)}layers: [relu]\n"


def _block_arguments(count: int) -> str:
    params = ", ".join(f"p{index}: 1" for index in range(100))
    steps = "".join(f"  - {{block: b, with: {{q{index}: 1}}}}\n" for index in range(count))
    return f"blocks:\n  b: {{params: {{{params}}}, layers: [relu]}}\nlayers:\n{steps}"


def _blocks(count: int) -> str:
    blocks = "".join(f"  b{index}: {{layers: [relu]}}\n" for index in range(count))
    return f"blocks:\n{blocks}layers:\n" + "".join(f"  - block: c{n}\n" for n in range(count))


def _expectations(count: int) -> str:
    expected = "".join(f"    rleu_{index}: {{params: 0}}\n" for index in range(count))
    return f"layers: [{{repeat: 1000, layers: [relu]}}]\nexpect:\n  layers:\n{expected}"


def _sources(count: int) -> str:
    return "layers:\n" + "".join(f"  - {{relu: null, from: x{n}}}\n" for n in range(count))


def _outputs(count: int) -> str:
    names = ", ".join(f"x{index}" for index in range(count))
    return f"layers: [{{repeat: {count}, layers: [relu]}}]\noutputs: [{names}]\n"


def _ops(count: int) -> str:
    return "layers:\n" + "  - rleu\n" * count


def _keys(count: int) -> str:
    return "layers: [relu]\n" + "".join(f"k{index}: 1\n" for index in range(count))


def _expressions(count: int) -> str:
    return "layers:\n" + "  - dense: $(1 +)\n" * count


def _shapes(count: int) -> str:
    return "layers:\n" + "  - {conv: {filters: 4, kernel_size: 3}, from: input}\n" * count


MANY = [
    _params,
    _block_arguments,
    _blocks,
    _expectations,
    _sources,
    _outputs,
    _ops,
    _keys,
    _expressions,
    _shapes,
]


@pytest.mark.parametrize("spec", MANY)
def test_two_hundred_errors_are_shown_and_the_others_counted(spec: Callable[[int], str]) -> None:
    *shown, rest = errors(spec(1_000)).diagnostics
    assert len(shown) == diagnostics.MOST_DIAGNOSTICS == 200
    assert (rest.code, rest.message) == ("ARC013", "800 more errors are not shown")
    assert diagnostics.count([*shown, rest]) == 1_000
    assert all(error.code != "ARC013" for error in shown)


@pytest.mark.parametrize("spec", MANY)
def test_the_search_for_similar_words_is_bounded(
    spec: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compared(monkeypatch, spec(4_000)) <= 50_000


def test_one_misspelling_among_many_names_is_still_found() -> None:
    text = "layers: [{repeat: 60000, layers: [relu]}]\noutputs: [relu_4711x, reul_59999]\n"
    hints = [error.hint for error in errors(text).diagnostics]
    assert hints[1] == 'did you mean "relu_59999"?'
    assert hints[0] is not None
    assert hints[0].startswith('did you mean "relu_4711')


def test_a_text_is_split_once_for_all_its_excerpts() -> None:
    source = SourceText("many.yaml", "".join(f"line {n}\n" for n in range(1_000)))
    diagnostics._lines.cache_clear()
    assert [source.line(n + 1) for n in range(1_000)] == [f"line {n}" for n in range(1_000)]
    assert diagnostics._lines.cache_info().misses == 1
    assert source.line(0) == source.line(1002) == ""


@pytest.mark.parametrize("count", [200, 201])
def test_exactly_as_many_as_are_shown(count: int) -> None:
    shown = errors(_expressions(count)).diagnostics
    assert len(shown) == count
    assert (shown[-1].message == "1 more error is not shown") == (count == 201)


def test_many_blocks_in_a_cycle() -> None:
    count = 3_000
    blocks = "".join(f"  b{n}: {{layers: [block: b{(n + 1) % count}]}}\n" for n in range(count))
    (error,) = errors(f"blocks:\n{blocks}layers: [block: b0]\n").diagnostics
    assert error.message == ("block `b0` contains itself: b0 -> b1 -> b2 -> ... -> b2999 -> b0")
