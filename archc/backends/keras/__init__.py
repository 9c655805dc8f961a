"""The Keras 3 backend: a network as `keras.Sequential`, or by the functional API."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from string import digits

from archc.backends.attention import with_attention
from archc.backends.base import (
    Backend,
    Emitted,
    LoweredLayer,
    LoweringContext,
    Placement,
    Runner,
    Trainer,
)
from archc.backends.blocks.dataflow import Uses, is_empty, nodes_of
from archc.backends.blocks.docstrings import axes_text
from archc.backends.blocks.instances import regions_in
from archc.backends.blocks.items import (
    Argument,
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    ModuleOutline,
)
from archc.backends.blocks.outline import Style, outline
from archc.backends.blocks.placements import node_placements
from archc.backends.constructors import helper_names
from archc.backends.keras.activations import IDENTITY
from archc.backends.keras.attention_class import OPTIONS, attention_class
from archc.backends.keras.definitions import block_function, function_name, parameters
from archc.backends.keras.frozen import with_training
from archc.backends.keras.functions import NOT_FROZEN, Body, layer_name, paths_in, with_name
from archc.backends.keras.general import general
from archc.backends.keras.layout import (
    map_shape,
    observed_flattens,
    shape,
    shape_comment,
    value_layouts,
    variable_layouts,
)
from archc.backends.keras.lowering import (
    HELPERS,
    LOWERINGS,
    OWN_NAMES,
    REFUSED,
    helper_source,
    lower_flatten_canonical,
)
from archc.backends.keras.padding import pairs_of
from archc.backends.keras.runtimes import RUNTIMES, lacks
from archc.backends.keras.weights import WEIGHTS
from archc.backends.lower import fused, lower_graph, symbolic_arguments
from archc.backends.module import (
    BATCH,
    imports_for,
    input_axes,
    input_variables,
    names_in,
    network_docstring,
    output_axes,
    run_main,
)
from archc.backends.roots import with_roots
from archc.backends.schedules import with_schedules
from archc.backends.shared_padding import share_padding, with_paddings
from archc.backends.sharing import with_shared
from archc.backends.storage import stored_variables
from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Binary,
    Call,
    Commented,
    Expr,
    FunctionDef,
    Generator,
    If,
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
    call,
)
from archc.ir.costs import Costs
from archc.ir.graph import Graph, known_ids
from archc.ir.network import Network
from archc.language.names import BUILTINS, EMITTED
from archc.ops.axes import Axes

KNOWN: dict[str, Import | ImportFrom] = {
    "keras": Import("keras"),
    "layers": ImportFrom("keras", ("layers",)),
    "math": Import("math"),
    "ops": ImportFrom("keras", ("ops",)),
}
"""The modules that emitted code may use, and how each is imported."""


def compile_network(network: Network) -> Emitted:
    """The network's module. Raises SpecError where an op is refused (ARC601)."""
    costs = network.costs
    graph = fused(costs.graph)
    lowered = lower(graph, Uses(graph))
    arguments = symbolic_arguments(network, lowered, BACKEND)
    lowered = with_training(graph, lowered)
    graph, lowered, takers = share_padding(graph, lowered, pairs_of)
    uses = Uses(graph)
    style = Style(passes_width=False, hands_in_classes=False, identity=IDENTITY)
    outlined = outline(graph, lowered, general(graph, lowered), arguments, style)
    separator = _separator(outlined)
    own = _placements(outlined, uses, separator)
    placements = with_paddings(with_shared(graph, own), takers)
    renamed = _function_names(graph, outlined)
    taken = frozenset({*helper_names("keras", OWN_NAMES), *renamed.values()})
    blocks = [
        block_function(
            replace(one, name=renamed[one.name], items=tuple(_called(one.items, renamed))),
            Uses(outlined.graph, one.region),
            separator,
            taken,
        )
        for one in outlined.definitions
    ]
    layers = _as_sequence(outlined, uses)
    if layers is None:
        outlined = replace(outlined, items=tuple(_called(outlined.items, renamed)))
        builder = _functional(costs, outlined, uses, separator, taken)
    else:
        builder = _sequential(costs, outlined, layers, separator)
    return Emitted(
        _module(costs, graph, [*blocks, builder]),
        placements,
        stored_variables(costs, placements, variable_layouts(costs.graph)),
        value_layouts(costs.graph),
    )


BACKEND = Backend(
    name="keras",
    title="Keras",
    compile=compile_network,
    extra="keras",
    reserved=frozenset({*KNOWN, *OWN_NAMES}),
    lowerings=LOWERINGS,
    refused=REFUSED,
    runner=Runner(module="archc.backends.keras.runner", runtimes=RUNTIMES, lacks=lacks),
    weights=WEIGHTS,
    trainer=Trainer(
        loop="archc.training.keras.loop",
        script="archc.training.script.keras",
        requires=("keras", "numpy", "safetensors"),
    ),
)


def _placements(
    network: ModuleOutline, uses: Uses, separator: str
) -> dict[int, tuple[Placement, ...]]:
    """The lowered layers of every node by their positions in a `keras.Sequential`, or else by their
    names."""
    ops = _as_sequence(network, uses)
    if ops is not None:
        position = count()
        return {
            op.node.index: tuple(Placement(layer, next(position)) for layer in op.layers)
            for op, _ in ops
        }
    return {
        index: tuple(
            Placement(
                layer,
                None
                if layer.expression is not None
                else layer_name(path, layer, longest).replace(".", separator),
            )
            for layer in network.lowered[index]
        )
        for index, (path, longest) in _layer_paths(network).items()
    }


def _layer_paths(
    network: ModuleOutline,
) -> dict[int, tuple[str, tuple[LoweredLayer, ...]]]:
    """The path of each node's layers in the emitted network, and the layers that its definition
    gives them names beside."""
    own: dict[int | str, str] = {}
    for items in (network.items, *(one.items for one in network.definitions)):
        own |= paths_in(items)
    paths: dict[int, tuple[str, tuple[LoweredLayer, ...]]] = {}
    for node, op, scopes, _ in node_placements(network, network.region):
        calls = [own[scope.region.path] for scope in scopes if scope.call is not None]
        ops = (op, *(one.op for one in op.alternatives))
        kinds = [layer.layer and layer.layer.function for layer in network.lowered[node.index]]
        like = next((one for one in ops if _has_kinds(one, kinds)), op)
        paths[node.index] = ".".join([*calls, own[op.node.index]]), like.layers
    return paths


def _has_kinds(op: LoweredOp, kinds: Sequence[Expr | None]) -> bool:
    """Whether an op may have layers of some kinds."""
    own = [layer.layer and layer.layer.function for layer in op.layers]
    return all(kind in own for kind in kinds)


def _function_names(graph: Graph, network: ModuleOutline) -> dict[str, str]:
    """The function of each block by its class name: one that hides nothing, and that no argument
    hides."""
    lists = [network.arguments, *(one.arguments for one in network.definitions)]
    arguments = [argument.name for one in lists for argument in one]
    taken = {
        *BACKEND.reserved,
        *helper_names("keras", OWN_NAMES),
        *BUILTINS,
        *EMITTED,
        *arguments,
        *(name for one in network.definitions for name in one.region.inputs),
        *input_axes(graph),
    }
    names: dict[str, str] = {}
    for definition in network.definitions:
        name = function_name(definition)
        while name in taken:
            name += "_block"
        taken.add(name)
        names[definition.name] = name
    return names


def lower(graph: Graph, uses: Uses) -> dict[int, tuple[LoweredLayer, ...]]:
    """The layers of every node; a `flatten` whose order shows moves the channels first."""
    layers = lower_graph(graph, BACKEND)
    for index in observed_flattens(graph, uses.users):
        node = graph.nodes[index]
        context = LoweringContext(node.op, graph.input_axes(node), node.output)
        layers[index] = lower_flatten_canonical(context)
    return layers


def _separator(network: ModuleOutline) -> str:
    """What joins the names of a path in a layer's name, so that no two layers share one."""
    names = [
        layer_name(path, layer, longest)
        for index, (path, longest) in _layer_paths(network).items()
        for layer in network.lowered[index]
        if layer.layer is not None
    ]
    return "_" if len({name.replace(".", "_") for name in names}) == len(names) else "."


def _as_sequence(network: ModuleOutline, uses: Uses) -> list[tuple[LoweredOp, str | None]] | None:
    """The ops of a straight network, the first of a section with its path; None where it
    branches, has blocks, or takes more than layers."""
    parts = list(_straight(network.items, None))
    graph = uses.graph
    for part, _ in parts:
        if part is None or any(
            layer.layer is None
            or layer.application is not None
            or layer.initialize not in (None, NOT_FROZEN)
            for layer in part.layers
        ):
            return None
    items = [part for part, _ in parts if part is not None]
    if any(part.node.weights >= 0 for part in items):
        return None
    if len(graph.inputs) > 1 or len(graph.all_outputs) > 1 or not items:
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
        elif isinstance(item, LoweredOptional) or item.call is not None:
            yield None, None
        else:
            yield from _straight(item.items, item.region.path)


def _sequential(
    costs: Costs,
    network: ModuleOutline,
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
    layers: list[Expr] = [_input(axes, name)]
    paths = paths_in(network.items)
    for part, section in parts:
        node = part.node
        for position, lowered in enumerate(part.layers):
            assert lowered.layer is not None
            layer: Call = lowered.layer
            if node.named or all_named:
                path = layer_name(paths[node.index], lowered, part.layers)
                layer = with_name(layer, Lit(path.replace(".", separator)))
            same = part.axes is None or part.axes.spatial == graph.input_axes(node)[0].spatial
            shown = part.axes is not None and part.axes.is_map and lowered.main and not same
            comment = shape_comment(part.axes) if shown else None
            above = section if position == 0 else None
            layers.append(Commented(layer, comment, above) if comment or above else layer)
    model = call("keras.Sequential", ListOf(tuple(layers)), name=graph.about.name)
    return _builder(costs, network, "keras.Sequential", [Return(model)])


def _input(axes: Axes, name: tuple[Keyword, ...]) -> Call:
    """`keras.Input` for values of some axes."""
    dtype = Keyword("dtype", Lit(axes.dtype), Lit("float32"))
    return Call(Ref("keras.Input"), (Lit(shape(axes)),), (dtype, *name))


def _classes(parts: Sequence[tuple[LoweredOp, str | None]]) -> list[str]:
    """The classes of all layers in a straight network."""
    layers = (layer.layer for part, _ in parts for layer in part.layers)
    functions = (layer.function for layer in layers if layer is not None)
    return [one.name.rpartition(".")[2] for one in functions if isinstance(one, Ref)]


def _may_clash(names: Iterable[str], classes: Iterable[str]) -> bool:
    """Whether Keras could give one of the names to a layer of one of the classes by itself: the
    class's name, words apart, and a number."""
    words = {name.lower().rstrip(digits) for name in classes}
    return any(name.replace("_", "").rstrip(digits) in words for name in names)


def _functional(
    costs: Costs, network: ModuleOutline, uses: Uses, separator: str, taken: frozenset[str]
) -> FunctionDef:
    """The functional API: inputs, a layer a line, `keras.Model`."""
    graph = costs.graph
    axes = input_axes(graph)
    names = input_variables(axes, "inputs", taken)
    paths = [node.path.replace(".", separator) for node in graph.root.nodes()]
    paths += [region.path.replace(".", separator) for region in regions_in(graph.root)]
    named = len(axes) > 1 or _may_clash(paths, ["InputLayer"])
    inputs: list[Statement] = []
    for name, (input_name, one) in zip(names, axes.items(), strict=True):
        keywords = (Keyword("name", Lit(input_name)),) if named else ()
        inputs.append(Assign(Ref(name), _input(one, keywords)))

    def name_of(path: str) -> Expr:
        return Lit(path.replace(".", separator))

    reserved = taken.union(argument.name for argument in network.arguments)
    body = Body(uses, name_of, paths_in(network.items), reserved)
    arguments = dict(zip(graph.inputs, names, strict=True))
    alone = graph.training_only
    later = [item for item in network.items if _is_in(item, alone)]
    items = [item for item in network.items if not _is_in(item, alone)]
    statements = body.statements(items, arguments, graph.all_outputs, later, graph.outputs)

    def model(indices: Sequence[int]) -> Return:
        outputs: list[Expr] = [Ref(body.names[index]) for index in indices]
        return Return(
            call(
                "keras.Model",
                Ref(names[0]) if len(names) == 1 else ListOf(tuple(map(Ref, names))),
                outputs[0] if len(outputs) == 1 else ListOf(tuple(outputs)),
                name=graph.about.name,
            )
        )

    if later or graph.training_outputs:
        inside = (*body.write(body.ordered(later)), model(graph.all_outputs))
        statements.append(If(Ref(TRAINING), inside))
    return _builder(costs, network, "keras.Model", [*inputs, *statements, model(graph.outputs)])


TRAINING = "training"
"""The argument of a network that has outputs in training alone."""


def _is_in(item: Item, nodes: Container[int]) -> bool:
    """Whether an item does something, and all of it is in some nodes."""
    own = nodes_of(item)
    return bool(own) and all(index in nodes for index in own)


def _called(items: Sequence[Item], renamed: dict[str, str]) -> list[Item]:
    """The items with each block called by the name of its function."""
    changed: list[Item] = []
    for item in items:
        if is_empty(item):
            continue
        if isinstance(item, LoweredScope) and item.call is not None:
            assert isinstance(item.call.function, Ref)
            function = Ref(renamed[item.call.function.name])
            changed.append(replace(item, call=replace(item.call, function=function)))
        elif isinstance(item, LoweredScope | LoweredOptional):
            changed.append(replace(item, items=tuple(_called(item.items, renamed))))
        else:
            changed.append(item)
    return changed


def _builder(
    costs: Costs, network: ModuleOutline, returns: str, body: Sequence[Statement]
) -> FunctionDef:
    graph = costs.graph
    inputs = [axes_text(axes, None, map_shape) for axes in input_axes(graph).values()]
    outputs = [
        axes_text(axes, width, map_shape)
        for axes, width in zip(output_axes(graph), network.widths, strict=True)
    ]
    return FunctionDef(
        "build_model",
        tuple(parameters(_arguments(costs.graph, network))),
        returns=Ref(returns),
        docstring=network_docstring(costs, inputs, outputs),
        body=tuple(body),
    )


def _arguments(graph: Graph, network: ModuleOutline) -> tuple[Argument, ...]:
    """The arguments of a network: those of the spec, and whether it is to be trained."""
    if not graph.training_outputs:
        return network.arguments
    return (*network.arguments, Argument(TRAINING, "bool", Lit(False)))


def _module(costs: Costs, graph: Graph, functions: Sequence[FunctionDef]) -> str:
    """The whole file: imports, the helpers that are used, the functions, and a first run."""
    body: list[Statement] = [
        *with_roots(with_schedules(with_attention(functions, OPTIONS, attention_class))),
        _main(costs, graph),
    ]
    used = names_in(body)
    helpers = [helper_source(name) for name in helper_names("keras", HELPERS) if name in used]
    imported = imports_for(used, KNOWN, [line for lines, _ in helpers for line in lines])
    return render(
        Module(
            header=(graph.about.header,),
            body=(*imported, *(Raw(source) for _, source in helpers), *body),
        )
    )


def _main(costs: Costs, graph: Graph) -> If:
    """Runs one random batch and prints what the framework says of it. Running statistics are no
    parameters, what is not trained is."""
    ids = known_ids(graph)
    inputs: list[Expr] = []
    for index in graph.inputs:
        batch = (BATCH, *shape(graph.nodes[index].output))
        if index in ids:
            inputs.append(call("keras.random.randint", batch, 0, ids[index]))
        else:
            inputs.append(call("keras.random.normal", batch))
    argument = inputs if len(inputs) == 1 else [ListOf(tuple(inputs))]
    sizes = Generator(call("math.prod", Ref("w.shape")), "w", Ref("model.trainable_weights"))
    count: Expr = call("sum", sizes)
    if costs.totals.trainable_params < costs.totals.params:
        count = call("model.count_params")
        if costs.totals.state:
            count = Binary("-", count, Lit(costs.totals.state))
    return run_main(call("build_model"), argument, count, len(graph.outputs))
