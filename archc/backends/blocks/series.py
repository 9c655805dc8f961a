"""Values that run along a row of calls, as one expression in the number of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archc.backends.blocks.symbols import concrete, same, value_of
from archc.codegen.rewrite import unify, walk
from archc.codegen.tree import Binary, Expr, Lit

FEWEST = 3
"""Calls in a row from which on they are written as one, and values that show how a row goes on."""
MOST_STEPS = 200
"""Of so many steps of a schedule (`0.2 * i / 17` has 17) the number is looked for."""


def run(trees: Sequence[Expr], start: int, index: Expr, first: int = 0) -> tuple[int, Expr] | None:
    """How many of some trees, from `start` on, one expression in `index` stands for, which counts
    from `first`; and that expression. None where they are fewer than three."""
    if len(trees) - start < FEWEST or any(node == index for node in walk(trees[start])):
        return None

    def resolve(literals: tuple[Lit, ...]) -> Expr | None:
        return series([literal.value for literal in literals], index, first)

    element = unify(trees[start : start + FEWEST], resolve)
    if element is None:
        return None
    count = FEWEST
    while start + count < len(trees):
        if concrete(element, {index: first + count}) != concrete(trees[start + count], {}):
            break
        count += 1
    return count, element


def series(values: Sequence[object], index: Expr, first: int = 0) -> Expr | None:
    """An expression in `index`, which counts from `first`, that comes to each of `values` exactly:
    whole numbers that grow alike, that are zero every other time, or rates of a linear schedule.
    None where there is no such expression."""
    if len(values) < FEWEST:
        return None
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        whole = [value for value in values if isinstance(value, int)]
        candidates = (_growing(whole, index, first), _every_other(whole, index, first))
    elif all(isinstance(value, float) for value in values):
        rates = [value for value in values if isinstance(value, float)]
        return _schedule(rates, index, first)
    else:
        return None
    return next((one for one in candidates if one and _comes_to(one, values, index, first)), None)


def _comes_to(expr: Expr, values: Sequence[object], index: Expr, first: int) -> bool:
    return same([value_of(expr, {index: first + k}) for k in range(len(values))], values)


def _growing(values: Sequence[int], index: Expr, first: int) -> Expr | None:
    """`start + step * index`."""
    step = values[1] - values[0]
    start = values[0] - step * first
    if step == 0:
        return None
    scaled = index if abs(step) == 1 else Binary("*", Lit(abs(step)), index)
    if start == 0 and step > 0:
        return scaled
    return Binary("+" if step > 0 else "-", Lit(start), scaled)


def _every_other(values: Sequence[int], index: Expr, first: int) -> Expr | None:
    """`value * (index % 2)`, or where the even ones have it, `value * (1 - index % 2)`."""
    a, b = values[:2]
    if (a == 0) == (b == 0):
        return None
    parity: Expr = Binary("%", index, Lit(2))
    if ((a == 0) + first) % 2 == 0:
        parity = Binary("-", Lit(1), parity)
    value = a or b
    return parity if value == 1 else Binary("*", Lit(value), parity)


def _schedule(values: Sequence[float], index: Expr, first: int) -> Expr | None:
    """`rate * (start + index) / steps`."""
    step = values[1] - values[0]
    if step <= 0 or values[0] < 0:
        return None
    before = round(values[0] / step)
    start = before - first
    counted = index
    if start:
        operands = (Lit(start), index) if start > 0 else (index, Lit(-start))
        counted = Binary("+" if start > 0 else "-", *operands)
    form = rate_and_steps(step, {value: before + k for k, value in enumerate(values)})
    if form is None:
        return None
    rate, steps = form
    scaled = Binary("*", Lit(rate), counted)
    return scaled if steps == 1 else Binary("/", scaled, Lit(steps))


def rate_and_steps(step: float, numbers: Mapping[float, int]) -> tuple[float, int] | None:
    """The `rate` and the `steps` of which `rate * number / steps` is each of some values exactly,
    which are about so many times `step`: one step if that will do, else a rate of as few digits as
    may be."""
    several = ((steps, digits) for digits in (1, 2, 3) for steps in range(2, MOST_STEPS + 1))
    for steps, digits in ((1, 3), *several):
        rate = float(f"{step * steps:.{digits}g}")
        if all(rate * number / steps == value for value, number in numbers.items()):
            return rate, steps
    return None
