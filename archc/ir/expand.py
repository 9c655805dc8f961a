"""Expansion of a document to a graph: repetitions, conditions and blocks are executed. The axes of
every node are inferred at the same time, because conditions can use them (`in.channels`).

Codes: ARC1xx from the ops' shape rules, ARC206 a value of the wrong type, ARC405 too many steps,
ARC406 a step that no output uses, ARC407 an unknown or duplicate name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Literal

from archc.diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean
from archc.ir.binding import (
    block_arguments,
    input_axes,
    loop_lists,
    plain_defaults,
    typed_op,
    whole_number_hint,
)
from archc.ir.graph import NOTHING, About, Branches, Graph, Input, Node, Origin, Region
from archc.ir.scope import UNKNOWN, Scope
from archc.language import expressions
from archc.language.evaluate import (
    WORK,
    Environment,
    EvaluationError,
    UnknownValueError,
    evaluate,
    parse_expressions,
    parse_fields,
    uses_axes,
)
from archc.language.names import attribute_error
from archc.language.schema.validate import format_value
from archc.language.syntax import (
    BlockStep,
    Document,
    ForStep,
    InvalidStep,
    MergeStep,
    OpStep,
    RepeatStep,
    SectionStep,
    Step,
    kind_of,
)
from archc.language.values import Value
from archc.ops.base import Op, ShapeError, require_numbers
from archc.ops.fields import LARGEST

MOST_STEPS = 100_000
DEEPEST = 64
MAX_ERRORS = 100
NAME_HINT = "a step can use the steps above it"


def expand(document: Document, about: About, params: Environment) -> Graph:
    """The graph of a valid document with values of its parameters. Raises SpecError."""
    return _Expansion(document, params).graph(about)


def find_errors(document: Document, params: Environment) -> tuple[Diagnostic, ...]:
    """The further errors of an invalid document, as far as it can be expanded."""
    return tuple(_Expansion(document, params).errors())


class _AbortError(Exception):
    """Stops the expansion with the diagnostics so far."""


class _Expansion:
    """Expands the steps of one document and collects diagnostics."""

    def __init__(self, document: Document, params: Environment) -> None:
        self.document = document
        self.params = params
        self.nodes: list[Node] = []
        self.diagnostics: dict[tuple[object, ...], Diagnostic] = {}
        self.steps = 0
        self.budget = expressions.Budget(WORK)
        self.literals: dict[Step, Op] = {}
        self.blocks: list[str] = []
        self.rejected: set[tuple[str, int]] = set()  # names whose value an op rejected

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.report(Diagnostic(code, message, span, hint))

    def report(self, diagnostic: Diagnostic) -> None:
        # An error of a repeated step is reported once.
        self.diagnostics.setdefault((diagnostic.span.origin, diagnostic.code), diagnostic)
        if len(self.diagnostics) >= MAX_ERRORS:
            raise _AbortError

    def graph(self, about: About) -> Graph:
        scope = Scope("", None)
        try:
            inputs, outputs = self.network(scope)
        except _AbortError:
            raise SpecError(self.diagnostics.values()) from None
        if not self.diagnostics:
            self.check_used(outputs)
        if self.diagnostics:
            raise SpecError(self.diagnostics.values())
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

    def errors(self) -> Iterable[Diagnostic]:
        with suppress(_AbortError):
            self.network(Scope("", None))
        return self.diagnostics.values()

    # Inputs and outputs

    def network(self, scope: Scope) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Expand the whole network. Returns its inputs and outputs."""
        inputs = tuple(
            self.make_input(name, value, scope) for name, value in self.document.inputs.items()
        )
        self.check_first_step(inputs)
        current = inputs[0] if len(inputs) == 1 else UNKNOWN
        last = self.run(self.document.layers, current, scope, self.params)
        if not self.document.outputs:
            return inputs, (last,)
        hint = "an output is the name of a step of `layers`"
        return inputs, tuple(
            self.lookup(value, scope, self.params, hint) for value in self.document.outputs
        )

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

    def check_first_step(self, inputs: tuple[int, ...]) -> None:
        layers = self.document.layers
        if len(inputs) < 2 or not layers or isinstance(layers[0], InvalidStep):
            return
        if layers[0].sources is None:
            names = ", ".join(self.document.inputs)
            self.error(
                "ARC407",
                "with several inputs the first step must name one",
                layers[0].span,
                f"add `from:` with one of {names}",
            )

    def check_used(self, outputs: tuple[int, ...]) -> None:
        needed = set(outputs)
        for node in reversed(self.nodes):
            if node.index in needed:
                needed.update(node.inputs)
            else:
                what = "input" if isinstance(node.op, Input) else "step"
                self.error(
                    "ARC406",
                    f"no output uses the {what} `{node.path}`",
                    node.origin.span,
                    "use it with `from`, list it under `outputs`, or remove it",
                )

    # Steps

    def run(self, steps: Iterable[Step], current: int, scope: Scope, names: Environment) -> int:
        """Execute steps in order. Returns the output of the last one."""
        for step in steps:
            current = self.step(step, current, scope, names)
        return current

    def step(self, step: Step, current: int, scope: Scope, names: Environment) -> int:
        self.count_step(step)
        if step.sources is not None and not (isinstance(step, MergeStep) and not step.branches):
            current = self.lookup(step.sources[0], scope, names)
        try:
            if step.when is not None and not self.condition(step.when, current, names):
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

    def count_step(self, step: Step) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            message = f"the spec expands to more than {MOST_STEPS:,} steps"
            self.error("ARC405", message, step.span, "repeat fewer times")
            raise _AbortError

    def skip(self, step: Step, scope: Scope) -> None:
        """Add the name of a step that cannot be executed: others may use it."""
        kind = kind_of(step)
        if kind in ("", "repeat", "for"):
            scope.incomplete = True
            kind = ""
        if kind or step.name is not None:
            name = self.new_name(step, kind, scope)
            if kind == "section":
                scope.inner[name] = Scope(scope.join(name), scope)
                scope.inner[name].incomplete = True

    def execute(self, step: Step, current: int, scope: Scope, names: Environment) -> int:
        if isinstance(step, OpStep):
            return self.op(step, current, scope, names)
        if isinstance(step, MergeStep):
            return self.merge(step, current, scope, names)
        if isinstance(step, SectionStep):
            return self.section(step, current, scope, names)
        if isinstance(step, RepeatStep):
            return self.repeat(step, current, scope, names)
        if isinstance(step, ForStep):
            return self.loop(step, current, scope, names)
        if isinstance(step, BlockStep):
            return self.block(step, current, scope, names)
        raise UnknownValueError

    def value(self, value: Value, current: int, names: Environment) -> object:
        """Evaluate with the axes of the input. Raises UnknownValueError if they are unknown."""
        if self.rejected and any(
            (name, id(names.get(name))) in self.rejected
            for expression in parse_expressions(value)
            for name in expressions.names(expression)
        ):
            raise UnknownValueError
        if current != UNKNOWN:
            incoming = self.nodes[current].output.as_dict()
            return evaluate(value, names, incoming, self.budget)
        if uses_axes(value):
            raise UnknownValueError
        return evaluate(value, names, None, self.budget)

    def condition(self, value: Value, current: int, names: Environment) -> bool:
        result = self.value(value, current, names)
        if not isinstance(result, bool):
            message = f"`when` must be true or false, got {format_value(result)}"
            raise EvaluationError(Diagnostic("ARC206", message, value.span))
        return result

    def op(self, step: OpStep, current: int, scope: Scope, names: Environment) -> int:
        op = self.literals.get(step)
        fields: Mapping[str, expressions.Expression] = NOTHING
        if op is None:
            op = typed_op(
                step,
                lambda value: self.value(value, current, names),
                lambda value: self.reject(value, names),
                self.report,
            )
            if any(parse_expressions(value) for value in step.fields.values()):
                fields = parse_fields(step.fields)
            else:
                self.literals[step] = op
        sources = (step.sources or ())[1 : op.most_inputs]
        others = (self.lookup(source, scope, names) for source in sources)
        return self.add(step, op, (current, *others), scope, fields)

    def reject(self, value: Value, names: Environment) -> tuple[Note, ...]:
        """Remember a name whose value is rejected. Returns notes on the spec's parameters that the
        expression uses."""
        params = self.document.params
        if expressions.is_expression(value.data):
            expression = expressions.parse(str(value.data))
            if isinstance(expression, expressions.Name):
                self.rejected.add((expression.name, id(names[expression.name])))
        used = dict.fromkeys(
            name
            for expression in parse_expressions(value)
            for name, _, _ in expressions.references(expression)
            if name in params and names[name] is self.params[name]
        )
        values = {name: format_value(self.params[name]) for name in used}
        return tuple(Note(f"`{name}` is {values[name]}", params[name].span) for name in used)

    def merge(self, step: MergeStep, current: int, scope: Scope, names: Environment) -> int:
        if not step.branches:
            inputs = tuple(self.lookup(source, scope, names) for source in step.sources or ())
            return self.add(step, step.op(), inputs, scope, NOTHING)
        run = [(len(scope.items), self.run(each, current, scope, names)) for each in step.branches]
        branches = Branches(current, tuple(start for start, _ in run))
        return self.add(step, step.op(), tuple(end for _, end in run), scope, NOTHING, branches)

    def add(
        self,
        step: OpStep | MergeStep,
        op: Op,
        inputs: tuple[int, ...],
        scope: Scope,
        fields: Mapping[str, expressions.Expression],
        branches: Branches | None = None,
    ) -> int:
        """Append a node. Reports an input that the op rejects."""
        name = self.new_name(step, op.name, scope)
        if UNKNOWN in inputs:
            return UNKNOWN
        axes = tuple(self.nodes[index].output for index in inputs)
        try:
            require_numbers(op, axes)
            output = op.infer(axes)
        except ShapeError as error:
            self.report(self.shape_diagnostic(step, error, inputs))
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
        )
        self.nodes.append(node)
        scope.items.append(node)
        scope.outputs[name] = node.index
        return node.index

    def shape_diagnostic(
        self, step: OpStep | MergeStep, error: ShapeError, inputs: tuple[int, ...]
    ) -> Diagnostic:
        span = step.span
        if isinstance(step, OpStep) and error.field is not None and error.field in step.fields:
            span = step.fields[error.field].span
        notes = tuple(
            Note(f"{node.output} from `{node.path}`", node.origin.span)
            for node in (self.nodes[index] for index in dict.fromkeys(inputs))
        )
        return Diagnostic(error.code, error.message, span, error.hint, notes)

    def origin(self, step: Step, scope: Scope) -> Origin:
        when = None
        if step.when is not None and expressions.is_expression(step.when.data):
            when = expressions.parse(str(step.when.data))
        return Origin(step.span, step.span.origin, scope.iteration, when)

    # Regions and repetitions

    def section(self, step: SectionStep, current: int, scope: Scope, names: Environment) -> int:
        name = self.new_name(step, "section", scope)
        inner = Scope(scope.join(name), scope)
        scope.inner[name] = inner
        output = self.run(step.body, current, inner, names)
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
        defaults: Mapping[str, object] = NOTHING,
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
                expressions=parse_fields(step.arguments)
                if isinstance(step, BlockStep)
                else NOTHING,
                defaults=defaults,
            )
        )
        return ends[1]

    def repeat(self, step: RepeatStep, current: int, scope: Scope, names: Environment) -> int:
        count = self.value(step.count, current, names)
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            message = f"`repeat` must be a whole number from 0, got {format_value(count)}"
            hint = whole_number_hint(count)
            raise EvaluationError(Diagnostic("ARC206", message, step.count.span, hint))
        return self.iterate(step, count, {}, current, scope, names)

    def loop(self, step: ForStep, current: int, scope: Scope, names: Environment) -> int:
        lists = loop_lists(step, lambda value: self.value(value, current, names))
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
        outer = scope.iteration
        for index in range(count):
            scope.iteration = (*outer, index)
            values = {name: items[index] for name, items in lists.items()}
            ends = {"index": index, "first": index == 0, "last": index == count - 1}
            current = self.run(step.body, current, scope, {**names, **ends, **values})
        scope.iteration = outer
        return current

    def block(self, step: BlockStep, current: int, scope: Scope, names: Environment) -> int:
        title = str(step.block.data)
        block = self.document.blocks[title]
        arguments = block_arguments(
            step,
            block,
            lambda value: self.value(value, current, names),
            lambda value, above: self.value(value, current, {**self.params, **above}),
            self.report,
        )
        if len(self.blocks) >= DEEPEST:
            chain = " -> ".join(self.blocks[-4:])
            self.error("ARC405", f"blocks nest deeper than {DEEPEST}: {chain}", step.span)
            raise _AbortError
        name = self.new_name(step, title, scope)
        inner = Scope(scope.join(name), None)
        self.blocks.append(title)
        output = self.run(block.body, current, inner, {**self.params, **arguments})
        self.blocks.pop()
        defaults = plain_defaults(block)
        return self.close(step, "block", name, inner, scope, (current, output), arguments, defaults)

    # Names

    def new_name(self, step: Step, kind: str, scope: Scope) -> str:
        """The step's name, added to the scope: its own, or a counted one."""
        if step.name is None:
            name = scope.next_name(kind)
            scope.add(name, step.span)
            return name
        own_name = str(step.name.data)
        name = scope.with_indices(own_name)
        if name in scope.outputs:
            note = Note("first defined here", scope.spans[name])
            message = f"duplicate step name `{scope.join(name)}`"
            if attribute_error(own_name) is None:
                hint = "choose another name"
                self.report(Diagnostic("ARC407", message, step.name.span, hint, (note,)))
        scope.add(name, step.name.span)
        scope.latest[own_name] = name
        return name

    def lookup(self, value: Value, scope: Scope, names: Environment, hint: str = NAME_HINT) -> int:
        """The node that a name refers to: in the scope, then in the enclosing ones."""
        try:
            path = str(evaluate(value, names, None, self.budget))
            output = scope.find(path)
        except EvaluationError as error:
            self.report(error.diagnostic)
            return UNKNOWN
        except UnknownValueError:
            return UNKNOWN
        if output is not None:
            return output
        if not scope.may_hold(path):
            hint = did_you_mean(path, scope.known()) or hint
            self.error("ARC407", f"unknown step `{path[:64]}`", value.span, hint)
        return UNKNOWN
