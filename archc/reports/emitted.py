"""The emitted modules of a network, as pages show them."""

from __future__ import annotations

from collections.abc import Callable

from archc import backends
from archc.diagnostics import Diagnostic, SpecError, visible

MOST_LAYERS = 10_000
"""Layers of networks whose emitted modules are shown."""


def sources(emit: Callable[[str], str | bytes], layers: int) -> dict[str, str]:
    """The emitted modules of a network of so many `layers`, by backend; where a backend rejects it,
    the errors as a comment. Emitted files that are no text are left out."""
    texts: dict[str, str] = {}
    for backend in backends.names():
        if layers > MOST_LAYERS:
            command = f"archc build --backend {backend}"
            texts[backend] = f"# too large to be shown here: `{command}` writes it\n"
            continue
        try:
            source = emit(backend)
        except SpecError as error:
            source = "".join(map(_comment, error.diagnostics))
        if isinstance(source, str):
            texts[backend] = source
    return texts


def _comment(diagnostic: Diagnostic) -> str:
    """A diagnostic as a comment, without the file: the page shows the spec."""
    text = f"{diagnostic.code} {diagnostic.message}"
    return f"# line {diagnostic.span.line}: {' '.join(visible(text).split())}\n"
