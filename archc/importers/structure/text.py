"""The text of a spec from its steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archc.importers.network import Network
from archc.importers.structure.items import Item, Steps, every
from archc.importers.structure.unify import First, Text
from archc.language.field_values import as_written
from archc.language.names import attribute_error, step_error
from archc.language.writer import document
from archc.ops import OPS
from archc.ops.axes import Axes
from archc.ops.base import is_bare
from archc.ops.fields import LARGEST, fields_of


@dataclass(frozen=True)
class Block:
    """A block of the spec: its parameters with their defaults (None for one that must be given),
    and its steps."""

    name: str
    params: Mapping[str, Any]
    steps: Steps


@dataclass(frozen=True)
class Outline:
    """What a spec is made of besides its head."""

    steps: Steps
    blocks: tuple[Block, ...] = ()
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Names:
    """The names of the network's inputs, and of the values that steps refer to by name."""

    inputs: tuple[str, ...]
    values: Mapping[int, str]


def names_of(network: Network, steps: Steps) -> Names:
    """Names for inputs, outputs and all values that a `from` names: those of the file where they
    can be names of steps."""
    inputs: list[str] = []
    for label in network.inputs:
        inputs.append(_name(label, "input", inputs, attribute_error))
    if len(inputs) == 1:
        inputs = ["input"]
    needed = {source for step in every(steps) for source in (*step.sources, step.shares)}
    if not ends_with_outputs(network, steps):
        needed |= set(network.outputs)
    values: dict[int, str] = dict(enumerate(inputs))
    taken = list(inputs)
    for position in sorted(needed):
        if position >= len(inputs):
            layer = network.layer(position)
            values[position] = _name(layer.value, layer.op.name, taken, step_error)
            taken.append(values[position])
    return Names(tuple(inputs), values)


def ends_with_outputs(network: Network, steps: Steps) -> bool:
    """Whether the network's only output is what the last step computes."""
    return bool(steps) and network.outputs == (steps[-1].positions[-1],)


def _name(label: str, base: str, taken: Iterable[str], error_of: Any) -> str:
    """A name made from a label of the file, or from a base where that has no letters. It has no
    `_` before a number after the name of an op: so are steps without a name counted."""
    last = re.split(r"[/.:]", label)[-1]
    plain = re.sub("[^a-z0-9]+", "_", last.lower()).strip("_")[:50]
    if not re.match("[a-z][a-z]", plain):  # one letter and a number are names of an exporter
        plain = base
    stem = re.sub(r"_?\d+$", "", plain) or base
    name = re.sub(r"_(\d+)$", r"\1", plain) if stem in OPS else plain
    count = 1
    while name in taken or error_of(name) is not None:
        count += 1
        name = f"{stem}{count}"
    return name


def spec_text(
    network: Network,
    outline: Outline,
    name: str,
    comments: Sequence[str],
    expect: Mapping[str, Any] | None,
) -> str:
    """The text of a spec."""
    names = names_of(network, outline.steps)
    fields: dict[str, object] = {"archc": 1, "name": name}
    axes = list(network.inputs.values())
    if len(axes) == 1:
        fields["input"] = _axes(axes[0])
    else:
        fields["inputs"] = {key: _axes(one) for key, one in zip(names.inputs, axes, strict=True)}
    if outline.params:
        fields["params"] = dict(outline.params)
    if outline.blocks:
        fields["blocks"] = {block.name: _block(block, names) for block in outline.blocks}
    fields["layers"] = _plain_steps(outline.steps, names)
    if not ends_with_outputs(network, outline.steps):
        fields["outputs"] = [names.values[position] for position in network.outputs]
    if expect is not None:
        fields["expect"] = dict(expect)
    head = "".join(f"# {comment}\n" for comment in comments)
    return head + document(fields)


def _axes(axes: Axes) -> dict[str, object]:
    sizes: dict[str, object] = dict(axes.as_dict())
    return sizes if axes.dtype == "float32" else {**sizes, "dtype": axes.dtype}


def _block(block: Block, names: Names) -> dict[str, object]:
    params = {"params": dict(block.params)} if block.params else {}
    return {**params, "layers": _plain_steps(block.steps, names)}


def lines_of(steps: Steps) -> int:
    """How many lines steps take."""
    names = Names((), _AnyName())
    return document({"layers": _plain_steps(steps, names)}).count("\n") - 1


class _AnyName(dict[int, str]):
    """A name for every value, of the length of most."""

    def __missing__(self, position: int) -> str:
        return "conv_1"


def _plain_steps(steps: Steps, names: Names) -> list[object]:
    return [_plain(step, names) for step in steps]


def _plain(step: Item, names: Names) -> object:
    """A step as plain values."""
    if step.kind == "repeat":
        return _repeat(step, names)
    if step.kind == "section":
        fields = {"section": step.name}
        if "when" in step.fields:
            fields["when"] = value_text(step.fields["when"])
        return {**fields, "layers": _plain_steps(step.bodies[0], names)}
    if step.kind == "block":
        use: dict[str, object] = {"block": step.name}
        if step.fields:
            use["with"] = {key: value_text(value) for key, value in step.fields.items()}
        return {**use, **_references(step, names)}
    op = OPS[step.name]
    own: dict[str, object] = {}
    if step.bodies:
        own[step.name] = [_plain_steps(body, names) for body in step.bodies]
    else:
        own[step.name] = _op_fields(step)
    own |= _references(step, names)
    if own[step.name] in ({}, None):
        if len(own) == 1 and is_bare(op):
            return step.name
        own[step.name] = None
    return own


def _references(step: Item, names: Names) -> dict[str, object]:
    """What a step takes by name, and its own name."""
    own: dict[str, object] = {}
    if step.sources:
        sources = [names.values[one] for one in step.sources]
        own["from"] = sources if len(sources) > 1 else sources[0]
    if step.shares >= 0:
        own["weights"] = names.values[step.shares]
    if step.positions and step.positions[-1] in names.values and step.pinned:
        own["name"] = names.values[step.positions[-1]]
    return own


def _repeat(step: Item, names: Names) -> object:
    body = _plain_steps(step.bodies[0], names)
    if "count" in step.fields:
        return {"repeat": value_text(step.fields["count"]), "layers": body}
    loops = {key: value_text(list(value)) for key, value in step.fields.items()}
    return {"for": loops, "layers": body}


def _op_fields(step: Item) -> object:
    """The value under an op's key: its fields without defaults."""
    op = OPS[step.name]
    fields: dict[str, object] = {}
    for one in fields_of(op):
        value = step.fields[one.name]
        default = as_written(one, one.default)
        if one.name == "stride" and default is None:
            default = step.fields["kernel_size"]
        if one.required or type(value) is not type(default) or value != default:
            fields[one.name] = value_text(value)
    if op.shorthand is not None and list(fields) == [op.shorthand]:
        return fields[op.shorthand]
    return fields


def value_text(value: Any) -> Any:
    """A value or an expression as plain values."""
    if isinstance(value, Text):
        return f"${value.inner}" if value.inner.isidentifier() else f"$({value.inner})"
    if isinstance(value, First):
        return f"$({_inner(value.first)} if first else {_inner(value.rest)})"
    if isinstance(value, list):
        return [value_text(one) for one in value]
    if isinstance(value, dict):
        return {key: value_text(one) for key, one in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    return value


def _inner(value: Any) -> str:
    """A value inside an expression."""
    if isinstance(value, Text):
        return value.inner
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)
