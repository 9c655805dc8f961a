"""Bodies of Keras functions: a layer a line, applied to a variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.backends.base import APPLIED, OWNER, LoweredLayer, fill, placeholder
from archc.backends.blocks.items import (
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
)
from archc.backends.blocks.names import step_names, steps_in
from archc.backends.blocks.repetition import repetition
from archc.backends.blocks.turns import repetitions
from archc.backends.blocks.variables import CHAIN, name_variables, with_named_results
from archc.backends.keras.instances import Instances, one_or_list
from archc.backends.keras.layout import shape_comment
from archc.backends.keras.sharing import SharedLayers, owners_in
from archc.backends.loops import once
from archc.backends.module import begins_sequence
from archc.codegen.tree import (
    Assign,
    Attribute,
    Call,
    Comment,
    Expr,
    If,
    Index,
    Keyword,
    Lit,
    Ref,
    Statement,
)
from archc.ir.sharing import reuses_layer
from archc.language.names import attribute_name

TENSOR = "keras.KerasTensor"
TRAINED = Ref("_trained")
"""What is called, in `LoweredLayer.initialize`, with whether a layer is trained."""
NOT_FROZEN = Call(TRAINED, (Lit(True, "trainable"),))


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


class Body(Instances):
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
        for turns, (item, *more) in repetitions(items):
            if id(item) in aliases:
                yield from self.instances(waiting)
                waiting = []
            for alias, source in aliases.get(id(item), ()):
                yield Assign(Ref(self.names[alias]), Ref(self.names[source]))
            if turns is not None:
                yield from self.instances(waiting)
                waiting = []
                yield from self.turns(repetition(turns, [item, *more], items, self.uses))
                continue
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
            body = [*self.inside(item.items)]
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

    def inside(self, items: Sequence[Item]) -> Iterator[Statement]:
        """The statements of items that are there together under a condition."""
        for turns, (item, *more) in repetitions(items):
            if turns is not None:
                yield from self.turns(repetition(turns, [item, *more], items, self.uses))
            else:
                yield from self.plain(item) if item.condition is None else self.item(item)

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
        if node.index in self.merges:
            merge = self.merges[node.index]
            inputs = [*merge.inputs(inputs)]
        values: list[Expr] = [Ref(self.names[index]) for index in inputs]
        if node.index in self.merges:
            values = merge.operands(values)
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
        argument = one_or_list(values)
        if layer.application is not None:
            known = {placeholder(index).name: value for index, value in enumerate(values)}
            return fill(layer.application, known | {APPLIED.name: called})
        return Call(called, (argument,))
