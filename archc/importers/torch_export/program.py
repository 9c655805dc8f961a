"""The operations of a program in order, each as what its results are. An operation that writes its
result into what it takes changes that under all its names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archc.importers.arrangement import ArrangementError, identity
from archc.importers.network import Array, Unsupported
from archc.importers.torch_export.calls import (
    Bound,
    Call,
    Constant,
    Node,
    ProgramError,
    RefusedError,
    Unknown,
    View,
)
from archc.importers.torch_export.layouts import value_of
from archc.importers.torch_export.translate import MAYBE_VIEWS, TABLE, VIEWS
from archc.importers.torch_export.views import FLOATS
from archc.ops.axes import IDS_AXES, MAP_AXES, SEQUENCE_AXES, VECTOR_AXES, Axes

MAP_OPS = frozenset(
    {
        *("conv1d", "conv_transpose1d", "convolution"),
        *("batch_norm", "_native_batch_norm_legit_no_training", "instance_norm", "group_norm"),
        *("max_pool1d", "avg_pool1d", "adaptive_avg_pool1d", "adaptive_max_pool1d"),
        *("pad", "constant_pad_nd", "upsample_nearest1d", "upsample_linear1d"),
    }
)
"""Operations that take a map of one spatial axis where they take a tensor of three axes."""
MOST_NAMES = 256
STALE = "a tensor that another name of it changed in place"


@dataclass
class Values:
    """What the names of a program stand for. `memory` is a number for the memory of each, and
    whether it is certain that it lies there; `names` are those of each memory."""

    bound: dict[str, Bound] = field(default_factory=dict)
    memory: dict[str, tuple[int, bool]] = field(default_factory=dict)
    names: list[list[str]] = field(default_factory=list)

    def bind(
        self, name: str, value: Bound, source: str | None = None, *, sure: bool = True
    ) -> None:
        """Let a name stand for a value, in the memory of another one or in its own."""
        self.bound[name] = value
        if source is None:
            self.memory[name] = (len(self.names), True)
            self.names.append([name])
            return
        number, own = self.memory[source]
        self.memory[name] = (number, own and sure)
        self.names[number].append(name)

    def change(self, source: str, value: Bound) -> None:
        """Let what a name stands for be changed in place: other names of the same tensor stand for
        the new value, those of other parts of its memory for nothing that is known."""
        number, certain = self.memory[source]
        names, before = self.names[number], self.bound[source]
        if len(names) > MOST_NAMES:
            raise ProgramError(f"a tensor with more than {MOST_NAMES} names is changed in place")
        for name in names:
            sure = certain and self.memory[name][1]
            same = name == source or (sure and _is_same(self.bound[name], before))
            self.bound[name] = value if same else Unknown(STALE)


def _is_same(a: Bound, b: Bound) -> bool:
    return (
        isinstance(a, View)
        and isinstance(b, View)
        and a.call is b.call
        and a.arrangement == b.arrangement
    )


@dataclass(frozen=True)
class Translated:
    """The inputs of a program as calls without an op, and its outputs; `batch` is its number of
    samples where it is fixed. `unsupported` is what archc has no op for."""

    inputs: tuple[Call, ...]
    outputs: tuple[Call, ...]
    batch: int | None
    unsupported: tuple[Unsupported, ...]


def translated(program: Mapping[str, Any]) -> Translated:
    """The calls of a program as `archive.py` writes it. Raises ProgramError, ShapeError."""
    shapes = {name: tuple(map(_number, sizes)) for name, sizes in program["shapes"].items()}
    values = Values()
    inputs, batches = _inputs(program, shapes, values)
    if not inputs:
        raise ProgramError("it has no input")
    if len(set(map(str, batches))) != 1:
        raise ProgramError("its inputs are batches of different sizes")
    batch = inputs[0].shape[0] if inputs[0].shape else 1
    unsupported: list[Unsupported] = []
    made: dict[Hashable, Call] = {}
    needed = _needed(program)
    for number, node in enumerate(program["nodes"]):
        if number in needed:
            _apply(node, shapes, program["dtypes"], values, batch, made, unsupported)
    outputs = _outputs(program, values, batch, unsupported)
    own = batches[0]
    return Translated(tuple(inputs), outputs, own if type(own) is int else None, tuple(unsupported))


def _number(size: Any) -> int:
    number: int = size["hint"] if isinstance(size, dict) else size
    return number


def _inputs(
    program: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], values: Values
) -> tuple[list[Call], list[Any]]:
    """The inputs that the user gives, and the sizes of their batches as the program has them."""
    calls, batches = [], []
    takers: dict[str, set[str]] = {}
    for node in program["nodes"]:
        for name in _tensors(node["arguments"]):
            takers.setdefault(name, set()).add(node["op"].partition(".")[2].partition(".")[0])
    used = takers.keys() | {one["value"] for one in program["outputs"]}
    for spec in program["inputs"]:
        name = spec["value"]
        if name is None or (spec["kind"] == "user_input" and name not in used):
            continue
        if name not in shapes:
            raise ProgramError(f"nothing states the shape of its input `{name}`")
        dtype = program["dtypes"][name]
        if spec["kind"] != "user_input":
            source = Array("source", shapes[name], (), (spec["array"],))
            values.bind(name, Constant(source, shapes[name], dtype, spec["kind"] == "parameter"))
            continue
        sizes = program["shapes"][name]
        if len(sizes) < 2 or min(shapes[name]) < 1:
            raise ProgramError(f"its input `{name}` has no batch and other axes")
        if any(isinstance(one, dict) for one in sizes[1:]):
            raise ProgramError(f"its input `{name}` has open axes besides the batch")
        axes = _input_axes(name, shapes[name][1:], dtype, takers.get(name, set()))
        call = Call(None, (), axes, name, f"input `{name}`", shape=shapes[name])
        calls.append(call)
        batches.append(sizes[0])
        values.bind(name, View(call, identity((shapes[name][0], *axes.sizes)), name, ()))
    return calls, batches


def _input_axes(name: str, sizes: tuple[int, ...], dtype: str, takers: set[str]) -> Axes:
    """The axes of an input. One of three axes is a map of one spatial axis where a convolution, a
    pool or a batch normalisation takes it, else a sequence. Raises ProgramError."""
    if dtype in ("int32", "int64") and len(sizes) == 1:
        return Axes(IDS_AXES, sizes, "int32")
    if dtype not in FLOATS:
        raise ProgramError(f"its input `{name}` is of {dtype}")
    if len(sizes) == 1:
        return Axes(VECTOR_AXES, sizes)
    if len(sizes) > 4:
        raise ProgramError(f"its input `{name}` has {len(sizes) + 1} axes")
    if len(sizes) == 2:
        return Axes(MAP_AXES[1] if takers & MAP_OPS else SEQUENCE_AXES, sizes)
    return Axes(MAP_AXES[len(sizes) - 1], sizes)


def _tensors(arguments: Mapping[str, Any]) -> list[str]:
    """The names of the tensors among arguments."""
    items = [
        one
        for argument in arguments.values()
        for one in (argument if isinstance(argument, list) else [argument])
    ]
    return [one["value"] for one in items if isinstance(one, dict) and "value" in one]


def _changes(op: str) -> bool:
    """Whether an operation writes its result into what it takes."""
    parts = op.split(".")
    return len(parts) == 3 and parts[1].endswith("_") and not parts[1].endswith("__")


def _needed(program: Mapping[str, Any]) -> set[int]:
    """The numbers of the operations that the outputs depend on, and of those that change what these
    take."""
    wanted = {one["value"] for one in program["outputs"] if one["kind"] == "user_output"}
    needed: set[int] = set()
    for number in range(len(program["nodes"]) - 1, -1, -1):
        node = program["nodes"][number]
        taken = _tensors(node["arguments"])
        if wanted & set(node["outputs"]) or (_changes(node["op"]) and wanted & set(taken[:1])):
            needed.add(number)
            wanted.update(taken)
    # A view of what is needed may be changed before that is used.
    for number, node in enumerate(program["nodes"]):
        if _changes(node["op"]) and set(_tensors(node["arguments"])) <= wanted:
            needed.add(number)
    return needed


def _apply(
    node: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
    values: Values,
    batch: int,
    made: dict[Hashable, Call],
    unsupported: list[Unsupported],
) -> None:
    """Bind the results of an operation."""
    names = node["outputs"]
    taken = _tensors(node["arguments"])
    for name in taken:
        if name not in values.bound:
            raise ProgramError(f"`{name}` is used before anything computes it, or in a cycle")
    for name in names:
        if name in values.bound:
            raise ProgramError(f"the value `{name}` is computed twice")
    own = Node(
        node["op"],
        {name: _resolved(value, values.bound) for name, value in node["arguments"].items()},
        tuple(names),
        tuple(shapes.get(name, ()) for name in names),
        tuple(dtypes.get(name, "") for name in names),
        tuple(path for path, _ in node["modules"]),
        batch,
        made,
    )
    results = _results(own, [values.bound[name] for name in taken], unsupported)
    changes, kind = _changes(node["op"]), own.kind
    if changes and taken:
        values.change(taken[0], results[0])
    for name, value in zip(names, results, strict=False):
        shared = taken and (changes or kind in VIEWS or kind in MAYBE_VIEWS)
        values.bind(name, value, taken[0] if shared else None, sure=kind not in MAYBE_VIEWS)


def _results(node: Node, taken: Sequence[Bound], unsupported: list[Unsupported]) -> list[Bound]:
    """What the results of an operation are; not known where what it takes is not."""
    unknown: list[Bound] = [Unknown()] * max(len(node.outputs), 1)
    if node.op.startswith("_operator.") and not taken:
        return unknown  # arithmetic of sizes
    rule = TABLE.get(node.kind) if node.op.startswith("aten.") else None
    if rule is None:
        unsupported.append(Unsupported(f"the operation {node.op}", node.place))
        return unknown
    for one in taken:
        if isinstance(one, Unknown):
            if one.reason is not None:
                unsupported.append(Unsupported(f"{node.kind} of {one.reason}", node.place))
            return unknown
    try:
        found = rule(node)
    except RefusedError as error:
        unsupported.append(Unsupported(str(error), node.place))
        return unknown
    except ArrangementError as error:
        unsupported.append(Unsupported(f"{node.kind} of {error}", node.place))
        return unknown
    results = found if isinstance(found, list) else [found]
    for value, shape in zip(results, node.shapes, strict=False):
        if isinstance(value, View) and value.arrangement.shape != shape:
            raise ProgramError(
                f"{node.place} gives {list(shape)}, its operation {list(value.arrangement.shape)}"
            )
    if len(results) != len(unknown):
        raise ProgramError(f"{node.place} gives {len(results)} results, not {len(unknown)}")
    return results


def _resolved(argument: Any, bound: Mapping[str, Bound]) -> Any:
    """An argument with what tensors stand for in place of their names."""
    if isinstance(argument, list):
        return [_resolved(one, bound) for one in argument]
    if isinstance(argument, dict) and "value" in argument:
        return bound[argument["value"]]
    return argument


def _outputs(
    program: Mapping[str, Any], values: Values, batch: int, unsupported: list[Unsupported]
) -> tuple[Call, ...]:
    outputs = []
    for spec in program["outputs"]:
        if spec["kind"] != "user_output":
            continue
        name = spec["value"]
        if name is None or name not in values.bound:
            raise ProgramError("an output is no tensor that it computes")
        value = values.bound[name]
        if isinstance(value, View):
            node = Node("output", {}, (name,), (value.arrangement.shape,), ("",), (), batch)
            try:
                outputs.append(value_of(value, node))
            except RefusedError as error:
                unsupported.append(Unsupported(f"an output of {error}", f"`{name}`"))
        elif isinstance(value, Constant):
            raise ProgramError("an output depends on no input")
        elif value.reason is not None:
            unsupported.append(Unsupported(f"an output of {value.reason}", f"`{name}`"))
    if not outputs and not unsupported:
        raise ProgramError("it has no output")
    return tuple(outputs)
