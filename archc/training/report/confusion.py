"""The confusion matrix, or with many classes its largest entries."""

from __future__ import annotations

from collections.abc import Iterable

from archc.reports.drawing.labels import FONT, cut, text_width
from archc.reports.svg import escape
from archc.training.report.files import Run, Validation
from archc.training.report.svg import Panel, number, text
from archc.training.run import scores as counting
from archc.training.run.scores import ClassScore, Mistake

MOST_CELLS = 24
"""The largest number of classes of a matrix, which otherwise gets illegible."""
MOST_ROWS = 25
CELL, SMALL_CELL = 34, 28
FEW_CELLS = 16
LONGEST_NAME = 120
FIGURES = 62
"""The width of each column beside the matrix."""
ROW = 21
LIST_WIDTH = 500
BAR = 120
NAMES = 300


def scores(validation: Validation) -> list[ClassScore]:
    """The score of each class."""
    classes = validation.probabilities.shape[1]
    return counting.class_scores(validation.labels, validation.predicted, classes)


def pairs(validation: Validation) -> list[Mistake]:
    """The mistakes by true and predicted class, most frequent first."""
    classes = validation.probabilities.shape[1]
    return counting.mistakes(validation.labels, validation.predicted, classes)


def format_share(share: float | None) -> str:
    """A fraction in percent; a dash for None."""
    return "\u2013" if share is None else f"{share:.1%}"


def panels(run: Run, validation: Validation) -> list[Panel]:
    """The matrix; with many classes the most frequent mistakes and the lowest recalls."""
    class_scores = scores(validation)
    if len(class_scores) <= MOST_CELLS:
        return [_matrix(run, class_scores, pairs(validation))]
    return [
        _frequent_mistakes(run, class_scores, pairs(validation)),
        _lowest_recall(run, class_scores),
    ]


def _frequent_mistakes(run: Run, class_scores: list[ClassScore], mistakes: list[Mistake]) -> Panel:
    half = (NAMES - text_width(" predicted as ", FONT)) / 2
    rows = [
        (
            " predicted as ".join(
                cut(run.class_name(label), FONT, half) for label in (one.label, one.predicted)
            ),
            one.images / class_scores[one.label].images,
            f"{one.images:,} of {class_scores[one.label].images:,}",
        )
        for one in mistakes[:MOST_ROWS]
    ]
    return _bars("Most frequent mistakes", "fraction of the class's images", rows, "wrong")


def _lowest_recall(run: Run, class_scores: list[ClassScore]) -> Panel:
    present = sorted((one for one in class_scores if one.images), key=lambda one: one.recall or 0.0)
    rows = [
        (run.class_name(one.label), one.recall or 0.0, f"{one.right:,} of {one.images:,}")
        for one in present[:MOST_ROWS]
    ]
    return _bars("Classes with the lowest recall", "fraction of the class's images", rows, "right")


def _bars(title: str, note: str, rows: Iterable[tuple[str, float, str]], kind: str) -> Panel:
    lines = [text(0, 14, title, "title"), text(0, 32, note, "quiet")]
    y = 40.0
    items = []
    for label, share, figure in rows:
        items.append(f"{label}: {figure}")
        base = y + ROW / 2 + 4
        lines.append(f"<g><title>{escape(f'{label}: {figure}')}</title>")
        lines.append(text(0, base, cut(label, FONT, NAMES)))
        lines.append(
            f'<rect class="{kind}" x="{NAMES + 8}" y="{number(y + 4)}"'
            f' width="{number(max(1.0, share * BAR))}" height="{ROW - 8}" rx="2"/>'
        )
        lines.append(text(LIST_WIDTH, base, figure, "quiet end"))
        lines.append("</g>")
        y += ROW
    if not items:
        lines.append(text(0, 58, "none", "quiet"))
        y += ROW
    return Panel(LIST_WIDTH, y + 4, f"{title}: {'; '.join(items[:5]) or 'none'}.", tuple(lines))


def _matrix(run: Run, class_scores: list[ClassScore], mistakes: list[Mistake]) -> Panel:
    size = CELL if len(class_scores) <= FEW_CELLS else SMALL_CELL
    names = [run.class_name(one.label) for one in class_scores]
    widest = min(LONGEST_NAME, max(text_width(name, FONT) for name in names))
    is_rotated = widest > size - 4
    left = widest + 28
    top = 44 + (widest if is_rotated else FONT) + 6
    side = size * len(names)
    lines = [
        text(0, 14, "Confusion matrix", "title"),
        text(left, 36, "predicted class", "quiet"),
        text(12, top + side / 2, "true class", "quiet middle", -90),
        text(left + side + FIGURES, top - 6, "images", "quiet end"),
        text(left + side + 2 * FIGURES, top - 6, "recall", "quiet end"),
    ]
    counts = {(one.label, one.predicted): one.images for one in mistakes}
    counts |= {(one.label, one.label): one.right for one in class_scores}
    for row, (score, name) in enumerate(zip(class_scores, names, strict=True)):
        label = cut(name, FONT, LONGEST_NAME)
        middle = row * size + size / 2
        base = top + middle + 5
        lines.append(text(left - 8, base, label, "end"))
        if is_rotated:
            lines.append(text(left + middle + 5, top - 6, label, "", -90))
        else:
            lines.append(text(left + middle, top - 6, label, "middle"))
        for column, other in enumerate(names):
            count = counts.get((row, column), 0)
            share = count / score.images if count else 0.0
            tip = f"{name} predicted as {other}: {count:,} of {score.images:,}"
            box = (left + column * size, top + row * size, size)
            lines += _cell(box, count, share, row == column, tip)
        figure = left + side + FIGURES
        lines.append(text(figure, base, f"{score.images:,}", "end"))
        lines.append(text(figure + FIGURES, base, format_share(score.recall), "end"))
    worst = "; ".join(
        f"{names[one.label]} predicted as {names[one.predicted]} {one.images:,} times"
        for one in mistakes[:3]
    )
    description = (
        f"Confusion matrix of {len(names)} classes. Most frequent mistakes: {worst or 'none'}."
    )
    return Panel(left + side + 2 * FIGURES, top + side + 4, description, tuple(lines))


def _cell(
    at: tuple[float, float, float], count: int, share: float, is_right: bool, tip: str
) -> list[str]:
    """A count on a background as opaque as its fraction of the row; `at`: left, top, size."""
    x, y, size = at
    attributes = f'x="{number(x)}" y="{number(y)}" width="{number(size)}" height="{number(size)}"'
    if not count:
        return [f'<rect class="cell empty" {attributes}/>']
    kind = "right" if is_right else "wrong"
    strength = f"{0.12 + 0.88 * share:.2f}"
    label = f"{count:,}" if count < 10_000 else f"{count / 1000:.0f}k"
    style = "over " if share > 0.5 else ""
    if text_width(label, FONT) > size - 2:
        style += "small "
    return [
        f"<g><title>{escape(tip)}</title>",
        f'<rect class="cell {kind}" {attributes} fill-opacity="{strength}"/>',
        text(x + size / 2, y + size / 2 + 5, label, f"{style}middle"),
        "</g>",
    ]
