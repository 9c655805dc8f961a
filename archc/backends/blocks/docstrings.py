"""What the docstring of a block says: its steps, what it takes and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from archc.backends.blocks.extents import Factor, factors, is_said_by_width
from archc.backends.blocks.items import Definition, Item, LoweredOp
from archc.backends.blocks.names import steps_in
from archc.codegen.docs import to_doc
from archc.codegen.layout import LONGEST_SUMMARY
from archc.codegen.tree import Binary, Expr, Lit, Ref
from archc.ir.graph import Node
from archc.ops.axes import Axes
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.merge import Add, Concat, Multiply

Shape = Callable[[str, Sequence[str]], tuple[str, ...]]
"""The sizes of a map in the order in which a framework stores it, from its channels and its spatial
sizes."""

SIDES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
MOST_STEPS = 6
"""Steps that a summary names one by one."""

NORMS = ("batch_norm", "layer_norm", "rms_norm", "group_norm", "local_response_norm")


def block_docstring(definition: Definition, shape: Shape) -> str:
    """`1x1, 3x3, 1x1 convolutions around a shortcut: (in_channels, H, W) -> (4 * width, H, W).`"""
    summary, shapes = _summary(definition.items, definition.block), _shapes(definition, shape)
    if shapes is None:
        return f"{summary}."
    text = f"{summary}: {shapes}."
    return text if len(text) <= LONGEST_SUMMARY else f"{summary}:\n{shapes}."


def section_docstring(items: Sequence[Item], name: str) -> str:
    """What a section of the network is, that has a class of its own."""
    return f"{_summary(items, name)}."


def _summary(items: Sequence[Item], name: str) -> str:
    nouns = list(_nouns(items, everything=True))
    if len(nouns) > MOST_STEPS:
        nouns = list(_nouns(items, everything=False))
    counted = []
    for kind, run in groupby(nouns, key=lambda noun: noun[1]):
        sizes = [size for size, _ in run]
        named = [size for size, _ in groupby(filter(None, sizes))]
        plural = kind + "s" * (len(sizes) > 1)
        counted.append(f"{', '.join(named)} {plural}" if named else kind)
    text = ", ".join(counted[:MOST_STEPS]) or name.replace("_", " ")
    return f"{text[:1].upper()}{text[1:]}{_join(items)}"


def _join(items: Sequence[Item]) -> str:
    """How the branches of a block come together."""
    merges = [op for op in _ops(items) if isinstance(op.node.op, Add | Concat | Multiply)]
    if not merges:
        return ""
    last = merges[-1].node.op
    if isinstance(last, Add):
        several = sum(isinstance(op.node.op, Add) for op in merges) > 1
        return " around shortcuts" if several else " around a shortcut"
    return ", concatenated" if isinstance(last, Concat) else " as a gate of what comes in"


def _ops(items: Sequence[Item]) -> Iterator[LoweredOp]:
    for item in steps_in(items):
        if isinstance(item, LoweredOp):
            yield item
        else:
            yield from _ops(item.items)


def _nouns(items: Sequence[Item], *, everything: bool) -> Iterator[tuple[str, str]]:
    """The steps of a block as words, each with its size before it."""
    for item in steps_in(items):
        if isinstance(item, LoweredOp):
            op = item.node.op
            if isinstance(op, Conv | DepthwiseConv | ConvTranspose):
                yield _kernel(item.node), _convolution(op)
            elif (
                not isinstance(op, Add | Concat | Multiply)
                and (everything or any(layer.weighted for layer in item.layers))
                and (everything or op.name not in NORMS)
            ):
                yield "", op.name.replace("_", " ")
        elif item.condition is not None and item.call is None:
            continue
        elif item.call is not None:
            yield "", str(item.region.block).replace("_", " ")
        else:
            yield from _nouns(item.items, everything=everything)


def _convolution(op: Conv | DepthwiseConv | ConvTranspose) -> str:
    if isinstance(op, DepthwiseConv):
        return "depthwise convolution"
    return "transposed convolution" if isinstance(op, ConvTranspose) else "convolution"


def _kernel(node: Node) -> str:
    """`3x3`, where the spec gives the size as a number."""
    size = getattr(node.op, "kernel_size", None)
    if "kernel_size" in node.expressions or not isinstance(size, int):
        return ""
    rank = len(node.output.spatial) if node.output.is_map else 1
    return "x".join([str(size)] * rank)


def _shapes(definition: Definition, shape: Shape) -> str | None:
    """What a block takes and gives, where that is true of all its arguments and inputs."""
    before, after = definition.axes[0]
    width, output = to_doc(definition.entry).flat, None
    if definition.width is not None:
        output = to_doc(definition.width).flat
    if width is None or output is None:
        return None
    if before.is_sequence and _keeps_tokens(definition):
        return f"(length, {width}) -> (length, {output})"
    if before.is_sequence or after.is_sequence:
        return None
    sides = SIDES[len(before.spatial)] if before.is_map else ()
    taken = _joined(shape(width, sides) if before.is_map else [_elements(before, width)])
    if not after.is_map:
        return f"{taken} -> ({output})" if is_said_by_width(definition) else None
    if len(after.spatial) != len(sides):
        return None
    changes = factors(definition)
    if changes is None:
        return None
    changed = [_side(side, factor) for side, factor in zip(sides, changes, strict=True)]
    return f"{taken} -> {_joined(shape(output, changed))}"


def _elements(axes: Axes, width: str) -> str:
    """How many elements a vector has, or how many ids stand in a sequence."""
    return width if axes.is_vector else "length"


def _keeps_tokens(definition: Definition) -> bool:
    """Whether every step of a block gives as many tokens as come in."""
    before, _ = definition.axes[0]
    return all(
        node.output.is_sequence and node.output.sizes[:-1] == before.sizes[:-1]
        for node in definition.region.nodes()
    )


def _side(side: str, factor: Factor) -> str:
    """A spatial size of what a block gives, by that of what it takes."""
    if factor.value == Lit(1):
        return side
    if factor.grows:
        return str(to_doc(Binary("*", factor.value, Ref(side))).flat)
    return str(to_doc(Binary("/", Ref(side), factor.value)).flat)


def axes_text(axes: Axes, width: Expr | None, shape: Shape) -> str:
    """`(batch, classes)`: the shape of an input or output of the network."""
    own = to_doc(width).flat if width is not None and not isinstance(width, Lit) else None
    text = own or str(axes.width)
    if axes.is_map:
        return _joined(["batch", *shape(text, [str(size) for size in axes.spatial])])
    return _joined(["batch", *map(str, axes.sizes[:-1]), text])


def _joined(sizes: Sequence[str]) -> str:
    return f"({', '.join(sizes)})"
