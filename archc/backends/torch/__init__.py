"""The PyTorch backend: a network as `nn.Module` classes."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.base import LoweredLayer, Placement
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.docstrings import axes_text, block_docstring
from archc.backends.blocks.items import ModuleOutline
from archc.backends.blocks.outline import Style, outline
from archc.backends.lower import Backend, exposed, lower_graph
from archc.backends.module import (
    BATCH,
    imports_for,
    input_axes,
    names_in,
    network_docstring,
    output_axes,
    run_main,
)
from archc.backends.torch.body import Ends
from archc.backends.torch.classes import Classes
from archc.backends.torch.construction import IDENTITY
from archc.backends.torch.in_place import general, in_place
from archc.backends.torch.init_statements import Initial
from archc.backends.torch.layers import map_shape
from archc.backends.torch.lowering import HELPERS, LOWERINGS, REFUSED, helper_source
from archc.backends.torch.module_paths import whole_paths
from archc.codegen.printer import render
from archc.codegen.tree import (
    ClassDef,
    FunctionDef,
    Generator,
    If,
    Import,
    ImportFrom,
    Module,
    Raw,
    Ref,
    Return,
    Statement,
    call,
)
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.spec import Spec

BACKEND = Backend("torch", LOWERINGS, REFUSED)
KNOWN: dict[str, Import | ImportFrom] = {
    "OrderedDict": ImportFrom("collections", ("OrderedDict",)),
    "Tensor": ImportFrom("torch", ("Tensor",)),
    "functional": ImportFrom("torch.nn", ("functional",)),
    "math": Import("math"),
    "nn": ImportFrom("torch", ("nn",)),
    "torch": Import("torch"),
}
"""The modules and names that emitted code may use, and how each is imported."""


def emit(spec: Spec, costs: Costs) -> str:
    """The source of the network's module. Raises SpecError where an op is refused (ARC601)."""
    return _module(costs.graph, _write(spec, costs)[1].written)


def places(spec: Spec, costs: Costs) -> dict[int, tuple[Placement, ...]]:
    """The layers of every node where they stand in the emitted network, by the node's index; those
    that compute nothing left out. Raises SpecError where an op is refused (ARC601)."""
    network, classes = _write(spec, costs)
    paths = whole_paths(network, classes.places, costs.graph.root)
    return {
        index: tuple(
            Placement(layer, path)
            for layer, path in zip(layers, paths[index], strict=True)
            if layer.layer != IDENTITY
        )
        for index, layers in network.lowered.items()
    }


def lower(graph: Graph) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node, each as its own instance asks for."""
    return in_place(graph, lower_graph(graph, BACKEND), Uses(graph))


def _write(spec: Spec, costs: Costs) -> tuple[ModuleOutline, Classes]:
    """The network with each block once, and its classes."""
    graph = costs.graph
    lowered = lower(graph)
    arguments = exposed(spec, costs, lower_graph(graph, BACKEND), BACKEND)
    taken = [*KNOWN, *HELPERS]
    style = Style(passes_width=True, hands_in_classes=True, taken=taken)
    network = outline(graph, lowered, general(graph, lowered), arguments, style)
    taken += [graph.about.class_name, *(one.name for one in network.definitions)]
    initial = Initial(network.lowered)
    classes = Classes(taken, initial)
    for definition in network.definitions:
        region = definition.region
        classes.write(
            definition.name,
            block_docstring(definition, map_shape),
            definition.arguments,
            definition.items,
            Ends((region.input,), (region.output,)),
            Uses(graph, region),
        )
    about = network_docstring(
        costs,
        [axes_text(axes, None, map_shape) for axes in input_axes(graph).values()],
        [
            axes_text(axes, width, map_shape)
            for axes, width in zip(output_axes(graph), network.widths, strict=True)
        ],
    )
    classes.write(
        graph.about.class_name,
        about,
        network.arguments,
        network.items,
        Ends(graph.inputs, graph.outputs),
        Uses(graph),
        initial.loop(),
    )
    return network, classes


def _module(graph: Graph, classes: Sequence[ClassDef]) -> str:
    """The whole file: imports, the helpers that are used, the classes, and a first run."""
    body: list[Statement] = [*classes, _build_model(graph), _main(graph)]
    used = names_in(body)
    helpers = [helper_source(name) for name in HELPERS if name in used]
    imported = imports_for(used, KNOWN, [line for lines, _ in helpers for line in lines])
    return render(
        Module(
            header=(graph.about.header,),
            body=(*imported, *(Raw(source) for _, source in helpers), *body),
        )
    )


def _build_model(graph: Graph) -> FunctionDef:
    name = graph.about.class_name
    return FunctionDef(
        "build_model",
        returns=Ref(name),
        body=(Return(call(name)),),
    )


def _main(graph: Graph) -> If:
    """Runs one random batch and prints what the framework says of it."""
    inputs = [call("torch.randn", BATCH, *one.sizes) for one in input_axes(graph).values()]
    numbers = Generator(call("p.numel"), "p", call("model.parameters"))
    return run_main(call("build_model"), inputs, call("sum", numbers), len(graph.outputs))
