"""A verification told: as a table for people, as data for programs."""

from __future__ import annotations

from math import isfinite
from typing import Any

from archc.diagnostics import visible
from archc.diagnostics.ansi import paint
from archc.verify.compare import Difference
from archc.verify.comparison import Row, Verification
from archc.verify.runtimes import lacking

_TITLES = ("layer", "op", "size", "evaluation", "training", "gradient", "statistics")
_WRONG, _ROUNDING = "!", "~"


def data(found: Verification) -> dict[str, Any]:
    """Everything as JSON types. A difference is the largest distance (null where values are not
    finite) and whether it is tolerated; null where there is nothing to compare."""
    settings = found.settings
    absolute, relative = settings.tolerance
    first = found.first
    return {
        "archc": 1,
        "name": found.costs.graph.about.name,
        "agrees": found.agrees,
        "first": None if first is None else {"layer": first[0], "in": first[1]},
        "versions": dict(found.versions),
        "dtype": settings.dtype,
        "seed": settings.seed,
        "batch": settings.batch,
        "tolerance": {"absolute": absolute, "relative": relative},
        "seconds": round(found.seconds, 1),
        "loss": _as_data(found.loss),
        "faults": [fault._asdict() for fault in found.faults],
        "layers": [
            {
                "path": row.node.path,
                "op": row.node.op.name,
                "size": row.size if row.size is None or isfinite(row.size) else None,
                **{kind: _as_data(one) for kind, one in row.differences.items()},
            }
            for row in found.rows
        ],
    }


def _as_data(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    largest = difference.largest
    return {
        "largest": largest if isfinite(largest) else None,
        "agrees": difference.agrees,
        "rounding": difference.is_rounding,
    }


def table(found: Verification, *, color: bool = False) -> str:
    """One line a layer with the largest difference of its output, in evaluation and training, of
    its gradients and its running statistics. What is not tolerated is marked `!`, or `~` where
    the network magnifies rounding as much."""
    lines = [_TITLES, *map(_cells, found.rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(_TITLES))]
    versions = ", ".join(found.versions.values())
    settings = found.settings
    absolute, relative = settings.tolerance
    told = [
        f"{found.costs.graph.about.name}: {versions}",
        f"{settings.dtype}, batch {settings.batch}, seed {settings.seed}, "
        f"tolerance {absolute:.0e} + {relative:.0e} \u00d7 |value|",
        "",
    ]
    for position, line in enumerate(lines):
        cells = (
            f"{cell:<{width}}" if index < 2 else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text = "  ".join(cells).rstrip()
        style = "bold" if not position else "red" if _WRONG in text else None
        told.append(paint(text, style) if color and style is not None else text)
    return "\n".join([*told, "", *_conclusion(found)]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    size = "" if row.size is None else f"{row.size:.1e}"
    return (row.node.path, row.node.op.name, size, *map(_cell, row.differences.values()))


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return ""
    mark = _ROUNDING if difference.is_rounding else "" if difference.agrees else _WRONG
    return f"{difference.largest:.1e}{mark}"


def _conclusion(found: Verification) -> list[str]:
    settings = found.settings
    told = []
    for fault in found.faults:
        where = "" if fault.path is None else f", `{fault.path}`"
        told.append(f"{fault.backend}{where}: {visible(fault.message)}")
    if found.first is not None:
        told.append(_divergence(found, *found.first))
    elif found.loss is not None and not found.loss.agrees:
        told.append(f"the loss differs by {found.loss.largest:.1e}")
    elif not found.complete and not found.faults:
        told.append("a process has not left all that is to be compared")
    if found.agrees:
        told += _agreement(found)
    else:
        lacks = lacking(settings, found.costs.graph)
        told += [f"`{path}`: {reason}; `--runtime {able}` can" for path, reason, able in lacks]
    return told


def _divergence(found: Verification, path: str, what: str) -> str:
    """The layer that diverges first, and in what, unless a fault has told that already."""
    text = f"first divergence: `{path}`"
    (row,) = (row for row in found.rows if row.node.path == path)
    difference = row.differences.get(what)
    if difference is None:
        return text
    if difference.is_rounding:
        return (
            f"not proven: `{path}` lies beyond the tolerance in its {what}, by no more than\n"
            f"rounding ({_ROUNDING}): the network magnifies changes in the last bits of its "
            "weights and inputs as much"
        )
    infinite = "" if isfinite(difference.largest) else " (there are values that are not finite)"
    return f"{text}, {what}{infinite}"


def _agreement(found: Verification) -> list[str]:
    count = len(found.rows)
    layers, one = f"{count} layer{'s' * (count != 1)}", count == 1
    params = f"{found.costs.totals.params:,} parameters"
    if len(found.versions) < 2:
        return [f"{layers} {'has' if one else 'have'} the shapes of the report, and its {params}"]
    fused = sum(1 for row in found.rows if row.size is None)
    note = f"; {fused} computed as one with the layer behind" if fused else ""
    differences = [found.loss, *(one for row in found.rows for one in row.differences.values())]
    compared = [difference for difference in differences if difference is not None]
    largest = max(difference.largest for difference in compared)
    verb = "agrees" if one else "agree"
    return [f"{layers} of {params} {verb}: the largest difference is {largest:.1e}{note}"]
