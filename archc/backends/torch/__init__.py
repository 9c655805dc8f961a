"""The PyTorch backend: a network as `nn.Module` classes."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.attention import with_attention
from archc.backends.base import Backend, Emitted, Placement, Runner, Runtime, Trainer
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.docstrings import axes_text, block_docstring
from archc.backends.blocks.items import ModuleOutline
from archc.backends.blocks.outline import Style, outline
from archc.backends.constructors import helper_names
from archc.backends.layouts import unchanged
from archc.backends.lower import fused, lower_graph, symbolic_arguments
from archc.backends.module import (
    BATCH,
    imports_for,
    input_axes,
    names_in,
    network_docstring,
    output_axes,
    run_main,
)
from archc.backends.roots import with_roots
from archc.backends.schedules import with_schedules
from archc.backends.shared_padding import Shared, share_padding, with_paddings
from archc.backends.sharing import with_shared
from archc.backends.storage import stored_variables
from archc.backends.torch.attention_class import OPTIONS, attention_class
from archc.backends.torch.classes import Classes
from archc.backends.torch.construction import IDENTITY
from archc.backends.torch.forward import Ends
from archc.backends.torch.in_place import general, in_place
from archc.backends.torch.init_statements import Initial
from archc.backends.torch.layers import map_shape
from archc.backends.torch.lowering import (
    HELPERS,
    LOWERINGS,
    OWN_NAMES,
    REFUSED,
    helper_source,
)
from archc.backends.torch.module_paths import instance_paths, whole_paths
from archc.backends.torch.recurrence_class import with_recurrences
from archc.backends.torch.sharing import aliases
from archc.backends.torch.weights import WEIGHTS
from archc.backends.torch.windows import pairs_of
from archc.codegen.printer import render
from archc.codegen.tree import (
    Attribute,
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
from archc.ir.graph import Graph, known_ids
from archc.ir.network import Network
from archc.version import requirement

KNOWN: dict[str, Import | ImportFrom] = {
    "OrderedDict": ImportFrom("collections", ("OrderedDict",)),
    "Tensor": ImportFrom("torch", ("Tensor",)),
    "functional": ImportFrom("torch.nn", ("functional",)),
    "nn": ImportFrom("torch", ("nn",)),
    "torch": Import("torch"),
}
"""The modules and names that emitted code may use, and how each is imported."""


def compile_network(network: Network) -> Emitted:
    """The network's module. Raises SpecError where an op is refused (ARC601)."""
    costs = network.costs
    shared, outlined, classes = _write(network)
    paths = whole_paths(outlined, classes.keys, classes.before, shared.graph.root)
    # Layers that compute nothing are left out.
    placements = {
        index: tuple(
            Placement(layer, path)
            for layer, path in zip(layers, paths[index], strict=True)
            if layer.layer != IDENTITY
        )
        for index, layers in outlined.lowered.items()
        if index in paths  # instances that share another one's layers have none of their own
    }
    placements = with_paddings(with_shared(shared.graph, placements), shared.takers)
    variables = stored_variables(
        costs, placements, lambda array, _: unchanged(array.variable.shape)
    )
    instances = instance_paths(outlined, classes.keys, classes.before, shared.graph.root)
    instances[costs.graph.about.class_name] = ("",)
    replaced = [
        (prefix + own, prefix + owner)
        for name, pairs in classes.replaced.items()
        for own, owner in pairs
        for prefix in instances.get(name, ())
    ]
    return Emitted(
        _module(costs.graph, classes.written),
        placements,
        variables,
        tuple(unchanged(node.output.sizes) for node in costs.graph.nodes),
        tuple(aliases(costs.graph, placements, variables, replaced)),
    )


def _processes(count: int) -> tuple[str, ...]:
    """The arguments of a Python that starts processes of this machine."""
    return ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}")


BACKEND = Backend(
    name="torch",
    title="PyTorch",
    compile=compile_network,
    extra="torch",
    reserved=frozenset({*KNOWN, *OWN_NAMES}),
    lowerings=LOWERINGS,
    refused=REFUSED,
    runner=Runner(
        module="archc.backends.torch.runner",
        runtimes=(Runtime("torch", "PyTorch", requirement("torch")),),
    ),
    weights=WEIGHTS,
    trainer=Trainer(
        loop="archc.training.torch.loop",
        script="archc.training.script.torch",
        requires=("torch", "numpy", "safetensors"),
        replaces_softmax=True,
        processes=_processes,
    ),
)


def lower(graph: Graph) -> Shared:
    """The layers of every node, each as its own instance asks for, and no padding twice."""
    shared = share_padding(graph, lower_graph(graph, BACKEND), pairs_of)
    return shared._replace(layers=in_place(shared.graph, shared.layers, Uses(shared.graph)))


def _write(network: Network) -> tuple[Shared, ModuleOutline, Classes]:
    """The network lowered, with each block once, and its classes."""
    costs = network.costs
    whole = fused(costs.graph)
    arguments = symbolic_arguments(network, lower_graph(whole, BACKEND), BACKEND)
    shared = lower(whole)
    graph, lowered, _ = shared
    taken = [*BACKEND.reserved, *helper_names("torch", OWN_NAMES)]
    style = Style(passes_width=True, hands_in_classes=True, identity=IDENTITY, taken=taken)
    outlined = outline(graph, lowered, general(graph, lowered), arguments, style)
    taken += [graph.about.class_name, *(one.name for one in outlined.definitions)]
    nodes = graph.nodes
    initial = Initial({i: own for i, own in outlined.lowered.items() if nodes[i].weights < 0})
    classes = Classes(taken, initial, graph)
    for definition in outlined.definitions:
        region = definition.region
        uses = Uses(outlined.graph, region)
        classes.write(
            definition.name,
            block_docstring(definition, map_shape),
            definition.arguments,
            definition.items,
            Ends(region.entering, uses.results(region), (), ("x", *region.inputs)),
            uses,
        )
    about = network_docstring(
        costs,
        [axes_text(axes, None, map_shape) for axes in input_axes(graph).values()],
        [
            axes_text(axes, width, map_shape)
            for axes, width in zip(output_axes(graph), outlined.widths, strict=True)
        ],
    )
    classes.write(
        graph.about.class_name,
        about,
        outlined.arguments,
        outlined.items,
        Ends(graph.inputs, graph.outputs, graph.training_outputs),
        Uses(outlined.graph),
        initial.loop(),
    )
    return shared, outlined, classes


def _module(graph: Graph, classes: Sequence[ClassDef]) -> str:
    """The whole file: imports, the helpers that are used, the classes, and a first run."""
    body: list[Statement] = [
        *with_roots(
            with_schedules(with_recurrences(with_attention(classes, OPTIONS, attention_class)))
        ),
        _build_model(graph),
        _main(graph),
    ]
    used = names_in(body)
    helpers = [helper_source(name) for name in helper_names("torch", HELPERS) if name in used]
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
    ids = known_ids(graph)
    inputs = [
        call("torch.randint", ids[index], (BATCH, *graph.nodes[index].output.sizes))
        if index in ids
        else call("torch.randn", BATCH, *graph.nodes[index].output.sizes)
        for index in graph.inputs
    ]
    numbers = Generator(call("p.numel"), "p", call("model.parameters"))
    model = call("build_model")
    if graph.training_outputs:
        model = call(Attribute(model, "eval"))
    return run_main(model, inputs, call("sum", numbers), len(graph.outputs))
