"""The class of some steps that are no plain sequence: its attributes, and its `forward`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from archc.backends.base import fill, placeholder
from archc.backends.blocks.dataflow import Uses, result_name
from archc.backends.blocks.items import (
    Argument,
    Item,
    LoweredOp,
    LoweredOptional,
    LoweredScope,
    Turns,
)
from archc.backends.blocks.names import key_of, steps_in
from archc.backends.blocks.repetition import COUNTED, ListedMerge, repetition
from archc.backends.blocks.symbols import symbols_in
from archc.backends.blocks.turns import repetitions
from archc.backends.blocks.variables import Operation
from archc.backends.module import begins_sequence
from archc.backends.torch.construction import (
    IDENTITY,
    SUPER_INIT,
    constructed,
    layer_names,
    parameter,
    under,
)
from archc.backends.torch.forward import WIDTH, Ends, Forward, OptionalSteps, Step
from archc.backends.torch.init_statements import Initial
from archc.backends.torch.layers import shape_comment
from archc.backends.torch.module_paths import ModuleKeys, in_optional
from archc.backends.torch.sharing import Key, Owners, at
from archc.backends.torch.stacks import list_name, stacks_in
from archc.backends.torch.turns import Build, Loop, made, spread
from archc.codegen.docs import width_on_one_line
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Assign,
    Binary,
    Call,
    ClassDef,
    Conditional,
    Expr,
    ExpressionStatement,
    FunctionDef,
    If,
    Index,
    Lit,
    Parameter,
    Ref,
    Starred,
    Statement,
    call,
)
from archc.language.names import EMITTED, attribute_name, step_error, variable_name
from archc.ops.merge import Merge


class Scope(Protocol):
    """What the code of a class asks of the module that it stands in."""

    uses: Uses
    arguments: Sequence[Argument]
    initial: Initial
    keys: ModuleKeys
    called: dict[Key, Key]

    def name(self, item: LoweredOp | LoweredScope) -> str:
        """The own name of a step."""

    def module(self, scope: LoweredScope) -> Expr:
        """The expression that constructs a section or a block's instance."""

    def is_sequential(self, scope: LoweredScope) -> bool:
        """Whether a section is written as an `nn.Sequential`."""


class Body:
    """The class of some items that take and give the values of `ends`."""

    def __init__(self, scope: Scope, items: Sequence[Item], ends: Ends) -> None:
        self.scope = scope
        self.items = items
        self.ends = ends
        self.owners = Owners(scope.uses.graph, items)
        self.attributes: dict[str, Expr] = {}
        self.conditional: dict[str, Expr] = {}
        self.shared: dict[Expr, str] = {}
        self.keeping: dict[str, Ref] = {}
        self.initial: list[Statement] = []
        self.merges: dict[int, ListedMerge] = {}
        self.explicit = {attribute_name(item.name) for item in steps_in(items)}
        names = {key_of(item): self.name(item) for item in steps_in(items)}
        self.stacks = list(stacks_in(items, scope.uses, names, self.owners.regions))
        self.stacked = {
            one.region.path: (stack, number)
            for stack in self.stacks
            for number, one in enumerate(stack.scopes)
        }
        self.uses_of = Counter(
            not_in_place(layer)
            for item in steps_in(items)
            if isinstance(item, LoweredOp)
            for lowered, layer in constructed(item)
            if not lowered.weighted and lowered.expression is None
        )

    def definition(self, name: str, docstring: str | None) -> ClassDef:
        """The class."""
        steps = self.steps(self.items)
        forward = Forward(self.scope.uses, self.items, self.ends, self.scope.arguments)
        attributes: list[Statement] = []
        for condition, together in groupby(self.attributes, self.conditional.get):
            own = [
                statement
                for attribute in together
                for statement in _assigned(f"self.{attribute}", self.attributes[attribute])
            ]
            attributes += own if condition is None else [If(condition, tuple(own))]
        init = FunctionDef(
            "__init__",
            (Parameter("self"), *map(parameter, self.scope.arguments)),
            returns=Lit(None),
            body=(ExpressionStatement(Call(SUPER_INIT)), *attributes, *self.initial),
        )
        method = forward.method(steps, self.stacks)
        return ClassDef(name, (Ref("nn.Module"),), docstring, (init, method))

    # Attributes

    def name(self, item: LoweredOp | LoweredScope) -> str:
        """The own name of a step, as an identifier."""
        return attribute_name(self.scope.name(item))

    def steps(self, items: Sequence[Item]) -> list[Step]:
        """The steps of some items, those of a repetition as one."""
        return [
            self.step(together[0]) if turns is None else self.repetition(turns, together, items)
            for turns, together in repetitions(items)
        ]

    def repetition(self, turns: Turns, together: Sequence[Item], items: Sequence[Item]) -> Step:
        """The turns of a block that are as many as an argument says: a sequence of modules, or
        where they take more than one value or all of theirs are used, a loop over a list."""
        whole = repetition(turns, together, items, self.scope.uses)
        first, names = whole.scopes[0], [self.scope.name(one) for one in whole.scopes]
        attribute = self.list_attribute(names)
        own = Ref(f"self.{attribute}")
        for number, one in enumerate(whole.scopes):
            self.scope.keys[one.region.path] = (f"{attribute}.{number}",)
        assert first.call is not None
        modules = made(first.call, turns.count)
        if whole.gathered is None and not whole.others:
            self.attributes[attribute] = call("nn.Sequential", Starred(modules))
            operation = whole.operation._replace(in_place_of=None)
            return Step(operation, _apply(own.name), heavy=True, comment=None)
        self.attributes[attribute] = call("nn.ModuleList", modules)
        self.merges.update(whole.merges)
        loop = Loop(whole, own, Ref(variable_name(names[0].rstrip(COUNTED))))
        return Step(whole.operation, _apply(own.name), heavy=True, comment=None, inside=loop)

    def list_attribute(self, names: Sequence[str]) -> str:
        """What the list of some turns is called."""
        taken = {self.name(item) for item in steps_in(self.items)}
        base = list_name(names)
        if base in taken or (step_error(base) is not None and base not in EMITTED):
            base = f"{names[0].rstrip(COUNTED)}_blocks"
        name, count = base, 1
        while name in taken or name in self.attributes:
            count += 1
            name = f"{base}{count}"
        return name

    def step(self, item: Item) -> Step:
        uses = self.scope.uses
        inputs, outputs = uses.inputs(item), uses.outputs(item)
        comment = shape_comment(item.axes) if self.has_shape_comment(item) else None
        if isinstance(item, LoweredOptional):
            return self.optional(item)
        if isinstance(item, LoweredScope):
            operation = Operation(inputs, outputs, uses.result_names(item.region))
            return Step(operation, self.apply_scope(item), heavy=True, comment=comment)
        node = item.node
        names = (result_name(node),)
        build = self.apply_op(item)
        if node.index in self.merges:
            merge = self.merges[node.index]
            build, inputs = spread(build, merge), merge.inputs(inputs)
        operation = Operation(inputs, outputs, names, isinstance(node.op, Merge))
        return Step(operation, build, is_heavy(item), comment)

    def has_shape_comment(self, item: Item) -> bool:
        """Whether a comment gives the shape of an item's output: that of a map that it changes, or
        of a sequence that begins with it."""
        nodes = self.scope.uses.graph.nodes
        sources = [nodes[index].output for index in self.scope.uses.inputs(item)]
        if item.axes is None or not item.axes.is_map:
            return begins_sequence(item.axes, sources)
        return all(source != item.axes for source in sources)

    def apply_scope(self, item: LoweredScope) -> Build:
        owner = self.owners.owner(item)
        if owner is not None:
            self.scope.called[item.region.path] = owner
            (path,) = self.owners.modules(owner, self.scope.keys)
            return _applied(at(path))
        if item.region.path in self.stacked:
            stack, number = self.stacked[item.region.path]
            self.attributes[stack.name] = stack.module
            self.scope.keys[item.region.path] = (f"{stack.name}.{number}",)
            return _applied(Index(Ref(f"self.{stack.name}"), (Lit(number),)))
        layer = self.scope.module(item)
        attribute = self.add_attribute(self.name(item), under(layer, item.condition))
        self.scope.keys[item.region.path] = (attribute,)
        own = Ref(f"self.{attribute}")
        self.initial += self.scope.initial.of_scope(own, item, self.scope.is_sequential)
        return _apply(f"self.{attribute}")

    def optional(self, item: LoweredOptional) -> Step:
        """Steps that are there under a condition, which is kept as an attribute: one expression, or
        the value that stands for theirs; statements where that would compute a value twice."""
        uses = self.scope.uses
        inputs = uses.inputs(item)
        flag = self.add_attribute(_flag(item), item.condition)
        before, initial = set(self.attributes), self.initial
        self.initial = []
        steps = self.steps(item.items)
        own = Ref(f"self.{flag}")
        for attribute in self.attributes:
            if attribute not in before:
                inner = self.conditional.get(attribute)
                self.conditional[attribute] = own if inner is None else Binary("and", own, inner)
        self.initial = [*initial, *([If(own, tuple(self.initial))] if self.initial else [])]

        def build(values: Sequence[Expr]) -> Expr:
            known = dict(zip(inputs, values, strict=True))
            for step in steps:
                taken = [known[index] for index in step.operation.inputs]
                known[step.operation.outputs[0]] = step.build(taken)
            return Conditional(own, known[item.output], known[item.source])

        operation = Operation(inputs, (item.output,), is_merge=False)
        inside = OptionalSteps(own, steps, item.source) if _uses_again(steps) else None
        return Step(operation, build, heavy=True, comment=None, repeats=True, inside=inside)

    def apply_op(self, item: LoweredOp) -> Build:
        """How an op is written in `forward`, after its layers have become attributes."""
        name = self.name(item)
        layers = constructed(item)
        if item.condition is not None:
            exprs = [layer for _, layer in layers]
            layer = exprs[0] if len(exprs) == 1 else Call(Ref("nn.Sequential"), tuple(exprs))
            attribute = self.add_attribute(name, under(layer, item.condition))
            self.scope.keys[item.node.index] = in_optional(attribute, item)
            self.initial += self.scope.initial.of_optional(Ref(f"self.{attribute}"), item)
            return _apply(f"self.{attribute}")
        owner = self.owners.owner(item)
        paths = iter(() if owner is None else self.owners.modules(owner, self.scope.keys))
        if owner is not None:
            self.scope.called[item.node.index] = owner
        builds: list[Build] = []
        keys: list[str | None] = []
        names = layer_names(name, item, self.explicit)
        for (lowered, layer), own_name in zip(layers, names, strict=True):
            if lowered.expression is not None and not item.alternatives:
                builds.append(_computed(self.kept(lowered.expression)))
                keys.append(None)
                continue
            if lowered.weighted and owner is not None:
                builds.append(_applied(at(next(paths))))
                keys.append(None)
                continue
            if lowered.weighted:
                attribute = self.add_attribute(own_name, layer)
                self.initial += self.scope.initial.of_layer(Ref(f"self.{attribute}"), lowered)
            else:
                alone = self.uses_of[not_in_place(layer)] == 1
                own = lowered.main and item.node.named and alone
                attribute = self.share(layer, name if own else lowered.label or item.node.op.name)
            builds.append(_apply(f"self.{attribute}"))
            keys.append(attribute)
        self.scope.keys[item.node.index] = tuple(keys)
        return _composed(builds)

    def kept(self, expression: Expr) -> Expr:
        """An expression of `forward`: the arguments that it uses are kept as attributes."""
        used = symbols_in([expression])
        for argument in self.scope.arguments:
            if argument.name not in used:
                continue
            if argument.name not in self.keeping:
                attribute = self.add_attribute(argument.name, Ref(argument.name))
                self.keeping[argument.name] = Ref(f"self.{attribute}")
            else:  # it is no longer needed under one condition alone
                self.conditional.pop(self.keeping[argument.name].name.removeprefix("self."), None)
        return fill(expression, self.keeping)

    def add_attribute(self, base: str, layer: Expr) -> str:
        name, count = base, 1
        while name in self.attributes:
            count += 1
            name = f"{base}{count}"
        self.attributes[name] = layer
        return name

    def share(self, layer: Expr, label: str) -> str:
        """The attribute of a layer without weights: equal ones are one, which works in place where
        all of them do."""
        plain = not_in_place(layer)
        if plain not in self.shared:
            name, count = label, 1
            while name in self.attributes:
                count += 1
                name = f"{label}{count}"
            self.attributes[name] = layer
            self.shared[plain] = name
        else:
            self.conditional.pop(self.shared[plain], None)
        attribute = self.shared[plain]
        if self.attributes[attribute] != layer:
            self.attributes[attribute] = plain
        return attribute


def is_heavy(op: LoweredOp) -> bool:
    """Whether an op is one that a reader follows a network by: it has weights, and does more than
    normalise."""
    return any(layer.weighted and not layer.label.endswith("norm") for layer in op.layers)


def not_in_place(layer: Expr) -> Expr:
    """A layer that keeps what comes in."""

    def plain(expr: Expr) -> Expr:
        if not isinstance(expr, Call):
            return expr
        words = tuple(word for word in expr.keywords if word.name != "inplace")
        return Call(expr.function, expr.arguments, words)

    return transform(layer, plain)


def _uses_again(steps: Sequence[Step]) -> bool:
    """Whether a value of some steps is used by them more than once, or one of them is no
    expression or gives several values."""
    used = Counter(
        index for step in steps for index in step.operation.inputs for _ in range(1 + step.repeats)
    )
    made = [index for step in steps for index in step.operation.outputs]
    is_plain = all(step.inside is None and len(step.operation.outputs) == 1 for step in steps)
    return not is_plain or any(used[one] > 1 for one in made)


def _flag(item: LoweredOptional) -> str:
    """The attribute for whether steps are there."""
    end = item.items[-1]
    kind = end.node.op.name if isinstance(end, LoweredOp) else end.name
    return "residual" if kind == "add" else f"with_{kind}"


def _assigned(target: str, layer: Expr) -> list[Statement]:
    """The statements that set an attribute: a layer under a condition that is too long for a line
    in place of an identity."""
    if isinstance(layer, Conditional) and layer.otherwise == IDENTITY:
        width = width_on_one_line(layer)
        if width is None or width + len(target) + 11 > WIDTH:
            return [
                Assign(Ref(target), IDENTITY),
                If(layer.condition, (Assign(Ref(target), layer.then),)),
            ]
    return [Assign(Ref(target), layer)]


def _apply(name: str) -> Build:
    return lambda values: call(name, *values)


def _applied(module: Expr) -> Build:
    return lambda values: Call(module, tuple(values))


def _computed(expression: Expr) -> Build:
    return lambda values: fill(
        expression, {placeholder(index).name: value for index, value in enumerate(values)}
    )


def _composed(builds: Sequence[Build]) -> Build:
    def build(values: Sequence[Expr]) -> Expr:
        expr = builds[0](values)
        for following in builds[1:]:
            expr = following([expr])
        return expr

    return build
