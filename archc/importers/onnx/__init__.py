"""ONNX files as flat networks: structure alone is read, by a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from typing import Any

from archc.backends.runtime.sandbox import run_isolated
from archc.importers.assemble import MismatchError, assemble
from archc.importers.network import (
    Network,
    Unsupported,
    reject,
    reject_unsupported,
    shared_weights,
)
from archc.importers.onnx.drafts import Context, Draft, RefusedError
from archc.importers.onnx.patterns import PATTERNS
from archc.importers.onnx.terms import ModelError, Term, Terms, Value, terms_of
from archc.importers.onnx.translate import TABLE
from archc.importers.onnx.values import FoldError
from archc.ops.axes import IDS_AXES, MAP_AXES, SEQUENCE_AXES, VECTOR_AXES, Axes
from archc.ops.base import ShapeError

MODULE = "archc.importers.onnx.model"
RUNNER = "archc.importers.onnx.evaluate"


def read(path: str) -> Network:
    """The network in an ONNX file. Raises SpecError (ARC801 for a file that cannot be read, ARC802
    for what archc has no op for)."""
    try:
        terms = terms_of(read_structure(path))
        return network_of(terms, path)
    except ModelError as error:
        reject(path, str(error))


def read_structure(path: str) -> dict[str, Any]:
    """The structure of a file, as `model.py` writes it. Raises SpecError (ARC801)."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        result = os.path.join(folder, "model.json")
        error = run_isolated(MODULE, "read", os.path.abspath(path), result)
        if error is not None:
            reject(path, error)
        with open(result, encoding="utf-8") as stream:
            model: dict[str, Any] = json.load(stream)
    return model


def network_of(terms: Terms, path: str) -> Network:
    """The network of some terms. Raises SpecError (ARC802), ModelError."""
    context = Context(terms.opset, _uses(terms.outputs))
    drafts, unsupported = _drafts(terms, context)
    if unsupported:
        reject_unsupported(path, unsupported)
    inputs = {term: _input_axes(term, terms) for term in terms.inputs}
    for term in terms.outputs:
        if not isinstance(term, Term):
            raise ModelError("an output depends on no input")
    outputs = [term for term in terms.outputs if isinstance(term, Term)]
    try:
        network = assemble(inputs, drafts, outputs)
    except ShapeError as error:
        raise ModelError(f"its shapes are not those of archc's ops: {error.message}") from None
    except MismatchError as error:
        raise ModelError(f"its shapes are not those of archc's ops: {error}") from None
    shared = shared_weights(network)
    if shared:
        reject_unsupported(path, shared)
    return replace(network, batch=terms.batch, runner=RUNNER)


def _uses(outputs: tuple[Value, ...]) -> dict[int, int]:
    """How often each term is used, outputs counted."""
    uses: dict[int, int] = {}
    waiting = list(outputs)
    while waiting:
        term = waiting.pop()
        if isinstance(term, Term):
            uses[id(term)] = uses.get(id(term), 0) + 1
            if uses[id(term)] == 1:
                waiting += term.inputs
    return uses


def _drafts(terms: Terms, context: Context) -> tuple[dict[Term, Draft], list[Unsupported]]:
    """The drafts of all terms that the outputs need, and what archc has no op for."""
    drafts: dict[Term, Draft] = {}
    unsupported: list[Unsupported] = []
    known: set[Term] = set()
    waiting: list[Value] = list(terms.outputs)
    while waiting:
        term = waiting.pop()
        if not isinstance(term, Term) or term in known or term.op == "Input":
            continue
        known.add(term)
        inputs = term.inputs
        if term.error is not None:
            unsupported.append(Unsupported(term.error, term.place))
        elif term.shape is not None:
            try:
                drafts[term] = _draft(term, context)
                inputs = drafts[term].inputs
            except RefusedError as error:
                unsupported.append(Unsupported(str(error), term.place))
            except FoldError as error:
                unsupported.append(Unsupported(f"{term.op} of {error}", term.place))
        waiting += inputs
    unsupported.reverse()  # from the inputs on
    return drafts, unsupported


def _draft(term: Term, context: Context) -> Draft:
    for pattern in PATTERNS.get(term.op, ()):
        draft = pattern(term, context)
        if draft is not None:
            return draft
    rule = TABLE.get(term.op)
    if rule is None or ("output" in term.attributes and term.op != "Split"):
        raise RefusedError(f"the operation {term.op}")
    draft = rule(term, context)
    assert draft is not None
    return draft


MAP_OPS = frozenset(
    ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization"]
)


def _input_axes(term: Term, terms: Terms) -> Axes:
    """The axes of an input. One of three axes is a map of one spatial axis where a convolution, a
    pool or a batch normalisation takes it, else a sequence. Raises ModelError."""
    assert term.shape is not None
    sizes = term.shape[1:]
    dtype = term.attributes["dtype"]
    if dtype in ("int32", "int64") and len(sizes) == 1:
        return Axes(IDS_AXES, sizes, "int32")
    if dtype not in ("float32", "float16", "float64"):
        raise ModelError(f"its input `{term.value}` is of {dtype}")
    if len(sizes) == 1:
        return Axes(VECTOR_AXES, sizes)
    if len(sizes) == 2:
        names = MAP_AXES[1] if _feeds_map(term, terms.outputs) else SEQUENCE_AXES
        return Axes(names, sizes)
    if len(sizes) > 4:
        raise ModelError(f"its input `{term.value}` has {len(sizes) + 1} axes")
    return Axes(MAP_AXES[len(sizes) - 1], sizes)


def _feeds_map(source: Term, outputs: tuple[Value, ...]) -> bool:
    known: set[Term] = set()
    waiting = list(outputs)
    while waiting:
        term = waiting.pop()
        if isinstance(term, Term) and term not in known:
            known.add(term)
            if term.op in MAP_OPS and term.inputs[0] is source:
                return True
            waiting += term.inputs
    return False
