"""The values of a definition and those of the instances that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archc.backends.blocks.context import MismatchError
from archc.ir.graph import NOTHING, Branches, Node, Region


@dataclass(slots=True)
class Flow:
    """Values by index: `own` from the definition's to one instance's, `joined` back. A value of the
    instance is several of the definition where it lacks a step between them."""

    own: dict[int, int] = field(default_factory=dict)
    joined: dict[int, list[int]] = field(default_factory=dict)

    def add(self, value: int, own: int) -> None:
        """Enter a value of the definition. Raises MismatchError where it is another one already."""
        if self.own.setdefault(value, own) != own:
            raise MismatchError
        values = self.joined.setdefault(own, [])
        if value not in values:
            values.append(value)


def joined_value(flows: Sequence[Flow], values: Mapping[int, int]) -> int:
    """The definition's value that is `values[i]` in each instance `i`: the latest there is.
    Raises MismatchError."""
    first, own = next(iter(values.items()))
    for value in reversed(flows[first].joined.get(own, ())):
        if all(flows[index].own.get(value) == one for index, one in values.items()):
            return value
    # A value from outside of all that is joined stands for itself.
    for index, one in values.items():
        if one in flows[index].joined:
            raise MismatchError
        flows[index].add(own, one)
    return own


def joined_owner(flows: Sequence[Flow], owners: Mapping[int, int]) -> int:
    """The definition's node whose variables a node uses in each instance, -1 without one. Raises
    MismatchError."""
    if all(owner < 0 for owner in owners.values()):
        return -1
    if any(owner < 0 for owner in owners.values()):
        raise MismatchError
    return joined_value(flows, owners)


def rewired_node(
    node: Node, inputs: tuple[int, ...], source: int, bypass: int, weights: int
) -> Node:
    """A node that takes other values, its branches fed by `source`, and uses the variables of
    `weights`."""
    branches = node.branches and Branches(source, node.branches.starts)
    return Node(
        node.index,
        node.name,
        node.path,
        node.op,
        inputs,
        node.output,
        node.origin,
        node.named,
        node.expressions,
        branches,
        bypass,
        weights,
        node.trainable,
        node.frozen,
    )


def rewired_region(
    region: Region,
    items: Sequence[Node | Region],
    source: int,
    output: int,
    inputs: Mapping[str, int] = NOTHING,
    outputs: Mapping[str, int] = NOTHING,
    weights: str = "",
) -> Region:
    """A region with other items, between other values."""
    return Region(
        region.kind,
        region.name,
        region.path,
        tuple(items),
        source,
        output,
        region.origin,
        region.named,
        region.block,
        region.arguments,
        region.expressions,
        region.defaults,
        region.names_input,
        inputs,
        outputs,
        weights,
        region.frozen,
        region.class_name,
    )


def moved(region: Region, sources: Sequence[int], weights: str = "") -> Region:
    """A block's instance that takes `sources` instead of what comes in, with the variables of
    `weights`. Where it took one value twice, the steps in it take the first of the two."""
    values = dict(zip(reversed(region.entering), reversed(sources), strict=True))
    inputs = dict(zip(region.inputs, sources[1:], strict=True))
    if region.entering == tuple(sources) and region.weights == weights:
        return region
    return _with_values(region, values, inputs, weights)


def _with_values(
    region: Region, values: Mapping[int, int], inputs: Mapping[str, int], weights: str
) -> Region:
    """A region with other values in place of some."""

    def value(index: int) -> int:
        return values.get(index, index)

    items: list[Node | Region] = []
    for item in region.items:
        if isinstance(item, Region):
            own = {name: value(index) for name, index in item.inputs.items()}
            items.append(_with_values(item, values, own, item.weights))
        else:
            fed = -1 if item.branches is None else value(item.branches.input)
            taken = tuple(map(value, item.inputs))
            items.append(rewired_node(item, taken, fed, value(item.bypass), item.weights))
    outputs = {name: value(index) for name, index in region.outputs.items()}
    return rewired_region(
        region, items, value(region.input), value(region.output), inputs, outputs, weights
    )
