"""An unknown name is answered with what means the same, never with what only looks alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

from archc.diagnostics import did_you_mean
from archc.language.syntax import STEP_KEYS
from archc.language.terms import canonical, key_hint, op_hint
from archc.ops import OPS
from archc.ops.activation import OPS as ACTIVATIONS
from archc.ops.fields import fields_of

KNOWN = {*OPS, "section", "repeat", "for", "block", *STEP_KEYS}
NO_HINT = "`archc ops` lists all ops"


@pytest.mark.parametrize(
    ("names", "op"),
    [
        ("linear Linear nn.Linear fc fully_connected inner_product", "dense"),
        ("maxpool2d MaxPool2d max_pooling_2d MaxPooling2D layers.MaxPooling1D", "max_pool"),
        ("bn batchnorm BatchNorm2d BatchNormalization torch.nn.BatchNorm1d", "batch_norm"),
        ("Conv2d conv2d convolution Convolution3D CONV", "conv"),
        ("Conv2DTranspose ConvTranspose2d deconv deconvolution", "conv_transpose"),
        ("AvgPool2d AveragePooling2D average_pool", "avg_pool"),
        ("GlobalAveragePooling2D gap GlobalAvgPool2D", "global_avg_pool"),
        ("LeakyReLU leakyrelu lrelu", "leaky_relu"),
        ("swish SiLU", "silu"),
        ("Concatenate cat", "concat"),
        ("ZeroPadding2D ReflectionPad2d", "pad"),
        ("UpSampling2D interpolate resize", "upsample"),
        ("view Unflatten", "reshape"),
        ("Sequential", "section"),
        ("loop", "repeat"),
    ],
)
def test_names_of_other_libraries_are_known(names: str, op: str) -> None:
    assert {op_hint(name, KNOWN) for name in names.split()} == {f"archc calls it `{op}`"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("identity", "a branch `[]` is the identity"),
        ("residual", "`add: [[], [...]]`"),
        ("SeparableConv2D", "`depthwise_conv`, then `conv`"),
        ("InstanceNorm2d", "`group_norm` with as many groups as channels"),
        ("CrossEntropyLoss", "it is chosen under `training`"),
        ("mish", "archc has no `mish`"),
        ("Dropout2d", "archc has no `spatial_dropout`"),
        ("GLU", "archc has no `glu`"),
    ],
)
def test_what_has_no_op_gets_an_honest_answer(name: str, part: str) -> None:
    assert part in op_hint(name, KNOWN)


@pytest.mark.parametrize(
    ("names", "op"),
    [
        ("attention MultiHeadAttention self_attention mha", "attention"),
        ("Embedding embed", "embedding"),
        ("RMSNorm", "rms_norm"),
        ("PixelShuffle", "depth_to_space"),
    ],
)
def test_what_archc_may_lack_is_met_with_its_own_name(names: str, op: str) -> None:
    for name in names.split():
        if name not in OPS:
            assert f"`{op}`" in op_hint(name, KNOWN)


def test_an_op_that_comes_from_outside_is_no_longer_lacking() -> None:
    assert op_hint("MultiHeadAttention", {"attention"}) == "archc calls it `attention`"


@pytest.mark.parametrize("name", ["position", "frobnicate", "x", "", "action", "not_an_op", "ion"])
def test_a_name_without_a_near_meaning_gets_no_suggestion(name: str) -> None:
    assert op_hint(name, KNOWN) == NO_HINT


@pytest.mark.parametrize(
    ("word", "op"),
    [
        ("rleu", "relu"),
        ("ocnv", "conv"),
        ("convv", "conv"),
        ("dropuot", "dropout"),
        ("max_poll", "max_pool"),
        ("lineer", "dense"),
        ("bath_norm", "batch_norm"),
        ("softmaks", "softmax"),
    ],
)
def test_a_name_misspelt_is_met_with_the_right_one(word: str, op: str) -> None:
    assert op_hint(word, KNOWN) == f'did you mean "{op}"?'


@pytest.mark.parametrize(
    "word", ["attention", "position", "a", "kernel_sizes_of_all_convolutions", "zzz"]
)
def test_a_word_that_looks_alike_is_no_misspelling(word: str) -> None:
    assert did_you_mean(word, ["section", "b", "size", "zero_padding"]) is None


@pytest.mark.parametrize(
    ("key", "op", "field"),
    [
        ("out_channels", "conv", "filters"),
        ("strides", "conv", "stride"),
        ("kernel", "conv", "kernel_size"),
        ("use_bias", "conv", "bias"),
        ("kernel_initializer", "conv", "initializer"),
        ("dilation_rate", "conv", "dilation"),
        ("out_features", "dense", "units"),
        ("pool_size", "avg_pool", "kernel_size"),
        ("p", "dropout", "rate"),
        ("eps", "batch_norm", "epsilon"),
        ("num_groups", "group_norm", "groups"),
        ("negative_slope", "leaky_relu", "slope"),
        ("scale_factor", "upsample", "scale"),
    ],
)
def test_fields_have_other_names_too(key: str, op: str, field: str) -> None:
    known = [one.name for one in fields_of(OPS[op])]
    assert key_hint(key, known) == f'did you mean "{field}"?'


@pytest.mark.parametrize(
    ("key", "known"),
    [("hyper", "training"), ("fit", "training"), ("modules", "blocks"), ("parent", "extends")],
)
def test_the_keys_of_a_spec_have_other_names_too(key: str, known: str) -> None:
    keys = ["archc", "name", "extends", "params", "blocks", "input", "layers", "expect", "training"]
    assert key_hint(key, keys) == f'did you mean "{known}"?'


def test_an_activation_is_not_answered_with_another_op() -> None:
    activations = [op.name for op in ACTIVATIONS]
    assert op_hint("swish", activations) == "archc calls it `silu`"
    assert op_hint("conv2d", activations) == NO_HINT


def test_no_name_stands_for_two_ops() -> None:
    terms = [canonical(name) for op in OPS.values() for name in {op.name, *op.aliases}]
    assert len(terms) == len(set(terms))


_ASK = {
    "torch": "from torch import nn as module; base = module.Module",
    "keras": "from keras import layers as module; base = module.Layer",
}


@pytest.mark.parametrize("framework", sorted(_ASK))
def test_no_layer_of_a_framework_is_answered_with_a_guess(framework: str) -> None:
    guesses = {name: op_hint(name, KNOWN) for name in _layers(framework)}
    assert len(guesses) > 100
    # The class of all layers.
    assert {name for name, hint in guesses.items() if "did you mean" in hint} <= {"Layer"}


def _layers(framework: str) -> Iterable[str]:
    script = (
        f"{_ASK[framework]}\nfor name, one in vars(module).items():\n"
        "    if isinstance(one, type) and issubclass(one, base): print(name)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return answer.stdout.split()
