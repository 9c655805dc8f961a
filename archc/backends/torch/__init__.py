"""The PyTorch backend: a network as `nn.Module` classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archc.backends.base import Backend, Emitted, Placement, Runner, Runtime, Trainer
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import Definition, ModuleOutline
from archc.backends.blocks.outline import outline
from archc.backends.constructors import helper_names
from archc.backends.fusion import fuse_movements
from archc.backends.layouts import unchanged
from archc.backends.lower import lower_graph, symbolic_arguments
from archc.backends.module import (
    BATCH,
    docstring,
    imports_for,
    input_axes,
    input_variables,
    names_in,
    output_axes,
    output_variables,
    run_main,
    summary,
)
from archc.backends.shared_padding import Shared, share_padding, with_paddings
from archc.backends.storage import stored_variables
from archc.backends.torch.classes import Classes
from archc.backends.torch.lowering import HELPERS, LOWERINGS, REFUSED, helper_source
from archc.backends.torch.module_paths import whole_paths
from archc.backends.torch.weights import WEIGHTS
from archc.backends.torch.windows import pairs_of
from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Attribute,
    Call,
    ClassDef,
    FunctionDef,
    Generator,
    Import,
    ImportFrom,
    Lit,
    Module,
    Raw,
    Ref,
    Return,
    Statement,
    TupleOf,
    call,
)
from archc.ir.graph import Graph
from archc.ir.network import Network
from archc.ops.axes import Axes

KNOWN: dict[str, Import | ImportFrom] = {
    "OrderedDict": ImportFrom("collections", ("OrderedDict",)),
    "Tensor": ImportFrom("torch", ("Tensor",)),
    "functional": ImportFrom("torch.nn", ("functional",)),
    "math": Import("math"),
    "nn": ImportFrom("torch", ("nn",)),
    "sys": Import("sys"),
    "torch": Import("torch"),
}
"""The modules and names that emitted code may use, and how each is imported."""

RUN = frozenset({"count", "model", "parameter", "sys", "torch"})
"""What the first run calls its own."""


def compile_network(network: Network) -> Emitted:
    """The network's module. Raises SpecError where an op is refused (ARC601)."""
    graph = network.costs.graph
    (emitted, layers, takers), network_outline, classes = _write(network)
    paths = whole_paths(network_outline, classes.places, emitted.root)
    placements = with_paddings(
        {index: tuple(map(Placement, layers[index], paths[index])) for index in layers}, takers
    )
    return Emitted(
        _module(graph, classes.written),
        placements,
        stored_variables(
            network.costs, placements, lambda array, _: unchanged(array.variable.shape)
        ),
        tuple(unchanged(node.output.sizes) for node in graph.nodes),
    )


BACKEND = Backend(
    name="torch",
    title="PyTorch",
    compile=compile_network,
    extra="torch",
    reserved=frozenset({*KNOWN, *HELPERS}),
    lowerings=LOWERINGS,
    refused=REFUSED,
    runner=Runner(
        module="archc.backends.torch.runner",
        runtimes=(Runtime("torch", "PyTorch", "archc[torch]"),),
        unbiased=True,
    ),
    weights=WEIGHTS,
    trainer=Trainer("archc.training.script.torch", ("torch", "numpy", "safetensors")),
)


def _write(network: Network) -> tuple[Shared, ModuleOutline, Classes]:
    """The network lowered, with each block once, and its classes."""
    costs = network.costs
    graph = fuse_movements(costs.graph)
    stages = lower_graph(graph, BACKEND)
    arguments = symbolic_arguments(network, stages, BACKEND)
    shared = share_padding(graph, stages, pairs_of)
    graph, stages, _ = shared
    taken = [*BACKEND.reserved, *helper_names("torch", HELPERS)]
    made = outline(graph, stages, arguments, passes_width=True, taken=taken)
    taken += [graph.about.class_name, *(one.name for one in made.definitions)]
    classes = Classes(Uses(graph), taken)
    for definition in made.definitions:
        _write_block(classes, definition)
    ends = (graph.inputs, graph.outputs)
    about = docstring(costs, _shapes(input_axes(graph).values()), _shapes(output_axes(graph)))
    classes.write(graph.about.class_name, about, made.arguments, made.items, ends)
    return shared, made, classes


def _write_block(classes: Classes, definition: Definition) -> None:
    region = definition.region
    count = len(definition.values)
    where = f"{count} instance{'s' * (count != 1)}"
    text = f"The block `{definition.block}`: {where}."
    ends = ((region.input,), (region.output,))
    classes.write(definition.name, text, definition.arguments, definition.items, ends)


def _shapes(axes: Iterable[Axes]) -> list[str]:
    return [f"({', '.join(['batch', *map(str, one.sizes)])})" for one in axes]


def _module(graph: Graph, classes: Sequence[ClassDef]) -> str:
    """The whole file: imports, the helpers that are used, the classes, and a first run."""
    body: list[Statement] = [*classes, _build_model(graph), _main(graph), run_main()]
    used = names_in(body)
    helpers = [helper_source(name) for name in helper_names("torch", HELPERS) if name in used]
    wanted = imports_for(used, KNOWN, [line for lines, _ in helpers for line in lines])
    return render(
        Module(
            header=(graph.about.header,),
            body=(*wanted, *(Raw(source) for _, source in helpers), *body),
        )
    )


def _build_model(graph: Graph) -> FunctionDef:
    name = graph.about.class_name
    return FunctionDef(
        "build_model",
        returns=Ref(name),
        docstring="Build the network with its default arguments.",
        body=(Return(call(name)),),
    )


def _main(graph: Graph) -> FunctionDef:
    """Runs one random batch and prints what the framework says of it."""
    axes = input_axes(graph)
    outputs = output_variables(graph)
    names = input_variables(axes, "x", {*RUN, *outputs})
    made = [
        Assign(Ref(name), call("torch.randn", BATCH, *one.sizes))
        for name, one in zip(names, axes.values(), strict=True)
    ]
    results = tuple(Ref(name) for name in outputs)
    numbers = Generator(call("parameter.numel"), "parameter", call("model.parameters"))
    return FunctionDef(
        "main",
        returns=Lit(None),
        docstring="Run one random batch through the network and print its shapes and size.",
        decorators=(call("torch.no_grad"),),
        body=(
            Assign(Ref("model"), Call(Attribute(call("build_model"), "eval"))),
            *made,
            Assign(
                results[0] if len(results) == 1 else TupleOf(results),
                call("model", *(Ref(name) for name in names)),
            ),
            Assign(Ref("count"), call("sum", numbers)),
            *summary(names, outputs),
        ),
    )
