"""LSTM and GRU of ONNX as ops of archc."""

from __future__ import annotations

from archc.importers.network import Array, rows_of, stacked
from archc.importers.onnx.drafts import (
    Context,
    Draft,
    RefusedError,
    check_attributes,
    constant,
    operand,
    shape_of,
)
from archc.importers.onnx.terms import Term
from archc.importers.onnx.values import Constant
from archc.ops.base import Op
from archc.ops.recurrence import Gru, Lstm, Recurrence
from archc.records import replace

GATES: dict[str, tuple[int, ...]] = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""Which of ONNX's gates, i o f c and z r h, each of archc's is: i f c o and r z n."""
VIEWS = ("Reshape", "Squeeze", "Transpose")


def recurrence(term: Term, context: Context) -> Draft | None:
    """A recurrence between a change of the axes to tokens, batch and features and one back; of
    several in a row that are alike, one with as many layers."""
    own, seen = _between(term)
    if own is None:
        return None
    is_last = own.attributes.get("output", 0) == 1
    turned = operand(own, 0)
    if not isinstance(turned, Term) or turned.op != "Transpose":
        return None
    x = operand(turned, 0)
    if turned.attributes.get("perm") != [1, 0, 2] or x not in context.axes:
        return None
    if not context.is_sequence(x) or not _is_back(term, own, seen, is_last):
        return None
    op, weights = _recurrence(own, return_sequences=not is_last)
    before = context.drafts.get(x)
    if before is not None and context.private(x) and _is_alike(before.op, op):
        return _deeper(before, op, weights)
    return Draft(op, (x,), weights)


def _between(term: Term) -> tuple[Term | None, list[Term]]:
    """The recurrence that movements of elements follow, with these."""
    seen: list[Term] = []
    one: object = term
    while isinstance(one, Term) and one.op in VIEWS and len(seen) < 4:
        seen.insert(0, one)
        one = operand(one, 0)
    return (one, seen) if isinstance(one, Term) and one.op in GATES else (None, seen)


def _is_back(term: Term, own: Term, seen: list[Term], is_last: bool) -> bool:
    """Whether movements take the states of a recurrence to batch, tokens and features, or those
    after the last token to batch and features: followed by names of axes."""
    shape = shape_of(own)
    names: list[str] = list("dbu" if is_last else "tdbu")
    for one in seen:
        sizes = dict(zip("dbu" if is_last else "tdbu", shape, strict=True))
        before = [sizes.get(name, sizes["d"] * sizes["u"]) for name in names]
        if one.op == "Transpose":
            order = one.attributes.get("perm", list(range(len(names)))[::-1])
            names = [names[axis] for axis in order]
        elif shape_of(one) == tuple(before):
            continue
        elif sizes["d"] == 1 and "d" in names:
            names.remove("d")
        elif names[-2:] == ["d", "u"]:
            names[-2:] = ["w"]
        else:
            return False
        known = {**sizes, "w": sizes["d"] * sizes["u"]}
        if shape_of(one) != tuple(known[name] for name in names):
            return False
    if "d" in names and shape[0 if is_last else 1] == 1:
        return False
    ends = ("b", "u" if "u" in names else "w") if is_last else ("b", "t", names[-1])
    return tuple(names) == ends


def _recurrence(term: Term, *, return_sequences: bool) -> tuple[Recurrence, dict[str, Array]]:
    """The op of a recurrence's node, and its arrays. Raises RefusedError."""
    check_attributes(
        term,
        *("direction", "hidden_size", "linear_before_reset", "output"),
        layout=0,
        input_forget=0,
    )
    kind = Lstm if term.op == "LSTM" else Gru
    direction = term.attributes.get("direction", "forward")
    if direction not in ("forward", "bidirectional"):
        raise RefusedError(f"{term.op} with the direction {direction}")
    before_reset = term.attributes.get("linear_before_reset", 0)
    if kind is Gru and before_reset != 1:
        raise RefusedError(f"GRU with linear_before_reset {before_reset}")
    for place in range(4, len(term.inputs)):
        if not _is_zero(operand(term, place)):
            raise RefusedError(f"{term.op} with first states, lengths or peepholes")
    units = term.attributes["hidden_size"]
    op = kind(
        units=units, return_sequences=return_sequences, bidirectional=direction == "bidirectional"
    )
    return op, _arrays(term, op)


def _is_zero(value: object) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, Constant)
        and value.array.kind in ("fill", "values")
        and not any(value.array.fields)
    )


def _arrays(term: Term, op: Recurrence) -> dict[str, Array]:
    """The arrays of the directions of a recurrence, with their gates in archc's order."""
    gates = GATES[term.op]
    rows = op.gates_per_unit * op.units
    arrays: dict[str, Array] = {}
    for number, direction in enumerate(op.directions):
        end = f"l0{direction}"
        for name, place in (("weight_ih", 1), ("weight_hh", 2)):
            matrix = _direction(constant(term, place).array, number)
            arrays[f"{name}_{end}"] = _reordered(matrix, gates, op.units)
        if operand(term, 3) is None:
            both = Array("fill", (2 * rows,), (), (0.0,))
        else:
            both = _direction(constant(term, 3).array, number)
        token = _reordered(rows_of(both, 0, rows), gates, op.units)
        state = _reordered(rows_of(both, rows, 2 * rows), gates, op.units)
        if "bias_hh" in op.biases:
            arrays[f"bias_ih_{end}"], arrays[f"bias_hh_{end}"] = token, state
        else:
            arrays[f"bias_ih_{end}"] = Array("add", token.shape, (token, state))
    return arrays


def _direction(array: Array, number: int) -> Array:
    """The array of one direction."""
    return Array("reshape", array.shape[1:], (rows_of(array, number, number + 1),))


def _reordered(array: Array, gates: tuple[int, ...], units: int) -> Array:
    return stacked([rows_of(array, gate * units, (gate + 1) * units) for gate in gates])


def _is_alike(first: Op | None, op: Recurrence) -> bool:
    """Whether a recurrence on the states of another one may be a layer more of that."""
    return (
        isinstance(first, Recurrence)
        and type(first) is type(op)
        and first.return_sequences
        and (first.units, first.bidirectional) == (op.units, op.bidirectional)
    )


def _deeper(before: Draft, op: Recurrence, weights: dict[str, Array]) -> Draft:
    """A recurrence with a layer more than the one before it."""
    assert isinstance(before.op, Recurrence)
    layer = before.op.layers
    own = {name.replace("_l0", f"_l{layer}"): array for name, array in weights.items()}
    return Draft(replace(op, layers=layer + 1), before.inputs, {**before.weights, **own})
