"""Reports of a verification: a table for people, data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from archc.backends.runtime.exchange import EVALUATION, SINGLE, TRAINING
from archc.diagnostics import visible
from archc.diagnostics.ansi import paint
from archc.verify.compare import ROUNDING, Difference
from archc.verify.comparison import MODES, Row, Verification
from archc.verify.runtimes import lacking

_TITLES = (
    "layer",
    "op",
    "output size",
    "evaluation",
    "one sample",
    "training",
    "gradient size",
    "gradient",
    "statistics",
)
_WRONG, _ROUNDING, _MAGNIFIED = "!", "~", "*"
_LISTED = 3
"""Names that a warning lists."""


def data(verification: Verification) -> dict[str, Any]:
    """Everything as JSON types. A difference is the largest distance and the largest ratio to the
    scale (null where values are not finite), what is tolerated of the ratio, the root mean square
    of the array, and whether it is within the tolerance; null where there is nothing to compare."""
    settings = verification.settings
    first = verification.first
    return {
        "archc": 1,
        "name": verification.costs.graph.about.name,
        "verdict": verification.verdict,
        "agrees": verification.agrees,
        "first": None if first is None else {"layer": first[0], "in": first[1]},
        "versions": dict(verification.versions),
        "dtype": settings.dtype,
        "seed": settings.seed,
        "batch": settings.batch,
        "evaluation_only": verification.untrained,
        "tolerance": settings.tolerance._asdict(),
        "seconds": round(verification.seconds, 1),
        "loss": _as_data(verification.loss),
        "faults": [failure._asdict() for failure in verification.failures],
        "warnings": _warnings(verification),
        "layers": [
            {
                "path": row.node.path,
                "op": row.node.op.name,
                "size": _finite(row.size),
                "gradient_size": _finite(row.gradient_size),
                **{kind: _as_data(one) for kind, one in row.differences.items()},
                "gradients": {name: _as_data(one) for name, one in row.gradients.items()},
            }
            for row in verification.rows
        ],
    }


def _as_data(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "largest": _finite(difference.largest),
        "relative": _finite(difference.relative),
        "allowed": difference.allowed,
        "size": _finite(difference.size),
        "agrees": difference.agrees,
        "rounding": difference.is_rounding,
    }


def _finite(number: float | None) -> float | None:
    return number if number is None or isfinite(number) else None


def table(verification: Verification, *, color: bool = False) -> str:
    """One line a layer with the largest difference of its output, in evaluation and training, of
    its gradients and its running statistics, relative to the scale of each, and one for the loss.
    What exceeds the tolerance is marked `!`, or `~` where the network magnifies rounding as much,
    or `*` where the tolerance is raised for that reason."""
    lines = [_TITLES, *map(_cells, verification.rows)]
    if verification.loss is not None:
        lines.append(("(loss)", "", "", "", "", _cell(verification.loss), "", "", ""))
    shown = [index for index in range(len(_TITLES)) if any(line[index] for line in lines[1:])]
    lines = [tuple(line[index] for index in shown) for line in lines]
    widths = [max(len(line[index]) for line in lines) for index in range(len(shown))]
    versions = ", ".join(verification.versions.values())
    settings = verification.settings
    output = [
        f"{verification.costs.graph.about.name}: {versions}",
        f"{settings.dtype}, batch {settings.batch}, seed {settings.seed}, "
        f"tolerance {settings.tolerance.relative:.0e} of the scale",
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
    notes = [f"warning: {text}" for text in _warnings(verification)]
    return "\n".join([*output, "", *notes, *_conclusion(verification)]) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    differences = row.differences
    return (
        row.node.path,
        row.node.op.name,
        _size(row.size),
        *(_cell(differences[mode]) for mode in MODES),
        _size(row.gradient_size),
        _cell(differences["gradient"]),
        _cell(differences["statistics"]),
    )


def _size(size: float | None) -> str:
    return "" if size is None else f"{size:.1e}"


def _cell(difference: Difference | None) -> str:
    if difference is None:
        return ""
    mark = _WRONG
    if difference.agrees:
        mark = _MAGNIFIED if difference.is_magnified else ""
    elif difference.is_rounding:
        mark = _ROUNDING
    return f"{difference.relative:.1e}{mark}"


def _warnings(verification: Verification) -> list[str]:
    """What the comparisons do not say."""
    warnings = []
    by_names: dict[tuple[str, ...], list[str]] = {}
    for kind, names in verification.vacuous.items():
        by_names.setdefault(tuple(names), []).append(_KINDS[kind])
    for listed, kinds in by_names.items():
        warnings.append(
            f"{_listed(listed)}: zero within the tolerance in {', '.join(kinds)}, "
            "where the comparison says nothing"
        )
    if verification.undrawn:
        names = verification.undrawn
        warnings.append(f"{_listed(names)}: too few initial values to tell their distribution")
    return warnings


_KINDS = {
    EVALUATION: "evaluation",
    SINGLE: "one sample",
    TRAINING: "training",
    "gradient": "its gradient",
    "statistics": "its statistics",
}
"""What is compared, in a sentence."""


def _listed(names: Sequence[str]) -> str:
    """The first of some names, and how many others there are."""
    first = ", ".join(f"`{name}`" for name in names[:_LISTED])
    rest = len(names) - _LISTED
    return first if rest <= 0 else f"{first} and {rest} other{'s' * (rest != 1)}"


def _conclusion(verification: Verification) -> list[str]:
    settings = verification.settings
    lines = []
    if any(one.is_magnified for one in verification.differences):
        lines.append(
            f"{_MAGNIFIED} within {ROUNDING} times what the last bits of weights and inputs make"
        )
    for failure in verification.failures:
        where = "" if failure.path is None else f", `{failure.path}`"
        lines.append(f"{failure.backend}{where}: {visible(failure.message)}")
    if verification.verdict == "inconclusive":
        lines += _inconclusive(verification)
    elif verification.first is not None:
        lines.append(_divergence(verification, *verification.first))
    elif verification.loss is not None and not verification.loss.agrees:
        lines.append(f"the loss differs by {verification.loss.relative:.1e}")
    elif not verification.complete and not verification.failures:
        lines.append("a process did not write all that is to be compared")
    lines += [
        f"{backend} emits networks for evaluation, and takes no training step"
        for backend in verification.untrained
    ]
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
    infinite = "" if isfinite(difference.largest) else " (some values are not finite)"
    return f"{text}, {_KINDS[what]}{infinite}"


def _inconclusive(verification: Verification) -> list[str]:
    """Where only rounding can be told, and what is proven nevertheless."""
    where = "the loss"
    if verification.first is not None:
        path, kind = verification.first
        where = f"`{path}`, {_KINDS[kind]},"
    evaluations = [row.differences[EVALUATION] for row in verification.rows]
    evaluation = all(one is None or one.agrees for one in evaluations)
    return [
        f"inconclusive: {where} differs by no more than rounding ({_ROUNDING}), but the network "
        "magnifies",
        "the last bits of its weights and inputs so much that nothing is proven"
        + ("; all of evaluation agrees" if evaluation else ""),
    ]


def _agreement(verification: Verification) -> list[str]:
    count = len(verification.rows)
    layers, one = f"{count} layer{'s' * (count != 1)}", count == 1
    params = f"{verification.costs.totals.params:,} parameters"
    if len(verification.versions) < 2:
        return [f"{layers} {'has' if one else 'have'} the shapes of the report, and its {params}"]
    fused = sum(1 for row in verification.rows if row.size is None)
    note = f"; {fused} computed together with the next layer" if fused else ""
    largest = max(difference.relative for difference in verification.differences)
    verb = "agrees" if one else "agree"
    return [f"{layers} of {params} {verb}: the largest difference is {largest:.1e}{note}"]
