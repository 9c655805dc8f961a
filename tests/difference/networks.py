"""Networks for differences: from a few lines of YAML, and random ones of sequences, sections,
repetitions, branches and block instances that can be modified."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st

from archc.difference import Difference, difference
from archc.ir.costs import Costs
from archc.language.reader import decode
from archc.spec import read_source

Step = Any
IMAGE = "input: {channels: 3, height: 32, width: 32}\n"


def read(text: str) -> Costs:
    """The network of a spec's text."""
    return read_source(decode(text.encode(), "spec.yaml"), "/nowhere", "/nowhere/spec.yaml").build()


def network(name: str, steps: str, image: str = IMAGE) -> Costs:
    """The network of some steps on an image."""
    return read(f"archc: 1\nname: {name}\n{image}layers:\n{steps}")


def compared(a: str, b: str) -> Difference:
    """The difference of two networks by their steps."""
    return difference(network("a", a), network("b", b))


class Spot(NamedTuple):
    """A list of steps in a tree of them, and how often the network has what stands there.
    `in_branch` is true where the shape must stay as it is."""

    steps: list[Step]
    times: int
    in_branch: bool


class Tree(NamedTuple):
    """A random network as the data of its spec."""

    layers: list[Step]
    blocks: dict[str, list[Step]]

    def costs(self) -> Costs:
        """Its network. JSON is YAML."""
        blocks = {name: {"layers": body} for name, body in self.blocks.items() if body}
        used = [name for name in blocks if self.instances(name)]
        spec = {
            "archc": 1,
            "name": "random_network",
            "input": {"channels": 8, "height": 16, "width": 16},
            "blocks": {name: blocks[name] for name in used},
            "layers": self.layers,
        }
        if not used:
            del spec["blocks"]
        return read(json.dumps(spec))

    def instances(self, block: str) -> int:
        """The number of instances of a block."""
        return sum(
            spot.times * sum("block" in step and step["block"] == block for step in spot.steps)
            for spot in _spots(self.layers, 1, in_branch=False)
        )

    def spots(self) -> list[Spot]:
        """Every list of steps in the network."""
        spots = _spots(self.layers, 1, in_branch=False)
        for name, body in self.blocks.items():
            times = self.instances(name)
            if times:
                spots += _spots(body, times, in_branch=False)
        return spots


def _spots(steps: list[Step], times: int, *, in_branch: bool) -> list[Spot]:
    spots = [Spot(steps, times, in_branch)]
    for step in steps:
        if "layers" in step:
            inner = times * step.get("repeat", 1)
            spots += _spots(step["layers"], inner, in_branch=in_branch)
        elif "add" in step:
            for branch in step["add"]:
                spots += _spots(branch, times, in_branch=True)
    return spots


def keeping() -> st.SearchStrategy[Step]:
    """A layer that keeps the shape of its input."""
    return st.sampled_from(
        [
            {"relu": {}},
            {"tanh": {}},
            {"batch_norm": {}},
            {"batch_norm": {"affine": False}},
            {"dropout": {"rate": 0.5}},
            {"max_pool": {"kernel_size": 3, "stride": 1, "padding": 1}},
        ]
    )


def conv() -> st.SearchStrategy[Step]:
    """A convolution that keeps the spatial axes and changes the channels."""
    return st.builds(
        lambda filters, size, groups: {
            "conv": {
                "filters": filters,
                "kernel_size": size,
                "padding": "same",
                "groups": groups,
            }
        },
        st.sampled_from([4, 8, 12]),
        st.sampled_from([1, 3]),
        st.sampled_from([1, 1, 2]),
    )


def leaf() -> st.SearchStrategy[Step]:
    """Any layer."""
    return keeping() | conv()


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A random network."""
    residual = st.builds(
        lambda body: {"add": [body, []]}, st.lists(keeping(), min_size=1, max_size=3)
    )
    instance = st.sampled_from([{"block": "one"}, {"block": "two"}])
    inner = leaf() | residual | instance
    body = st.lists(inner, min_size=1, max_size=4)
    repeated = st.builds(
        lambda times, steps: {"repeat": times, "layers": steps}, st.integers(2, 3), body
    )
    section = st.builds(
        lambda steps: {"section": "", "layers": steps},
        st.lists(inner | repeated, min_size=1, max_size=4),
    )
    layers = draw(st.lists(inner | repeated | section, min_size=1, max_size=8))
    blocks = {
        name: draw(st.lists(leaf() | residual, min_size=1, max_size=4)) for name in ("one", "two")
    }
    # Drawn values may be shared: copy each step, so that it can be modified independently.
    tree = Tree(*json.loads(json.dumps([layers, blocks])))
    count = 0
    for spot in tree.spots():
        for step in spot.steps:
            count += 1
            if "section" in step:
                step["section"] = f"part_{count}"
            elif "conv" in step and draw(st.booleans()):
                step["name"] = f"named_{count}"
    return tree


def copied(tree: Tree) -> Tree:
    """A copy of the network that can be modified."""
    return Tree(*json.loads(json.dumps([*tree])))
