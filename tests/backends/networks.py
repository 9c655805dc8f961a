"""Specs and the modules emitted from them, run from their text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from archc import backends
from archc.api import Network, load


def kept(makefile: str) -> list[str]:
    """The names that a Makefile lists as KEPT."""
    listed = makefile.replace("\\\n", " ").partition("\nKEPT := ")[2].partition("\n")[0]
    return sorted(listed.split())


SPECS = Path(__file__).parents[2] / "specs"
ALL_SPECS = sorted(path.stem for path in SPECS.glob("*.yaml"))
"""All specs that come with archc."""
GENERATED = kept((SPECS.parent / "Makefile").read_text(encoding="utf-8"))
"""Those whose emitted files are kept in `generated`."""
OTHERWISE = {"bert_base", "char_lstm", "gpt2", "swin_t", "unet", "vit_b_16", "yolov8n"}
SHIPPED = sorted({*GENERATED} - OTHERWISE)
"""Those whose layers the tests follow one by one; the others are compared by tests of their own,
with attention, with shared layers or with several outputs, and by those of the zoo."""
BACKENDS = tuple(name for name in backends.names() if backends.backend(name).suffix == ".py")
"""Those that emit modules."""
STRUCTURES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parent / "structures").glob("*.yaml"))
}
"""The texts of small specs, one for each way in which parts of a network hang together."""


@cache
def shipped(name: str) -> Network:
    """The network of a spec that comes with archc."""
    return load(str(SPECS / f"{name}.yaml"), {})


@cache
def source(backend: str, name: str) -> str:
    """The module emitted from a spec that comes with archc."""
    return shipped(name).emit(backend)


def module(text: str, name: str = "emitted") -> SimpleNamespace:
    """What an emitted module defines."""
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(text, f"{name}.py", "exec"), scope)
    return SimpleNamespace(**scope)


def written(text: str, folder: Path) -> Network:
    """The network of a spec given as text."""
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return load(str(path), {})
