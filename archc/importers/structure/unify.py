"""Several sequences of steps as one with slots: where they differ, a slot has the value of each.
A solver then finds an expression for every slot: a parameter, a multiple of one, a share of what
comes in; what nothing explains becomes a parameter of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archc.importers.structure.items import Item, Steps
from archc.language.names import param_error

ABSENT: Any = object()
"""The value of a slot in a sequence that has no such step."""


@dataclass(frozen=True)
class Text:
    """An expression, as it stands inside `$( )`."""

    inner: str


@dataclass(frozen=True)
class First:
    """A value that differs in the first turn of a repetition."""

    first: Any
    rest: Any


@dataclass(frozen=True, eq=False)
class Slot:
    """A field that differs: its name, its value in each sequence, and the sizes of what comes into
    its step there. `hint` is a name for it from the source."""

    field: str
    values: tuple[Any, ...]
    axes: tuple[Mapping[str, int], ...]
    hint: str | None = None


class UnlikeError(Exception):
    """Steps have different skeletons."""


def skeleton(step: Item) -> str:
    """What steps have in common that may be one: the kinds and ops, and the branches of merges but
    for a short one that may be left out. Repetitions of one step are like the step."""
    if step.pinned:
        return f"pinned {step.positions}"
    if step.kind == "repeat" and len(step.bodies[0]) == 1:
        return skeleton(step.bodies[0][0])
    if step.kind == "repeat":
        return f"repeat({_joined(step.bodies[0])})"
    if not step.bodies:
        return f"{step.kind} {step.name}"
    ways = [_joined(body) for body in step.bodies]
    if len(ways) == 2 and step.name != "concat" and _is_optional(step.bodies[1]):
        ways[1] = "?"
    return f"{step.name}({'|'.join(ways)})"


LONGEST_OPTIONAL = 4


def _is_optional(steps: Steps) -> bool:
    return len(steps) <= LONGEST_OPTIONAL and not any(step.bodies for step in steps)


def _joined(steps: Steps) -> str:
    return ",".join(map(skeleton, steps))


def unify(
    sequences: Sequence[Steps | None], hint_of: Callable[[Sequence[Item]], str | None]
) -> Steps:
    """Sequences of equal skeletons as one. A sequence of None has no such steps. Raises
    UnlikeError."""
    present = [steps for steps in sequences if steps is not None]
    if len({len(steps) for steps in present}) != 1:
        raise UnlikeError
    return tuple(
        _unified([None if steps is None else steps[place] for steps in sequences], hint_of)
        for place in range(len(present[0]))
    )


def _unified(items: Sequence[Item | None], hint_of: Callable[[Sequence[Item]], str | None]) -> Item:
    present = [item for item in items if item is not None]
    if any(item.kind == "repeat" for item in present):
        items = [None if item is None else _as_repeat(item) for item in items]
        present = [item for item in items if item is not None]
    first = present[0]
    keys = list(first.fields)
    for item in present:
        if (item.kind, item.name, len(item.bodies)) != (first.kind, first.name, len(first.bodies)):
            raise UnlikeError
        if set(item.fields) != set(keys):
            raise UnlikeError
    axes = tuple({} if item is None else item.axes for item in items)
    hint = hint_of(present)
    fields = {}
    for key in keys:
        values = tuple(ABSENT if item is None else item.fields[key] for item in items)
        known = [value for value in values if value is not ABSENT]
        same = all(_equal(value, known[0]) for value in known)
        if not same and first.kind == "repeat" and key != "count":
            raise UnlikeError  # lists of lists are no shorter to read
        fields[key] = known[0] if same else Slot(key, values, axes, hint)
    bodies = []
    for place in range(len(first.bodies)):
        ways = [None if item is None else item.bodies[place] for item in items]
        bodies.append(_unified_branch(ways, items, axes, hint_of))
    return replace(first, fields=fields, bodies=tuple(bodies))


def _as_repeat(item: Item) -> Item:
    """A step as a repetition of one turn."""
    if item.kind == "repeat":
        return item
    return Item("repeat", "", {"count": 1}, ((item,),), item.positions, item.axes)


def _equal(a: Any, b: Any) -> bool:
    """Whether values are the same; true is no number."""
    return type(a) is type(b) and bool(a == b)


def _unified_branch(
    ways: Sequence[Steps | None],
    items: Sequence[Item | None],
    axes: tuple[Mapping[str, int], ...],
    hint_of: Callable[[Sequence[Item]], str | None],
) -> Steps:
    """A branch of merges; where it is empty in some, its steps are a section under a condition."""
    lengths = {len(way) for way in ways if way is not None}
    if 0 not in lengths or lengths == {0}:
        return unify(ways, hint_of)
    inner = unify([way or None for way in ways], hint_of)
    here = tuple(
        ABSENT if item is None else bool(way) for item, way in zip(items, ways, strict=True)
    )
    return (Item("section", "shortcut", {"when": Slot("when", here, axes)}, (inner,)),)


class Solver:
    """Finds expressions for slots. `names` are parameters or loop variables with the value of each
    sequence; new ones are added for what nothing explains."""

    def __init__(self, count: int, reserved: Sequence[str] = ()) -> None:
        self.count = count
        self.names: dict[str, tuple[Any, ...]] = {}
        self.reserved = set(reserved)

    def solve(self, steps: Steps) -> Steps:
        """Steps with an expression in place of each slot: those of all sequences first, then those
        of steps that some sequences lack."""
        steps = self._filled(steps, lambda slot: ABSENT not in slot.values)
        return self._filled(steps, lambda slot: True)

    def _filled(self, steps: Steps, chosen: Callable[[Slot], bool]) -> Steps:
        return tuple(self._filled_item(step, chosen) for step in steps)

    def _filled_item(self, step: Item, chosen: Callable[[Slot], bool]) -> Item:
        fields = dict(step.fields)
        when = fields.get("when")
        bodies = tuple(self._filled(body, chosen) for body in step.bodies)
        for key, value in fields.items():
            if isinstance(value, Slot) and value is not when and chosen(value):
                fields[key] = self.express(value)
        if isinstance(when, Slot) and all(not _has_slot(body) for body in bodies):
            fields["when"] = self._condition(when, bodies[0])
        return replace(step, fields=fields, bodies=bodies)

    def express(self, slot: Slot) -> Any:
        """What gives the values of a slot: a value, or an expression."""
        if any(isinstance(value, First) for value in slot.values):
            firsts = [one.first if isinstance(one, First) else one for one in slot.values]
            rests = [one.rest if isinstance(one, First) else one for one in slot.values]
            first = self.express(replace(slot, values=tuple(firsts)))
            rest = self.express(replace(slot, values=tuple(rests)))
            return First(first, rest)
        known = [value for value in slot.values if value is not ABSENT]
        if all(_equal(value, known[0]) for value in known):
            return known[0]
        for name, values in self.names.items():
            if _agree(slot.values, values):
                return Text(name)
        if all(type(value) is int for value in known):
            text = self._multiple(slot) or self._share(slot)
            if text is not None:
                return text
        return Text(self._new(slot))

    def _multiple(self, slot: Slot) -> Text | None:
        """A small multiple of a parameter."""
        for name, values in self.names.items():
            for factor in (2, 3, 4, 6, 8):
                if all(type(one) is int for one in values) and _agree(
                    slot.values, tuple(factor * one for one in values)
                ):
                    return Text(f"{factor} * {name}")
        return None

    def _share(self, slot: Slot) -> Text | None:
        """A share or multiple of the channels or features that come in."""
        if slot.field not in ("filters", "units", "groups"):
            return None
        for axis in ("channels", "features"):
            if not all(axis in one for one in slot.axes if one):
                continue
            sizes = [one.get(axis, 0) for one in slot.axes]
            forms: list[tuple[str, Callable[[int], int]]] = [
                (f"in.{axis}", lambda size: size),
                (f"2 * in.{axis}", lambda size: 2 * size),
                (f"in.{axis} // 2", lambda size: size // 2),
                (f"in.{axis} // 4", lambda size: size // 4),
            ]
            for text, function in forms:
                if _agree(slot.values, tuple(function(size) for size in sizes)):
                    return Text(text)
        return None

    def _new(self, slot: Slot) -> str:
        """A new parameter for a slot. Sequences without the step take the first value."""
        base = NAMES.get(slot.field, slot.field)
        if slot.hint is not None and slot.field in ("filters", "units"):
            base = slot.hint
        name = base
        number = 1
        taken = self.names.keys() | self.reserved
        while name in taken or param_error(name) is not None:
            number += 1
            name = f"{base}_{number}"
        known = next(value for value in slot.values if value is not ABSENT)
        self.names[name] = tuple(known if one is ABSENT else one for one in slot.values)
        return name

    def _condition(self, slot: Slot, steps: Steps) -> Any:
        """When a branch is there: where the step changes space or width, if that explains it; else
        by a parameter."""
        strides = [one != 1 for one in self.names.get("stride", ())]
        widths = [step.fields["filters"] for step in steps if "filters" in step.fields]
        forms: list[tuple[str, list[bool]]] = []
        if widths:
            text, amounts = self._amounts(widths[-1])
            pairs = zip(slot.axes, amounts, strict=True)
            changes = [axes.get("channels") != amount for axes, amount in pairs]
            forms.append((f"in.channels != {text}", changes))
            if strides:
                either = [one or other for one, other in zip(strides, changes, strict=True)]
                forms.append((f"stride != 1 or in.channels != {text}", either))
        if strides:
            forms.append(("stride != 1", strides))
        for text, holds in forms:
            if _agree(slot.values, tuple(holds)):
                return Text(text)
        return Text(self._new(replace(slot, field="projection")))

    def _amounts(self, value: Any) -> tuple[str, tuple[Any, ...]]:
        """A width as text, and its value in each sequence."""
        if not isinstance(value, Text):
            return str(value), (value,) * self.count
        factor, _, name = value.inner.rpartition(" * ")
        values = self.names.get(name)
        if values is None:
            return value.inner, (ABSENT,) * self.count
        return value.inner, tuple(int(factor or 1) * one for one in values)


NAMES = {"filters": "width", "units": "width", "count": "depth"}
"""What parameters of fields are called."""


def _agree(own: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether values are the same wherever there is one."""
    return all(a is ABSENT or _equal(a, b) for a, b in zip(own, other, strict=True))


def _has_slot(steps: Steps) -> bool:
    return any(isinstance(value, Slot) for step in steps for value in step.fields.values()) or any(
        _has_slot(body) for step in steps for body in step.bodies
    )
