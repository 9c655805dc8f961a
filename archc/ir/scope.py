"""Scopes: the names of steps in a network, and their lookup."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from archc.diagnostics import Span
from archc.ir.graph import Node, Region
from archc.ir.sharing import SharedInstance
from archc.language.expressions import Expression
from archc.language.names import variable_name

_INDICES = re.compile("[0-9]+(?:_[0-9]+)*$")

UNKNOWN = -1
"""In place of a node's index: its step has an error."""


class Scope:
    """The names of one section, block instance or network. A section also sees the names of its
    `parent`; a block instance only its own."""

    def __init__(self, path: str, parent: Scope | None) -> None:
        self.path = path
        self.parent = parent
        self.outputs: dict[str, int] = {}
        self.inner: dict[str, Scope] = {}
        self.latest: dict[str, str] = {}
        self.spans: dict[str, Span] = {}
        self.counts: dict[str, int] = {}
        self.variables: dict[str, str] = {}  # the names by what their values are called
        # The names by what stands before their numbers, in the order of the steps.
        self.numbered: dict[str, list[str]] = {}
        self.iteration: tuple[int, ...] = ()
        self.count: Expression | None = None  # how often the innermost `repeat` runs
        # Whether an invalid step may have defined names that are missing here.
        self.incomplete = False
        # Of a block's instance: what comes into it by name, and what of that a step has looked up.
        self.inputs: set[str] = set()
        self.used_inputs: set[str] = set()
        # Of a block's instance as it is seen from outside: its block, and all steps in it.
        self.block: str | None = None
        self.hidden: Collection[str] = ()
        self.items: list[Node | Region] = []
        # The step of each name: whose variables later ones may use.
        self.steps: dict[str, Node | Region] = {}
        self.sharing: SharedInstance | None = None
        self.trainable = True
        # The last turn of the loop around, by its number among all (0 outside of such a turn), and
        # whether a block around has `outputs`: what nothing uses is left out there.
        self.last_turn: int = 0 if parent is None else parent.last_turn
        self.gives_outputs: bool = parent is not None and parent.gives_outputs

    def join(self, name: str) -> str:
        """The path of a step in this scope."""
        return f"{self.path}.{name}" if self.path else name

    def with_indices(self, name: str) -> str:
        """A step's name with the index of each enclosing repetition."""
        return "_".join([name, *(str(index + 1) for index in self.iteration)])

    def alike(self, name: str) -> str | None:
        """The name that there is already, but for hyphens and capitals; None without one."""
        return self.variables.get(variable_name(name))

    def next_name(self, kind: str) -> str:
        """The next free name of an unnamed step: `conv_1`, `conv_2` ..."""
        count = self.counts.get(kind, 0) + 1
        while self.alike(f"{kind}_{count}") is not None:
            count += 1
        self.counts[kind] = count
        return f"{kind}_{count}"

    def exposing(self, outputs: Mapping[str, int], block: str, *, incomplete: bool) -> Scope:
        """What the steps around an instance of a block see of this scope."""
        visible = Scope(self.path, None)
        visible.incomplete = incomplete
        visible.hidden = self.outputs.keys()
        visible.block = block
        for name, output in outputs.items():
            visible.add(name, self.spans[self.latest.get(name, name)], output)
        return visible

    def skip(self, kind: str) -> None:
        """Count an unnamed step that is skipped, so that the names of later steps, and of their
        weights, do not depend on it."""
        if kind:
            self.next_name(kind)

    def add(self, name: str, span: Span, output: int = UNKNOWN) -> None:
        """Add a name; its output can be set later."""
        if name not in self.outputs:
            for stem in _stems(name):
                self.numbered.setdefault(stem, []).append(name)
        self.outputs[name] = output
        self.spans[name] = span
        self.variables.setdefault(variable_name(name), name)

    def find(self, path: str) -> int | None:
        """The output that a dotted path refers to: in this scope, then in the enclosing ones."""
        first, _, rest = path.partition(".")
        for scope in self.around():
            name = first if first in scope.outputs else scope.latest.get(first, first)
            holder, last = _follow(scope, name, rest)
            if holder is not None and last in holder.outputs:
                return holder.look_up(last)
        return None

    def look_up(self, name: str) -> int:
        """The output of a name that the scope has."""
        if name in self.inputs:
            self.used_inputs.add(name)
        return self.outputs[name]

    def enter(self, name: str, span: Span, output: int) -> None:
        """Add the name of what comes into a block's instance."""
        self.add(name, span, output)
        self.inputs.add(name)

    def find_step(self, path: str) -> Node | Region | None:
        """The step that a dotted path refers to, as `find` does; None where it is no step, or one
        of another block's."""
        first, _, rest = path.partition(".")
        for scope in self.around():
            name = first if first in scope.outputs else scope.latest.get(first, first)
            holder, last = _follow(scope, name, rest)
            if holder is not None and last in holder.outputs:
                return holder.steps.get(last)
        return None

    def append(self, item: Node | Region, output: int) -> None:
        """Append a step that gives `output`."""
        self.items.append(item)
        self.steps[item.name] = item
        self.outputs[item.name] = output

    def find_all(self, path: str) -> list[int]:
        """The outputs that a dotted path refers to; several if it ends in `*`, which stands for the
        numbers at the end of names: of `skip_1`, `skip_2` in `skip_*`."""
        if not path.endswith("*"):
            output = self.find(path)
            return [] if output is None else [output]
        *sections, last = path.split(".")
        stem = last[:-1]
        for scope in self.around():
            holder: Scope | None = scope
            for name in sections:
                holder = holder and holder.inner.get(holder.latest.get(name, name))
            if holder is not None and stem in holder.numbered:
                return [holder.look_up(name) for name in holder.numbered[stem]]
        return []

    def may_hold(self, path: str) -> bool:
        """Whether an unknown path may belong to an invalid step."""
        for scope in self.around():
            inner: Scope | None = scope
            for part in [*path.split("."), ""]:
                if inner is None:
                    break
                if inner.incomplete:
                    return True
                inner = inner.inner.get(inner.latest.get(part, part))
        return False

    def hidden_in(self, path: str) -> str | None:
        """The block that has a step of this path, but does not give it out."""
        *sections, name = path.split(".")
        for scope in self.around():
            holder: Scope | None = scope
            for section in sections:
                holder = holder and holder.inner.get(holder.latest.get(section, section))
            if holder is not None and name in holder.hidden:
                return holder.block
        return None

    def known(self) -> list[str]:
        """All names that `find` accepts, those inside sections as paths."""
        names: list[str] = []
        for scope in self.around():
            stack = [("", scope)]
            for prefix, holder in stack:
                names += [f"{prefix}{name}" for name in holder.outputs]
                stack += [(f"{prefix}{name}.", inner) for name, inner in holder.inner.items()]
        return names

    def around(self) -> Iterator[Scope]:
        """This scope and the enclosing ones, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


def _stems(name: str) -> Iterator[str]:
    """What may stand before the numbers at the end of a name: `skip_` and `skip_1_` of
    `skip_1_2`."""
    indices = _INDICES.search(name)
    if indices is not None:
        start = indices.start()
        for index in indices[0].split("_"):
            yield name[:start]
            start += len(index) + 1


def _follow(scope: Scope, first: str, rest: str) -> tuple[Scope | None, str]:
    """The scope at the end of a path, and the last name of it."""
    while rest:
        if first not in scope.inner:
            return None, first
        scope = scope.inner[first]
        first, _, rest = rest.partition(".")
    return scope, first
