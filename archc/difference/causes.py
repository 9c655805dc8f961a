"""What the difference of two networks comes from: each layer's change of cost, told as the sum of
what its causes make.

A layer that both networks have is led from the one to the other in steps: first what comes in
changes in width, then in its other axes, then one field after another in the order of their
declaration; a step that gives no possible layer (channels that the groups do not divide, say)
waits for the others. What a step adds to the cost is the part of its cause, so that the parts add
up exactly. The way starts at the network of fewer parameters, be it A or B, so that the parts of
the difference from B to A are those from A to B with the other sign.

What a change of the input makes is the part of the field, of the layer that one network has alone,
or of the network's input that it comes from, as far up as it comes from one alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from archc.difference.fields import changed_fields
from archc.ir.costs import Costs, Layer
from archc.ops.axes import Axes
from archc.ops.base import ShapeError
from archc.records import replace

ADDED = "added layers"
REMOVED = "removed layers"
REPLACED = "replaced layers"
INPUT = "network input"
WIRING = "wiring"
SEVERAL = "several changes"
"""The causes that are no field of an op: none is called so."""


class Cost(NamedTuple):
    """What a layer costs, or a difference of costs."""

    params: int
    macs: int
    activations: int


class Cause(NamedTuple):
    """A field's name or one of the kinds above, and the path of the layer (in B, or where A alone
    has it in A); None where it is not one layer's."""

    kind: str
    layer: str | None


class Effect(NamedTuple):
    """The part of one cause in one layer's change of cost, B less A. It is `downstream` where the
    layer itself has not changed but what comes in."""

    cause: Cause
    downstream: bool
    cost: Cost


def cost_of(layer: Layer) -> Cost:
    """The cost of a layer."""
    return Cost(layer.params, layer.macs, layer.activations)


def less(one: Cost, two: Cost) -> Cost:
    """The one cost less the other."""
    return Cost(one[0] - two[0], one[1] - two[1], one[2] - two[2])


def sum_of(costs: Iterable[Cost]) -> Cost:
    """All costs together."""
    params = macs = activations = 0
    for cost in costs:
        params += cost.params
        macs += cost.macs
        activations += cost.activations
    return Cost(params, macs, activations)


def effects_in_pairs(
    a: Costs, b: Costs, pairs: Sequence[tuple[Layer, Layer]], *, from_b: bool
) -> list[tuple[Effect, ...]]:
    """The effects that cost something in each pair of layers, in their order; `from_b` tells where
    the way starts."""
    if not from_b:
        tracing = _Tracing(a, b, pairs, REMOVED, ADDED)
        return [tracing.effects(one, two, two.node.path) for one, two in pairs]
    tracing = _Tracing(b, a, [(two, one) for one, two in pairs], ADDED, REMOVED)
    nothing = Cost(0, 0, 0)
    return [
        tuple(
            effect._replace(cost=less(nothing, effect.cost))
            for effect in tracing.effects(two, one, two.node.path)
        )
        for one, two in pairs
    ]


def effect_alone(layer: Layer, *, removed: bool) -> Effect:
    """The effect of a layer that one network has alone: all its cost."""
    cost = cost_of(layer)
    kind = REMOVED if removed else ADDED
    signed = less(Cost(0, 0, 0), cost) if removed else cost
    return Effect(Cause(kind, layer.node.path), False, signed)


class _Change(NamedTuple):
    """Why the axes of two values differ: in width (channels, features) and in the others; None
    where they do not."""

    width: Cause | None
    rest: Cause | None


def _differ(one: Axes, two: Axes) -> tuple[bool, bool]:
    """Whether axes differ in width, and in the others. Those of another kind differ in both."""
    if one == two:
        return False, False
    if one.names != two.names or one.dtype != two.dtype:
        return True, True
    return one.width != two.width, one.with_width(0) != two.with_width(0)


def _joined(one: Cause | None, two: Cause | None) -> Cause | None:
    """What two causes are together."""
    if one is None or two is None or one == two:
        return two if one is None else one
    return Cause(one.kind if one.kind == two.kind else SEVERAL, None)


class _Step(NamedTuple):
    """One change on the way of a layer: of the width of its inputs, of their other axes, of its
    inputs altogether, or of the field of this name."""

    name: str
    cause: Cause
    downstream: bool = True


_OF_INPUTS = _WIDTH, _REST, _INPUTS = "width of inputs", "rest of inputs", "inputs"


class _Tracing:
    """Follows changes of axes from layer to layer. The way goes from the start to the end, which
    are A and B or B and A; what one of them has alone has its own kind of cause."""

    def __init__(
        self,
        start: Costs,
        end: Costs,
        pairs: Sequence[tuple[Layer, Layer]],
        start_alone: str,
        end_alone: str,
    ) -> None:
        self.nodes = start.graph.nodes, end.graph.nodes
        self.alone = start_alone, end_alone
        self.changes: dict[int, _Change] = {}
        self.counterpart = dict(zip(start.graph.inputs, end.graph.inputs, strict=False))
        for one, two in self.counterpart.items():
            cause = Cause(INPUT, end.graph.nodes[two].path)
            width, rest = _differ(start.graph.nodes[one].output, end.graph.nodes[two].output)
            self.changes[one] = _Change(cause if width else None, cause if rest else None)
        self.counterpart |= {one.node.index: two.node.index for one, two in pairs}
        self.matched = frozenset(self.counterpart), frozenset(self.counterpart.values())
        self.origins = (
            _origins(start, self.matched[0]),
            _origins(end, self.matched[1]),
        )

    def effects(self, one: Layer, two: Layer, path: str) -> tuple[Effect, ...]:
        """The effects in a pair, whose inputs have been followed before; `path` names it."""
        steps = self._incoming(one, two)
        steps += [
            _Step(field.name, Cause(field.name, path), downstream=False)
            for field in changed_fields(one.node.op, two.node.op)
        ]
        if not steps:
            self.changes[one.node.index] = _Change(None, None)
            return ()
        found = []
        before, cost = one.node.output, cost_of(one)
        width: Cause | None = None
        rest: Cause | None = None
        for step, after, reached in _way(one, two, steps):
            differ = _differ(before, after)
            width = _joined(width, step.cause) if differ[0] else width
            rest = _joined(rest, step.cause) if differ[1] else rest
            if reached != cost:
                found.append(Effect(step.cause, step.downstream, less(reached, cost)))
            before, cost = after, reached
        differ = _differ(one.node.output, two.node.output)
        self.changes[one.node.index] = _Change(
            width if differ[0] else None, rest if differ[1] else None
        )
        return tuple(found)

    def _incoming(self, one: Layer, two: Layer) -> list[_Step]:
        """The steps that what comes in makes."""
        if len(one.inputs) != len(two.inputs):
            return [_Step(_INPUTS, self._other_number(one, two))]
        width: Cause | None = None
        rest: Cause | None = None
        same_kind = True
        for axes, others, source, end in zip(
            one.inputs, two.inputs, one.node.inputs, two.node.inputs, strict=True
        ):
            differ = _differ(axes, others)
            if differ[0]:
                width = _joined(width, self._cause(source, end, 0))
            if differ[1]:
                rest = _joined(rest, self._cause(source, end, 1))
            same_kind &= axes.names == others.names and axes.dtype == others.dtype
        if not same_kind:
            cause = _joined(width, rest)
            return [] if cause is None else [_Step(_INPUTS, cause)]
        named = ((_WIDTH, width), (_REST, rest))
        return [_Step(name, cause) for name, cause in named if cause is not None]

    def _cause(self, source: int, end: int, part: int) -> Cause:
        """Why two values differ in a part of their axes: the width (0) or the rest (1)."""
        source = self.origins[0][part][source]
        end = self.origins[1][part][end]
        if self.counterpart.get(source) == end:
            cause = self.changes[source][part]
            if cause is not None:
                return cause
        return self._not_a_pair(source, end)

    def _not_a_pair(self, source: int, end: int) -> Cause:
        alone = source not in self.matched[0], end not in self.matched[1]
        paths = self.nodes[0][source].path, self.nodes[1][end].path
        if alone == (True, True):
            return Cause(REPLACED, None)
        if alone == (True, False):
            return Cause(self.alone[0], paths[0])
        if alone == (False, True):
            return Cause(self.alone[1], paths[1])
        return Cause(WIRING, None)

    def _other_number(self, one: Layer, two: Layer) -> Cause:
        """Why a layer joins another number of inputs: by those without a counterpart, and those
        whose axes differ."""
        images = {self.counterpart.get(index) for index in one.node.inputs}
        cause: Cause | None = None
        for side, layer in enumerate((one, two)):
            for index in layer.node.inputs:
                if index not in self.matched[side]:
                    path = self.nodes[side][index].path
                    cause = _joined(cause, Cause(self.alone[side], path))
                elif side and index not in images:
                    cause = _joined(cause, Cause(WIRING, None))
                elif not side:
                    cause = _joined(cause, _joined(*self.changes[index]))
        return Cause(WIRING, None) if cause is None else cause


def _origins(costs: Costs, matched: Collection[int]) -> tuple[list[int], list[int]]:
    """For each node, where the width of its output comes from, and where the rest does: itself, or
    where its first input's comes from, if it has no counterpart and changes nothing there."""
    found: tuple[list[int], list[int]] = ([], [])
    for node in costs.graph.nodes:
        passes = (False, False)
        if node.index not in matched and node.inputs:
            differ = _differ(costs.graph.nodes[node.inputs[0]].output, node.output)
            passes = not differ[0], not differ[1]
        for part in (0, 1):
            origin = found[part][node.inputs[0]] if passes[part] else node.index
            found[part].append(origin)
    return found


def _way(one: Layer, two: Layer, steps: list[_Step]) -> Iterator[tuple[_Step, Axes, Cost]]:
    """The steps from one layer to the other in an order that is possible, each with the output's
    axes and the cost after it."""
    done: frozenset[str] = frozenset()
    waiting = list(steps)
    while len(waiting) > 1:
        for step in waiting:
            state = _after(done | {step.name}, one, two)
            if state is not None:
                break
        else:
            # None is possible without the others: what they make cannot be told apart.
            waiting = [_together(waiting)]
            break
        waiting.remove(step)
        done |= {step.name}
        yield step, *state
    yield waiting[0], two.node.output, cost_of(two)


def _together(steps: Sequence[_Step]) -> _Step:
    kinds = " + ".join(step.cause.kind for step in steps)
    if any(step.downstream for step in steps):
        return _Step(kinds, Cause(SEVERAL, None))
    return _Step(kinds, Cause(kinds, steps[0].cause.layer), downstream=False)


def _after(done: Collection[str], one: Layer, two: Layer) -> tuple[Axes, Cost] | None:
    """The output's axes and the cost after some steps; None where there is no such layer."""
    changed = {name: getattr(two.node.op, name) for name in done if name not in _OF_INPUTS}
    op = replace(one.node.op, **changed)
    inputs = two.inputs if _INPUTS in done else one.inputs
    if _WIDTH in done or _REST in done:
        inputs = tuple(
            (others if _REST in done else axes).with_width(
                (others if _WIDTH in done else axes).width
            )
            for axes, others in zip(one.inputs, two.inputs, strict=True)
        )
    try:
        output = op.infer(inputs)
    except ShapeError:
        return None
    params = sum(one.elements for one in op.variables(inputs) if one.learned)
    written = 0 if op.view else output.elements
    return output, Cost(params, op.macs(inputs, output), written)
