"""LSTM and GRU of ONNX as ops of archc."""

from __future__ import annotations

from archc.importers.network import Array, rows_of, stacked
from archc.importers.onnx.rules.drafts import (
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
MOST_LAYERS = 1000
VIEWS = ("Reshape", "Squeeze", "Transpose")


def recurrence(term: Term, context: Context) -> Draft | None:
    """A recurrence between a change of the axes to tokens, batch and features and one back; of
    several in a row that are alike, one with as many layers."""
    own, seen = _between(term)
    if own is None:
        return None
    is_last = own.attributes.get("output", 0) == 1
    if not _is_arranged(term, own, seen, ("b", "w") if is_last else ("b", "t", "w")):
        return None
    return _recurrences(own, context, return_sequences=not is_last)


def last_state(term: Term, context: Context) -> Draft | None:
    """The state after the last token, as one of those of all layers, or both directions' together:
    PyTorch's `h[-1]`, `torch.cat((h[-2], h[-1]), 1)`."""
    picked = [term] if term.op == "Gather" else list(term.inputs)
    if term.op == "Concat" and term.attributes.get("axis") not in (1, -1):
        return None
    states: list[Term] = []
    for place, one in enumerate(picked, -len(picked)):
        if not isinstance(one, Term) or one.op != "Gather" or not _is_from_end(one, place):
            return None
        source = operand(one, 0)
        if isinstance(source, Term) and source.op == "Concat":  # of all layers, one by one
            source = source.inputs[-1] if source.attributes.get("axis") == 0 else None
        if not isinstance(source, Term) or source.op not in GATES:
            return None
        states.append(source)
    own = states[0]
    if any(one is not own for one in states) or own.attributes.get("output", 0) != 1:
        return None
    if shape_of(own)[0] != len(states):
        return None
    return _recurrences(own, context, return_sequences=False)


def _is_from_end(gather: Term, place: int) -> bool:
    """Whether a Gather takes one element of the first axis, counted from the end."""
    index, source = operand(gather, 1), operand(gather, 0)
    if not isinstance(index, Constant) or not isinstance(source, Term) or not source.shape:
        return False
    size = source.shape[0]
    return (
        gather.attributes.get("axis", 0) == 0
        and index.shape == ()
        and index.scalar in (place, size + place)
    )


def _recurrences(own: Term, context: Context, *, return_sequences: bool) -> Draft | None:
    """A recurrence with those before it whose states it takes as they are, as layers of one; None
    where the first does not take a sequence. Raises RefusedError."""
    nodes = [own]
    x = _sequence(own, context)
    while x is None:
        value = operand(nodes[0], 0)
        before, seen = _between(value) if isinstance(value, Term) else (None, [])
        if before is None or len(nodes) > MOST_LAYERS or before.attributes.get("output", 0):
            return None
        if not _is_arranged(value, before, seen, ("t", "b", "w")):
            return None
        nodes.insert(0, before)
        x = _sequence(before, context)
    draft: Draft | None = context.drafts.get(x) if context.private(x) else None
    for node in nodes:
        op, weights = _recurrence(node, return_sequences=return_sequences or node is not own)
        if draft is not None and _is_alike(draft.op, op):
            draft = _deeper(draft, op, weights)
        elif node is nodes[0]:
            draft = Draft(op, (x,), weights)
        else:
            raise RefusedError(f"{node.op} on one of another kind or size, tokens first")
    return draft


def _sequence(own: Term, context: Context) -> Term | None:
    """The sequence, batch first, that a recurrence takes tokens first; None where it is none."""
    turned = operand(own, 0)
    if not isinstance(turned, Term) or turned.op != "Transpose":
        return None
    x = operand(turned, 0)
    if turned.attributes.get("perm") != [1, 0, 2] or x not in context.axes:
        return None
    return x if context.is_sequence(x) else None


def _between(term: Term) -> tuple[Term | None, list[Term]]:
    """The recurrence that movements of elements follow, with these."""
    seen: list[Term] = []
    one: object = term
    while isinstance(one, Term) and one.op in VIEWS and len(seen) < 4:
        seen.insert(0, one)
        one = operand(one, 0)
    return (one, seen) if isinstance(one, Term) and one.op in GATES else (None, seen)


def _is_arranged(term: Term, own: Term, seen: list[Term], ends: tuple[str, ...]) -> bool:
    """Whether states of a recurrence are moved to some axes: `t` tokens, `b` batch and `w` width,
    which is that of all directions."""
    is_last = own.attributes.get("output", 0) == 1
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
    return tuple("w" if name == "u" else name for name in names) == ends


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
    """Whether an input is none, or zeros that the file states."""
    if value is None:
        return True
    if not isinstance(value, Constant):
        return False
    if value.array.kind == "fill":
        return not any(value.array.fields)
    return value.values is not None and not any(value.values)


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
