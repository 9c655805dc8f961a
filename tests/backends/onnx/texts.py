"""Networks of specs that a test has as text."""

from __future__ import annotations

from archc.api import Network
from tests.differential.accepting import read


def network_of(text: str) -> Network:
    """The network of a spec."""
    return Network(*read(text))
