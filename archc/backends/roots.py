"""Constant factors that are roots as a person writes them: `512**0.5`, not its digits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archc.codegen.rewrite import rewritten, transform
from archc.codegen.tree import Binary, Expr, Lit, Statement

LARGEST_RADICAND = 1 << 20
"""Up to it, a root is taken for one: the floats between two roots of whole numbers are many."""


def with_roots(statements: Sequence[Statement]) -> list[Statement]:
    """Statements of a module with those factors of scales as roots that are, to the last bit, one
    of a whole number."""
    return [rewritten(one, lambda expr: transform(expr, _said)) for one in statements]


def _said(expr: Expr) -> Expr:
    if not isinstance(expr, Lit) or expr.field != "initial":
        return expr
    value = expr.value
    if not isinstance(value, float) or not 1 < value < math.sqrt(LARGEST_RADICAND):
        return expr
    radicand = round(value * value)
    is_root = not value.is_integer() and math.sqrt(radicand) == radicand**0.5 == value
    return Binary("**", Lit(radicand), Lit(0.5)) if is_root else expr
