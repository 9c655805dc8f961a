"""Bodies of Keras functions: a layer a line, applied to a variable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from archc.backends.base import LoweredLayer, fill, placeholder
from archc.backends.blocks.dataflow import Uses, is_empty, nodes_of
from archc.backends.blocks.items import (
    Argument,
    Definition,
    Item,
    LoweredOp,
    LoweredScope,
    trees_in,
)
from archc.backends.blocks.symbols import symbols_in
from archc.backends.blocks.variables import Operation, name_variables
from archc.backends.keras.layout import shape_comment
from archc.codegen.tree import (
    Assign,
    Call,
    Comment,
    Expr,
    For,
    FString,
    FunctionDef,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Statement,
    call,
)
from archc.ops.merge import Merge

TENSOR = "keras.KerasTensor"
FEWEST_REPEATED = 3
"""Equal blocks in a row from which on they are written as a loop."""

NameOf = Callable[[str], Expr]
"""The name of a layer, from its path within the function's part of the network."""


def function_name(definition: Definition) -> str:
    """The function of a block: its class name in lower case, words apart."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in definition.name).lstrip("_")


def block_function(
    definition: Definition, uses: Uses, separator: str, taken: frozenset[str]
) -> FunctionDef:
    """The function of a block: takes a tensor, the block's parameters, and its layers' name. Its
    variables have none of the names `taken`."""

    def name_of(path: str) -> Expr:
        return FString((Ref("name"), separator + path.replace(".", separator)))

    region = definition.region
    reserved = taken.union(["name"], (argument.name for argument in definition.arguments))
    body = Body(uses, name_of, region.path, reserved)
    statements = body.statements(definition.items, {region.input: "x"}, (region.output,))
    width = _width_of_input(definition)
    count = len(definition.values)
    where = f"{count} instance{'s' * (count != 1)}"
    return FunctionDef(
        definition.name,
        (
            Parameter("x", Ref(TENSOR)),
            *parameters(definition.arguments, Parameter("name", Ref("str"), None, True)),
        ),
        returns=Ref(TENSOR),
        docstring=f"The block `{definition.block}`: {where}.",
        body=(*width, *returning(statements, Ref(body.names[region.output]))),
    )


def returning(statements: Sequence[Statement], result: Ref) -> list[Statement]:
    """The statements, and the return of a variable: of the value itself where it is made last."""
    last = statements[-1] if statements else None
    if isinstance(last, Assign) and last.target == result:
        return [*statements[:-1], Return(last.value, last.comment)]
    return [*statements, Return(result)]


def parameters(arguments: Sequence[Argument], *more: Parameter) -> Iterator[Parameter]:
    """The arguments as parameters of a function: flags by keyword alone."""
    made = [
        Parameter(argument.name, Ref(argument.type), argument.default, argument.type == "bool")
        for argument in arguments
    ]
    yield from (one for one in made if not one.keyword_only)
    yield from (one for one in [*made, *more] if one.keyword_only)


def _width_of_input(definition: Definition) -> tuple[Statement, ...]:
    """`in_channels = x.shape[-1]`, where the body asks for it."""
    used = symbols_in(list(trees_in(definition.items)))
    return tuple(
        Assign(Ref(name), Index(Ref("x.shape"), (Lit(-1),)))
        for name in ("in_channels", "in_features")
        if name in used
    )


def with_name(layer: Call, name: Expr) -> Call:
    """A layer's constructor with its `name`."""
    return Call(layer.function, layer.arguments, (*layer.keywords, Keyword("name", name)))


def relative(path: str, within: str) -> str:
    """A path from the region `within`, which the network's own path leads to."""
    return path[len(within) + 1 :] if within else path


def layer_name(path: str, stage: LoweredLayer, stages: Sequence[LoweredLayer]) -> str:
    """The name of a stage's layer: the op's path for its main stage, that with a label for
    others. Its parts are joined by dots."""
    return path if stage.main or len(stages) == 1 else f"{path}.{stage.label}"


class Body:
    """Statements for some items. After `statements`, `names` has the variable of every value."""

    def __init__(self, uses: Uses, name_of: NameOf, path: str, reserved: frozenset[str]) -> None:
        self.uses = uses
        self.name_of = name_of
        self.path = path
        self.reserved = reserved
        self.names: dict[int, str] = {}

    def statements(
        self, items: Sequence[Item], arguments: dict[int, str], results: Sequence[int]
    ) -> list[Statement]:
        operations = list(self.operations(items))
        self.names = name_variables(operations, arguments, results, self.reserved)
        return list(self.write(items))

    def operations(self, items: Iterable[Item]) -> Iterator[Operation]:
        for item in items:
            if is_empty(item):
                continue
            if isinstance(item, LoweredScope) and item.call is None:
                yield from self.operations(item.items)
            else:
                merge = isinstance(item, LoweredOp) and isinstance(item.node.op, Merge)
                inputs, outputs = self.uses.inputs(item), self.uses.outputs(item)
                yield Operation(inputs, outputs, (_name(item),), merge)

    def write(self, items: Sequence[Item]) -> Iterator[Statement]:
        waiting: list[LoweredScope] = []
        for item in items:
            if is_empty(item):
                continue
            if isinstance(item, LoweredScope) and item.call is not None and item.condition is None:
                if waiting and not self.goes_on(waiting[-1], item):
                    yield from self.instances(waiting)
                    waiting = []
                waiting.append(item)
                continue
            yield from self.instances(waiting)
            waiting = []
            yield from self.item(item)
        yield from self.instances(waiting)

    def item(self, item: Item) -> Iterator[Statement]:
        if item.condition is not None:
            yield from self.optional(item, item.condition)
        elif isinstance(item, LoweredOp):
            yield from self.part(item)
        elif item.call is not None:
            yield self.instance(item)
        else:
            yield Comment(relative(item.region.path, self.path))
            yield from self.write(item.items)

    def optional(self, item: Item, condition: Expr) -> Iterator[Statement]:
        """An item under its condition; without it, its input goes on."""
        (source,), (output, *_) = self.uses.inputs(item), self.uses.outputs(item)
        if self.names[source] != self.names[output]:
            yield Assign(Ref(self.names[output]), Ref(self.names[source]))
        if isinstance(item, LoweredOp):
            body = tuple(self.part(item))
        elif item.call is not None:
            body = (self.instance(item),)
        else:
            body = tuple(self.write(item.items))
        yield If(condition, body)

    def part(self, part: LoweredOp) -> Iterator[Statement]:
        node = part.node
        target = Ref(self.names[node.index])
        values: list[Expr] = [Ref(self.names[index]) for index in node.inputs]
        path = relative(node.path, self.path)
        for position, stage in enumerate(part.stages):
            last = position == len(part.stages) - 1
            expr = self.applied(stage, values, layer_name(path, stage, part.stages))
            comment = shape_comment(part.axes) if last else None
            yield Assign(target, expr, comment)
            values = [target]

    def applied(self, stage: LoweredLayer, values: Sequence[Expr], path: str) -> Expr:
        """A stage on its inputs: a layer takes several as a list. What can be an expression
        is one."""
        if stage.expression is not None:
            return fill(
                stage.expression,
                {placeholder(index).name: value for index, value in enumerate(values)},
            )
        assert stage.layer is not None
        argument = values[0] if len(values) == 1 else ListOf(tuple(values))
        return Call(with_name(stage.layer, self.name_of(path)), (argument,))

    def instances(self, groups: Sequence[LoweredScope]) -> Iterator[Statement]:
        """Instances of a block in a row: three or more alike as a loop."""
        if len(groups) < FEWEST_REPEATED:
            for group in groups:
                yield self.instance(group)
            return
        first, last = _number(groups[0]), _number(groups[-1])
        (source,), output = self.uses.inputs(groups[0]), groups[0].region.output
        stem = relative(groups[0].region.path, self.path)[: -len(str(first))]
        name = self.numbered(stem)
        made = self.called(groups[0], Ref(self.names[source]), name)
        target = Ref(self.names[output])
        if target.name != self.names[source]:
            yield Assign(target, Ref(self.names[source]))
            made = self.called(groups[0], target, name)
        loop = call("range", first, last + 1)
        yield For(Ref("number"), loop, (Assign(target, made, shape_comment(groups[0].axes)),))

    def goes_on(self, before: LoweredScope, after: LoweredScope) -> bool:
        """Whether an instance is the one before it once more, under the next number, and alone
        takes what that gives."""
        given = before.region.output
        stem, other = (one.region.name.rpartition("_")[0] for one in (before, after))
        return (
            before.call == after.call
            and before.axes == after.axes
            and stem == other
            and 0 <= _number(before) == _number(after) - 1
            and after.region.input == given
            and self.names[given] == self.names[after.region.output]
            and nodes_of(after).issuperset(self.uses.users[given])
        )

    def numbered(self, stem: str) -> Expr:
        whole = self.name_of(stem)
        if isinstance(whole, Lit):
            return FString((str(whole.value), Ref("number")))
        assert isinstance(whole, FString)
        return FString((*whole.parts, Ref("number")))

    def instance(self, group: LoweredScope) -> Statement:
        (source,) = self.uses.inputs(group)
        name = self.name_of(relative(group.region.path, self.path))
        made = self.called(group, Ref(self.names[source]), name)
        return Assign(Ref(self.names[group.region.output]), made, shape_comment(group.axes))

    def called(self, group: LoweredScope, value: Expr, name: Expr) -> Expr:
        assert group.call is not None
        made = group.call
        return Call(
            made.function, (value, *made.arguments), (*made.keywords, Keyword("name", name))
        )


def _name(item: Item) -> str | None:
    if isinstance(item, LoweredOp):
        return item.node.name if item.node.named else None
    return item.region.name if item.region.named else None


def _number(group: LoweredScope) -> int:
    """The number that an instance's name ends in, or -1 where it has none that a loop gives."""
    digits = group.region.name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() and str(int(digits)) == digits else -1
