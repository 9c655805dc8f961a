"""Numbers as ONNX keeps them: in 32 bits."""

from __future__ import annotations

import struct


def shortest(value: float) -> float:
    """The number with the fewest decimals that float32 rounds as it rounds `value`: what a person
    wrote as 0.1, and float32 keeps as 0.100000001."""
    kept = struct.pack("<f", value)
    for digits in range(1, 10):
        candidate = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", candidate) == kept:
                return candidate
        except OverflowError:
            continue  # rounded up beyond the largest
    return value


def is_exact(value: float) -> bool:
    """Whether a number is the shortest of those that float32 rounds alike."""
    return shortest(value) == value
