"""`python -m archc.language.schema` rewrites the shipped schema from the op definitions."""

from __future__ import annotations

from archc.language.schema import PATH
from archc.language.schema.derive import serialized

if __name__ == "__main__":
    schema = serialized()
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(schema)
