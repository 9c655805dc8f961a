"""Properties of the difference of any two networks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from archc.difference import Difference, difference
from archc.difference.causes import ADDED, REMOVED, Cost, cost_of, subtract, sum_of
from tests.difference.networks import Tree, copied, keeping, leaf, trees

FEW = settings(max_examples=30, deadline=None)


def inserted(data: st.DataObject, tree: Tree) -> tuple[Tree, int, bool]:
    """The network with one layer more, how often that stands in it, and whether all shapes are as
    they were."""
    more = copied(tree)
    spot = data.draw(st.sampled_from(more.spots()), label="where")
    shape_kept = spot.in_branch or data.draw(st.booleans(), label="keeps the shape")
    step = data.draw(keeping() if shape_kept else leaf(), label="what")
    spot.steps.insert(data.draw(st.integers(0, len(spot.steps)), label="at"), step)
    return more, spot.times, shape_kept


def statuses(result: Difference) -> dict[str, int]:
    """The number of rows of each status except `same`."""
    counts: dict[str, int] = {}
    for pair in result.pairs:
        if pair.status != "same":
            counts[pair.status] = counts.get(pair.status, 0) + 1
    return counts


@FEW
@given(trees())
def test_a_network_does_not_differ_from_itself(tree: Tree) -> None:
    result = difference(tree.costs(), copied(tree).costs())
    assert result.is_empty
    assert statuses(result) == {}
    assert result.shares() == []


@FEW
@given(st.data(), trees())
def test_one_layer_more_is_one_row(data: st.DataObject, tree: Tree) -> None:
    more, times, shape_kept = inserted(data, tree)
    result = difference(tree.costs(), more.costs())
    if shape_kept:
        assert statuses(result) == {"added": times}
    else:
        # Downstream layers have another input shape, but are not changed.
        assert statuses(result).get("added") == times
        assert "removed" not in statuses(result)
        assert not any(pair.changes for pair in result.pairs)
        assert {share.kind for share in result.shares()} <= {ADDED}


@FEW
@given(st.data(), trees())
def test_one_layer_less_is_one_row(data: st.DataObject, tree: Tree) -> None:
    more, times, shape_kept = inserted(data, tree)
    result = difference(more.costs(), tree.costs())
    if shape_kept:
        assert statuses(result) == {"removed": times}
    else:
        assert statuses(result).get("removed") == times
        assert "added" not in statuses(result)
        assert not any(pair.changes for pair in result.pairs)


CHANGES = {
    "conv": ("kernel_size", 5),
    "dropout": ("rate", 0.25),
    "batch_norm": ("epsilon", 0.5),
    "max_pool": ("ceil_mode", True),
}


@FEW
@given(st.data(), trees())
def test_one_field_changed_is_one_row(data: st.DataObject, tree: Tree) -> None:
    changed = copied(tree)
    candidates = [
        (step, op, spot.times)
        for spot in changed.spots()
        for step in spot.steps
        for op in CHANGES
        if op in step
    ]
    if not candidates:
        return
    step, op, times = data.draw(st.sampled_from(candidates))
    field, value = CHANGES[op]
    step[op][field] = value
    result = difference(tree.costs(), changed.costs())
    assert statuses(result) == {"changed": times}
    assert {tuple(pair.changes) for pair in result.pairs if pair.status != "same"} == {(field,)}
    assert {share.kind for share in result.shares()} <= {field}


@FEW
@given(trees(), trees())
def test_every_layer_has_one_row_in_order(one: Tree, two: Tree) -> None:
    result = difference(one.costs(), two.costs())
    assert [pair.a for pair in result.pairs if pair.a is not None] == list(result.a.layers)
    assert [pair.b for pair in result.pairs if pair.b is not None] == list(result.b.layers)
    for pair in result.pairs:
        assert (pair.a is None, pair.b is None) == (
            pair.status == "added",
            pair.status == "removed",
        )
        if pair.a is not None and pair.b is not None:
            assert pair.a.node.op.name == pair.b.node.op.name
    # In a gap of both, unpaired layers of A come first.
    for before, after in pairwise(result.pairs):
        assert (before.status, after.status) != ("added", "removed")


@FEW
@given(trees(), trees())
def test_the_causes_add_up(one: Tree, two: Tree) -> None:
    result = difference(one.costs(), two.costs())
    nothing = Cost(0, 0, 0)
    for pair in result.pairs:
        costs = [nothing if side is None else cost_of(side) for side in (pair.a, pair.b)]
        assert sum_of(effect.cost for effect in pair.effects) == subtract(costs[1], costs[0])
        assert nothing not in [effect.cost for effect in pair.effects if pair.status == "changed"]
    a, b = result.a.totals, result.b.totals
    whole = Cost(b.params - a.params, b.macs - a.macs, b.activations - a.activations)
    assert sum_of(share.cost for share in result.shares()) == whole


@FEW
@given(trees(), trees())
def test_the_way_back_is_the_mirror(one: Tree, two: Tree) -> None:
    there = difference(one.costs(), two.costs())
    back = difference(two.costs(), one.costs())
    assert sorted(mirrored(there), key=repr) == sorted(effects_of(back), key=repr)
    turned = {ADDED: REMOVED, REMOVED: ADDED}
    nothing = Cost(0, 0, 0)
    shares = {
        turned.get(share.kind, share.kind): (
            subtract(nothing, share.cost),
            subtract(nothing, share.downstream),
        )
        for share in there.shares()
    }
    assert {share.kind: (share.cost, share.downstream) for share in back.shares()} == shares


def effects_of(result: Difference) -> list[tuple[object, ...]]:
    """The rows of a difference as plain values."""
    return [
        (
            pair.status,
            None if pair.a is None else pair.a.node.path,
            None if pair.b is None else pair.b.node.path,
            pair.changes,
        )
        for pair in result.pairs
    ]


def mirrored(result: Difference) -> list[tuple[object, ...]]:
    """The expected rows in the opposite direction."""
    status = {"added": "removed", "removed": "added"}
    return [
        (
            status.get(str(row[0]), row[0]),
            row[2],
            row[1],
            {field: (after, before) for field, (before, after) in dict(row[3]).items()},  # type: ignore[call-overload]
        )
        for row in effects_of(result)
    ]
