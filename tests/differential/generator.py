"""A random valid spec from a `random.Random`: one generator for seeds and for Hypothesis, which
shrinks what it draws through `st.randoms`.

A spec grows step by step. Each candidate (an op, a merge of branches, a section, a repetition, a
block and its instances) is drawn to fit the axes at hand, and kept if archc accepts the spec with
it and both backends can compute it. Values are written out first; some then become parameters of
the block or the spec around them, or expressions.

Left out, with the reason: widths and maps beyond those that run in a moment, since no rule of an op
depends on them; products of many values, which overflow; what a backend refuses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

import yaml

from archc.backends.keras.runtimes import lacks
from archc.ir.costs import Costs
from archc.ir.graph import Node
from archc.ops import MERGES, OPS
from archc.ops.axes import Axes, axes_of
from tests.differential.accepting import MOST_NODES, accepted
from tests.differential.bodies import activated, given_out, joined, residual, tied, used_again
from tests.differential.coverage import pair_step
from tests.differential.lifting import (
    FLAG,
    Parameter,
    Step,
    express,
    lift,
    op_of,
    shorten,
    sites,
    walk,
)
from tests.differential.sampling import any_step, keeping_step, keeps, output, projection
from tests.differential.sampling import step as drawn_step

DEEPEST = 3
PAIRED = 0.3
"""How often a step is drawn to have a certain pair of options."""
TRIES = 5
SMALL = 6
NAMES = (
    "step", "conv_relu", "dense", "block", "c", "conv", "relu_1", "conv_1", "input_layer", "act",
    "add", "head", "stem", "bn", "shortcut", "features", "input_1", "norm", "flatten",
    "Conv2d_1a", "block1-0", "Step", "dense-1",
)  # fmt: skip
"""Names of steps; some are what other steps are called where they have none, or what emitted code
may call its own."""
BLOCKS = ("unit", "relu", "cell", "conv", "residual", "dense_block", "a", "step")
LETTERS = "aZ 09_.,:;!?'\"\\`{}%$#<>&|/()[]-+é×→\t"


def spec_text(random: Random, most: int = MOST_NODES) -> str:
    """The text of a valid spec of 1 to `most` nodes."""
    return _Generator(random, most).text()


class _Generator:
    def __init__(self, random: Random, most: int) -> None:
        self.random = random
        self.most = most
        self.blocks: dict[str, Any] = {}
        self.block_params: dict[str, dict[str, Parameter]] = {}
        self.params: dict[str, Any] = {}
        self.names = 0
        self.wanted = 1 + int((most - 1) * random.random() ** 6)
        # In most of the larger specs only what TensorFlow computes in float64: JAX, which computes
        # all, compiles each network, for ten times as long as TensorFlow runs it.
        self.exact = self.chance(0.5 if self.wanted <= SMALL else 0.95)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def text(self) -> str:
        inputs, layers = self.begin(self.wanted)
        layers, outputs = self.grow_network(inputs, layers, self.wanted)
        layers = self.reworded(inputs, layers, outputs)
        document = {"archc": 1, "name": "random_network", **self.titles(), **inputs}
        document |= self.definitions() | {"layers": layers}
        return yaml.safe_dump(
            _plain(document | ({"outputs": outputs} if outputs else {})),
            sort_keys=False, default_flow_style=None, width=100, allow_unicode=True,
        )  # fmt: skip

    def definitions(self) -> dict[str, Any]:
        found = {"params": self.params, "blocks": self.blocks}
        return {key: one for key, one in found.items() if one}

    def titles(self) -> dict[str, str]:
        """Text for docstrings, of characters that mean something somewhere."""
        keys = ("title", "description", "reference")
        return {
            key: " ".join("".join(self.random.choices(LETTERS, k=30)).split()) or "-"
            for key in keys
            if self.chance(0.1)
        }

    def accepted(
        self, inputs: dict[str, Any], layers: Sequence[Step], outputs: Sequence[Any] = ()
    ) -> Costs | None:
        """The costs of a network, if it is one to keep."""
        document = {"archc": 1, "name": "random_network", **inputs, **self.definitions()}
        document |= {"layers": layers} | ({"outputs": outputs} if outputs else {})
        costs = accepted(document)
        if costs is None or len(costs.layers) > self.most:
            return None
        if self.exact and any(lacks("tensorflow", costs.graph, "float64")):
            return None
        return costs

    # The network

    def begin(self, wanted: int) -> tuple[dict[str, Any], list[Step]]:
        """The inputs, and with several the steps that join them; with ids the step that reads
        them."""
        if self.chance(0.08):
            table = {"vocabulary": self.random.randint(1, 9), "features": self.random.randint(1, 8)}
            ids = {"tokens": self.random.randint(1, 6), "dtype": "int32"}
            return {"input": ids}, [{"embedding": table}]
        if wanted < 4 or self.chance(0.85):
            return {"input": self.axes()}, []
        names = self.random.sample(("left", "right", "image", "extra"), self.random.randint(2, 3))
        first = self.axes()
        given = {name: first if self.chance(0.6) else self.axes() for name in names}
        layers: list[Step] = []
        ends: list[tuple[str, Axes]] = []
        for name, sizes in given.items():
            steps, x = self.grow(sizes, self.random.randint(0, 2), 1)
            if not steps:
                ends.append((name, x))
                continue
            first_step, last = steps[0], f"{name}_end"
            steps = steps if len(steps) > 1 and op_of(steps[-1]) else [*steps, {"relu": {}}]
            steps[-1]["name"] = last
            if "from" in first_step or first_step is steps[-1]:
                steps.insert(0, {"tanh": {}})
            steps[0]["from"] = name
            layers += steps
            ends.append((last, x))
        merge = self.random.choice(sorted(MERGES))
        kinds = {x if merge != "concat" else x.with_width(1) for _, x in ends}
        if len(kinds) > 1:
            merge = "concat"
            layers += [
                {"flatten": {}, "from": end, "name": f"flat_{number}"}
                for number, (end, _) in enumerate(ends)
            ]
            ends = [(f"flat_{number}", x) for number, (_, x) in enumerate(ends)]
        layers.append({merge: None, "from": [end for end, _ in ends]})
        if self.accepted({"inputs": given}, layers) is None:  # a name is taken, it is too large
            return {"input": first}, []
        return {"inputs": given}, layers

    def axes(self) -> dict[str, int]:
        size = self.random.randint
        kind = self.random.choices(range(5), (4, 8, 3, 4, 7))[0]
        if kind == 0:
            return {"channels": size(1, 6), "length": size(1, 14)}
        if kind == 1:
            return {"channels": size(1, 6), "height": size(1, 9), "width": size(1, 9)}
        if kind == 2:
            return {
                "channels": size(1, 4), "depth": size(1, 5), "height": size(1, 5),
                "width": size(1, 5),
            }  # fmt: skip
        if kind == 3:
            return {"features": size(1, 16)}
        return {"tokens": size(1, 6), "features": size(1, 8)}

    def grow_network(
        self, inputs: dict[str, Any], layers: list[Step], wanted: int
    ) -> tuple[list[Step], list[Any]]:
        """Steps up to about a number of nodes, and the names of the outputs, if not the last."""
        outputs: list[str] = []
        costs = self.accepted(inputs, layers) if layers else None
        for _ in range(4 * wanted + 8):
            if costs is not None and len(costs.layers) >= wanted:
                break
            kept = dict(self.blocks), dict(self.block_params)
            x = axes_of(inputs["input"]) if costs is None else _end(costs)[1]
            assert x is not None
            made, further = self.network_candidate(x, costs)
            trial = [*outputs, *further] if outputs or further else []
            found = self.accepted(inputs, [*layers, made]) if not trial else None
            if trial:
                found = self.with_outputs(inputs, [*layers, made], trial)
            if found is None:
                self.blocks, self.block_params = kept
                continue
            costs = found
            layers, outputs = [*layers, made], trial
            again = [] if trial or self.chance(0.88) else used_again(made, self.new_name())
            found = self.accepted(inputs, [*layers[:-1], *again]) if again else None
            if found is not None:
                costs, layers = found, [*layers[:-1], *again]
        assert costs is not None or layers == []
        if costs is None:
            layers = [{"relu": {}}]
            costs = self.accepted(inputs, layers)
            assert costs is not None
        return layers, self.all_outputs(inputs, layers, outputs, costs)

    def with_outputs(
        self, inputs: dict[str, Any], layers: list[Step], outputs: list[str]
    ) -> Costs | None:
        """The costs with some steps as outputs beside the last, whose name nobody knows before."""
        probe = self.accepted(inputs, [*layers, {"relu": {}, "name": "the_end"}],
                              [*outputs, "the_end"])  # fmt: skip
        if probe is None or len(probe.graph.root.items) < 2:
            return None
        name = probe.graph.root.items[-2].name
        return self.accepted(inputs, layers, [*dict.fromkeys([*outputs, name])])

    def all_outputs(
        self, inputs: dict[str, Any], layers: list[Step], outputs: list[str], costs: Costs
    ) -> list[Any]:
        """The outputs in some order; sometimes further ones."""
        last = costs.graph.root.items[-1].name
        names = [*dict.fromkeys([*outputs, last])]
        if self.chance(0.2):
            known = [item.name for item in costs.graph.root.items]
            inputs_alone = (costs.graph.nodes[index] for index in costs.graph.inputs)
            known += [node.name for node in inputs_alone if node.output.dtype == "float32"]
            names += self.random.sample(known, min(len(known), self.random.randint(1, 2)))
        names = [*dict.fromkeys(names)]
        self.random.shuffle(names)
        if names == [last] or self.accepted(inputs, layers, names) is None:
            names = [*dict.fromkeys([*outputs, last])] if outputs else []
        if len(names) > 1 and self.chance(0.4):
            some = [{one: "training"} if self.chance(0.5) else one for one in names]
            known = inputs.get("inputs", inputs).keys()
            evaluated = {one for one in some if isinstance(one, str)} - known
            if evaluated and self.accepted(inputs, layers, some):
                return some
        return [*names]

    def network_candidate(self, x: Axes, costs: Costs | None) -> tuple[Step, list[str]]:
        """A step of the network itself, and the names of the steps that it leaves without a use."""
        kind = self.random.random()
        dense = None if costs is None else tied(costs, x)
        if dense is not None and self.chance(0.3):
            return self.named(dense), []
        given = [] if costs is None else [one for one in _known(costs) if "." in one[0]]
        if given and self.chance(0.5):
            kind *= 0.16  # what a block gives out is used by those around it
        if costs is not None and kind < 0.16:
            end, _ = _end(costs)
            others = [one for one in given or _known(costs) if one[0] != end]
            alike = [name for name, axes in others if axes == x]
            wider = [name for name, axes in others if axes.with_width(x.width) == x]
            if kind < 0.11 and wider:
                merge = self.random.choice(sorted(MERGES)) if alike else "concat"
                names = wider if merge == "concat" else alike
                chosen = self.random.sample(names, min(len(names), self.random.randint(1, 2)))
                chosen.insert(self.random.randint(0, len(chosen)), end)
                return self.named({merge: None, "from": chosen}), []
            memories = [name for name, axes in others if axes.is_sequence and x.is_sequence]
            if memories and self.chance(0.5):
                made = drawn_step(self.random, OPS["attention"], x)
                for field in ("causal", "window", "rotary"):
                    made["attention"].pop(field, None)
                return self.named({**made, "from": [end, self.random.choice(memories)]}), []
            if others and kind >= 0.11:
                name, axes = self.random.choice(others)
                if self.chance(0.3):
                    return self.named({"concat": [[], self.grow(_sizes(axes), 1, 2)[0]],
                                       "from": name}), [end]  # fmt: skip
                return self.named({**any_step(self.random, axes), "from": name}), [end]
            if alike and self.chance(0.5):
                return self.section_with(x, self.random.choice(alike)), []
        made = self.candidate(x, 0, keep=False)
        for step in walk([made]):
            if costs is not None and "block" in step and "from" in step and self.chance(0.7):
                alike = [name for name, axes in _known(costs) if axes == x]
                step["from"][1:] = self.random.choices(alike or ["in"], k=len(step["from"]) - 1)
        return made, []

    # Steps

    def grow(
        self, sizes: dict[str, int], wanted: int, depth: int, *, keep: bool = False
    ) -> tuple[list[Step], Axes]:
        """Steps on their own, and the axes that come out; with `keep`, the axes of the input but
        perhaps for the number of channels."""
        begin = axes_of(sizes)
        assert begin is not None
        steps: list[Step] = []
        x, nodes = begin, 0
        for _ in range(3 * wanted):
            if nodes >= wanted:
                break
            kept = dict(self.blocks), dict(self.block_params)
            trial = [*steps, self.candidate(x, depth, keep=keep)]
            costs = self.accepted({"input": sizes}, trial)
            if costs is None or (keep and _end(costs)[1].with_width(begin.width) != begin):
                self.blocks, self.block_params = kept
                continue
            steps, x, nodes = trial, _end(costs)[1], len(costs.layers)
            if self.chance(0.15):
                again = used_again(steps[-1], self.new_name())
                shared = self.accepted({"input": sizes}, [*steps[:-1], *again]) if again else None
                if shared is not None and _end(shared)[1] == x:
                    steps, nodes = [*steps[:-1], *again], len(shared.layers)
        return steps, x

    def candidate(self, x: Axes, depth: int, *, keep: bool) -> Step:
        """A step that may fit the axes `x`."""
        kinds = [self.op, self.merge, self.section, self.loop, self.block]
        kinds += [self.instance] if self.blocks else []
        kinds = kinds if depth < DEEPEST else [self.op]
        kind = self.random.choices(kinds, (14, 3, 2, 2, 2, 4)[: len(kinds)])[0]
        made: Step = kind(x, depth, keep)
        if self.chance(0.04) and "from" not in made:
            width = "channels" if x.is_map else "features"
            made["when"] = self.random.choice([True, False, f"$(in.{width} > 2)"])
        if self.chance(0.05) and (op_of(made) or "section" in made or "block" in made):
            width = "channels" if x.is_map else "features"
            made["trainable"] = self.random.choice([True, False, False, f"$(in.{width} > 2)"])
        return made

    def named(self, made: Step) -> Step:
        """The step, which now may have a name."""
        if self.chance(0.25):
            made["name"] = self.new_name()
        return made

    def new_name(self) -> str:
        self.names += 1
        name = self.random.choice(NAMES)
        if self.chance(0.1):
            return f"{name}_$({self.names} + 0)"
        return name if self.chance(0.4) else f"{name}_{self.names}"

    def op(self, x: Axes, depth: int, keep: bool) -> Step:
        made = keeping_step(self.random, x) if keep else any_step(self.random, x)
        if self.chance(PAIRED):
            tried = (pair_step(self.random, x) for _ in range(TRIES))
            fits = keeps if keep else output
            made = next((one for one in tried if fits(one, x)), made)
        after = output(made, x)
        if not keep and x.is_map and after is not None and not after.is_map and self.chance(0.6):
            made = keeping_step(self.random, x)  # maps, which most ops need, last for a while
        if not keep and x.is_map and self.chance(0.03):
            made = {"to_tokens": {}}
        elif not keep and x.is_sequence and self.chance(0.08):
            made = {"class_token": {}}
        ((_, fields),) = made.items()
        for key in ("filters", "units"):
            width = "in.channels" if x.is_map else "in.features"
            if key in fields and "groups" not in fields and self.chance(0.12):
                fields[key] = self.random.choice(
                    [f"$({width})", f"$({width} * 2)", f"$(max(1, {width} // 2))",
                     f"$(round_to({width} * 1.5, 2))"]
                )  # fmt: skip
        return self.named(made)

    def merge(self, x: Axes, depth: int, keep: bool) -> Step:
        name = self.random.choice(sorted(MERGES))
        made: list[list[Step]] = []
        for _ in range(self.random.choice((2, 2, 2, 3, 4))):
            if self.chance(0.25):
                made.append([])
            elif x.is_map and name != "concat" and self.chance(0.15):
                gate = {"filters": x.width, "kernel_size": 1, "activation": "sigmoid"}
                made.append([{"global_avg_pool": {"keep_dims": True}}, {"conv": gate}])
            else:
                branch, end = self.grow(_sizes(x), self.random.randint(1, 3), depth + 1, keep=True)
                if name != "concat" and end.width != x.width:
                    branch.append(projection(end, x.width))
                made.append(branch)
        return self.named({name: made})

    def section(self, x: Axes, depth: int, keep: bool) -> Step:
        steps, _ = self.grow(_sizes(x), self.random.randint(1, 4), depth + 1, keep=keep)
        return {"section": self.new_name(), "layers": steps or [{"relu": {}}]}

    def section_with(self, x: Axes, outside: str) -> Step:
        """A section that also takes a value from around it."""
        steps, end = self.grow(_sizes(x), self.random.randint(1, 2), 1, keep=True)
        join = [*steps, {**projection(end, x.width), "name": "own"}]
        join.append({self.random.choice(("add", "concat")): None, "from": ["own", outside]})
        return {"section": self.new_name(), "layers": join}

    def loop(self, x: Axes, depth: int, keep: bool) -> Step:
        steps, _ = self.grow(
            _sizes(x), self.random.randint(1, 3), depth + 1, keep=keep or self.chance(0.8)
        )
        steps = steps or [{"relu": {}}]
        count = self.random.choice((0, 1, 2, 2, 3, 3, 4))
        if self.chance(0.25):
            self.random.choice(steps)["when"] = self.random.choice(
                ("$first", "$(not last)", "$(index > 0)", "$(index % 2 == 0)")
            )
        lifted = lift(self.random, sites(steps, self.block_params), 0.25) if count else {}
        if not lifted:
            return {"repeat": count, "layers": steps}
        lists = {
            name: [one.value]
            + [
                one.value if self.chance(0.5) else one.redrawn(self.random)
                for _ in range(count - 1)
            ]
            for name, one in lifted.items()
        }
        return {"for": lists, "layers": steps}

    # Blocks

    def block(self, x: Axes, depth: int, keep: bool) -> Step:
        """A new block with its first instance, often in a loop."""
        free = [name for name in BLOCKS if name not in self.blocks]
        steps, end = self.grow(
            _sizes(x), self.random.randint(1, 5), depth + 1, keep=keep or self.chance(0.7)
        )
        if not free or not steps:
            return self.op(x, depth, keep)
        name = self.random.choice(free)
        lifted = lift(self.random, sites(steps, self.block_params), 0.3)
        if self.chance(0.2):
            steps = activated(self.random, steps, lifted)
        outputs = given_out(self.random, steps) if self.chance(0.2) else []
        inputs = ["memory", "side_input"][: self.random.choices((0, 1, 2), (14, 5, 1))[0]]
        for one in inputs:
            steps = joined(self.random, steps, x, end, one)
        if self.chance(0.3):
            steps = residual(self.random, steps, x, end)
        for step in walk(steps):
            if "block" in step and isinstance(step.get("from"), list) and self.chance(0.6):
                others = ("input", *inputs)
                step["from"][1:] = self.random.choices(others, k=len(step["from"]) - 1)
        for step in list(walk(steps)):
            if self.chance(0.15) and "when" not in step:
                step["when"] = self.condition(lifted, x)
        defaults = {param: one.value if self.chance(0.4) else None for param, one in lifted.items()}
        self.blocks[name] = {
            **({"inputs": inputs} if inputs else {}),
            **({"params": defaults} if lifted else {}),
            "layers": steps,
            **({"outputs": outputs} if outputs else {}),
        }
        self.block_params[name] = lifted
        return self.placed(self.instance_of(name, same=0.95))

    def condition(self, lifted: dict[str, Parameter], x: Axes) -> str:
        """A condition that often holds here; it may be a new parameter."""
        if self.chance(0.5):
            flag = self.random.choice(("wide", "deep", "gated"))
            lifted.setdefault(flag, Parameter(True, FLAG))
            return f"${flag}" if self.chance(0.8) else f"$(not {flag})"
        numbers = [name for name, one in lifted.items() if type(one.value) is int]
        width = "in.channels" if x.is_map else "in.features"
        if numbers and self.chance(0.7):
            number = self.random.choice(numbers)
            return self.random.choice((f"$({width} != {number})", f"$({number} > 1)"))
        return f"$({width} {self.random.choice(('>', '!=', '=='))} {self.random.randint(1, 4)})"

    def instance(self, x: Axes, depth: int, keep: bool) -> Step:
        return self.placed(self.instance_of(self.random.choice(sorted(self.blocks)), same=0.6))

    def instance_of(self, name: str, same: float) -> Step:
        """An instance; a parameter has its first value, or another of its kind, or its default."""
        defaults = self.blocks[name].get("params", {})
        given = {}
        for param, one in self.block_params[name].items():
            if defaults[param] is None or self.chance(0.6):
                kept = self.chance(same)
                given[param] = deepcopy(one.value) if kept else one.redrawn(self.random)
        made: Step = {"block": name, **({"with": given} if given else {})}
        inputs = self.blocks[name].get("inputs", ())
        return {**made, "from": ["in"] * (1 + len(inputs))} if inputs else made

    def placed(self, made: Step) -> Step:
        """An instance as it is, with a name, in a loop or in a section."""
        kind = self.random.random()
        if kind < 0.25:
            if self.chance(0.4):
                made = {**made, "name": f"{self.new_name()}-$(index)"}
            return {"repeat": self.random.randint(2, 4), "layers": [made]}
        if kind < 0.4 and "with" in made:
            lists = lift(self.random, sites([made], self.block_params), 0.6)
            count = self.random.randint(2, 3)
            values = {
                name: [one.value] + [self.again(one) for _ in range(count - 1)]
                for name, one in lists.items()
            }
            return {"for": values, "layers": [made]} if values else made
        if kind < 0.5:
            return {"section": self.new_name(), "layers": [made]}
        return self.named(made)

    def again(self, one: Parameter) -> Any:
        """The value, or another of its kind."""
        return deepcopy(one.value) if self.chance(0.5) else one.redrawn(self.random)

    # Other words

    def reworded(
        self, inputs: dict[str, Any], layers: list[Step], outputs: list[str]
    ) -> list[Step]:
        """The steps with some values as parameters of the spec and some as expressions, in the
        shorter forms that some may take."""
        for change in (self.with_params, self.with_expressions, self.in_short):
            kept = deepcopy((self.blocks, self.params))
            changed = deepcopy(layers)
            change([changed, *(block["layers"] for block in self.blocks.values())])
            if self.accepted(inputs, changed, outputs) is None:
                self.blocks, self.params = kept
            else:
                layers = changed
        return layers

    def with_params(self, bodies: list[list[Step]]) -> None:
        if self.chance(0.4):
            return
        taken = [name for params in self.block_params.values() for name in params]
        taken += [name for body in bodies for step in walk(body) for name in step.get("for", ())]
        found = [site for body in bodies for site in sites(body, self.block_params)]
        lifted = lift(self.random, found, 0.5 / (1 + len(found) ** 0.5), taken)
        for name, one in lifted.items():
            earlier = [key for key in self.params if lifted[key].value == one.value]
            if earlier and type(one.value) is int and self.chance(0.3):
                self.params[name] = f"$({self.random.choice(earlier)} + 0)"
            else:
                self.params[name] = one.value

    def with_expressions(self, bodies: list[list[Step]]) -> None:
        for body in bodies:
            express(self.random, sites(body, self.block_params), 0.03)

    def in_short(self, bodies: list[list[Step]]) -> None:
        """An op with its main field alone as `dense: 10`, one without fields as `relu`."""
        for body in bodies:
            shorten(self.random, body)


def _end(costs: Costs) -> tuple[str, Axes]:
    """The name and the axes of what the last step gives."""
    return _known(costs)[-1]


def _known(costs: Costs) -> list[tuple[str, Axes]]:
    """The steps at the top of a network by their names, with what they give, each block's own
    outputs before it."""
    nodes = costs.graph.nodes
    known: list[tuple[str, Axes]] = []
    for item in costs.graph.root.items:
        if isinstance(item, Node):
            known.append((item.name, item.output))
            continue
        inner = item.outputs.items()
        known += [(f"{item.name}.{name}", nodes[index].output) for name, index in inner]
        known.append((item.name, nodes[item.output].output))
    return known


def _sizes(x: Axes) -> dict[str, int]:
    return x.as_dict()


def _plain(data: Any) -> Any:
    """The same data with every list and mapping by itself, so that YAML writes no aliases."""
    return json.loads(json.dumps(data))
