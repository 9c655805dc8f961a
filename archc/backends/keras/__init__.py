"""The Keras 3 backend: a network as `keras.Sequential`, or by the functional API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from archc.backends import plan
from archc.backends.keras.functions import (
    Body,
    block_function,
    function_name,
    layer_name,
    parameters,
    with_name,
)
from archc.backends.keras.layout import observed_flattens, shape, shape_comment
from archc.backends.keras.lowering import (
    HELPERS,
    LOWERINGS,
    REFUSED,
    helper_source,
    lower_flatten_canonical,
)
from archc.backends.lowering import Placed, Site, Stage
from archc.backends.module import (
    BATCH,
    docstring,
    header,
    imports_for,
    input_axes,
    input_variables,
    names_in,
    output_axes,
    output_variables,
    run_main,
    summary,
)
from archc.backends.parts import Group, Item, Part, Template
from archc.backends.template import template
from archc.backends.uses import Uses, is_empty
from archc.emit import (
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
from archc.graph import Graph
from archc.infer import Costs
from archc.names import BUILTINS, EMITTED
from archc.printer import render
from archc.spec import Spec

BACKEND = plan.Backend("keras", LOWERINGS, REFUSED)
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


def emit(spec: Spec, costs: Costs) -> str:
    """The source of the network's module. Raises SpecError where an op is refused (ARC601)."""
    graph = costs.graph
    uses = Uses(graph)
    stages = lower(graph, uses)
    arguments = plan.exposed(spec, costs, stages, BACKEND)
    made = template(graph, stages, arguments, passes_width=False)
    separator = _separator(graph)
    renamed = _function_names(graph, made)
    taken = frozenset({*HELPERS, *renamed.values()})
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
    return _module(graph, [*blocks, builder])


def places(spec: Spec, costs: Costs) -> dict[int, tuple[Placed, ...]]:
    """The stages of every node where they stand in the emitted network, by the node's index.
    Raises SpecError where an op is refused (ARC601)."""
    graph = costs.graph
    uses = Uses(graph)
    stages = lower(graph, uses)
    parts = _as_sequence(template(graph, stages, (), passes_width=False), uses)
    if parts is not None:
        position = count()
        return {
            part.node.index: tuple(Placed(stage, next(position)) for stage in part.stages)
            for part, _ in parts
        }
    separator = _separator(graph)
    return {
        node.index: tuple(
            Placed(stage, layer_name(node.path, stage, stages[node.index]).replace(".", separator))
            for stage in stages[node.index]
        )
        for node in graph.layers
    }


def _function_names(graph: Graph, made: Template) -> dict[str, str]:
    """The function of each block by its class name: one that hides nothing, and that no argument
    hides."""
    lists = [made.arguments, *(one.arguments for one in made.definitions)]
    arguments = [argument.name for one in lists for argument in one]
    taken = {*KNOWN, *HELPERS, *BUILTINS, *EMITTED, *arguments, *input_axes(graph)}
    names: dict[str, str] = {}
    for definition in made.definitions:
        name = function_name(definition)
        while name in taken:
            name += "_block"
        taken.add(name)
        names[definition.name] = name
    return names


def lower(graph: Graph, uses: Uses) -> dict[int, tuple[Stage, ...]]:
    """The stages of every node; a `flatten` whose order shows moves the channels first."""
    stages = plan.lower(graph, BACKEND)
    for index in observed_flattens(graph, uses.users):
        node = graph.nodes[index]
        site = Site(node.op, graph.input_axes(node), node.output)
        stages[index] = lower_flatten_canonical(site)
    return stages


def _separator(graph: Graph) -> str:
    """What joins the names of a path in a layer's name, so that no two layers share one."""
    joined = {node.path.replace(".", "_") for node in graph.nodes}
    return "_" if len(joined) == len(graph.nodes) else "."


def _as_sequence(made: Template, uses: Uses) -> list[tuple[Part, str | None]] | None:
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
) -> Iterator[tuple[Part | None, str | None]]:
    """The parts of sections in order; None for what is no part of one."""
    for item in items:
        if is_empty(item):
            continue
        if isinstance(item, Part):
            yield item, section
            section = None
        elif item.call is not None:
            yield None, None
        else:
            yield from _straight(item.items, item.region.path)


def _sequential(
    costs: Costs,
    made: Template,
    parts: Sequence[tuple[Part, str | None]],
    separator: str,
) -> FunctionDef:
    """`keras.Sequential` of all layers. Layers that the spec names have that name."""
    graph = costs.graph
    (axes,) = input_axes(graph).values()
    layers: list[Expr] = [call("keras.Input", shape(axes))]
    for part, section in parts:
        node = part.node
        for position, stage in enumerate(part.stages):
            assert stage.layer is not None
            layer: Call = stage.layer
            if node.named:
                path = layer_name(node.path, stage, part.stages)
                layer = with_name(layer, Lit(path.replace(".", separator)))
            same = part.axes == graph.input_axes(node)[0]
            comment = None if same or not stage.main else shape_comment(part.axes)
            layers.append(Commented(layer, comment, section if position == 0 else None))
    made_model = call("keras.Sequential", ListOf(tuple(layers)), name=graph.about.name)
    return _builder(costs, made, "keras.Sequential", [Return(made_model)])


def _functional(
    costs: Costs, made: Template, uses: Uses, separator: str, taken: frozenset[str]
) -> FunctionDef:
    """The functional API: inputs, a layer a line, `keras.Model`."""
    graph = costs.graph
    axes = input_axes(graph)
    names = input_variables(axes, "inputs", taken)
    inputs: list[Statement] = []
    for name, (given, one) in zip(names, axes.items(), strict=True):
        keywords = () if len(axes) == 1 else (Keyword("name", Lit(given)),)
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
        if isinstance(item, Group) and item.call is not None:
            assert isinstance(item.call.function, Ref)
            function = Ref(renamed[item.call.function.name])
            made = Call(function, item.call.arguments, item.call.keywords)
            changed.append(replace(item, call=made))
        elif isinstance(item, Group):
            changed.append(replace(item, items=tuple(_called(item.items, renamed))))
        else:
            changed.append(item)
    return changed


def _builder(costs: Costs, made: Template, returns: str, body: Sequence[Statement]) -> FunctionDef:
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
    helpers = [helper_source(name) for name in HELPERS if name in used]
    wanted = imports_for(used, KNOWN, [line for lines, _ in helpers for line in lines])
    return render(
        Module(
            header=(header(graph),),
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
