"""ONNX files as flat networks: structure alone is read, by a process of its own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from archc.backends.runtime.sandbox import run_isolated
from archc.importers.assemble import MismatchError, assemble
from archc.importers.network import (
    COMPUTED,
    Network,
    Unsupported,
    reject,
    reject_unsupported,
    shared_weights,
)
from archc.importers.onnx.batch_first import with_batch_first
from archc.importers.onnx.exporters import another_export, classes_of, folded, learned_apart
from archc.importers.onnx.maps import kinds_of
from archc.importers.onnx.rows import with_rows_parted
from archc.importers.onnx.rules.drafts import Context, Draft, RefusedError, shape_of
from archc.importers.onnx.rules.patterns import PATTERNS
from archc.importers.onnx.rules.translate import TABLE
from archc.importers.onnx.terms import ModelError, Term, Terms, Value, in_order, terms_of
from archc.importers.onnx.values import FoldError
from archc.onnx_format import PRODUCER
from archc.ops.axes import IDS_AXES, MAP_AXES, SEQUENCE_AXES, VECTOR_AXES, Axes
from archc.ops.base import ShapeError

MODULE = "archc.importers.onnx.model"
RUNNER = "archc.importers.onnx.evaluate"


def read(path: str, open_sizes: Sequence[int] = ()) -> Network:
    """The network in an ONNX file, with sizes of axes that it leaves open. Raises SpecError (ARC801
    for a file that cannot be read, ARC802 for what archc has no op for)."""
    try:
        model = read_structure(path)
        network = network_of(terms_of(model, open_sizes), path, another_export(model))
        notes = (*network.notes, *folded(model))
        return replace(network, notes=notes, classes=classes_of(model))
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


def network_of(terms: Terms, path: str, hint: str | None = None) -> Network:
    """The network of some terms. Raises SpecError (ARC802, with the hint), ModelError."""
    ends = terms.outputs
    for rewriting in (with_rows_parted, with_batch_first):
        ends = _renewed(ends, rewriting(in_order(ends)))
    renewed, maps = kinds_of(in_order(ends))
    ends = _renewed(ends, renewed)
    context = Context(terms.opset, _users(ends), maps, {}, {}, terms.producer == PRODUCER)
    inputs = {term: _input_axes(term, context) for term in terms.inputs}
    context.axes.update(inputs)
    unsupported = _draft_all(ends, context)
    if unsupported:
        reject_unsupported(path, unsupported, hint)
    drafts: Mapping[Term, Draft] = {
        term: draft._replace(restoration=_restoration(term)) if term.tokens_first else draft
        for term, draft in context.drafts.items()
    }
    outputs = [term for term in ends if isinstance(term, Term)]
    if len(outputs) < len(ends):
        raise ModelError("an output depends on no input")
    drafts, notes = learned_apart(outputs, drafts, terms.uniform)
    try:
        network = assemble(inputs, drafts, outputs)
    except ShapeError as error:
        raise ModelError(f"its shapes are not those of archc's ops: {error.message}") from None
    except MismatchError as error:
        raise ModelError(f"its shapes are not those of archc's ops: {error}") from None
    others = [*shared_weights(network, terms.uniform), *_computed(network)]
    if others:
        reject_unsupported(path, others, hint)
    return replace(network, notes=(*network.notes, *notes), batch=terms.batch, runner=RUNNER)


def _restoration(term: Term) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How the value of a term that stands for one with its tokens first becomes the term's."""
    _, tokens, width = shape_of(term)
    return (tokens, -1, width), (1, 0, 2)


def _renewed(outputs: tuple[Value, ...], renewed: Mapping[Term, Term]) -> tuple[Value, ...]:
    return tuple(renewed.get(one, one) if isinstance(one, Term) else one for one in outputs)


def _computed(network: Network) -> list[Unsupported]:
    """Operations whose weights the file computes in a way that is not computed here."""
    found = []
    for layer in network.layers:
        for name, array in layer.weights.items():
            kinds = array.kinds() - COMPUTED
            if kinds:
                reason = f"a {name} that is computed by {', '.join(sorted(kinds))}"
                found.append(Unsupported(reason, layer.place))
    return found


def _users(outputs: tuple[Value, ...]) -> dict[Term, list[Term | None]]:
    """The operations that use each term, None for each time that it is an output."""
    users: dict[Term, list[Term | None]] = {}
    waiting: list[tuple[Value, Term | None]] = [(one, None) for one in outputs]
    while waiting:
        term, user = waiting.pop()
        if isinstance(term, Term):
            is_new = term not in users
            users.setdefault(term, []).append(user)
            if is_new:
                waiting += [(one, term) for one in term.inputs]
    return users


def _draft_all(outputs: tuple[Value, ...], context: Context) -> list[Unsupported]:
    """Draft all terms that the outputs need, each after what it takes, and give what archc has no
    op for. Of operations that are part of another's draft none is needed."""
    reasons: dict[Term, str] = {}
    for term in in_order(outputs):
        if term.error is not None:
            reasons[term] = term.error
        elif term.shape is not None:
            try:
                draft = _draft(term, context)
                context.drafts[term] = draft
                _infer(term, draft, context)
            except RefusedError as error:
                reasons[term] = str(error)
            except FoldError as error:
                reasons[term] = f"{term.op} of {error}"
            except ShapeError as error:
                reasons[term] = f"{term.op} as an op of archc: {error.message}"
    unsupported: list[Unsupported] = []
    known: set[Term] = set()
    waiting: list[Value] = list(outputs)
    while waiting:
        value = waiting.pop()
        if not isinstance(value, Term) or value in known or value.op == "Input":
            continue
        known.add(value)
        if value in reasons:
            unsupported.append(Unsupported(reasons[value], value.place))
            context.drafts.pop(value, None)
        waiting += context.drafts[value].inputs if value in context.drafts else value.inputs
    unsupported.reverse()  # from the inputs on
    return unsupported


def _infer(term: Term, draft: Draft, context: Context) -> None:
    """Note the axes of a term. Raises ShapeError."""
    inputs = tuple(context.axes[one] for one in draft.inputs if one in context.axes)
    if len(inputs) == len(draft.inputs):
        context.axes[term] = inputs[0] if draft.op is None else draft.op.infer(inputs)


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


def _input_axes(term: Term, context: Context) -> Axes:
    """The axes of an input. One of three axes is a map of one spatial axis where an operation on
    maps takes it, else a sequence. Raises ModelError."""
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
        names = MAP_AXES[1] if term in context.maps else SEQUENCE_AXES
        return Axes(names, sizes)
    if len(sizes) > 4:
        raise ModelError(f"its input `{term.value}` has {len(sizes) + 1} axes")
    return Axes(MAP_AXES[len(sizes) - 1], sizes)
