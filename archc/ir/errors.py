"""Errors of the steps of a network: an op rejects its input, nothing uses its output, it is not
said what it takes.

Codes: ARC1xx from the ops' shape rules, ARC402 a block with the wrong number of inputs, ARC406 a
step that no output uses, or an input that no step of a block does, ARC407 an input that is not
named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from archc.diagnostics import Diagnostic, Note
from archc.ir.graph import Graph, Input, Node, Region, needed_for
from archc.language.expressions import INPUT
from archc.language.names import FLOW
from archc.language.syntax import Block, BlockStep, Document, InvalidStep, OpStep, Step
from archc.ops.base import ShapeError

MOST_NOTES = 16
"""Inputs that the error of a merge shows."""


def ambiguous_first_step(document: Document) -> Iterator[Diagnostic]:
    """An error where a network of several inputs begins with none of them."""
    layers = document.layers
    if len(document.inputs) < 2 or not layers or isinstance(layers[0], InvalidStep):
        return
    sources = layers[0].sources
    if sources is None or any(source.data == FLOW for source in sources):
        message = "with several inputs the first step must name one"
        hint = f"add `from:` with one of {', '.join(document.inputs)}"
        yield Diagnostic("ARC407", message, layers[0].span, hint)


def wrong_inputs(step: BlockStep, block: Block, count: int) -> Diagnostic:
    """The error of an instance that takes more or fewer inputs than its block has."""
    title, names = step.block.data, [str(one.data) for one in block.inputs]
    span = step.sources[0].span if step.sources else step.block.span
    if not names:
        message = f"block `{title}` takes a single input, got {count}"
        return Diagnostic("ARC402", message, span, "merge them first, or give it `inputs`")
    message = f"block `{title}` takes {1 + len(names)} inputs, got {count}"
    hint = f"`from` names each: {INPUT}, {', '.join(names)}; `{FLOW}` is what comes in here"
    return Diagnostic("ARC402", message, span, hint)


def unused_inputs(
    blocks: Mapping[str, Block], used: Mapping[str, Collection[str]]
) -> Iterator[Diagnostic]:
    """An error for each input of a block that no step in any of its instances takes; `used` are
    those that one does, of the blocks with instances."""
    for title, names in used.items():
        for value in blocks[title].inputs:
            if value.data not in names:
                message = f"no step of block `{title}` takes its input `{value.data}`"
                hint = "name it under `from`, or remove it"
                yield Diagnostic("ARC406", message, value.span, hint)


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
    nodes: Sequence[Node], outputs: Sequence[int], dispensed: Collection[int]
) -> Iterator[Diagnostic]:
    """An error for each node that no output depends on and that is not left out (`dispensed`), the
    last one first: Keras has no layer for it. Where a step is used in other instances of its block,
    or in other turns of a loop, the hint says so."""
    needed = needed_for(nodes, outputs)
    elsewhere = {nodes[index].origin.span for index in needed}
    for node in reversed(nodes):
        if node.index in needed or node.index in dispensed:
            continue
        what = "input" if isinstance(node.op, Input) else "step"
        message = f"no output uses the {what} `{node.path}`"
        hint = "use it with `from`, list it under `outputs`, or remove it"
        if node.origin.span in elsewhere:
            hint = "use it with `from`, or write this part without it; elsewhere the step is used"
        yield Diagnostic("ARC406", message, node.origin.span, hint)
