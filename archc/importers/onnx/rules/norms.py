"""Normalisation of ONNX, as operators of its own or put together from others, as ops of archc."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from archc.importers.affine import completed
from archc.importers.network import Array
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    RefusedError,
    channel_vector,
    check_attributes,
    constant,
    is_filled,
    is_op,
    only_term,
    operand,
    same_value,
    scalar,
    shape_of,
    sides,
    vector_of,
)
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, RmsNorm


def batch_normalization(term: Term, context: Context) -> Draft:
    check_attributes(
        term, "epsilon", "momentum", "consumed_inputs", spatial=1, is_test=1, training_mode=0
    )
    x = only_term(term)
    width = shape_of(x)[1]
    weights = {}
    names = ("weight", "bias", "running_mean", "running_var")
    for position, name in enumerate(names, 1):
        array = vector_of(constant(term, position), width)
        if array is None:
            raise RefusedError(f"BatchNormalization of {width} channels with other arrays")
        weights[name] = array
    affine = not (is_filled(constant(term, 1), 1.0) and is_filled(constant(term, 2), 0.0))
    if not affine:
        del weights["weight"], weights["bias"]
    op = BatchNorm(
        epsilon=term.attributes.get("epsilon", 1e-5),
        momentum=term.attributes.get("momentum", 0.9),
        affine=affine,
    )
    return Draft(op, (x,), weights)


def group_normalization(term: Term, context: Context) -> Draft:
    check_attributes(term, "epsilon", "num_groups", stash_type=1)
    x = only_term(term)
    width = shape_of(x)[1]
    groups = width if term.op == "InstanceNormalization" else term.attributes.get("num_groups", 1)
    weight = vector_of(constant(term, 1), width)
    bias = vector_of(constant(term, 2), width)
    if weight is None or bias is None or len(shape_of(x)) < 3:
        raise RefusedError(f"{term.op} with weights for groups, not for channels")
    epsilon = term.attributes.get("epsilon", 1e-5)
    if is_filled(constant(term, 1), 1.0) and is_filled(constant(term, 2), 0.0):
        return Draft(GroupNorm(groups=groups, epsilon=epsilon, affine=False), (x,))
    op = GroupNorm(groups=groups, epsilon=epsilon)
    return Draft(op, (x,), {"weight": weight, "bias": bias})


def last_axis_norm(term: Term, context: Context) -> Draft:
    """LayerNormalization and RMSNormalization over the last axis, whatever that is."""
    check_attributes(term, "axis", "epsilon", stash_type=1)
    x = only_term(term)
    shape = shape_of(x)
    if term.attributes.get("axis", -1) % len(shape) != len(shape) - 1:
        raise RefusedError(f"{term.op} of {list(shape)} over several axes")
    epsilon = term.attributes.get("epsilon", 1e-5)
    scale = constant(term, 1)
    weight = vector_of(scale, shape[-1])
    bias = None if operand(term, 2) is None else vector_of(constant(term, 2), shape[-1])
    if weight is None:
        raise RefusedError(f"{term.op} with a weight of {list(scale.shape)}")
    if term.op == "RMSNormalization":
        return Draft(RmsNorm(epsilon=epsilon), (x,), {"weight": weight})
    if bias is None and is_filled(scale, 1.0):
        return Draft(LayerNorm(epsilon=epsilon, affine=False), (x,))
    own = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    weights, note = completed(term.op, own, shape[-1])
    return Draft(LayerNorm(epsilon=epsilon), (x,), weights, note)


def response_normalization(term: Term, context: Context) -> Draft:
    check_attributes(term, "alpha", "beta", "bias", "size")
    size = term.attributes.get("size", 0)
    if size < 1 or size % 2 == 0:
        raise RefusedError(f"LRN over {size} channels, an even number")
    # ONNX divides alpha by the size, as Caffe does.
    alpha = float(Decimal(repr(term.attributes.get("alpha", 1e-4))) / size)
    op = LocalResponseNorm(
        size=size,
        alpha=alpha,
        beta=term.attributes.get("beta", 0.75),
        k=term.attributes.get("bias", 1.0),
    )
    return Draft(op, (only_term(term),))


def normalization(term: Term, context: Context) -> Draft:
    """LayerNormalization and RMSNormalization over the channels or features."""
    x = only_term(term)
    if x not in context.axes or context.width_axis(x) != len(shape_of(x)) - 1:
        raise RefusedError(f"{term.op} of {list(shape_of(x))} over other than the channels")
    return last_axis_norm(term, context)


def channels_first(term: Term, context: Context) -> Draft | None:
    """The normalisation of a map whose channels are moved behind its space, and back."""
    rank = len(shape_of(term))
    inner = operand(term, 0)
    if term.attributes.get("perm") != [0, rank - 1, *range(1, rank - 1)]:
        return None
    if is_op(inner, "LayerNormalization", "RMSNormalization"):
        draft: Draft | None = last_axis_norm(inner, context)
    elif is_op(inner, "Add"):
        draft = _affine_norm(inner, rank - 1)
    else:
        return None
    turned = draft.inputs[0] if draft is not None else None
    if draft is None or not is_op(turned, "Transpose"):
        return None
    x = operand(turned, 0)
    if turned.attributes.get("perm") != [0, *range(2, rank), 1] or x not in context.axes:
        return None
    return draft._replace(inputs=(x,)) if context.axes[x].is_map else None


def layer_norm(term: Term, context: Context) -> Draft | None:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over channels or features."""
    for axis in {len(shape_of(term)) - 1, 1}:
        draft = _affine_norm(term, axis)
        if draft is not None and _is_over_width(draft.inputs[0], axis, context):
            return draft
    return None


def plain_layer_norm(term: Term, context: Context) -> Draft | None:
    """(x - mean) / sqrt(variance + epsilon), over channels or features."""
    for axis in {len(shape_of(term)) - 1, 1}:
        normal = _normalized(term, axis)
        if normal is not None and _is_over_width(normal[0], axis, context):
            return Draft(LayerNorm(epsilon=normal[1], affine=False), (normal[0],))
    return None


def _is_over_width(x: Term, axis: int, context: Context) -> bool:
    return x in context.axes and context.width_axis(x) == axis


def _affine_norm(term: Term, axis: int) -> Draft | None:
    """The normalisation of an axis, times a weight for each of its elements, plus a bias."""
    for product, offset in sides(term):
        if not is_op(product, "Mul"):
            continue
        for normal, factor in sides(product):
            parts = _normalized(normal, axis)
            if parts is None:
                continue
            x, epsilon = parts
            weight = _along(factor, shape_of(x), axis)
            bias = _along(offset, shape_of(x), axis)
            if weight is not None and bias is not None:
                return Draft(LayerNorm(epsilon=epsilon), (x,), {"weight": weight, "bias": bias})
    return None


def _along(value: Any, shape: tuple[int, ...], axis: int) -> Array | None:
    """A constant with one element for each along an axis, as it is spread over a shape."""
    if not isinstance(value, Constant) or len(value.shape) > len(shape):
        return None
    own = (1,) * (len(shape) - len(value.shape)) + value.shape
    if any(size != 1 for place, size in enumerate(own) if place != axis):
        return None
    return vector_of(value, shape[axis])


def _normalized(term: Any, axis: int) -> tuple[Term, float] | None:
    """The x and epsilon of (x - mean) / sqrt(mean((x - mean)^2) + epsilon) over an axis."""
    if not is_op(term, "Div"):
        return None
    centred, root = term.inputs
    if not is_op(centred, "Sub") or not is_op(root, "Sqrt"):
        return None
    x, mean = centred.inputs
    if not isinstance(x, Term) or not _is_mean_of(mean, x, axis):
        return None
    shifted = _mean_and_epsilon(root, axis)
    if shifted is None or not same_value(shifted[0], centred):
        return None
    return x, shifted[1]


def _mean_and_epsilon(root: Term, axis: int) -> tuple[Any, float] | None:
    """The y and epsilon of sqrt(mean(y^2) + epsilon) over an axis."""
    shifted = operand(root, 0)
    if not is_op(shifted, "Add"):
        return None
    for mean, offset in sides(shifted):
        epsilon = scalar(offset)
        if epsilon is None or not is_op(mean, "ReduceMean"):
            continue
        squares = operand(mean, 0)
        y = operand(squares, 0) if isinstance(squares, Term) else None
        is_square = (is_op(squares, "Pow") and scalar(operand(squares, 1)) == 2) or (
            is_op(squares, "Mul") and same_value(y, operand(squares, 1))
        )
        if is_square and _is_mean_of(mean, squares, axis):
            return y, epsilon
    return None


def _is_mean_of(term: Any, x: Any, axis: int) -> bool:
    """Whether a term is the mean of another over an axis, which is kept."""
    if not is_op(term, "ReduceMean") or not same_value(operand(term, 0), x):
        return False
    shape = shape_of(x)
    kept = tuple(1 if place == axis else size for place, size in enumerate(shape))
    return shape_of(term) == kept and shape[axis] > 1


def rms_norm(term: Term, context: Context) -> Draft | None:
    """x / sqrt(mean(x^2) + epsilon) * weight, over channels or features."""
    for normal, factor in sides(term):
        for x, root in _quotients(normal):
            if not isinstance(x, Term) or x not in context.axes or not is_op(root, "Sqrt"):
                continue
            weight = channel_vector(factor, x, context)
            parts = _mean_and_epsilon(root, context.width_axis(x))
            if weight is not None and parts is not None and same_value(parts[0], x):
                return Draft(RmsNorm(epsilon=parts[1]), (x,), {"weight": weight})
    return None


def _quotients(term: Any) -> list[tuple[Any, Any]]:
    """What a term may be a quotient of: x / y, or x times 1 / y."""
    if is_op(term, "Div"):
        return [(operand(term, 0), operand(term, 1))]
    pairs = []
    for x, inverse in sides(term) if is_op(term, "Mul") else ():
        if is_op(inverse, "Reciprocal"):
            pairs.append((x, operand(inverse, 0)))
        elif is_op(inverse, "Div") and scalar(operand(inverse, 0)) == 1:
            pairs.append((x, operand(inverse, 1)))
    return pairs
