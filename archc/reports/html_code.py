"""Source text as HTML, highlighted, with an element per line."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from archc.diagnostics import visible

MOST_LINES = 20_000
"""Longer texts are shown without their middle."""
LARGEST = 300_000
"""Longer texts are not highlighted, which takes a second for a million characters."""


def listing(source: str, language: str, prefix: str, marks: Collection[int] = ()) -> str:
    """A text as lines with ids of `prefix` and their number, those of `marks` lit. `language` is
    `yaml` or `python`."""
    text = "\n".join(visible(line) for line in source.split("\n")).rstrip("\n")
    markup = escape(text) if len(text) > LARGEST else _highlight(text, language)
    numbered = [*enumerate(markup.split("\n"), 1)]
    half = MOST_LINES // 2
    omitted = len(numbered) - 2 * half
    parts = [numbered] if omitted <= 0 else [numbered[:half], numbered[-half:]]
    gap = f'<span class="line">\u2026 {omitted:,} lines \u2026\n</span>'
    lines = gap.join(
        "".join(_line(prefix, *line, line[0] in marks) for line in part) for part in parts
    )
    return f'<pre tabindex="0"><code>{lines}</code></pre>\n'


def _line(prefix: str, number: int, line: str, lit: bool) -> str:
    kind = "line lit" if lit else "line"
    return f'<span class="{kind}" id="{prefix}{number}">{line}\n</span>'


def _highlight(source: str, language: str) -> str:
    """Tokens in spans that do not cross lines, with the classes of Pygments."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer, YamlLexer

    lexer = PythonLexer(stripnl=False) if language == "python" else YamlLexer(stripnl=False)
    markup: str = highlight(source, lexer, HtmlFormatter(nowrap=True))
    return markup.rstrip("\n")
