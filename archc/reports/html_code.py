"""Source text as HTML: highlighted, a line each."""

from __future__ import annotations

from html import escape

from archc.diagnostics import visible

LARGEST = 300_000
"""Longer texts go without colours, which take a second for a million characters."""


def listing(source: str, language: str, prefix: str) -> str:
    """A text as lines that carry the id `prefix` with their number. `language` is `yaml` or
    `python`."""
    shown = "\n".join(visible(line) for line in source.split("\n")).rstrip("\n")
    marked = escape(shown) if len(shown) > LARGEST else _marked(shown, language)
    lines = "".join(
        f'<span class="line" id="{prefix}{number}">{line}\n</span>'
        for number, line in enumerate(marked.split("\n"), 1)
    )
    return f'<pre tabindex="0"><code>{lines}</code></pre>\n'


def _marked(source: str, language: str) -> str:
    """Tokens in spans that end with their line; their classes are those of Pygments."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer, YamlLexer

    lexer = PythonLexer(stripnl=False) if language == "python" else YamlLexer(stripnl=False)
    marked: str = highlight(source, lexer, HtmlFormatter(nowrap=True))
    return marked.rstrip("\n")
