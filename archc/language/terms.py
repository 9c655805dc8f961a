"""What names of ops, fields and keys mean elsewhere, for hints on those that a spec does not have.

What ops and fields are called in other libraries stands at their definitions (`aliases`). Here is
how these names are compared, and what has no op of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from archc.diagnostics import did_you_mean
from archc.ops import OPS

_KEYS: Mapping[str, tuple[str, ...]] = {
    "layers": ("steps", "network", "model", "body", "backbone"),
    "params": ("parameters", "variables", "hyperparameters", "config", "defaults"),
    "blocks": ("modules", "definitions", "components"),
    "extends": ("inherits", "base", "parent", "include"),
    "expect": ("assert", "asserts", "checks", "expectations"),
    "checkpoints": ("weights_map", "state_dict", "key_map", "pretrained"),
    "training": ("recipe", "train", "fit", "hyper"),
    "name": ("id", "label"),
    "from": ("source", "bottom"),
    "trainable": ("frozen", "freeze", "requires_grad", "fixed"),
    "weights": ("shared_weights", "share", "tie", "tied_to", "share_weights", "reuse"),
    "when": ("if", "condition", "only_if"),
    "with": ("args", "arguments", "kwargs"),
    "section": ("sequential", "stage", "group", "module"),
    "repeat": ("loop", "times", "number", "repeats"),
    "for": ("foreach", "each"),
    "block": ("use", "call", "instance"),
    "filters": ("out_channels", "channels", "features", "num_output"),
    "kernel_size": ("kernel_shape", "ksize", "filter_size", "pool_size", "window"),
    "stride": ("strides", "subsample"),
    "padding": ("pad", "pads"),
    "dilation": ("dilations", "atrous_rate"),
    "multiplier": ("depth_multiplier", "channel_multiplier"),
    "units": ("out_features", "features", "neurons", "hidden_size", "num_output"),
    "activation": ("act", "act_layer", "nonlinearity"),
    "initializer": ("init", "weight_init"),
    "epsilon": ("eps",),
    "rate": ("p", "prob", "probability", "drop_prob", "ratio"),
    "slope": ("negative_slope", "alpha"),
    "scale": ("scale_factor", "factor"),
    "mode": ("interpolation", "method"),
    "output_size": ("size",),
}
"""What the keys of a spec and of its steps, and the fields of ops, are called elsewhere."""

_WITHOUT_OP: Mapping[str, tuple[str, ...]] = {
    "`add: [[], [...]]` adds a branch to its input": ("residual", "shortcut", "skip", "resblock"),
    "a branch `[]` is the identity": ("identity", "noop", "passthrough"),
    "`depthwise_conv`, then `conv` with `kernel_size: 1`": ("separable_conv", "sepconv"),
    "`conv` with `kernel_size: 1`": ("pointwise_conv",),
    "`group_norm` with as many groups as channels": ("instance_norm", "instance_normalization"),
    "`multiply` of the map and of a branch `global_avg_pool: {keep_dims: true}` and two `conv`": (
        "squeeze_excitation",
        "squeeze_excite",
        "squeeze_and_excitation",
    ),
    "it is the top-level `input`": ("input", "input_layer", "inputs"),
    "it is the top-level `outputs`": ("output",),
    "it is chosen under `training`": (
        "loss",
        "optimizer",
        "cross_entropy_loss",
        "softmax_cross_entropy",
        "softmax_with_loss",
        "mse_loss",
    ),
    "it is set under `training: {inputs: ...}`": ("rescaling", "normalization", "standardize"),
    "it is set under `training: {augment: ...}`": (
        "random_flip",
        "random_rotation",
        "random_zoom",
        "random_crop",
        "random_translation",
    ),
}
"""What a spec says without an op of its own, by how it says it."""

_ABSENT: Mapping[str, tuple[str, ...]] = {
    "embedding_bag": (),
    "celu": (),
    "glu": ("gated_linear_unit",),
    "swiglu": (),
    "geglu": (),
    "mish": (),
    "hard_tanh": (),
    "hard_shrink": (),
    "soft_shrink": (),
    "tanh_shrink": (),
    "soft_min": (),
    "log_sigmoid": (),
    "threshold": ("thresholded_relu",),
    "rrelu": ("randomized_leaky_relu",),
    "maxout": (),
    "minimum": ("min",),
    "subtract": ("sub",),
    "dot": ("matmul", "bmm", "batch_dot"),
    "bilinear": (),
    "rnn": ("simple_rnn", "rnn_cell", "recurrent"),
    "conv_lstm": (),
    "max_unpool": ("unpooling",),
    "adaptive_max_pool": ("adaptive_max_pooling",),
    "fractional_max_pool": (),
    "lp_pool": (),
    "alpha_dropout": ("feature_alpha_dropout",),
    "spatial_dropout": (
        "spatial_dropout1d",
        "spatial_dropout2d",
        "spatial_dropout3d",
        "dropout1d",
        "dropout2d",
        "dropout3d",
    ),
    "replication_pad": ("replicate_pad", "circular_pad", "edge_pad"),
    "gaussian_noise": ("gaussian_dropout",),
    "spectral_norm": ("spectral_normalization", "weight_norm"),
    "unit_norm": ("unit_normalization", "normalize", "l2_norm"),
    "deformable_conv": ("deform_conv",),
    "unfold": ("im2col", "fold"),
    "transformer": ("transformer_encoder", "transformer_decoder", "transformer_encoder_layer"),
    "lambda": ("einsum", "custom", "function"),
}
"""What archc lacks, with other names for it. What a package from outside adds is not lacking."""


def canonical(name: str) -> str:
    """A name without what libraries write differently: `nn.Conv2d`, `Conv2D` and `conv_2d` are
    `conv`."""
    word = re.sub("[^a-z0-9]", "", name.rpartition(".")[2].lower())
    return re.sub("(?<!dropout)[123]d", "", word)


@cache
def _op_terms() -> Mapping[str, str]:
    """The op that each canonical name stands for."""
    terms = {canonical(alias): name for name, op in OPS.items() for alias in op.aliases}
    return terms | {canonical(name): name for name in OPS}


def op_hint(name: str, known: Collection[str]) -> str:
    """A hint for an unknown op: the one of `known` that means the same, or is written nearly so;
    how else a spec says it; or that archc has none."""
    term = canonical(name[:64])
    op = _op_terms().get(term)
    if op in known:
        return f"archc calls it `{op}`"
    if op is None:
        key = _find(term, {key: (key, *names) for key, names in _KEYS.items() if key in known})
        saying = _find(term, _WITHOUT_OP)
        lacking = _find(term, {name: (name, *names) for name, names in _ABSENT.items()})
        if key is not None:
            return f"archc calls it `{key}`"
        if saying is not None:
            return f"archc has no op of that name: {saying}"
        if lacking in known:
            return f"archc calls it `{lacking}`"
        if lacking is not None:
            return f"archc has no `{lacking}`; `archc ops` lists all ops"
    aliases = {alias: op for alias, op in _op_terms().items() if op in known}
    return did_you_mean(name, known, aliases) or "`archc ops` lists all ops"


def key_hint(key: str, known: Collection[str]) -> str | None:
    """A hint for an unknown key: the one of `known` that means the same, or is written nearly so;
    None without one."""
    term = canonical(key[:64])
    same = _find(term, {name: (name, *_KEYS.get(name, ())) for name in known})
    return f'did you mean "{same}"?' if same else did_you_mean(key, known)


def _find(term: str, table: Mapping[str, Iterable[str]]) -> str | None:
    """The key under which a canonical term stands in a table."""
    return next(
        (key for key, names in table.items() if any(canonical(name) == term for name in names)),
        None,
    )
