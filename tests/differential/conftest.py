"""Processes for many small networks, in place of those that other tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archc.verify import Workers
from tests.differential.runs import quick_workers


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with quick_workers() as running:
        yield running
