"""Attribution of the difference of two networks: each layer's change of cost as a sum over causes.

A pair of layers is transformed from one to the other in steps: first the width of the inputs, then
their other axes, then one field after another in the order of declaration. A step that gives an
invalid layer (channels that are not divisible by the groups, for example) is postponed. The change
of cost in a step is attributed to its cause, so that the parts add up exactly. The path starts at
the network with fewer parameters, whether A or B, so that the parts from B to A are those from A to
B with the opposite sign.

The effect of a changed input is attributed upstream: to the field, the unpaired layer or the
network input that caused it, as long as that is a single one.
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
"""Causes other than fields of ops; no field has such a name."""


class Cost(NamedTuple):
    """The cost of a layer, or a difference of costs."""

    params: int
    macs: int
    activations: int


class Cause(NamedTuple):
    """A field's name or one of the kinds above, and the path of the layer (in B, or in A if it has
    no counterpart); None without a single layer."""

    kind: str
    layer: str | None


class Effect(NamedTuple):
    """The part of one cause in one layer's change of cost, B minus A. It is `downstream` if only
    the layer's input has changed."""

    cause: Cause
    downstream: bool
    cost: Cost


def cost_of(layer: Layer) -> Cost:
    """The cost of a layer."""
    return Cost(layer.params, layer.macs, layer.activations)


def subtract(one: Cost, two: Cost) -> Cost:
    """The difference of two costs."""
    return Cost(one[0] - two[0], one[1] - two[1], one[2] - two[2])


def sum_of(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    params = macs = activations = 0
    for cost in costs:
        params += cost.params
        macs += cost.macs
        activations += cost.activations
    return Cost(params, macs, activations)


def effects_in_pairs(
    a: Costs, b: Costs, pairs: Sequence[tuple[Layer, Layer]], *, from_b: bool
) -> list[tuple[Effect, ...]]:
    """The effects with a cost in each pair of layers, in order. The path starts at B with
    `from_b`."""
    if not from_b:
        tracing = _Tracing(a, b, pairs, REMOVED, ADDED)
        return [tracing.effects(one, two, two.node.path) for one, two in pairs]
    tracing = _Tracing(b, a, [(two, one) for one, two in pairs], ADDED, REMOVED)
    nothing = Cost(0, 0, 0)
    return [
        tuple(
            effect._replace(cost=subtract(nothing, effect.cost))
            for effect in tracing.effects(two, one, two.node.path)
        )
        for one, two in pairs
    ]


def effect_alone(layer: Layer, *, removed: bool) -> Effect:
    """The effect of an unpaired layer: all its cost."""
    cost = cost_of(layer)
    kind = REMOVED if removed else ADDED
    signed = subtract(Cost(0, 0, 0), cost) if removed else cost
    return Effect(Cause(kind, layer.node.path), False, signed)


class _Change(NamedTuple):
    """The causes why the axes of two values differ, in width (channels, features) and in the other
    axes; None if they are equal."""

    width: Cause | None
    rest: Cause | None


def _differ(one: Axes, two: Axes) -> tuple[bool, bool]:
    """Whether axes differ in width, and in the other axes. Different kinds of axes differ in
    both."""
    if one == two:
        return False, False
    if one.names != two.names or one.dtype != two.dtype:
        return True, True
    return one.width != two.width, one.with_width(0) != two.with_width(0)


def _merge(one: Cause | None, two: Cause | None) -> Cause | None:
    """The common cause of two causes."""
    if one is None or two is None or one == two:
        return two if one is None else one
    return Cause(one.kind if one.kind == two.kind else SEVERAL, None)


class _Step(NamedTuple):
    """One step of a layer's transformation: the width of its inputs, their other axes, its inputs
    altogether, whose variables it uses, or the field of this name."""

    name: str
    cause: Cause
    downstream: bool = True


WEIGHTS = "weights"
"""The kind of a cause, and the name of a step: a layer uses another one's variables, or its own."""
_OF_INPUTS = _WIDTH, _REST, _INPUTS = "width of inputs", "rest of inputs", "inputs"


class _Tracing:
    """Follows changes of axes from layer to layer, from the start network to the end network, which
    are A and B or B and A. `start_alone` and `end_alone` are the causes for unpaired layers."""

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
        """The effects in a pair, named by `path`. Its inputs must have been processed before."""
        steps = self._incoming(one, two)
        steps += [
            _Step(field.name, Cause(field.name, path), downstream=False)
            for field in changed_fields(one.node.op, two.node.op)
        ]
        if _shared(one) != _shared(two):
            steps.append(_Step(WEIGHTS, Cause(WEIGHTS, path), downstream=False))
        if not steps:
            self.changes[one.node.index] = _Change(None, None)
            return ()
        effects = []
        before, cost = one.node.output, cost_of(one)
        width: Cause | None = None
        rest: Cause | None = None
        for step, after, cost_after in _path(one, two, steps):
            differ = _differ(before, after)
            width = _merge(width, step.cause) if differ[0] else width
            rest = _merge(rest, step.cause) if differ[1] else rest
            if cost_after != cost:
                effects.append(Effect(step.cause, step.downstream, subtract(cost_after, cost)))
            before, cost = after, cost_after
        differ = _differ(one.node.output, two.node.output)
        self.changes[one.node.index] = _Change(
            width if differ[0] else None, rest if differ[1] else None
        )
        return tuple(effects)

    def _incoming(self, one: Layer, two: Layer) -> list[_Step]:
        """The steps for changes of the inputs."""
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
                width = _merge(width, self._cause(source, end, 0))
            if differ[1]:
                rest = _merge(rest, self._cause(source, end, 1))
            same_kind &= axes.names == others.names and axes.dtype == others.dtype
        if not same_kind:
            cause = _merge(width, rest)
            return [] if cause is None else [_Step(_INPUTS, cause)]
        named = ((_WIDTH, width), (_REST, rest))
        return [_Step(name, cause) for name, cause in named if cause is not None]

    def _cause(self, source: int, end: int, part: int) -> Cause:
        """The cause why two values differ in a part of their axes: the width (0) or the rest
        (1)."""
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
        """The cause of a different number of inputs: unpaired inputs, and inputs with different
        axes."""
        images = {self.counterpart.get(index) for index in one.node.inputs}
        cause: Cause | None = None
        for side, layer in enumerate((one, two)):
            for index in layer.node.inputs:
                if index not in self.matched[side]:
                    path = self.nodes[side][index].path
                    cause = _merge(cause, Cause(self.alone[side], path))
                elif side and index not in images:
                    cause = _merge(cause, Cause(WIRING, None))
                elif not side:
                    cause = _merge(cause, _merge(*self.changes[index]))
        return Cause(WIRING, None) if cause is None else cause


def _origins(costs: Costs, matched: Collection[int]) -> tuple[list[int], list[int]]:
    """For each node, the origins of the width and of the rest of its output's axes: itself, or
    those of its first input if it is unpaired and does not change them."""
    origins: tuple[list[int], list[int]] = ([], [])
    for node in costs.graph.nodes:
        passes = (False, False)
        if node.index not in matched and node.inputs:
            differ = _differ(costs.graph.nodes[node.inputs[0]].output, node.output)
            passes = not differ[0], not differ[1]
        for part in (0, 1):
            origin = origins[part][node.inputs[0]] if passes[part] else node.index
            origins[part].append(origin)
    return origins


def _path(one: Layer, two: Layer, steps: list[_Step]) -> Iterator[tuple[_Step, Axes, Cost]]:
    """The steps from one layer to the other in a valid order, each with the output's axes and the
    cost after it."""
    done: frozenset[str] = frozenset()
    waiting = list(steps)
    while len(waiting) > 1:
        for step in waiting:
            state = _after(done | {step.name}, one, two)
            if state is not None:
                break
        else:
            # None is valid without the others: their effects cannot be separated.
            waiting = [_combine(waiting)]
            break
        waiting.remove(step)
        done |= {step.name}
        yield step, *state
    yield waiting[0], two.node.output, cost_of(two)


def _combine(steps: Sequence[_Step]) -> _Step:
    kinds = " + ".join(step.cause.kind for step in steps)
    if any(step.downstream for step in steps):
        return _Step(kinds, Cause(SEVERAL, None))
    return _Step(kinds, Cause(kinds, steps[0].cause.layer), downstream=False)


def _shared(layer: Layer) -> frozenset[str]:
    """The names of the variables that a layer's op has of another one."""
    kept = {variable.name for variable in layer.variables}
    variables = layer.node.op.variables(layer.inputs)
    return frozenset(variable.name for variable in variables if variable.name not in kept)


def _after(done: frozenset[str], one: Layer, two: Layer) -> tuple[Axes, Cost] | None:
    """The output's axes and the cost after some steps; None if that layer is invalid."""
    changed = done - {WEIGHTS, *_OF_INPUTS}
    fields = {name: getattr(two.node.op, name) for name in changed}
    op = replace(one.node.op, **fields)
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
    shared = _shared(two if WEIGHTS in done else one)
    params = sum(
        variable.elements
        for variable in op.variables(inputs)
        if variable.learned and variable.name not in shared
    )
    activations = 0 if op.view else output.elements
    return output, Cost(params, op.macs(inputs, output), activations)
