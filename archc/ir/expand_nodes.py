"""Expansion of single steps to nodes: their fields are evaluated, and the axes of what they give
are inferred.

Codes: ARC1xx from the ops' shape rules, ARC206 a value of the wrong type, ARC402 the wrong number
of inputs, ARC407 an unknown or duplicate name, ARC415 variables that a step cannot use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.collector import Collector, Unknown
from archc.ir.binding import condition_of, typed_activation, typed_op
from archc.ir.errors import rejected
from archc.ir.evaluation import Evaluation
from archc.ir.graph import NOTHING, Branches, Node, Origin, Region
from archc.ir.limits import Limits
from archc.ir.naming import Evaluate, add_name, find_nodes, find_owner
from archc.ir.scope import UNKNOWN, Scope
from archc.ir.sharing import owner_of, with_owner
from archc.language import expressions
from archc.language.evaluate import (
    INVALID,
    Environment,
    EvaluationError,
    UnknownValueError,
    parse_expressions,
    parse_fields,
)
from archc.language.names import FLOW
from archc.language.syntax import (
    ActivationStep,
    Document,
    MergeStep,
    OpStep,
    Step,
    kind_of,
)
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError, require_numbers
from archc.ops.fields import LARGEST
from archc.records import replace


class NodeExpansion:
    """Expands the single steps of one document and collects diagnostics."""

    def __init__(self, document: Document, params: Environment, most_steps: int) -> None:
        self.document = document
        self.params = params
        self.nodes: list[Node] = []
        # The nodes that are left out where nothing uses them: those of each last turn of a loop, by
        # its number, and views (0).
        self.dispensable: dict[int, int] = {}
        self.last_turns = 0
        self.diagnostics = Collector()
        self.limits = Limits(document.blocks, most_steps)
        self.evaluation = Evaluation(document.params, params)
        self.literals: dict[Step, Op] = {}

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.report(Diagnostic(code, message, span, hint))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report the error of what is tried inside the context."""
        try:
            yield
        except EvaluationError as error:
            self.report(error.diagnostic)

    def report(self, diagnostic: Diagnostic, unknown: Unknown | None = None) -> None:
        # An error of a repeated step is one error.
        cause = diagnostic.span.origin, diagnostic.code
        self.diagnostics.report(diagnostic, cause=cause, unknown=unknown)

    def axes(self, current: int) -> Axes | None:
        """The axes of what comes in, None if they are unknown."""
        return None if current == UNKNOWN else self.nodes[current].output

    def entry(self, current: int) -> object:
        """The axes of a block's or the network's input, for expressions."""
        if current == UNKNOWN:
            return INVALID
        return expressions.InputAxes(self.nodes[current].output.as_dict())

    def text(self, current: int, names: Environment) -> Evaluate:
        """What evaluates the names of a step."""
        x = self.axes(current)
        return lambda value: self.evaluation.text(value, x, names)

    # Inputs

    def inputs(self, step: Step, current: int, scope: Scope, names: Environment) -> tuple[int, ...]:
        """The nodes whose outputs a step takes: those that it names under `from`, or else what
        comes in."""
        if step.sources is None:
            return (current,)
        nodes: list[int] = []
        for value in step.sources:
            found = [current]
            if value.data != FLOW:
                found = find_nodes(value, scope, self.text(current, names), self.report)
            self.limits.count_values(step, len(found))
            nodes += found
        return tuple(nodes)

    def require_inputs(self, step: Step, inputs: tuple[int, ...]) -> None:
        """Report a step of a single input, or of a few, that names more. Raises
        UnknownValueError."""
        most = step.op.most_inputs if isinstance(step, OpStep) else 1
        if len(inputs) <= most:
            return
        values = step.sources or ()
        if len(values) == 1:  # of several it is reported already
            many = "a single input" if most == 1 else f"at most {most} inputs"
            message = f"`{kind_of(step)}` takes {many}, got {len(inputs)}"
            self.error("ARC402", message, values[0].span, "merge them first")
        raise UnknownValueError

    # Steps

    def op(self, step: OpStep, inputs: tuple[int, ...], scope: Scope, names: Environment) -> int:
        current = inputs[0]
        op = self.literals.get(step)
        fields: Mapping[str, expressions.Expression] = NOTHING
        if op is None:
            op = typed_op(
                step,
                lambda value: self.evaluation.value(value, self.axes(current), names),
                lambda value: self.evaluation.reject(value, names),
                self.report,
            )
            if any(parse_expressions(value) for value in step.fields.values()):
                fields = parse_fields(step.fields)
            else:
                self.literals[step] = op
        owner = None
        if step.weights is not None:
            owner = find_owner(step.weights, scope, self.text(current, names), self.report)
            if owner is None:
                raise UnknownValueError
        return self.add(step, op, inputs, scope, names, fields, current, owner=owner)

    def activation(
        self, step: ActivationStep, current: int, scope: Scope, names: Environment
    ) -> int:
        value = self.evaluation.value(step.value, self.axes(current), names)
        op = typed_activation(step, value)
        if op is None:
            if step.name is None:
                scope.skip(kind_of(step))
            return current
        fields = parse_fields({"activation": step.value})
        return self.add(step, op, (current,), scope, names, fields, current)

    def named_merge(self, step: MergeStep, current: int, scope: Scope, names: Environment) -> int:
        """A merge of the steps that it names."""
        inputs = self.inputs(step, current, scope, names)
        if len(inputs) < 2 and UNKNOWN not in inputs:
            message = f"`{step.op.name}` has nothing to merge: `from` names a single step"
            self.error("ARC402", message, step.span, "name two steps or more")
            raise UnknownValueError
        return self.add(step, step.op(), inputs, scope, names, NOTHING, current)

    def add(
        self,
        step: OpStep | MergeStep | ActivationStep,
        op: Op,
        inputs: tuple[int, ...],
        scope: Scope,
        names: Environment,
        fields: Mapping[str, expressions.Expression],
        current: int,
        branches: Branches | None = None,
        owner: Node | Region | None = None,
    ) -> int:
        """Append a node. Reports an input that the op rejects."""
        name = add_name(step, kind_of(step), scope, self.text(current, names), self.report)
        if UNKNOWN in inputs:
            return UNKNOWN
        axes = tuple(self.nodes[index].output for index in inputs)
        try:
            require_numbers(op, axes)
            output = op.infer(axes)
        except ShapeError as error:
            self.report(rejected(step, error, [self.nodes[index] for index in inputs]))
            return UNKNOWN
        if output.elements > LARGEST:
            message = f"the output of {op.name} is too large: {output}"
            self.error("ARC111", message, step.span, "an array has at most 2^53 elements")
            return UNKNOWN
        node = Node(
            index=len(self.nodes),
            name=name,
            path=scope.join(name),
            op=op,
            inputs=inputs,
            output=output,
            origin=self.origin(step, scope),
            named=step.name is not None,
            expressions=fields,
            branches=branches,
            bypass=UNKNOWN if step.when is None else current,
        )
        if step.trainable is not None or not scope.trainable:
            try:
                node = self.with_training(step, node, axes, scope, names)
            except EvaluationError as error:
                self.report(error.diagnostic)
            except UnknownValueError:
                return UNKNOWN
        if owner is not None or scope.sharing is not None:
            weights = UNKNOWN
            try:
                weights = owner_of(step, node, axes, owner, scope.sharing, self.nodes)
            except EvaluationError as error:
                self.report(error.diagnostic)
                return UNKNOWN
            node = with_owner(node, weights, self.nodes)
        self.nodes.append(node)
        if op.view or (scope.last_turn and scope.gives_outputs):
            self.dispensable[node.index] = 0 if op.view else scope.last_turn
        scope.append(node, node.index)
        return node.index

    def with_training(
        self, step: Step, node: Node, axes: tuple[Axes, ...], scope: Scope, names: Environment
    ) -> Node:
        """A node that knows whether it is trained. Raises EvaluationError (ARC402) where its op has
        nothing to train, and UnknownValueError."""
        frozen = self.is_frozen(step, axes[0], names)
        has_variables = bool(node.op.variables(axes))
        is_op = isinstance(step, OpStep)
        if step.trainable is not None and is_op and not has_variables:
            span = step.trainable.key_span or step.trainable.span
            message = f"`{node.op.name}` has nothing to train"
            raise EvaluationError(Diagnostic("ARC402", message, span, "remove `trainable`"))
        trainable = scope.trainable and not frozen
        return replace(node, trainable=trainable or not has_variables, frozen=frozen)

    def is_frozen(self, step: Step, x: Axes | None, names: Environment) -> bool:
        """Whether a step says that it is not trained. Raises EvaluationError, UnknownValueError."""
        value = step.trainable
        return value is not None and not self.evaluation.condition(value, x, names, "trainable")

    def origin(self, step: Step, scope: Scope) -> Origin:
        computed = step.name is not None and expressions.has_expressions(step.name.data)
        when = condition_of(step)
        return Origin(step.span, step.span.origin, scope.iteration, when, computed, scope.count)
