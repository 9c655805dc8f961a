"""Operations of PyTorch as ops of archc: one table, with a rule for each."""

from __future__ import annotations

from archc.importers.torch_export import (
    activations,
    attention,
    merges,
    norms,
    products,
    recurrences,
    reductions,
    shuffles,
    views,
    windows,
)
from archc.importers.torch_export.calls import Rule


def _in_place(kinds: dict[str, Rule]) -> dict[str, Rule]:
    """Rules with those of the operations that write their result into what they take."""
    return {**kinds, **{f"{kind}_": rule for kind, rule in kinds.items()}}


VIEWS: dict[str, Rule] = {
    **dict.fromkeys(("view", "unsqueeze", "squeeze"), views.reshape),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "t", "mT"), views.transpose),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "tensor_split"), views.split),
    **dict.fromkeys(("expand", "expand_as"), views.expand),
    **dict.fromkeys(("slice", "narrow"), views.slice_),
    **dict.fromkeys(("alias", "detach"), views.same),
    "dropout": activations.dropout,
    "movedim": views.movedim,
    "permute": views.permute,
    "select": recurrences.select,
    "unbind": views.unbind,
}
"""Rules of operations whose results are memory of what they take."""


MAYBE_VIEWS: dict[str, Rule] = {
    **dict.fromkeys(("reshape", "flatten", "unflatten"), views.reshape),
    **dict.fromkeys(("contiguous", "to"), views.same),
}
"""Rules of operations whose results may be memory of what they take, or a copy."""


TABLE: dict[str, Rule] = {
    **VIEWS,
    **MAYBE_VIEWS,
    **_in_place(dict.fromkeys(activations.PLAIN, activations.plain)),
    **_in_place(dict.fromkeys(("hardtanh", "clamp"), activations.clamp)),
    **_in_place(
        {
            "add": merges.add,
            "sub": merges.subtract,
            "mul": merges.multiply,
            "div": merges.divide,
            "neg": merges.negative,
            "pow": merges.power,
            "square": merges.power,
            "dropout": activations.dropout,
        }
    ),
    **_in_place(
        {
            "abs": activations.magnitude,
            "celu": activations.celu,
            "elu": activations.elu,
            "leaky_relu": activations.leaky_relu,
            "mish": activations.mish,
            "threshold": activations.threshold,
        }
    ),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), windows.conv),
    **dict.fromkeys((f"conv_transpose{rank}d" for rank in (1, 2, 3)), windows.conv_transpose),
    **dict.fromkeys(
        (f"{kind}_pool{rank}d" for kind in ("max", "avg") for rank in (1, 2, 3)), windows.pool
    ),
    **dict.fromkeys((f"adaptive_avg_pool{rank}d" for rank in (1, 2, 3)), windows.adaptive_pool),
    **dict.fromkeys((f"adaptive_max_pool{rank}d" for rank in (1, 2, 3)), windows.adaptive_max_pool),
    **dict.fromkeys(("pad", "constant_pad_nd"), windows.pad),
    **dict.fromkeys((f"upsample_nearest{rank}d" for rank in (1, 2, 3)), windows.upsample),
    **dict.fromkeys(
        ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), windows.upsample
    ),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), activations.softmax),
    **dict.fromkeys(("lstm", "gru"), recurrences.recurrence),
    "_adaptive_avg_pool2d": windows.adaptive_pool,
    "_native_batch_norm_legit_no_training": norms.core_batch_norm,
    "addmm": products.addmm,
    "amax": reductions.amax,
    "arange": products.arange,
    "batch_norm": norms.batch_norm,
    "bmm": attention.matmul,
    "cat": merges.concat,
    "channel_shuffle": shuffles.channel_shuffle,
    "clone": views.same,
    "embedding": products.embedding,
    "gelu": activations.gelu,
    "glu": activations.glu,
    "group_norm": norms.group_norm,
    "instance_norm": norms.instance_norm,
    "layer_norm": norms.layer_norm,
    "linear": products.linear,
    "matmul": products.matmul,
    "max": reductions.largest,
    "max_pool2d_with_indices": windows.pool_with_places,
    "maximum": merges.maximum,
    "mean": reductions.mean,
    "mm": products.mm,
    "native_layer_norm": norms.core_layer_norm,
    "pixel_shuffle": shuffles.pixel_shuffle,
    "pixel_unshuffle": shuffles.pixel_unshuffle,
    "prelu": activations.prelu,
    "repeat": views.expand,
    "rms_norm": norms.rms_norm,
    "scaled_dot_product_attention": attention.product,
    "softplus": activations.softplus,
    "sym_size": views.unknown,
    "zeros": recurrences.zeros,
}
"""The rule of each operation that archc has an op for, by its name without its overload."""
