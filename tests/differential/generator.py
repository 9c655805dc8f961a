"""A random valid spec from a `random.Random`: one generator for seeds and for Hypothesis, which
shrinks what it draws through `st.randoms`.

A spec grows step by step. Each candidate (an op, a merge of branches, a section, a repetition, a
block's instance) is drawn to fit the axes at hand, and kept if archc accepts the spec with it and
both backends can compute it.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import yaml

from archc.backends import plan
from archc.backends.keras import BACKEND as KERAS
from archc.backends.torch import BACKEND as TORCH
from archc.diagnostics import SourceText, SpecError
from archc.graph import Node
from archc.infer import Costs
from archc.ops import MERGES
from archc.ops.axes import Axes
from archc.spec import Spec, read_source
from tests.differential.sampling import SINGLE, fits, step

MOST_NODES = 60
TRIES = 12
MOST_ELEMENTS = 3000
MOST_PARAMS = 30_000
PRESERVING: tuple[Any, ...] = (
    "relu", "tanh", "elu", "prelu", "scale", "silu", "softsign",
    {"batch_norm": {"epsilon": 0.1}}, {"layer_norm": {"epsilon": 0.1}},
)  # fmt: skip
"""Steps that fit any axes and keep them."""


def spec_text(random: Random) -> str:
    """The text of a valid spec of 1 to 60 nodes."""
    return _Generator(random).text()


def read(text: str) -> tuple[Spec, Costs]:
    """The spec and its costs. Raises SpecError."""
    spec = read_source(SourceText("random.yaml", text), "/", "/random.yaml")
    return spec, spec.checked()


class _Generator:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.wanted = int(MOST_NODES ** (random.random() ** 1.5))
        self.document: dict[str, Any] = {"archc": 1, "name": "random"}
        self.names = 0
        self.params: dict[str, dict[str, str]] = {}

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def text(self) -> str:
        inputs = self.inputs()
        self.document |= inputs
        if self.wanted > 3 and self.chance(0.5):
            self.document["params"] = {"width": self.random.randint(1, 6), "rate": 0.25}
            self.document["blocks"] = dict(self.blocks())
        layers: list[Any] = []
        self.document["layers"] = layers
        costs = self.begin(layers)
        for _ in range(3 * self.wanted):
            if len(costs.layers) >= self.wanted:
                break
            candidate = self.candidate(costs)
            layers.append(candidate)
            longer = self.accepted()
            if longer is None:
                layers.pop()
            else:
                costs = longer
        self.add_outputs(costs)
        return self.written()

    def written(self) -> str:
        return yaml.safe_dump(self.document, sort_keys=False, default_flow_style=None, width=100)

    def accepted(self) -> Costs | None:
        """The costs of the document as it is, if archc and both backends take it."""
        try:
            _, costs = read(self.written())
            plan.lower(costs.graph, TORCH)
            plan.lower(costs.graph, KERAS)
        except SpecError:
            return None
        sizes = [layer.node.output.elements for layer in costs.layers]
        small = max(sizes) <= MOST_ELEMENTS and costs.totals.params <= MOST_PARAMS
        return costs if small and len(costs.layers) <= MOST_NODES else None

    # Ends

    def inputs(self) -> dict[str, Any]:
        if self.wanted > 4 and self.chance(0.15):
            return {"inputs": {"left": self.axes(), "right": self.axes()}}
        return {"input": self.axes()}

    def axes(self) -> dict[str, int]:
        size = self.random.randint
        kind = self.random.choices(range(5), (4, 9, 4, 2, 2))[0]
        if kind == 0:
            return {"channels": size(1, 6), "length": size(2, 14)}
        if kind == 1:
            return {"channels": size(1, 6), "height": size(2, 10), "width": size(2, 10)}
        if kind == 2:
            return {
                "channels": size(1, 4), "depth": size(2, 6), "height": size(2, 6),
                "width": size(2, 6),
            }  # fmt: skip
        if kind == 3:
            return {"features": size(2, 16)}
        return {"tokens": size(2, 6), "features": size(2, 8)}

    def begin(self, layers: list[Any]) -> Costs:
        """The costs of the first step: with two inputs, a vector of both."""
        if "inputs" in self.document:
            for name in ("left", "right"):
                layers.append({"flatten": {}, "from": name, "name": f"{name}_vector"})
            layers.append({"concat": None, "from": ["left_vector", "right_vector"]})
            costs = self.accepted()
            assert costs is not None
            return costs
        while True:
            layers.append(self.random.choice(PRESERVING))
            costs = self.accepted()
            if costs is not None:
                return costs
            layers.pop()

    def add_outputs(self, costs: Costs) -> None:
        """Sometimes further outputs: steps at the top that have a name."""
        if not self.chance(0.2):
            return
        named = [node for node in _at_top(costs) if node.named]
        last = costs.graph.nodes[costs.graph.outputs[0]]
        if not named or "." in last.path:
            return
        chosen = self.random.sample(named, min(len(named), self.random.randint(1, 2)))
        names = list(dict.fromkeys([last.name, *(node.name for node in chosen)]))
        self.random.shuffle(names)
        self.document["outputs"] = names
        if self.accepted() is None:
            del self.document["outputs"]

    # Steps

    def candidate(self, costs: Costs) -> Any:
        graph = costs.graph
        x = graph.nodes[graph.outputs[0]].output
        kinds = [self.op, self.merge, self.section, self.repetition, self.skip, self.instance]
        kind = self.random.choices(kinds, (14, 3, 2, 2, 2, 4 if "blocks" in self.document else 0))
        made: Any = kind[0](x, costs)
        if isinstance(made, str) and self.chance(0.25):
            made = {made: {}}
        if isinstance(made, dict) and not made.keys() & {"repeat", "for", "section", "name"}:
            if self.chance(0.3):
                made["name"] = self.new_name()
            if self.chance(0.05):
                made["when"] = self.random.choice([True, False, f"$({x.width} > 2)"])
        return made

    def new_name(self) -> str:
        self.names += 1
        word = self.random.choice(
            ("step", "conv_relu", "dense", "block", "c", "c_relu", "input_layer")
        )
        return f"{word}{self.names}" if self.chance(0.7) else f"{word}_{self.names}"

    def op(self, x: Axes, costs: Costs) -> Any:
        """An op, with fields redrawn until its own rule takes such axes, or given up."""
        op = self.random.choice(SINGLE)
        for _ in range(TRIES):
            made = step(self.random, op, x)
            if fits(op, made, x):
                break
        return made

    def keeping(self, x: Axes) -> list[Any]:
        """One to three steps that keep the axes."""
        steps: list[Any] = []
        for _ in range(self.random.randint(1, 3)):
            if not self.chance(0.4):
                steps.append(self.random.choice(PRESERVING))
            elif x.is_map:
                conv = {"filters": x.width, "kernel_size": self.random.randint(1, 3)}
                steps.append({"conv": {**conv, "padding": "same"}})
            else:
                steps.append({"dense": x.width})
        return steps

    def merge(self, x: Axes, costs: Costs) -> Any:
        name = self.random.choice(sorted(MERGES))
        branches: list[list[Any]] = []
        for _ in range(self.random.randint(2, 4)):
            if self.chance(0.25):
                branches.append([])
            elif name == "concat" and x.is_map and self.chance(0.6):
                conv = {"filters": self.random.randint(1, 4), "kernel_size": 1}
                branches.append([{"conv": {**conv, "activation": "relu"}}])
            elif self.chance(0.15):
                branches.append([{"add": [[], self.keeping(x)]}])
            elif x.is_map and self.chance(0.2):
                pool = self.random.choice(("max_pool", "avg_pool"))
                branches.append([{pool: {"kernel_size": 3, "stride": 1, "padding": "same"}}])
            elif x.is_map and name == "multiply" and self.chance(0.5):
                branches.append(
                    [
                        {"global_avg_pool": {"keep_dims": True}},
                        {"conv": {"filters": x.width, "kernel_size": 1}},
                    ]
                )
            else:
                branches.append(self.keeping(x))
        return {name: branches}

    def section(self, x: Axes, costs: Costs) -> Any:
        first = self.random.choice((self.op, self.merge))(x, costs)
        body = [first, *(self.random.choice(PRESERVING) for _ in range(self.random.randint(0, 2)))]
        if self.chance(0.3):
            inner = {"section": self.new_name(), "layers": [self.random.choice(PRESERVING)]}
            body.append(inner)
        return {"section": self.new_name(), "layers": body}

    def repetition(self, x: Axes, costs: Costs) -> Any:
        body = self.keeping(x)
        if self.chance(0.3):
            body.append({"add": [[], self.keeping(x)]})
        if self.chance(0.5):
            return {"repeat": self.random.randint(0, 4), "layers": body}
        conv = {"filters": "$size", "kernel_size": 1} if x.is_map else None
        body.append({"conv": conv} if conv else {"dense": "$size"})
        if self.chance(0.3):
            body.append({"relu": {}, "when": "$(not last)"})
        sizes = [self.random.randint(1, 5) for _ in range(self.random.randint(1, 3))]
        return {"for": {"size": sizes}, "layers": body}

    def skip(self, x: Axes, costs: Costs) -> Any:
        """A merge with the output of an earlier step of the same axes."""
        nodes = [node for node in _at_top(costs) if node.output == x]
        last = costs.graph.nodes[costs.graph.outputs[0]]
        others = [node.name for node in nodes if node.index != last.index]
        if not others or "." in last.path:
            return self.op(x, costs)
        kind = self.random.choice(("add", "multiply", "average", "maximum", "concat"))
        names = [
            last.name,
            *self.random.sample(others, min(len(others), self.random.randint(1, 2))),
        ]
        self.random.shuffle(names)
        return {kind: None, "from": names}

    # Blocks

    def blocks(self) -> Iterator[tuple[str, Any]]:
        """Definitions of one to three blocks; a later one may contain an earlier one."""
        for name in self.random.sample(
            ("unit", "relu", "cell", "tensor"), self.random.randint(1, 3)
        ):
            params = {
                param: kind
                for param, kind in (
                    ("filters", "number"), ("wide", "flag"), ("rate", "share"),
                    ("act", "activation"), ("q", "number"),
                )
                if self.chance(0.5)
            }  # fmt: skip
            body = self.body(params, 0)
            defaults = {
                param: self.argument(kind) if self.chance(0.4) else None
                for param, kind in params.items()
            }
            self.params[name] = params
            yield name, ({"params": defaults, "layers": body} if params else {"layers": body})

    def argument(self, kind: str) -> Any:
        if kind == "number":
            return self.random.choice((1, 2, 2, 3, 4, 4))
        if kind == "flag":
            return self.chance(0.5)
        if kind == "share":
            return self.random.choice((0.1, 0.25, 0.5))
        return self.random.choice(("relu", "tanh", "none", "prelu", "scaled_tanh", "elu"))

    def body(self, params: dict[str, str], depth: int) -> list[Any]:
        steps: list[Any] = []
        for _ in range(self.random.randint(1, 4)):
            made = self.inside(params, depth)
            if not made.keys() & {"section", "repeat"} and self.chance(0.2):
                made["name"] = self.new_name()
            if "repeat" not in made and self.chance(0.3):
                made["when"] = self.condition(params)
            steps.append(made)
        return steps

    def condition(self, params: dict[str, str]) -> str:
        flags = [param for param, kind in params.items() if kind == "flag"]
        numbers = [param for param, kind in params.items() if kind == "number"]
        conditions = ["$(in.channels > 2)", "$(in.channels == 4)"]
        conditions += [f"${flag}" for flag in flags] + [f"$(not {flag})" for flag in flags]
        conditions += [f"$(in.channels != {number})" for number in numbers]
        conditions += [f"$({number} > 2)" for number in numbers]
        return self.random.choice(conditions)

    def inside(self, params: dict[str, str], depth: int) -> dict[str, Any]:
        """A step of a block, most of them on feature maps."""
        by_kind = {kind: [p for p in params if params[p] == kind] for kind in set(params.values())}

        def given(kind: str, otherwise: Any) -> Any:
            known = by_kind.get(kind, [])
            return f"${self.random.choice(known)}" if known and self.chance(0.7) else otherwise

        activation = given("activation", self.random.choice(("none", "relu", "tanh", "elu")))
        kind = self.random.randrange(9 if depth < 2 else 6)
        if kind == 0:
            conv = {"filters": given("number", 4), "kernel_size": self.random.choice((1, 3))}
            extra = {"stride": given("number", 1)} if self.chance(0.2) else {}
            bias = {"bias": given("flag", True)}
            return {"conv": {**conv, "padding": "same", "activation": activation, **extra, **bias}}
        if kind == 1:
            return {"batch_norm": {"epsilon": given("share", 0.1), "affine": given("flag", True)}}
        if kind == 2:
            return {"dropout": {"rate": given("share", "$rate")}}
        if kind == 3:
            width = self.random.choice(("$(in.channels)", given("number", "$width")))
            conv = {"filters": width, "kernel_size": 1, "activation": activation}
            merge = self.random.choice(sorted(MERGES))
            return {merge: [[], [{"conv": conv}], *([["relu"]] if self.chance(0.3) else [])]}
        if kind == 4:
            return {self.random.choice(("relu", "prelu", "scale", "sigmoid")): {}}
        if kind == 5 and self.params:
            name = self.random.choice(sorted(self.params))
            return {"block": name, "with": self.arguments(name, by_kind)}
        if kind == 6:
            return {"section": self.new_name(), "layers": self.body(params, depth + 1)}
        if kind == 7:
            count = given("number", 2)
            return {"repeat": count, "layers": self.body(params, depth + 1)}
        return {"max_pool": {"kernel_size": given("number", 2), "stride": 1, "padding": "same"}}

    def arguments(self, name: str, by_kind: dict[str, list[str]]) -> dict[str, Any]:
        """Arguments of a block: some by the names of the parameters around, some left out."""
        block = self.document.get("blocks", {}).get(name, {})
        found: dict[str, Any] = {}
        for param, kind in self.params[name].items():
            if block.get("params", {}).get(param) is not None and self.chance(0.4):
                continue
            known = by_kind.get(kind, [])
            use = known and self.chance(0.5)
            found[param] = f"${self.random.choice(known)}" if use else self.argument(kind)
        return found

    def instance(self, x: Axes, costs: Costs) -> Any:
        name = self.random.choice(sorted(self.params))
        made: dict[str, Any] = {"block": name}
        arguments = self.arguments(name, {"number": ["width"], "share": ["rate"]})
        if arguments:
            made["with"] = arguments
        if self.chance(0.35):
            return {"repeat": self.random.randint(2, 4), "layers": [made]}
        if self.chance(0.2):
            return {"section": self.new_name(), "layers": [made, self.random.choice(PRESERVING)]}
        return made


def _at_top(costs: Costs) -> list[Node]:
    """The steps of the network itself that have an output under their own name."""
    return [item for item in costs.graph.root.items if isinstance(item, Node)]
