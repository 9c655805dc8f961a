"""`python -m archc.language.schema` regenerates the shipped schema from the op definitions."""

from __future__ import annotations

import json

from archc.language.schema import PATH
from archc.language.schema.derive import derive


def serialize() -> str:
    """The schema as it is shipped."""
    return json.dumps(derive(), indent=1) + "\n"


if __name__ == "__main__":
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(serialize())
