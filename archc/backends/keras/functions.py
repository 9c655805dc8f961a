"""Bodies of Keras functions: a layer a line, applied to a variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.backends.base import APPLIED, OWNER, LoweredLayer, fill, placeholder
from archc.backends.blocks.dataflow import nodes_of
from archc.backends.blocks.items import (
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
)
from archc.backends.blocks.names import step_names, steps_in
from archc.backends.blocks.series import run
from archc.backends.blocks.symbols import folded
from archc.backends.blocks.variables import CHAIN, name_variables, with_named_results
from archc.backends.keras.layout import shape_comment
from archc.backends.keras.sharing import SharedLayers, owners_in, varied_inputs
from archc.backends.keras.tables import Table, table_of
from archc.backends.keras.values import Values
from archc.backends.loops import once
from archc.backends.module import begins_sequence
from archc.codegen.docs import width_on_one_line
from archc.codegen.layout import INDENT, WIDTH
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Assign,
    Attribute,
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
    Slice,
    Statement,
    TupleOf,
    call,
)
from archc.ir.sharing import reuses_layer
from archc.language.expressions import INPUT
from archc.language.names import attribute_name

TENSOR = "keras.KerasTensor"
TRAINED = Ref("_trained")
"""What is called, in `LoweredLayer.initialize`, with whether a layer is trained."""
NOT_FROZEN = Call(TRAINED, (Lit(True, "trainable"),))
FEWEST_TABLED = 6
"""Different calls of a block in a row, longer than a line, from which on they are a table."""
NUMBER = Ref("number")
"""The variable of a loop over instances: the number in their names."""


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


def _one_or_list(values: Sequence[Expr]) -> Expr:
    """A single value, or the list of several."""
    return values[0] if len(values) == 1 else ListOf(tuple(values))


class Body(Values):
    """Statements for some items. After `statements`, `names` has the variable of every value."""

    def statements(
        self,
        items: Sequence[Item],
        arguments: dict[int, str],
        results: Sequence[int],
        later: Sequence[Item] = (),
        named: Sequence[int] = (),
    ) -> list[Statement]:
        """Assignments for all items; `arguments` are the variables of what comes in, `named` the
        results of a network. After them, `write` gives those of the items `later`."""
        self.kept = frozenset(index for index, name in arguments.items() if name not in CHAIN)
        ordered = self.ordered(items)
        operations = with_named_results(
            [*self.operations(ordered), *self.operations(self.ordered(later))], named
        )
        preferred = self.values_of_branches([*ordered, *later])
        self.names = name_variables(operations, arguments, results, self.reserved, preferred)
        self.owners = owners_in([*items, *later])
        self.shared = SharedLayers({*self.names.values(), *self.reserved})
        for symbol, value in self.widths.items():
            if arguments[value] in CHAIN and self.asks_late(ordered, symbol, value):
                # Its variable has another value by the time that its width is needed.
                self.captured = symbol
                width = Index(Ref(f"{arguments[value]}.shape"), (Lit(-1),))
                return [Assign(Ref(symbol), width), *once([*self.write(ordered)])]
        return once([*self.write(ordered)])

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
                and not self.is_shared(item)
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
            body = [
                statement
                for one in item.items
                for statement in (self.plain(one) if one.condition is None else self.item(one))
            ]
            yield from self.under(item.condition, item.source, item.output, item.items, body)
        elif item.condition is not None:
            (source,), (output, *_) = self.uses.inputs(item), self.uses.outputs(item)
            yield from self.under(item.condition, source, output, [item], [*self.plain(item)])
        elif isinstance(item, LoweredOp) or item.call is not None:
            yield from self.plain(item)
        else:
            if item.region.named:
                yield Comment(self.paths[item.region.path])
            yield from self.plain(item)

    def under(
        self,
        condition: Expr,
        source: int,
        output: int,
        items: Sequence[Item],
        statements: Sequence[Statement],
    ) -> Iterator[Statement]:
        """The statements of items under a condition; without them, `source` goes on."""
        body = tuple(statements)
        target, value = Ref(self.names[output]), Ref(self.names[source])
        before = () if target == value else (Assign(target, value),)
        made = {index for item in items for index in self.uses.outputs(item)}
        used = {index for item in items for index in self.uses.inputs(item)}
        if self.names[output] in {self.names[index] for index in used - made}:
            yield If(self.asked(condition), body, before)
        else:
            yield from before
            yield If(self.asked(condition), body)

    def plain(self, item: Item) -> Iterator[Statement]:
        """An item, its condition aside."""
        if isinstance(item, LoweredOp):
            yield from self.op(item)
        elif isinstance(item, LoweredOptional):
            yield from self.item(item)
        elif item.call is not None:
            yield from self.model(item)
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
            name = layer_name(path, layer, op.layers)
            statements: list[Statement] = []
            frozen = layer.initialize is not None and layer.initialize != NOT_FROZEN
            if self.is_variable(op, layer):
                constructor = with_name(self.constructed(layer), self.name_of(name))
                statements.append(Assign(self.shared.add(node.index, name), constructor))
            expr = self.applied(layer, values, self.called_layer(op, layer, name))
            shown = comment if position == len(columns) - 1 else None
            statements.append(Assign(target, expr, shown))
            if self.is_variable(op, layer) and frozen and layer.initialize is not None:
                attribute = Attribute(self.called_layer(op, layer, name), "trainable")
                (value,) = layer.initialize.arguments
                statements.append(Assign(attribute, self.asked(value)))
            if condition is None:
                yield from statements
            else:
                if values[0] != target:
                    yield Assign(target, values[0])
                yield If(self.asked(condition), tuple(statements))
            values = [target]

    def is_variable(self, op: LoweredOp, layer: LoweredLayer) -> bool:
        """Whether a layer is kept in a variable: it is called again, or something is said of it."""
        if not layer.weighted or reuses_layer(self.uses.graph, op.node):
            return False
        said = layer.initialize is not None and layer.initialize != NOT_FROZEN
        return said or op.node.index in self.owners

    def changes_shape(self, op: LoweredOp) -> bool:
        """Whether an op gives a map of another size, which its call does not say, or a sequence of
        what was none."""
        sources = [self.uses.graph.nodes[index].output for index in op.node.inputs]
        if op.axes is None or not op.axes.is_map:
            return begins_sequence(op.axes, sources)
        return {source.spatial for source in sources} != {op.axes.spatial}

    def called_layer(self, op: LoweredOp, layer: LoweredLayer, name: str) -> Expr:
        """What is called: the layer as it is constructed, or a variable that has it."""
        node = op.node
        if layer.layer == OWNER or (layer.weighted and reuses_layer(self.uses.graph, node)):
            weighted = [one for one in op.layers if one.layer == OWNER or one.weighted]
            return self.shared.of(node.weights)[weighted.index(layer)]
        if self.is_variable(op, layer):
            kept = [one for one in op.layers if self.is_variable(op, one)]
            return self.shared.of(node.index)[kept.index(layer)]
        if layer.layer is None:
            return Ref(attribute_name(name))
        return with_name(self.constructed(layer), self.name_of(name))

    def constructed(self, layer: LoweredLayer) -> Call:
        """The constructor of a layer."""
        assert layer.layer is not None
        constructor = self.asked(layer.layer)
        assert isinstance(constructor, Call)
        return constructor

    def applied(self, layer: LoweredLayer, values: Sequence[Expr], called: Expr) -> Expr:
        """A layer on its inputs: it takes several as a list, if it does not say otherwise. What can
        be an expression is one."""
        if layer.expression is not None:
            known = {placeholder(index).name: value for index, value in enumerate(values)}
            return fill(self.asked(layer.expression), known)
        argument = _one_or_list(values)
        if layer.application is not None:
            known = {placeholder(index).name: value for index, value in enumerate(values)}
            return fill(layer.application, known | {APPLIED.name: called})
        return Call(called, (argument,))

    def asked(self, expr: Expr) -> Expr:
        """An expression that asks a tensor for its width instead of a parameter."""

        def width(node: Expr) -> Expr:
            if isinstance(node, Ref) and node.name in self.widths:
                if node.name == self.captured:
                    return node
                return Index(Ref(f"{self.names[self.widths[node.name]]}.shape"), (Lit(-1),))
            return folded(node) if isinstance(node, Binary) else node

        return transform(expr, width)

    # Blocks

    def instances(self, scopes: Sequence[LoweredScope]) -> Iterator[Statement]:
        """Instances of a block in a row: three or more whose arguments run along as a loop, and
        many that differ and are longer than a line as a loop over a table of what differs."""
        runs = list(self.runs(scopes))
        long = [scope for scope in scopes if self.is_long(scope)]
        table = self.table(scopes) if min(len(runs), len(long)) >= FEWEST_TABLED else None
        if table is not None:
            yield from self.loop(scopes, table.call, table)
            return
        for together, called in runs:
            if called is None:
                for scope in together:
                    yield self.instance(scope)
            else:
                yield from self.loop(together, called, None)

    def runs(
        self, scopes: Sequence[LoweredScope]
    ) -> Iterator[tuple[Sequence[LoweredScope], Call | None]]:
        """Instances of a block in a row, in stretches: three or more whose arguments run along,
        with the call that stands for them; or equal ones."""
        calls = [scope.call for scope in scopes if scope.call is not None]
        position = 0
        while position < len(scopes):
            number = self.number(scopes[position])
            found = run(calls, position, NUMBER, number or 0)
            count, called = found or (1, None)
            while (
                called is None
                and calls[position : position + 1]
                == (calls[position + count : position + count + 1])
            ):
                count += 1
            assert called is None or isinstance(called, Call)
            yield scopes[position : position + count], called
            position += count

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

    def loop(
        self, scopes: Sequence[LoweredScope], block: Call, table: Table | None
    ) -> Iterator[Statement]:
        """A loop over instances: over their numbers, and over a table where they differ without a
        rule."""
        first, last = self.number(scopes[0]), self.number(scopes[-1])
        assert first is not None
        assert last is not None
        source, output = scopes[0].region.input, scopes[0].region.output
        others = self.others(scopes[0])
        name = self.numbered(self.paths[scopes[0].region.path][: -len(str(first))])
        target = Ref(self.names[output])
        if target.name != self.names[source]:
            yield Assign(target, Ref(self.names[source]))
        body = Assign(
            target,
            self.called(block, [target, *others], name),
            self.comment(scopes) if table is None else None,
        )
        if table is None:
            bounds = (first, last + 1) if first else (last + 1,)
            yield For(NUMBER, call("range", *bounds), (body,))
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
        yield For(TupleOf((NUMBER, columns)), numbered, (body,))

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
            and [*after.region.inputs.values()] == [*before.region.inputs.values()]
            and result not in after.region.inputs.values()
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
            return FString((str(whole.value), NUMBER))
        assert isinstance(whole, FString)
        return FString((*whole.parts, NUMBER))

    def instance(self, scope: LoweredScope) -> Statement:
        name = self.name_of(self.paths[scope.region.path])
        values = [Ref(self.names[scope.region.input]), *self.others(scope)]
        assert scope.call is not None
        if self.is_shared(scope):
            (model,) = self.shared.of(scope.region.weights or scope.region.path)
            value: Expr = Call(model, (_one_or_list(values),))
        else:
            value = self.called(scope.call, values, name)
        outputs = self.uses.outputs(scope)
        if len(outputs) == 1:
            return Assign(Ref(self.names[scope.region.output]), value, self.comment([scope]))
        inside = nodes_of(scope)
        used = (
            "_" if inside.issuperset(self.uses.users[index]) else self.names[index]
            for index in outputs
        )
        return Assign(TupleOf(tuple(map(Ref, used))), value)

    def others(self, scope: LoweredScope) -> list[Ref]:
        """The variables of what a block's instance takes besides its input."""
        return [Ref(self.names[index]) for index in scope.region.inputs.values()]

    def is_shared(self, scope: LoweredScope) -> bool:
        """Whether an instance of a block is called more than once."""
        return bool(scope.region.weights) or scope.region.path in self.owners

    def model(self, scope: LoweredScope) -> Iterator[Statement]:
        """The statements before a block's first instance that make it a model to call again."""
        if scope.region.path not in self.owners:
            return
        assert scope.call is not None
        path = self.paths[scope.region.path]
        variable = self.shared.add(scope.region.path, path)
        inputs: list[Ref] = []
        for name, index in zip((INPUT, *scope.region.inputs), scope.region.entering, strict=True):
            inputs.append(Ref(self.shared.free(f"{variable.name}_{name}")))
            dtype = Keyword("dtype", Lit(self.uses.graph.nodes[index].output.dtype), Lit("float32"))
            shape = self.input_shape(scope, index)
            yield Assign(inputs[-1], Call(Ref("keras.Input"), (shape,), (dtype,)))
        function = self.called(scope.call, inputs, self.name_of(path))
        model = call("keras.Model", _one_or_list(inputs), function, name=self.name_of(path))
        yield Assign(variable, model)

    def input_shape(self, scope: LoweredScope, index: int) -> Expr:
        """The shape of a value that a block takes which is called more than once, without the
        batch."""
        shape = Attribute(Ref(self.names[index]), "shape")
        axes = self.uses.graph.nodes[index].output
        varied = varied_inputs(self.uses.graph)
        step = scope.region.origin.step
        if step not in varied or (len(axes.sizes) == 1 and not varied[step]):
            return Index(shape, (Slice(Lit(1), None),))
        width = Lit(None) if varied[step] else Index(shape, (Lit(-1),))
        return TupleOf((*(Lit(None),) * (len(axes.sizes) - 1), width))

    def called(self, block: Call, values: Sequence[Ref], name: Expr) -> Expr:
        """A block's function on the values that it takes."""
        constructor = self.asked(block)
        assert isinstance(constructor, Call)
        return Call(
            constructor.function,
            (*values, *constructor.arguments),
            (*constructor.keywords, Keyword("name", name)),
        )
