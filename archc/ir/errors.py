"""Errors of the steps of a network: an op rejects its input, nothing uses its output, it is not
said what it takes.

Codes: ARC1xx from the ops' shape rules, ARC406 a step that no output uses, ARC407 an input that is
not named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archc.diagnostics import Diagnostic, Note
from archc.ir.graph import Graph, Input, Node, Region
from archc.language.syntax import Document, InvalidStep, OpStep, Step
from archc.ops.base import ShapeError

MOST_NOTES = 16
"""Inputs that the error of a merge shows."""


def ambiguous_first_step(document: Document) -> Iterator[Diagnostic]:
    """An error where a network of several inputs begins with none of them."""
    layers = document.layers
    if len(document.inputs) < 2 or not layers or isinstance(layers[0], InvalidStep):
        return
    if layers[0].sources is None:
        message = "with several inputs the first step must name one"
        hint = f"add `from:` with one of {', '.join(document.inputs)}"
        yield Diagnostic("ARC407", message, layers[0].span, hint)


def rejected(step: Step, error: ShapeError, inputs: Sequence[Node]) -> Diagnostic:
    """The error of a step whose op rejects the outputs of `inputs`."""
    span = step.span
    if isinstance(step, OpStep) and error.field is not None and error.field in step.fields:
        span = step.fields[error.field].span
    notes = tuple(
        Note(f"{node.output} from `{node.path}`", node.origin.span)
        for node in [*dict.fromkeys(inputs)][:MOST_NOTES]
    )
    return Diagnostic(error.code, error.message, span, error.hint, notes)


def mixed_in_training(graph: Graph) -> Iterator[Diagnostic]:
    """An error for each section, block instance or repetition of the network that computes
    something for outputs in training alone, and something else."""
    alone = graph.training_only
    for item in graph.root.items if alone else ():
        if isinstance(item, Region):
            inside = [node.index in alone for node in item.nodes()]
            if any(inside) and not all(inside):
                message = f"`{item.path}` is in part for outputs in training alone"
                hint = "put those steps beside it, in a section of their own"
                yield Diagnostic("ARC402", message, item.origin.span, hint)


def unused(
    nodes: Sequence[Node],
    outputs: Sequence[int],
    block_outputs: Mapping[tuple[str, str], Sequence[int]],
) -> Iterator[Diagnostic]:
    """An error for each node that no output depends on, the last one first. What one instance of a
    block gives out may be unused where another one's is used: in the last turn of a loop."""
    alike = dict(block_outputs)
    key_of = {index: key for key, indices in alike.items() for index in indices}
    needed: set[int] = set()
    waiting = list(outputs)
    while waiting:
        index = waiting.pop()
        if index not in needed:
            needed.add(index)
            waiting += nodes[index].inputs
            waiting += alike.pop(key_of[index], ()) if index in key_of else ()
    for node in reversed(nodes):
        if node.index in needed:
            continue
        what = "input" if isinstance(node.op, Input) else "step"
        message = f"no output uses the {what} `{node.path}`"
        hint = "use it with `from`, list it under `outputs`, or remove it"
        yield Diagnostic("ARC406", message, node.origin.span, hint)
