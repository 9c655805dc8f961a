"""Learning curves: loss, accuracy and learning rate by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from archc.reports.drawing.labels import SMALL, text_width
from archc.training.report.files import Epoch, Run
from archc.training.report.svg import Panel, number, text

WIDTH = 320
HEIGHT = 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 44, 40
TICKS = 5
MOST_POINTS = 500
"""The largest number of points of a curve: more could not be distinguished."""
FEW = 40
"""Curves of at most so many points have a marker for each."""

SMALLEST = 1e-30
"""Smaller values are drawn as zero."""

Item = TypeVar("Item")


class Series(NamedTuple):
    """A curve: its title, its kind (`training` or `validation`), and its points."""

    title: str
    kind: str
    points: tuple[tuple[int, float], ...]


def panels(run: Run) -> list[Panel]:
    """Panels of loss, accuracy, top-5 accuracy if it was measured, and learning rate."""
    epochs = subsample(run.epochs, MOST_POINTS)
    best = run.best()
    panels = []
    for title, name, form in (
        ("Loss", "loss", _plain),
        ("Accuracy", "accuracy", percent),
        ("Top-5 accuracy", "top_5_accuracy", percent),
        ("Learning rate", "learning_rate", _plain),
    ):
        series = [
            Series(kind, kind, points)
            for kind, key in (("training", name), ("validation", f"validation_{name}"))
            if (points := _points(epochs, key))
        ]
        if series or name != "top_5_accuracy":
            panels.append(_panel(title, series, epochs, best, form))
    return panels


def subsample(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most `most` of the items, evenly spaced, including the last one."""
    step = -(-len(items) // most)
    return items if step <= 1 else items[(len(items) - 1) % step :: step]


def percent(share: float) -> str:
    """A fraction in percent."""
    return f"{100 * share:.4g}%"


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _points(epochs: Iterable[Epoch], name: str) -> tuple[tuple[int, float], ...]:
    return tuple((one.number, one.figures[name]) for one in epochs if name in one.figures)


def ticks(lowest: float, highest: float, most: int = TICKS) -> list[float]:
    """Round numbers, evenly spaced, that cover the range from `lowest` to `highest`."""
    if highest - lowest <= max(1e-6 * max(abs(lowest), abs(highest)), SMALLEST):
        margin = abs(lowest) / 10 if abs(lowest) > SMALLEST else 0.5
        lowest, highest = lowest - margin, highest + margin
    rough = (highest - lowest) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10, 20) if times * power >= rough)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [count * step for count in range(first, last + 1)]


def _panel(
    title: str,
    series: Sequence[Series],
    epochs: Sequence[Epoch],
    best: Epoch | None,
    form: Callable[[float], str],
) -> Panel:
    lines = [text(0, 14, title, "title")]
    values = [value for one in series for _, value in one.points]
    if not values:
        lines.append(text(0, 40, "no values", "quiet"))
        return Panel(WIDTH, HEIGHT, f"{title}: no values.", tuple(lines))
    marks = ticks(min(values), max(values))
    if form is percent:  # no fraction is above 100%
        marks = [mark for mark in marks if mark < 1 + 1e-9] or marks
    start, end = epochs[0].number, epochs[-1].number

    def across(epoch: float) -> float:
        share = 0.5 if start == end else (epoch - start) / (end - start)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def upwards(value: float) -> float:
        share = (value - marks[0]) / (marks[-1] - marks[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    lines += _legend(series) if len(series) > 1 else []
    for mark in marks:
        y = number(upwards(mark))
        lines.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        lines.append(text(LEFT - 6, upwards(mark) + 4, form(mark), "tick end"))
    lines.append(f'<path class="frame" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    for epoch in _whole_ticks(start, end):
        lines.append(text(across(epoch), HEIGHT - BOTTOM + 16, f"{epoch}", "tick middle"))
    lines.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "epoch", "tick middle"))
    if best is not None:
        x = number(across(best.number))
        lines.append(f'<path class="best" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>')
    for one in series:
        coordinates = [
            (number(across(epoch)), number(upwards(value))) for epoch, value in one.points
        ]
        steps = "L".join(f"{x} {y}" for x, y in coordinates)
        lines.append(f'<path class="line {one.kind}" d="M{steps}"/>')
        for (x, y), (epoch, value) in zip(coordinates, one.points, strict=True):
            if len(coordinates) <= FEW:
                tip = f"<title>epoch {epoch}, {one.title}: {form(value)}</title>"
                dot = f'<circle class="dot {one.kind}" cx="{x}" cy="{y}" r="2.5">{tip}</circle>'
                lines.append(dot)
    summary = "; ".join(
        f"{one.title} from {form(one.points[0][1])} to {form(one.points[-1][1])}" for one in series
    )
    return Panel(WIDTH, HEIGHT, f"{title} over epochs {start} to {end}: {summary}.", tuple(lines))


def _whole_ticks(start: int, end: int) -> list[int]:
    if start == end:
        return [start]
    step = max(1, round(ticks(start, end)[1] - ticks(start, end)[0]))
    return [epoch for epoch in range(start, end + 1) if epoch % step == 0 or epoch == start == 1]


def _legend(series: Iterable[Series]) -> list[str]:
    lines = []
    x = float(LEFT)
    for one in series:
        lines.append(f'<path class="line {one.kind}" d="M{number(x)} 28h22"/>')
        lines.append(text(x + 28, 32, one.title, "quiet"))
        x += 28 + text_width(one.title, SMALL) + 20
    return lines
