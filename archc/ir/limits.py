"""How much a spec may expand to: its steps, what they hold, and how deep they nest.

A lower bound of a repetition or block needs no expansion, so that nearly every spec that is too
large is rejected before any of it is expanded.

Code: ARC405.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archc.diagnostics import Diagnostic
from archc.language.syntax import (
    Block,
    BlockStep,
    ForStep,
    MergeStep,
    RepeatStep,
    SectionStep,
    Step,
)

MOST_STEPS = 100_000
MOST_VALUES = 500_000
"""Inputs of merges and parameters of block instances, altogether."""
DEEPEST = 64
"""Blocks in blocks."""
DEEPEST_STEPS = 128
"""Sections, repetitions, branches and blocks in each other."""


class LimitError(Exception):
    """A spec expands to too much."""

    def __init__(self, message: str, step: Step, hint: str | None = None) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic("ARC405", message, step.span, hint)


class Limits:
    """What has been expanded of a document so far. Methods raise LimitError (ARC405)."""

    def __init__(self, blocks: Mapping[str, Block], most_steps: int) -> None:
        self.most_steps = most_steps
        self.steps = 0
        self.values = 0
        self.depth = 0
        self.blocks: list[str] = []
        self._definitions = blocks
        self._least: dict[str | Step, int] = {}

    def count_step(self, step: Step) -> None:
        """Count a step that is executed."""
        self.steps += 1
        self._check_steps(step, 0)

    def expect(self, step: Step, body: Iterable[Step], times: int) -> None:
        """Check that a body can be executed so often."""
        body = tuple(body)
        for title in _blocks_in(body):
            self._find_least(title)
        self._check_steps(step, times * self._of_all(body))

    def count_values(self, step: Step, number: int) -> None:
        """Count the inputs of a merge, or the parameters of an instance."""
        self.values += number
        if self.values > MOST_VALUES:
            message = f"the spec expands to more than {MOST_VALUES:,} inputs and parameters"
            raise LimitError(message, step, "repeat fewer times")

    def enter(self, step: Step) -> None:
        """Enter the body of a step; `leave` leaves it."""
        self.depth += 1
        if self.depth > DEEPEST_STEPS:
            raise LimitError(f"steps nest deeper than {DEEPEST_STEPS}", step)

    def leave(self) -> None:
        """Leave the body of a step."""
        self.depth -= 1

    def enter_block(self, step: BlockStep) -> None:
        """Enter an instance of a block; `leave_block` leaves it."""
        title = str(step.block.data)
        if len(self.blocks) >= DEEPEST:
            chain = " -> ".join(self.blocks[-4:])
            raise LimitError(f"blocks nest deeper than {DEEPEST}: {chain}", step)
        self._find_least(title)
        self._check_steps(step, self._least[title])
        self.blocks.append(title)

    def leave_block(self) -> None:
        """Leave an instance of a block."""
        self.blocks.pop()

    def _check_steps(self, step: Step, more: int) -> None:
        if self.steps + more > self.most_steps:
            message = f"the spec expands to more than {self.most_steps:,} steps"
            raise LimitError(message, step, "repeat fewer times")

    def _find_least(self, title: str) -> None:
        """The least number of steps of a block and of all that it contains."""
        waiting = [title]
        while waiting:
            top = waiting[-1]
            body = self._definitions[top].body
            inner = [] if top in self._least else [*_blocks_in(body)]
            unknown = [other for other in inner if other not in self._least]
            if unknown:
                waiting += unknown
                continue
            waiting.pop()
            if top not in self._least:
                self._least[top] = self._of_all(body)

    def _of_all(self, steps: Iterable[Step]) -> int:
        # The numbers of nested blocks double and double.
        return min(sum(map(self._of, steps)), self.most_steps + 1)

    def _of(self, step: Step) -> int:
        if step not in self._least:
            self._least[step] = 1 + (0 if step.when is not None else self._inside(step))
        return self._least[step]

    def _inside(self, step: Step) -> int:
        if isinstance(step, SectionStep):
            return self._of_all(step.body)
        if isinstance(step, MergeStep):
            return sum(map(self._of_all, step.branches))
        if isinstance(step, RepeatStep) and isinstance(step.count.data, int):
            return max(step.count.data, 0) * self._of_all(step.body)
        if isinstance(step, ForStep):
            lists = [each.data for each in step.lists.values() if isinstance(each.data, list)]
            return min(map(len, lists), default=0) * self._of_all(step.body)
        if isinstance(step, BlockStep):
            return self._least.get(str(step.block.data), 0)
        return 0


def _blocks_in(steps: Iterable[Step]) -> Iterable[str]:
    """The blocks that steps are sure to instantiate."""
    for step in steps:
        if step.when is not None:
            continue
        if isinstance(step, BlockStep):
            yield str(step.block.data)
        elif isinstance(step, SectionStep | RepeatStep | ForStep):
            yield from _blocks_in(step.body)
        elif isinstance(step, MergeStep):
            for branch in step.branches:
                yield from _blocks_in(branch)
