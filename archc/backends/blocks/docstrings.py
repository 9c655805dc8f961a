"""What the docstring of a block says: its steps, what it takes and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from archc.backends.blocks.extents import Change, changes, is_said_by_width
from archc.backends.blocks.items import Definition, Item, LoweredOp, LoweredScope
from archc.backends.blocks.names import steps_in
from archc.codegen.docs import to_doc
from archc.codegen.layout import LONGEST_SUMMARY
from archc.codegen.tree import Binary, Expr, Lit, Ref
from archc.ir.graph import Node
from archc.ops.axes import Axes
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.merge import Add, Concat, Multiply
from archc.ops.shape import Pad

Shape = Callable[[str, Sequence[str]], tuple[str, ...]]
"""The sizes of a map in the order in which a framework stores it, from its channels and its spatial
sizes."""

SIDES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
MOST_STEPS = 6
"""Steps that a summary names one by one."""

NORMS = ("batch_norm", "layer_norm", "rms_norm", "group_norm", "local_response_norm")

SPELLINGS = {
    **{word.lower(): word for word in ("ReLU", "ReLU6", "PReLU", "ELU", "SELU", "GELU", "SiLU")},
    **{"lstm": "LSTM", "gru": "GRU", "rms": "RMS", "rbf": "RBF"},
    **{"avg": "average", "conv": "convolution", "dense": "dense layer"},
}
"""Words of the names of ops that prose spells in another way."""


def block_docstring(definition: Definition, shape: Shape) -> str:
    """`1x1, 3x3, 1x1 convolutions around a shortcut: (in_channels, H, W) -> (4 * width, H, W).`"""
    join, shapes = _join(definition.items, definition.region.input), _shapes(definition, shape)
    summary = _summary(definition.items, definition.block, join)
    if shapes is None:
        return f"{summary}."
    text = f"{summary}: {shapes}."
    return text if len(text) <= LONGEST_SUMMARY else f"{summary}:\n{shapes}."


def section_docstring(items: Sequence[Item], name: str) -> str:
    """What a section of the network is, that has a class of its own."""
    calls = [item.call for item in steps_in(items) if isinstance(item, LoweredScope)]
    functions = {str(to_doc(call.function).flat) for call in calls if call is not None}
    if len(functions) == 1 and len(calls) == len(list(steps_in(items))) > 1:
        return f"{functions.pop()}, {len(calls)} times."
    return f"{_summary(items, name, _join(items))}."


def _summary(items: Sequence[Item], name: str, join: str) -> str:
    """The steps of a block, all of them where they are few and fit on a line, and how its branches
    come together."""
    nouns = list(_nouns(items, everything=True))
    text = _listed(nouns) + join
    if len(nouns) > MOST_STEPS or len(text) >= LONGEST_SUMMARY:
        text = _listed(list(_nouns(items, everything=False))[:MOST_STEPS]) + join
    return text if nouns else _capitalized(name.replace("_", " ")) + join


def _listed(nouns: Sequence[Noun]) -> str:
    """`1x1, 3x3 convolutions, batch norm`: a run of one kind once, its sizes where all have one."""
    counted = []
    for (kind, is_call), run in groupby(nouns, key=lambda noun: (noun.kind, noun.is_call)):
        sizes = [noun.size for noun in run]
        named = [size for size, _ in groupby(sizes)] if all(sizes) else []
        is_counted = not is_call and kind.endswith(COUNTED) and len(sizes) > 1
        counted.append(" ".join([", ".join(named), f"{kind}s" if is_counted else kind]).strip())
    if nouns and not nouns[0].is_call:
        counted[0] = _capitalized(counted[0])
    return ", ".join(counted)


def _capitalized(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _join(items: Sequence[Item], entry: int | None = None) -> str:
    """How the branches of a block come together, which takes the value `entry`."""
    merges = [op for op in _ops(items) if isinstance(op.node.op, Add | Concat | Multiply)]
    if not merges:
        return ""
    last = merges[-1].node
    if isinstance(last.op, Add):
        several = sum(isinstance(op.node.op, Add) for op in merges) > 1
        return " around shortcuts" if several else " around a shortcut"
    if isinstance(last.op, Concat):
        return ", concatenated to what comes in" if entry in last.inputs else ", concatenated"
    return " as a gate of what comes in" if entry in last.inputs else ", multiplied"


def _ops(items: Sequence[Item]) -> Iterator[LoweredOp]:
    for item in steps_in(items):
        if isinstance(item, LoweredOp):
            yield item
        else:
            yield from _ops(item.items)


class Noun(NamedTuple):
    """A step of a block in words: its size, what it is, and whether that is a block's name."""

    size: str
    kind: str
    is_call: bool = False


COUNTED = ("convolution", "layer")
"""The last words of the kinds that have a plural."""


def _nouns(items: Sequence[Item], *, everything: bool) -> Iterator[Noun]:
    for item in steps_in(items):
        if isinstance(item, LoweredOp):
            op = item.node.op
            if isinstance(op, Conv | DepthwiseConv | ConvTranspose):
                yield Noun(_kernel(item.node), _in_words(op.name))
            elif (
                not isinstance(op, Add | Concat | Multiply | Pad)
                and (everything or any(layer.weighted for layer in item.layers))
                and (everything or op.name not in NORMS)
            ):
                yield Noun("", _in_words(op.name))
        elif item.condition is not None and item.call is None:
            continue
        elif item.call is not None:
            yield Noun("", str(to_doc(item.call.function).flat), is_call=True)
        else:
            yield from _nouns(item.items, everything=everything)


def _in_words(op: str) -> str:
    """The name of an op as prose has it."""
    if op == "conv_transpose":
        op = "transposed_conv"
    return " ".join(SPELLINGS.get(word, word) for word in op.split("_"))


def _kernel(node: Node) -> str:
    """`3x3`, where the spec gives the size as a number, of more than one axis."""
    size = getattr(node.op, "kernel_size", None)
    rank = len(node.output.spatial)
    if "kernel_size" in node.expressions or not isinstance(size, int) or rank == 1:
        return ""
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
    sides_after = changes(definition)
    if sides_after is None:
        return None
    changed = [_side(side, change) for side, change in zip(sides, sides_after, strict=True)]
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


def _side(side: str, change: Change) -> str:
    """A spatial size of what a block gives, by that of what it takes."""
    if change.value == Lit(1):
        return side
    if change.operator == "*":
        return str(to_doc(Binary("*", change.value, Ref(side))).flat)
    return str(to_doc(Binary(change.operator, Ref(side), change.value)).flat)


def axes_text(axes: Axes, width: Expr | None, shape: Shape) -> str:
    """`(batch, classes)`: the shape of an input or output of the network."""
    own = to_doc(width).flat if width is not None and not isinstance(width, Lit) else None
    text = own or str(axes.width)
    if axes.is_map:
        return _joined(["batch", *shape(text, [str(size) for size in axes.spatial])])
    return _joined(["batch", *map(str, axes.sizes[:-1]), text])


def _joined(sizes: Sequence[str]) -> str:
    return f"({', '.join(sizes)})"
