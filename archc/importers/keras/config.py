"""The configuration of a Keras model, read by a process of its own: `python -m
archc.importers.keras.config read FILE RESULT` writes its calls of layers as JSON.

Of a `.keras` archive `config.json` alone is read, and of that the structure: no layer is built, no
function that it names is looked up. Models inside models are opened.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archc.backends.keras.hdf5 import group_of
from archc.backends.runtime.sandbox import limit
from archc.importers.archives import UNSOUND

MEMORY = 2 << 30
LARGEST = 64 << 20
"""Bytes of a configuration."""
MOST_CALLS = 100_000
DEEPEST = 16
LONGEST_NAME = 256
MODELS = ("Functional", "Model", "Sequential")


class ConfigError(Exception):
    """The file is no configuration that is read."""


def text_of(path: str) -> bytes:
    """The configuration in a file: itself, or in an archive. Raises ConfigError, OSError."""
    with open(path, "rb") as file:
        first = file.read(2)
    if first != b"PK":
        with open(path, "rb") as file:
            return _bounded(file.read(LARGEST + 1))
    try:
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as member:
            return _bounded(member.read(LARGEST + 1))
    except KeyError:
        raise ConfigError("it is an archive without a config.json") from None
    except UNSOUND as error:
        raise ConfigError(f"it is no sound archive ({error})") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise ConfigError(f"its configuration has more than {LARGEST >> 20} MiB")
    return data


def calls_of(data: bytes) -> dict[str, Any]:
    """The calls of all layers, in an order in which they can be computed, and which of them are
    inputs and outputs. Raises ConfigError."""
    try:
        model = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError("its configuration is no JSON, or nests too deep") from None
    opened = _Opened()
    inputs, outputs = opened.model(model, None, _Around(), 0)
    return {
        "name": _name(model["config"]),
        "calls": opened.calls,
        "inputs": inputs,
        "outputs": outputs,
    }


class _Around(NamedTuple):
    """The models around a call, and its layer, by their names and by their groups in the file of
    weights. One that is called again has the number of the call in its name."""

    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class _Node(NamedTuple):
    """A call of a layer of a model, by its name and number: what it takes."""

    layer: Mapping[str, Any]
    call: tuple[str, int]
    taken: list[tuple[Any, ...]]
    constants: Mapping[str, Any]
    inside: _Around


class _Opened:
    """The calls of a model and of those in it. A value is the number of the call that computes
    it."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def model(
        self, model: Any, given: list[int] | None, around: _Around, depth: int
    ) -> tuple[list[int], list[int]]:
        """The inputs and outputs of a model that is given some values."""
        if depth > DEEPEST:
            raise ConfigError(f"its models nest more than {DEEPEST} deep")
        _require(isinstance(model, dict) and model.get("class_name") in MODELS, "it is no model")
        config = model.get("config")
        _require(isinstance(config, dict), "a model has no configuration")
        layers = config.get("layers")
        _require(isinstance(layers, list) and bool(layers), "a model has no layers")
        for layer in layers:
            _require(
                isinstance(layer, dict) and isinstance(layer.get("config"), dict),
                "a layer has no configuration",
            )
        if model["class_name"] == "Sequential":
            return self._sequence(layers, given, around, depth)
        return self._graph(config, layers, given, around, depth)

    def _sequence(
        self, layers: list[Any], given: list[int] | None, around: _Around, depth: int
    ) -> tuple[list[int], list[int]]:
        current = list(given or [])
        inputs = list(current)
        for layer, inside in _grouped(layers, around):
            if layer.get("class_name") == "InputLayer":
                if not current:
                    current = [self._call(layer, [], {}, inside)]
                    inputs = list(current)
                continue
            _require(bool(current), "a sequential model states no shape of its input")
            current = self._apply(layer, current, {}, inside, depth)
        return inputs, current

    def _graph(
        self,
        config: Mapping[str, Any],
        layers: list[Any],
        given: list[int] | None,
        around: _Around,
        depth: int,
    ) -> tuple[list[int], list[int]]:
        values: dict[tuple[Any, ...], int] = {}
        names = [key[0] for key in _keys(config.get("input_layers"))]
        inputs = []
        for position, name in enumerate(names):
            if given is not None:
                _require(position < len(given), f"`{name}` is given no value")
                values[name, 0, 0] = given[position]
                inputs.append(given[position])
        ready: deque[_Node] = deque()
        for layer, inside in _grouped(layers, around):
            name = _name(layer)
            if layer.get("class_name") == "InputLayer":
                if (name, 0, 0) not in values:
                    values[name, 0, 0] = self._call(layer, [], {}, inside)
                    inputs.append(values[name, 0, 0])
                continue
            nodes: Any = layer.get("inbound_nodes")
            _require(isinstance(nodes, list), f"`{name}` has no calls")
            for number, node in enumerate(nodes):
                taken, constants = _arguments(node, name)
                again = f"{name}:{number}" if number else name
                own = inside._replace(names=(*inside.names[:-1], again))
                ready.append(_Node(layer, (name, number), taken, constants, own))
        outputs = _keys(config.get("output_layers"))
        further: dict[tuple[Any, ...], set[int]] = {}
        for key in (*outputs, *(key for node in ready for key in node.taken)):
            if key[2] != 0:
                further.setdefault(key[:2], set()).add(key[2])
        waiting: dict[tuple[Any, ...], list[_Node]] = {}
        while ready:
            one = ready.popleft()
            missing = next((key for key in one.taken if key not in values), None)
            if missing is not None:  # a layer is listed where it is called first
                waiting.setdefault(missing, []).append(one)
                continue
            operands = [values[key] for key in one.taken]
            results = self._apply(one.layer, operands, one.constants, one.inside, depth)
            places = dict(enumerate(results))
            if one.layer.get("class_name") not in MODELS:
                for place in further.get(one.call, ()):
                    self.calls[results[0]]["several"] = True
                    places[place] = results[0]
            for place, value in places.items():
                key = (*one.call, place)
                values[key] = value
                ready.extendleft(reversed(waiting.pop(key, [])))
        for nodes in waiting.values():
            name = nodes[0].call[0]
            raise ConfigError(f"`{name}` uses what nothing before it computes, or a cycle")
        _require(bool(outputs) and all(one in values for one in outputs), "it has no output")
        return inputs, [values[one] for one in outputs]

    def _apply(
        self,
        layer: Mapping[str, Any],
        operands: list[int],
        constants: Mapping[str, Any],
        inside: _Around,
        depth: int,
    ) -> list[int]:
        if layer.get("class_name") in MODELS:
            return self.model(layer, operands, inside, depth + 1)[1]
        return [self._call(layer, operands, constants, inside)]

    def _call(
        self,
        layer: Mapping[str, Any],
        operands: list[int],
        constants: Mapping[str, Any],
        inside: _Around,
    ) -> int:
        _require(len(self.calls) < MOST_CALLS, f"it has more than {MOST_CALLS:,} calls")
        kind = layer.get("class_name")
        _require(isinstance(kind, str) and kind.isprintable(), "a layer has no class")
        self.calls.append(
            {
                "kind": kind,
                "own": not str(layer.get("module", "keras.")).startswith("keras"),
                "operator": str(layer.get("module")).startswith("keras.src.ops."),
                "several": False,
                "name": inside.names[-1],
                "layer": _name(layer),
                "config": layer["config"],
                "inputs": operands,
                "constants": constants,
                "scope": inside.names[:-1],
                "group": "/".join(inside.groups),
            }
        )
        return len(self.calls) - 1


def _grouped(layers: list[Any], around: _Around) -> Iterator[tuple[Mapping[str, Any], _Around]]:
    """The layers of a model, each with what is around what is in it: Keras calls the group of a
    layer's weights by its class, and counts."""
    used: Counter[str] = Counter()
    for layer in layers:
        group = group_of(str(layer.get("class_name")), used)
        yield layer, _Around((*around.names, _name(layer)), (*around.groups, group))


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _name(layer: Mapping[str, Any]) -> str:
    """The name of a layer. Raises ConfigError for one with characters that do not print."""
    config = layer.get("config")
    name = layer.get("name") or (config.get("name") if isinstance(config, dict) else None)
    _require(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME, "a layer has no name")
    assert isinstance(name, str)
    _require(name.isprintable(), f"the name {name[:60]!a} has characters that do not print")
    return name


def _keys(value: Any) -> list[tuple[Any, ...]]:
    """References to values: one, or a list of them."""
    _require(isinstance(value, list), "its inputs or outputs are not listed")
    items = [value] if value and isinstance(value[0], str) else value
    return [_key(item) for item in items]


def _key(value: Any) -> tuple[Any, ...]:
    fits = isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str)
    _require(fits and all(isinstance(one, int) for one in value[1:3]), "a reference is malformed")
    return tuple(value[:3])


def _arguments(node: Any, name: str) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """What a call takes: the values, and, by their places, what is no value."""
    _require(
        isinstance(node, dict) and isinstance(node.get("args"), list), f"`{name}` is malformed"
    )
    taken: list[tuple[Any, ...]] = []
    constants: dict[str, Any] = {}
    for place, argument in enumerate(node["args"]):
        for one in argument if isinstance(argument, list) else [argument]:
            if isinstance(one, dict) and one.get("class_name") == "__keras_tensor__":
                history = (one.get("config") or {}).get("keras_history")
                taken.append(_key(history))
            elif one is not None:
                constants[str(place)] = one
    for key, value in (node.get("kwargs") or {}).items():
        if value is not None and not (key in ("training", "mask") and value is False):
            constants[str(key)] = value
    return taken, constants


def _read(path: str, result: str) -> str | None:
    limit(os.path.getsize(path), MEMORY)
    try:
        calls = calls_of(text_of(path))
    except ConfigError as error:
        return str(error)
    except (AttributeError, KeyError, TypeError):
        return "it is no configuration that Keras writes"
    except (OSError, ValueError) as error:
        return f"it cannot be read ({error})"
    except MemoryError:
        return "reading it takes too much memory"
    except RecursionError:
        return "it nests too deep"
    with open(result, "w", encoding="utf-8") as stream:
        json.dump(calls, stream)
    return None


if __name__ == "__main__":
    _, source, target = sys.argv[1:]
    json.dump(_read(source, target), sys.stdout)
