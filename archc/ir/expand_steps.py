"""Expansion of steps: repetitions, conditions and blocks are executed. The axes of every node are
inferred at the same time, because conditions can use them (`in.channels`).

Codes: ARC206 a value of the wrong type, ARC402 a block with the wrong number of inputs, ARC405 too
many steps, ARC407 an unknown or duplicate name, ARC415 variables that a step cannot use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from archc.ir.binding import (
    block_arguments,
    count_of,
    loop_lists,
    plain_defaults,
    repeat_count,
    written_arguments,
)
from archc.ir.errors import wrong_inputs
from archc.ir.expand_nodes import NodeExpansion
from archc.ir.graph import NOTHING, Branches, Node, Region
from archc.ir.naming import add_name, block_outputs, find_owner
from archc.ir.scope import UNKNOWN, Scope
from archc.ir.sharing import SharedInstance, check_instance, entering_values, shared_instance
from archc.language import expressions
from archc.language.evaluate import Environment, EvaluationError, UnknownValueError, extended
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


class Expansion(NodeExpansion):
    """Expands the steps of one document and collects diagnostics."""

    def __init__(self, document: Document, params: Environment, most_steps: int) -> None:
        super().__init__(document, params, most_steps)
        self.defaults: dict[Block, Mapping[str, object]] = {}
        self.used_inputs: dict[str, set[str]] = {}  # of each block with an instance

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
            inputs: tuple[int, ...] = (current,)
            if not (isinstance(step, MergeStep) and not step.branches):
                inputs = self.inputs(step, current, scope, names)
                if not isinstance(step, BlockStep):
                    self.require_inputs(step, inputs)
                current = inputs[0]
            if step.when is not None and not self.evaluation.condition(
                step.when, self.axes(current), names
            ):
                if step.name is None:
                    scope.skip(kind_of(step))
                return current
            return self.execute(step, inputs, current, scope, names)
        except EvaluationError as error:
            self.report(error.diagnostic)
        except UnknownValueError:
            pass
        self.skip(step, scope)
        return UNKNOWN

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

    def execute(
        self,
        step: Step,
        inputs: tuple[int, ...],
        current: int,
        scope: Scope,
        names: Environment,
    ) -> int:
        if isinstance(step, OpStep):
            return self.op(step, inputs, scope, names)
        if isinstance(step, MergeStep):
            if step.branches:
                return self.merge(step, current, scope, names)
            return self.named_merge(step, current, scope, names)
        if isinstance(step, ActivationStep):
            return self.activation(step, current, scope, names)
        if isinstance(step, SectionStep):
            return self.section(step, current, scope, names)
        if isinstance(step, RepeatStep):
            return self.repeat(step, current, scope, names)
        if isinstance(step, ForStep):
            return self.loop(step, current, scope, names)
        if isinstance(step, BlockStep):
            return self.block(step, inputs, scope, names)
        raise UnknownValueError

    def merge(self, step: MergeStep, current: int, scope: Scope, names: Environment) -> int:
        self.limits.count_values(step, len(step.branches))
        run = [
            (len(scope.items), self.body(step, each, current, scope, names))
            for each in step.branches
        ]
        branches = Branches(current, tuple(start for start, _ in run))
        ends = tuple(end for _, end in run)
        return self.add(step, step.op(), ends, scope, names, NOTHING, current, branches)

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
        inputs: Mapping[str, int] = NOTHING,
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
            names_input=bool(inner.used_inputs),
            inputs=inputs,
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
        outer, turn, outer_count = scope.iteration, scope.last_turn, scope.count
        scope.count = count_of(step) if isinstance(step, RepeatStep) else None
        for index in range(count):
            scope.iteration = (*outer, index)
            if index == count - 1:
                self.last_turns += 1
                scope.last_turn = self.last_turns
            inner: dict[str, object] = {
                "index": index,
                "first": index == 0,
                "last": index == count - 1,
            }
            inner |= {name: items[index] for name, items in lists.items()}
            current = self.body(step, step.body, current, scope, extended(names, inner))
        scope.iteration, scope.last_turn, scope.count = outer, turn, outer_count
        return current

    def block(
        self, step: BlockStep, inputs: tuple[int, ...], scope: Scope, names: Environment
    ) -> int:
        title = str(step.block.data)
        block = self.document.blocks[title]
        self.limits.count_values(step, len(block.params))
        if len(inputs) != 1 + len(block.inputs):
            self.report(wrong_inputs(step, block, len(inputs)))
            raise UnknownValueError
        current, *others = inputs
        further = {str(one.data): index for one, index in zip(block.inputs, others, strict=True)}
        x, entry = self.axes(current), {expressions.INPUT: self.entry(current)}
        entry |= {name: self.entry(index) for name, index in further.items()}
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
            if scope.sharing is None:  # else it is what the instance around shares
                values = entering_values(step, region, inputs)
                sharing = shared_instance(region, step.weights.span, values)
        frozen = self.is_frozen(step, x, names)
        self.limits.enter_block(step)
        name = add_name(step, title, scope, self.text(current, names), self.report)
        inner = Scope(scope.join(name), None)
        inner.trainable = scope.trainable and not frozen
        inner.last_turn = scope.last_turn
        inner.gives_outputs = scope.gives_outputs or bool(block.outputs)
        inner.sharing = sharing or self.sharing_inside(step, name, scope)
        inner.enter(expressions.INPUT, step.span, current)
        for value, index in zip(block.inputs, others, strict=True):
            inner.enter(str(value.data), value.span, index)
        names_inside = extended(self.params, {**entry, **arguments})
        output = self.body(step, block.body, current, inner, names_inside)
        self.limits.leave_block()
        text = self.text(current, names_inside)
        outputs = block_outputs(block.outputs or (), inner, text, self.report)
        scope.inner[name] = inner.exposing(
            outputs, title, incomplete=inner.incomplete or block.outputs is None
        )
        self.used_inputs.setdefault(title, set()).update(inner.used_inputs)
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
            further,
            frozen=frozen,
        )


def _uses_others(scope: Scope) -> bool:
    """Whether anything in a scope uses another step's variables; an instance of a block without
    any, which may take inputs of another width, shares nothing."""
    return any(
        item.weights >= 0 if isinstance(item, Node) else bool(item.weights) for item in scope.items
    )
