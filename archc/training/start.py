"""What a run starts from: the weights of a file, but for some parts, and the parts that do not
train.

Code: ARC605 a part of the network that cannot be skipped or frozen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from archc.api import Network
from archc.backends.runtime.safetensors import dump_safetensors
from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable
from archc.ir.arrays import arrays
from archc.training.errors import RunError
from archc.training.run.options import Start
from archc.weights import transfer
from archc.weights.parts import keys_of, unknown_part

INITIAL = "initial.safetensors"
"""The file in a run's folder with the weights that it starts from, in the neutral format."""


class InitialWeights(NamedTuple):
    """A start, and the arrays of its file by their keys; `in_order` says that the file has other
    names, and its layers were matched by their order."""

    start: Start
    arrays: Mapping[str, Any]
    in_order: bool


def read_initial(
    network: Network, file: str | None, skip: Sequence[str], freeze: Sequence[str]
) -> InitialWeights:
    """Read the weights of a file, any that `archc weights` reads, but for the parts `skip`; and
    check the parts `freeze`. Raises SpecError (ARC001, ARC602 to ARC605)."""
    keys = [one.key for one in arrays(network.costs)]
    learned = {one.key for one in arrays(network.costs) if one.variable.learned}
    frozen = {part: keys_of(part, keys) - {part} for part in freeze}
    diagnostics = [unknown_part("--freeze", part, keys) for part in freeze if not frozen[part]]
    skipped = frozenset[str]().union(*(keys_of(part, keys) for part in skip))
    for part in freeze:
        both = min(frozen[part] & skipped, default=None)
        if both is not None:
            message = f"`{part}` has `{both}`, which is skipped: it would stay as it is drawn"
            diagnostics.append(_error(part, message, "freeze only what is loaded"))
    if not diagnostics and learned <= frozenset[str]().union(*frozen.values()):
        diagnostics.append(_error(" ".join(freeze), "nothing is left to train", None))
    if diagnostics:
        raise SpecError(diagnostics)
    counts = {part: len(frozen[part]) for part in freeze}
    if file is None:
        return InitialWeights(Start(freeze=counts), {}, in_order=False)
    weights, in_order, _ = transfer.read(file, network, skip=skip)
    start = Start(
        path=file,
        sha256=_digest(network, weights),
        loaded=len(weights),
        skip={part: len(keys_of(part, keys)) for part in skip},
        freeze=counts,
    )
    return InitialWeights(start, weights, in_order)


def _error(parts: str, message: str, hint: str | None) -> Diagnostic:
    source = SourceText(encodable(f"--freeze {parts}"), "")
    return Diagnostic("ARC605", message, Span(source, 1, 1, 1, 1), hint)


class _Hash:
    """Takes what a file would, and keeps its digest alone."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> None:
        self.sha256.update(data)


def _digest(network: Network, weights: Mapping[str, Any]) -> str:
    """The digest of the neutral file that the arrays go to."""
    sink = _Hash()
    dump_safetensors(sink, weights, transfer.neutral_metadata(network.costs))
    return sink.sha256.hexdigest()


def write_initial(run: Path, initial: InitialWeights, network: Network) -> None:
    """Write the arrays to the run's folder. Raises OutputError, OSError."""
    if initial.start.path is not None:
        transfer.save_neutral(str(run / INITIAL), initial.arrays, network.costs)


def check_initial(run: Path, start: Start) -> Path:
    """The run's file of initial weights. Raises RunError where it has been changed, OSError."""
    path = run / INITIAL
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != start.sha256:
            message = f"{path}: is not the file of weights that the run started from"
            raise RunError(message)
    return path


def frozen_keys(keys: Iterable[str], start: Start | None) -> list[str]:
    """The keys of the arrays that do not train."""
    keys = list(keys)
    parts = () if start is None else start.freeze
    frozen = frozenset[str]().union(*(keys_of(part, keys) for part in parts))
    return [key for key in keys if key in frozen]


def loaded_keys(keys: Iterable[str], start: Start) -> list[str]:
    """The keys of the arrays that are loaded."""
    keys = list(keys)
    skipped = frozenset[str]().union(*(keys_of(part, keys) for part in start.skip))
    return [key for key in keys if key not in skipped]
