"""Random specs by their seeds, verified one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from random import Random
from typing import Any, NamedTuple

from archc.infer import Costs
from archc.ops.base import Op
from archc.ops.fields import fields_of
from archc.verify import Settings, Verification, Workers, verify
from tests.differential.generator import read, spec_text

BATCH = 4
"""Samples: of two alone, normalisation of a vector over the batch keeps nothing but a sign."""


class Run(NamedTuple):
    """One random spec, and what verification says of it."""

    seed: int
    text: str
    costs: Costs
    found: Verification

    @property
    def told(self) -> str:
        """What diverges, for a failing test."""
        faults = "; ".join(f"{one.backend} {one.path}: {one.message}" for one in self.found.faults)
        return f"seed {self.seed}: {self.found.first} {faults}\n{self.text}"


def run(seed: int, workers: Workers) -> Run:
    """Verify the spec of a seed."""
    text = spec_text(Random(seed))
    spec, costs = read(text)
    return Run(
        seed, text, costs, verify(spec, costs, Settings(seed=seed, batch=BATCH), workers=workers)
    )


def runs(seeds: range, workers: Workers) -> Iterator[Run]:
    """Verify the specs of some seeds. Every few hundred the processes are started anew: frameworks
    keep what they have compiled."""
    for number, seed in enumerate(seeds, start=1):
        yield run(seed, workers)
        if number % 300 == 0:
            for engine in list(workers.processes):
                workers.stop(engine)


# Coverage


def options_of(op: Op) -> dict[str, str]:
    """Each field of an op with the kind of its value: a word or flag itself, an activation by its
    name, anything else as the default or as some other value."""
    found = {}
    for field in fields_of(type(op)):
        value = getattr(op, field.name)
        if isinstance(value, bool | str):
            found[field.name] = str(value)
        elif isinstance(value, Op):
            found[field.name] = value.name
        elif not field.required:
            found[field.name] = "default" if value == field.default else "given"
    return found


def pairs_of(costs: Costs) -> Counter[str]:
    """How often each op, and each pair of options of one op, occurs in a network."""
    counts: Counter[str] = Counter()
    for layer in costs.layers:
        op = layer.node.op
        counts[op.name] += 1
        options = [f"{name}={value}" for name, value in options_of(op).items()]
        counts.update(f"{op.name}: {a}, {b}" for a, b in combinations(options, 2))
    return counts


def summary(found: Verification) -> dict[str, Any]:
    """The largest difference, and what was run."""
    largest = max(
        (one.largest for row in found.rows for one in row.differences.values() if one is not None),
        default=0.0,
    )
    return {"largest": largest, "versions": dict(found.versions)}
