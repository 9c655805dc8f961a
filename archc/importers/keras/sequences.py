"""Layers of Keras on tokens as ops of archc: embeddings, recurrences, attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc.importers.keras.calls import (
    PLAIN,
    Call,
    Draft,
    RefusedError,
    check,
    count,
    short,
)
from archc.ops.attention import Attention
from archc.ops.axes import Axes
from archc.ops.dense import Embedding
from archc.ops.recurrence import Gru, Lstm, Recurrence

RECURRENCES: dict[str, type[Recurrence]] = {"LSTM": Lstm, "GRU": Gru}
ON_TOKENS = frozenset({*RECURRENCES, "Bidirectional", "MultiHeadAttention"})
"""Layers that take a sequence, not the positions of a map."""


def embedding(call: Call, x: Axes) -> Draft:
    """A row of a table for each id."""
    check(call, "input_dim", "output_dim", "input_length", "mask_zero", lora_rank=None)
    op = Embedding(vocabulary=count(call, "input_dim"), features=count(call, "output_dim"))
    return Draft(op, call.inputs)


def recurrence(call: Call, x: Axes) -> Draft:
    """A recurrence from the first token to the last."""
    return _recurrence(call, bidirectional=False)


def bidirectional(call: Call, x: Axes) -> Draft:
    """Recurrences from both ends that are alike, their states behind one another."""
    check(call, "layer", "backward_layer", merge_mode="concat")
    inner, back = call.config.get("layer"), call.config.get("backward_layer")
    kind = inner.get("class_name") if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or kind not in RECURRENCES:
        raise RefusedError(f"Bidirectional of {short(kind)}")
    if back is not None and (back.get("class_name") != kind or _plain(back) != _plain(inner)):
        raise RefusedError(f"Bidirectional of {kind} and another layer")
    own = Call(kind, inner["config"], call.inputs, call.constants, call.value, call.place)
    return _recurrence(own, bidirectional=True)


def _plain(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recurrence that both directions have alike."""
    return {
        key: value
        for key, value in layer["config"].items()
        if key not in ("name", "go_backwards") and not key.endswith(PLAIN)
    }


def _recurrence(call: Call, *, bidirectional: bool) -> Draft:
    config = call.config
    check(
        call,
        *("units", "return_sequences", "use_bias", "unit_forget_bias", "unroll", "implementation"),
        "zero_output_for_mask",
        **{"activation": "tanh", "recurrent_activation": "sigmoid"},
        **{"return_state": False, "go_backwards": False, "stateful": False, "time_major": False},
        **{"dropout": 0.0, "recurrent_dropout": 0.0, "reset_after": True},
    )
    op = RECURRENCES[call.kind](
        units=count(call, "units"),
        return_sequences=config.get("return_sequences", False) is True,
        bidirectional=bidirectional,
    )
    if config.get("use_bias", True):
        return Draft(op, call.inputs)
    comment = (
        f"{call.kind} has no biases in the file. Here it has, 0 at the start, and learns them."
    )
    ends = [f"_l0{direction}" for direction in op.directions]
    fills = {f"{bias}{end}": 0.0 for bias in op.biases for end in ends}
    return Draft(op, call.inputs, note=comment, fills=fills)


def attention(call: Call, x: Axes) -> Draft:
    """Multi-head attention of a sequence to itself or to another one."""
    constants = {key: value for key, value in call.constants.items() if value is not False}
    causal = constants.pop("use_causal_mask", False)
    check(
        Call(call.kind, call.config, call.inputs, constants, call.value, call.place),
        *("num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape"),
        *("attention_axes", "flash_attention"),
        use_gate=False,
        sliding_window=None,
    )
    size, heads = count(call, "key_dim"), count(call, "num_heads")
    expected = {"value_dim": (None, size), "output_shape": (None, x.width, [x.width])}
    for key, values in {**expected, "attention_axes": (None, [1], 1)}.items():
        if call.config.get(key) not in values:
            raise RefusedError(f"{call.kind} with {key} {short(call.config[key])}")
    if len(call.inputs) not in (2, 3) or len(set(call.inputs[1:])) > 1:
        raise RefusedError("MultiHeadAttention with keys and values of different sequences")
    op = Attention(
        heads=heads,
        head_size=None if heads * size == x.width else size,
        bias=bool(call.config.get("use_bias", True)),
        causal=bool(causal),
        dropout=call.config.get("dropout", 0.0),
    )
    query, memory = call.inputs[:2]
    return Draft(op, (query,) if memory is query else (query, memory))
