"""The record of torchvision's classifiers: whole, and its table that of its rows."""

from __future__ import annotations

from tests.importers.torch_export.record import RECORD

MOST_PARAMETERS = 160_000_000


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


def test_values_of_all_layers_were_compared() -> None:
    rows = [row for row in RECORD.read().values() if not row.missing]
    for row in rows:
        assert row.compared == (row.ops if row.params <= MOST_PARAMETERS else 0)
        assert row.largest < 1e-5


def test_the_texts_are_short() -> None:
    rows = RECORD.read()
    longest = {"resnet50": 45, "vgg19": 40, "densenet121": 60, "vit_b_16": 40}
    for name, lines in longest.items():
        assert rows[name].lines <= lines
