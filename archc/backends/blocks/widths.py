"""The channels or features of a value as what they come from, not as what they happen to equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from archc.backends.blocks.context import UnifyContext
from archc.backends.blocks.items import Definition
from archc.backends.blocks.symbols import folded, same, settled, total
from archc.codegen.rewrite import transform, walk
from archc.codegen.tree import Binary, Call, Expr, Lit, Ref
from archc.ir.graph import Graph, Node
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError
from archc.ops.merge import Concat, Elementwise
from archc.ops.shape import Flatten


def axis_symbols(graph: Graph, context: UnifyContext, value: int, axis: str) -> list[Expr]:
    """What an axis of a value may be in symbols."""
    x = graph.nodes[value].output
    return context.symbols_of(value) if axis == (x.names[0] if x.is_map else "features") else []


def symbol_in(
    graph: Graph, context: UnifyContext, value: int, own: Mapping[int, int]
) -> Expr | None:
    """The symbol of a value's width that is right in some instances, which call it `own`."""
    widths: list[object] = [graph.nodes[one].output.width for one in own.values()]
    for symbol in context.symbols_of(value):
        if same(context.evaluate(symbol, list(own)), widths):
            return symbol
    return None


def carried(op: Op, inputs: tuple[Axes, ...]) -> Fraction | None:
    """What the output's width is of the input's, where it follows it; None where it does not."""
    try:
        output, wider = op.infer(inputs), op.infer(tuple(x.with_width(2 * x.width) for x in inputs))
    except ShapeError:
        return None
    if wider.width != 2 * output.width:
        return None
    return Fraction(output.width, inputs[0].width)


def width_candidates(
    graph: Graph, node: Node, present: Sequence[Node], widths: Sequence[Expr | None]
) -> list[Expr]:
    """What the width of a node may come from, by the widths of its inputs: the best first."""
    first = present[0]
    inputs = graph.input_axes(first)
    if isinstance(node.op, Concat):
        joined = total(widths)
        return [] if joined is None else [joined]
    known = [width for width in widths if width is not None]
    if isinstance(node.op, Elementwise):
        wide = zip(widths, inputs, strict=True)
        return [width for width, x in wide if width and x.width == first.output.width]
    ratio = carried(first.op, inputs)
    if ratio is None:
        return []
    if isinstance(node.op, Flatten) and inputs[0].is_map and known:
        return [product(known[0], [size for size in inputs[0].spatial if size > 1])]
    return [scaled for width in known if (scaled := _scaled(width, ratio)) is not None]


def width_of_call(
    definition: Definition, call: Call, sources: Sequence[Expr | None]
) -> Expr | None:
    """The width that a block's definition says it gives, in the symbols around its call; `sources`
    are those of what comes in."""
    if definition.width is None:
        return None
    names = map(Ref, definition.widths_in)
    values: dict[Expr, Expr | None] = dict(zip(names, sources, strict=True))
    words = {word.name: word.value for word in call.keywords}
    positional = iter(call.arguments)
    for argument in definition.arguments:
        value = words.get(argument.name)
        values[Ref(argument.name)] = next(positional) if value is None else value
    missing = [node for node in walk(definition.width) if node in values and not values[node]]
    if missing:
        return None

    def put(node: Expr) -> Expr:
        return settled(values.get(node) or node)

    return transform(definition.width, put)


def _scaled(width: Expr, ratio: Fraction) -> Expr | None:
    if ratio == 1:
        return width
    if ratio.denominator == 1:
        return folded(Binary("*", Lit(ratio.numerator), width))
    if ratio.numerator == 1:
        return folded(Binary("//", width, Lit(ratio.denominator)))
    return None


def product(width: Expr, sizes: Sequence[int]) -> Expr:
    """`512 * 7 * 7`."""
    for size in sizes:
        width = Binary("*", width, Lit(size))
    return width
