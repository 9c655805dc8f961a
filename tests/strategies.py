"""Recursive strategies of Hypothesis that stay small."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

Level = Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]]


def one_level(extend: Level) -> Level:
    """What extends a recursive strategy by one level, for `st.recursive`.

    Where a test fails, Hypothesis writes out the strategies it has drawn from. One that names the
    level below it ten times is written out ten times at each level: at the fifth one that was 21
    GB. Drawn from inside a composite strategy, the level below is named once.
    """
    extended = cache(extend)

    @st.composite
    def level(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
        return draw(extended(inner))

    return level
