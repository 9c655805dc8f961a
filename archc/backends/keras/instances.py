"""Instances of blocks in a Keras function: calls of the functions of these, and loops over them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from archc.backends.blocks.dataflow import nodes_of
from archc.backends.blocks.items import (
    LoweredScope,
)
from archc.backends.blocks.repetition import Repetition, joined_operands
from archc.backends.blocks.series import run
from archc.backends.blocks.symbols import folded, plus
from archc.backends.keras.layout import shape_comment
from archc.backends.keras.sharing import SharedLayers, varied_inputs
from archc.backends.keras.tables import Table, table_of
from archc.backends.keras.values import Values
from archc.codegen.docs import width_on_one_line
from archc.codegen.layout import INDENT, WIDTH
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    Commented,
    Expr,
    For,
    FString,
    Index,
    Keyword,
    ListOf,
    Lit,
    Ref,
    Slice,
    Starred,
    Statement,
    TupleOf,
    call,
)
from archc.language.expressions import INPUT

FEWEST_TABLED = 6
"""Different calls of a block in a row, longer than a line, from which on they are a table."""
NUMBER = Ref("number")
"""The variable of a loop over instances: the number in their names."""


def one_or_list(values: Sequence[Expr]) -> Expr:
    """A single value, or the list of several."""
    if len(values) == 1 and not isinstance(values[0], Starred):
        return values[0]
    return joined_operands(values)


class Instances(Values):
    """Statements for instances of blocks."""

    owners: Container[int | str]
    shared: SharedLayers

    def asked(self, expr: Expr) -> Expr:
        """An expression that asks a tensor for its width instead of a parameter."""

        def width(node: Expr) -> Expr:
            if isinstance(node, Ref) and node.name in self.widths:
                if node.name == self.captured:
                    return node
                return Index(Ref(f"{self.names[self.widths[node.name]]}.shape"), (Lit(-1),))
            return folded(node) if isinstance(node, Binary) else node

        return transform(expr, width)

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

    def turns(self, whole: Repetition) -> list[Statement]:
        """A loop over as many turns of a block as an argument says."""
        first = whole.scopes[0]
        number = self.number(first)
        assert number is not None
        assert first.call is not None
        path = self.paths[first.region.path]
        name, block = self.numbered(path.removesuffix(str(number))), first.call
        count = self.asked(whole.turns.count)
        bounds = (Lit(number), plus(count, number)) if number else (count,)

        def applied(value: Expr, others: Sequence[Ref]) -> Expr:
            return self.called(block, [value, *others], name)

        return whole.statements(self.names, NUMBER, call("range", *bounds), applied)

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
            value: Expr = Call(model, (one_or_list(values),))
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
        model = call("keras.Model", one_or_list(inputs), function, name=self.name_of(path))
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

    def called(self, block: Call, values: Sequence[Expr], name: Expr) -> Expr:
        """A block's function on the values that it takes."""
        constructor = self.asked(block)
        assert isinstance(constructor, Call)
        return Call(
            constructor.function,
            (*values, *constructor.arguments),
            (*constructor.keywords, Keyword("name", name)),
        )
