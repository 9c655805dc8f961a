"""Where a file has the arrays of a network: in which of its arrays, in which rows, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archc.backends.layouts import Layout
from archc.ir.arrays import Array
from archc.ir.checkpoints import NamedLayer, arrays_of
from archc.weights.files import Entry


class ExpectedArray(NamedTuple):
    """An array of the network, with its layout and name in a file."""

    array: Array
    layout: Layout
    name: str


class Source(NamedTuple):
    """The array of a file that holds an array of the network. It has the shape `shape`, once what
    is `transposed` is turned; the network's array is its rows from `begin` on. Where the channels
    that come in stand by `blocks` (see `Rule`), they are put in order, and all is multiplied by
    `factor`. `is_listed` says that a table names it: then it may have other axes of one element."""

    name: str
    shape: tuple[int, ...]
    begin: int = 0
    transposed: bool = False
    blocks: tuple[int, ...] = ()
    factor: float = 1.0
    is_listed: bool = False

    @property
    def shape_in_file(self) -> tuple[int, ...]:
        """The shape of the file's array."""
        return self.shape[::-1] if self.transposed else self.shape

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of the file may have a shape."""
        own = self.shape_in_file
        return shape == own or (self.is_listed and _longer(shape) == _longer(own))

    def entry(self, entry: Entry, kept: tuple[int, ...]) -> Entry:
        """The network's own array, of the shape `kept`, in the file's array."""
        if entry.shape == kept and not self.transposed:
            return entry

        def read() -> Any:
            array = entry.read().reshape(self.shape_in_file)
            array = array.T if self.transposed else array
            return array[self.begin : self.begin + kept[0]] if kept else array

        return Entry(kept, entry.dtype, read)

    def adapted(self, array: Any) -> Any:
        """A canonical array with its incoming channels in the order of the network, times the
        factor."""
        if self.factor != 1.0:
            array = array * array.dtype.type(self.factor)
        if not self.blocks:
            return array
        axis = min(array.ndim - 1, 1)  # of a kernel, or of a vector
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        split = array.reshape(*before, len(self.blocks), -1, *after)
        back = sorted(range(len(self.blocks)), key=self.blocks.__getitem__)
        return split.take(back, axis=axis).swapaxes(axis, axis + 1).reshape(array.shape)


def _longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of more than one element."""
    return tuple(size for size in shape if size != 1)


class Sources(NamedTuple):
    """Where a file has each array, by the array's key; the value of those that it lacks by a rule;
    and the names of its arrays that are none of the network by a rule."""

    by_key: dict[str, Source]
    constants: dict[str, float]
    unused: set[str]


def sources_of(expected: Sequence[ExpectedArray], layers: Mapping[str, NamedLayer]) -> Sources:
    """Where a file has the arrays of a network, with the layers of its ops there by their paths. An
    array that a rule does not list keeps its initial value, where that is a constant."""
    by_op: dict[str, list[ExpectedArray]] = {}
    for one in expected:
        by_op.setdefault(one.array.node.path, []).append(one)
    sources = Sources({}, {}, set())
    for path, own in by_op.items():
        layer = layers.get(path)
        sources.by_key.update((one.array.key, _whole(one, layer)) for one in own)
        if layer is not None and layer.rule.arrays is not None:
            _add_listed(sources, own, layer)
    return sources


def name_in_file(name: str, path: str, layer: NamedLayer | None) -> str:
    """The name of an array in a file, by that in the emitted network: in the layer of its op, or
    below that of what is around the op, where a rule has one. A name without the parts of the op's
    path is left as it is."""
    if layer is None:
        return name
    if layer.depth == path.count(".") + 1:
        return layer.name + name[len(layer_of(name)) :]
    if "/" in name:
        return name
    return ".".join((layer.name, *name.split(".")[layer.depth :]))


def layer_of(name: str) -> str:
    """The layer in the name of an array: what is before the last `/` or dot."""
    return name.rpartition("/" if "/" in name else ".")[0]


def _whole(one: ExpectedArray, layer: NamedLayer | None) -> Source:
    """The source of an array that has one of its own."""
    name = name_in_file(one.name, one.array.node.path, layer)
    if layer is None:
        return Source(name, one.layout.kept)
    transposed = layer.rule.transposed and len(one.layout.kept) == 2
    factor = layer.rule.factor(one.array.variable.name, one.array.node.op)
    return Source(name, one.layout.kept, 0, transposed, layer.rule.blocks, factor, True)


def _add_listed(sources: Sources, own: Sequence[ExpectedArray], layer: NamedLayer) -> None:
    """Add what is known of the arrays of an op whose rule lists those of the file."""
    separator = "/" if "/" in own[0].name else "."
    by_name = {one.array.variable.name: one for one in own}
    arrays = arrays_of(layer.rule, tuple(by_name))
    for name, members in arrays.items():
        whole = f"{layer.name}{separator}{name}" if layer.name else name
        held = [by_name[member] for member in members if member is not None]
        if not held:
            sources.unused.add(whole)
            continue
        first = held[0].layout.kept
        # A part that is none of the op is as large as the first one that is.
        sizes = [
            (first if member is None else by_name[member].layout.kept)[0] if first else 0
            for member in members
        ]
        shape = (sum(sizes), *first[1:]) if len(members) > 1 else first
        transposed = layer.rule.transposed and len(first) == 2
        for position, member in enumerate(members):
            if member is not None:
                begin = sum(sizes[:position])
                source = Source(
                    whole,
                    shape,
                    begin,
                    transposed,
                    layer.rule.blocks,
                    layer.rule.factor(member, own[0].array.node.op),
                    True,
                )
                sources.by_key[by_name[member].array.key] = source
    listed = {member for members in arrays.values() for member in members}
    for name, one in by_name.items():
        initial = one.array.variable.initial
        if name not in listed and initial is not None and initial.name == "constant":
            sources.constants[one.array.key] = initial.value or 0.0
