"""Receptive fields against sets of input positions carried through a network step by step, those
against the gradients of emitted networks, and both against published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.api import Network, load
from archc.ir.receptive_fields import Extents
from tests.ir.stacks import Step, conv, conv_transpose, spec_of, stacks

INSIDE = 12
"""Positions away from the border from which on a stack of few phases has shown them all."""


@dataclass(frozen=True)
class Seen:
    """The input positions that one position sees, and whether padding would have added to them."""

    positions: frozenset[int]
    touches_border: bool = False


def own_positions(size: int) -> list[Seen]:
    return [Seen(frozenset([position])) for position in range(size)]


def union(parts: list[Seen]) -> Seen:
    return Seen(
        frozenset().union(*(part.positions for part in parts)),
        any(part.touches_border for part in parts),
    )


OUTSIDE = Seen(frozenset(), touches_border=True)


def at(value: list[Seen], position: int) -> Seen:
    return value[position] if 0 <= position < len(value) else OUTSIDE


def carried(step: Step, value: list[Seen], axis: int) -> list[Seen]:
    """What the positions of a step's output see, by the step's definition, along one axis."""
    n = len(value)
    match step.op:
        case "conv" | "max_pool" | "avg_pool":
            kernel, stride, dilation, pad = (step.of(name, axis) for name in step.WINDOW)
            count = (n + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            return [
                union([at(value, p * stride - pad + dilation * j) for j in range(kernel)])
                for p in range(count)
            ]
        case "conv_transpose":
            kernel, stride, dilation, pad = (step.of(name, axis) for name in step.WINDOW)
            count = (n - 1) * stride + dilation * (kernel - 1) + 1 - 2 * pad
            output: list[list[Seen]] = [[] for _ in range(count)]
            # One element beyond either end is laid down too: what it reaches, the border reaches.
            beyond = dilation * kernel // stride + 1
            for i in range(-beyond, n + beyond):
                for j in range(kernel):
                    p = i * stride + dilation * j - pad
                    if 0 <= p < count:
                        output[p].append(at(value, i))
            return [union(parts) for parts in output]
        case "upsample" if step.fields["mode"] == "nearest":
            return [value[p // step.of("scale", axis)] for p in range(n * step.of("scale", axis))]
        case "upsample":
            factor = step.of("scale", axis)
            output = []
            for p in range(n * factor):
                twice = 2 * p + 1 - factor  # of the sample's position times the factor
                below = twice // (2 * factor)
                beside = [below + 1] if twice % (2 * factor) else []
                output.append([at(value, i) for i in (below, *beside)])
            return [union(parts) for parts in output]
        case "adaptive_avg_pool":
            count = step.of("output_size", axis)
            return [union(value[p * n // count : -(-(p + 1) * n // count)]) for p in range(count)]
        case "pad":
            pad = step.of("padding", axis)
            return [at(value, p - pad) for p in range(n + 2 * pad)]
        case "crop":
            crop = step.of("cropping", axis)
            return value[crop : n - crop]
        case "add" | "concat":
            branches = []
            for branch in step.branches:
                other = value
                for inner in branch:
                    other = carried(inner, other, axis)
                branches.append(other)
            size = max(map(len, branches))
            spread = [one * size if len(one) == 1 else one for one in branches]
            return [union(list(parts)) for parts in zip(*spread, strict=True)]
    raise AssertionError(step.op)


def through(steps: Sequence[Step], size: int, axis: int) -> list[Seen]:
    """What the positions of a stack's output see. After each step, the border ends where the
    longest run of positions begins that it does not reach."""
    value = own_positions(size)
    for step in steps:
        value = carried(step, value, axis)
        runs = [list(run) for clear, run in groupby(enumerate(value), is_clear) if clear]
        run = max(runs, key=len, default=[])
        clear = {position for position, _ in run}
        value = [
            replace(seen, touches_border=position not in clear)
            for position, seen in enumerate(value)
        ]
    return value


def is_clear(numbered: tuple[int, Seen]) -> bool:
    return not numbered[1].touches_border


def extent(seen: Seen) -> int:
    return max(seen.positions) - min(seen.positions) + 1 if seen.positions else 0


def network_of(tmp_path: Path, sizes: tuple[int, ...], steps: list[Step]) -> Network:
    path = tmp_path / "stack.yaml"
    path.write_text(spec_of(sizes, steps))
    return load(str(path), {})


def field_of(network: Network) -> Extents:
    field = network.costs.layers[-1].receptive_field
    assert field is not None
    return field


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


@pytest.mark.hypothesis
def test_random_stacks_see_what_their_steps_see(folder: Path) -> None:
    checked = 0

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal checked
        sizes, steps = data.draw(stacks())
        field = field_of(network_of(folder, sizes, steps))
        for axis, size in enumerate(sizes):
            value = through(steps, size, axis)
            inside = [extent(seen) for seen in value if not seen.touches_border]
            assert max(inside, default=0) <= field.sizes[axis]
            if len(inside) >= INSIDE or (inside and len(inside) == len(value)):
                checked += 1
                if field.exact:
                    assert field.sizes[axis] == max(inside)

    check()
    assert checked > 100


@pytest.mark.torch
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_gradients_reach_what_is_seen(folder: Path, data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    sizes, steps = data.draw(stacks(longest=40, gradients=True))
    network = network_of(folder, sizes, steps)
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(network.emit("torch"), scope)
    model = scope["build_model"]().double().eval()
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    x = torch.ones((1, 1, *sizes), dtype=torch.float64, requires_grad=True)
    y = model(x)[0].sum(0)
    for axis in range(len(sizes)):
        value = own_positions(sizes[axis])
        for step in steps:
            value = carried(step, value, axis)
        others = tuple(other for other in range(len(sizes)) if other != axis)
        along = y.sum(others) if others else y
        assert len(along) == len(value)
        for position, seen in enumerate(value):
            (gradient,) = torch.autograd.grad(along[position], x, retain_graph=True)
            reached = gradient[0, 0].sum(others) if others else gradient[0, 0]
            assert set(reached.nonzero().flatten().tolist()) == seen.positions


# Figures from elsewhere


@pytest.mark.parametrize(
    ("sizes", "steps", "expected"),
    [
        ((16,), [Step("upsample", {"scale": 2, "mode": "nearest"}), conv(2, stride=2)], (1,)),
        ((16,), [conv_transpose(1, stride=2), conv(2)], (1,)),
        ((16, 17), [Step("adaptive_avg_pool", {"output_size": 3})], (6, 7)),
        (
            (64, 64),
            [
                Step(
                    "add",
                    branches=(
                        (),
                        (
                            Step("avg_pool", {"kernel_size": 4}),
                            Step("upsample", {"scale": 4, "mode": "nearest"}),
                        ),
                    ),
                ),
                conv(3, padding=1),
            ],
            (8, 8),
        ),
    ],
)
def test_worked_examples(
    tmp_path: Path, sizes: tuple[int, ...], steps: list[Step], expected: tuple[int, ...]
) -> None:
    assert field_of(network_of(tmp_path, sizes, steps)).sizes == expected


PUBLISHED = {"resnet50_v1": 483, "mobilenet_v1": 315}
"""Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, table 1:
the last feature map."""


@pytest.mark.parametrize(("name", "size"), PUBLISHED.items())
def test_published_figures(name: str, size: int) -> None:
    network = load(str(Path(__file__).with_name(f"{name}.yaml")), {})
    maps = [layer for layer in network.costs.layers if layer.node.output.spatial]
    field = maps[-1].receptive_field
    assert field is not None
    assert (field.sizes, field.kind) == ((size, size), "exact")


def test_what_sees_everything_says_so(tmp_path: Path) -> None:
    network = network_of(tmp_path, (8, 8), [conv(3), Step("global_avg_pool")])
    kinds = [layer.receptive_field and layer.receptive_field.kind for layer in network.costs.layers]
    assert kinds == ["exact", "all"]


def test_tokens_see_what_their_positions_saw(tmp_path: Path) -> None:
    """Patches of 4 x 4, then two 3 x 3 convolutions over the map that they make: 4 + 2 * 4 * 2.
    The mean over all tokens sees all of the input."""
    steps = [
        conv(4, stride=4),
        Step("to_tokens"),
        Step("layer_norm"),
        Step("to_map", {"height": 8, "width": 8}),
        conv(3),
        conv(3),
        Step("to_tokens"),
        Step("global_avg_pool"),
    ]
    fields = [one.receptive_field for one in network_of(tmp_path, (32, 32), steps).costs.layers]
    seen = [(one.sizes, one.kind) for one in fields if one is not None]
    patch, all_of_it = ((4, 4), "exact"), ((32, 32), "all")
    after = [((12, 12), "exact"), ((20, 20), "exact"), ((20, 20), "exact"), all_of_it]
    assert seen == [patch, patch, patch, patch, *after]


def test_blocks_of_positions_see_as_a_strided_window_does(tmp_path: Path) -> None:
    steps = [Step("space_to_depth", {"block_size": 2}), conv(3)]
    assert field_of(network_of(tmp_path, (16, 16), steps)).sizes == (6, 6)
    steps = [conv(3, filters=4), Step("depth_to_space", {"block_size": 2}), conv(3)]
    network = network_of(tmp_path, (16, 16), steps)
    assert field_of(network).sizes == (4, 4)


def windows(**fields: Any) -> Step:
    return Step("window_attention", {"heads": 1, **fields})


@pytest.mark.torch
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([windows(window=4)], (4, 4)),
        ([windows(window=4), windows(window=4, shift=1)], (8, 8)),
        ([windows(window=2, shift=1), conv(3, padding=1), windows(window=6)], (8, 8)),
        ([windows(window=3, grid=True)], (9, 13)),
        ([conv(3, padding=1), windows(window=3, grid=True)], (11, 15)),
        ([windows(window=3, grid=True), conv(3, padding=1)], (12, 18)),
        ([windows(window=12, shift=5)], (12, 12)),
    ],
)
def test_windows_see_what_gradients_reach(
    tmp_path: Path, steps: list[Step], expected: tuple[int, ...]
) -> None:
    """By hand, and by the emitted network. Of windows that begin 5 positions later, in a map that
    has one along its height and two along its width, the widest is whole."""
    torch = pytest.importorskip("torch")
    last = [step.fields["window"] for step in steps if "window" in step.fields][-1]
    sizes = {3: (12, 18), 6: (18, 18)}.get(last, (12, 24))
    network = network_of(tmp_path, sizes, steps)
    assert field_of(network).sizes == expected
    scope: dict[str, Any] = {"__name__": "emitted"}
    exec(network.emit("torch"), scope)
    torch.manual_seed(0)
    model = scope["build_model"]().double().eval()
    x = torch.randn((1, 1, *sizes), dtype=torch.float64, requires_grad=True)
    y = model(x)[0].sum(0)
    largest = [0, 0]
    for position in range(y.numel()):
        (gradient,) = torch.autograd.grad(y.flatten()[position], x, retain_graph=True)
        for axis, places in enumerate(gradient[0, 0].nonzero().T):
            largest[axis] = max(largest[axis], int(places.max() - places.min()) + 1)
    assert tuple(largest) == expected


def test_positions_of_a_grid_that_see_padding_are_left_out(tmp_path: Path) -> None:
    """By hand: a convolution over p - 1 and p, windows of 3, and a grid of every fourth position.
    Of its phases only the last sees no padding: positions 3, 7 and 11, whose windows begin at 3, 6
    and 9, and so the input from 2 to 11."""
    steps = [conv(2, padding=[[1, 0], [1, 0]]), windows(window=3), windows(window=3, grid=True)]
    assert field_of(network_of(tmp_path, (12, 12), steps)).sizes == (10, 10)


def test_a_transposed_map_sees_along_the_other_axis(tmp_path: Path) -> None:
    steps = [
        conv([3, 1]),
        Step("permute", {"order": ["channels", "width", "height"]}),
        conv([5, 1]),
    ]
    assert field_of(network_of(tmp_path, (16, 16), steps)).sizes == (3, 5)


@pytest.mark.parametrize(
    ("size", "steps"),
    [
        (
            1000,
            [
                Step("adaptive_avg_pool", {"output_size": 997}),
                Step("upsample", {"scale": 3, "mode": "linear"}),
                conv(3),
            ],
        ),
        (5, [Step("upsample", {"scale": 1025, "mode": "linear"}), conv(3)]),
    ],
)
def test_long_periods_give_an_upper_bound(tmp_path: Path, size: int, steps: list[Step]) -> None:
    field = field_of(network_of(tmp_path, (size,), steps))
    value = own_positions(size)
    for step in steps:
        value = carried(step, value, 0)
    largest = max(map(extent, value))
    assert field.kind == "at most"
    assert largest <= field.sizes[0] <= largest + len(steps)


def test_grids_that_differ_are_kept_apart(tmp_path: Path) -> None:
    """Every second element beside every element: the two drift apart along the axis."""
    steps = [
        Step(
            "concat",
            branches=((conv(1, stride=2),), (Step("crop", {"cropping": [[0, 8]]}),)),
        )
    ]
    field = field_of(network_of(tmp_path, (16,), steps))
    value = carried(Step("crop", {"cropping": 0}), own_positions(16), 0)
    furthest = [abs(2 * p - p) + 1 for p in range(len(value) // 2)]
    assert (field.sizes, field.kind) == ((max(furthest),), "exact")
    assert all(a <= b for a, b in pairwise(furthest))
