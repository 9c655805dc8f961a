"""Layers at the beginning of a Keras model that prepare images: a spec has them in its recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

CHANGES = frozenset({"Rescaling", "Normalization", "TrueDivide", "Subtract"})
"""What `preprocess_input` writes are operators with a number."""
AUGMENTATION = frozenset(
    f"Random{kind}"
    for kind in (
        *("Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "Flip", "GaussianBlur"),
        *("Grayscale", "Hue", "Posterization", "Rotation", "Saturation", "Sharpness", "Shear"),
        *("Translation", "Zoom"),
    )
)
"""Layers that change images in training alone."""


def preparations(model: Mapping[str, Any]) -> frozenset[int]:
    """The numbers of the calls, of a model as `config.py` writes it, that prepare its images: all
    that the network takes of an image goes through them."""
    calls = model["calls"]
    uses = Counter([*model["outputs"], *(one for call in calls for one in call["inputs"])])
    images = {number for number in model["inputs"] if _is_image(calls[number])}
    found = set()
    for number, call in enumerate(calls):
        if call["kind"] in CHANGES | AUGMENTATION and len(call["inputs"]) == 1:
            (source,) = call["inputs"]
            if source in images and uses[source] == 1:
                images.add(number)
                found.add(number)
    return frozenset(found)


def _is_image(call: Mapping[str, Any]) -> bool:
    """Whether an input has rows, columns and channels."""
    shape = call["config"].get("batch_shape") or call["config"].get("batch_input_shape")
    return isinstance(shape, list) and len(shape) == 4
