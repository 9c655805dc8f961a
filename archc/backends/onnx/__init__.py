"""The ONNX backend: a network as one file of ONNX's own operators, for evaluation.

The file has no weights: each variable is filled by a node, under its key, and `archc weights
export` puts arrays in the place of these. Blocks are functions of the file, and names are paths of
the spec. It is written by `archc.onnx_format`, so that `build` needs nothing installed; the extra
has what runs files: `onnx`, whose reference evaluator computes in float64, and ONNX Runtime, which
computes in float32.
"""

from __future__ import annotations

from archc.backends.base import Backend, Emitted, Placement, Runner
from archc.backends.layouts import unchanged
from archc.backends.lower import fused, lower_graph
from archc.backends.module import input_axes, network_docstring, output_axes
from archc.backends.onnx.functions import program
from archc.backends.onnx.lowering import LOWERINGS, REFUSED
from archc.backends.onnx.model import Stored, model
from archc.backends.onnx.runtimes import RUNTIMES, lacks
from archc.backends.onnx.weights import WEIGHTS
from archc.backends.storage import stored_variables
from archc.ir.arrays import arrays
from archc.ir.network import Network
from archc.onnx_format.protobuf import encode
from archc.onnx_format.text import text_of
from archc.ops.axes import Axes


def compile_network(network: Network) -> Emitted:
    """The network's file. Raises SpecError where an op is refused (ARC601)."""
    costs = network.costs
    graph = fused(costs.graph)
    layers = lower_graph(graph, BACKEND)
    alone = costs.graph.training_only
    placements = {
        index: tuple(Placement(layer, graph.nodes[index].path) for layer in own)
        for index, own in layers.items()
        if index not in alone
    }
    variables = stored_variables(
        costs, placements, lambda array, _: unchanged(array.variable.shape)
    )
    stored = [
        Stored(array, variables[array.key].layout.kept)
        for array in arrays(costs)
        if array.key in variables
    ]
    about = network_docstring(
        costs,
        [_shape_text(axes) for axes in input_axes(costs.graph).values()],
        [_shape_text(axes) for axes in output_axes(costs.graph)][: len(costs.graph.outputs)],
    )
    return Emitted(
        encode(model(graph, program(graph, layers), stored, about)),
        placements,
        variables,
        tuple(unchanged(node.output.sizes) for node in costs.graph.nodes),
    )


def _shape_text(axes: Axes) -> str:
    """`(batch, 3, 224, 224)`."""
    return f"({', '.join(['batch', *map(str, axes.sizes)])})"


BACKEND = Backend(
    name="onnx",
    title="ONNX",
    compile=compile_network,
    suffix=".onnx",
    extra="onnx",
    trains=False,
    text=text_of,
    text_suffix=".onnxtxt",
    lowerings=LOWERINGS,
    refused=REFUSED,
    runner=Runner(module="archc.backends.onnx.runner", runtimes=RUNTIMES, lacks=lacks),
    weights=WEIGHTS,
)
