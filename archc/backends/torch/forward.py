"""The `forward` of a class: what each of its steps takes and gives as statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.backends.blocks.branches import gates
from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import Argument, Item, LoweredOp
from archc.backends.blocks.variables import CHAIN, Operation, name_variables, with_named_results
from archc.backends.torch.stacks import Stack, looped
from archc.backends.torch.turns import Build, Loop
from archc.codegen.docs import width_on_one_line
from archc.codegen.tree import (
    Assign,
    Binary,
    Call,
    Expr,
    FunctionDef,
    If,
    Index,
    ListOf,
    Lit,
    Parameter,
    Ref,
    Return,
    Statement,
    TupleOf,
)
from archc.ir.graph import Input, Node
from archc.language.names import EMITTED
from archc.ops.shape import Split

VARIABLES = EMITTED.difference(CHAIN)
"""Names that no value may have."""
WIDTH = 88
LONGEST_OPERAND = WIDTH - 24
"""Characters of a value that is written inside its user's expression."""

MOST_COUNTED = 4
"""Results that a return type counts: with those in training alone, it fits a line."""


class Ends(NamedTuple):
    """The values that a class takes, and those that it gives: in evaluation, and in training
    alone. `names` are what a block or section calls those that it takes, None where it has none."""

    inputs: Sequence[int]
    results: Sequence[int]
    in_training: Sequence[int] = ()
    names: Sequence[str | None] = ()


class Step(NamedTuple):
    """One item of a `forward`: the values it takes and gives, how it is written, whether it has
    weights, and whether what it takes may stand in it more than once. What is no expression has
    statements `inside` in place of it, or is a loop."""

    operation: Operation
    build: Build
    heavy: bool
    comment: str | None
    repeats: bool = False
    inside: OptionalSteps | Loop | None = None


class OptionalSteps(NamedTuple):
    """Steps under a condition, of which a value is used more than once: without them `source`
    stands for the value that they lead to."""

    condition: Expr
    steps: Sequence[Step]
    source: int


class Forward:
    """The `forward` of a class of some items, which takes and gives the values of `ends`."""

    def __init__(
        self, uses: Uses, items: Sequence[Item], ends: Ends, arguments: Sequence[Argument]
    ) -> None:
        self.uses = uses
        self.items = items
        self.inputs, self.results, self.in_training, self.names = ends
        self.arguments = arguments
        self.from_list: frozenset[int] = frozenset()
        self.parts = frozenset(_parts(items))

    def method(self, steps: Sequence[Step], stacks: Sequence[Stack]) -> FunctionDef:
        """The method, with a loop for each of `stacks`, whose calls are statements of their own."""
        self.from_list = frozenset(one.region.output for stack in stacks for one in stack.scopes)
        names = self.argument_names()
        taken = (Parameter(names[index], Ref("Tensor")) for index in self.inputs)
        return FunctionDef(
            "forward",
            (Parameter("self"), *taken),
            returns=self.result_type(),
            body=tuple(looped(self.statements(steps), stacks)),
        )

    def result_type(self) -> Expr:
        result = _tensors(len(self.results))
        if not self.in_training:
            return result
        return Binary("|", result, _tensors(len(self.results) + len(self.in_training)))

    def argument_names(self) -> dict[int, str]:
        """What a class takes by name is called so, as are the inputs of the network where it has
        several; of what else comes in, a single value is `x`, and several are counted."""
        names = dict(zip(self.inputs, self.names, strict=True)) if self.names else {}
        if not names and len(self.inputs) > 1:
            nodes = [self.uses.graph.nodes[index] for index in self.inputs]
            names = {node.index: node.name for node in nodes if isinstance(node.op, Input)}
        known = {index: name for index, name in names.items() if name and name not in VARIABLES}
        others = [index for index in self.inputs if index not in known]
        if len(others) == 1 and "x" not in known.values():
            return {**known, others[0]: "x"}
        return known | {index: f"x{count}" for count, index in enumerate(others, start=1)}

    def statements(self, steps: Sequence[Step]) -> list[Statement]:
        """The statements of `forward`: a value used once goes straight into its user, as long as a
        line holds one layer that a reader follows the network by."""
        reserved = VARIABLES | {argument.name for argument in self.arguments}
        arguments = self.argument_names()
        alone = self.uses.graph.training_only if self.in_training else frozenset()
        later = [step for step in steps if alone.issuperset(step.operation.outputs)]
        steps = [step for step in steps if step not in later]
        results = [*self.results, *self.in_training]
        operations = [*_operations([*steps, *later])]
        if not self.names:
            operations = with_named_results(operations, self.results)
        names = name_variables(
            operations,
            arguments,
            results,
            reserved,
            gates(self.items, self.uses),
        )
        uses: dict[int, int] = {}
        for operation in operations:
            for index in operation.inputs:
                uses[index] = uses.get(index, 0) + 1
        for index in results:
            uses[index] = uses.get(index, 0) + 2 * (len(results) > 1)
        pending: dict[int, tuple[Expr, str | None]] = {}
        statements = self.written(steps, names, uses, pending)
        if not self.in_training:
            return [*statements, self.returned(pending, names)]
        statements += _settled(pending, names)
        inside = self.written(later, names, uses, pending)
        inside += _settled(pending, names)
        every = Return(TupleOf(tuple(Ref(names[index]) for index in results)))
        statements.append(If(Ref("self.training"), (*inside, every)))
        return [*statements, self.returned(pending, names)]

    def written(
        self,
        steps: Sequence[Step],
        names: dict[int, str],
        uses: dict[int, int],
        pending: dict[int, tuple[Expr, str | None]],
    ) -> list[Statement]:
        """The statements of some steps; values that are still to be written are left `pending`."""
        statements: list[Statement] = []
        light: set[int] = set()  # values of steps that are not heavy, such as a normalisation

        def settle(index: int) -> None:
            if index in pending:
                expr, comment = pending.pop(index)
                statements.append(Assign(Ref(names[index]), expr, comment))

        for position, step in enumerate(steps):
            inputs = step.operation.inputs
            if step.inside is not None:
                for index in inputs:
                    settle(index)
                if isinstance(step.inside, Loop):
                    statements += step.inside.statements(names)
                else:
                    statements += self.optional(step.inside, names, uses)
                continue
            if step.heavy:
                for index in inputs:
                    if step.repeats or index not in light:
                        settle(index)
            plain = not step.heavy and not step.operation.is_merge and step.comment is None
            if plain and all(index not in pending or index in light for index in inputs):
                light.update(step.operation.outputs)
            values = [
                pending.pop(index)[0] if index in pending else Ref(names[index]) for index in inputs
            ]
            expr = step.build(values)
            if len(step.operation.outputs) > 1:
                targets = TupleOf(
                    tuple(
                        Ref(names[index] if index in uses else "_")
                        for index in step.operation.outputs
                    )
                )
                statements.append(Assign(targets, expr, None))
                continue
            (output,) = step.operation.outputs
            pending[output] = (expr, step.comment)
            following = steps[position + 1] if position + 1 < len(steps) else None
            if not self.goes_on(output, expr, following, uses):
                settle(output)
        return statements

    def optional(
        self, optional: OptionalSteps, names: dict[int, str], uses: dict[int, int]
    ) -> list[Statement]:
        """The statements of steps under a condition."""
        pending: dict[int, tuple[Expr, str | None]] = {}
        inside = self.written(optional.steps, names, uses, pending)
        inside += _settled(pending, names)
        operations = [one.operation for one in optional.steps]
        (output,) = operations[-1].outputs
        target, source = Ref(names[output]), Ref(names[optional.source])
        if target == source:
            return [If(optional.condition, tuple(inside))]
        without = Assign(target, source)
        made = {index for one in operations for index in one.outputs}
        used = {index for one in operations for index in one.inputs}
        if names[output] in {names[index] for index in used - made}:
            return [If(optional.condition, tuple(inside), (without,))]
        return [without, If(optional.condition, tuple(inside))]

    def goes_on(
        self, output: int, expr: Expr, following: Step | None, uses: dict[int, int]
    ) -> bool:
        """Whether a value is written inside its user's expression."""
        if following is None:
            return len(self.results) == 1
        if uses.get(output, 0) != 1 or output in self.results:
            return False
        if output in self.from_list or output in self.parts:
            return False
        if isinstance(expr, Call) and any(isinstance(one, ListOf) for one in expr.arguments):
            return False  # a concatenation of branches has a line of its own
        width = width_on_one_line(expr)
        if width is None or width > LONGEST_OPERAND:
            return False
        return output in following.operation.inputs

    def returned(
        self, pending: dict[int, tuple[Expr, str | None]], names: dict[int, str]
    ) -> Return:
        if len(self.results) == 1:
            (result,) = self.results
            if result in pending:
                expr, comment = pending.pop(result)
                return Return(expr, comment)
            return Return(Ref(names.get(result, "x")))
        values = [Ref(names[index]) for index in self.results]
        return Return(TupleOf(tuple(values)))


def _parts(items: Sequence[Item]) -> Iterator[int]:
    """The parts of values that are taken apart at one place, which one assignment does."""
    together: list[Node] = []
    for item in items:
        node = item.node if isinstance(item, LoweredOp) else None
        if node is None or not isinstance(node.op, Split):
            together = []
            continue
        if together and node.inputs != together[0].inputs:
            together = []
        if node.op.index == len(together):
            together.append(node)
        if len(together) == node.op.parts:
            yield from (one.index for one in together)
            together = []


def _operations(steps: Sequence[Step]) -> Iterator[Operation]:
    """Those of steps, and of the steps inside in place of an optional one: the last of them ends
    in the variable of what stands for it otherwise."""
    for step in steps:
        if not isinstance(step.inside, OptionalSteps):
            yield step.operation
            continue
        source = step.inside.source
        *before, last = _operations(step.inside.steps)
        yield from before
        inputs = tuple(dict.fromkeys([*last.inputs, source]))
        yield last._replace(inputs=inputs, in_place_of=source)


def _tensors(count: int) -> Expr:
    """The type of so many values together."""
    tensor = Ref("Tensor")
    if count == 1:
        return tensor
    return Index(Ref("tuple"), (tensor,) * count if count <= MOST_COUNTED else (tensor, Lit(...)))


def _settled(pending: dict[int, tuple[Expr, str | None]], names: dict[int, str]) -> list[Statement]:
    """The statements of the values that are pending, which then are none."""
    statements = [
        Assign(Ref(names[index]), expr, comment) for index, (expr, comment) in pending.items()
    ]
    pending.clear()
    return [*statements]
