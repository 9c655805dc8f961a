"""A self-contained HTML page.

Its content security policy allows only its own style and script, by their hashes; all text is
escaped.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

from archc.diagnostics import visible
from archc.reports.drawing.labels import FILLS


def page(
    title: str,
    body: str,
    style_file: str | Path,
    script_files: Sequence[str | Path] = (),
    allowed: str = "",
) -> str:
    """The page with a `title` and a `body` of HTML, and the style and scripts of files, by names
    beside this one. `allowed` adds to its content security policy."""
    style = _part("palette.css") + _part(style_file) + _fills()
    script = "".join(map(_part, script_files))
    scripts = f"'{_hash(script)}'" if script else "'none'"
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src {scripts}{allowed}"
    )
    element = f"<script>{script}</script>\n" if script else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{body}{element}</body>\n</html>\n"
    )


def text(content: str) -> str:
    """Text as the content of an element or an attribute."""
    return escape(visible(content))


def _fills() -> str:
    return "".join(
        f".{family} {{ background: light-dark({light}, {dark}); }}\n"
        for family, (light, dark) in FILLS.items()
    )


def _part(name: str | Path) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = sha256(content.encode("utf-8")).digest()
    return f"sha256-{b64encode(digest).decode('ascii')}"
