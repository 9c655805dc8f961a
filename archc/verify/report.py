"""Reports of a verification: a table for people, data for programs."""

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


def data(verification: Verification) -> dict[str, Any]:
    """Everything as JSON types. A difference is the largest distance (null where values are not
    finite) and whether it is within the tolerance; null where there is nothing to compare."""
    settings = verification.settings
    absolute, relative = settings.tolerance
    first = verification.first
    return {
        "archc": 1,
        "name": verification.costs.graph.about.name,
        "agrees": verification.agrees,
        "first": None if first is None else {"layer": first[0], "in": first[1]},
        "versions": dict(verification.versions),
        "dtype": settings.dtype,
        "seed": settings.seed,
        "batch": settings.batch,
        "tolerance": {"absolute": absolute, "relative": relative},
        "seconds": round(verification.seconds, 1),
        "loss": _as_data(verification.loss),
        "faults": [failure._asdict() for failure in verification.failures],
        "layers": [
            {
                "path": row.node.path,
                "op": row.node.op.name,
                "size": row.size if row.size is None or isfinite(row.size) else None,
                **{kind: _as_data(one) for kind, one in row.differences.items()},
            }
            for row in verification.rows
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


def table(verification: Verification, *, color: bool = False) -> str:
    """One line a layer with the largest difference of its output, in evaluation and training, of
    its gradients and its running statistics. What exceeds the tolerance is marked `!`, or
    `~` where the network magnifies rounding as much."""
    lines = [_TITLES, *map(_cells, verification.rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(_TITLES))]
    versions = ", ".join(verification.versions.values())
    settings = verification.settings
    absolute, relative = settings.tolerance
    output = [
        f"{verification.costs.graph.about.name}: {versions}",
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
        output.append(paint(text, style) if color and style is not None else text)
    return "\n".join([*output, "", *_conclusion(verification)]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    size = "" if row.size is None else f"{row.size:.1e}"
    return (row.node.path, row.node.op.name, size, *map(_cell, row.differences.values()))


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return ""
    mark = _ROUNDING if difference.is_rounding else "" if difference.agrees else _WRONG
    return f"{difference.largest:.1e}{mark}"


def _conclusion(verification: Verification) -> list[str]:
    settings = verification.settings
    lines = []
    for failure in verification.failures:
        where = "" if failure.path is None else f", `{failure.path}`"
        lines.append(f"{failure.backend}{where}: {visible(failure.message)}")
    if verification.first is not None:
        lines.append(_divergence(verification, *verification.first))
    elif verification.loss is not None and not verification.loss.agrees:
        lines.append(f"the loss differs by {verification.loss.largest:.1e}")
    elif not verification.complete and not verification.failures:
        lines.append("a process did not write all that is to be compared")
    if verification.agrees:
        lines += _agreement(verification)
    else:
        lacks = lacking(settings, verification.costs.graph)
        lines += [f"`{path}`: {reason}; `--runtime {able}` can" for path, reason, able in lacks]
    return lines


def _divergence(verification: Verification, path: str, what: str) -> str:
    """The layer that diverges first, and in what, unless a failure says so already."""
    text = f"first divergence: `{path}`"
    (row,) = (row for row in verification.rows if row.node.path == path)
    difference = row.differences.get(what)
    if difference is None:
        return text
    if difference.is_rounding:
        return (
            f"not proven: `{path}` exceeds the tolerance in its {what}, by no more than\n"
            f"rounding ({_ROUNDING}): the network magnifies changes in the last bits of its "
            "weights and inputs as much"
        )
    infinite = "" if isfinite(difference.largest) else " (some values are not finite)"
    return f"{text}, {what}{infinite}"


def _agreement(verification: Verification) -> list[str]:
    count = len(verification.rows)
    layers, one = f"{count} layer{'s' * (count != 1)}", count == 1
    params = f"{verification.costs.totals.params:,} parameters"
    if len(verification.versions) < 2:
        return [f"{layers} {'has' if one else 'have'} the shapes of the report, and its {params}"]
    fused = sum(1 for row in verification.rows if row.size is None)
    note = f"; {fused} computed together with the next layer" if fused else ""
    differences = [one for row in verification.rows for one in row.differences.values()]
    compared = [one for one in (verification.loss, *differences) if one is not None]
    largest = max(difference.largest for difference in compared)
    verb = "agrees" if one else "agree"
    return [f"{layers} of {params} {verb}: the largest difference is {largest:.1e}{note}"]
