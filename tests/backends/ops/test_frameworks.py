"""The ops of sequences held against the frameworks' own layers: what these count, and what they
give with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archc.api import Network
from tests.backends.networks import module
from tests.backends.ops.cases import network

torch = pytest.importorskip("torch")

TOKENS, FEATURES, HEADS, UNITS = 7, 12, 3, 5


def of(op: str, **fields: Any) -> Network:
    sizes = {"tokens": TOKENS, "features": FEATURES}
    return network({"input": sizes, "layers": [{op: fields}]})


def emitted(net: Network) -> tuple[Any, dict[str, Any]]:
    """The emitted network in float64, and its arrays by their names without the op's own."""
    model = module(net.emit("torch")).build_model().double().eval()
    arrays = {key.partition(".")[2]: value for key, value in model.state_dict().items()}
    return model, arrays


def batch() -> Any:
    return torch.randn(2, TOKENS, FEATURES, dtype=torch.float64)


def size(layer: Any) -> int:
    return sum(one.numel() for one in layer.parameters())


@pytest.mark.torch
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_pytorch_s(causal: bool) -> None:
    net = of("attention", heads=HEADS, causal=causal)
    model, arrays = emitted(net)
    layer = torch.nn.MultiheadAttention(FEATURES, HEADS, batch_first=True).double().eval()
    assert net.costs.totals.params == size(layer)
    parts = ("query", "key", "value")
    layer.load_state_dict(
        {
            "in_proj_weight": torch.cat([arrays[f"{part}.weight"] for part in parts]),
            "in_proj_bias": torch.cat([arrays[f"{part}.bias"] for part in parts]),
            "out_proj.weight": arrays["output.weight"],
            "out_proj.bias": arrays["output.bias"],
        }
    )
    x = batch()
    mask = torch.nn.Transformer.generate_square_subsequent_mask(TOKENS, dtype=x.dtype)
    expected, _ = layer(x, x, x, attn_mask=mask if causal else None)
    torch.testing.assert_close(model(x), expected)


@pytest.mark.torch
def test_encoder_blocks_are_pytorch_s() -> None:
    """`nn.TransformerEncoderLayer` with the norms before: 4 d^2 and 2 d h of weights."""
    hidden = 20
    attention = [{"layer_norm": {}}, {"attention": HEADS}]
    mlp = [
        {"layer_norm": {}}, {"dense": {"units": hidden, "activation": "gelu"}}, {"dense": FEATURES}
    ]  # fmt: skip
    sizes = {"tokens": TOKENS, "features": FEATURES}
    net = network({"input": sizes, "layers": [{"add": [[], attention]}, {"add": [[], mlp]}]})
    model = module(net.emit("torch")).build_model().double().eval()
    layer = torch.nn.TransformerEncoderLayer(
        FEATURES, HEADS, hidden, activation="gelu", batch_first=True, norm_first=True
    )
    assert net.costs.totals.params == size(layer)
    # Both have the same order, but for the two norms, which stand last there.
    ours = list(model.double().state_dict().values())
    norm1, (q, qb, k, kb, v, vb, o, ob), norm2, rest = ours[:2], ours[2:10], ours[10:12], ours[12:]
    joined = [torch.cat([q, k, v]), torch.cat([qb, kb, vb]), o, ob, *rest, *norm1, *norm2]
    layer.load_state_dict(dict(zip(layer.state_dict(), joined, strict=True)))
    x = batch()
    torch.testing.assert_close(model(x), layer.double().eval()(x))


@pytest.mark.torch
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("op", ["lstm", "gru"])
def test_recurrences_are_pytorch_s(op: str, bidirectional: bool, layers: int) -> None:
    fields = {"units": UNITS, "bidirectional": bidirectional, "layers": layers}
    net = of(op, return_sequences=True, **fields)
    model, arrays = emitted(net)
    kind = torch.nn.LSTM if op == "lstm" else torch.nn.GRU
    layer = kind(
        FEATURES, UNITS, num_layers=layers, bidirectional=bidirectional, batch_first=True
    ).double()
    # PyTorch's LSTM has a second bias for each of its four gates.
    more = 4 * UNITS * layers * (1 + bidirectional) if op == "lstm" else 0
    assert net.costs.totals.params == size(layer) - more
    own = {key: arrays.get(key, torch.zeros_like(one)) for key, one in layer.state_dict().items()}
    layer.load_state_dict(own)
    x = batch()
    expected, states = layer(x)
    torch.testing.assert_close(model(x), expected)
    last, last_arrays = emitted(of(op, **fields))
    last.load_state_dict(model.state_dict())
    assert last_arrays.keys() == arrays.keys()
    hidden = states[0] if op == "lstm" else states
    torch.testing.assert_close(last(x), torch.cat(list(hidden[-1 - bidirectional :]), dim=1))


@pytest.mark.torch
def test_turned_queries_know_distances_alone() -> None:
    """Of tokens that are all the same, each score depends on the distance: so do the weights, and
    what a window sees is the same at every position away from the ends (Su et al. 2021)."""
    x = torch.randn(1, 1, FEATURES, dtype=torch.float64).expand(1, TOKENS, FEATURES)
    model, _ = emitted(of("attention", heads=HEADS, rotary=100.0, window=2))
    inner = model(x)[:, 1:-1]
    torch.testing.assert_close(inner, inner[:, :1].expand_as(inner))


@pytest.mark.torch
def test_a_causal_network_does_not_look_ahead() -> None:
    model, _ = emitted(of("attention", heads=HEADS, key_heads=1, causal=True, window=3))
    x = batch()
    changed = x.clone()
    changed[:, 4] += 1
    before, after = model(x), model(changed)
    moved = (before != after).any(dim=2)[0].tolist()
    assert moved == [False, False, False, False, True, True, True]


COUNTS = [
    ("attention", {"heads": 3}, "MultiHeadAttention", (3, 4), {}),
    ("attention", {"heads": 3, "key_heads": 1}, "GroupQueryAttention", (4, 3, 1), {}),
    ("lstm", {"units": 5}, "LSTM", (5,), {}),
    ("gru", {"units": 5}, "GRU", (5,), {}),
    ("rms_norm", {}, "RMSNormalization", (), {}),
    ("layer_norm", {"affine": False}, "LayerNormalization", (), {"center": False, "scale": False}),
]


@pytest.mark.keras
@pytest.mark.parametrize(("op", "fields", "kind", "arguments", "options"), COUNTS)
def test_parameters_are_those_that_keras_counts(
    op: str, fields: dict[str, Any], kind: str, arguments: tuple[int, ...], options: Any
) -> None:
    import keras

    x = keras.Input((TOKENS, FEATURES))
    layer = getattr(keras.layers, kind)(*arguments, **options)
    layer(x, x) if op == "attention" else layer(x)
    assert of(op, **fields).costs.totals.params == layer.count_params()


def test_multiply_accumulates_by_hand() -> None:
    """Of the small GPT-2 (12 heads of 64): 4 d^2 a token of projections, and twice all tokens a
    token of products. Llama's 8 key heads of 32 save three quarters of two of the projections."""

    def macs(tokens: int, features: int, op: str, **fields: Any) -> int:
        sizes = {"tokens": tokens, "features": features}
        return network({"input": sizes, "layers": [{op: fields}]}).costs.totals.macs

    width, length = 768, 1024
    assert macs(length, width, "attention", heads=12, causal=True) == (
        4 * length * width**2 + 2 * length**2 * width
    )
    width = 4096
    assert macs(8, width, "attention", heads=32, key_heads=8, rotary=500000.0) == (
        8 * (2 * width**2 + 2 * width * width // 4) + 2 * 8**2 * width
    )
    assert macs(10, 8, "lstm", units=16) == 10 * 4 * 16 * (8 + 16)
    assert macs(10, 8, "gru", units=16, bidirectional=True, layers=2) == (
        10 * 2 * 3 * 16 * ((8 + 16) + (32 + 16))
    )
    assert macs(10, 8, "position_embedding") == 0


@pytest.mark.torch
def test_dropout_of_attention_drops_weights() -> None:
    """In training alone: values of ones stay ones but for what is dropped and scaled up."""
    model, _ = emitted(of("attention", heads=HEADS, dropout=0.5))
    x = batch()
    torch.testing.assert_close(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))
    assert np.isfinite(model(x).detach().numpy()).all()
