"""How well text can be read on a background: the contrast of two colours by WCAG 2.2."""

from __future__ import annotations

import re

ENOUGH = 4.5
"""For text of any size (WCAG 2.2, success criterion 1.4.3)."""


def contrast(one: str, other: str) -> float:
    """From 1 to 21, of colours written as `#rrggbb`."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    assert re.fullmatch("#[0-9a-f]{6}", colour, re.IGNORECASE), colour
    shares = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def fills(style: str) -> list[dict[str, str]]:
    """The fill of each class, and of text, in light and in dark mode: what dark mode does not say
    is as in light mode."""
    light, dark = style.split("@media(prefers-color-scheme:dark)")
    found = [
        {
            name: colour
            for names, colour in re.findall(r"([^{}]+){[^{}]*?\bfill:([^;}]+)", rules)
            for name in names.split(",")
        }
        for rules in (light, dark)
    ]
    return [found[0], found[0] | found[1]]
