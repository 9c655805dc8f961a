"""The classes of recurrences that an emitted PyTorch file has: what its network uses, no more."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.backends.networks import module, written

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch

HEADER = "archc: 1\nname: recurrence\ninput: {tokens: 5, features: 3}\nlayers:\n"
SEVERAL = """\
  - lstm: {units: 4, bidirectional: true, return_sequences: true}
    name: both
  - lstm: {units: 3, layers: 2, dropout: 0.1, return_sequences: true}
  - lstm: {units: 2}
    name: last
  - gru: {units: 2, return_sequences: true}
    from: both
  - gru: {units: 2}
    name: alone
  - concat:
    from: [last, alone]
"""


def step(kind: str, **options: object) -> str:
    fields = ", ".join(f"{name}: {str(value).lower()}" for name, value in options.items())
    return f"  - {kind}: {{units: 4, {fields}}}\n"


def signature(source: str) -> str:
    """The parameters of the first constructor in a file."""
    _, _, rest = source.partition("def __init__(")
    return " ".join(rest.partition(") ->")[0].split())


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("options", list(itertools.product([False, True], repeat=2)))
def test_a_class_gives_what_the_layer_of_pytorch_does(
    kind: str, options: tuple[bool, bool], tmp_path: Path
) -> None:
    sequences, both = options
    text = HEADER + step(kind, return_sequences=sequences, bidirectional=both)
    source = written(text, tmp_path).emit("torch")
    assert signature(source) == "self, features: int, units: int"
    own = module(source).build_model().double()
    plain: Any = getattr(torch.nn, kind.upper())(3, 4, batch_first=True, bidirectional=both)
    plain.double().load_state_dict(
        {name.rpartition(".")[2]: value for name, value in own.state_dict().items()},
        strict=kind == "gru",
    )
    if kind == "lstm":
        for name, bias in plain.named_parameters():
            if name.startswith("bias_hh"):
                torch.nn.init.zeros_(bias)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    expected, _ = plain(x)
    if not sequences and both:  # each direction ends at its own end of the sequence
        expected = torch.cat([expected[:, -1, :4], expected[:, 0, 4:]], dim=1)
    elif not sequences:
        expected = expected[:, -1]
    torch.testing.assert_close(own(x), expected)


def test_what_differs_is_a_parameter(tmp_path: Path) -> None:
    source = written(HEADER + SEVERAL, tmp_path).emit("torch")
    gru, _, lstm = source.partition("class LSTMLayer")
    assert signature(gru) == ("self, features: int, units: int, *, return_sequences: bool = False")
    assert signature(lstm) == (
        "self, features: int, units: int, *, layers: int = 1, dropout: float = 0.0, "
        "bidirectional: bool = False, return_sequences: bool = False,"
    )
    assert "states[-1]" in gru
    assert "states[-directions:]" in lstm
