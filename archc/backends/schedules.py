"""Rates of a linear schedule as what they come from: `0.2 * 3 / 11` in place of all its digits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from archc.backends.blocks.series import rate_and_steps
from archc.codegen.rewrite import rewritten, transform, walk_statements
from archc.codegen.tree import Binary, Call, Expr, Keyword, Lit, Statement

LONGEST_RATE = 12
"""Characters of a number that a person would still write down."""


def with_schedules(statements: Sequence[Statement]) -> list[Statement]:
    """Statements of a module with the long rates that their calls take by one keyword as products,
    where one schedule has all of them."""
    rates: dict[str, set[float]] = {}
    for expr in walk_statements(statements):
        if isinstance(expr, Call):
            for word in expr.keywords:
                if isinstance(word.value, Lit) and isinstance(word.value.value, float):
                    rates.setdefault(word.name, set()).add(word.value.value)
    known = {name: schedule(values) for name, values in rates.items()}
    if not any(known.values()):
        return [*statements]

    def said(expr: Expr) -> Expr:
        if not isinstance(expr, Call):
            return expr
        return Call(
            expr.function, expr.arguments, tuple(_said(one, known) for one in expr.keywords)
        )

    return [rewritten(one, lambda expr: transform(expr, said)) for one in statements]


def _said(word: Keyword, known: Mapping[str, Mapping[float, Expr]]) -> Keyword:
    value = word.value.value if isinstance(word.value, Lit) else None
    if not isinstance(value, float) or value not in known.get(word.name, {}):
        return word
    return Keyword(word.name, known[word.name][value], word.default)


def schedule(values: Iterable[float]) -> dict[float, Expr]:
    """`rate * number / steps` for each of some values that is long; nothing where that is not all
    of them exactly."""
    ordered = sorted({value for value in values if value > 0})
    long = [value for value in ordered if len(repr(value)) > LONGEST_RATE]
    if not long:
        return {}
    step = min([ordered[0], *(b - a for a, b in pairwise(ordered))])
    numbers = {value: round(value / step) for value in long}
    form = rate_and_steps(step, numbers)
    if form is None:
        return {}
    return {value: _product(*form, number) for value, number in numbers.items()}


def _product(rate: float, steps: int, number: int) -> Expr:
    product: Expr = Lit(rate) if number == 1 else Binary("*", Lit(rate), Lit(number))
    return product if steps == 1 else Binary("/", product, Lit(steps))
