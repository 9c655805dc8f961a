"""What a backend starts from: every node lowered, refusals reported at the spec's lines, and the
parameters of the spec that become arguments of the emitted network.

Code: ARC601 an op that the backend cannot compute.
"""

from __future__ import annotations

from archc.backends.base import Backend, LoweredLayer, LoweringContext, RefusalError
from archc.backends.blocks.items import LoweredLayers
from archc.backends.differences import with_differences
from archc.backends.extensions import extension
from archc.backends.fusion import computed, fuse_movements
from archc.backends.sharing import unshareable
from archc.codegen.rewrite import unify
from archc.codegen.tree import Expr, Lit, Ref
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.graph import Graph, Input, Node
from archc.ir.network import Network, Variation
from archc.ir.sharing import reuses_layer


def fused(graph: Graph) -> Graph:
    """The graph with the steps that backends write as one."""
    return with_differences(fuse_movements(graph))


def lower_graph(graph: Graph, backend: Backend) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node that is computed, but the inputs. Raises SpecError with every
    refusal (ARC601)."""
    refusals: list[Diagnostic] = []
    layers: dict[int, tuple[LoweredLayer, ...]] = {}
    known: dict[LoweringContext, tuple[LoweredLayer, ...]] = {}
    nonnegative: list[bool] = []
    alive = computed(graph)
    tied = {node.index: node.weights for node in graph.nodes if _is_tied(graph, node)}
    ties = frozenset(tied.values())
    for node in graph.nodes:
        incoming = all(nonnegative[index] for index in node.inputs)
        nonnegative.append(_is_nonnegative(node, incoming))
        if isinstance(node.op, Input) or node.index not in alive:
            continue
        axes = graph.input_axes(node)
        context = LoweringContext(
            node.op,
            axes,
            node.output,
            incoming,
            node.index in tied,
            # An op that reuses the layer of another needs the same one.
            node.index in ties or (node.weights in ties and reuses_layer(graph, node)),
            node.trainable,
        )
        try:
            if context not in known:
                known[context] = _lower(context, backend)
            layers[node.index] = known[context]
        except RefusalError as refusal:
            message = f"the {backend.name} backend cannot compute `{node.path}`: {refusal.reason}"
            refusals.append(Diagnostic("ARC601", message, node.origin.span))
    if not refusals:
        refusals = list(unshareable(graph, layers, backend.name))
    if refusals:
        raise SpecError(refusals)
    return layers


def _is_tied(graph: Graph, node: Node) -> bool:
    """Whether a node uses the variables of an op of another kind."""
    return node.weights >= 0 and not reuses_layer(graph, node)


def _lower(context: LoweringContext, backend: Backend) -> tuple[LoweredLayer, ...]:
    """The layers of an op by the backend's own tables, or by those of the op's package."""
    kind = type(context.op)
    for tables in (backend, extension(backend.name)):
        if kind in tables.refused:
            raise RefusalError(tables.refused[kind])
        if kind in tables.lowerings:
            return tables.lowerings[kind](context)
    raise RefusalError(f"no package lowers `{context.op.name}` there")


def _is_nonnegative(node: Node, incoming: bool) -> bool:
    last = node.op.last
    if last.sign == "kept":
        return incoming and last is node.op and bool(node.inputs)
    return last.sign == "nonnegative"


def symbolic_arguments(network: Network, layers: LoweredLayers, backend: Backend) -> list[str]:
    """The spec's parameters that become arguments of the emitted network: those whose variation,
    lowered too, differs in literals alone that the parameter fills."""
    return [one.parameter for one in network.variations if _is_argument(one, layers, backend)]


def _is_argument(variation: Variation, layers: LoweredLayers, backend: Backend) -> bool:
    try:
        varied = lower_graph(fused(variation.graph), backend)
    except SpecError:
        return False
    if varied.keys() != layers.keys():
        return False
    return all(_differ_by(variation, index, layers[index], varied[index]) for index in layers)


def _differ_by(
    variation: Variation,
    index: int,
    layers: tuple[LoweredLayer, ...],
    varied: tuple[LoweredLayer, ...],
) -> bool:
    """Whether the layers of a node differ, if at all, in literals of the fields that the parameter
    with its two values fills."""
    fields = variation.fields.get(index, frozenset())

    def resolve(literals: tuple[Lit, ...]) -> Expr | None:
        same = tuple(literal.value for literal in literals) == variation.values
        return Ref(variation.parameter) if literals[0].field in fields and same else None

    def agree(one: Expr | None, other: Expr | None) -> bool:
        if one is None or other is None:
            return one is other
        return unify([one, other], resolve) is not None

    return len(layers) == len(varied) and all(
        all(map(agree, one.trees, other.trees)) for one, other in zip(layers, varied, strict=True)
    )
