"""Expansion of a document to a graph: repetitions, conditions and blocks are executed. The axes of
every node are inferred at the same time, because conditions can use them (`in.channels`).

Codes: ARC1xx from the ops' shape rules, ARC206 a value of the wrong type, ARC405 too many steps,
ARC406 a step that no output uses, ARC407 an unknown or duplicate name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from archc.diagnostics import Diagnostic, Span, SpecError
from archc.diagnostics.collector import Collector, Unknown
from archc.ir.binding import (
    block_arguments,
    condition_of,
    input_axes,
    loop_lists,
    plain_defaults,
    repeat_count,
    typed_activation,
    typed_op,
    written_arguments,
)
from archc.ir.errors import ambiguous_first_step, rejected, unused
from archc.ir.evaluation import Evaluation
from archc.ir.graph import NOTHING, About, Branches, Graph, Input, Node, Origin, Region
from archc.ir.limits import LimitError, Limits
from archc.ir.naming import Evaluate, add_name, block_outputs, find_nodes
from archc.ir.scope import UNKNOWN, Scope
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


def expand(document: Document, about: About, params: Environment, most_steps: int) -> Graph:
    """The graph of a valid document with values of its parameters, of at most so many steps. Raises
    SpecError."""
    return _Expansion(document, params, most_steps).graph(about)


def find_errors(document: Document, params: Environment, most_steps: int) -> list[Diagnostic]:
    """The further errors of an invalid document, as far as it can be expanded."""
    return _Expansion(document, params, most_steps).errors()


class _Expansion:
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

    def report(self, diagnostic: Diagnostic, unknown: Unknown | None = None) -> None:
        # An error of a repeated step is one error.
        cause = diagnostic.span.origin, diagnostic.code
        self.diagnostics.report(diagnostic, cause=cause, unknown=unknown)

    def graph(self, about: About) -> Graph:
        scope = Scope("", None)
        try:
            inputs, outputs = self.network(scope)
        except LimitError as error:
            self.report(error.diagnostic)
            raise SpecError(self.diagnostics.diagnostics()) from None
        if not self.diagnostics:
            for diagnostic in unused(self.nodes, outputs, self.block_outputs):
                self.report(diagnostic)
        if self.diagnostics:
            raise SpecError(self.diagnostics.diagnostics())
        root = Region(
            kind="network",
            name=self.document.name,
            path="",
            items=tuple(scope.items),
            input=inputs[0],
            output=outputs[0],
            origin=Origin(self.document.span, self.document.span.origin),
            named=True,
        )
        return Graph(
            about=about,
            nodes=tuple(self.nodes),
            root=root,
            inputs=inputs,
            outputs=outputs,
            expect=self.document.expect,
        )

    def errors(self) -> list[Diagnostic]:
        try:
            self.network(Scope("", None))
        except LimitError as error:
            self.report(error.diagnostic)
        return self.diagnostics.diagnostics()

    # Inputs and outputs

    def network(self, scope: Scope) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Expand the whole network. Returns its inputs and outputs."""
        inputs = tuple(
            self.make_input(name, value, scope) for name, value in self.document.inputs.items()
        )
        for diagnostic in ambiguous_first_step(self.document):
            self.report(diagnostic)
        current, names = UNKNOWN, self.params
        if len(inputs) == 1:
            current = inputs[0]
            names = extended(names, {expressions.INPUT: self.entry(current)})
        last = self.run(self.document.layers, current, scope, names)
        if not self.document.outputs:
            return inputs, (last,)
        hint = "an output is the name of a step of `layers`"
        outputs = [
            index
            for value in self.document.outputs
            for index in find_nodes(
                value, scope, self.text(UNKNOWN, self.params), self.report, hint
            )
        ]
        return inputs, tuple(outputs)

    def make_input(self, name: str, value: Value, scope: Scope) -> int:
        span = value.key_span or value.span
        scope.add(name, span)
        axes = input_axes(name, value, self.params, self.document.invalid, self.report)
        if axes is None:
            return UNKNOWN
        origin = Origin(span, span.origin)
        node = Node(len(self.nodes), name, name, Input(), (), axes, origin, named=True)
        self.nodes.append(node)
        scope.outputs[name] = node.index
        return node.index

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
        return self.add(step, op, inputs, scope, names, fields, current)

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
        self.nodes.append(node)
        scope.items.append(node)
        scope.outputs[name] = node.index
        return node.index

    def origin(self, step: Step, scope: Scope) -> Origin:
        return Origin(step.span, step.span.origin, scope.iteration, condition_of(step))

    # Regions and repetitions

    def section(self, step: SectionStep, current: int, scope: Scope, names: Environment) -> int:
        name = add_name(step, "section", scope, self.text(current, names), self.report)
        inner = Scope(scope.join(name), scope)
        scope.inner[name] = inner
        output = self.body(step, step.body, current, inner, names)
        return self.close(step, "section", name, inner, scope, (current, output))

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
    ) -> int:
        """Append the region of the scope `inner`. Returns its output."""
        scope.outputs[name] = ends[1]
        scope.items.append(
            Region(
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
            )
        )
        return ends[1]

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
        self.limits.enter_block(step)
        name = add_name(step, title, scope, self.text(current, names), self.report)
        inner = Scope(scope.join(name), None)
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
        )

    # Names

    def text(self, current: int, names: Environment) -> Evaluate:
        """What evaluates the names of a step."""
        x = self.axes(current)
        return lambda value: self.evaluation.text(value, x, names)

    def lookup(self, value: Value, current: int, scope: Scope, names: Environment) -> list[int]:
        return find_nodes(value, scope, self.text(current, names), self.report)
