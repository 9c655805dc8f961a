"""The input of a seed: what archc reads, and of which kind it is."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from archc.diagnostics import SourceText
from archc.language.reader import parse
from archc.ops.axes import axes_of
from tests.differential.sampling import any_step
from tests.fuzzing import mutation
from tests.fuzzing.archives import damaged_file
from tests.fuzzing.growth import grown

CORPUS = Path(__file__).with_name("corpus")
SHIPPED = Path(__file__).parents[2] / "specs"
LARGER = ("lenet5_1998", "resnet18", "vgg13_bn", "vgg16_bn", "alexnet")
"""Shipped specs that are seeds too, drawn less often: they take longer."""

SPEC_KINDS = {"bytes": 28, "structure": 26, "grown": 20, "expression": 16, "setting": 3}
FILE_KINDS = {
    "safetensors": 2, "hdf5": 0.3, "pickle": 0.3, "npz": 1, "csv": 1, "idx": 1, "record": 1,
}  # fmt: skip
"""The kinds of inputs with the share of each in a hundred or so."""
KINDS = SPEC_KINDS | FILE_KINDS

AXES = (
    {"features": 4},
    {"tokens": 3, "features": 4},
    {"channels": 4, "length": 6},
    {"channels": 4, "height": 6, "width": 5},
    {"channels": 4, "depth": 3, "height": 4, "width": 4},
)


class Input(NamedTuple):
    """Bytes of a kind of file: of a spec, of the value of `--set`, of weights or of data. `base` is
    the spec from which that of a spec was made."""

    seed: int
    kind: str
    data: bytes
    base: str


class Seed(NamedTuple):
    """A spec of the corpus: its name, its text, and the values in it."""

    name: str
    text: bytes
    values: Any


@cache
def seeds() -> tuple[Seed, ...]:
    """The specs of the corpus by name, then the shipped ones."""
    paths = [*sorted(CORPUS.glob("*.yaml")), *(SHIPPED / f"{name}.yaml" for name in LARGER)]
    return tuple(_seed(path) for path in paths)


def _seed(path: Path) -> Seed:
    text = path.read_text(encoding="utf-8")
    return Seed(path.stem, text.encode(), parse(SourceText(path.name, text)).plain())


@cache
def _vocabulary() -> mutation.Vocabulary:
    return mutation.vocabulary()


def of_seed(seed: int, kind: str | None = None) -> Input:
    """The input of a seed, the same in every run; with `kind`, one of that kind."""
    random = Random(seed)
    drawn = random.choices(list(KINDS), list(KINDS.values()))[0]
    kind = drawn if kind is None else kind
    if kind in FILE_KINDS:
        return Input(seed, kind, damaged_file(random, kind), "")
    known = seeds()
    base = random.choices(known, [1 if one.name in LARGER else 12 for one in known])[0]
    if kind == "bytes":
        texts = [one.text for one in known]
        return Input(seed, kind, mutation.mutated_bytes(random, base.text, texts), base.name)
    if kind == "grown":
        return Input(seed, kind, grown(random), base.name)
    if kind == "structure":
        return Input(seed, kind, _structure(random, base, known), base.name)
    if kind == "setting":
        return Input(seed, kind, _setting(random), "parent")
    return Input(seed, kind, _expressions(random), "expressions")


def _structure(random: Random, base: Seed, known: tuple[Seed, ...]) -> bytes:
    values = mutation.mutated_values(
        random,
        base.values,
        [one.values for one in known],
        _vocabulary(),
        partial(_new_step, random),
    )
    text = json.dumps(values, ensure_ascii=random.random() < 0.5)
    if random.random() < 0.1:
        return mutation.mutated_bytes(random, text.encode("utf-8", "replace"), [base.text])
    return text.encode("utf-8", "replace")


def _new_step(random: Random, steps: list[Any]) -> None:
    """Put a step of some op into a list, with fields that suit some axes."""
    axes = axes_of(random.choice(AXES))
    assert axes is not None
    steps.insert(random.randint(0, len(steps)), any_step(random, axes))


def _expressions(random: Random) -> bytes:
    """A spec whose values are expressions."""

    def drawn(depth: int) -> str:
        text = f"$({mutation.expression(random, random.randint(1, depth))})"
        if random.random() < 0.2:
            changed = mutation.mutated_bytes(random, text.encode(), [b"$(a + b)"])
            return changed.decode("utf-8", "replace")
        return text

    params: dict[str, Any] = {
        "a": 4,
        "b": 0.5,
        "sizes": [1, 2, 8],
        "table": [[1, 2], [3, 4]],
        "word": "same",
        "flag": True,
        "n": 3,
    }
    params |= {f"drawn_{number}": drawn(5) for number in range(random.randint(0, 3))}
    layers = [
        {"dense": drawn(3)},
        {"relu": None, "when": drawn(4)},
        {"for": {"x": drawn(3)}, "layers": [{"tanh": None, "when": drawn(2)}]},
        {"repeat": drawn(3), "layers": ["relu"]},
        {"reshape": {"features": drawn(2)}},
        {"dropout": drawn(2)},
    ]
    document = {
        "archc": 1,
        "name": "drawn",
        "input": {"features": 4},
        "params": params,
        "layers": [{"dense": 4}, *random.sample(layers, random.randint(0, 2))],
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _setting(random: Random) -> bytes:
    """What may stand behind `--set`."""
    text = random.choice(("units=5", "extra=[1, 2]", "units=$(1)", "extra='a'", "x", "units: 3=2"))
    return mutation.mutated_bytes(random, text.encode(), [b"units=7", b"extra={a: 1}"])
