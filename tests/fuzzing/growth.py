"""Specs that grow step by step along the axes that come out, so that most of them are valid and
reach the outputs. Unlike those of `tests.differential` none is checked by archc while it grows:
they are drawn a hundred times faster, and some are not valid."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from archc.ops.axes import Axes, axes_of
from tests.differential.sampling import any_step, keeping_step, output

AXES = (
    {"features": 4},
    {"tokens": 3, "features": 4},
    {"channels": 4, "length": 6},
    {"channels": 4, "height": 6, "width": 5},
    {"channels": 4, "depth": 3, "height": 4, "width": 4},
)
NAMES = ("step", "conv_1", "relu", "a", "head", "input_layer", "x", "add", "bn", "features", "act")
LETTERS = "aZ 09_.,:;!?'\"\\`{}%$#<>&|/()[]-+@*~^=é×→\n\tשलि"

Step = dict[str, Any]


def grown(random: Random) -> bytes:
    """The text of a spec of a few steps."""
    sizes = random.choice(AXES)
    x = axes_of(sizes)
    assert x is not None
    document: dict[str, Any] = {"archc": 1, "name": random.choice(("grown", "a", "net_2"))}
    for key in ("title", "description", "reference"):
        if random.random() < 0.1:
            document[key] = "".join(random.choices(LETTERS, k=random.randint(1, 60)))
    layers: list[Step] = []
    blocks: dict[str, Any] = {}
    for _ in range(random.randint(1, 4)):
        step, x = _step(random, x, blocks, 0)
        layers.append(step)
    document |= {"input": sizes, "params": {"n": 2}} | ({"blocks": blocks} if blocks else {})
    document["layers"] = layers
    if random.random() < 0.1:
        document["training"] = {"epochs": 2, "batch_size": 3}
    return json.dumps(document, ensure_ascii=random.random() < 0.5).encode()


def _step(random: Random, x: Axes, blocks: dict[str, Any], depth: int) -> tuple[Step, Axes]:
    """A step that takes the axes `x`, and those that come out."""
    kind = random.randrange(12) if depth < 2 else 0
    if kind < 6:
        step = any_step(random, x)
        after = output(step, x)
        assert after is not None
        return _named(random, step), after
    if kind == 6:
        steps, after = _chain(random, x, blocks, depth)
        return {"section": random.choice(NAMES), "layers": steps}, after
    body = _keeping(random, x)
    if kind == 7:
        return {"repeat": random.choice((1, 2, 3, "$n")), "layers": body}, x
    if kind == 8:
        return {"for": {"v": [1, 2]}, "layers": [*body, {"relu": None, "when": "$(v > 1)"}]}, x
    if kind == 9:
        merge = random.choice(("add", "multiply", "average", "maximum"))
        return _named(random, {merge: [body, random.choice(([], _keeping(random, x)))]}), x
    if kind == 10:
        steps, after = _chain(random, x, blocks, depth)
        name = random.choice(("unit", "cell", "relu_block", "a"))
        if name not in blocks:
            blocks[name] = {"layers": steps}
            return {"block": name}, after
        return {"section": "other", "layers": steps}, after
    return {**random.choice(body), "when": random.choice((True, False, "$(n == 2)"))}, x


def _chain(random: Random, x: Axes, blocks: dict[str, Any], depth: int) -> tuple[list[Step], Axes]:
    steps = []
    for _ in range(random.randint(1, 3)):
        step, x = _step(random, x, blocks, depth + 1)
        steps.append(step)
    return steps, x


def _keeping(random: Random, x: Axes) -> list[Step]:
    """Steps after which the axes are what they were."""
    steps = [keeping_step(random, x) for _ in range(random.randint(1, 2))]
    return [step if output(step, x) == x else {"tanh": None} for step in steps]


def _named(random: Random, step: Step) -> Step:
    return {**step, "name": random.choice(NAMES)} if random.random() < 0.2 else step
