"""Edits of a spec's file that leave all else as it is: comments, layout, line ends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archc.diagnostics import Span
from archc.language.reader import decode

_LINE = re.compile("(\r\n|\r|\n)")


def replace_scalars(data: bytes, replacements: Mapping[Span, str]) -> bytes:
    """The bytes of a file with the text of some scalars replaced, each on one line of it.

    Raises ValueError where the file is no longer what it was when the scalars were read, and
    SpecError where it is no text.
    """
    sources = {span.source.text for span in replacements}
    if any(text != decode(data, "").text for text in sources):
        raise ValueError("the file has changed")
    text = data.decode("utf-8")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    parts = _LINE.split(text.removeprefix(mark))  # lines, each followed by its end
    for span in sorted(replacements, key=lambda one: (one.line, one.column), reverse=True):
        line = parts[2 * span.line - 2]
        before, after = line[: span.column - 1], line[span.end_column - 1 :]
        parts[2 * span.line - 2] = f"{before}{replacements[span]}{after}"
    return f"{mark}{''.join(parts)}".encode()
