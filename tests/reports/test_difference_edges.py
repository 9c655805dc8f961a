"""Edges beside the layers of a difference: the lane, the line where each begins, and where it
ends."""

from __future__ import annotations

from archc.difference import difference
from archc.difference.side_by_side import Fold, side_by_side
from archc.reports.difference_edges import MOST_LANES, Edges
from tests.difference.networks import network

RESIDUAL = """\
  - {relu: , name: a}
  - {tanh: , name: b}
  - {add: , from: [a, b], name: c}
  - {sigmoid: , name: d}
  - {add: , from: [a, d], name: e}
  - {add: , from: [c, e], name: f}
"""


def edges_of(steps: str, *, last: str = "  - elu\n") -> tuple[Edges, list[Fold]]:
    """The edges of the first of two networks that differ in their last layer."""
    a, b = network("a", steps + last), network("b", steps + "  - selu\n")
    entries = list(side_by_side(difference(a, b)))
    return Edges(entries, 0, a.graph), [one for one in entries if isinstance(one, Fold)]


def test_lanes_lead_from_a_layer_to_those_that_take_it() -> None:
    edges, (fold,) = edges_of(RESIDUAL)
    drawn = [[(one.lane, one.kind) for one in edges.beside(number)] for number in range(7)]
    assert fold.layers == 6
    assert drawn == [
        [(1, "out")],  # a, for c and e
        [(1, "through")],
        [(1, "both"), (2, "out")],  # c takes a, and goes to f
        [(1, "through"), (2, "through")],
        [(1, "in"), (2, "through")],
        [(2, "in")],
        [],
    ]
    assert edges.lanes == 2
    assert edges.by_name == {}
    assert len(edges.continued) == 6


def test_a_lane_is_free_below_its_last_layer() -> None:
    edges, _ = edges_of(
        "  - {relu: , name: a}\n  - {tanh: , name: b}\n  - {add: , from: [a, b]}\n"
        "  - {relu: , name: c}\n  - {tanh: , name: d}\n  - {add: , from: [c, d]}\n"
    )
    assert edges.lanes == 1


def test_one_line_in_place_of_several_has_what_comes_and_goes() -> None:
    edges, _ = edges_of(RESIDUAL)

    def instead(begin: int, end: int) -> list[tuple[int, str]]:
        return [(one.lane, one.kind) for one in edges.instead(begin, end)]

    assert instead(0, 7) == []
    assert instead(0, 2) == [(1, "out")]
    assert instead(1, 2) == [(1, "through")]
    assert instead(2, 4) == [(1, "both"), (2, "out")]
    assert instead(3, 5) == [(1, "in"), (2, "through")]
    assert [(one.lane, one.kind) for one in edges.above(2)] == [(1, "through")]


def test_what_has_no_lane_is_named() -> None:
    count = MOST_LANES + 2
    names = [f"n{number}" for number in range(count)]
    steps = "".join(f"  - {{relu: , name: {name}}}\n" for name in names)
    edges, _ = edges_of(f"{steps}  - {{add: , from: [{', '.join(names)}]}}\n")
    assert edges.lanes == MOST_LANES
    assert [len(sources) for sources in edges.by_name.values()] == [1]
