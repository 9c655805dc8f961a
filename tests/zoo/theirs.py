"""The networks of the libraries that specs are compared with, built without drawing weights."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from tests.backends.networks import shipped
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
    "convnext_base": "ConvNeXtBase",
    "convnext_large": "ConvNeXtLarge",
    "convnext_small": "ConvNeXtSmall",
    "convnext_tiny": "ConvNeXtTiny",
    "convnext_xlarge": "ConvNeXtXLarge",
    **{f"densenet{depth}_keras": f"DenseNet{depth}" for depth in (121, 169, 201)},
    **{f"efficientnet_b{number}_keras": f"EfficientNetB{number}" for number in range(8)},
    **{f"efficientnet_v2_b{number}": f"EfficientNetV2B{number}" for number in range(4)},
    **{f"efficientnet_v2_{size.lower()}_keras": f"EfficientNetV2{size}" for size in "SML"},
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3_keras": "InceptionV3",
    "mobilenet": "MobileNet",
    "mobilenet_v2_keras": "MobileNetV2",
    "mobilenet_v3_large_keras": "MobileNetV3Large",
    "mobilenet_v3_small_keras": "MobileNetV3Small",
    "nasnet_large": "NASNetLarge",
    "nasnet_mobile": "NASNetMobile",
    **{f"resnet{depth}_v1": f"ResNet{depth}" for depth in (50, 101, 152)},
    **{f"resnet{depth}_v2": f"ResNet{depth}V2" for depth in (50, 101, 152)},
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "xception": "Xception",
}
"""keras.applications' functions, all of them, by the name of the spec."""

PREPROCESSING = ("convnext", "efficientnet_v2", "mobilenet_v3")
"""How the names begin of those that can be built without the normalization of their input."""

LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "albert_base_v2": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "bert_base": {},
    "gpt2": {},
    "llama_3_8b": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
    },
    "mistral_7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
    },
    "qwen2_5_0_5b": {
        "vocab_size": 151936,
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
        "tie_word_embeddings": True,
    },
    "whisper_tiny": {},
}
"""Fields of the configurations of Hugging Face's checkpoints, where they are not the library's own
defaults: those that decide how large the network is."""


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


def ends_in_softmax(name: str) -> bool:
    """Whether a spec gives probabilities."""
    graph = shipped(name).costs.graph
    op = graph.nodes[graph.outputs[0]].op
    return "softmax" in (op.name, getattr(getattr(op, "activation", None), "name", None))


def of_keras(name: str) -> Callable[[], Any]:
    """What builds keras.applications' model of a spec, with its softmax where the spec has it."""
    import keras

    build = getattr(keras.applications, KERAS_NAMES[name])
    options: dict[str, Any] = {} if ends_in_softmax(name) else {"classifier_activation": None}
    if name.startswith(PREPROCESSING):
        options["include_preprocessing"] = False
    if name.startswith("mobilenet_v3"):  # of any size without it
        options["input_shape"] = (224, 224, 3)
    return lambda: build(weights=None, **options)
