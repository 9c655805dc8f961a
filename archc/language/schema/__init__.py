"""The shipped JSON Schema of the spec language, as `derive` builds it from the op definitions."""

from __future__ import annotations

import os

PATH = os.path.join(os.path.dirname(__file__), "archc-1.json")


def text() -> str:
    """The schema as it is shipped, JSON text."""
    with open(PATH, encoding="utf-8") as file:
        return file.read()
