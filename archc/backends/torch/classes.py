"""Definitions of a network as PyTorch classes: what becomes an `nn.Sequential`, what an attribute,
and how `forward` puts them together."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from archc.backends.base import LoweredLayer, fill, placeholder
from archc.backends.blocks.dataflow import Uses, is_empty
from archc.backends.blocks.items import Argument, Item, LoweredOp, LoweredScope, trees_in
from archc.backends.blocks.symbols import symbols_in
from archc.backends.blocks.variables import Operation, name_variables
from archc.backends.torch.init_statements import (
    gathered,
    of_group,
    of_optional,
    of_sequence,
    of_stage,
)
from archc.backends.torch.layers import shape_comment
from archc.backends.torch.module_paths import Places, in_optional, in_sequence
from archc.codegen.docs import width_on_one_line
from archc.codegen.tree import (
    Assign,
    Attribute,
    Call,
    ClassDef,
    Commented,
    Conditional,
    Expr,
    ExpressionStatement,
    FunctionDef,
    Generator,
    Index,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Starred,
    Statement,
    TupleOf,
    call,
)
from archc.ir.graph import Input
from archc.language.names import new_class
from archc.ops.merge import Merge

WIDTH = 88
FEWEST_REPEATED = 3
"""Equal blocks in a row from which on they are written as one repeated line."""


class _Entry(NamedTuple):
    """A layer of an `nn.Sequential`, and the name it has there if any."""

    layer: Expr
    name: str
    named: bool
    comment: str | None


class Classes:
    """The classes of one emitted module, in the order in which they are written, and the places of
    layers in them."""

    def __init__(self, uses: Uses, taken: Iterable[str]) -> None:
        self.uses = uses
        self.taken = set(taken)
        self.written: list[ClassDef] = []
        self.places: Places = {}

    def write(
        self,
        name: str,
        docstring: str | None,
        arguments: Sequence[Argument],
        items: Sequence[Item],
        ends: tuple[Sequence[int], Sequence[int]],
    ) -> None:
        """Write the class of some items that take the values `ends[0]` and give `ends[1]`."""
        body = _Body(self, [item for item in items if not is_empty(item)], arguments, ends)
        definition = body.definition(name, docstring)
        self.written.append(definition)

    # Layers

    def module(self, group: LoweredScope, arguments: Sequence[Argument]) -> Expr:
        """The expression that constructs a section or a block's instance."""
        if group.call is not None:
            made: Expr = group.call
        elif self.is_sequential(group):
            made = self.sequential(group.items, arguments)
        else:
            made = self.section_class(group, arguments)
        return _optional(made, group.condition)

    def is_sequential(self, group: LoweredScope) -> bool:
        items = [item for item in group.items if not is_empty(item)]
        entering, leaving = self.uses.externals(group.region), self.uses.results(group.region)
        if len(entering) != 1 or len(leaving) != 1:
            return False
        return self.is_chain_of_layers(items, entering[0])

    def is_chain_of_layers(self, items: Sequence[Item], source: int) -> bool:
        """Whether some items can stand in one `nn.Sequential`."""
        for item in items:
            if isinstance(item, LoweredOp) and any(stage.layer is None for stage in item.stages):
                return False
        return self.uses.is_chain(items, source)

    def section_class(self, group: LoweredScope, arguments: Sequence[Argument]) -> Call:
        """Write a section that is no plain sequence as a class of its own; gives its call."""
        used = symbols_in(list(trees_in(group.items)))
        own = [argument for argument in arguments if argument.name in used]
        flags = tuple(Keyword(one.name, Ref(one.name)) for one in own if one.type == "bool")
        others = tuple(Ref(one.name) for one in own if one.type != "bool")
        name = new_class(group.region.name, self.taken)
        ends = (self.uses.externals(group.region), self.uses.results(group.region))
        plain = [replace(argument, default=None) for argument in own]
        self.write(name, f"The section `{group.region.path}`.", plain, group.items, ends)
        return Call(Ref(name), others, flags)

    def sequential(
        self, items: Sequence[Item], arguments: Sequence[Argument], prefix: str = ""
    ) -> Call:
        """An `nn.Sequential`; what it stands in keeps it under `prefix`."""
        items = [item for item in items if not is_empty(item)]
        entries = self.entries(items, arguments)
        named = any(entry.named for entry in entries)
        keys = (entry.name if named else str(number) for number, entry in enumerate(entries))
        self.places |= in_sequence(items, (prefix + key for key in keys))
        if named:
            pairs = [
                Commented(TupleOf((Lit(entry.name), entry.layer)), entry.comment)
                for entry in entries
            ]
            return call("nn.Sequential", call("OrderedDict", ListOf(tuple(pairs))))
        return call("nn.Sequential", *_repeated(entries))

    def entries(self, items: Sequence[Item], arguments: Sequence[Argument]) -> list[_Entry]:
        entries: list[_Entry] = []
        explicit = {item.name for item in items}
        for item in items:
            if isinstance(item, LoweredScope):
                layer = self.module(item, arguments)
                named = item.region.kind == "section" or item.region.named
                entries.append(_Entry(layer, item.region.name, named, shape_comment(item.axes)))
                continue
            node = item.node
            same = self.uses.graph.input_axes(node)[0] == node.output
            comment = None if same and not is_heavy(item) else shape_comment(item.axes)
            layers = [stage for stage in item.stages if stage.layer is not None]
            if item.condition is not None:
                layer = _optional(_in_sequence(layers), item.condition)
                entries.append(_Entry(layer, node.name, node.named, comment))
                continue
            for stage, name in zip(layers, _stage_names(item, layers, explicit), strict=True):
                assert stage.layer is not None
                shown = comment if stage.main else None
                entries.append(_Entry(stage.layer, name, node.named, shown))
        return entries


def is_heavy(part: LoweredOp) -> bool:
    """Whether an op is one that a reader follows a network by: it has weights, and does more than
    normalise."""
    return any(stage.weighted and not stage.label.endswith("norm") for stage in part.stages)


def _stage_names(
    part: LoweredOp, stages: Sequence[LoweredLayer], taken: Container[str]
) -> list[str]:
    """The node's name for its main stage; that with a label for the others, and with a number
    where an item beside it is named so."""
    name = part.node.name
    names: list[str] = []
    for stage in stages:
        wanted = name if stage.main or len(stages) == 1 else f"{name}_{stage.label}"
        number = 1
        while wanted != name and (wanted in taken or wanted in names):
            number += 1
            wanted = f"{name}_{stage.label}_{number}"
        names.append(wanted)
    return names


def _in_sequence(stages: Sequence[LoweredLayer]) -> Expr:
    layers = [stage.layer for stage in stages if stage.layer is not None]
    return layers[0] if len(layers) == 1 else call("nn.Sequential", *layers)


def _optional(layer: Expr, condition: Expr | None) -> Expr:
    return layer if condition is None else Conditional(condition, layer, call("nn.Identity"))


def _repeated(entries: Sequence[_Entry]) -> list[Expr]:
    """The layers of a sequence, three or more equal ones in a row as one repeated line."""
    written: list[Expr] = []
    position = 0
    while position < len(entries):
        entry = entries[position]
        end = position + 1
        while end < len(entries) and entries[end]._replace(name=entry.name) == entry:
            end += 1
        count = end - position
        is_block = isinstance(entry.layer, Call) and _is_class(entry.layer)
        if count >= FEWEST_REPEATED and is_block:
            loop = Generator(entry.layer, "_", call("range", count))
            written.append(Commented(Starred(loop), entry.comment))
        else:
            written += [Commented(entry.layer, entry.comment)] * count
        position = end
    return written


def _is_class(layer: Call) -> bool:
    return isinstance(layer.function, Ref) and "." not in layer.function.name


class _Step(NamedTuple):
    """One item of a `forward`: the values it takes and gives, how it is written on expressions for
    its inputs, and whether it has weights."""

    operation: Operation
    build: Callable[[Sequence[Expr]], Expr]
    heavy: bool
    comment: str | None


class _Body:
    """The class of some items: its attributes, and its `forward`."""

    def __init__(
        self,
        classes: Classes,
        items: Sequence[Item],
        arguments: Sequence[Argument],
        ends: tuple[Sequence[int], Sequence[int]],
    ) -> None:
        self.classes = classes
        self.items = items
        self.arguments = arguments
        self.inputs, self.results = ends
        self.attributes: dict[str, tuple[Expr, str | None]] = {}
        self.shared: dict[Expr, str] = {}
        self.keeping: dict[str, Expr] = {}
        self.initial: list[Statement] = []
        self.explicit = {item.name for item in items}

    def definition(self, name: str, docstring: str | None) -> ClassDef:
        steps = self.steps()
        forward = FunctionDef(
            "forward",
            (Parameter("self"), *self.forward_parameters(steps)),
            returns=self.result_type(),
            docstring=None,
            body=tuple(self.forward(steps)),
        )
        init = FunctionDef(
            "__init__",
            (Parameter("self"), *map(_parameter, self.arguments)),
            returns=Lit(None),
            body=(
                ExpressionStatement(Call(Attribute(call("super"), "__init__"))),
                *(
                    Assign(Ref(f"self.{attribute}"), layer, comment)
                    for attribute, (layer, comment) in self.attributes.items()
                ),
                *gathered(self.initial),
            ),
        )
        return ClassDef(name, (Ref("nn.Module"),), docstring, (init, forward))

    def result_type(self) -> Expr:
        if len(self.results) == 1:
            return Ref("Tensor")
        return Index(Ref("tuple"), tuple(Ref("Tensor") for _ in self.results))

    def forward_parameters(self, steps: Sequence[_Step]) -> list[Parameter]:
        names = self.argument_names()
        return [Parameter(names[index], Ref("Tensor")) for index in self.inputs]

    def argument_names(self) -> dict[int, str]:
        """`x` for one input; several inputs of the network have its names, others are counted."""
        if len(self.inputs) == 1:
            return {self.inputs[0]: "x"}
        nodes = [self.classes.uses.graph.nodes[index] for index in self.inputs]
        return {
            node.index: node.name if isinstance(node.op, Input) else f"x{position}"
            for position, node in enumerate(nodes, start=1)
        }

    # Attributes

    def steps(self) -> list[_Step]:
        items = list(self.items)
        if len(self.inputs) == 1 and self.is_plain(items):
            layers = self.classes.sequential(items, self.arguments, "layers.")
            self.attributes["layers"] = (layers, None)
            self.initial += of_sequence(Ref("self.layers"), items, self.classes.is_sequential)
            operation = Operation(tuple(self.inputs), tuple(self.results))
            return [_Step(operation, _apply("self.layers"), heavy=True, comment=None)]
        return [self.step(item) for item in items]

    def is_plain(self, items: Sequence[Item]) -> bool:
        """Whether the whole is one sequence of layers without names."""
        if len(items) < 2 or any(
            item.node.named if isinstance(item, LoweredOp) else item.region.kind == "section"
            for item in items
        ):
            return False
        outputs = self.classes.uses.outputs(items[-1])
        chain = self.classes.is_chain_of_layers(items, self.inputs[0])
        return chain and tuple(outputs) == tuple(self.results)

    def step(self, item: Item) -> _Step:
        uses = self.classes.uses
        inputs, outputs = uses.inputs(item), uses.outputs(item)
        comment = shape_comment(item.axes)
        if isinstance(item, LoweredScope):
            name = item.region.name
            layer = self.classes.module(item, self.arguments)
            attribute = self.add_attribute(name, layer)
            self.classes.places[item.region.path] = (attribute,)
            self.initial += of_group(Ref(f"self.{attribute}"), item, self.classes.is_sequential)
            own = name if item.region.named else None
            others = [uses.graph.nodes[index] for index in outputs[1:]]
            given = (own, *(node.name if node.named else None for node in others))
            operation = Operation(inputs, outputs, given)
            return _Step(operation, _apply(f"self.{attribute}"), heavy=True, comment=comment)
        node = item.node
        given = (node.name if node.named else None,)
        operation = Operation(inputs, outputs, given, isinstance(node.op, Merge))
        return _Step(operation, self.part(item), is_heavy(item), comment)

    def part(self, part: LoweredOp) -> Callable[[Sequence[Expr]], Expr]:
        """How an op is written in `forward`, after its layers have become attributes."""
        if part.condition is not None:
            layer = _optional(_in_sequence(part.stages), part.condition)
            attribute = self.add_attribute(part.node.name, layer)
            self.classes.places[part.node.index] = in_optional(attribute, part)
            self.initial += of_optional(Ref(f"self.{attribute}"), part)
            return _apply(f"self.{attribute}")
        builds: list[Callable[[Sequence[Expr]], Expr]] = []
        places: list[str | None] = []
        layers = [stage for stage in part.stages if stage.layer is not None]
        own_names = _stage_names(part, layers, self.explicit)
        names = dict(zip(map(id, layers), own_names, strict=True))
        for stage in part.stages:
            if stage.expression is not None:
                builds.append(_computed(self.kept(stage.expression)))
                places.append(None)
                continue
            assert stage.layer is not None
            own = stage.weighted or (stage.main and part.node.named)
            if own:
                attribute = self.add_attribute(names[id(stage)], stage.layer)
                self.initial += of_stage(Ref(f"self.{attribute}"), stage)
            else:
                attribute = self.share(stage.layer, stage.label or part.node.op.name)
            builds.append(_apply(f"self.{attribute}"))
            places.append(attribute)
        self.classes.places[part.node.index] = tuple(places)
        return _composed(builds)

    def kept(self, expression: Expr) -> Expr:
        """An expression of `forward`: the arguments that it uses are kept as attributes."""
        used = symbols_in([expression])
        for argument in self.arguments:
            if argument.name in used and argument.name not in self.keeping:
                attribute = self.add_attribute(argument.name, Ref(argument.name))
                self.keeping[argument.name] = Ref(f"self.{attribute}")
        return fill(expression, self.keeping)

    def add_attribute(self, wanted: str, layer: Expr) -> str:
        name, count = wanted, 1
        while name in self.attributes:
            count += 1
            name = f"{wanted}_{count}"
        self.attributes[name] = (layer, None)
        return name

    def share(self, layer: Expr, label: str) -> str:
        """The attribute of a layer without weights or name: equal ones are one."""
        if layer not in self.shared:
            wanted, count = label, 1
            while wanted in self.attributes or wanted in self.explicit:
                count += 1
                wanted = f"{label}_{count}"
            self.attributes[wanted] = (layer, None)
            self.shared[layer] = wanted
        return self.shared[layer]

    # Forward

    def forward(self, steps: Sequence[_Step]) -> list[Statement]:
        """The statements of `forward`: a value used once goes straight into its user, as long as a
        line holds one layer with weights."""
        reserved = frozenset({"self"}) | {argument.name for argument in self.arguments}
        arguments = self.argument_names()
        names = name_variables(
            [step.operation for step in steps], arguments, self.results, reserved
        )
        uses: dict[int, int] = {}
        for step in steps:
            for index in step.operation.inputs:
                uses[index] = uses.get(index, 0) + 1
        for index in self.results:
            uses[index] = uses.get(index, 0) + 2 * (len(self.results) > 1)
        pending: dict[int, tuple[Expr, str | None]] = {}
        statements: list[Statement] = []

        def settle(index: int) -> None:
            if index in pending:
                expr, comment = pending.pop(index)
                statements.append(Assign(Ref(names[index]), expr, comment))

        for position, step in enumerate(steps):
            inputs = step.operation.inputs
            if step.heavy:
                for index in inputs:
                    settle(index)
            values = [
                pending.pop(index)[0] if index in pending else Ref(names[index]) for index in inputs
            ]
            expr = step.build(values)
            if len(step.operation.outputs) > 1:
                targets = TupleOf(tuple(Ref(names[index]) for index in step.operation.outputs))
                statements.append(Assign(targets, expr, None))
                continue
            (output,) = step.operation.outputs
            pending[output] = (expr, step.comment)
            following = steps[position + 1] if position + 1 < len(steps) else None
            if not self.goes_on(output, expr, following, uses, steps[position + 1 :]):
                settle(output)
        return [*statements, self.returned(pending, names)]

    def goes_on(
        self,
        output: int,
        expr: Expr,
        following: _Step | None,
        uses: dict[int, int],
        rest: Sequence[_Step],
    ) -> bool:
        """Whether a value is written inside its user's expression."""
        if following is None:
            return len(self.results) == 1
        if uses.get(output, 0) != 1 or output in self.results:
            return False
        if isinstance(expr, Call) and any(isinstance(one, ListOf) for one in expr.arguments):
            return False  # a concatenation of branches has a line of its own
        width = width_on_one_line(expr)
        if width is None or width > WIDTH - 24:
            return False
        return output in following.operation.inputs

    def returned(
        self, pending: dict[int, tuple[Expr, str | None]], names: dict[int, str]
    ) -> Return:
        if len(self.results) == 1:
            (result,) = self.results
            if result in pending:
                return Return(*pending.pop(result))
            return Return(Ref(names.get(result, "x")))
        values = [Ref(names[index]) for index in self.results]
        return Return(TupleOf(tuple(values)))


def _parameter(argument: Argument) -> Parameter:
    keyword_only = argument.type == "bool"
    return Parameter(argument.name, Ref(argument.type), argument.default, keyword_only)


def _apply(name: str) -> Callable[[Sequence[Expr]], Expr]:
    return lambda values: call(name, *values)


def _computed(expression: Expr) -> Callable[[Sequence[Expr]], Expr]:
    return lambda values: fill(
        expression, {placeholder(index).name: value for index, value in enumerate(values)}
    )


def _composed(
    builds: Sequence[Callable[[Sequence[Expr]], Expr]],
) -> Callable[[Sequence[Expr]], Expr]:
    def build(values: Sequence[Expr]) -> Expr:
        expr = builds[0](values)
        for following in builds[1:]:
            expr = following([expr])
        return expr

    return build
