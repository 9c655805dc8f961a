"""Weights as Keras keeps them in HDF5, read by a process of its own: `python -m
archc.backends.keras.hdf5`.

Keras 3 (`model.save_weights("NAME.weights.h5")`) has a group for every layer of the model, called
by its class and a number, with its variables in `vars`, called 0, 1 ..., and the layer's name as an
attribute of that. Files of Keras 2, such as the published ones of keras.applications, list the
layers in the attribute `layer_names` and each layer's variables in `weight_names`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from archc.backends.runtime.safetensors import GROUPS, ORDER, STORABLE, write_safetensors
from archc.backends.runtime.sandbox import limit, line, not_installed, too_large
from archc.diagnostics import encodable

LARGEST_GROUP = 100_000
DEEPEST = 32
INNER = (
    "query_dense",
    "key_dense",
    "value_dense",
    "output_dense",
    "query_norm",
    "key_norm",
    "forward_layer",
    "backward_layer",
    "cell",
)
"""What Keras calls the layers inside those of attention and recurrences, in the order of their
weights."""
_NUMBERED = re.compile(r"(.*?)(?:_([0-9]{1,9}))?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}")


def group_of(layer_class: str, used: Counter[str]) -> str:
    """What Keras 3 calls the group of the next layer of a class: `conv2d`, then `conv2d_1`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer_class)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    used[name] += 1
    return name if used[name] == 1 else f"{name}_{used[name] - 1}"


class Contents(NamedTuple):
    """The arrays of a file by `LAYER/NUMBER`, those of one layer in Keras' order, the layers in the
    order of the model as far as the file records it; and the name of the array at each
    `GROUP/NUMBER` of Keras 3."""

    arrays: dict[str, Any]
    groups: dict[str, str]


class MalformedError(Exception):
    """The file is not as Keras writes it; the message is the reason."""


def _read(path: str, result: str) -> str | None:
    try:
        import h5py
    except ImportError as error:
        return not_installed(error, "keras")
    limit(os.path.getsize(path))
    try:
        with h5py.File(path, "r") as file:
            contents = contents_of(file)
            needed = sum(array.nbytes for array in contents.arrays.values())
            reason = too_large(needed, path)
            if reason is not None:
                return reason
            order = json.dumps(list(contents.arrays))
            groups = json.dumps(contents.groups)
            write_safetensors(result, contents.arrays, {ORDER: order, GROUPS: groups})
    except MalformedError as error:
        return str(error)
    except Exception as error:  # whatever a damaged file makes of the library
        return f"it is no sound HDF5 file ({line(error)})"
    return None


def contents_of(file: Any) -> Contents:
    """The arrays of an open file, none of them read yet. Raises MalformedError, and whatever a
    damaged file makes of the library."""
    _check(file)
    root = _group(file, "model_weights") or file  # a whole model of Keras 2
    is_listed = "layer_names" in root.attrs or "layer_names0" in root.attrs
    return Contents(_listed(root), {}) if is_listed else _numbered(root)


def _check(file: Any) -> None:
    """Refuse links, which lead elsewhere, and values that are no arrays of numbers."""
    import h5py

    waiting = [file]
    count = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            if count > LARGEST_GROUP:
                raise MalformedError(f"it holds more than {LARGEST_GROUP:,} values")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise MalformedError(f"`{name}` in it is a link")
            value = group[name]
            if isinstance(value, h5py.Group):
                if len(value.name.split("/")) > DEEPEST:
                    raise MalformedError("its groups nest too deep")
                waiting.append(value)
            elif not isinstance(value, h5py.Dataset) or not _is_array(value):
                raise MalformedError(f"`{value.name}` in it is no array of numbers")
            elif value.external or value.is_virtual:
                raise MalformedError(f"`{value.name}` in it lies in another file")


def _is_array(dataset: Any) -> bool:
    return dataset.shape is not None and dataset.dtype.name in STORABLE


def _numbered(file: Any) -> Contents:
    """Those of a file of Keras 3."""
    layers = _group(file, "layers")
    if layers is None:
        raise MalformedError("it has no `layers`: a file that `model.save_weights` writes has")
    contents = Contents({}, {})
    holders: dict[str, str] = {}
    for key, layer_group in _layers_in(layers, ""):
        variables = _group(layer_group, "vars")
        if variables is None:
            continue
        layer = _text(variables.attrs.get("name", key))
        if _parent(holders.get(layer, key)) != _parent(key):
            layer = key  # as a layer of another model in this one is called
        if holders.setdefault(layer, key) != key:
            raise MalformedError(f"`{key}` and `{holders[layer]}` in it are both called `{layer}`")
        for number, array in enumerate(_variables_in(layer_group, key)):
            contents.groups[f"{key}/{number}"] = f"{layer}/{number}"
            contents.arrays[f"{layer}/{number}"] = array
    return contents


def _parent(key: str) -> str:
    return key.rpartition("/")[0]


def _layers_in(layers: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The groups of layers by their paths, those of a model inside after it."""
    for key in sorted(layers, key=_class_and_number):
        group = _group(layers, key)
        if group is None:
            continue
        yield prefix + key, group
        inner = _group(group, "layers")
        if inner is not None:
            yield from _layers_in(inner, f"{prefix}{key}/")


def _variables_in(group: Any, key: str) -> Iterator[Any]:
    """The arrays of a layer, then those of the layers inside it, in the order of its weights."""
    variables = _group(group, "vars")
    if variables is not None:
        if not all(map(_NUMBER.fullmatch, variables)):
            raise MalformedError(f"the variables of `{key}` in it have no numbers")
        cell = _text(variables.attrs.get("name", "")).startswith("gru_cell")
        for number in sorted(variables, key=int):
            array = _array(variables, number)
            # The biases of a GRU, of the token and of the state, are arrays of their own here.
            two = cell and number == "2" and array.ndim == 2 and len(array) == 2
            yield from array[()] if two else (array,)
    inner = {name.lstrip("_"): name for name in group if name.lstrip("_") in INNER}
    for name in sorted(inner, key=INNER.index):
        layer = _group(group, inner[name])
        if layer is not None:
            yield from _variables_in(layer, key)


def _class_and_number(key: str) -> tuple[str, int]:
    """`conv2d_10` after `conv2d_9`."""
    match = _NUMBERED.fullmatch(key)
    assert match is not None
    return match[1], int(match[2] or 0)


def _listed(file: Any) -> dict[str, Any]:
    """Those of a file of Keras 2."""
    contents: dict[str, Any] = {}
    layers = _texts(file, "layer_names")
    if len(set(layers)) < len(layers):
        raise MalformedError("it lists a layer twice")
    for layer in layers:
        group = _group(file, layer)
        if group is None:
            raise MalformedError(f"it has no layer `{layer}`, which it lists")
        for number, name in enumerate(_texts(group, "weight_names")):
            contents[f"{layer}/{number}"] = _array(group, name)
    return contents


def _group(parent: Any, name: str) -> Any:
    """The group of that name; none where it is not there or is an array."""
    import h5py

    return parent[name] if parent.get(name, getclass=True) is h5py.Group else None


def _array(group: Any, name: str) -> Any:
    import h5py

    array = group.get(name)
    if not isinstance(array, h5py.Dataset):
        raise MalformedError(f"it has no array `{name}` in `{group.name}`")
    return array


def _texts(group: Any, attribute: str) -> list[str]:
    """An attribute that is a list of names. Keras splits a long one: `NAME0`, `NAME1` ..."""
    parts = [attribute]
    if attribute not in group.attrs:
        parts = [f"{attribute}{number}" for number in range(len(group.attrs))]
        parts = [part for part in parts if part in group.attrs]
    values = [group.attrs[part] for part in parts]
    if not values or any(getattr(value, "ndim", None) != 1 for value in values):
        raise MalformedError(f"`{group.name}` in it has no list `{attribute}`")
    return [_text(one) for value in values for one in value]


def _text(value: Any) -> str:
    return encodable(
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    )


if __name__ == "__main__":
    json.dump({"read": _read}[sys.argv[1]](*sys.argv[2:]), sys.stdout)
