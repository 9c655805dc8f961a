"""What a spec may expand to, and that one which is too large is rejected before it is expanded."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import archc
from archc.cli import verbs
from archc.diagnostics import SpecError
from archc.ir import limits
from archc.ir.expand_steps import Expansion
from archc.language.reader import decode
from archc.spec import read_source

HEAD = "archc: 1\nname: limits\ninput: {features: 3}\n"


def build(text: str, most_steps: int = 100_000) -> int:
    """The number of layers of a spec."""
    source = decode((HEAD + text).encode(), "limits.yaml")
    spec = read_source(source, "/nowhere", "/nowhere/limits.yaml", most_steps=most_steps)
    return len(spec.checked().layers)


def rejected(text: str, most_steps: int = 100_000) -> str:
    with pytest.raises(SpecError) as error:
        build(text, most_steps)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "ARC405"
    return diagnostic.message


def repeat(count: int) -> str:
    return f"layers: [{{repeat: {count}, layers: [relu]}}]\n"


def test_a_lower_limit() -> None:
    # A repetition is a step too.
    assert build(repeat(9), 10) == 9
    assert rejected(repeat(10), 10) == "the spec expands to more than 10 steps"
    assert build("layers: [relu, relu, relu]\n", 3) == 3
    assert rejected("layers: [relu, relu, relu]\n", 2) == "the spec expands to more than 2 steps"


TOO_LARGE = {
    "repetition": repeat(100_000),
    "list": f"layers: [{{for: {{a: [{', '.join('1' * 50_000)}]}}, layers: [relu, relu]}}]\n",
    "nested": "layers: [{repeat: 500, layers: [{repeat: 500, layers: [relu]}]}]\n",
    "section": "layers: [{repeat: 50000, layers: [{section: s, layers: [relu]}]}]\n",
    "branches": "layers: [{repeat: 30000, layers: [{add: [[relu], [tanh, relu]]}]}]\n",
    "blocks": "blocks:\n  b0: {layers: [relu, tanh]}\n"
    + "".join(f"  b{n}: {{layers: [block: b{n - 1}, block: b{n - 1}]}}\n" for n in range(1, 60))
    + "layers: [block: b59]\n",
    "steps before": "layers:\n" + "  - relu\n" * 1_000 + "  - {repeat: 99500, layers: [relu]}\n",
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_a_large_spec_is_rejected_before_it_is_expanded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    execute = Expansion.execute

    def counting(self: Expansion, *arguments: object) -> int:
        nonlocal steps
        steps += 1
        return execute(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Expansion, "execute", counting)
    assert rejected(TOO_LARGE[kind]) == "the spec expands to more than 100,000 steps"
    assert steps <= 1_002


def test_steps_that_a_condition_leaves_out_are_not_expected() -> None:
    inner = "{section: s, when: $(index == 0), layers: [{repeat: 900, layers: [relu]}]}"
    assert build(f"layers: [relu, {{repeat: 50, layers: [{inner}]}}]\n", 1_000) == 901


def test_inputs_and_parameters_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.MOST_VALUES == 500_000
    monkeypatch.setattr(limits, "MOST_VALUES", 5_000)
    message = "the spec expands to more than 5,000 inputs and parameters"
    wide = ", ".join(f"relu_{n + 1}" for n in range(10))
    merge = f"{{add: null, from: [{wide}]}}"
    text = f"layers: [{{repeat: 10, layers: [relu]}}, {{repeat: 501, layers: [{merge}]}}]\n"
    assert rejected(text) == message
    branches = ", ".join(["[]"] * 10)
    assert rejected(f"layers: [{{repeat: 501, layers: [{{add: [{branches}]}}]}}]\n") == message
    params = ", ".join(f"p{n}: 1" for n in range(10))
    block = f"blocks: {{b: {{params: {{{params}}}, layers: [relu]}}}}\n"
    assert rejected(f"{block}layers: [{{repeat: 501, layers: [block: b]}}]\n") == message
    assert build(f"{block}layers: [{{repeat: 500, layers: [block: b]}}]\n") == 500


def nested(levels: int) -> str:
    """Blocks in blocks, each with a section and a repetition around the next one."""
    text = "blocks:\n  b0: {layers: [relu]}\n"
    for n in range(1, levels):
        inner = f"{{repeat: 1, layers: [{{section: s, layers: [block: b{n - 1}]}}]}}"
        text += f"  b{n}: {{layers: [{inner}]}}\n"
    return f"{text}layers: [block: b{levels - 1}]\n"


def test_the_depth_of_all_nesting_is_limited() -> None:
    # 3 levels for each block but the innermost, which is one.
    assert build(nested(43)) == 1
    assert rejected(nested(44)) == "steps nest deeper than 128"


def test_the_option_and_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "limits.yaml"
    spec.write_text(HEAD + repeat(9), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for verb in (
        ["validate", "limits.yaml"],
        ["report", "limits.yaml"],
        ["build", "limits.yaml", "--stdout", "--backend", "torch"],
        ["show", "limits.yaml"],
        ["list", "limits.yaml"],
        ["diff", "limits.yaml", "limits.yaml"],
    ):
        codes = []
        for limit in ("10", "9"):
            result = CliRunner().invoke(verbs, [*verb, "--max-steps", limit], standalone_mode=False)
            error = isinstance(result.exception, SpecError)
            codes.append(1 if error else result.return_value or 0)
        assert codes == [0, 1], verb
    assert len(archc.load("limits.yaml", 10).costs.layers) == 9
    with pytest.raises(SpecError, match="more than 9 steps"):
        archc.load("limits.yaml", 9)
