"""The processes that run the cases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archc.verify import Workers


@pytest.fixture(scope="package")
def workers() -> Iterator[Workers]:
    """One a framework, for all cases. Threads cost these small arrays more than they save."""
    with Workers({"OMP_NUM_THREADS": "1"}) as running:
        yield running
