"""What a backend starts from: every node lowered, refusals told at the spec's lines, and the
parameters of the spec that become arguments of the emitted network.

Code: ARC601 an op that the backend cannot compute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from archc.backends.base import LoweredLayer, Lowering, LoweringContext, Refusal
from archc.backends.blocks.items import LoweredLayers
from archc.codegen.rewrite import unify
from archc.codegen.tree import Expr, Lit, Ref
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Input, Node
from archc.ir.parameters import filling_parameters
from archc.ops.base import Op
from archc.spec import Spec

EXPOSED = frozenset({"filters", "units", "rate"})
"""Fields whose parameters may become arguments: any value of theirs gives the same layers."""

MOST_EXPOSED = 16
"""Parameters that are tried: each costs as much as the network."""


class Backend(NamedTuple):
    """A backend's tables."""

    name: str
    lowerings: Mapping[type[Op], Lowering]
    refused: Mapping[type[Op], str]


def lower_graph(graph: Graph, backend: Backend) -> dict[int, tuple[LoweredLayer, ...]]:
    """The stages of every node but the inputs. Raises SpecError with every refusal (ARC601)."""
    found: list[Diagnostic] = []
    stages: dict[int, tuple[LoweredLayer, ...]] = {}
    known: dict[LoweringContext, tuple[LoweredLayer, ...]] = {}
    nonnegative: list[bool] = []
    for node in graph.nodes:
        incoming = all(nonnegative[index] for index in node.inputs)
        nonnegative.append(_is_nonnegative(node, incoming))
        if isinstance(node.op, Input):
            continue
        context = LoweringContext(node.op, graph.input_axes(node), node.output, incoming)
        try:
            if context not in known:
                known[context] = _lowered(context, backend)
            stages[node.index] = known[context]
        except Refusal as refusal:
            message = f"the {backend.name} backend cannot compute `{node.path}`: {refusal.reason}"
            found.append(Diagnostic("ARC601", message, node.origin.span))
    if found:
        raise SpecError(found)
    return stages


def _lowered(context: LoweringContext, backend: Backend) -> tuple[LoweredLayer, ...]:
    kind = type(context.op)
    if kind in backend.refused:
        raise Refusal(backend.refused[kind])
    return backend.lowerings[kind](context)


def _is_nonnegative(node: Node, incoming: bool) -> bool:
    activation = getattr(node.op, "activation", None)
    last = node.op if activation is None else activation
    if last.sign == "kept":
        return incoming and last is node.op and bool(node.inputs)
    return last.sign == "nonnegative"


def exposed(spec: Spec, costs: Costs, stages: LoweredLayers, backend: Backend) -> list[str]:
    """The spec's parameters that fill widths and rates of ops and change nothing else: arguments
    of the emitted network. Proven by lowering the network once more with another value of the
    parameter, for the first `MOST_EXPOSED` that may be one."""
    graph = costs.graph
    direct = {name for (_, field), name in filling_parameters(graph).items() if field in EXPOSED}
    tried = [name for name in graph.about.params if name in direct][:MOST_EXPOSED]
    return [name for name in tried if _is_argument(name, spec, graph, stages, backend)]


def _is_argument(
    name: str, spec: Spec, graph: Graph, stages: LoweredLayers, backend: Backend
) -> bool:
    value = graph.about.params[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    other = value + 1 if isinstance(value, int) else value / 2 + 0.03125
    try:
        changed = spec.build({**graph.about.overrides, name: other}).graph
        changed_stages = lower_graph(changed, backend)
    except SpecError:
        return False
    if len(changed.nodes) != len(graph.nodes):
        return False
    filled: dict[int, set[str]] = {}
    for (index, field), parameter in filling_parameters(graph).items():
        if parameter == name and field in EXPOSED:
            filled.setdefault(index, set()).add(field)
    for node in graph.layers:
        fields = filled.get(node.index, set())
        if fields:
            if graph.input_axes(node) != changed.input_axes(changed.nodes[node.index]):
                return False
        elif not _is_alike(node.index, graph, changed):
            return False
        a, b = stages[node.index], changed_stages[node.index]
        if node.inputs != changed.nodes[node.index].inputs or len(a) != len(b):
            return False
        for one, two in zip(a, b, strict=True):
            for trees in (
                (one.layer, two.layer),
                (one.expression, two.expression),
                (one.initialize, two.initialize),
            ):
                if not _differ_by(name, (value, other), fields, trees):
                    return False
    return True


def _is_alike(index: int, graph: Graph, changed: Graph) -> bool:
    """Whether a node has the same op and weights in two graphs: what one backend must be told, no
    backend may leave to the other's layers."""
    a, b = graph.nodes[index], changed.nodes[index]
    weights = a.op.weights(graph.input_axes(a)), b.op.weights(changed.input_axes(b))
    return a.op == b.op and weights[0] == weights[1]


def _differ_by(
    name: str,
    values: tuple[object, object],
    fields: Collection[str],
    trees: Sequence[Expr | None],
) -> bool:
    """Whether two trees differ, if at all, in literals of the fields that the parameter with its
    two values fills."""
    if trees[0] is None or trees[1] is None:
        return trees[0] is trees[1]

    def resolve(literals: tuple[Lit, ...]) -> Expr | None:
        same = tuple(literal.value for literal in literals) == values
        return Ref(name) if literals[0].field in fields and same else None

    whole = [tree for tree in trees if tree is not None]
    return unify(whole, resolve) is not None
