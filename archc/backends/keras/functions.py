"""Bodies of Keras functions: a layer a line, applied to a variable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from archc.backends.base import APPLIED, LoweredLayer, fill, placeholder
from archc.backends.blocks.branches import detours, gates, is_merge, shortcut_first
from archc.backends.blocks.dataflow import Uses, is_empty, nodes_of
from archc.backends.blocks.items import (
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    trees_in,
)
from archc.backends.blocks.names import step_names, steps_in
from archc.backends.blocks.symbols import folded, symbols_in
from archc.backends.blocks.variables import CHAIN, Operation, name_variables
from archc.backends.keras.layout import shape_comment
from archc.backends.keras.tables import Table, table_of
from archc.codegen.docs import width_on_one_line
from archc.codegen.layout import INDENT, WIDTH
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Assign,
    Binary,
    Call,
    Comment,
    Commented,
    Expr,
    For,
    FString,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Ref,
    Statement,
    TupleOf,
    call,
)

TENSOR = "keras.KerasTensor"
FEWEST_TABLED = 6
"""Different calls of a block in a row, longer than a line, from which on they are a table."""
FEWEST_REPEATED = 3
"""Equal blocks in a row from which on they are written as a loop."""

WIDTHS = frozenset({"in_channels", "in_features"})
"""The symbols of the channels or features that come in."""

NameOf = Callable[[str], Expr]
"""The name of a layer, from its path within the function's part of the network."""

Paths = Mapping[int | str, str]
"""The path of each step within its function, by the index of its node or the path of its region."""


def paths_in(items: Sequence[Item]) -> dict[int | str, str]:
    """The path of each step of a function, from its own name and those of the sections around."""
    names = step_names(items)
    paths: dict[int | str, str] = {}

    def enter(inner: Sequence[Item], prefix: str) -> None:
        for item in steps_in(inner):
            key = item.node.index if isinstance(item, LoweredOp) else item.region.path
            paths[key] = prefix + names[key]
            if isinstance(item, LoweredScope):
                enter(item.items, f"{paths[key]}.")

    enter(items, "")
    return paths


def with_name(layer: Call, name: Expr) -> Call:
    """A layer's constructor with its `name`."""
    return Call(layer.function, layer.arguments, (*layer.keywords, Keyword("name", name)))


def layer_name(path: str, layer: LoweredLayer, layers: Sequence[LoweredLayer]) -> str:
    """The name of a layer: the op's path for its main layer, that with a label for others. Its
    parts are joined by dots."""
    return path if layer.main or len(layers) == 1 else f"{path}.{layer.label}"


class Body:
    """Statements for some items. After `statements`, `names` has the variable of every value.
    `entry` is the value that a block's function takes."""

    def __init__(
        self,
        uses: Uses,
        name_of: NameOf,
        paths: Paths,
        reserved: frozenset[str],
        entry: int = -1,
    ) -> None:
        self.uses = uses
        self.name_of = name_of
        self.paths = paths
        self.reserved = reserved
        self.entry = entry
        self.captured = ""
        self.kept: frozenset[int] = frozenset()
        self.names: dict[int, str] = {}
        self.shortcuts: dict[int, int] = {}

    def statements(
        self, items: Sequence[Item], arguments: dict[int, str], results: Sequence[int]
    ) -> list[Statement]:
        """Assignments for all items; `arguments` are the variables of what comes in."""
        self.kept = frozenset(index for index, name in arguments.items() if name not in CHAIN)
        ordered = self.ordered(items)
        operations = list(self.operations(ordered))
        preferred = self.values_of_branches(ordered)
        self.names = name_variables(operations, arguments, results, self.reserved, preferred)
        if len(arguments) > 1 or not self.asks_late(ordered):
            return list(self.write(ordered))
        # The variable of what comes in has another value by the time that its width is needed.
        is_map = self.uses.graph.nodes[self.entry].output.is_map
        self.captured = "in_channels" if is_map else "in_features"
        (source,) = arguments.values()
        width = Index(Ref(f"{source}.shape"), (Lit(-1),))
        return [Assign(Ref(self.captured), width), *self.write(ordered)]

    def asks_late(self, items: Sequence[Item]) -> bool:
        """Whether a step that takes another value than the function asks for the width of that."""
        for item in items:
            if isinstance(item, LoweredScope) and item.call is None:
                if self.asks_late(item.items):
                    return True
            elif (
                self.entry not in self.uses.inputs(item)
                and symbols_in(list(trees_in([item]))) & WIDTHS
            ):
                return True
        return False

    def values_of_branches(self, items: Sequence[Item]) -> dict[int, str]:
        """What the values of shortcuts and gates are called."""
        values = gates(items, self.uses)
        for detour in detours(items, self.uses):
            inside = (index for one in detour.shortcut for index in nodes_of(one))
            values |= dict.fromkeys(inside, "shortcut")
        for item in items:
            if isinstance(item, LoweredScope):
                values |= self.values_of_branches(item.items)
        return values

    def ordered(self, items: Sequence[Item]) -> list[Item]:
        """The items that do something, shortcuts before the branches that they go around."""
        kept = [item for item in items if not is_empty(item)]
        return shortcut_first(kept, self.uses)

    def operations(self, items: Sequence[Item], *, optional: bool = False) -> Iterator[Operation]:
        aliases = {} if optional else self.aliases(items)
        for item in items:
            for item_alias, source in aliases.get(id(item), ()):
                self.shortcuts[item_alias] = source
                yield Operation((source,), (item_alias,), ("shortcut",), names_result=True)
            if isinstance(item, LoweredScope) and item.call is None:
                yield from self.operations(self.ordered(item.items))
                continue
            inputs, outputs = self.uses.inputs(item), self.uses.outputs(item)
            if isinstance(item, LoweredOptional):
                *before, last = self.operations(item.items, optional=True)
                yield from before
                inputs = tuple(dict.fromkeys([*last.inputs, item.source]))
                yield last._replace(inputs=inputs, in_place_of=item.source)
                continue
            if isinstance(item, LoweredOp) and -1 - item.node.index in self.shortcuts:
                alias = -1 - item.node.index
                source = self.shortcuts[alias]
                inputs = tuple(alias if index == source else index for index in inputs)
            names: tuple[str | None, ...] = (_name(item),)
            if isinstance(item, LoweredScope):
                names = self.uses.result_names(item.region)
            yield Operation(inputs, outputs, names, is_merge(item))

    def aliases(self, items: Sequence[Item]) -> dict[int, list[tuple[int, int]]]:
        """The sums whose shortcut is what comes in itself, by the first item of the main branch:
        a value of its own for the shortcut, and what it stands for."""
        aliases: dict[int, list[tuple[int, int]]] = {}
        for detour in detours(items, self.uses):
            if not detour.shortcut and detour.source not in self.kept:
                pair = (-1 - detour.end.node.index, detour.source)
                aliases.setdefault(id(detour.main[0]), []).append(pair)
        return aliases

    def write(self, items: Sequence[Item]) -> Iterator[Statement]:
        aliases = self.aliases(items)
        waiting: list[LoweredScope] = []
        for item in items:
            if id(item) in aliases:
                yield from self.instances(waiting)
                waiting = []
            for alias, source in aliases.get(id(item), ()):
                yield Assign(Ref(self.names[alias]), Ref(self.names[source]))
            if (
                isinstance(item, LoweredScope)
                and item.call is not None
                and item.condition is None
                and len(self.uses.outputs(item)) == 1
            ):
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
        if isinstance(item, LoweredOptional):
            yield from self.under(item.condition, item.source, item.output, item.items)
        elif item.condition is not None:
            (source,), (output, *_) = self.uses.inputs(item), self.uses.outputs(item)
            yield from self.under(item.condition, source, output, [item])
        elif isinstance(item, LoweredOp) or item.call is not None:
            yield from self.plain(item)
        else:
            yield Comment(self.paths[item.region.path])
            yield from self.plain(item)

    def under(
        self, condition: Expr, source: int, output: int, items: Sequence[Item]
    ) -> Iterator[Statement]:
        """Items under a condition; without them, `source` goes on."""
        if self.names[source] != self.names[output]:
            yield Assign(Ref(self.names[output]), Ref(self.names[source]))
        body = tuple(statement for item in items for statement in self.plain(item))
        yield If(self.asked(condition), body)

    def plain(self, item: Item) -> Iterator[Statement]:
        """An item, its condition aside."""
        if isinstance(item, LoweredOp):
            yield from self.op(item)
        elif isinstance(item, LoweredOptional):
            yield from self.item(item)
        elif item.call is not None:
            yield self.instance(item)
        else:
            yield from self.write(self.ordered(item.items))

    def op(self, op: LoweredOp) -> Iterator[Statement]:
        rest = list(self.layers(op))
        for alternative in reversed(op.alternatives):
            condition = self.asked(alternative.condition)
            rest = [If(condition, tuple(self.layers(alternative.op)), tuple(rest))]
        yield from rest

    def layers(self, op: LoweredOp) -> Iterator[Statement]:
        """The layers of an op, one after the other."""
        node = op.node
        target = Ref(self.names[node.index])
        alias = -1 - node.index
        inputs = [
            alias if alias in self.shortcuts and index == self.shortcuts[alias] else index
            for index in node.inputs
        ]
        values: list[Expr] = [Ref(self.names[index]) for index in inputs]
        path = self.paths[node.index]
        comment = shape_comment(op.axes) if self.changes_shape(op) else None
        columns = list(zip(op.layers, op.conditions, strict=True))
        for position, (layer, condition) in enumerate(columns):
            expr = self.applied(layer, values, layer_name(path, layer, op.layers))
            shown = comment if position == len(columns) - 1 else None
            statement = Assign(target, expr, shown)
            if condition is None:
                yield statement
            else:
                if values[0] != target:
                    yield Assign(target, values[0])
                yield If(self.asked(condition), (statement,))
            values = [target]

    def changes_shape(self, op: LoweredOp) -> bool:
        """Whether an op gives a map of another size, which its call does not say."""
        nodes = self.uses.graph.nodes
        sizes = {nodes[index].output.spatial for index in op.node.inputs}
        return op.axes is not None and op.axes.is_map and sizes != {op.axes.spatial}

    def applied(self, layer: LoweredLayer, values: Sequence[Expr], path: str) -> Expr:
        """A layer on its inputs: it takes several as a list, if it does not say otherwise. What can
        be an expression is one."""
        if layer.expression is not None:
            known = {placeholder(index).name: value for index, value in enumerate(values)}
            return fill(self.asked(layer.expression), known)
        assert layer.layer is not None
        argument = values[0] if len(values) == 1 else ListOf(tuple(values))
        constructor = self.asked(layer.layer)
        assert isinstance(constructor, Call)
        named = with_name(constructor, self.name_of(path))
        if layer.application is not None:
            known = {placeholder(index).name: value for index, value in enumerate(values)}
            return fill(layer.application, known | {APPLIED.name: named})
        return Call(named, (argument,))

    def asked(self, expr: Expr) -> Expr:
        """An expression that asks a tensor for its width instead of a parameter."""

        def width(node: Expr) -> Expr:
            if isinstance(node, Ref) and node.name in WIDTHS:
                if self.captured:
                    return Ref(self.captured)
                return Index(Ref(f"{self.names[self.entry]}.shape"), (Lit(-1),))
            return folded(node) if isinstance(node, Binary) else node

        return transform(expr, width)

    # Blocks

    def instances(self, scopes: Sequence[LoweredScope]) -> Iterator[Statement]:
        """Instances of a block in a row: three or more alike as a loop, and many that differ and
        are longer than a line as a loop over a table of what differs."""
        runs = [list(run) for _, run in groupby(scopes, lambda scope: scope.call)]
        long = [scope for scope in scopes if self.is_long(scope)]
        table = self.table(scopes) if min(len(runs), len(long)) >= FEWEST_TABLED else None
        if table is not None:
            yield from self.loop(scopes, table)
            return
        for run in runs:
            if len(run) < FEWEST_REPEATED:
                for scope in run:
                    yield self.instance(scope)
            else:
                yield from self.loop(run, None)

    def is_long(self, scope: LoweredScope) -> bool:
        """Whether an instance does not fit on one line of a function."""
        statement = self.instance(scope)
        assert isinstance(statement, Assign)
        assert isinstance(statement.target, Ref)
        width = width_on_one_line(statement.value)
        return width is None or INDENT + len(f"{statement.target.name} = ") + width > WIDTH

    def table(self, scopes: Sequence[LoweredScope]) -> Table | None:
        """What differs between calls in a row; None where it cannot be named in a loop."""
        calls = [scope.call for scope in scopes if scope.call is not None]
        table = table_of(calls)
        taken = {*self.reserved, *self.names.values(), "number"}
        if table is None or not taken.isdisjoint(table.names):
            return None
        return table

    def loop(self, scopes: Sequence[LoweredScope], table: Table | None) -> Iterator[Statement]:
        """A loop over instances: over their numbers, and over a table where they differ."""
        first, last = self.number(scopes[0]), self.number(scopes[-1])
        assert first is not None
        assert last is not None
        (source,), output = self.uses.inputs(scopes[0]), scopes[0].region.output
        name = self.numbered(self.paths[scopes[0].region.path][: -len(str(first))])
        target = Ref(self.names[output])
        if target.name != self.names[source]:
            yield Assign(target, Ref(self.names[source]))
        called = scopes[0].call if table is None else table.call
        assert called is not None
        body = Assign(
            target,
            self.called(called, target, name),
            self.comment(scopes) if table is None else None,
        )
        if table is None:
            yield For(Ref("number"), call("range", first, last + 1), (body,))
            return
        rows = ListOf(
            tuple(
                Commented(row, self.comment([scope]))
                for row, scope in zip(table.rows, scopes, strict=True)
            )
        )
        numbered = Call(Ref("enumerate"), (rows,), (Keyword("start", Lit(first), Lit(0)),))
        names = tuple(map(Ref, table.names))
        columns = names[0] if len(names) == 1 else TupleOf(names)
        yield For(TupleOf((Ref("number"), columns)), numbered, (body,))

    def comment(self, scopes: Sequence[LoweredScope]) -> str | None:
        """The shape that blocks in a row give, where they change it."""
        axes = {scope.axes for scope in scopes}
        source = self.uses.graph.nodes[scopes[0].region.input].output
        last = scopes[-1].axes
        if last is None or not last.is_map or last == source:
            return None
        return shape_comment(last) if len(axes) == 1 else f"{shape_comment(last)} in the end"

    def goes_on(self, before: LoweredScope, after: LoweredScope) -> bool:
        """Whether an instance is of the same block as the one before it, has the next number, and
        alone takes what that gives."""
        result = before.region.output
        number, following = self.number(before), self.number(after)
        if number is None or following != number + 1:
            return False
        stems = {
            self.paths[before.region.path][: -len(str(number))],
            self.paths[after.region.path][: -len(str(following))],
        }
        assert before.call is not None
        assert after.call is not None
        return (
            before.call.function == after.call.function
            and len(stems) == 1
            and after.region.input == result
            and self.names[result] == self.names[after.region.output]
            and nodes_of(after).issuperset(self.uses.users[result])
        )

    def number(self, scope: LoweredScope) -> int | None:
        """The number that an instance's name ends in, where it is one that a loop gives."""
        path = self.paths[scope.region.path]
        digits = path[len(path.rstrip("0123456789")) :]
        return int(digits) if digits and str(int(digits)) == digits else None

    def numbered(self, stem: str) -> Expr:
        whole = self.name_of(stem)
        if isinstance(whole, Lit):
            return FString((str(whole.value), Ref("number")))
        assert isinstance(whole, FString)
        return FString((*whole.parts, Ref("number")))

    def instance(self, scope: LoweredScope) -> Statement:
        (source,) = self.uses.inputs(scope)
        name = self.name_of(self.paths[scope.region.path])
        assert scope.call is not None
        value = self.called(scope.call, Ref(self.names[source]), name)
        outputs = self.uses.outputs(scope)
        if len(outputs) == 1:
            return Assign(Ref(self.names[scope.region.output]), value, self.comment([scope]))
        inside = nodes_of(scope)
        used = (
            "_" if inside.issuperset(self.uses.users[index]) else self.names[index]
            for index in outputs
        )
        return Assign(TupleOf(tuple(map(Ref, used))), value)

    def called(self, block: Call, value: Ref, name: Expr) -> Expr:
        """A block's function on a value."""
        constructor = self.asked(block)
        assert isinstance(constructor, Call)
        return Call(
            constructor.function,
            (value, *constructor.arguments),
            (*constructor.keywords, Keyword("name", name)),
        )


def _name(item: Item) -> str | None:
    if isinstance(item, LoweredOp):
        return item.node.name if item.node.named else None
    if isinstance(item, LoweredScope):
        return item.region.name if item.region.named else None
    return None
