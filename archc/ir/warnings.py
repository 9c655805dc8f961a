"""Warnings: what a valid spec says that is almost surely not meant. Few and sure: whatever may be
meant is none.

Codes: ARC901 an unused parameter, ARC902 an unused block, ARC903 an activation twice in a row,
ARC904 a step that is never there, ARC905 a learning rate above any in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from archc.diagnostics import Diagnostic, Span, in_file_order
from archc.diagnostics.collector import Collector
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node
from archc.language.recipe import Adam, Optimizer, RmsProp, Sgd
from archc.language.values import Value, mapping, parts, sequence
from archc.ops.activation import Activation
from archc.ops.base import Op

HIGHEST_RATES: Mapping[type[Optimizer], float] = {Sgd: 50, Adam: 0.5, RmsProp: 5}
"""Learning rates above any in use. Large batches need the highest: LARS took 29 for 32,768 images
(You, Gitman, Ginsburg 2017), RMSprop 0.256 for 4,096 (Tan and Le 2019), and Adam stays below
0.1."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def warnings(merged: Value, costs: Costs) -> tuple[Diagnostic, ...]:
    """The warnings of a spec, merged with its parents, in file order. What a parent alone says is
    none: it may be meant for others that extend it."""
    collected = Collector()
    own = costs.graph.about.texts[0]
    for diagnostic in (
        *_unused_params(merged),
        *_unused_blocks(merged),
        *_never_there(merged),
    ):
        if diagnostic.span.source.text == own:
            collected.report(diagnostic)
    for node, diagnostic in _activations_twice(costs.graph):
        collected.report(diagnostic, cause=(diagnostic.code, node.origin.step))
    collected.extend(_learning_rate(merged, costs))
    return in_file_order(collected.diagnostics())


def _names_in(values: Iterable[Value]) -> set[str]:
    """All words of the expressions in some values: the names they use, and more."""
    return {
        word
        for value in values
        for part in parts(value)
        if isinstance(part.data, str) and "$" in part.data
        for word in _NAME.findall(part.data)
    }


def _hands_on(value: Value) -> bool:
    """Whether a block in the value gets the parameters around it, which need no name then."""
    given = (mapping(part).get("with") for part in parts(value))
    return any(one is not None and one.data == "same" for one in given)


def _unused_params(merged: Value) -> Iterator[Diagnostic]:
    fields = mapping(merged)
    for owner, inside in ((fields, merged), *((mapping(one), one) for one in _blocks(fields))):
        params = mapping(owner.get("params"))
        if not params or _hands_on(inside):
            continue
        used = _names_in([inside])
        for name, value in params.items():
            if name not in used:
                yield Diagnostic(
                    "ARC901",
                    f"nothing uses the parameter `{name}`",
                    value.key_span or value.span,
                    "use it as `$" + name + "`, or remove it",
                )


def _blocks(fields: Mapping[str, Value]) -> list[Value]:
    return [*mapping(fields.get("blocks")).values()]


def _unused_blocks(merged: Value) -> Iterator[Diagnostic]:
    fields = mapping(merged)
    blocks = mapping(fields.get("blocks"))
    used: set[str] = set()
    waiting = [fields["layers"]] if "layers" in fields else []
    while waiting:
        for part in parts(waiting.pop()):
            block = mapping(part).get("block")
            if block is not None and isinstance(block.data, str) and block.data not in used:
                used.add(block.data)
                waiting += [blocks[block.data]] if block.data in blocks else []
    for name, value in blocks.items():
        if name not in used:
            message = f"no step is an instance of the block `{name}`"
            span = value.key_span or value.span
            yield Diagnostic("ARC902", message, span, "use it, or remove it")


def _never_there(merged: Value) -> Iterator[Diagnostic]:
    """Steps whose condition is false, or that are repeated 0 times, whatever the parameters are."""
    fields = mapping(merged)
    bodies = [fields.get("layers"), *(mapping(one).get("layers") for one in _blocks(fields))]
    for body in bodies:
        for part in parts(body) if body is not None else ():
            for step in sequence(part):
                keys = mapping(step)
                when, repeat = keys.get("when"), keys.get("repeat")
                if when is not None and when.data is False:
                    message = "this step is never there: its condition is false"
                    yield Diagnostic("ARC904", message, when.span, "remove the step")
                elif repeat is not None and repeat.data == 0:
                    message = "these steps are never there: they are repeated 0 times"
                    yield Diagnostic("ARC904", message, repeat.span, "remove them")


def _activations_twice(graph: Graph) -> Iterator[tuple[Node, Diagnostic]]:
    for node in graph.layers:
        source = graph.nodes[node.inputs[0]]
        before = _activation(source.op)
        if isinstance(node.op, Activation) and before == node.op:
            message = f"`{node.path}` is {node.op.name} of what is {before.name} already"
            hint = "remove one of the two"
            yield node, Diagnostic("ARC903", message, node.origin.span, hint)


def _activation(op: Op) -> Op | None:
    """The activation that an op is, or ends with."""
    if isinstance(op, Activation):
        return op
    own = vars(op).get("activation")
    return own if isinstance(own, Activation) else None


def _learning_rate(merged: Value, costs: Costs) -> Iterator[Diagnostic]:
    training = costs.graph.about.training
    optimizer = None if training is None else training.optimizer
    for kind, highest in HIGHEST_RATES.items():
        if isinstance(optimizer, kind) and optimizer.learning_rate > highest:
            message = f"a learning rate of {optimizer.learning_rate:g} is above any in use"
            message += f" with {optimizer.name}: {highest:g} and less"
            yield Diagnostic("ARC905", message, _rate_span(merged), "is a decimal point missing?")


def _rate_span(merged: Value) -> Span:
    """Where the learning rate is written, or the recipe."""
    training = mapping(merged)["training"]
    for part in parts(mapping(training)["optimizer"]):
        if "learning_rate" in mapping(part):
            return mapping(part)["learning_rate"].span
    return training.span
