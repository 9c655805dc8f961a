"""Operations of ONNX that take some of the elements of a value, repeat them or put values side by
side."""

from __future__ import annotations

from collections.abc import Mapping

from archc.importers.onnx.folding import slice_bounds
from archc.importers.onnx.rules.drafts import (
    Context,
    Draft,
    RefusedError,
    check_attributes,
    constant,
    only_term,
    operand,
    shape_of,
    vector_of,
)
from archc.importers.onnx.shapes import scales_of
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.importers.padding import compact
from archc.ops.dense import Embedding
from archc.ops.merge import Concat
from archc.ops.parameter import ClassToken
from archc.ops.shape import Crop, Select, Split, Upsample

MOST_SELECTED = 4096


def gather(term: Term, context: Context) -> Draft:
    """Gather: rows of a table by token ids, or channels, features or tokens by constant indices."""
    check_attributes(term, "axis")
    table, index = operand(term, 0), operand(term, 1)
    axis = term.attributes.get("axis", 0)
    if isinstance(table, Constant) and isinstance(index, Term):
        if axis != 0 or len(table.shape) != 2 or len(shape_of(index)) != 2:
            raise RefusedError(f"Gather from an array of {list(table.shape)} along the axis {axis}")
        vocabulary, features = table.shape
        op = Embedding(vocabulary=vocabulary, features=features)
        return Draft(op, (index,), {"weight": table.array})
    x, indices = only_term(term), constant(term, 1)
    size = shape_of(x)[axis]
    if indices.values is None or len(indices.shape) > 1 or len(indices.values) > MOST_SELECTED:
        raise RefusedError("Gather with indices that are not known")
    if not all(-size <= one < size for one in indices.values):
        raise RefusedError(f"Gather of {size} elements beyond their end")
    chosen = tuple(one % size for one in indices.values)
    return _selected(term, x, axis % len(shape_of(x)), chosen, not indices.shape, context)


def _selected(
    term: Term, x: Term, axis: int, chosen: tuple[int, ...], is_single: bool, context: Context
) -> Draft:
    """Elements along an axis by their indices; a single one without its axis."""
    if chosen == tuple(range(shape_of(x)[axis])) and not is_single:
        return Draft(None, (x,))
    if axis == context.width_axis(x) and not is_single:
        return Draft(Select(channels=chosen), (x,))
    if axis == 1 and context.is_sequence(x):
        return Draft(Select(tokens=chosen[0] if is_single else chosen), (x,))
    raise RefusedError(f"{term.op} of {list(shape_of(x))} along the axis {axis}")


def split(term: Term, context: Context) -> Draft:
    """One output of Split: one of equal parts, or some channels."""
    check_attributes(term, "axis", "split", "num_outputs", "output")
    x = only_term(term)
    shape, part = shape_of(x), shape_of(term)
    axis = term.attributes.get("axis", 0) % len(shape)
    if axis != context.width_axis(x):
        raise RefusedError(f"Split of {list(shape)} along the axis {axis}")
    parts = shape[axis] // part[axis]
    sizes = term.attributes.get("split")
    if sizes is None and isinstance(operand(term, 1), Constant):
        sizes = list(constant(term, 1).values or ())
    if parts * part[axis] != shape[axis] or (sizes and len(set(sizes)) != 1):
        raise RefusedError(f"Split of {shape[axis]} channels into unequal parts")
    return Draft(Split(parts=parts, index=term.attributes.get("output", 0)), (x,))


def _crop(shape: tuple[int, ...], bounds: Mapping[int, tuple[int, int | None, int]]) -> Crop:
    """A Slice along spatial axes, of which some elements at both ends are cut off."""
    pairs = []
    for axis in range(2, len(shape)):
        start, end, step = bounds.get(axis, (0, None, 1))
        kept = range(shape[axis])[start:end:step]
        if step != 1:
            raise RefusedError(f"Slice of {list(shape)} in steps of {step}")
        pairs.append((kept.start, shape[axis] - kept.stop))
    if all(begin == end for begin, end in pairs):
        return Crop(cropping=compact(tuple(begin for begin, _ in pairs)))
    return Crop(cropping=tuple(pairs))


def slice_(term: Term, context: Context) -> Draft:
    """Slice: of space, or of channels, features or tokens."""
    check_attributes(term, "starts", "ends", "axes", "steps")
    x = only_term(term)
    shape = shape_of(x)
    bounds = slice_bounds(term.inputs, term.attributes, context.opset)
    own = {axis % len(shape): bound for axis, bound in bounds.items()}
    if not context.is_sequence(x) and min(own) > 1:
        return Draft(_crop(shape, own), (x,))
    if len(own) != 1:
        raise RefusedError(f"Slice of {list(shape)} along several axes")
    ((axis, (start, end, step)),) = own.items()
    if axis == 0 or shape[axis] > MOST_SELECTED:
        raise RefusedError(f"Slice of {list(shape)} along the axis {axis}")
    chosen = range(shape[axis])[start:end:step]
    size = shape[axis]
    is_width = axis == context.width_axis(x)
    if is_width and size % len(chosen) == 0 and step == 1 and chosen.start % len(chosen) == 0:
        parts, index = size // len(chosen), chosen.start // len(chosen)
        return Draft(Split(parts=parts, index=index) if parts > 1 else None, (x,))
    return _selected(term, x, axis, tuple(chosen), False, context)


def concat(term: Term, context: Context) -> Draft:
    """Concat of channels or features; of a learned token and the others."""
    check_attributes(term, "axis")
    first = operand(term, 0)
    terms = tuple(one for one in term.inputs if isinstance(one, Term))
    if not terms:
        raise RefusedError("Concat of constants")
    shape = shape_of(terms[0])
    axis = term.attributes.get("axis", 1) % len(shape)
    if len(terms) == 1 == len(term.inputs):
        return Draft(None, terms)
    if isinstance(first, Constant) and len(term.inputs) == 2 and context.is_sequence(terms[0]):
        token = vector_of(first, shape[2])
        if axis == 1 and first.shape == (1, 1, shape[2]) and token is not None:
            return Draft(ClassToken(), terms, {"token": token})
    if len(terms) != len(term.inputs):
        raise RefusedError("Concat with a constant")
    if axis != context.width_axis(terms[0]):
        raise RefusedError(f"Concat of {list(shape)} along the axis {axis}")
    return Draft(Concat(), terms)


HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


def resize(term: Term, context: Context) -> Draft:
    """Resize and Upsample by whole factors, elements repeated or interpolated at their centres."""
    check_attributes(
        term,
        "coordinate_transformation_mode",
        "cubic_coeff_a",
        "exclude_outside",
        "extrapolation_value",
        "mode",
        "nearest_mode",
        "scales",
        antialias=0,
        keep_aspect_ratio_policy="stretch",
    )
    x = only_term(term)
    scales = scales_of(term.inputs, term.attributes, context.opset)
    whole = [round(scale) for scale in scales]
    before = shape_of(x)
    sizes = tuple(size * scale for size, scale in zip(before, whole, strict=True))
    if len(before) < 3 or whole[:2] != [1, 1] or sizes != shape_of(term):
        raise RefusedError(f"{term.op} of {list(before)} to {list(shape_of(term))}")
    if any(abs(a - b) > 1e-6 for a, b in zip(scales, whole, strict=True)):
        raise RefusedError(f"{term.op} by factors of {scales[2:]}")
    scale = compact(tuple(whole[2:]))
    mode = term.attributes.get("mode", "nearest")
    default = "half_pixel" if term.op == "Resize" and context.opset >= 11 else "asymmetric"
    coordinates = term.attributes.get("coordinate_transformation_mode", default)
    rounding = term.attributes.get("nearest_mode", "round_prefer_floor")
    if term.op == "Upsample" or context.opset < 11:
        rounding = "floor"
    is_repeated = (coordinates == "asymmetric" and rounding == "floor") or (
        coordinates in HALF_PIXEL and rounding.startswith("round_prefer")
    )
    if mode == "nearest" and is_repeated:
        return Draft(Upsample(scale=scale), (x,))
    if mode == "linear" and coordinates in HALF_PIXEL:
        return Draft(Upsample(scale=scale, mode="linear"), (x,))
    raise RefusedError(f"{term.op} with mode {mode}, {coordinates} and {rounding}")
