"""The networks of the libraries that specs are compared with, built without drawing weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from tests.backends.torchvision_models import models

SEGMENTATION = {"weights_backbone": None, "aux_loss": True, "num_classes": 21}
OPTIONS: dict[str, dict[str, Any]] = {
    "deeplabv3_resnet50": SEGMENTATION,
    "fcn_resnet50": SEGMENTATION,
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
    "lraspp_mobilenet_v3_large": {"weights_backbone": None, "num_classes": 21},
}
"""Of torchvision's constructors; heads for training alone are left out."""

KERAS_NAMES = {
    "convnext_xlarge": "ConvNeXtXLarge",
    "efficientnet_v2_b0": "EfficientNetV2B0",
    "efficientnet_v2_b1": "EfficientNetV2B1",
    "efficientnet_v2_b2": "EfficientNetV2B2",
    "efficientnet_v2_b3": "EfficientNetV2B3",
    "inception_resnet_v2": "InceptionResNetV2",
    "mobilenet": "MobileNet",
    "nasnet_mobile": "NASNetMobile",
    "resnet50_v1": "ResNet50",
    "resnet101_v1": "ResNet101",
    "resnet152_v1": "ResNet152",
    "resnet50_v2": "ResNet50V2",
    "resnet101_v2": "ResNet101V2",
    "resnet152_v2": "ResNet152V2",
    "xception": "Xception",
}
"""keras.applications' functions, by the name of the spec."""


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Modules of PyTorch keep the memory of their weights as it is: nothing is drawn, and what is
    never read takes none."""
    import torch

    init = torch.nn.init
    kept = [name for name in dir(init) if name.endswith("_") and not name.startswith("_")]
    with contextlib.ExitStack() as stack:
        for name in kept:
            stack.enter_context(patch.object(init, name, lambda tensor, *_, **__: tensor))
        yield


def of_torchvision(name: str) -> Any:
    """torchvision's model of a spec, in evaluation."""
    own = "alexnet" if name == "alexnet_torchvision" else name
    with without_values():
        return models().get_model(own, weights=None, **OPTIONS.get(name, {})).eval()


def of_keras(name: str) -> Callable[[], Any]:
    """What builds keras.applications' model of a spec."""
    import keras

    build = getattr(keras.applications, KERAS_NAMES[name])
    options = {"include_preprocessing": False}
    takes = name.startswith(("efficientnet_v2", "convnext"))
    return lambda: build(weights=None, **(options if takes else {}))
