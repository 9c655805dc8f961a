"""Attribution of differences, compared with figures computed by hand."""

from __future__ import annotations

from pathlib import Path

from archc.api import load
from archc.difference import Difference, difference
from tests.difference.networks import IMAGE, compared, network

SPECS = Path(__file__).parents[2] / "specs"


def params(result: Difference) -> dict[str, tuple[int, int]]:
    """The parameters of each cause, and their downstream part."""
    return {share.kind: (share.cost.params, share.downstream.params) for share in result.shares()}


def causes(result: Difference, path: str) -> list[tuple[str, str | None, int]]:
    """The causes of the row of a layer of B, with their parameters."""
    return [
        (effect.cause.kind, effect.cause.layer, effect.cost.params)
        for pair in result.pairs
        if pair.b is not None and pair.b.node.path == path
        for effect in pair.effects
    ]


def test_alexnet_in_one_tower() -> None:
    a, b = (load(str(SPECS / f"{name}.yaml"), {}) for name in ("alexnet", "alexnet_torchvision"))
    result = difference(a.costs, b.costs)
    shares = params(result)
    # One group instead of two doubles the kernels: 192 * 32 * 25 + 256 * 192 * 9 + 256 * 128 * 9.
    assert shares["groups"] == (153_600 + 442_368 + 294_912, 0)
    downstream = -256 * 16 * 25 - 384 * 64 * 9 - 256 * 64 * 9
    own = -32 * (3 * 121 + 1) - 64 * (32 * 25 + 1) - 128 * (192 * 9 + 1)
    assert shares["filters"] == (downstream + own, downstream)
    assert sum(one for one, _ in shares.values()) == 135_616
    assert {kind for kind, cost in shares.items() if cost != (0, 0)} == {"groups", "filters"}
    assert causes(result, "features.conv_2") == [
        ("filters", "features.conv_1", -256 * 16 * 25),
        ("filters", "features.conv_2", -64 * (32 * 25 + 1)),
        ("groups", "features.conv_2", 192 * 32 * 25),
    ]


STEPS = """\
  - conv: {filters: 8, kernel_size: 3, padding: 1}
  - relu
  - max_pool: {kernel_size: 2}
  - flatten
  - dense: 10
"""


def test_a_width_is_followed_to_where_it_counts() -> None:
    result = compared(STEPS, STEPS.replace("filters: 8", "filters: 9"))
    assert params(result) == {"filters": (28 + 16 * 16 * 10, 16 * 16 * 10)}
    assert causes(result, "dense_1") == [("filters", "conv_1", 2560)]


def test_width_and_space_have_causes_of_their_own() -> None:
    other = STEPS.replace("filters: 8", "filters: 9").replace("max_pool: {kernel_size: 2}", "relu")
    other = other.replace("padding: 1", "padding: 1, stride: 2")
    result = compared(STEPS, other)
    # The dense layer gets 9 * 16 * 16 features; a pool is removed, and its downsampling with it.
    assert causes(result, "dense_1") == [("filters", "conv_1", 2560)]
    assert {share.kind for share in result.shares()} >= {"stride", "removed layers", "added layers"}


def test_what_an_added_layer_makes_of_the_next_is_its_own() -> None:
    wider = STEPS.replace("  - relu\n", "  - relu\n  - conv: {filters: 16, kernel_size: 1}\n")
    result = compared(STEPS, wider)
    assert params(result) == {"added layers": (144 + 2048 * 10, 2048 * 10)}
    assert causes(result, "dense_1") == [("added layers", "conv_2", 20480)]


def test_layers_that_pass_a_width_on_are_looked_through() -> None:
    passing = STEPS.replace("  - relu\n", "  - relu\n  - dropout: 0.5\n  - tanh\n")
    result = compared(STEPS, passing.replace("filters: 8", "filters: 9"))
    assert causes(result, "dense_1") == [("filters", "conv_1", 2560)]


def test_a_replaced_layer() -> None:
    pooled = STEPS.replace("max_pool: {kernel_size: 2}", "avg_pool: {kernel_size: 4}")
    result = compared(STEPS, pooled)
    assert causes(result, "dense_1") == [("replaced layers", None, (512 - 2048) * 10)]


def test_the_network_input() -> None:
    result = difference(
        network("a", STEPS),
        network("b", STEPS, image=IMAGE.replace("channels: 3", "channels: 4")),
    )
    assert params(result) == {"network input": (8 * 9, 8 * 9)}


def test_branches_changed_in_one_field_and_in_several() -> None:
    steps = """\
  - concat:
      - - conv: {filters: 4, kernel_size: 1}
      - - conv: {filters: 6, kernel_size: 1}
  - conv: {filters: 10, kernel_size: 1}
"""
    both = steps.replace("filters: 4", "filters: 5").replace("filters: 6", "filters: 8")
    assert causes(compared(steps, both), "conv_3") == [("filters", None, 30)]
    more = "      - - conv: {filters: 7, kernel_size: 1}\n  - conv: {filters: 10"
    longer = steps.replace("  - conv: {filters: 10", more)
    assert causes(compared(steps, longer), "conv_4") == [("added layers", "conv_3", 70)]
    mixed = longer.replace("filters: 4", "filters: 5")
    assert causes(compared(steps, mixed), "conv_4") == [("several changes", None, 80)]


def test_other_wiring() -> None:
    steps = """\
  - conv: {filters: 4, kernel_size: 1}
    name: one
  - conv: {filters: 6, kernel_size: 1}
    name: two
    from: input
  - conv: {filters: 10, kernel_size: 1}
    from: SOURCE
  - concat:
    from: [conv_1, one, two]
"""
    result = compared(steps.replace("SOURCE", "one"), steps.replace("SOURCE", "two"))
    assert causes(result, "conv_1") == [("wiring", None, 20)]


def test_one_input_more_or_less() -> None:
    steps = """\
  - conv: {filters: 4, kernel_size: 1}
    name: one
  - conv: {filters: 6, kernel_size: 1}
    name: two
  - concat:
    from: [one, two]
  - conv: {filters: 10, kernel_size: 1}
"""
    more = steps.replace("[one", "[input, one")
    # 10 times the input's 3 channels.
    assert causes(compared(steps, more), "conv_1") == [("wiring", None, 30)]
    # The cheaper network is where a comparison starts.
    dear = f"{steps}  - conv: {{filters: 50, kernel_size: 3}}\n"
    assert causes(compared(more, dear), "conv_1") == [("wiring", None, -30)]


def test_steps_that_are_no_layer_alone_wait_or_go_together() -> None:
    steps = """\
  - conv: {filters: 12, kernel_size: 1}
  - conv: {filters: 6, groups: 3, kernel_size: 1}
"""

    def effects(filters: int, groups: int) -> list[tuple[str, str | None, int]]:
        other = steps.replace("filters: 6, groups: 3", f"filters: {filters}, groups: {groups}")
        return causes(compared(steps, other), "conv_2")

    assert effects(9, 1) == [("filters", "conv_2", 3 * 5), ("groups", "conv_2", 9 * 8)]
    # 8 filters are not divisible into three groups: that step is postponed until there are two.
    assert effects(8, 2) == [("groups", "conv_2", 6 * 2), ("filters", "conv_2", 2 * 7)]
    # 6 filters are not divisible into four groups either.
    assert effects(8, 4) == [("filters + groups", "conv_2", 8 * 4 - 6 * 5)]
