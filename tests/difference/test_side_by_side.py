"""Networks side by side: every layer on a line, frames that begin and end once, folds of what is
the same and of whole blocks."""

from __future__ import annotations

from hypothesis import given, settings

from archc.difference import difference
from archc.difference.side_by_side import Fold, Line, side_by_side
from archc.ir.graph import Node, Region
from tests.difference.networks import Tree, compared, trees


@given(one=trees(), two=trees())
@settings(max_examples=60)
def test_both_networks_are_whole(one: Tree, two: Tree) -> None:
    a, b = one.costs(), two.costs()
    lines: list[Line] = []
    for entry in side_by_side(difference(a, b)):
        if isinstance(entry, Fold) and entry.status != "same":
            lines.append(entry.head)
        lines += entry.lines if isinstance(entry, Fold) else [entry]
    for side, costs in enumerate((a, b)):
        cells = [line.cells[side] for line in lines]
        nodes = [cell.item for cell in cells if isinstance(cell.item, Node)]
        assert nodes == list(costs.graph.layers)
        frames = {region: _around(region) for region in _regions(costs.graph.root)}
        for cell in cells:
            if isinstance(cell.item, Node):
                inside = [region for region in cell.frames if cell.item in frames[region]]
                assert inside == list(cell.frames)
                assert len(inside) == sum(cell.item in nodes for nodes in frames.values())
        heads = [cell.item for cell in cells if isinstance(cell.item, Region)]
        assert set(heads) == {region for region in frames if frames[region]}
        assert len(heads) == len(set(heads))


def _around(region: Region) -> list[Node]:
    return list(region.nodes())


def _regions(region: Region) -> list[Region]:
    inner = [item for item in region.items if isinstance(item, Region)]
    return inner + [below for item in inner for below in _regions(item)]


def test_what_is_the_same_is_folded() -> None:
    before = "  - relu\n" * 5
    entries = list(side_by_side(compared(before, before + "  - tanh\n")))
    assert [type(entry) for entry in entries] == [Fold, Line]
    assert isinstance(entries[0], Fold)
    assert (entries[0].status, entries[0].layers) == ("same", 5)


def test_an_added_section_is_folded_beside_a_gap() -> None:
    section = "  - section: new\n    layers: [tanh, tanh]\n"
    fold = list(side_by_side(compared("  - relu\n", f"  - relu\n{section}")))[1]
    assert isinstance(fold, Fold)
    assert (fold.status, fold.layers) == ("added", 2)
    gap, head = fold.head.cells
    assert gap.item is None
    assert isinstance(head.item, Region)
    assert head.item.path == "new"
    assert head.ending == 1


def test_frames_of_partners_end_together() -> None:
    """As in ResNet-18 and ResNet-34: the stage of A goes on beside the block that is added."""
    stage = "  - section: stage\n    layers: [relu, LAYERS]\n  - relu\n"
    before = stage.replace("LAYERS", "relu")
    result = compared(before, stage.replace("LAYERS", "relu, tanh"))
    lines = [
        one
        for entry in side_by_side(result)
        for one in (entry.lines if isinstance(entry, Fold) else [entry])
    ]
    added = next(line for line in lines if line.pair is not None and line.pair.status == "added")
    assert [len(cell.frames) for cell in added.cells] == [1, 1]
    assert [cell.ending for cell in added.cells] == [1, 1]
