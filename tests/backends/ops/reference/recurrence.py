"""Recurrences, token by token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.backends.ops.reference.tensor import Array, Arrays, Tensor

Step = Callable[[Arrays, str, Array, Array, Array], tuple[Array, Array]]
"""From the arrays, their ending, a token, the output and the cell to the next output and cell."""


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def lstm_step(arrays: Arrays, end: str, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Gers et al. 2000: an input gate, a forget gate, a candidate and an output gate."""
    sums = x @ arrays[f"weight_ih_{end}"].T + h @ arrays[f"weight_hh_{end}"].T
    i, f, g, o = np.split(sums + arrays[f"bias_ih_{end}"], 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(arrays: Arrays, end: str, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Cho et al. 2014, the reset gate after the product: a reset gate, an update gate and a
    candidate."""
    of_token = np.split(x @ arrays[f"weight_ih_{end}"].T + arrays[f"bias_ih_{end}"], 3, axis=1)
    of_state = np.split(h @ arrays[f"weight_hh_{end}"].T + arrays[f"bias_hh_{end}"], 3, axis=1)
    r, z = (sigmoid(of_token[one] + of_state[one]) for one in (0, 1))
    n = np.tanh(of_token[2] + r * of_state[2])
    return (1 - z) * n + z * h, c


def recurrence(step: Step) -> Callable[..., Tensor]:
    """A step over all tokens, in one direction or two, in layers."""

    def meaning(
        arrays: Arrays,
        x: Tensor,
        *,
        units: int,
        return_sequences: bool = False,
        bidirectional: bool = False,
        layers: int = 1,
        dropout: float = 0.0,
    ) -> Tensor:
        values = x.array
        for layer in range(layers):
            directions = []
            for suffix in ("", "_reverse") if bidirectional else ("",):
                outputs = np.empty((*values.shape[:2], units))
                h = c = np.zeros((values.shape[0], units))
                order = range(values.shape[1])
                for token in reversed(order) if suffix else order:
                    h, c = step(arrays, f"l{layer}{suffix}", values[:, token], h, c)
                    outputs[:, token] = h
                directions.append(outputs)
            last = [one[:, 0 if number else -1] for number, one in enumerate(directions)]
            values = np.concatenate(directions, axis=2)
        if return_sequences:
            return x.with_array(values)
        return Tensor(("features",), np.concatenate(last, axis=1))

    return meaning


MEANINGS = {"lstm": recurrence(lstm_step), "gru": recurrence(gru_step)}
