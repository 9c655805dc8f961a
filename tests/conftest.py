"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archc.verify import Workers


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """The processes that run emitted networks, started when they are first used."""
    with Workers() as running:
        yield running
