"""Expansion of steps: repetitions, conditions and blocks are executed. The axes of every node are
inferred at the same time, because conditions can use them (`in.channels`).

Codes: ARC1xx from the ops' shape rules, ARC206 a value of the wrong type, ARC405 too many steps,
ARC407 an unknown or duplicate name, ARC415 variables that a step cannot use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.collector import Collector, Unknown
from archc.ir.binding import (
    block_arguments,
    condition_of,
    loop_lists,
    plain_defaults,
    repeat_count,
    typed_activation,
    typed_op,
    written_arguments,
)
from archc.ir.errors import rejected
from archc.ir.evaluation import Evaluation
from archc.ir.graph import NOTHING, Branches, Node, Origin, Region
from archc.ir.limits import Limits
from archc.ir.naming import Evaluate, add_name, block_outputs, find_nodes, find_owner
from archc.ir.scope import UNKNOWN, Scope
from archc.ir.sharing import SharedInstance, check_instance, owner_of, shared_instance, with_owner
from archc.language import expressions
from archc.language.evaluate import (
    INVALID,
    Environment,
    EvaluationError,
    UnknownValueError,
    extended,
    parse_expressions,
    parse_fields,
)
from archc.language.syntax import (
    ActivationStep,
    Block,
    BlockStep,
    Document,
    ForStep,
    MergeStep,
    OpStep,
    RepeatStep,
    SectionStep,
    Step,
    kind_of,
)
from archc.language.values import Value
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError, require_numbers
from archc.ops.fields import LARGEST
from archc.records import replace


class Expansion:
    """Expands the steps of one document and collects diagnostics."""

    def __init__(self, document: Document, params: Environment, most_steps: int) -> None:
        self.document = document
        self.params = params
        self.nodes: list[Node] = []
        self.diagnostics = Collector()
        self.limits = Limits(document.blocks, most_steps)
        self.evaluation = Evaluation(document.params, params)
        self.literals: dict[Step, Op] = {}
        self.defaults: dict[Block, Mapping[str, object]] = {}
        self.block_outputs: dict[tuple[str, str], list[int]] = {}  # by block and name

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

    # Steps

    def run(self, steps: Iterable[Step], current: int, scope: Scope, names: Environment) -> int:
        """Execute steps in order. Returns the output of the last one."""
        for step in steps:
            current = self.step(step, current, scope, names)
        return current

    def body(
        self, step: Step, steps: Iterable[Step], current: int, scope: Scope, names: Environment
    ) -> int:
        """Execute the steps inside a step. Returns the output of the last one."""
        self.limits.enter(step)
        current = self.run(steps, current, scope, names)
        self.limits.leave()
        return current

    def step(self, step: Step, current: int, scope: Scope, names: Environment) -> int:
        self.limits.count_step(step)
        try:
            if step.sources is not None and not (isinstance(step, MergeStep) and not step.branches):
                current = self.source(step, current, scope, names)
            if step.when is not None and not self.evaluation.condition(
                step.when, self.axes(current), names
            ):
                if step.name is None:
                    scope.skip(kind_of(step))
                return current
            return self.execute(step, current, scope, names)
        except EvaluationError as error:
            self.report(error.diagnostic)
        except UnknownValueError:
            pass
        self.skip(step, scope)
        return UNKNOWN

    def source(self, step: Step, current: int, scope: Scope, names: Environment) -> int:
        """The first step that a step without branches names under `from`."""
        sources = self.sources(step, current, scope, names)
        most = step.op.most_inputs if isinstance(step, OpStep) else 1
        if len(sources) <= most:
            return sources[0]
        values = step.sources or ()
        if len(values) == 1:  # of several it is reported already
            many = "a single input" if most == 1 else f"at most {most} inputs"
            message = f"`{kind_of(step)}` takes {many}, got {len(sources)}"
            self.error("ARC402", message, values[0].span, "merge them first")
        raise UnknownValueError

    def sources(
        self, step: Step, current: int, scope: Scope, names: Environment
    ) -> tuple[int, ...]:
        """The steps that a step names under `from`."""
        nodes: list[int] = []
        for value in step.sources or ():
            found = self.lookup(value, current, scope, names)
            self.limits.count_values(step, len(found))
            nodes += found
        return tuple(nodes)

    def skip(self, step: Step, scope: Scope) -> None:
        """Add the name of a step that cannot be executed: others may use it."""
        kind = kind_of(step)
        if step.name is not None and expressions.has_expressions(step.name.data):
            scope.incomplete = True
            return
        if kind in ("", "repeat", "for"):
            scope.incomplete = True
            kind = ""
        if kind or step.name is not None:
            name = add_name(step, kind, scope, self.text(UNKNOWN, NOTHING), self.report)
            if kind == "section":
                scope.inner[name] = Scope(scope.join(name), None)
                scope.inner[name].incomplete = True

    def execute(self, step: Step, current: int, scope: Scope, names: Environment) -> int:
        if isinstance(step, OpStep):
            return self.op(step, current, scope, names)
        if isinstance(step, MergeStep):
            return self.merge(step, current, scope, names)
        if isinstance(step, ActivationStep):
            return self.activation(step, current, scope, names)
        if isinstance(step, SectionStep):
            return self.section(step, current, scope, names)
        if isinstance(step, RepeatStep):
            return self.repeat(step, current, scope, names)
        if isinstance(step, ForStep):
            return self.loop(step, current, scope, names)
        if isinstance(step, BlockStep):
            return self.block(step, current, scope, names)
        raise UnknownValueError

    def axes(self, current: int) -> Axes | None:
        """The axes of what comes in, None if they are unknown."""
        return None if current == UNKNOWN else self.nodes[current].output

    def entry(self, current: int) -> object:
        """The axes of a block's or the network's input, for expressions."""
        return INVALID if current == UNKNOWN else self.nodes[current].output.as_dict()

    def op(self, step: OpStep, current: int, scope: Scope, names: Environment) -> int:
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
        inputs: tuple[int, ...] = (current,)
        if step.op.most_inputs > 1 and step.sources is not None:
            inputs = self.sources(step, current, scope, names)
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

    def merge(self, step: MergeStep, current: int, scope: Scope, names: Environment) -> int:
        if not step.branches:
            inputs = self.sources(step, current, scope, names)
            if len(inputs) < 2 and UNKNOWN not in inputs:
                message = f"`{step.op.name}` has nothing to merge: `from` names a single step"
                self.error("ARC402", message, step.span, "name two steps or more")
                raise UnknownValueError
            return self.add(step, step.op(), inputs, scope, names, NOTHING, current)
        self.limits.count_values(step, len(step.branches))
        run = [
            (len(scope.items), self.body(step, each, current, scope, names))
            for each in step.branches
        ]
        branches = Branches(current, tuple(start for start, _ in run))
        ends = tuple(end for _, end in run)
        return self.add(step, step.op(), ends, scope, names, NOTHING, current, branches)

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
            self.error("ARC111", f"the output of {op.name} is too large: {output}", step.span)
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
        return Origin(step.span, step.span.origin, scope.iteration, condition_of(step))

    # Regions and repetitions

    def section(self, step: SectionStep, current: int, scope: Scope, names: Environment) -> int:
        frozen = self.is_frozen(step, self.axes(current), names)
        name = add_name(step, "section", scope, self.text(current, names), self.report)
        inner = Scope(scope.join(name), scope)
        inner.trainable = scope.trainable and not frozen
        inner.sharing = self.sharing_inside(step, name, scope)
        scope.inner[name] = inner
        output = self.body(step, step.body, current, inner, names)
        ends = current, output
        return self.close(step, "section", name, inner, scope, ends, frozen=frozen)

    def close(
        self,
        step: SectionStep | BlockStep,
        kind: Literal["section", "block"],
        name: str,
        inner: Scope,
        scope: Scope,
        ends: tuple[int, int],
        arguments: Mapping[str, object] = NOTHING,
        written: Mapping[str, expressions.Expression] = NOTHING,
        defaults: Mapping[str, object] = NOTHING,
        outputs: Mapping[str, int] = NOTHING,
        *,
        frozen: bool,
    ) -> int:
        """Append the region of the scope `inner`. Returns its output."""
        if inner.sharing is not None and ends[1] != UNKNOWN:
            with self.reporting():
                inner.sharing.require_all(inner.items, ends[1])
        region = Region(
            kind=kind,
            name=name,
            path=inner.path,
            items=tuple(inner.items),
            input=ends[0],
            output=ends[1],
            origin=self.origin(step, scope),
            named=step.name is not None,
            block=str(step.block.data) if isinstance(step, BlockStep) else None,
            arguments=arguments,
            expressions=written,
            defaults=defaults,
            names_input=inner.names_input,
            outputs=outputs,
            weights=inner.sharing.path if inner.sharing is not None and _uses_others(inner) else "",
            frozen=frozen,
            class_name=self.class_name(step),
        )
        scope.append(region, ends[1])
        return ends[1]

    def sharing_inside(
        self, step: SectionStep | BlockStep, name: str, scope: Scope
    ) -> SharedInstance | None:
        """What a section or instance inside an instance that shares its variables shares."""
        if scope.sharing is not None:
            with self.reporting():
                return scope.sharing.inside(name, step.span)
        return None

    def class_name(self, step: SectionStep | BlockStep) -> str | None:
        """The emitted class of a block's instance, where the spec gives one."""
        if isinstance(step, SectionStep):
            return None
        return self.document.blocks[str(step.block.data)].class_name

    def repeat(self, step: RepeatStep, current: int, scope: Scope, names: Environment) -> int:
        x = self.axes(current)
        count = repeat_count(step, lambda value: self.evaluation.value(value, x, names))
        return self.iterate(step, count, {}, current, scope, names)

    def loop(self, step: ForStep, current: int, scope: Scope, names: Environment) -> int:
        x = self.axes(current)
        lists = loop_lists(step, lambda value: self.evaluation.value(value, x, names))
        length = len(next(iter(lists.values())))
        return self.iterate(step, length, lists, current, scope, names)

    def iterate(
        self,
        step: RepeatStep | ForStep,
        count: int,
        lists: Mapping[str, list[object]],
        current: int,
        scope: Scope,
        names: Environment,
    ) -> int:
        self.limits.expect(step, step.body, count)
        outer = scope.iteration
        for index in range(count):
            scope.iteration = (*outer, index)
            inner: dict[str, object] = {
                "index": index,
                "first": index == 0,
                "last": index == count - 1,
            }
            inner |= {name: items[index] for name, items in lists.items()}
            current = self.body(step, step.body, current, scope, extended(names, inner))
        scope.iteration = outer
        return current

    def block(self, step: BlockStep, current: int, scope: Scope, names: Environment) -> int:
        title = str(step.block.data)
        block = self.document.blocks[title]
        self.limits.count_values(step, len(block.params))
        x, entry = self.axes(current), {expressions.INPUT: self.entry(current)}
        arguments = block_arguments(
            step,
            block,
            lambda value: self.evaluation.value(value, x, names),
            lambda value, above: self.evaluation.value(
                value, x, extended(self.params, {**entry, **above})
            ),
            self.report,
        )
        sharing = None
        if step.weights is not None:
            owner = find_owner(step.weights, scope, self.text(current, names), self.report)
            if owner is None:
                raise UnknownValueError
            region = check_instance(step, arguments, owner)
            sharing = shared_instance(region, step.weights.span, {region.input: current})
        frozen = self.is_frozen(step, x, names)
        self.limits.enter_block(step)
        name = add_name(step, title, scope, self.text(current, names), self.report)
        inner = Scope(scope.join(name), None)
        inner.trainable = scope.trainable and not frozen
        inner.sharing = sharing or self.sharing_inside(step, name, scope)
        inner.add(expressions.INPUT, step.span, current)
        names_inside = extended(self.params, {**entry, **arguments})
        output = self.body(step, block.body, current, inner, names_inside)
        self.limits.leave_block()
        text = self.text(current, names_inside)
        outputs = block_outputs(block.outputs or (), inner, text, self.report)
        scope.inner[name] = inner.exposing(
            outputs, title, incomplete=inner.incomplete or block.outputs is None
        )
        for exposed, index in outputs.items():
            self.block_outputs.setdefault((title, exposed), []).append(index)
        if block not in self.defaults:
            self.defaults[block] = plain_defaults(block)
        return self.close(
            step,
            "block",
            name,
            inner,
            scope,
            (current, output),
            arguments,
            written_arguments(step, block),
            self.defaults[block],
            outputs,
            frozen=frozen,
        )

    # Names

    def text(self, current: int, names: Environment) -> Evaluate:
        """What evaluates the names of a step."""
        x = self.axes(current)
        return lambda value: self.evaluation.text(value, x, names)

    def lookup(self, value: Value, current: int, scope: Scope, names: Environment) -> list[int]:
        return find_nodes(value, scope, self.text(current, names), self.report)


def _uses_others(scope: Scope) -> bool:
    """Whether anything in a scope uses another step's variables; an instance of a block without
    any, which may take inputs of another width, shares nothing."""
    return any(
        item.weights >= 0 if isinstance(item, Node) else bool(item.weights) for item in scope.items
    )
