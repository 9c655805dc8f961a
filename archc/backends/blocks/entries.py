"""What the definition of a block takes, as values that are not those of its instances.

The value that stands for a block's `input` is the earliest one that comes into an instance, which
is in none of them. Its further inputs have nodes of their own, behind all others and in no region:
one instance may take one value twice that another one takes two for.
"""

from __future__ import annotations

from collections.abc import Mapping

from archc.backends.blocks.inputs import with_used_inputs
from archc.backends.blocks.instances import regions_in
from archc.ir.graph import Graph, Input, Node
from archc.records import replace

Entries = Mapping[str, Mapping[str, int]]
"""The nodes that stand for the further inputs of each block, by its name and theirs."""


def with_entries(graph: Graph) -> tuple[Graph, Entries]:
    """The graph with a node for each further input that a block has in emitted source."""
    root = with_used_inputs(graph.root)
    if root is not graph.root:
        graph = replace(graph, root=root)
    nodes = list(graph.nodes)
    entries: dict[str, dict[str, int]] = {}
    for region in regions_in(graph.root):
        own = entries.setdefault(str(region.block), {})
        for name, index in region.inputs.items():
            if name not in own:
                own[name] = len(nodes)
                path = f"{region.block}.{name}"
                origin, axes = region.origin, graph.nodes[index].output
                nodes.append(Node(own[name], name, path, Input(), (), axes, origin, named=True))
    if len(nodes) == len(graph.nodes):
        return graph, entries
    return replace(graph, nodes=tuple(nodes)), entries
