"""Keras models as flat networks, from their configuration alone."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from archc.backends.runtime.sandbox import run_isolated
from archc.importers.assemble import MismatchError, assemble
from archc.importers.keras import sequences
from archc.importers.keras.calls import Call, Draft, RefusedError, short
from archc.importers.keras.masks import readers
from archc.importers.keras.preparation import AUGMENTATION, preparations
from archc.importers.keras.translate import MERGES, TABLE
from archc.importers.network import Array, Network, Unsupported, reject, reject_unsupported, sized
from archc.ops.arrangement import ToMap, ToTokens
from archc.ops.axes import IDS_AXES, MAP_AXES, SEQUENCE_AXES, VECTOR_AXES, Axes
from archc.ops.base import Op, ShapeError

MODULE = "archc.importers.keras.config"
RUNNER = "archc.importers.keras.evaluate"
KEEPING = frozenset({"Activation", "BatchNormalization", "CustomScaleLayer", "Dropout"})
"""Layers whose output has the shape of their input, whatever they compute."""


ALONG_LENGTH = frozenset(
    {
        f"{kind}1D"
        for kind in (
            *("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling"),
            *("ZeroPadding", "Cropping", "UpSampling", "AdaptiveAveragePooling"),
            "AdaptiveMaxPooling",
        )
    }
    | {"Conv1DTranspose", "BatchNormalization", "GroupNormalization"}
)
"""Layers that slide along the length of a map, or normalise over it."""


CODE = "a Lambda holds code, which is never run: use layers or keras.ops in its place"


class ConfigError(Exception):
    """A configuration that is no network archc could read, whatever its layers."""


def read(path: str, open_sizes: Sequence[int] = ()) -> Network:
    """The network of a `.keras` archive or of a model's JSON, with sizes of axes that it leaves
    open. Raises SpecError (ARC801 for a file that cannot be read, ARC802 for what archc has no op
    for)."""
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        result = os.path.join(folder, "calls.json")
        error = run_isolated(MODULE, "read", os.path.abspath(path), result)
        if error is not None:
            reject(path, error)
        with open(result, encoding="utf-8") as stream:
            model = json.load(stream)
    try:
        return _network(model, path, open_sizes)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        reject(path, "a layer has a configuration that Keras does not write")
    except (ConfigError, MismatchError) as error:
        reject(path, str(error))
    except ShapeError as error:
        reject(path, f"its shapes are not those of archc's ops: {error.message}")


def _network(model: Mapping[str, Any], path: str, open_sizes: Sequence[int]) -> Network:
    calls: list[Call] = []
    for one in model["calls"]:
        inputs = tuple(calls[position] for position in one["inputs"])
        kind = one["kind"] if not one["own"] else f"the own layer {one['kind']}"
        calls.append(
            Call(
                kind,
                one["config"],
                inputs,
                one["constants"],
                "/".join([*one["scope"], one["name"]]),
                f"`{one['name']}`",
                tuple(one["scope"]),
                one["group"],
                one["layer"],
                operator=one["operator"],
                several=one["several"],
            )
        )
    begins = [calls[one] for one in model["inputs"]]
    ends = [calls[one] for one in model["outputs"]]
    takers: dict[Call, set[str]] = {}
    for call in calls:
        for one in call.inputs:
            takers.setdefault(one, set()).add(call.kind)
    axes = {
        call: _input_axes(call, open_sizes, takers.get(call, set()))
        for call in calls
        if call.kind == "InputLayer"
    }
    prepared = {calls[number] for number in preparations(model)}
    return _translated(calls, axes, begins, ends, prepared, path)


def _translated(
    calls: list[Call],
    axes: dict[Call, Axes],
    inputs: list[Call],
    outputs: list[Call],
    preparation: set[Call],
    path: str,
) -> Network:
    """The network of calls, in an order in which they can be computed, those of inputs with their
    axes, without those that prepare images."""
    masked = readers(calls, outputs)
    drafts: dict[Call, Draft] = {}
    unsupported: dict[Call, str] = {}
    prepared: list[str] = []
    made: dict[tuple[Op, Call], Call] = {}
    for call in calls:
        if call.kind == "InputLayer":
            continue
        if call in preparation:
            prepared.append(_preparation(call))
            drafts[call] = Draft(None, call.inputs)
            axes[call] = axes[call.inputs[0]]
            continue
        try:
            if call in masked:
                raise RefusedError(f"{call.kind} with mask_zero, whose mask {masked[call]} reads")
            draft = _draft(_arranged(call, axes, drafts, made), axes)
        except RefusedError as error:
            unsupported[call] = str(error)
            if _keeps_shape(call) and call.inputs[0] in axes:
                axes[call] = axes[call.inputs[0]]  # so that what follows is listed too
            continue
        if draft is None:  # what it takes is not known
            continue
        own: dict[str, Array] = {}
        if draft.before is not None:
            before = Call(
                f"{call.kind}.before",
                {},
                draft.inputs,
                {},
                "",
                call.place,
                call.scope,
            )
            taken = tuple(axes[one] for one in draft.inputs)
            own = _weights(call, draft.before, taken, draft.fills)
            drafts[before] = Draft(draft.before, draft.inputs, own)
            axes[before] = draft.before.infer(taken)
            draft = draft._replace(inputs=(before, *draft.others), before=None, others=())
        taken = tuple(axes[one] for one in draft.inputs)
        axes[call] = taken[0] if draft.op is None else draft.op.infer(taken)
        if draft.op is not None:
            own = _weights(call, draft.op, taken, draft.fills, len(own))
        drafts[call] = draft._replace(weights=own)
    needed = _needed(outputs, drafts)
    wrong = [Unsupported(why, one.place) for one, why in unsupported.items() if one in needed]
    if wrong:
        is_code = any(one.reason == "the layer Lambda" for one in wrong)
        reject_unsupported(path, wrong, CODE if is_code else None)
    network = assemble({one: axes[one] for one in inputs}, drafts, outputs)
    notes = (*network.notes, *prepared)
    return replace(network, notes=notes, runner=RUNNER, backend="keras")


def _arranged(
    call: Call,
    axes: dict[Call, Axes],
    drafts: dict[Call, Draft],
    made: dict[tuple[Op, Call], Call],
) -> Call:
    """The call on a map where it slides along tokens, or merges them with a map, and on tokens
    where it takes these alone: Keras has the same axes for both."""
    axes_of_inputs = [axes[one] for one in call.inputs if one in axes]
    merges = call.kind in (*MERGES, "Concatenate") and any(one.is_map for one in axes_of_inputs)
    on_tokens = call.kind in (*sequences.ON_TOKENS, "Reshape")
    if not (on_tokens or merges or call.kind in ALONG_LENGTH):
        return call
    inputs = []
    for one in call.inputs:
        x = axes.get(one)
        op: Op = ToTokens() if on_tokens else ToMap()
        if x is not None and len(x.sizes) == 2 and x.is_map == isinstance(op, ToTokens):
            key = (op, one)
            if key not in made:
                made[key] = Call(op.name, {}, (one,), {}, "", one.place, one.scope)
                drafts[made[key]] = Draft(op, (one,))
                axes[made[key]] = op.infer((x,))
            one = made[key]
        inputs.append(one)
    return replace(call, inputs=tuple(inputs))


def _keeps_shape(call: Call) -> bool:
    return len(call.inputs) == 1 and (call.kind in KEEPING or call.kind in MERGES)


def _needed(outputs: list[Call], drafts: Mapping[Call, Draft]) -> set[Call]:
    """The calls that outputs need: what stands within an op that several calls are is none."""
    needed: set[Call] = set()
    waiting = list(outputs)
    while waiting:
        call = waiting.pop()
        if call not in needed:
            needed.add(call)
            waiting += drafts[call].inputs if call in drafts else call.inputs
    return needed


def _weights(
    call: Call, op: Op, taken: tuple[Axes, ...], fills: Mapping[str, float], begin: int = 0
) -> dict[str, Array]:
    """The arrays of an op: those of its layer in Keras' order, from one of them on."""
    weights: dict[str, Array] = {}
    for variable in op.variables(taken):
        if variable.name in fills:
            fields: tuple[object, ...] = (fills[variable.name],)
            weights[variable.name] = Array("fill", variable.shape, (), fields)
        else:
            fields = (f"{call.group}/{begin}", call.layer)
            weights[variable.name] = Array("stored", variable.shape, (), fields)
            begin += 1
    return weights


def _draft(call: Call, axes: Mapping[Call, Axes]) -> Draft | None:
    """The draft of a call; None where one of its inputs is not known. Raises RefusedError."""
    rule = TABLE.get(call.kind)
    if rule is None:
        raise RefusedError(call.kind if " " in call.kind else f"the layer {call.kind}")
    if call.several:
        raise RefusedError(f"{call.kind} with several results")
    if any(one not in axes for one in call.inputs):
        return None
    if not call.inputs:
        raise ConfigError(f"{call.place} takes nothing")
    return rule(call, axes[call.inputs[0]])


def _preparation(call: Call) -> str:
    """What a layer that prepares images does, for a comment."""
    if call.kind in AUGMENTATION:
        return f"The file first changes its images in training: {call.kind}. Not here."
    keys = ("scale", "offset", "mean", "variance")
    fields = {key: call.config[key] for key in keys if call.config.get(key) is not None}
    if call.constants:  # the number of an operator
        place, number = next(iter(call.constants.items()))
        fields["of" if place == "0" else "by"] = number
    listed = ", ".join(f"{key} {json.dumps(value)[:80]}" for key, value in fields.items())
    return f"The file first prepares its images: {call.kind} ({listed or 'as adapted'}). Not here."


def _input_axes(call: Call, open_sizes: Sequence[int], takers: set[str]) -> Axes:
    """The axes of an input by the layers that take it: embeddings look up ids, of whatever type
    they are; of three axes it is a map where one slides along its length, else tokens."""
    shape = call.config.get("batch_shape") or call.config.get("batch_input_shape")
    if not isinstance(shape, list) or len(shape) < 2:
        raise ConfigError(f"its input {call.place} states no shape")
    sizes = sized(shape[1:], open_sizes)
    if None in sizes:
        raise ConfigError(f"its input {call.place} has axes of unknown size: give them by --size")
    if not all(type(one) is int and 0 < one < 1 << 40 for one in sizes):
        raise ConfigError(f"its input {call.place} has axes of {short(list(sizes))}")
    dtype = call.config.get("dtype")
    if takers == {"Embedding"} or (isinstance(dtype, str) and dtype.startswith("int")):
        if len(sizes) != 1:
            raise ConfigError(f"its input {call.place} has ids along {len(sizes)} axes")
        return Axes(IDS_AXES, tuple(sizes), "int32")
    if len(sizes) == 1:
        return Axes(VECTOR_AXES, tuple(sizes))
    if len(sizes) > 4:
        raise ConfigError(f"its input {call.place} has {len(sizes) + 1} axes")
    if len(sizes) == 2:
        if takers & ALONG_LENGTH:
            return Axes(MAP_AXES[1], (sizes[1], sizes[0]))
        return Axes(SEQUENCE_AXES, tuple(sizes))
    return Axes(MAP_AXES[len(sizes) - 1], (sizes[-1], *sizes[:-1]))
