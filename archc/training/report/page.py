"""A run as an HTML page: a single self-contained file.

The page's content security policy allows only its own style, by its hash, and embedded pictures; no
scripts. All text is escaped.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import numpy as np

from archc import backends
from archc.diagnostics import visible
from archc.reports.html_page import text
from archc.training.report import confusion, curves, summary
from archc.training.report.confusion import format_share
from archc.training.report.curves import subsample
from archc.training.report.files import Epoch, Run, Validation, display_name
from archc.training.report.pictures import fit, picture, png
from archc.training.report.sheet import SIDE, chance
from archc.training.report.style import page_style
from archc.training.report.svg import Panel, number
from archc.training.run.scores import Mistake, correct

MOST_ROWS = 1000
LONGEST_VALUE = 200
COLUMNS = {
    "loss": ("loss", "{:.4f}"),
    "accuracy": ("accuracy", "{:.2%}"),
    "top_5_accuracy": ("top-5 accuracy", "{:.2%}"),
    "validation_loss": ("validation loss", "{:.4f}"),
    "validation_accuracy": ("validation accuracy", "{:.2%}"),
    "validation_top_5_accuracy": ("validation top-5 accuracy", "{:.2%}"),
    "learning_rate": ("learning rate", "{:.4g}"),
    "samples_per_second": ("images/s", "{:,.0f}"),
    "seconds": ("seconds", "{:,.1f}"),
}
"""Figures of an epoch: the title of their column and their format."""


def report(run: Run) -> str:
    """The page: totals, learning curves, confusion, mistakes, and settings."""
    style = page_style()
    digest = b64encode(sha256(style.encode()).digest()).decode("ascii")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"img-src data:; style-src 'sha256-{digest}'"
    )
    title = text(display_name(run.name))
    backend = str(run.record.get("backend"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: a run</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{title}</h1>\n"
        f'<p class="quiet">trained with {text(backends.title(backend[:40]))}</p>\n'
        f"{_totals(run)}</header>\n<main>\n{_summary(run)}{_curves(run)}{_evaluation(run)}"
        f"{_settings(run)}"
        "</main>\n</body>\n</html>\n"
    )


def _totals(run: Run) -> str:
    items: list[tuple[str, str]] = [("epochs", f"{len(run.epochs):,}")]
    best = run.best()
    if best is not None:
        items.append(("best epoch", f"{best.number:,}"))
        prefix = "validation_" if run.is_validated() else ""
        for name in ("accuracy", "top_5_accuracy", "loss"):
            if name == "accuracy" and run.validation is not None:
                items.append(("validation accuracy", _accuracy(run.validation)))
            elif f"{prefix}{name}" in best.figures:
                items.append(_figure(f"{prefix}{name}", best))
    images = _images(run, "training")
    held_out = 0 if run.validation is None else len(run.validation.labels)
    if images is not None:
        own = _images(run, "validation") is None
        items.append(("training images", f"{images - held_out if own else images:,}"))
    if held_out:
        items.append(("validation images", f"{held_out:,}"))
    elements = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>\n" for name, value in items
    )
    return f'<dl class="totals">\n{elements}</dl>\n'


def _accuracy(validation: Validation) -> str:
    """The accuracy of the best weights, from their predictions."""
    right = correct(validation.labels, validation.predicted)
    return f"{right / len(validation.labels):.2%}"


def _figure(name: str, epoch: Epoch) -> tuple[str, str]:
    title, form = COLUMNS[name]
    return title, form.format(epoch.figures[name])


def _images(run: Run, split: str) -> int | None:
    """The number of images of a split, from the record."""
    data = run.part("data").get(split)
    count = data.get("images") if isinstance(data, dict) else None
    return count if type(count) is int and 0 <= count < 10**15 else None


def _summary(run: Run) -> str:
    """How the run trained, with what, and how long."""
    rows = _pairs({title: _value(one) for title, one in summary.rows(run).items()})
    return f'<div class="summary"><table><tbody>\n{rows}</tbody></table></div>\n'


def _pairs(texts: Mapping[str, str]) -> str:
    return "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>\n'
        for name, value in texts.items()
    )


def _chart(panel: Panel) -> str:
    """A panel in the page, with its description for screen readers."""
    lines = "\n".join(panel.lines)
    size = f"{number(panel.width)} {number(panel.height)}"
    width, height = size.split()
    return (
        f'<svg class="chart" role="img" aria-label="{text(panel.description)}" '
        f'viewBox="0 0 {size}" width="{width}" height="{height}">\n{lines}\n</svg>\n'
    )


def _charts(panels: Iterable[Panel]) -> str:
    # Wide charts can be scrolled, also by keyboard.
    charts = ""
    for panel in panels:
        name = text(panel.description.partition(":")[0])
        charts += f'<div class="wide" role="region" tabindex="0" aria-label="{name}">\n'
        charts += f"{_chart(panel)}</div>\n"
    return f'<div class="charts">\n{charts}</div>\n'


def _table(label: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A scrollable table; all columns but the first are figures."""
    kinds = ["", *[' class="figure"'] * (len(heads) - 1)]
    headings = "".join(
        f'<th scope="col"{kind}>{text(head)}</th>' for head, kind in zip(heads, kinds, strict=True)
    )
    return (
        f'<div class="scroll" role="region" aria-label="{text(label)}" tabindex="0"><table>\n'
        f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n"
    )


def _row(head: str, figures: Iterable[str], kind: str = "") -> str:
    cells = "".join(f'<td class="figure">{text(figure)}</td>' for figure in figures)
    named = f' class="{kind}"' if kind else ""
    return f'<tr{named}><th scope="row"><bdi>{text(head)}</bdi></th>{cells}</tr>\n'


def _curves(run: Run) -> str:
    head = "<h2>Learning curves</h2>\n"
    if not run.epochs:
        return f"{head}<p>No epoch is finished.</p>\n"
    best = run.best()
    names = [name for name in COLUMNS if any(name in epoch.figures for epoch in run.epochs)]
    epochs = subsample(run.epochs, MOST_ROWS)
    rows = (
        _row(
            f"{epoch.number:,}" + (" (best)" if epoch is best else ""),
            (_figure(name, epoch)[1] if name in epoch.figures else "\u2013" for name in names),
            "best" if epoch is best else "",
        )
        for epoch in epochs
    )
    fewer = "" if len(epochs) == len(run.epochs) else f", {len(epochs):,} of {len(run.epochs):,}"
    table = _table("Epochs", ["epoch", *(COLUMNS[name][0] for name in names)], rows)
    note = (
        ""
        if best is None
        else (f'<p class="quiet">The dotted line marks the best epoch, {best.number:,}.</p>\n')
    )
    return (
        f"{head}{_charts(curves.panels(run))}{note}"
        f"<details><summary>All epochs as a table{fewer}</summary>\n{table}</details>\n"
    )


def _evaluation(run: Run) -> str:
    if run.validation is None:
        return "<h2>Mistakes</h2>\n<p>No images were held out for validation.</p>\n"
    class_scores = confusion.scores(run.validation)
    count = len(run.validation.labels)
    right = correct(run.validation.labels, run.validation.predicted)
    pairs = confusion.pairs(run.validation)
    mostly = {one.label: one for one in reversed(pairs)}
    rows = (
        _row(
            run.class_name(one.label),
            (
                f"{one.images:,}",
                f"{one.right:,}",
                format_share(one.recall),
                format_share(one.precision),
                _most_frequent(run, mostly.get(one.label)),
            ),
        )
        for one in class_scores[:MOST_ROWS]
    )
    fewer = (
        ""
        if len(class_scores) <= MOST_ROWS
        else f", the first {MOST_ROWS:,} of {len(class_scores):,}"
    )
    heads = ["class", "images", "correct", "recall", "precision", "most frequent mistake"]
    return (
        "<h2>Confusion</h2>\n"
        f"<p>The weights of the best epoch classify {right:,} of {count:,} held-out images "
        "correctly.</p>\n"
        f"{_charts(confusion.panels(run, run.validation))}"
        f"<details><summary>All classes as a table{fewer}</summary>\n"
        f"{_table('Classes', heads, rows)}</details>\n{_mistakes(run, run.validation)}"
    )


def _most_frequent(run: Run, pair: Mistake | None) -> str:
    return "" if pair is None else f"{run.class_name(pair.predicted)} ({pair.images:,})"


def _mistakes(run: Run, validation: Validation) -> str:
    head = "<h2>Worst mistakes</h2>\n"
    if not len(validation.images):
        return f"{head}<p>There are none.</p>\n"
    items = "".join(
        _mistake(run, validation, image, index)
        for image, index in zip(validation.images, validation.worst.tolist(), strict=True)
    )
    return (
        f"{head}<p>The images with the lowest probability of their true class, with the "
        f'probabilities of the true and the predicted class.</p>\n<ol class="mistakes">\n'
        f"{items}</ol>\n"
    )


def _mistake(run: Run, validation: Validation, image: np.ndarray, index: int) -> str:
    pixels = fit(picture(image), SIDE)
    label, predicted = int(validation.labels[index]), int(validation.predicted[index])
    chances = validation.probabilities[index].tolist()
    source = b64encode(png(pixels)).decode("ascii")
    return (
        f'<li><img src="data:image/png;base64,{source}" width="{pixels.shape[1]}" '
        f'height="{pixels.shape[0]}" alt="image {int(validation.indices[index]) + 1:,}">'
        f"<div>is <bdi><strong>{text(run.class_name(label))}</strong></bdi> "
        f'<span class="quiet">{chance(chances[label])}</span></div>'
        f"<div>predicted as <bdi><strong>{text(run.class_name(predicted))}</strong></bdi> "
        f'<span class="quiet">{chance(chances[predicted])}</span></div></li>\n'
    )


def _settings(run: Run) -> str:
    """Recipe, data, versions, and the spec with its full recipe."""
    parts = []
    for title, name in (
        ("Other fields of the recipe", "recipe"),
        ("Data", "data"),
        ("Environment", "computed"),
    ):
        values = run.part(name)
        if name == "recipe":
            values = {key: one for key, one in values.items() if key not in summary.SHOWN}
        rows = _pairs(_flat(values))
        if rows:
            parts.append(f"<div><h3>{title}</h3>\n<table><tbody>\n{rows}</tbody></table></div>\n")
    html = f'<div class="settings">\n{"".join(parts)}</div>\n'
    if run.spec is not None:
        lines = "\n".join(text(line) for line in run.spec.splitlines())
        html += (
            "<details open><summary>Spec with its full recipe</summary>\n"
            f'<pre tabindex="0">{lines}</pre></details>\n'
        )
    return f"<h2>Settings</h2>\n{html}"


def _flat(values: Mapping[str, object]) -> dict[str, str]:
    """Values by name; those of a nested mapping by both names."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            texts |= {f"{name} {key}": _value(inner) for key, inner in value.items()}
        else:
            texts[name] = _value(value)
    return {display_name(name.replace("_", " ")): value for name, value in texts.items()}


def _value(value: object) -> str:
    if value is None:
        return "\u2013"
    if isinstance(value, list) and all(type(one) is int for one in value):
        return " \u00d7 ".join(map(str, value))[:LONGEST_VALUE]
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:  # nested as deep as the reader allows
        text = "\u2026"
    return visible(text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}\u2026")
