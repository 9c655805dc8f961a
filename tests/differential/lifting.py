"""Values in steps, put in other words: as parameters of a block, lists of a loop, parameters of the
spec, or expressions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

from archc.ops import MERGES, OPS
from archc.ops.axes import vector
from archc.ops.fields import Schema, fields_of
from tests.differential.sampling import alternatives, value

FLAG: Schema = {"type": "boolean"}
DRAWN = ("boolean", "integer", "number")
"""Types of which any value may stand for another; of strings, those that are words of a choice."""
Step = dict[str, Any]


class Site(NamedTuple):
    """Where a value stands: an entry of a mapping or list, called after its field."""

    holder: Any
    key: Any
    schema: Schema
    field: str

    @property
    def value(self) -> Any:
        return self.holder[self.key]


class Parameter(NamedTuple):
    """A value that was taken out of steps, and what else could stand in its place."""

    value: Any
    schema: Schema

    def redrawn(self, random: Random) -> Any:
        """Another value of the kind; a list keeps its length, and no mapping is a parameter."""
        if isinstance(self.value, list):
            items = _matching(self.schema, self.value)["items"]
            return [Parameter(item, _matching(items, item)).redrawn(random) for item in self.value]
        plain = [one for one in alternatives(self.schema) if one["type"] in DRAWN or "enum" in one]
        return value(random, {"anyOf": plain}, vector(1)) if plain else self.value


def walk(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, and those inside them."""
    for step in steps:
        yield step
        yield from walk(step.get("layers", ()))
        for branch in branches(step):
            yield from walk(branch)


def branches(step: Step) -> list[list[Step]]:
    """The branches of a merge; none of another step."""
    return next((step[name] for name in MERGES if step.get(name)), [])


def op_of(step: Step) -> str | None:
    """The op of one input that a step is."""
    return next((name for name in step if name in OPS and name not in MERGES), None)


def sites(steps: Iterable[Step], blocks: Mapping[str, Mapping[str, Parameter]]) -> Iterator[Site]:
    """Where values of fields and of blocks' parameters stand in steps, outer ones first."""
    for step in walk(steps):
        name = op_of(step)
        if name is not None:
            for field in fields_of(OPS[name]):
                if field.name in step[name]:
                    yield from _inside(Site(step[name], field.name, field.kind.schema, field.name))
        for param in step.get("with", ()):
            schema = blocks[step["block"]][param].schema
            yield from _inside(Site(step["with"], param, schema, param))


def _inside(site: Site) -> Iterator[Site]:
    data = site.value
    if isinstance(data, str) and data.startswith("$"):
        return
    schema = _matching(site.schema, data)
    if isinstance(data, dict):
        for key in data:
            yield from _inside(Site(data, key, schema["properties"][key], key))
        return
    if '"$' not in json.dumps(data):  # else what is written there has names of its own scope
        yield site
    if isinstance(data, list):
        for index in range(len(data)):
            yield from _inside(Site(data, index, schema["items"], site.field))


def _matching(schema: Schema, data: Any) -> Schema:
    """The alternative of a schema that accepts a value."""
    kinds = {bool: "boolean", str: "string", list: "array", dict: "object"}
    wanted = (kinds[type(data)],) if type(data) in kinds else ("integer", "number")
    fitting = [one for one in alternatives(schema) if one["type"] in wanted]
    if isinstance(data, dict):
        fitting = [one for one in fitting if data.keys() <= one["properties"].keys()]
    return fitting[0]


def lift(
    random: Random, found: Iterable[Site], share: float, taken: Iterable[str] = ()
) -> dict[str, Parameter]:
    """Put names in place of some values, none of them `taken`; a value that several sites have may
    get one name."""
    lifted: dict[str, Parameter] = {}
    names = set(taken)
    gone: set[int] = set()
    for site in list(found):
        if id(site.holder) in gone or random.random() >= share:
            continue
        equal = [
            name
            for name, one in lifted.items()
            if _same(one.value, site.value) and one.schema == site.schema
        ]
        if equal and random.random() < 0.6:
            name = random.choice(equal)
        else:
            name = _free(site.field, names)
            names.add(name)
            lifted[name] = Parameter(deepcopy(site.value), site.schema)
        if isinstance(site.value, list):  # what stood in it is out of the steps with it
            gone |= {id(site.value), *(id(item) for item in site.value)}
        site.holder[site.key] = f"${name}" if random.random() < 0.8 else f"$({name})"
    return lifted


def _same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def _free(field: str, names: set[str]) -> str:
    """A name for a parameter; some fields are called as what emitted code calls its own."""
    number, name = 1, "size_out" if field in ("input", "output", "slice") else field
    while name in names:
        number += 1
        name = f"{field}_{number}"
    return name


def express(random: Random, found: Iterable[Site], share: float) -> None:
    """Put expressions of the same value in place of some values."""
    for site in list(found):
        if random.random() < share and not isinstance(site.value, list):
            site.holder[site.key] = f"$({random.choice(_expressions(site.value))})"


def _expressions(data: Any) -> list[str]:
    if isinstance(data, bool):
        word = str(data).lower()
        return [word, f"not {str(not data).lower()}", "1 < 2" if data else "2 < 1 or false"]
    if isinstance(data, str):
        word = json.dumps(data)
        return [word, f"{word} if 1 <= 2 else 'none'", f"['none', {word}][1]"]
    if isinstance(data, float):
        return [f"{data} + 0", f"max({data}, {data} - 1)", f"{data} if true else 0"]
    return [
        f"{data + 2} - 2", f"{2 * data + 1} // 2", f"min({data}, {data + 3})", f"[7, {data}][1]",
        f"len(range({data}))", f"round_to({data}, 1)", f"{data} if 2 > 1 else 1",
        f"ceil({data} / 1)", f"{data + 5} % {data + 6} - 5",
    ]  # fmt: skip


def shorten(random: Random, steps: list[Any]) -> None:
    """Write ops with their main field alone as `dense: 10`, those without fields as `relu`."""
    for index, step in enumerate(steps):
        for inner in [step.get("layers", []), *branches(step)]:
            shorten(random, inner)
        name = op_of(step)
        if name is None or random.random() < 0.4:
            continue
        if step[name].keys() == {OPS[name].shorthand}:
            (step[name],) = step[name].values()
        elif step == {name: {}}:
            steps[index] = name
