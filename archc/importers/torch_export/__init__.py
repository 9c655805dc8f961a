"""Programs of `torch.export` as flat networks: their graph alone is read, by a process of its
own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archc.backends.runtime.sandbox import run_isolated
from archc.importers.assemble import MismatchError, assemble
from archc.importers.network import Network, reject, reject_unsupported, shared_weights
from archc.importers.torch_export import recurrences
from archc.importers.torch_export.calls import Call, ProgramError
from archc.importers.torch_export.program import translated
from archc.ops.base import ShapeError

MODULE = "archc.importers.torch_export.archive"
RUNNER = "archc.importers.torch_export.evaluate"


def read(path: str) -> Network:
    """The network in a `.pt2` archive. Raises SpecError (ARC801 for a file that cannot be read,
    ARC802 for what archc has no op for)."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        result = os.path.join(folder, "program.json")
        error = run_isolated(MODULE, "read", os.path.abspath(path), result)
        if error is not None:
            reject(path, error)
        with open(result, encoding="utf-8") as stream:
            program = json.load(stream)
    return network_of(program, path)


def network_of(program: Mapping[str, Any], path: str) -> Network:
    """The network of a program as `archive.py` writes it. Raises SpecError (ARC801, ARC802)."""
    try:
        made = translated(program)
        if made.unsupported:
            reject_unsupported(path, list(made.unsupported))
        network = assemble(
            {one: one.axes for one in made.inputs}, _drafts(made.outputs), made.outputs
        )
    except (ProgramError, MismatchError) as error:
        reject(path, str(error))
    except ShapeError as error:
        reject(path, f"its shapes are not those of archc's ops: {error.message}")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        reject(path, "an operation has arguments that PyTorch does not write")
    shared = shared_weights(network)
    if shared:
        reject_unsupported(path, shared)
    classes = {path: kind for node in program["nodes"] for path, kind in node["modules"]}
    return replace(network, batch=made.batch, runner=RUNNER, classes=classes)


def _drafts(outputs: tuple[Call, ...]) -> dict[Call, Call]:
    """All calls that outputs need: each is its own draft."""
    drafts: dict[Call, Call] = {}
    waiting = list(outputs)
    while waiting:
        call = waiting.pop()
        if call.op is not None and call not in drafts:
            drafts[call] = call
            waiting += call.inputs
    return recurrences.with_last_states(drafts, outputs)
