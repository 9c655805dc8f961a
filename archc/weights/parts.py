"""Parts of a network by the paths of steps and sections: a part is all arrays whose keys begin with
its path.

Code: ARC605 a part that has no arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from archc.diagnostics import Diagnostic, SourceText, Span, did_you_mean, encodable

PATHS_HINT = "`archc report` shows the paths of the network"
MANY = 20_000
"""Arrays from which on no similar path is suggested."""


def is_in_part(key: str, part: str) -> bool:
    """Whether an array is in a part: `features`, `features.conv_1` or `features.conv_1.weight`.
    Files of Keras have a slash in place of the dot."""
    return key == part or (key.startswith(part) and key[len(part)] in "./")


def keys_of(part: str, keys: Iterable[str]) -> frozenset[str]:
    """The keys of the arrays in a part."""
    return frozenset(key for key in keys if is_in_part(key, part))


def unknown_part(option: str, part: str, keys: Collection[str]) -> Diagnostic:
    """The error of an option that names no part."""
    source = SourceText(encodable(f"{option} {part[:100]}"), "")
    message = f"the network has no weights under `{part[:100]}`"
    known = sorted({path for key in keys for path in _paths(key)}) if len(keys) <= MANY else []
    hint = did_you_mean(part, known) or PATHS_HINT
    return Diagnostic("ARC605", message, Span(source, 1, 1, 1, 1), hint)


def _paths(key: str) -> Iterator[str]:
    """The paths of the step and of the sections around an array, and its key."""
    parts = key.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))
