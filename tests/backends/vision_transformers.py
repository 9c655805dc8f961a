"""torchvision's attention networks that specs are compared with: a small one of each, and how its
state is that of the emitted class."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from archc.api import Network, load
from tests.backends.networks import SPECS
from tests.backends.torchvision_models import models

State = Mapping[str, Any]
HEAD_SIZE = 8


def replaced(key: str, *pairs: tuple[str, str]) -> str:
    """A key with what some patterns match replaced."""
    for pattern, text in pairs:
        key = re.sub(pattern, text, key)
    return key


def projections(key: str, value: Any, packed: str, into: str) -> dict[str, Any]:
    """One array of queries, keys and values as three."""
    parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
    return {key.replace(packed, f"{into}.{part}."): one for part, one in parts}


def as_kernel(value: Any) -> Any:
    """A dense layer's matrix as the kernel of a 1 x 1 convolution."""
    return value[..., None, None] if value.ndim == 2 else value


def stacked(value: Any) -> Any:
    """What follows a merge of patches, whose channels torchvision has block by block, the blocks
    column by column: here the blocks' positions are beside each other, row by row."""
    channels = value.shape[-1] // 4
    return value.unflatten(-1, (2, 2, channels)).movedim(-1, -3).mT.flatten(-3)


def vit(state: State) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for key, value in state.items():
        new = replaced(
            key,
            ("^conv_proj", "patches"),
            ("^encoder.pos_embedding", "position_embedding.weight"),
            ("^class_token", "class_token.token"),
            ("^encoder.ln", "layer_norm"),
            ("^heads.head", "head"),
            (r"layers\.encoder_layer_", ""),
            (r"\.ln_(\d)", r".layer_norm\1"),
            (r"mlp\.0", "dense1"),
            (r"mlp\.3", "dense2"),
            (r"self_attention\.out_proj", "attention.output"),
        )
        if "in_proj_" in new:
            own |= projections(new, value, "self_attention.in_proj_", "attention")
        else:
            own[new] = value[0] if "position" in new else value
    return own


def swin(state: State) -> dict[str, Any]:
    """The same for both versions; torchvision sets the bias of the second one's keys to zero."""
    own: dict[str, Any] = {}
    for key, value in state.items():
        if "relative_position_index" in key or "relative_coords_table" in key:
            continue
        new = replaced(
            key,
            (r"features\.0\.0", "features.0.0"),
            (r"features\.0\.2", "features.0.1"),
            (r"\.norm(\d)", r".layer_norm\1"),
            (r"\.mlp\.0", ".conv1"),
            (r"\.mlp\.3", ".conv2"),
            (r"attn\.relative_position_bias_table", "window_attention.bias_table"),
            (r"attn\.proj", "window_attention.output"),
            (r"attn\.cpb_mlp\.0", "window_attention.distance"),
            (r"attn\.cpb_mlp\.2", "window_attention.head"),
            (r"attn\.logit_scale", "window_attention.logit_scale"),
            ("^norm", "layer_norm"),
        )
        if "qkv" in new:
            own |= projections(new, value, "attn.qkv.", "window_attention")
        elif "logit_scale" in new:
            own[new] = value.flatten()
        else:
            own[new] = as_kernel(value) if ".conv" in new else value
    merges = {key.rpartition(".")[0].rpartition(".")[0] for key in own if ".reduction." in key}
    is_second = any("logit_scale" in key for key in own)
    for merge in merges:
        kernel = as_kernel(stacked(own.pop(f"{merge}.reduction.weight")))
        norm, reduction = ("2", "1") if is_second else ("1", "2")
        own[f"{merge}.{reduction}.weight"] = kernel
        for kind in ("weight", "bias"):
            value = own.pop(f"{merge}.norm.{kind}")
            own[f"{merge}.{norm}.{kind}"] = value if is_second else stacked(value)
    if is_second:
        own = {key: value for key, value in own.items() if not key.endswith("attention.key.bias")}
    return own


def maxvit(state: State, head_size: int = HEAD_SIZE) -> dict[str, Any]:
    """torchvision divides by the root of all channels, not of those of a head."""
    own: dict[str, Any] = {}
    for key, value in state.items():
        if "relative_position_index" in key:
            continue
        new = replaced(
            key,
            (r"^stem\.0\.0", "stem.0"),
            (r"^stem\.0\.1", "stem.1"),
            (r"^stem\.1\.0", "stem.3"),
            (r"^blocks\.(\d)\.layers\.(\d)\.layers\.", r"blocks.\1.\2."),
            (r"MBconv\.proj\.\d", "0.conv1"),
            (r"MBconv\.layers\.pre_norm", "0.batch_norm1"),
            (r"MBconv\.layers\.conv_a\.0", "0.conv2"),
            (r"MBconv\.layers\.conv_a\.1", "0.batch_norm2"),
            (r"MBconv\.layers\.conv_b\.0", "0.depthwise_conv"),
            (r"MBconv\.layers\.conv_b\.1", "0.batch_norm3"),
            (r"MBconv\.layers\.squeeze_excitation\.fc(\d)", r"0.squeeze_excitation.conv\1"),
            (r"MBconv\.layers\.conv_c", "0.conv3"),
            ("window_attention", "1"),
            ("grid_attention", "2"),
            (r"attn_layer\.0", "layer_norm1"),
            (r"mlp_layer\.0", "layer_norm2"),
            (r"mlp_layer\.1", "conv1"),
            (r"mlp_layer\.3", "conv2"),
            (r"attn_layer\.1\.relative_position_bias_table", "window_attention.bias_table"),
            (r"attn_layer\.1\.merge", "window_attention.output"),
        )
        if "to_qkv" in new:
            for name, one in projections(
                new, value, "attn_layer.1.to_qkv.", "window_attention"
            ).items():
                own[name] = one * (head_size / len(one)) ** 0.5 if ".query." in name else one
        else:
            own[new] = as_kernel(value) if re.search(r"\.[12]\.conv\d", new) else value
    return own


class Judge(NamedTuple):
    """torchvision's network, the parameters of the spec that make it as small, and how its state
    is that of the emitted class."""

    make: Callable[[], Any]
    params: Mapping[str, Any]
    renamed: Callable[[State], dict[str, Any]]
    tolerance: float = 1e-9


STAGES = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 4], "classes": 10}


def small_swin(window: int, **options: Any) -> Any:
    return models().swin_transformer.SwinTransformer(
        [4, 4], 16, [2, 2, 2, 2], [1, 2, 4, 4], [window, window], num_classes=10, **options
    )


def small_swin_v2() -> Any:
    versions = models().swin_transformer
    blocks = {
        "block": versions.SwinTransformerBlockV2,
        "downsample_layer": versions.PatchMergingV2,
    }
    return small_swin(8, **blocks)


JUDGES = {
    "vit_b_16": Judge(
        lambda: models().vision_transformer.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10),
        {
            "size": 32,
            "patch": 8,
            "depth": 2,
            "heads": 4,
            "width": 32,
            "hidden": 64,
            "classes": 10,
        },
        vit,
    ),
    "swin_t": Judge(lambda: small_swin(7), STAGES, swin),
    # torchvision keeps the logarithms of the distances in float32.
    "swin_v2_t": Judge(small_swin_v2, STAGES, swin, 1e-7),
    "maxvit_t": Judge(
        lambda: models().maxvit.MaxVit(
            (224, 224), 16, 7, [16, 16, 32, 32], [1, 1, 2, 1], HEAD_SIZE, 0.2, num_classes=10
        ),
        {
            "stem": 16,
            "widths": [16, 16, 32, 32],
            "depths": [1, 1, 2, 1],
            "head_size": HEAD_SIZE,
            "classes": 10,
        },
        maxvit,
    ),
}


def small(name: str) -> Network:
    return load(str(SPECS / f"{name}.yaml"), dict(JUDGES[name].params))
