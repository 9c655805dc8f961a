"""torchvision's own models, on a machine where it is installed without what it depends on.

Its usual wheel brings operators in a library that a PyTorch for CPUs alone cannot load, and its
data sets read files with an imaging library. Its models use neither.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

OPERATORS = ("nms", "qnms")
"""Those whose shapes torchvision tells PyTorch of when it is imported."""
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
IMAGING = ("PIL", *(f"PIL.Image{part}" for part in ("", "Color", "Draw", "Enhance", "Font", "Ops")))

_declared: list[Any] = []
"""A declaration lasts as long as the object that made it."""


def is_installed() -> bool:
    return importlib.util.find_spec("torchvision") is not None


@cache
def models() -> ModuleType:
    """`torchvision.models`."""
    stand_ins = [] if importlib.util.find_spec("PIL") else IMAGING
    sys.modules.update((name, MagicMock(__version__="0")) for name in stand_ins)
    try:
        return _imported()
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _imported() -> ModuleType:
    try:
        return import_module("torchvision.models")
    except RuntimeError:  # operator torchvision::nms does not exist
        import torch

        library = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            library.define(operator + SCHEMA)
        _declared.append(library)
        return import_module("torchvision.models")
