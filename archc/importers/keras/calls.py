"""Calls of Keras' layers, and the questions that rules ask of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from archc.importers.network import Array
from archc.ops import activation
from archc.ops.activation import Activation
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.ops.fields import LARGEST

WEIGHTS: Mapping[str, Array] = {}


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer: its class, configuration, and what it takes besides values; `group` is
    what the file of weights calls it, `layer` its name, which several calls may have. An `operator`
    is a function of `keras.ops`; of `several` results others than the first are taken."""

    kind: str
    config: Mapping[str, Any]
    inputs: tuple[Call, ...]
    constants: Mapping[str, Any]
    value: str
    place: str
    scope: tuple[str, ...] = ()
    group: str = ""
    layer: str = ""
    shape: tuple[int, ...] | None = None
    operator: bool = False
    several: bool = False


class Draft(NamedTuple):
    """The op of a call; without one it is its only input itself. `before` is an op that its input
    goes through first, `others` what it takes besides. `fills` are variables of the op that the
    layer lacks, with the value that means the same."""

    op: Op | None
    inputs: tuple[Call, ...]
    weights: Mapping[str, Array] = WEIGHTS
    note: str | None = None
    before: Op | None = None
    others: tuple[Call, ...] = ()
    fills: Mapping[str, float] = MappingProxyType({})


class RefusedError(Exception):
    """A layer is something that archc has no op for. The message says what."""


Rule = Callable[[Call, Axes], Draft]
"""The draft of a call whose first input has some axes. Raises RefusedError."""

ACTIVATIONS: dict[str, Activation | None] = {
    "linear": None,
    "relu": activation.Relu(),
    "relu6": activation.Relu6(),
    "leaky_relu": activation.LeakyRelu(slope=0.2),
    "elu": activation.Elu(),
    "celu": activation.Elu(),
    "selu": activation.Selu(),
    "gelu": activation.Gelu(),
    "silu": activation.Silu(),
    "swish": activation.Silu(),
    "hard_sigmoid": activation.HardSigmoid(),
    "hard_silu": activation.HardSwish(),
    "hard_swish": activation.HardSwish(),
    "sigmoid": activation.Sigmoid(),
    "tanh": activation.Tanh(),
    "softplus": activation.Softplus(),
    "softsign": activation.Softsign(),
    "softmax": activation.Softmax(),
    "log_softmax": activation.LogSoftmax(),
}

COMMON = frozenset({"name", "trainable", "dtype", "data_format", "quantization_config", "seed"})
PLAIN = ("initializer", "regularizer", "constraint")
"""Endings of fields that say nothing of what a layer computes."""


def check(call: Call, *known: str, **fixed: Any) -> None:
    """Refuse a call with fields other than some, with another value for `fixed` ones, or that takes
    more than values. Raises RefusedError."""
    for key, value in call.config.items():
        if key in known or key in COMMON or key.endswith(PLAIN):
            continue
        if key not in fixed or value != fixed[key]:
            raise RefusedError(f"{call.kind} with {key} {short(value)}")
    if call.config.get("data_format") == "channels_first":
        raise RefusedError(f"{call.kind} with data_format channels_first")
    if call.constants:
        name = next(iter(call.constants))
        raise RefusedError(f"{call.kind} called with {name} {short(call.constants[name])}")


def short(value: Any) -> str:
    """A value of a configuration, in few characters."""
    return f"{value}"[:60]


def activation_of(call: Call) -> Activation | None:
    """The activation in a layer's configuration. Raises RefusedError."""
    name = call.config.get("activation", "linear")
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise RefusedError(f"{call.kind} with the activation {short(name)}")
    return ACTIVATIONS[name]


def sizes(call: Call, key: str) -> int | tuple[int, ...]:
    """A window's sizes: one number where they are equal. Raises RefusedError."""
    value: Any = call.config.get(key)
    items: list[Any] = value if isinstance(value, list) else [value]
    if not items or not all(type(one) is int and one > 0 for one in items):
        raise RefusedError(f"{call.kind} with {key} {short(value)}")
    return items[0] if len(set(items)) == 1 else tuple(items)


def count(call: Call, key: str, default: int | None = None) -> int:
    """A field that counts something. Raises RefusedError."""
    value = call.config.get(key, default)
    if type(value) is not int or not 0 < value <= LARGEST:
        raise RefusedError(f"{call.kind} with {key} {short(value)}")
    return value


def padding(call: Call) -> Any:
    """`valid` or `same`; causal padding as it is. Raises RefusedError."""
    value = call.config.get("padding", "valid")
    if value not in ("valid", "same", "causal"):
        raise RefusedError(f"{call.kind} with padding {short(value)}")
    return value
