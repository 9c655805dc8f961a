"""What only a block's steps may say: its own inputs, what it gives out, an activation by name."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from archc.ir.costs import Costs
from archc.ops import OPS
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.dense import Embedding
from archc.ops.fields import Schema, fields_of
from tests.differential.lifting import Parameter, Step, op_of

PLAIN = sorted(name for name, op in OPS.items() if issubclass(op, Activation) and not fields_of(op))
"""Activations without fields."""


def residual(random: Random, steps: list[Step], x: Axes, end: Axes) -> list[Step]:
    """The steps with what they give joined to the block's input, where that fits."""
    if end.with_width(x.width) != x or op_of(steps[-1]) is None:
        return steps
    *before, last = steps
    last = {"name": "main_path", **last}
    merges = ("add", "multiply", "average", "maximum", "concat") if end == x else ("concat",)
    names = ["input", str(last["name"])]
    random.shuffle(names)
    join: Step = {random.choice(merges): None, "from": names}
    width = "channels" if x.is_map else "features"
    if random.random() < 0.3:
        join["when"] = random.choice([f"$(input.{width} > 2)", f"$(in.{width} == input.{width})"])
    return [*before, last, join]


def joined(random: Random, steps: list[Step], x: Axes, end: Axes, name: str) -> list[Step]:
    """The steps with a further input of the block, which is like the first, joined to them."""
    width = "channels" if x.is_map else "features"
    merges = ["add", "multiply", "average", "maximum", "concat"]
    own: Step = {random.choice(merges if end == x else ["concat"]): None, "from": ["in", name]}
    if x.is_sequence and random.random() < 0.4:
        own = {"attention": {"heads": 1}, "from": ["in", name]}
    if end.with_width(x.width) == x and random.random() < 0.4:
        return [*steps, own]
    if x.is_map and random.random() < 0.5:
        kernel = {"filters": f"$({name}.{width})", "kernel_size": 1}
        gate = [{"conv": kernel, "from": name}, {"sigmoid": {}}]
        return [{random.choice(("add", "multiply")): [[], gate]}, *steps]
    return [{"add": None, "from": ["in", name]}, *steps]


def used_again(made: Step, name: str) -> list[Step]:
    """A step under a name, and one that uses its variables again; none where it has none to use."""
    kind = op_of(made) or ("block" if "block" in made else None)
    if kind is None or "$" in str(made.get("name", "")):
        return []
    first = {"name": name, **made}
    kept = made.keys() - {"name", "from", "trainable"}
    second = {key: deepcopy(value) for key, value in made.items() if key in kept}
    if kind == "block" and isinstance(made.get("from"), list):
        second["from"] = ["in", *made["from"][1:]]
    return [first, {**second, "weights": str(first["name"])}]


def tied(costs: Costs, x: Axes) -> Step | None:
    """A dense step that uses the table of the network's embedding, where that fits."""
    for node in costs.graph.layers:
        if not isinstance(node.op, Embedding) or "." in node.path:
            continue
        if x.names == ("tokens", "features") and node.op.features == x.width:
            units = node.op.vocabulary
            return {"dense": {"units": units, "bias": units % 2 == 0}, "weights": node.name}
    return None


def activated(random: Random, steps: list[Step], params: dict[str, Parameter]) -> list[Step]:
    """The steps with an activation among them that a parameter names."""
    words: Schema = {"type": "string", "enum": [*PLAIN, "none"]}
    params["act"] = Parameter(random.choice(PLAIN), words)
    position = random.randint(1, len(steps))
    return [*steps[:position], {"activation": "$act"}, *steps[position:]]


def given_out(random: Random, steps: list[Step]) -> list[str]:
    """The names of steps that a block gives out, perhaps none; they get them here."""
    own = [step for step in steps if op_of(step) is not None]
    if not own:
        return []
    chosen = random.sample(own, min(len(own), random.randint(1, 2)))
    for number, step in enumerate(chosen):
        step.setdefault("name", random.choice(("skip", "side")) + f"_{number}")
    return [str(step["name"]) for step in chosen]
