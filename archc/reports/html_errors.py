"""The errors of a spec as an HTML page: each with its line, and the spec with these lines marked.

The page is a single file without a script.
"""

from __future__ import annotations

from collections.abc import Sequence

from archc.diagnostics import Diagnostic, Span, count
from archc.reports.html_code import listing
from archc.reports.html_page import page, text


def report(name: str, diagnostics: Sequence[Diagnostic]) -> str:
    """The page of a spec called `name` with at least one diagnostic."""
    number = count(diagnostics)
    errors = "1 error" if number == 1 else f"{number:,} errors"
    # In the order in which the diagnostics meet them.
    spans = [span for one in diagnostics for span in (one.span, *(note.span for note in one.notes))]
    texts = dict.fromkeys(span.source.text for span in spans)
    files = {source: f"spec-{place}-" for place, source in enumerate(texts)}
    marks = {(files[one.span.source.text], one.span.line) for one in diagnostics}
    names = {span.source.text: span.source.name for span in spans}
    items = "".join(_item(one, files) for one in diagnostics)
    listings = "".join(
        f"<h2>{text(names[source])}</h2>\n"
        + listing(source, "yaml", prefix, {line for file, line in marks if file == prefix})
        for source, prefix in files.items()
        if source
    )
    return page(
        text(name),
        f"<header>\n<div><h1>{text(name)}</h1>\n<p>{errors}</p></div>\n</header>\n"
        f'<main class="code">\n<ol class="errors">\n{items}</ol>\n{listings}</main>\n',
        "page.css",
    )


def _item(diagnostic: Diagnostic, files: dict[str, str]) -> str:
    """An error: where it is, its code and message, and what may be done about it."""
    notes = "".join(
        f"<p>{_place(note.span, files)}: {text(note.message)}</p>\n" for note in diagnostic.notes
    )
    hint = "" if diagnostic.hint is None else f"<p>hint: {text(diagnostic.hint)}</p>\n"
    return (
        f"<li><p>{_place(diagnostic.span, files)}: <b>{text(diagnostic.code)}</b> "
        f"{text(diagnostic.text)}</p>\n{notes}{hint}</li>\n"
    )


def _place(span: Span, files: dict[str, str]) -> str:
    where = f"{text(span.source.name)}:{span.line}:{span.column}"
    if not span.source.text:
        return where
    return f'<a href="#{files[span.source.text]}{span.line}">{where}</a>'
