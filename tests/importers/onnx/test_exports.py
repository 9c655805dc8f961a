"""Attention as PyTorch's exporters take it apart: imported, and the same as the model computes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional

from archc.diagnostics import SpecError
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.export import save_weights
from archc.importers.spec import Imported, as_spec
from archc.verify import FixedTensors, Workers, values

pytestmark = pytest.mark.torch


class TokensFirst(nn.Module):
    """A module that takes the tokens before the batch, as most of PyTorch's do by default."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.transpose(0, 1)).transpose(0, 1)


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.MultiheadAttention(12, 3, batch_first=True) for _ in "ab")

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.triu(torch.full((x.shape[1], x.shape[1]), -math.inf), diagonal=1)
        x = self.first(x, x, x, need_weights=False)[0]
        return self.second(x, x, x, attn_mask=mask)[0]


class CausalDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(12, 3, 20, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.layer(x, memory, tgt_mask=mask, tgt_is_causal=True)


class Block(nn.Module):
    """A block of nanoGPT, its attention written out or by `scaled_dot_product_attention`."""

    def __init__(self, flash: bool) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(12), nn.LayerNorm(12)
        self.c_attn, self.c_proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.c_fc, self.mlp_proj = nn.Linear(12, 48), nn.Linear(48, 12)
        self.flash = flash
        self.register_buffer("bias", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def attention(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        parts = self.c_attn(x).split(width, dim=2)
        q, k, v = (one.view(batch, tokens, 3, 4).transpose(1, 2) for one in parts)
        if self.flash:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(k.size(-1)))
            hidden = self.bias[:, :, :tokens, :tokens] == 0  # type: ignore[index]
            y = functional.softmax(scores.masked_fill(hidden, -math.inf), dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(batch, tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.ln_1(x))
        return x + self.mlp_proj(functional.gelu(self.c_fc(self.ln_2(x))))


class Gpt(nn.Module):
    def __init__(self, flash: bool) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(32, 12), nn.Embedding(16, 12)
        self.h = nn.ModuleList(Block(flash) for _ in range(2))
        self.ln_f, self.lm_head = nn.LayerNorm(12), nn.Linear(12, 32, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(0, ids.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Packed(nn.Module):
    """One matrix for queries, keys and values, whose features are parted into three as timm does
    it; the heads may be arranged in another order."""

    def __init__(self, order: tuple[int, ...] = (2, 0, 3, 1, 4), scale: float = 0.5) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.order, self.scale = order, scale

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(2, x.shape[1], 3, 3, 4).permute(self.order).unbind(0)
        weights = (q * self.scale @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(x.shape))


class Rows(nn.Module):
    """A matrix and biases, applied to all tokens of a batch as rows of one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(12, 8)), nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.view(-1, 12) @ self.weight + self.bias
        return rows.view(*x.shape[:2], 8).relu()


X, MEMORY = torch.randn(2, 7, 12), torch.randn(2, 5, 12)
IDS = torch.randint(0, 32, (2, 9))


def encoder(**fields: Any) -> nn.Module:
    layer = nn.TransformerEncoderLayer(12, 3, 20, activation="gelu", **fields)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


GPT = """\
  - embedding: {vocabulary: 32, features: 12}
  - position_embedding
  - repeat: 2
    layers:
      - add:
          - - layer_norm
            - attention: {heads: 3, causal: true}
          - []
      - block: residual_block
  - layer_norm
  - dense: {units: $classes, bias: false}
"""
ENCODER_TEXT = """\
  - repeat: 2
    layers:
      - add:
          - - attention: 3
          - []
"""
MODELS: dict[str, tuple[nn.Module, tuple[Tensor, ...], str]] = {
    "attention twice": (
        SelfAttention(),
        (X,),
        "  - attention: 3\n  - attention: {heads: 3, causal: true}\n",
    ),
    "attention without biases": (
        TokensFirst(nn.TransformerEncoderLayer(12, 3, 20, bias=False)),
        (X,),
        "- attention: {heads: 3, bias: false}",
    ),
    "an encoder": (
        encoder(batch_first=True),
        (X,),
        ENCODER_TEXT,
    ),
    "an encoder, tokens first": (TokensFirst(encoder()), (X,), ENCODER_TEXT),
    "a decoder": (CausalDecoder(), (X, MEMORY), "- attention: {heads: 3, causal: true}"),
    "a GPT": (Gpt(flash=True), (IDS,), GPT),
    "a GPT, written out": (Gpt(flash=False), (IDS,), GPT),
    "rows of one matrix": (Rows(), (X,), "  - dense: {units: $classes, activation: relu}\n"),
    "parts of one matrix": (Packed(), (X,), "  - attention: 3\n"),
}


def exported(folder: Path, model: nn.Module, inputs: tuple[Tensor, ...], *, open_: bool) -> str:
    """The file of a model whose parameters are no longer those that modules begin with."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter) + 0.05)
    path = str(folder / "model.onnx")
    names = [f"in{number}" for number in range(len(inputs))]
    axes = {name: {0: "batch"} for name in names} if open_ else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), inputs, path, dynamo=False, input_names=names, dynamic_axes=axes
        )
    return path


def imported(path: str) -> Imported:
    return as_spec(formats.read(path), "small", path, [])


def computed(
    one: Imported, path: str, inputs: tuple[Tensor, ...], folder: Path, workers: Workers
) -> Any:
    """What the network of a spec computes with the weights of its file."""
    from safetensors.numpy import load_file

    target = folder / "weights.safetensors"
    save_weights(one, path, str(target))
    graph = one.loaded.costs.graph
    own = {
        graph.nodes[index].path: value.numpy()
        for index, value in zip(graph.inputs, inputs, strict=True)
    }
    fixed = FixedTensors(load_file(target), own)
    return values(one.loaded, "torch", fixed, workers=workers)[graph.outputs[0]]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as pool:
        yield pool


@pytest.mark.parametrize("case", MODELS)
def test_computes_what_the_model_does(case: str, tmp_path: Path, workers: Workers) -> None:
    model, inputs, expected = MODELS[case]
    path = exported(tmp_path, model, inputs, open_=case.startswith("a"))
    own = imported(path)
    assert expected in own.text
    with torch.no_grad():
        output = model(*inputs).numpy()
    value = computed(own, path, inputs, tmp_path, workers)
    assert numpy.abs(value - output).max() < 1e-4 * numpy.abs(output).max()


EXPORTED = Path(__file__).parent / "exported"
NEWER = {"encoder": ENCODER_TEXT, "decoder": "{heads: 3, causal: true}", "gpt": GPT}


@pytest.mark.parametrize("name", NEWER)
def test_files_of_the_newer_exporter_are_the_same_network(name: str, workers: Workers) -> None:
    """Files that `torch.onnx.export(..., dynamo=True)` of PyTorch 2.13 wrote, the batch open."""
    pytest.importorskip("onnxruntime")
    path = str(EXPORTED / f"{name}.onnx")
    own = imported(path)
    assert NEWER[name] in own.text
    agreement = compare(own, path, workers)
    assert (agreement.reason, agreement.disagreement) == (None, None)
    assert agreement.compared == len(own.network.layers)


@pytest.mark.parametrize(
    "model", [Packed(order=(2, 0, 1, 3, 4)), Packed(scale=0.3)], ids=["order", "scale"]
)
def test_heads_of_another_kind_are_refused(model: nn.Module, tmp_path: Path) -> None:
    """Tokens in the place of heads, which fits as there are as many; another scale."""
    x = torch.randn(2, 3, 12)
    path = exported(tmp_path, model, (x,), open_=False)
    with pytest.raises(SpecError, match=r"MatMul of \[2, 3, 3, "):
        formats.read(path)


def test_equal_arrays_that_the_file_has_once_are_learned_apart(tmp_path: Path) -> None:
    """As the exporter keeps the scales and offsets of norms before any training."""
    model = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 12), nn.LayerNorm(12))
    path = str(tmp_path / "model.onnx")
    torch.onnx.export(model.eval(), (X,), path, dynamo=False)
    own = imported(path)
    assert own.loaded.costs.totals.params == sum(one.numel() for one in model.parameters())
    (note,) = own.network.notes
    assert "learned apart" in note
