"""The condition that holds in the instances that have a step and in none that lack it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeGuard

from archc.backends.base import LoweredLayer
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.symbols import concrete, folded, is_number, same
from archc.backends.blocks.trees import WidthOf, translations
from archc.codegen.rewrite import transform
from archc.codegen.tree import Binary, Conditional, Expr, Lit, Unary
from archc.ir.graph import Node
from archc.language import expressions as spec


def condition_for(
    context: UnifyContext,
    when: spec.Expression | None,
    source: int,
    present: Sequence[int],
    lacking: Sequence[int],
    width: WidthOf,
) -> Expr:
    """A condition that holds in each instance of `present` and in none of `lacking`: what the spec
    itself says where `source` comes in, or else the plainest over the parameters.

    Raises MismatchError where there is none."""
    tests = [] if when is None else [when]
    own = [one for test in tests for one in translations(context, test, source, width)]
    for condition in [*own, *_plain(context, present, lacking)]:
        if _distinguishes_all(context, condition, present, lacking):
            return condition
    raise MismatchError


def condition_of_structure(
    context: UnifyContext,
    condition: Expr,
    node: Node,
    present: Sequence[int],
    lacking: Sequence[int],
    width: WidthOf,
) -> Expr:
    """The condition of a structure, over the fields of an op: as the spec says it, where that
    implies it, or else as it is.

    Raises MismatchError where it does not hold in each instance of `present` and in none of
    `lacking`."""
    tests = [test for one in node.expressions.values() for test in _tests(one)]
    own = [one for test in tests for one in translations(context, test, node.inputs[0], width)]
    negated: list[Expr] = [Unary("not", one) for one in own]
    implying = [one for one in [*own, *negated] if _implies(one, condition)]
    for candidate in [*implying, tidied(condition)]:
        if _distinguishes_all(context, candidate, present, lacking):
            return candidate
    raise MismatchError


def condition_of_layer(
    context: UnifyContext, condition: Expr | None, present: Sequence[int]
) -> Expr | None:
    """The condition of a layer that does nothing where it does not hold: None where it holds in all
    instances, which need not ask."""
    if condition is None or same(context.evaluate(condition, present), [True] * len(present)):
        return None
    return tidied(condition)


def tidied(condition: Expr) -> Expr:
    """A comparison as it is read: the constant last, and of a part of a size, which is never
    negative, the size itself."""
    match condition:
        case Binary("==" | "!=" as operator, Lit() as left, right) if not isinstance(right, Lit):
            return Binary(operator, right, left)
        case Binary("!=", Binary("//", whole, Lit(value=int(part))), Lit(0)) if part > 0:
            return Binary(">=", whole, Lit(part))
    return condition


def written(layers: Sequence[LoweredLayer]) -> tuple[LoweredLayer, ...]:
    """The layers of one instance's op, less those whose condition does not hold."""
    return tuple(
        layer
        for layer in layers
        if layer.condition is None or concrete(layer.condition, {}) != Lit(False)
    )


def assumed(expr: Expr, condition: Expr, *, holds: bool) -> Expr:
    """An expression where a condition is known to hold, or not to."""

    def known(node: Expr) -> Expr:
        if isinstance(node, Conditional) and node.condition == condition:
            return node.then if holds else node.otherwise
        return folded(node) if isinstance(node, Binary) else node

    return transform(expr, known)


def _implies(condition: Expr, other: Expr) -> bool:
    """Whether `other` is known to hold wherever `condition` does."""
    if isinstance(condition, Unary) and condition.operator == "not":
        return assumed(other, condition.operand, holds=False) == Lit(True)
    return assumed(other, condition, holds=True) == Lit(True)


def _distinguishes_all(
    context: UnifyContext, condition: Expr, present: Sequence[int], lacking: Sequence[int]
) -> bool:
    return all(
        concrete(condition, context.values(index)) == Lit(index in present)
        for index in (*present, *lacking)
    )


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
