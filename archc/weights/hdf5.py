"""Weights as Keras keeps them in HDF5.

Keras 3 (`model.save_weights("NAME.weights.h5")`) has a group for every layer of the model, called
by its class and a number, with its variables in `vars`, called 0, 1 ..., and the layer's name as an
attribute of that. Files of Keras 2, such as the published ones of keras.applications, list the
layers in the attribute `layer_names` and each layer's variables in `weight_names`.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack
from typing import Any

from archc.weights.files import Entry, refuse

LARGEST_GROUP = 100_000
_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


def read(path: str, stack: ExitStack) -> tuple[dict[str, Entry], dict[str, str]]:
    """The arrays of a file by `LAYER/NUMBER`, those of one layer in Keras' order, the layers in the
    order of the model as far as the file tells it; and for each `GROUP/NUMBER` of Keras 3 the name
    of its array. Raises SpecError (ARC603)."""
    import h5py

    try:
        file = stack.enter_context(h5py.File(path, "r"))
        _check_links(file, path)
        if "layer_names" in file.attrs:
            return dict(_listed(file, path)), {}
        return _numbered(file, path)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        refuse(path, f"it is no sound HDF5 file ({reason})")


def _check_links(group: Any, path: str) -> None:
    """Refuse links, which lead elsewhere, and values that are no arrays of numbers."""
    import h5py

    waiting = [group]
    count = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            if count > LARGEST_GROUP:
                refuse(path, f"it holds more than {LARGEST_GROUP:,} values")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                refuse(path, f"`{name}` in it is a link")
            value = group[name]
            if isinstance(value, h5py.Group):
                if len(value.name.split("/")) > 32:
                    refuse(path, "its groups nest too deep")
                waiting.append(value)
            elif value.dtype.kind not in "fiub":
                refuse(path, f"`{value.name}` in it is no array of numbers")
            elif value.external or value.is_virtual:
                refuse(path, f"`{value.name}` in it lies in another file")


def _entry(dataset: Any) -> Entry:
    return Entry(tuple(dataset.shape), str(dataset.dtype), lambda: dataset[()])


def _numbered(file: Any, path: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """Those of a file of Keras 3."""
    layers = file.get("layers")
    if layers is None:
        refuse(path, "it has no `layers`: a file that `model.save_weights` writes has")
    found: dict[str, Entry] = {}
    names: dict[str, str] = {}
    for key in sorted(layers, key=_class_and_number):
        variables = layers[key].get("vars")
        if variables is None:
            continue
        layer = _text(variables.attrs.get("name", key))
        for number in sorted(variables, key=int):
            names[f"{key}/{number}"] = f"{layer}/{number}"
            found[f"{layer}/{number}"] = _entry(variables[number])
    return found, names


def group_of(layer_class: str, used: Counter[str]) -> str:
    """What Keras 3 calls the group of the next layer of a class: `conv2d`, then `conv2d_1`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", layer_class)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    used[name] += 1
    return name if used[name] == 1 else f"{name}_{used[name] - 1}"


def _class_and_number(key: str) -> tuple[str, int]:
    """`conv2d_10` after `conv2d_9`."""
    match = _NUMBERED.fullmatch(key)
    assert match is not None
    return match[1], int(match[2] or 0)


def _listed(file: Any, path: str) -> list[tuple[str, Entry]]:
    """Those of a file of Keras 2."""
    found: list[tuple[str, Entry]] = []
    for layer in map(_text, file.attrs["layer_names"]):
        for number, name in enumerate(map(_text, file[layer].attrs["weight_names"])):
            found.append((f"{layer}/{number}", _entry(file[layer][name])))
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
