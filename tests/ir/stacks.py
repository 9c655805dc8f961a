"""Random stacks of ops that slide over a map, enlarge it, pool it to a size or join branches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import strategies as st

SMALLEST = 6
"""Elements that a stack leaves along each axis."""


@dataclass(frozen=True)
class Step:
    """One step of a spec: an op with its fields, or a merge with its branches."""

    op: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    branches: tuple[tuple[Step, ...], ...] = ()

    WINDOW: ClassVar = ("kernel_size", "stride", "dilation", "padding")
    DEFAULTS: ClassVar = {"stride": 1, "dilation": 1, "padding": 0}

    def of(self, name: str, axis: int) -> int:
        """The value of a field along one axis."""
        value = self.fields.get(name, self.DEFAULTS.get(name))
        if name == "stride" and "stride" not in self.fields and self.op.endswith("pool"):
            value = self.fields["kernel_size"]
        chosen: int = value[axis] if isinstance(value, list) else value
        return chosen

    def entry(self) -> object:
        """The step as a spec has it."""
        if self.branches:
            return {self.op: [[step.entry() for step in branch] for branch in self.branches]}
        return {self.op: dict(self.fields)} if self.fields else self.op


def conv(kernel_size: int | list[int], filters: int = 1, **fields: Any) -> Step:
    """A convolution."""
    return Step("conv", {"filters": filters, "kernel_size": kernel_size, **fields})


def conv_transpose(kernel_size: int, filters: int = 1, **fields: Any) -> Step:
    """A transposed convolution."""
    return Step("conv_transpose", {"filters": filters, "kernel_size": kernel_size, **fields})


def spec_of(sizes: Sequence[int], steps: Sequence[Step]) -> str:
    """A spec's text (JSON, which is YAML) for a map of one channel and these spatial sizes."""
    names = (("length",), ("height", "width"), ("depth", "height", "width"))[len(sizes) - 1]
    axes = dict(zip(names, sizes, strict=True))
    spec = {
        "archc": 1,
        "name": "stack",
        "input": {"channels": 1, **axes},
        "layers": [step.entry() for step in steps],
    }
    return json.dumps(spec)


@st.composite
def stacks(
    draw: st.DrawFn, longest: int = 160, *, gradients: bool = False
) -> tuple[tuple[int, ...], list[Step]]:
    """The spatial sizes of an input, and up to five steps on it. With `gradients`, each output
    depends on all that it sees, as that of max pooling does not."""
    rank = draw(st.integers(1, 3))
    most = (longest, longest // 2, longest // 5)[rank - 1]
    sizes = tuple(draw(st.integers(most // 2, most)) for _ in range(rank))
    steps: list[Step] = []
    shape = (1, *sizes)
    for _ in range(draw(st.integers(1, 5))):
        step, after = draw(_steps(shape, gradients))
        if min(after[1:]) >= SMALLEST and max(after[1:]) <= 2 * longest:
            steps.append(step)
            shape = after
    return sizes, steps or [Step("crop", {"cropping": 0})]


@st.composite
def _steps(
    draw: st.DrawFn, shape: tuple[int, ...], gradients: bool
) -> tuple[Step, tuple[int, ...]]:
    """A step on a map, and the shape that it leaves."""
    channels, *sizes = shape
    small = st.integers(1, 3)

    def axes(values: st.SearchStrategy[int]) -> list[int]:
        return [draw(values) for _ in sizes]

    pools = ["avg_pool"] if gradients else ["avg_pool", "max_pool"]
    others = ["conv", "conv_transpose", "upsample", "adaptive_avg_pool", "pad", "crop", "merge"]
    op = draw(st.sampled_from([*pools, *others]))
    match op:
        case "conv" | "avg_pool" | "max_pool":
            kernel, stride = axes(st.integers(1, 4)), axes(small)
            fields: dict[str, Any] = {"kernel_size": kernel, "stride": stride}
            dilation = axes(small) if op == "conv" else [1] * len(sizes)
            padding = [draw(st.integers(0, k - 1)) for k in kernel]
            if op == "conv":
                fields = {"filters": channels, **fields, "dilation": dilation}
            fields["padding"] = padding
            extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
            after = [
                (n + 2 * p - e) // s + 1
                for n, p, e, s in zip(sizes, padding, extents, stride, strict=True)
            ]
        case "conv_transpose":
            kernel, stride, dilation = axes(st.integers(1, 4)), axes(small), axes(small)
            fields = {"filters": channels, "kernel_size": kernel, "stride": stride}
            fields["dilation"] = dilation
            after = [
                (n - 1) * s + d * (k - 1) + 1
                for n, s, d, k in zip(sizes, stride, dilation, kernel, strict=True)
            ]
        case "upsample":
            scale = axes(small)
            fields = {"scale": scale, "mode": draw(st.sampled_from(["nearest", "linear"]))}
            after = [n * f for n, f in zip(sizes, scale, strict=True)]
        case "adaptive_avg_pool":
            after = [draw(st.integers(max(1, n // 3), n)) for n in sizes]
            fields = {"output_size": after}
        case "pad":
            padding = axes(small)
            fields = {"padding": padding}
            after = [n + 2 * p for n, p in zip(sizes, padding, strict=True)]
        case "crop":
            cropping = axes(st.integers(0, 2))
            fields = {"cropping": cropping}
            after = [n - 2 * c for n, c in zip(sizes, cropping, strict=True)]
        case _:
            return draw(_merges(channels, sizes))
    return Step(op, fields), (channels, *after)


@st.composite
def _merges(draw: st.DrawFn, channels: int, sizes: Sequence[int]) -> tuple[Step, tuple[int, ...]]:
    """A merge of branches that keep the map's size: on its own grid, or by way of a coarser or a
    finer one; or of one branch that has pooled all of it."""
    kernel = draw(st.sampled_from([3, 5]))
    branches = [
        (),
        (conv(kernel, channels, padding=kernel // 2, dilation=1),),
        (conv_transpose(1, channels, stride=2), Step("avg_pool", {"kernel_size": 1, "stride": 2})),
        (
            Step("upsample", {"scale": 3, "mode": "nearest"}),
            conv(2, channels, stride=3),
        ),
    ]
    for factor in (2, 3):
        if all(size % factor == 0 for size in sizes):
            pool = Step("avg_pool", {"kernel_size": factor})
            for mode in ("nearest", "linear"):
                branches.append((pool, Step("upsample", {"scale": factor, "mode": mode})))
    chosen = draw(st.lists(st.sampled_from(branches), min_size=2, max_size=3))
    op = draw(st.sampled_from(["add", "concat"]))
    width = channels * len(chosen) if op == "concat" else channels
    return Step(op, branches=tuple(chosen)), (width, *sizes)
