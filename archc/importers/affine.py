"""Normalisations with coefficients or offsets alone: archc's ops have both or neither."""

from __future__ import annotations

from collections.abc import Mapping

from archc.importers.network import Array

FILLS = {"weight": 1.0, "bias": 0.0}
"""The values with which a variable of a normalisation does nothing."""
NAMES = {"weight": "coefficients", "bias": "offsets"}


def completed(
    kind: str, weights: Mapping[str, Array], width: int
) -> tuple[dict[str, Array], str | None]:
    """The arrays of a normalisation that has one of the two, with the other one as it does nothing,
    and a comment on that; those of another one as they are."""
    missing = [name for name in FILLS if name not in weights]
    if len(missing) != 1:
        return dict(weights), None
    (name,) = missing
    fill = Array("fill", (width,), (), (FILLS[name],))
    return {**weights, name: fill}, note(kind, name)


def note(kind: str, name: str) -> str:
    """The comment on a variable that normalisations of a kind lack."""
    return (
        f"{kind} has no {NAMES[name]} in the file. Here it has, {FILLS[name]:g} at the start, and "
        "learns them."
    )
