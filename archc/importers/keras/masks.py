"""What the masks of embeddings change: Keras hands a mask on from layer to layer, and some take no
account of the tokens that it leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from archc.importers.keras.calls import Call

PASSING = frozenset(
    {
        *("Activation", "ActivityRegularization", "Add", "Average", "Concatenate", "Dense"),
        *("Dropout", "ELU", "GroupNormalization", "Identity", "LayerNormalization", "LeakyReLU"),
        *("Maximum", "Multiply", "PReLU", "ReLU", "Rescaling", "Subtract"),
    }
)
"""Layers that compute the same with a mask, and hand it on."""
READING = frozenset(
    {
        *("BatchNormalization", "Bidirectional", "GlobalAveragePooling1D", "GRU", "LSTM"),
        *("MultiHeadAttention", "Softmax"),
    }
)
"""Layers that compute something else with a mask."""


def readers(calls: Sequence[Call], outputs: Sequence[Call]) -> dict[Call, str]:
    """What reads the masks of embeddings that have one: the first layer of each, or the loss, which
    weighs the tokens of an output by its mask."""
    found: dict[Call, str] = {}
    masked: dict[Call, tuple[Call, ...]] = {}
    for call in calls:
        if call.kind == "Embedding" and call.config.get("mask_zero"):
            masked[call] = (call,)
            continue
        sources = tuple(dict.fromkeys(one for x in call.inputs for one in masked.get(x, ())))
        if not sources or call.operator:  # what `keras.ops` gives has no mask
            continue
        if call.kind in READING:
            for one in sources:
                found.setdefault(one, call.kind)
        elif call.kind in PASSING:
            masked[call] = sources
    for call in outputs:
        for one in masked.get(call, ()):
            found.setdefault(one, "the loss")
    return found
