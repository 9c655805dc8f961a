"""The names of steps: what each scope of a network knows, and how a name finds its step."""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import Span
from archc.ir.graph import Node, Region

UNKNOWN = -1
"""In place of a node's index: its step was at fault, so nothing is known of it."""


class Scope:
    """The names of one section, block instance or network, and where it stands. A section sees the
    names around it (`parent`); a block instance sees its own alone."""

    def __init__(self, path: str, parent: Scope | None) -> None:
        self.path = path
        self.parent = parent
        self.outputs: dict[str, int] = {}
        self.inner: dict[str, Scope] = {}
        self.latest: dict[str, str] = {}
        self.places: dict[str, Span] = {}
        self.counts: dict[str, int] = {}
        self.iteration: tuple[int, ...] = ()
        # Whether a step at fault may have given names that are missing here.
        self.incomplete = False
        self.items: list[Node | Region] = []

    def join(self, name: str) -> str:
        """The path of a step of this scope."""
        return f"{self.path}.{name}" if self.path else name

    def indexed(self, given: str) -> str:
        """The name that a step gives, with the index of each repetition around it."""
        return "_".join([given, *(str(index + 1) for index in self.iteration)])

    def counted(self, kind: str) -> str:
        """The next free name of a step that gives none: `conv_1`, `conv_2` ..."""
        count = self.counts.get(kind, 0) + 1
        while f"{kind}_{count}" in self.outputs:
            count += 1
        self.counts[kind] = count
        return f"{kind}_{count}"

    def leave_out(self, kind: str) -> None:
        """Pass over the number of a step without a name that is left out: the steps after it, and
        their weights, are called the same with it and without it."""
        if kind:
            self.counted(kind)

    def add(self, name: str, span: Span, output: int = UNKNOWN) -> None:
        """Enter a name; its output may come later."""
        self.outputs[name] = output
        self.places[name] = span

    def find(self, path: str) -> int | None:
        """The output that a dotted path stands for: in this scope, then in those around it."""
        first, _, rest = path.partition(".")
        for scope in self.around():
            name = first if first in scope.outputs else scope.latest.get(first, first)
            found = _follow(scope, name, rest)
            if found is not None:
                return found
        return None

    def may_hold(self, path: str) -> bool:
        """Whether a path that is not found may be one that a step at fault would have given."""
        for scope in self.around():
            inner: Scope | None = scope
            for part in [*path.split("."), ""]:
                if inner is None:
                    break
                if inner.incomplete:
                    return True
                inner = inner.inner.get(inner.latest.get(part, part))
        return False

    def known(self) -> list[str]:
        """The names that `find` finds, those inside sections with their path."""
        names: list[str] = []
        for scope in self.around():
            stack = [("", scope)]
            for prefix, holder in stack:
                names += [f"{prefix}{name}" for name in holder.outputs]
                stack += [(f"{prefix}{name}.", inner) for name, inner in holder.inner.items()]
        return names

    def around(self) -> Iterator[Scope]:
        """This scope and those around it, from the inside out."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


def _follow(scope: Scope, first: str, rest: str) -> int | None:
    while rest:
        if first not in scope.inner:
            return None
        scope = scope.inner[first]
        first, _, rest = rest.partition(".")
    return scope.outputs.get(first)
