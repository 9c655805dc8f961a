"""Definitions of a network as PyTorch classes: what is an `nn.Sequential`, and what has a `forward`
of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from archc.backends.blocks.dataflow import Uses, is_empty
from archc.backends.blocks.docstrings import section_docstring
from archc.backends.blocks.items import (
    Argument,
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    trees_in,
)
from archc.backends.blocks.names import part_of, step_names, steps_in
from archc.backends.blocks.symbols import symbols_in
from archc.backends.blocks.turns import turns_of
from archc.backends.torch.body import Body
from archc.backends.torch.construction import (
    SUPER_INIT,
    constructed,
    layer_names,
    parameter,
    under,
)
from archc.backends.torch.forward import Ends
from archc.backends.torch.init_statements import Initial, under_condition
from archc.backends.torch.layers import shape_comment
from archc.backends.torch.members import by_name
from archc.backends.torch.module_paths import (
    ModuleKeys,
    OptionalBefore,
    in_sequence,
    optional_before,
)
from archc.backends.torch.repeats import Entry, repeated
from archc.backends.torch.sharing import Key, Owners, at, set_to
from archc.backends.torch.turns import collapsed
from archc.codegen.tree import (
    Attribute,
    Call,
    ClassDef,
    Conditional,
    Expr,
    ExpressionStatement,
    FunctionDef,
    Keyword,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Starred,
    Statement,
    call,
)
from archc.ir.graph import Graph
from archc.language.names import attribute_name, new_class

MOST_LEFT_OUT = 8
"""Layers that a sequence may be without: its keys are counted by them."""


class Classes:
    """The classes of one emitted module, in the order in which they are written, and the keys of
    the modules in them."""

    def __init__(self, taken: Iterable[str], initial: Initial, graph: Graph) -> None:
        self.taken = set(taken)
        self.shares = any(node.weights >= 0 or node.frozen for node in graph.nodes)
        self.initial = initial
        self.written: list[ClassDef] = []
        self.keys: ModuleKeys = {}
        self.before: OptionalBefore = {}
        self.called: dict[Key, Key] = {}  # the steps that call their owner's module
        # In each class, the paths of the modules that are replaced by another, and of that.
        self.replaced: dict[str, list[tuple[str, str]]] = {}

    def write(
        self,
        name: str,
        docstring: str | None,
        arguments: Sequence[Argument],
        items: Sequence[Item],
        ends: Ends,
        uses: Uses,
        more: Sequence[Statement] = (),
        *,
        whole: bool = True,
    ) -> None:
        """Write the class of some items. `more` are statements at the end of its constructor; where
        the items are a `whole` definition, those follow that make its steps share layers."""
        items = [item for item in items if not is_empty(item)]
        scope = Scope(self, uses, step_names(items), arguments)
        conditional: Mapping[str, Expr] = {}
        if len(ends.inputs) == 1 and scope.is_whole_sequence(items, ends):
            definition = scope.sequential_class(name, docstring, items)
        else:
            body = Body(scope, items, ends)
            definition, conditional = body.definition(name, docstring), body.conditional
        owners = Owners(uses.graph, items)
        for path in owners.frozen(self.keys, scope.is_sequential):
            freeze = ExpressionStatement(call(Attribute(at(path), "requires_grad_"), False))
            more = [*more, *under_condition(conditional.get(path.partition(".")[0]), (freeze,))]
        if whole:
            self.replaced[name] = [*owners.replaced(self.keys, self.called)]
            shared = [*self.replaced[name], *owners.tied(self.keys)]
            more = [*more, *(set_to(own, at(owner)) for own, owner in shared)]
        init, *methods = definition.body
        assert isinstance(init, FunctionDef)
        init = replace(init, body=(*init.body, *more))
        self.written.append(replace(definition, body=(init, *methods)))


class Scope:
    """What the code of one class may ask: the users of its values, the names of its steps, and its
    arguments."""

    def __init__(
        self,
        classes: Classes,
        uses: Uses,
        names: Mapping[int | str, str],
        arguments: Sequence[Argument],
    ) -> None:
        self.classes = classes
        self.uses = uses
        self.names = names
        self.arguments = arguments
        self.initial = classes.initial
        self.keys = classes.keys
        self.called = classes.called

    def name(self, item: LoweredOp | LoweredScope) -> str:
        """The own name of a step."""
        part = item.node.index if isinstance(item, LoweredOp) else item.region.path
        return self.names[part]

    def is_whole_sequence(self, items: Sequence[Item], ends: Ends) -> bool:
        """Whether the whole is one sequence of layers without names, or of some that can be no
        attributes."""
        named = [
            part_of(item).name
            for item in steps_in(items)
            if part_of(item).named
            and (isinstance(item, LoweredOp) or item.region.kind == "section")
        ]
        if len(items) < 2 or (named and all(name == attribute_name(name) for name in named)):
            return False
        if ends.in_training:
            return False
        outputs = self.uses.outputs(items[-1])
        chain = self.is_chain_of_layers(items, ends.inputs[0])
        return chain and tuple(outputs) == tuple(ends.results)

    def sequential_class(
        self,
        name: str,
        docstring: str | None,
        items: Sequence[Item],
    ) -> ClassDef:
        layers = self.sequential(items)
        initial = self.initial.of_sequence(Ref("self"), items, self.is_sequential)
        init = FunctionDef(
            "__init__",
            (Parameter("self"), *map(parameter, self.arguments)),
            returns=Lit(None),
            body=(
                ExpressionStatement(replace(layers, function=SUPER_INIT)),
                *initial,
            ),
        )
        return ClassDef(name, (Ref("nn.Sequential"),), docstring, (init,))

    def module(self, scope: LoweredScope) -> Expr:
        """The expression that constructs a section or a block's instance."""
        if scope.call is not None:
            return scope.call
        if self.is_sequential(scope):
            return self.sequential(scope.items)
        return self.section_class(scope)

    def is_sequential(self, scope: LoweredScope) -> bool:
        """Whether a section can be written as an `nn.Sequential`."""
        items = [item for item in scope.items if not is_empty(item)]
        entering, leaving = self.uses.externals(scope.region), self.uses.results(scope.region)
        if len(entering) != 1 or len(leaving) != 1:
            return False
        return self.is_chain_of_layers(items, entering[0])

    def is_chain_of_layers(self, items: Sequence[Item], source: int) -> bool:
        """Whether some items can stand in one `nn.Sequential`."""
        owners = Owners(self.uses.graph, items)
        if any(turns_of(item) is not None for item in items) and self.asks_positions(items):
            return False
        for item in items:
            if isinstance(item, LoweredOptional) or owners.owner(item) is not None:
                return False
            if isinstance(item, LoweredOp) and any(one.layer is None for one in item.layers):
                return False
        return self.uses.is_chain(items, source)

    def section_class(self, scope: LoweredScope) -> Call:
        """Write a section that is no plain sequence as a class of its own; gives its call."""
        used = symbols_in(list(trees_in(scope.items)))
        own = [argument for argument in self.arguments if argument.name in used]
        flags = tuple(Keyword(one.name, Ref(one.name)) for one in own if one.type == "bool")
        others = tuple(Ref(one.name) for one in own if one.type != "bool")
        name = new_class(scope.region.name, self.classes.taken)
        region = scope.region
        names = self.uses.external_names(region)
        ends = Ends(self.uses.externals(region), self.uses.results(region), (), names)
        plain = [replace(argument, default=None) for argument in own]
        text = section_docstring(scope.items, scope.region.name)
        self.classes.write(name, text, plain, scope.items, ends, self.uses, whole=False)
        return Call(Ref(name), others, flags)

    def sequential(self, items: Sequence[Item]) -> Call:
        """An `nn.Sequential` of some items."""
        items = [item for item in items if not is_empty(item)]
        entries = list(self.entries(items))
        named = any(entry.named for entry in entries)
        keys = (entry.name if named else str(number) for number, entry in enumerate(entries))
        self.keys |= in_sequence(items, keys)
        entries = list(collapsed(entries, named=named))
        if named:
            members = [
                entry._replace(layer=under(entry.layer, entry.condition)) for entry in entries
            ]
            return call("nn.Sequential", by_name(members))
        leaves_out = self.leaves_out(items)
        self.classes.before |= optional_before(items, leaves_out=leaves_out)
        if leaves_out:
            entries = [entry._replace(layer=left_out(entry), condition=None) for entry in entries]
        entries = [
            entry._replace(layer=under(entry.layer, entry.condition), condition=None)
            for entry in entries
        ]
        return Call(Ref("nn.Sequential"), tuple(repeated(entries)))

    def leaves_out(self, items: Sequence[Item]) -> bool:
        """Whether a sequence is without its layers under a condition where that does not hold,
        rather than with an identity: nothing else may refer to its layers by their positions."""
        conditions = sum(item.condition is not None for item in steps_in(items))
        return 0 < conditions <= MOST_LEFT_OUT and not self.asks_positions(items)

    def asks_positions(self, items: Sequence[Item]) -> bool:
        """Whether a statement may refer to layers of a sequence by their positions."""
        initial = self.initial.of_sequence(Ref("self"), items, self.is_sequential)
        return self.classes.shares or any(initial)

    def entries(self, items: Sequence[Item]) -> Iterator[Entry]:
        repeats = _repeats(items)
        taken = {self.name(one) for one in steps_in(items)}
        for item in steps_in(items):
            part = part_of(item)
            comment = shape_comment(item.axes) if self.changes_shape(item) else None
            if isinstance(item, LoweredScope):
                comment = comment if item.call is not None else None
                own = item.region.kind == "section" or part.origin.computed or not repeats
                named = part.named and own
                yield Entry(
                    self.module(item), self.name(item), named, comment, item.condition, item.turns
                )
            elif item.condition is not None:
                layers = [layer for _, layer in constructed(item)]
                layer = layers[0] if len(layers) == 1 else Call(Ref("nn.Sequential"), tuple(layers))
                yield Entry(layer, self.name(item), part.named, comment, item.condition)
            else:
                names = layer_names(self.name(item), item, taken)
                for (lowered, layer), name in zip(constructed(item), names, strict=True):
                    shown = comment if lowered.main else None
                    yield Entry(layer, name, part.named, shown)

    def changes_shape(self, item: LoweredOp | LoweredScope) -> bool:
        """Whether a step gives a map of another size: what a reader cannot see from the call."""
        if item.axes is None or not item.axes.is_map:
            return False
        (source, *_) = self.uses.inputs(item)
        before = self.uses.graph.nodes[source].output
        if isinstance(item, LoweredScope):
            return before != item.axes
        return before.spatial != item.axes.spatial


def left_out(entry: Entry) -> Expr:
    """`*([layer] if condition else [])`; an entry without a condition is its layer."""
    if entry.condition is None:
        return entry.layer
    return Starred(Conditional(entry.condition, ListOf((entry.layer,)), ListOf()))


def _repeats(items: Sequence[Item]) -> bool:
    """Whether some items are instances of blocks by one repeated step."""
    parts = [part_of(item) for item in steps_in(items)]
    steps = {part.origin.step for part in parts}
    return len(parts) > 1 and len(steps) == 1 and bool(parts[0].origin.iteration)
