"""Whether a document conforms is decided as two validators of JSON Schema decide it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
import yaml

from archc.diagnostics import SourceText, Span, SpecError
from archc.language.reader import parse
from archc.language.schema import text
from archc.language.schema.conformance import Conformance
from archc.language.values import Value

TESTS = Path(__file__).parents[1]
SPECS = sorted((TESTS.parent / "specs").glob("*.yaml"))
BROKEN = sorted(path for path in TESTS.rglob("*.yaml") if path.parent.name != "node_modules")
SCHEMA = json.loads(text())
SPAN = Span(SourceText("spec.yaml", ""), 1, 1, 1, 1)
CONFORMS = Conformance(SCHEMA)
LIBRARY = jsonschema.Draft7Validator(SCHEMA)
COMPILED = jsonschema_rs.Draft7Validator(SCHEMA)
STEPS = SCHEMA["definitions"]["step"]["else"]["properties"]
KEYS = ("archc", "name", "layers", "conv", "surprise", "from", "expect", "with", "class")
ODD: list[object] = [None, True, 0, -1, 1, 1.0, 1.5, 2**52, "", "x", "same", "$x", "$(1)", "x\n"]
ODD += [[], [1], ["$x", 2.0], [[1, 2], [3, 4]], [0, 1, 2, 3, 4, 5], {}, {"x": 1}, {"slope": 0.5}]
"""Values for every field, each wrong or right for one of them or another."""


def value_of(data: Any) -> Value:
    if isinstance(data, dict):
        data = {key: value_of(item) for key, item in data.items()}
    elif isinstance(data, list):
        data = [value_of(item) for item in data]
    return Value(data, SPAN)


def conforms(document: object) -> bool:
    return CONFORMS(value_of(document))


def spec(step: object) -> dict[str, object]:
    axes = {"channels": 3, "height": 8, "width": 8}
    return {"archc": 1, "name": "net", "input": axes, "layers": [step]}


def fields_of(name: str) -> dict[str, Any]:
    step = STEPS[name]
    fields: dict[str, Any] = step.get("then", step).get("properties", {})
    return fields


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_field_takes_the_same_values(name: str) -> None:
    values = [*ODD, *({field: odd} for field in fields_of(name) for odd in ODD)]
    for number, value in enumerate(values):
        document = spec({name: value})
        found = conforms(document)
        assert found == COMPILED.is_valid(document), value
        if number % 10 == 0:
            assert found == LIBRARY.is_valid(document), value


def replaced(document: Any, key: str | int, odd: object) -> Iterator[Any]:
    """Documents with an odd value at a key of any of their mappings and lists."""
    stack: list[list[str | int]] = [[]]
    while stack:
        path = stack.pop()
        part = document
        for step in path:
            part = part[step]
        if isinstance(part, dict | list):
            keys = list(part) if isinstance(part, dict) else list(range(min(len(part), 3)))
            stack += [[*path, one] for one in keys]
            changed = deepcopy(document)
            inner = changed
            for step in path:
                inner = inner[step]
            if isinstance(inner, dict):
                inner[str(key)] = odd
                yield changed
            elif inner:
                inner[0] = odd
                yield changed


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "gpt2", "mobilenet_v3_large", "swin_t"])
def test_damaged_specs_are_decided_alike(name: str) -> None:
    document = yaml.safe_load((TESTS.parent / "specs" / f"{name}.yaml").read_text("utf-8"))
    for number, key in enumerate(KEYS):
        for changed in replaced(document, key, ODD[(3 * number + 1) % len(ODD)]):
            assert conforms(changed) == COMPILED.is_valid(changed), changed


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_conform(path: Path) -> None:
    assert CONFORMS(parse(SourceText(str(path), path.read_text("utf-8"))))


def test_files_of_errors_are_decided_alike() -> None:
    decided = {True: 0, False: 0}
    for path in BROKEN:
        try:
            value = parse(SourceText(str(path), path.read_bytes().decode("utf-8")))
        except (SpecError, UnicodeDecodeError):
            continue  # no document
        found = CONFORMS(value)
        assert found == COMPILED.is_valid(value.plain()), path
        decided[found] += 1
    assert decided[False] > 10
