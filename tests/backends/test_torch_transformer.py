"""The Transformer of 2017 against PyTorch's own `nn.Transformer` with the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, sin
from typing import Any

import pytest

from archc.api import load
from archc.verify import Settings, Workers, verify
from tests.backends.networks import SPECS, module

torch = pytest.importorskip("torch")

SMALL = {"length": 9, "vocabulary": 50, "width": 32, "hidden": 48, "depth": 3, "heads": 4}


def _theirs(layer: Any, attentions: Mapping[str, str], norms: Mapping[str, str]) -> dict[str, Any]:
    """The arrays of a layer of PyTorch by the emitted names."""
    found: dict[str, Any] = {}
    for own, name in attentions.items():
        one = getattr(layer, name)
        for part, weight, bias in zip(
            ("query", "key", "value"),
            one.in_proj_weight.chunk(3),
            one.in_proj_bias.chunk(3),
            strict=True,
        ):
            found |= {f"{own}.{part}.weight": weight, f"{own}.{part}.bias": bias}
        found |= {f"{own}.output.{key}": one for key, one in one.out_proj.state_dict().items()}
    inner = {"feed_forward.dense1": "linear1", "feed_forward.dense2": "linear2"}
    for own, name in {**norms, **inner}.items():
        arrays = getattr(layer, name).state_dict()
        found |= {f"{own}.{key}": value for key, value in arrays.items()}
    return found


@pytest.mark.torch
def test_computes_what_pytorch_computes() -> None:
    network = load(str(SPECS / "transformer_base.yaml"), SMALL)
    ours = module(network.emit("torch")).build_model().double().eval()
    theirs = torch.nn.Transformer(32, 4, 3, 3, 48, batch_first=True, norm_first=False)
    theirs.encoder.norm = theirs.decoder.norm = None  # the paper's layers end in one each
    theirs = theirs.double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0.1, 0.3, generator=generator)
        for own, other in zip(ours.encoder, theirs.encoder.layers, strict=True):
            norms = {"layer_norm": "norm1", "feed_forward.layer_norm": "norm2"}
            own.load_state_dict(_theirs(other, {"attention": "self_attn"}, norms))
        for own, other in zip(ours.decoder.decoder_layers, theirs.decoder.layers, strict=True):
            attentions = {"attention1": "self_attn", "attention2": "multihead_attn"}
            norms = {"layer_norm1": "norm1", "layer_norm2": "norm2"}
            norms["feed_forward.layer_norm"] = "norm3"
            own.load_state_dict(_theirs(other, attentions, norms))
        source = torch.randint(50, (3, 9), generator=generator)
        target = torch.randint(50, (3, 9), generator=generator)
        embedded = [ours.positions1(ours.embedding(one)) for one in (source, target)]
        mask = theirs.generate_square_subsequent_mask(9, dtype=torch.float64)
        decoded = theirs(*embedded, tgt_mask=mask, tgt_is_causal=True)
        expected = decoded @ ours.embedding.weight.T
        actual = ours(source, target)
        waves = ours.positions1(torch.zeros(1, 9, 32, dtype=torch.float64))[0]
    assert expected.std() > 1e-2
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    # Section 3.5: the sine of pos / 10000^(2i / d), and the cosine beside it.
    angle = 5 / 10000 ** (6 / 32)
    assert waves[5, 6].item() == pytest.approx(sin(angle), abs=1e-12)
    assert waves[5, 7].item() == pytest.approx(cos(angle), abs=1e-12)


@pytest.mark.torch
@pytest.mark.keras
def test_both_frameworks_compute_the_same(workers: Workers) -> None:
    network = load(str(SPECS / "transformer_base.yaml"), SMALL)
    result = verify(network, Settings(), workers=workers)
    assert result.agrees, result.first
