"""A case of ONNX as a spec: the state of a translation, and the steps that all operators share.

An ONNX tensor has axes without names. The first is taken for the batch; where an operator works
along it, the whole tensor is taken for one sample instead (`whole`). The axes of a sample become a
feature map's, or of a single one a vector's. What works along another axis than the channels stands
between two `permute` steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from archc.verify import FixedTensors
from tests.backends.onnx_data.cases import Case
from tests.backends.onnx_data.reasons import NotApplicableError, Reason

AXES = {
    1: ("features",),
    2: ("channels", "length"),
    3: ("channels", "height", "width"),
    4: ("channels", "depth", "height", "width"),
}
"""The axes of a sample by their number."""


class Value(NamedTuple):
    """A tensor that an input or a step gives: that one's name, and the tensor's shape in ONNX."""

    name: str
    shape: tuple[int, ...]


class Node:
    """A node of an ONNX graph: its operator, attributes and tensors."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self.operator = node.op_type
        self.inputs = list(node.input)
        self.outputs = [name for name in node.output if name]
        self.attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}

    def get(self, name: str, default: Any) -> Any:
        """An attribute, texts as `str`."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def has_input(self, index: int) -> bool:
        """Whether the optional input of an index is there."""
        return index < len(self.inputs) and self.inputs[index] != ""


class Translated(NamedTuple):
    """A case as a spec, with its weights and inputs in canonical layout. `expected` are the leading
    outputs of the case, with the batch as their first axis, by the names of the steps that give
    them."""

    text: str
    tensors: FixedTensors
    expected: dict[str, Any]


class Translation:
    """What is known of a case, and the steps written so far."""

    def __init__(self, case: Case, *, whole: bool) -> None:
        self.case = case
        self.whole = whole
        self.steps: list[dict[str, Any]] = []
        self.weights: dict[str, Any] = {}
        self.inputs: dict[str, Value] = {}
        self.values: dict[str, Value] = {}
        graph = case.model.graph
        self.constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        fed = [one.name for one in graph.input if one.name not in self.constants]
        self.fed = dict(zip(fed, case.inputs, strict=True))
        self.shapes = _shapes(case, self.fed)

    # Tensors

    def value(self, name: str) -> Value:
        """A tensor that flows through the network: a step's, or an input's."""
        if name not in self.values:
            value = Value(f"x_{len(self.inputs) + 1}", tuple(self.fed[name].shape))
            if not np.issubdtype(self.fed[name].dtype, np.floating):
                raise NotApplicableError(Reason.NO_FLOATS)
            if self.fed[name].dtype == np.float16:
                raise NotApplicableError(Reason.HALF)
            self.check(value)
            self.inputs[name] = self.values[name] = value
        return self.values[name]

    def array(self, name: str) -> Any:
        """A tensor that is known: a constant, or an input that the operator takes for a weight."""
        if name in self.constants:
            return self.constants[name]
        if name in self.fed:
            return self.fed[name]
        raise NotApplicableError(Reason.COMPUTED_WEIGHT)

    def fold(self, node: onnx.NodeProto) -> bool:
        """Compute an operator of nothing but constants, by ONNX's reference."""
        if not all(name in self.constants for name in node.input):
            return False
        graph = helper.make_graph([node], "constant", [], [])
        graph.input.extend(helper.make_empty_tensor_value_info(name) for name in node.input)
        graph.output.extend(helper.make_empty_tensor_value_info(name) for name in node.output)
        model = helper.make_model(graph, opset_imports=self.case.model.opset_import)
        results = ReferenceEvaluator(model).run(
            None, {one: self.constants[one] for one in node.input}
        )
        self.constants.update(zip(node.output, results, strict=True))
        return True

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of any tensor, by ONNX."""
        return self.shapes[name]

    def check(self, value: Value) -> None:
        """Refuse a tensor whose axes archc does not have."""
        if 0 in value.shape:
            raise NotApplicableError(Reason.EMPTY)
        if len(self.sizes(value)) not in AXES:
            raise NotApplicableError(Reason.RANK)

    def sizes(self, value: Value) -> tuple[int, ...]:
        """The axes of one sample."""
        return value.shape if self.whole else value.shape[1:]

    def axes(self, value: Value) -> tuple[str, ...]:
        """Their names."""
        return AXES[len(self.sizes(value))]

    def position(self, value: Value, axis: int) -> int:
        """Which axis of a sample an axis of the tensor is. The batch is none."""
        axis %= len(value.shape)
        if axis == 0 and not self.whole:
            raise NotApplicableError(Reason.ALONG_BATCH)
        return axis if self.whole else axis - 1

    def need_batch(self) -> None:
        """Refuse to take the tensor for a sample: the operator has a batch."""
        if self.whole:
            raise NotApplicableError(Reason.HAS_BATCH)

    def vector(self, array: Any, x: Value) -> tuple[int, Any]:
        """The one axis of a tensor along which an array differs that is spread over it, and the
        array's elements there; where it differs along none, the channels, with its element for
        each."""
        shape = (*[1] * (len(x.shape) - array.ndim), *array.shape)
        varied = [axis for axis, size in enumerate(shape) if size > 1]
        if len(varied) > 1:
            raise NotApplicableError(Reason.WEIGHT_AXES)
        axis = varied[0] if varied else min(1, len(x.shape) - 1)
        return axis, np.broadcast_to(array.reshape(-1), (x.shape[axis],))

    # Steps

    def step(
        self,
        op: str,
        fields: Mapping[str, Any],
        sources: Sequence[Value],
        sizes: Sequence[int],
        weights: Mapping[str, Any] | None = None,
    ) -> Value:
        """Write a step on some values. Its result has samples of these sizes."""
        name = f"{op}_{len(self.steps) + 1}"
        taken = [source.name for source in sources]
        source = taken[0] if len(taken) == 1 else taken
        self.steps.append({op: fields or None, "name": name, "from": source})
        for key, array in (weights or {}).items():
            self.weights[f"{name}.{key}"] = np.asarray(array, "float64")
        batch = () if self.whole else sources[0].shape[:1]
        value = Value(name, (*batch, *map(int, sizes)))
        self.check(value)
        return value

    def same(
        self,
        op: str,
        fields: Mapping[str, Any],
        x: Value,
        weights: Mapping[str, Any] | None = None,
    ) -> Value:
        """A step that keeps the shape."""
        return self.step(op, fields, [x], self.sizes(x), weights)

    def first(self, x: Value, position: int) -> Value:
        """The tensor with an axis of its sample moved to the front."""
        if position == 0:
            return x
        order = [position, *(one for one in range(len(self.sizes(x))) if one != position)]
        return self.permuted(x, order)

    def back(self, x: Value, position: int) -> Value:
        """What `first` did, undone."""
        if position == 0:
            return x
        order = list(range(1, len(self.sizes(x))))
        order.insert(position, 0)
        return self.permuted(x, order)

    def permuted(self, x: Value, order: Sequence[int]) -> Value:
        """The axes of a sample in another order."""
        names, sizes = self.axes(x), self.sizes(x)
        named = [names[one] for one in order]
        return self.step("permute", {"order": named}, [x], [sizes[one] for one in order])

    def along(
        self,
        op: str,
        fields: Mapping[str, Any],
        x: Value,
        axis: int,
        *,
        size: int | None = None,
        weights: Mapping[str, Any] | None = None,
    ) -> Value:
        """A step along an axis of the tensor, which gives it another size or keeps it."""
        position = self.position(x, axis)
        moved = self.first(x, position)
        sizes = list(self.sizes(moved))
        sizes[0] = sizes[0] if size is None else size
        return self.back(self.step(op, fields, [moved], sizes, weights), position)

    def reshaped(self, x: Value, sizes: Sequence[int], axes: Sequence[str] | None = None) -> Value:
        """The elements of a sample under other axes."""
        if axes is None and len(sizes) not in AXES:
            raise NotApplicableError(Reason.RANK)
        named = dict(zip(axes or AXES[len(sizes)], map(int, sizes), strict=True))
        return self.step("reshape", named, [x], sizes)

    def as_tensor(self, x: Value, shape: Sequence[int]) -> Value:
        """The tensor under another shape."""
        if self.whole:
            return self.reshaped(x, shape)
        if not shape or shape[0] != x.shape[0]:
            raise NotApplicableError(Reason.ALONG_BATCH)
        return self.reshaped(x, shape[1:])

    # The end

    def translated(self) -> Translated:
        """The spec of the steps, with its tensors and the expected outputs."""
        inputs = {
            value.name: dict(zip(self.axes(value), self.sizes(value), strict=True))
            for value in self.inputs.values()
        }
        arrays = {
            value.name: self._with_batch(self.fed[name]).astype("float64")
            for name, value in self.inputs.items()
        }
        expected = {
            self.values[output.name].name: self._with_batch(array)
            for output, array in zip(self.case.model.graph.output, self.case.outputs, strict=True)
            if output.name in self.values
        }
        lines = [
            "archc: 1",
            "name: judged",
            f"inputs: {json.dumps(inputs)}",
            "layers:",
            *(f"  - {json.dumps(step)}" for step in self.steps),
            f"outputs: {json.dumps(list(expected))}",
        ]
        return Translated("\n".join([*lines, ""]), FixedTensors(self.weights, arrays), expected)

    def _with_batch(self, array: Any) -> Any:
        return array[None] if self.whole else array


def _shapes(case: Case, fed: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors, as the case's own data and ONNX's shape inference have them."""
    inferred = onnx.shape_inference.infer_shapes(case.model, data_prop=True).graph.value_info
    shapes = {
        one.name: tuple(axis.dim_value for axis in one.type.tensor_type.shape.dim)
        for one in inferred
    }
    arrays = {name: array for name, array in fed.items() if array is not None}
    outputs = zip((one.name for one in case.model.graph.output), case.outputs, strict=True)
    arrays.update({name: array for name, array in outputs if array is not None})
    return shapes | {name: tuple(array.shape) for name, array in arrays.items()}
