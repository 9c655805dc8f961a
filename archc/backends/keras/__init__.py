"""The Keras 3 backend: a network as `keras.Sequential`, or by the functional API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from string import digits

from archc.backends.base import (
    Backend,
    Emitted,
    LoweredLayer,
    LoweringContext,
    Placement,
    Runner,
    Trainer,
)
from archc.backends.blocks.dataflow import Uses, is_empty
from archc.backends.blocks.items import Item, LoweredLayers, LoweredOp, LoweredScope, ModuleOutline
from archc.backends.blocks.outline import outline
from archc.backends.blocks.placements import definition_of, placings
from archc.backends.constructors import helper_names
from archc.backends.fusion import fuse_movements
from archc.backends.keras.functions import (
    Body,
    block_function,
    function_name,
    layer_name,
    parameters,
    relative,
    with_name,
)
from archc.backends.keras.layout import (
    observed_flattens,
    shape,
    shape_comment,
    value_layouts,
    variable_layouts,
)
from archc.backends.keras.lowering import (
    HELPERS,
    LOWERINGS,
    REFUSED,
    helper_source,
    lower_flatten_canonical,
)
from archc.backends.keras.padding import pairs_of
from archc.backends.keras.runtimes import RUNTIMES, lacks
from archc.backends.keras.weights import WEIGHTS
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
from archc.backends.shared_padding import share_padding, with_paddings
from archc.backends.storage import stored_variables
from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Call,
    Commented,
    Expr,
    FunctionDef,
    Import,
    ImportFrom,
    Keyword,
    ListOf,
    Lit,
    Module,
    Raw,
    Ref,
    Return,
    Statement,
    TupleOf,
    call,
)
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.ir.network import Network
from archc.language.names import BUILTINS, EMITTED

KNOWN: dict[str, Import | ImportFrom] = {
    "keras": Import("keras"),
    "layers": ImportFrom("keras", ("layers",)),
    "math": Import("math"),
    "ops": ImportFrom("keras", ("ops",)),
    "sys": Import("sys"),
}
"""The modules that emitted code may use, and how each is imported."""

RUN = frozenset({"count", "keras", "model", "sys"})
"""What the first run calls its own."""


def compile_network(network: Network) -> Emitted:
    """The network's module. Raises SpecError where an op is refused (ARC601)."""
    costs = network.costs
    graph = fuse_movements(costs.graph)
    stages = lower(graph, Uses(graph))
    arguments = symbolic_arguments(network, stages, BACKEND)
    graph, stages, takers = share_padding(graph, stages, pairs_of)
    uses = Uses(graph)
    made = outline(graph, stages, arguments, passes_width=False)
    separator = _separator(graph, stages)
    placements = with_paddings(_placements(made, graph, uses, stages, separator), takers)
    renamed = _function_names(graph, made)
    taken = frozenset({*helper_names("keras", HELPERS), *renamed.values()})
    blocks = [
        block_function(
            replace(one, name=renamed[one.name], items=tuple(_called(one.items, renamed))),
            uses,
            separator,
            taken,
        )
        for one in made.definitions
    ]
    layers = _as_sequence(made, uses)
    if layers is None:
        made = replace(made, items=tuple(_called(made.items, renamed)))
        builder = _functional(costs, made, uses, separator, taken)
    else:
        builder = _sequential(costs, made, layers, separator)
    return Emitted(
        _module(graph, [*blocks, builder]),
        placements,
        stored_variables(costs, placements, variable_layouts(costs.graph)),
        value_layouts(costs.graph),
    )


BACKEND = Backend(
    name="keras",
    title="Keras",
    compile=compile_network,
    extra="keras",
    reserved=frozenset({*KNOWN, *HELPERS}),
    lowerings=LOWERINGS,
    refused=REFUSED,
    runner=Runner(module="archc.backends.keras.runner", runtimes=RUNTIMES, lacks=lacks),
    weights=WEIGHTS,
    trainer=Trainer("archc.training.script.keras", ("keras", "numpy", "safetensors")),
)


def _placements(
    made: ModuleOutline, graph: Graph, uses: Uses, stages: LoweredLayers, separator: str
) -> dict[int, tuple[Placement, ...]]:
    """The lowered layers of every node by their positions in a `keras.Sequential`, or else by their
    names."""
    parts = _as_sequence(made, uses)
    if parts is not None:
        position = count()
        return {
            part.node.index: tuple(Placement(stage, next(position)) for stage in part.stages)
            for part, _ in parts
        }
    placements: dict[int, tuple[Placement, ...]] = {}
    for node, part, around in placings(made, graph.root):
        names: list[str] = []
        within = ""  # a function names what is in it by paths from its own region
        for group in around:
            definition = definition_of(group, made)
            if definition is not None:
                names.append(relative(group.region.path, within))
                within = definition.region.path
        path = ".".join([*names, relative(part.node.path, within)])
        placements[node.index] = tuple(
            Placement(
                stage,
                None
                if stage.expression is not None
                else layer_name(path, stage, part.stages).replace(".", separator),
            )
            for stage in stages[node.index]
        )
    return placements


def _function_names(graph: Graph, made: ModuleOutline) -> dict[str, str]:
    """The function of each block by its class name: one that hides nothing, and that no argument
    hides."""
    lists = [made.arguments, *(one.arguments for one in made.definitions)]
    arguments = [argument.name for one in lists for argument in one]
    taken = {
        *BACKEND.reserved,
        *helper_names("keras", HELPERS),
        *BUILTINS,
        *EMITTED,
        *arguments,
        *input_axes(graph),
    }
    names: dict[str, str] = {}
    for definition in made.definitions:
        name = function_name(definition)
        while name in taken:
            name += "_block"
        taken.add(name)
        names[definition.name] = name
    return names


def lower(graph: Graph, uses: Uses) -> dict[int, tuple[LoweredLayer, ...]]:
    """The stages of every node; a `flatten` whose order shows moves the channels first."""
    stages = lower_graph(graph, BACKEND)
    for index in observed_flattens(graph, uses.users):
        node = graph.nodes[index]
        context = LoweringContext(node.op, graph.input_axes(node), node.output)
        stages[index] = lower_flatten_canonical(context)
    return stages


def _separator(graph: Graph, stages: LoweredLayers) -> str:
    """What joins the names of a path in a layer's name, so that no two layers share one."""
    names = [graph.nodes[index].path for index in graph.inputs]
    for node in graph.root.nodes():
        own = stages[node.index]
        names += [layer_name(node.path, stage, own) for stage in own if stage.layer is not None]
    return "_" if len({name.replace(".", "_") for name in names}) == len(names) else "."


def _as_sequence(made: ModuleOutline, uses: Uses) -> list[tuple[LoweredOp, str | None]] | None:
    """The ops of a straight network, the first of a section with its path; None where it
    branches, has blocks, or takes more than layers."""
    parts = list(_straight(made.items, None))
    graph = uses.graph
    for part, _ in parts:
        if part is None or any(stage.layer is None for stage in part.stages):
            return None
    items = [part for part, _ in parts if part is not None]
    if len(graph.inputs) > 1 or len(graph.outputs) > 1 or not items:
        return None
    if not uses.is_chain(items, graph.inputs[0]):
        return None
    return [(part, section) for part, section in parts if part is not None]


def _straight(
    items: Sequence[Item], section: str | None
) -> Iterator[tuple[LoweredOp | None, str | None]]:
    """The parts of sections in order; None for what is no part of one."""
    for item in items:
        if is_empty(item):
            continue
        if isinstance(item, LoweredOp):
            yield item, section
            section = None
        elif item.call is not None:
            yield None, None
        else:
            yield from _straight(item.items, item.region.path)


def _sequential(
    costs: Costs,
    made: ModuleOutline,
    parts: Sequence[tuple[LoweredOp, str | None]],
    separator: str,
) -> FunctionDef:
    """`keras.Sequential` of all layers. Layers that the spec names have that name, and all have
    theirs where one could be the same as what Keras calls another."""
    graph = costs.graph
    (axes,) = input_axes(graph).values()
    own = [part.node.path.replace(".", separator) for part, _ in parts if part.node.named]
    all_named = _may_clash(own, ["InputLayer", *_classes(parts)])
    name = (Keyword("name", Lit(graph.nodes[graph.inputs[0]].name)),) if all_named else ()
    layers: list[Expr] = [Call(Ref("keras.Input"), (Lit(shape(axes)),), name)]
    for part, section in parts:
        node = part.node
        for position, stage in enumerate(part.stages):
            assert stage.layer is not None
            layer: Call = stage.layer
            if node.named or all_named:
                path = layer_name(node.path, stage, part.stages)
                layer = with_name(layer, Lit(path.replace(".", separator)))
            same = part.axes == graph.input_axes(node)[0]
            comment = None if same or not stage.main else shape_comment(part.axes)
            layers.append(Commented(layer, comment, section if position == 0 else None))
    made_model = call("keras.Sequential", ListOf(tuple(layers)), name=graph.about.name)
    return _builder(costs, made, "keras.Sequential", [Return(made_model)])


def _classes(parts: Sequence[tuple[LoweredOp, str | None]]) -> list[str]:
    """The classes of all layers in a straight network."""
    layers = (stage.layer for part, _ in parts for stage in part.stages)
    functions = (layer.function for layer in layers if layer is not None)
    return [one.name.rpartition(".")[2] for one in functions if isinstance(one, Ref)]


def _may_clash(names: Iterable[str], classes: Iterable[str]) -> bool:
    """Whether Keras could give one of the names to a layer of one of the classes by itself: the
    class's name, words apart, and a number."""
    given = {name.lower().rstrip(digits) for name in classes}
    return any(name.replace("_", "").rstrip(digits) in given for name in names)


def _functional(
    costs: Costs, made: ModuleOutline, uses: Uses, separator: str, taken: frozenset[str]
) -> FunctionDef:
    """The functional API: inputs, a layer a line, `keras.Model`."""
    graph = costs.graph
    axes = input_axes(graph)
    names = input_variables(axes, "inputs", taken)
    paths = [node.path.replace(".", separator) for node in graph.layers]
    named = len(axes) > 1 or _may_clash(paths, ["InputLayer"])
    inputs: list[Statement] = []
    for name, (given, one) in zip(names, axes.items(), strict=True):
        keywords = (Keyword("name", Lit(given)),) if named else ()
        value = Call(Ref("keras.Input"), (Lit(shape(one)),), keywords)
        inputs.append(Assign(Ref(name), value))

    def name_of(path: str) -> Expr:
        return Lit(path.replace(".", separator))

    reserved = taken.union(argument.name for argument in made.arguments)
    body = Body(uses, name_of, "", reserved)
    arguments = dict(zip(graph.inputs, names, strict=True))
    statements = body.statements(made.items, arguments, graph.outputs)
    outputs: list[Expr] = [Ref(body.names[index]) for index in graph.outputs]
    model = call(
        "keras.Model",
        Ref(names[0]) if len(names) == 1 else ListOf(tuple(map(Ref, names))),
        outputs[0] if len(outputs) == 1 else ListOf(tuple(outputs)),
        name=graph.about.name,
    )
    return _builder(costs, made, "keras.Model", [*inputs, *statements, Return(model)])


def _called(items: Sequence[Item], renamed: dict[str, str]) -> list[Item]:
    """The items with each block called by the name of its function."""
    changed: list[Item] = []
    for item in items:
        if is_empty(item):
            continue
        if isinstance(item, LoweredScope) and item.call is not None:
            assert isinstance(item.call.function, Ref)
            function = Ref(renamed[item.call.function.name])
            made = Call(function, item.call.arguments, item.call.keywords)
            changed.append(replace(item, call=made))
        elif isinstance(item, LoweredScope):
            changed.append(replace(item, items=tuple(_called(item.items, renamed))))
        else:
            changed.append(item)
    return changed


def _builder(
    costs: Costs, made: ModuleOutline, returns: str, body: Sequence[Statement]
) -> FunctionDef:
    graph = costs.graph
    inputs = [_shown(one) for one in map(shape, input_axes(graph).values())]
    outputs = [_shown(one) for one in map(shape, output_axes(graph))]
    return FunctionDef(
        "build_model",
        tuple(parameters(made.arguments)),
        returns=Ref(returns),
        docstring=docstring(costs, inputs, outputs),
        body=tuple(body),
    )


def _shown(sizes: Sequence[int]) -> str:
    return f"({', '.join(['batch', *map(str, sizes)])})"


def _module(graph: Graph, functions: Sequence[FunctionDef]) -> str:
    """The whole file: imports, the helpers that are used, the functions, and a first run."""
    body: list[Statement] = [*functions, _main(graph), run_main()]
    used = names_in(body)
    helpers = [helper_source(name) for name in helper_names("keras", HELPERS) if name in used]
    wanted = imports_for(used, KNOWN, [line for lines, _ in helpers for line in lines])
    return render(
        Module(
            header=(graph.about.header,),
            body=(*wanted, *(Raw(source) for _, source in helpers), *body),
        )
    )


def _main(graph: Graph) -> FunctionDef:
    """Runs one random batch and prints what the framework says of it."""
    axes = input_axes(graph)
    outputs = output_variables(graph)
    names = input_variables(axes, "x", {*RUN, *outputs})
    made = [
        Assign(Ref(name), call("keras.random.normal", (BATCH, *shape(one))))
        for name, one in zip(names, axes.values(), strict=True)
    ]
    values = [Ref(name) for name in names]
    argument: Expr = values[0] if len(values) == 1 else ListOf(tuple(values))
    results = [Ref(name) for name in outputs]
    return FunctionDef(
        "main",
        returns=Lit(None),
        docstring="Run one random batch through the network and print its shapes and size.",
        body=(
            Assign(Ref("model"), call("build_model")),
            *made,
            Assign(
                results[0] if len(results) == 1 else TupleOf(tuple(results)),
                call("model", argument),
            ),
            Assign(Ref("count"), call("model.count_params")),
            *summary(names, outputs),
        ),
    )
