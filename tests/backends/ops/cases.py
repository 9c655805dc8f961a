"""The table of cases: ops with fields, on inputs.

A file of `cases/` has named `axes`, and under `ops` for each op a list of entries:

inputs    what the op takes: a name of axes, axes themselves, or a list of several inputs
rows      fields of one case each
each      values of fields, of which every combination is a case that the op's shape rule takes
fields    what all cases of the entry have
after     ops without fields that come before
refused   backends that refuse the entry, with a part of the reason

A new op needs one entry here, and its meaning in `reference/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from archc.api import Network
from archc.diagnostics import SourceText
from archc.ops import MERGES, OPS
from archc.ops.axes import Axes, axes_of
from archc.ops.base import ShapeError
from archc.ops.fields import fields_of
from archc.spec import read_source

CASES = Path(__file__).parent / "cases"

Fields = dict[str, Any]


class Case(NamedTuple):
    """An op with fields, as a spec gives them."""

    op: str
    fields: Fields
    after: tuple[str, ...]

    def __str__(self) -> str:
        before = "".join(f"{op}, " for op in self.after)
        return f"{before}{self.op} {json.dumps(self.fields)}"


class Batch(NamedTuple):
    """Cases on the same inputs, which one network computes: each is an output of it."""

    inputs: tuple[Axes, ...]
    cases: tuple[Case, ...]
    refused: Mapping[str, str]

    def __str__(self) -> str:
        return " and ".join(map(str, self.inputs))

    def network(self) -> Network:
        """The network that computes the cases. Raises SpecError."""
        layers: list[dict[str, Any]] = []
        for number, case in enumerate(self.cases):
            ends = []
            for index in range(len(self.inputs)):
                end = f"input_{index}"
                for position, op in enumerate(case.after):
                    layers.append(
                        {op: {}, "from": end, "name": f"case_{number}_{index}_{position}"}
                    )
                    end = layers[-1]["name"]
                ends.append(end)
            source: Any = ends if len(ends) > 1 else ends[0]
            fields = None if case.op in MERGES else case.fields
            layers.append({case.op: fields, "from": source, "name": f"case_{number}"})
        return network(
            {
                "inputs": {f"input_{n}": _sizes(axes) for n, axes in enumerate(self.inputs)},
                "layers": layers,
                "outputs": [f"case_{number}" for number in range(len(self.cases))],
            }
        )


def network(body: Mapping[str, Any]) -> Network:
    """The network of a spec without its name, read from text. Raises SpecError."""
    text = json.dumps({"archc": 1, "name": "network", **body})
    spec = read_source(SourceText("network.yaml", text), "/", "/network.yaml")
    return Network(spec, spec.checked())


@cache
def batches() -> Mapping[str, tuple[Batch, ...]]:
    """The batches of each op."""
    by_op: dict[str, tuple[Batch, ...]] = {}
    for path in sorted(CASES.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        for op, entries in table["ops"].items():
            own = (batch for entry in entries for batch in _of_entry(op, table["axes"], entry))
            by_op[op] = (*by_op.get(op, ()), *own)
    return by_op


def _of_entry(op: str, axes: Mapping[str, Fields], entry: Fields) -> Iterator[Batch]:
    """The batches of an entry, one for each of its inputs."""
    assert entry.keys() <= {"inputs", "rows", "each", "fields", "after", "refused"}, entry
    after = tuple(entry.get("after", ()))
    common = entry.get("fields", {})
    for one in entry["inputs"]:
        several = one if isinstance(one, list) else [one]
        inputs = tuple(_axes(axes[name] if isinstance(name, str) else name) for name in several)
        rows = [{**common, **row} for row in entry.get("rows", [] if "each" in entry else [{}])]
        values = entry.get("each", {})
        combined = [
            {**common, **dict(zip(values, chosen, strict=True))}
            for chosen in product(*values.values())
        ]
        rows += [row for row in combined if values and _fits(op, row, after, inputs)]
        assert rows, f"{op} takes no {' and '.join(map(str, inputs))}"
        cases = tuple(Case(op, row, after) for row in rows)
        yield Batch(inputs, cases, entry.get("refused", {}))


def _axes(fields: Fields) -> Axes:
    sizes = {name: size for name, size in fields.items() if name != "dtype"}
    axes = axes_of(sizes, fields.get("dtype", "float32"))
    assert axes is not None, fields
    return axes


def _sizes(axes: Axes) -> Fields:
    return axes.as_dict() | ({} if axes.dtype == "float32" else {"dtype": axes.dtype})


def _fits(op: str, fields: Fields, after: tuple[str, ...], inputs: tuple[Axes, ...]) -> bool:
    """Whether the shape rule of an op takes the inputs."""
    for name in after:
        inputs = tuple(OPS[name]().infer((x,)) for x in inputs)
    kinds = {field.name: field.kind for field in fields_of(OPS[op])}
    typed = {name: kinds[name].convert(value) for name, value in fields.items()}
    try:
        OPS[op](**typed).infer(inputs)
    except ShapeError:
        return False
    return True
