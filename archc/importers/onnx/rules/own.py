"""Ops for which ONNX has no operator, as archc's own backend writes them.

What may be such an op is guessed from a few of its operations, the guess lowered as the backend
does, and the two compared operation by operation: only where all are the same it is the op.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from archc.backends.base import LoweringContext, RefusalError
from archc.backends.onnx.lowering import LOWERINGS
from archc.backends.onnx.nodes import Names, Step, nodes_of
from archc.importers.network import COMPUTED, Array
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    constant,
    is_filled,
    is_op,
    operand,
    scalar,
    shape_of,
)
from archc.importers.onnx.terms import Term, Value, terms_of_nodes
from archc.importers.onnx.values import MOST_VALUES, Constant
from archc.onnx_format.numbers import shortest
from archc.ops.attention import Attention, WindowAttention
from archc.ops.axes import Axes
from archc.ops.base import Op, ShapeError
from archc.ops.dense import Rbf
from archc.ops.normalization import GroupNorm, LocalResponseNorm
from archc.ops.parameter import PositionEmbedding
from archc.ops.pooling import AdaptiveAvgPool

LONGEST = 64
"""Operations between a value and what an op of it gives, at most."""

Guess = tuple[Op, tuple[Term, ...]]
"""An op, and what it takes."""


def own_op(term: Term, context: Context) -> Draft | None:
    """The op that ends in a term as the backend writes it; None where there is none."""
    for guesses in GUESSES.get(term.op, ()):
        for op, inputs in guesses(term, context):
            weights = _match(op, inputs, term, context)
            if weights is not None:
                return Draft(op, inputs, weights)
    return None


def _match(
    op: Op, inputs: tuple[Term, ...], term: Term, context: Context
) -> dict[str, Array] | None:
    """The arrays of an op that is what a term computes of inputs; None where it is not."""
    axes = tuple(context.axes[one] for one in inputs if one in context.axes)
    if len(axes) != len(inputs):
        return None
    try:
        stands, expected = _lowered(op, axes, shape_of(inputs[0])[0], context.opset)
    except (ShapeError, RefusalError):
        return None
    arrays: dict[str, Array] = {}
    known = dict(zip(stands, inputs, strict=True))
    return arrays if _is_same(expected, term, arrays, known) else None


@lru_cache(maxsize=128)
def _lowered(
    op: Op, axes: tuple[Axes, ...], batch: int, opset: int
) -> tuple[tuple[Term, ...], Value]:
    """What an op becomes, as terms, with what stands for its inputs; its variables are arrays by
    their own names. Raises ShapeError, RefusalError."""
    (layer,) = LOWERINGS[type(op)](LoweringContext(op, axes, op.infer(axes)))
    assert layer.expression is not None
    names = [f"x{place}" for place in range(len(axes))]
    stands = tuple(
        Term("Input", (), {}, (batch, *one.sizes), name, name)
        for name, one in zip(names, axes, strict=True)
    )
    values: dict[str, Value] = dict(zip(names, stands, strict=True))
    for variable in op.variables(axes):
        source = Array("source", variable.shape, (), (variable.name,))
        values[f"variable.{variable.name}"] = Constant("float32", source)
    steps = nodes_of(layer.expression, names, lambda one: f"variable.{one}", "y", Names({*values}))
    return stands, terms_of_nodes([_node(step) for step in steps], values, opset)["y"]


def _node(step: Step) -> dict[str, Any]:
    """A node as the reader of files gives it."""
    return {
        "op": step.operator,
        "domain": "",
        "name": step.name,
        "inputs": list(step.inputs),
        "outputs": list(step.outputs),
        "attributes": {name: _attribute(name, value) for name, value in step.attributes},
        "scope": [],
    }


def _attribute(name: str, value: Any) -> Any:
    if name == "value":
        numbers = [shortest(float(one)) for row in value for one in row]
        return {"dtype": "float32", "shape": [len(value), len(value[0])], "values": numbers}
    if isinstance(value, tuple):
        return [_attribute("", one) for one in value]
    return shortest(value) if isinstance(value, float) else value


def _is_same(
    expected: Value, actual: Value, arrays: dict[str, Array], known: dict[Term, Term]
) -> bool:
    """Whether two values are computed by the same operations. `arrays` get what stands in the place
    of the variables."""
    if expected is actual:
        return True
    if isinstance(expected, Constant) and isinstance(actual, Constant):
        return _is_same_constant(expected, actual, arrays)
    if not isinstance(expected, Term) or not isinstance(actual, Term):
        return False
    if expected in known:
        return known[expected] is actual
    known[expected] = actual
    return (
        expected.op == actual.op
        and expected.shape == actual.shape
        and len(expected.inputs) == len(actual.inputs)
        and _is_same_number(expected.attributes, actual.attributes)
        and all(
            _is_same(one, other, arrays, known)
            for one, other in zip(expected.inputs, actual.inputs, strict=True)
        )
    )


def _is_same_constant(expected: Constant, actual: Constant, arrays: dict[str, Array]) -> bool:
    if expected.shape != actual.shape:
        return False
    if expected.values is not None and actual.values is not None:
        return _is_same_number(expected.values, actual.values)
    return _is_same_array(expected.array, actual.array, arrays)


def _is_same_array(expected: Array, actual: Array, arrays: dict[str, Array]) -> bool:
    if expected.kind == "source":
        if expected.shape != actual.shape or not actual.kinds() <= COMPUTED:
            return False
        return arrays.setdefault(expected.fields[0], actual) == actual
    return (
        expected.kind == actual.kind
        and expected.shape == actual.shape
        and len(expected.operands) == len(actual.operands)
        and _is_same_number(expected.fields, actual.fields)
        and all(
            _is_same_array(one, other, arrays)
            for one, other in zip(expected.operands, actual.operands, strict=True)
        )
    )


def _is_same_number(expected: Any, actual: Any) -> bool:
    """Whether attributes are the same, their numbers as float32 has them."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(
            _is_same_number(expected[key], actual[key]) for key in expected
        )
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        return len(expected) == len(actual) and all(map(_is_same_number, expected, actual))
    if isinstance(expected, float) and isinstance(actual, float):
        return _float32(expected) == _float32(actual)
    return type(expected) is type(actual) and bool(expected == actual)


def _float32(number: float) -> bytes:
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return b""


def _line(term: Any) -> Iterator[Term]:
    """A term, its first input, the first input of that, and so on."""
    for _ in range(LONGEST):
        if not isinstance(term, Term):
            return
        yield term
        term = operand(term, 0)


def _first(term: Any, *ops: str) -> Term | None:
    """The first of some operations on the line of first inputs."""
    return next((one for one in _line(term) if one.op in ops), None)


def _window_attention(term: Term, context: Context) -> Iterator[Guess]:
    softmax = _first(term, "Softmax")
    if term.attributes.get("perm") != [0, 3, 1, 2] or softmax is None:
        return
    below = list(_line(softmax))
    starts = (place for place, one in enumerate(below) if _is_turned_last(one))
    start = next(starts, len(below))
    scores = shape_of(softmax)
    x = operand(below[start], 0) if start < len(below) else None
    if len(scores) != 5 or not isinstance(x, Term):
        return
    del below[start:]
    window = round(scores[-1] ** 0.5)
    begins = [
        operand(one, 1).values[0]
        for one in below
        if one.op == "Slice" and isinstance(operand(one, 1), Constant) and operand(one, 1).values
    ]
    kinds = set[str]()
    for one in below:
        added = operand(one, 1) if one.op == "Add" and one.shape == scores else None
        if isinstance(added, Constant):
            kinds |= added.array.kinds()
    bias = "continuous" if "Relu" in kinds else "table" if "source" in kinds else "none"
    op = WindowAttention(
        heads=scores[2],
        window=window,
        shift=max(begins, default=0),
        grid=any(one.attributes.get("perm") == [0, 2, 4, 1, 3, 5] for one in below),
        relative_bias=bias,
        cosine=any(one.op == "Mul" for one in below),
    )
    yield op, (x,)


def _is_turned_last(term: Term) -> bool:
    """Whether the channels of an image are moved behind its space."""
    return bool(term.attributes.get("perm") == [0, 2, 3, 1])


def _attention(term: Term, context: Context) -> Iterator[Guess]:
    product = term if term.op == "MatMul" else operand(term, 0)
    heads = operand(product, 0) if is_op(product, "MatMul") else None
    if not is_op(heads, "Attention") or len(shape_of(heads)) != 3:
        return
    query, key = ([*_line(operand(heads, place))] for place in (0, 1))
    parts = ("RotaryEmbedding", "Reshape", "RMSNormalization", "Add", "MatMul")
    ends = []
    for line in (query, key):
        length = next((i for i, one in enumerate(line) if one.op == "MatMul"), len(line))
        if length == len(line) or any(one.op not in parts for one in line[:length]):
            return
        ends.append(operand(line[length], 0))
        del line[length:]
    x, memory = ends
    if x not in context.axes or memory not in context.axes:
        return
    own = heads.attributes
    count, key_heads = own.get("q_num_heads", 1), own.get("kv_num_heads", 1)
    size = shape_of(heads)[2] // count
    width = context.axes[x].width
    left = own.get("left_window_size")
    rotary = next((one for one in query if one.op == "RotaryEmbedding"), None)
    turned = rotary.attributes.get("rotary_embedding_dim", 0) if rotary else size
    bias, key_bias = (any(one.op == "Add" for one in line) for line in (query, key))
    op = Attention(
        heads=count,
        key_heads=None if key_heads == count else key_heads,
        head_size=None if size * count == width else size,
        bias=bias,
        key_bias=None if key_bias == bias else key_bias,
        output_bias=None if bias == (term.op == "Add") else term.op == "Add",
        causal=bool(own.get("is_causal", 0)),
        window=None if left is None else left + 1,
        rotary=_rotary_base(rotary) if rotary is not None else None,
        rotary_share=turned / size,
        qk_norm=any(one.op == "RMSNormalization" for one in query),
    )
    yield op, (x,) if x is memory else (x, memory)


def _rotary_base(term: Term) -> float | None:
    """The base of the wavelengths of a RotaryEmbedding, in the array of its angles' cosines."""
    waiting = [operand(term, 1).array] if isinstance(operand(term, 1), Constant) else []
    while waiting:
        array = waiting.pop()
        base = array.operands[0] if array.kind == "Pow" else None
        if base is not None and base.kind in ("values", "fill") and len(base.fields) == 1:
            return float(base.fields[0])
        waiting += array.operands
    return None


def _sinusoids(term: Term, context: Context) -> Iterator[Guess]:
    x, added = operand(term, 0), operand(term, 1)
    if isinstance(x, Term) and isinstance(added, Constant) and context.is_sequence(x):
        yield PositionEmbedding(kind="sinusoidal"), (x,)


def _radial_basis(term: Term, context: Context) -> Iterator[Guess]:
    apart = operand(term, 0)
    spread = operand(apart, 0) if is_op(apart, "Sub") else None
    if not is_op(apart, "Sub") or not is_op(spread, "Unsqueeze"):
        return
    x, codes = operand(spread, 0), operand(apart, 1)
    if isinstance(codes, Constant) and codes.values and len(codes.shape) == 2:
        width = codes.shape[1]
        rows = [codes.values[start : start + width] for start in range(0, len(codes.values), width)]
        yield Rbf(codes=tuple(tuple(map(float, row)) for row in rows)), (x,)


def _response_norm(term: Term, context: Context) -> Iterator[Guess]:
    power = operand(term, 1)
    shifted = operand(power, 0) if is_op(power, "Pow") else None
    factor = operand(shifted, 0) if is_op(shifted, "Add") else None
    pool = _first(factor, "AveragePool") if is_op(factor, "Mul") else None
    numbers = [scalar(operand(one, 1)) for one in (power, shifted, factor) if isinstance(one, Term)]
    if pool is None or len(numbers) != 3 or None in numbers:
        return
    beta, k, alpha = (float(one or 0.0) for one in numbers)
    size = pool.attributes["kernel_shape"][0]
    x = operand(term, 0)
    yield LocalResponseNorm(size=size, alpha=shortest(alpha / size), beta=beta, k=k), (x,)


def _uneven_pool(term: Term, context: Context) -> Iterator[Guess]:
    rank = len(shape_of(term)) - 2
    mean = operand(term, 0) if term.op == "Transpose" else term
    summed = operand(mean, 0) if is_op(mean, "Div") else None
    ones = operand(summed, 1) if is_op(summed, "MatMul") else None
    if rank < 1 or not isinstance(ones, Constant) or not set(ones.values or (2,)) <= {0.0, 1.0}:
        return
    output = shape_of(term)[2:]
    for x in islice(_line(term), 4 * rank + 1):
        own = context.axes.get(x)
        if x is term or own is None or not own.is_map or len(own.spatial) != rank:
            continue
        if all(a * b <= MOST_VALUES for a, b in zip(own.spatial, output, strict=True)):
            size = output[0] if len(set(output)) == 1 else output
            yield AdaptiveAvgPool(output_size=size), (x,)


def _vector_group_norm(term: Term, context: Context) -> Iterator[Guess]:
    norm = operand(term, 0)
    split = operand(norm, 0) if is_op(norm, "GroupNormalization") else None
    if not is_op(split, "Reshape"):
        return
    scale, bias = constant(norm, 1), constant(norm, 2)
    op = GroupNorm(
        groups=norm.attributes.get("num_groups", 1),
        epsilon=norm.attributes.get("epsilon", 1e-5),
        affine=not (is_filled(scale, 1.0) and is_filled(bias, 0.0)),
    )
    yield op, (operand(split, 0),)


GUESSES: dict[str, tuple[Callable[[Term, Context], Iterator[Guess]], ...]] = {
    "Add": (_attention, _sinusoids),
    "MatMul": (_attention,),
    "Div": (_response_norm, _uneven_pool),
    "ReduceSumSquare": (_radial_basis,),
    "Reshape": (_vector_group_norm,),
    "Transpose": (_window_attention, _uneven_pool),
}
"""What may end in an operation."""
