"""The networks of the `transformers` library that specs of sequence models are compared with: a
small configuration of each, and how its state is that of the emitted class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from archc.api import Network, load
from tests.backends.networks import SPECS
from tests.backends.torchvision_models import models

State = Mapping[str, Any]
BATCH = 3
LENGTH = 12
VOCABULARY = 50
MELS = 6
FRAMES = 10


class Judge(NamedTuple):
    """Another library's network: its configuration and class, the parameters of the spec that make
    it as small, how its state is that of the emitted class, and the arguments of a call, drawn by
    a generator, in the order of the inputs of the spec."""

    config: str
    config_fields: Mapping[str, Any]
    model: str
    params: Mapping[str, Any]
    renamed: Callable[[State], dict[str, Any]]
    output: Callable[[Any], Any]
    inputs: Callable[[Any], dict[str, Any]]
    tolerance: float = 1e-9


def layers(state: State, stem: str) -> dict[int, dict[str, Any]]:
    """The arrays of each of a model's layers, by its number."""
    found: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        if key.startswith(stem):
            number, _, rest = key.removeprefix(stem).partition(".")
            found.setdefault(int(number), {})[rest] = value
    return found


def both(ours: str, theirs: str, arrays: State) -> dict[str, Any]:
    """The weight and bias of a layer, those that it has."""
    kinds = ("weight", "bias")
    return {
        f"{ours}.{kind}": arrays[f"{theirs}.{kind}"]
        for kind in kinds
        if f"{theirs}.{kind}" in arrays
    }


def gpt2(state: State) -> dict[str, Any]:
    """Its dense layers are convolutions with transposed kernels; that of the three projections
    stands in one array."""
    own = {"embedding.weight": state["transformer.wte.weight"]}
    own["position_embedding.weight"] = state["transformer.wpe.weight"]
    own["head.weight"] = state["lm_head.weight"]
    own |= both("layer_norm", "transformer.ln_f", state)
    for number, arrays in layers(state, "transformer.h.").items():
        here = f"blocks.{number}"
        own |= both(f"{here}.layer_norm1", "ln_1", arrays)
        own |= both(f"{here}.layer_norm2", "ln_2", arrays)
        parts = ("query", "key", "value")
        for kind in ("weight", "bias"):
            packed = arrays[f"attn.c_attn.{kind}"].chunk(3, dim=-1)
            for part, array in zip(parts, packed, strict=True):
                own[f"{here}.attention.{part}.{kind}"] = array.T if kind == "weight" else array
        for ours, theirs in (
            ("attention.output", "attn.c_proj"),
            ("dense1", "mlp.c_fc"),
            ("dense2", "mlp.c_proj"),
        ):
            own[f"{here}.{ours}.weight"] = arrays[f"{theirs}.weight"].T
            own[f"{here}.{ours}.bias"] = arrays[f"{theirs}.bias"]
    return own


def bert(state: State) -> dict[str, Any]:
    own = {
        "embedding.weight": state["embeddings.word_embeddings.weight"],
        "position_embedding.weight": state["embeddings.position_embeddings.weight"],
        "segment_embedding.weight": state["embeddings.token_type_embeddings.weight"],
        **both("layer_norm", "embeddings.LayerNorm", state),
        **both("pooler", "pooler.dense", state),
    }
    for number, arrays in layers(state, "encoder.layer.").items():
        here = f"encoder.{number}"
        for part in ("query", "key", "value"):
            own |= both(f"{here}.attention.{part}", f"attention.self.{part}", arrays)
        own |= both(f"{here}.attention.output", "attention.output.dense", arrays)
        own |= both(f"{here}.layer_norm1", "attention.output.LayerNorm", arrays)
        own |= both(f"{here}.dense1", "intermediate.dense", arrays)
        own |= both(f"{here}.dense2", "output.dense", arrays)
        own |= both(f"{here}.layer_norm2", "output.LayerNorm", arrays)
    return own


def albert(state: State) -> dict[str, Any]:
    """All of its layers are one."""
    theirs = "encoder.albert_layer_groups.0.albert_layers.0"
    own = {
        "embedding.weight": state["embeddings.word_embeddings.weight"],
        "position_embedding.weight": state["embeddings.position_embeddings.weight"],
        "segment_embedding.weight": state["embeddings.token_type_embeddings.weight"],
        **both("layer_norm", "embeddings.LayerNorm", state),
        **both("projection", "encoder.embedding_hidden_mapping_in", state),
        **both("pooler", "pooler", state),
    }
    for ours, name in {
        "attention.query": "attention.query",
        "attention.key": "attention.key",
        "attention.value": "attention.value",
        "attention.output": "attention.dense",
        "layer_norm1": "attention.LayerNorm",
        "dense1": "ffn",
        "dense2": "ffn_output",
        "layer_norm2": "full_layer_layer_norm",
    }.items():
        own |= both(f"encoder.layer.{ours}", f"{theirs}.{name}", state)
    return own


def llama(state: State) -> dict[str, Any]:
    """Llama, Mistral and Qwen 2."""
    own = {"embedding.weight": state["model.embed_tokens.weight"]}
    own["rms_norm.weight"] = state["model.norm.weight"]
    own["head.weight"] = state["lm_head.weight"]
    for number, arrays in layers(state, "model.layers.").items():
        here = f"decoder.{number}"
        parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
        for ours, theirs in parts.items():
            own |= both(f"{here}.attention.{ours}", f"self_attn.{theirs}", arrays)
        own |= both(f"{here}.rms_norm1", "input_layernorm", arrays)
        own |= both(f"{here}.rms_norm2", "post_attention_layernorm", arrays)
        for part in ("gate", "up", "down"):
            own |= both(f"{here}.{part}", f"mlp.{part}_proj", arrays)
    return own


def whisper(state: State) -> dict[str, Any]:
    """The decoder's second attention is that to the recording."""
    own = {
        "audio_positions.weight": state["model.encoder.embed_positions.weight"],
        "text_positions.weight": state["model.decoder.embed_positions.weight"],
        "embedding.weight": state["model.decoder.embed_tokens.weight"],
        "head.weight": state["proj_out.weight"],
        **both("stem.0", "model.encoder.conv1", state),
        **both("stem.2", "model.encoder.conv2", state),
        **both("decoder.layer_norm", "model.decoder.layer_norm", state),
    }
    encoder = layers(state, "model.encoder.layers.")
    own |= both(f"encoder.{len(encoder)}", "model.encoder.layer_norm", state)
    attentions = {"attention": "self_attn", "layer_norm": "self_attn_layer_norm"}
    for number, arrays in encoder.items():
        own |= _whisper_layer(f"encoder.{number}", attentions, arrays)
    attentions = {
        "attention1": "self_attn",
        "layer_norm1": "self_attn_layer_norm",
        "attention2": "encoder_attn",
        "layer_norm2": "encoder_attn_layer_norm",
    }
    for number, arrays in layers(state, "model.decoder.layers.").items():
        own |= _whisper_layer(f"decoder.decoder_layers.{number}", attentions, arrays)
    return own


def _whisper_layer(here: str, names: Mapping[str, str], arrays: State) -> dict[str, Any]:
    own: dict[str, Any] = {}
    parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    for ours, theirs in names.items():
        own |= both(f"{here}.{ours}", theirs, arrays)
        for part, projection in parts.items():
            own |= both(f"{here}.{ours}.{part}", f"{theirs}.{projection}", arrays)
    own |= both(f"{here}.feed_forward.layer_norm", "final_layer_norm", arrays)
    own |= both(f"{here}.feed_forward.dense1", "fc1", arrays)
    own |= both(f"{here}.feed_forward.dense2", "fc2", arrays)
    return own


def words(generator: Any) -> dict[str, Any]:
    """The ids of some tokens."""
    return {"input_ids": torch.randint(VOCABULARY, (BATCH, LENGTH), generator=generator)}


def words_of_segments(generator: Any) -> dict[str, Any]:
    """The ids of some tokens, each in one of two segments."""
    segments = torch.randint(2, (BATCH, LENGTH), generator=generator)
    return {**words(generator), "token_type_ids": segments}


def speech(generator: Any) -> dict[str, Any]:
    """The spectra of a recording, and the ids of what is written down of it."""
    shape = (BATCH, MELS, 2 * FRAMES)
    frames = torch.randn(shape, generator=generator, dtype=torch.float64)
    return {"input_features": frames, "decoder_input_ids": words(generator)["input_ids"]}


SMALL = {"length": LENGTH, "vocabulary": VOCABULARY, "width": 32, "depth": 2, "heads": 4}
GROUPED = {**SMALL, "key_heads": 2, "hidden": 48}
GROUPED_THEIRS = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
}
ROTARY = 1e-5
"""transformers turns queries and keys by angles in float32."""
JUDGES = {
    "albert_base_v2": Judge(
        "AlbertConfig",
        {
            "vocab_size": VOCABULARY,
            "embedding_size": 16,
            "hidden_size": 32,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": LENGTH,
        },
        "AlbertModel",
        {**SMALL, "embedded": 16, "depth": 4},
        albert,
        lambda result: (result.last_hidden_state, result.pooler_output),
        words_of_segments,
    ),
    "gpt2": Judge(
        "GPT2Config",
        {"vocab_size": VOCABULARY, "n_positions": LENGTH, "n_embd": 32, "n_layer": 2, "n_head": 4},
        "GPT2LMHeadModel",
        SMALL,
        gpt2,
        lambda result: (result.logits,),
        words,
    ),
    "bert_base": Judge(
        "BertConfig",
        {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": LENGTH,
        },
        "BertModel",
        SMALL,
        bert,
        lambda result: (result.last_hidden_state, result.pooler_output),
        words_of_segments,
    ),
    "llama_3_8b": Judge(
        "LlamaConfig",
        {**GROUPED_THEIRS, "rope_theta": 500000.0},
        "LlamaForCausalLM",
        GROUPED,
        llama,
        lambda result: (result.logits,),
        words,
        ROTARY,
    ),
    "mistral_7b": Judge(
        "MistralConfig",
        {**GROUPED_THEIRS, "rope_theta": 10000.0, "sliding_window": 5},
        "MistralForCausalLM",
        {**GROUPED, "window": 5},
        llama,
        lambda result: (result.logits,),
        words,
        ROTARY,
    ),
    "qwen2_5_0_5b": Judge(
        "Qwen2Config",
        {
            **GROUPED_THEIRS,
            "rope_theta": 1000000.0,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
        },
        "Qwen2ForCausalLM",
        GROUPED,
        llama,
        lambda result: (result.logits,),
        words,
        ROTARY,
    ),
    "whisper_tiny": Judge(
        "WhisperConfig",
        {
            "vocab_size": VOCABULARY,
            "num_mel_bins": MELS,
            "d_model": 32,
            **{f"{part}_layers": 3 for part in ("encoder", "decoder")},
            **{f"{part}_attention_heads": 4 for part in ("encoder", "decoder")},
            **{f"{part}_ffn_dim": 128 for part in ("encoder", "decoder")},
            "max_source_positions": FRAMES,
            "max_target_positions": LENGTH,
            **{f"{token}_token_id": 1 for token in ("pad", "bos", "eos", "decoder_start")},
        },
        "WhisperForConditionalGeneration",
        {**SMALL, "depth": 3, "mels": MELS, "frames": FRAMES},
        whisper,
        lambda result: (result.logits,),
        speech,
    ),
}


def small(name: str) -> Network:
    return load(str(SPECS / f"{name}.yaml"), dict(JUDGES[name].params))


def transformer(name: str, fields: Mapping[str, Any], device: str = "cpu") -> Any:
    """Transformers' network of a configuration, in evaluation and float64; on the device `meta`
    without values."""
    models()  # transformers looks for torchvision, which needs its operators
    import transformers

    judge = JUDGES[name]
    config = getattr(transformers, judge.config)(**fields)
    with torch.device(device):
        return getattr(transformers, judge.model)(config).double().eval()
