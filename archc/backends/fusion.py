"""Reshapes and permutations in a row fused into one op, before a backend lowers them.

What a spec says in several steps (a map reshaped to rows, transposed, reshaped to tokens) is one
movement of elements, and is written as one. The ops in between are then computed by nothing: they
stay in `Graph.nodes`, where they keep the numbers of the others, without inputs and in no region.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from archc.backends.movement import Move, Sizes, composed, reshaped, transposed
from archc.ir.graph import Graph, Node, Region
from archc.language.expressions import axes, names
from archc.ops.arrangement import DepthToSpace, SpaceToDepth, ToMap, ToTokens
from archc.ops.axes import Axes
from archc.ops.base import Op, Sign
from archc.ops.shape import Flatten, Permute, Reshape
from archc.records import record, replace


@record
class Rearrange(Op):
    """Several reshapes and permutations as one movement, in canonical order."""

    name: ClassVar[str] = "rearrange"
    sign: ClassVar[Sign] = "kept"

    move: Move
    output: Axes

    def infer(self, inputs: tuple[Axes, ...]) -> Axes:
        return self.output


def move_of(op: Op, x: Axes, output: Axes) -> Move:
    """How an op that only moves elements moves those of `x`, in canonical order."""
    match op:
        case Rearrange(move=move):
            return move
        case Permute():
            return transposed(x.sizes, op.positions(x))
        case ToTokens():
            return _moved((x.width, *output.sizes[:1]), (1, 0), output)
        case ToMap():
            return _moved(x.sizes, (1, 0), output)
        case SpaceToDepth(block_size=size):
            height, width = output.spatial
            return _moved((x.width, height, size, width, size), (0, 2, 4, 1, 3), output)
        case DepthToSpace(block_size=size):
            height, width = x.spatial
            return _moved((output.width, size, size, height, width), (0, 3, 1, 4, 2), output)
        case _:
            return reshaped(output.sizes)


def _moved(split: Sizes, order: Sequence[int], output: Axes) -> Move:
    """The elements viewed as `split`, with the axes in another order, viewed as `output`."""
    return Move(transposed(split, order).movement, output.sizes)


def fuse_movements(graph: Graph) -> Graph:
    """The graph with each chain of reshapes and permutations that is one movement as one node, the
    last of them. Only what nothing else reads is left out, within one region and unconditional:
    instances of a block stay alike."""
    readers = [0] * len(graph.nodes)
    for node in graph.nodes:
        for index in node.inputs:
            readers[index] += 1
    for index in graph.all_outputs:
        readers[index] += 1
    nodes = list(graph.nodes)
    root = _fused(graph.root, graph, readers, nodes)
    if root is graph.root:
        return graph
    return replace(graph, nodes=tuple(nodes), root=root)


def computed(graph: Graph) -> frozenset[int]:
    """The nodes of a fused graph whose values exist: its inputs, and what stands in its regions."""
    return frozenset(graph.inputs).union(node.index for node in graph.root.nodes())


def _fused(region: Region, graph: Graph, readers: Sequence[int], nodes: list[Node]) -> Region:
    """The region with its chains fused, those of the regions in it too. `nodes` are changed."""
    items: list[Node | Region] = []
    chain: list[Node] = []

    def end_chain() -> None:
        items.extend(_as_one(chain, graph, nodes))
        chain.clear()

    for item in region.items:
        if isinstance(item, Region):
            end_chain()
            items.append(_fused(item, graph, readers, nodes))
            continue
        if not (_is_movable(item) and _goes_on(chain, item, region, graph, readers)):
            end_chain()
        if _is_movable(item):
            chain.append(item)
        else:
            items.append(item)
    end_chain()
    if all(new is old for new, old in zip(items, region.items, strict=False)):
        return region
    return replace(region, items=tuple(items))


def _is_movable(node: Node) -> bool:
    return isinstance(node.op, Flatten | Reshape | Permute) and node.origin.when is None


def _goes_on(
    chain: Sequence[Node], node: Node, region: Region, graph: Graph, readers: Sequence[int]
) -> bool:
    """Whether a node takes what the chain gives, alone, and is one movement with it: one that does
    something."""
    if not chain:
        return True
    last = chain[-1]
    if any(names(one) for one in last.expressions.values()):
        return False  # its sizes are written where they are, in the spec's own parameters
    if node.inputs != (last.index,) or readers[last.index] != 1 or region.output == last.index:
        return False
    movement, *others = composed(_moves((*chain, node), graph))
    (x,) = graph.input_axes(chain[0])
    return not others and movement != reshaped(x.sizes)


def _moves(chain: Iterable[Node], graph: Graph) -> Iterable[Move]:
    return (move_of(node.op, graph.input_axes(node)[0], node.output) for node in chain)


def _as_one(chain: Sequence[Node], graph: Graph, nodes: list[Node]) -> Sequence[Node]:
    """The last node of a chain, which replaces all of it. A `flatten` at its end stays as it
    is: it alone may leave its features in the order in which a backend stores them."""
    if chain and isinstance(chain[-1].op, Flatten):
        return (*_as_one(chain[:-1], graph, nodes), chain[-1])
    if len(chain) < 2:
        return tuple(chain)
    first, last = chain[0], chain[-1]
    (move,) = composed(_moves(chain, graph))
    op = Rearrange(move=move, output=last.output)
    for node in chain[:-1]:
        nodes[node.index] = replace(node, inputs=())
    # What reads the axes that came into the last node says nothing of those that come in now.
    expressions = {name: one for name, one in last.expressions.items() if not axes(one)}
    nodes[last.index] = replace(last, op=op, inputs=first.inputs, expressions=expressions)
    return (nodes[last.index],)
