"""The JSON Schema of the spec language, as `derive` builds it from the op definitions: the shipped
one, or with the ops of packages a new one."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

from archc.plugins import plugins

PATH = os.path.join(os.path.dirname(__file__), "archc-1.json")


def text() -> str:
    """The schema as JSON text."""
    if plugins("archc.ops"):
        from archc.language.schema.derive import serialized

        return serialized()
    with open(PATH, encoding="utf-8") as file:
        return file.read()


@cache
def schema() -> Any:
    """The schema, parsed."""
    return json.loads(text())
