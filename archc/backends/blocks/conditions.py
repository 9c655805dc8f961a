"""The condition that holds in the instances that have a step and in none that lack it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.symbols import concrete, is_number
from archc.backends.blocks.trees import WidthOf, translations
from archc.codegen.tree import Binary, Expr, Lit, Unary
from archc.ir.graph import Node
from archc.language import expressions as spec


def condition_for(
    context: UnifyContext,
    when: spec.Expression | None,
    source: int,
    present: Sequence[int],
    lacking: Sequence[int],
    width: WidthOf,
    node: Node | None = None,
) -> Expr:
    """A condition that holds in each instance of `present` and in none of `lacking`: what the spec
    itself says where `source` comes in, or else the plainest over the parameters.

    Raises MismatchError where there is none."""
    tests = [] if when is None else [when]
    if node is not None:
        tests += [test for one in node.expressions.values() for test in _tests(one)]
    own = [one for test in tests for one in translations(context, test, source, width)]
    negated: list[Expr] = [Unary("not", condition) for condition in own] if node else []
    for condition in [*own, *negated, *_plain(context, present, lacking)]:
        if all(
            concrete(condition, context.values(index)) == Lit(index in present)
            for index in (*present, *lacking)
        ):
            return condition
    raise MismatchError


def _tests(written: spec.Expression) -> Iterator[spec.Expression]:
    """The conditions in a conditional expression."""
    while isinstance(written, spec.Conditional):
        yield written.condition
        written = written.otherwise


def _distinguishes(value: object) -> TypeGuard[int | str]:
    """Whether a value may distinguish instances: a word, or a number that leaves a step out; they
    may have other numbers by chance."""
    return isinstance(value, str) or (is_number(value) and value in (0, 1))


def _plain(context: UnifyContext, present: Sequence[int], lacking: Sequence[int]) -> Iterator[Expr]:
    """Flags, then comparisons of a parameter with one value, then of two parameters."""
    for symbol, column in context.columns.items():
        if all(isinstance(value, bool) for value in column):
            yield symbol
            yield Unary("not", symbol)
    numbers: list[Expr] = []
    for symbol, column in context.columns.items():
        here, there = ({column[index] for index in group} for group in (present, lacking))
        if all(map(is_number, column)):
            numbers.append(symbol)
        for operator, values in (("==", here), ("!=", there)):
            value = next(iter(values))
            if len(values) == 1 and _distinguishes(value):
                yield Binary(operator, symbol, Lit(value))
    for position, symbol in enumerate(numbers):
        for other in numbers[position + 1 :]:
            yield Binary("!=", symbol, other)
            yield Binary("==", symbol, other)
