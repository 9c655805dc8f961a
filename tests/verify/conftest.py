"""One process of each framework for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archc.verify import Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers() as running:
        yield running
