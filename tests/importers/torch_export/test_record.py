"""The record of torchvision's classifiers: whole, and its table that of its rows."""

from __future__ import annotations

from tests.importers.torch_export.record import RECORD


def test_the_table_is_that_of_the_rows() -> None:
    assert (RECORD.folder / "README.md").read_text(encoding="utf-8") == RECORD.table(RECORD.read())


def test_all_classifiers_are_accepted_or_refused_by_a_name() -> None:
    rows = RECORD.read()
    assert len(rows) == 80
    assert [name for name, row in rows.items() if row.problem] == []
    refused = {name for name, row in rows.items() if row.missing}
    assert refused == {
        *(f"swin_{kind}" for kind in ("t", "s", "b", "v2_t", "v2_s", "v2_b")),
        "maxvit_t",
    }


def test_the_texts_are_short() -> None:
    rows = RECORD.read()
    longest = {"resnet50": 45, "vgg19": 40, "densenet121": 60, "vit_b_16": 40}
    for name, lines in longest.items():
        assert rows[name].lines <= lines
