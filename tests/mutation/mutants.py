"""Mutants of archc: one small change each, chosen so that the same tree gives the same sample.

The operators are mutmut's, applied by libcst, with three of our own. mutmut itself is not run: it
mutates what stands in functions alone, leaves decorated methods out, and rewrites every module
with trampolines, where archc has its facts in tables at module level, in dataclasses whose
annotations it reads, and in templates that it reads as text. cosmic-ray cannot parse `match`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A change of one line, or of what begins there, of one module."""

    path: str
    line: int
    function: str
    """The function or class around it, with dots; empty at module level."""
    operator: str
    before: str
    after: str
    source: str
    """The whole module with the change in it."""
    key: str
    """A digest of what is changed and where, without line numbers: it stays the same when other
    code moves."""

    @property
    def room(self) -> str:
        return room_of(self.path)


def room_of(path: str) -> str:
    """The folder of the package that a module is in."""
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 else "archc"


def sample(root: Path, count: int) -> list[Mutant]:
    """So many mutants of a tree, over all rooms by their lines: in each room those with the lowest
    digests, so that a tree that changes a little gives a sample that changes a little.

    Of a line one mutant at most is taken; the more of it can be changed, the likelier that is.
    """
    rooms: dict[str, list[_Candidate]] = defaultdict(list)
    for file in sorted(root.glob("archc/**/*.py")):
        path = file.relative_to(root).as_posix()
        rooms[room_of(path)] += _candidates(path, file.read_text(encoding="utf-8"))
    shares = _shares({room: len(candidates) for room, candidates in rooms.items()}, count)
    return [one for room in sorted(rooms) for one in _lowest(rooms[room], shares[room])]


@dataclass(frozen=True)
class _Change:
    node: cst.CSTNode
    mutated: cst.CSTNode
    number: int
    """Which of the operator's changes of this node it is."""
    span: CodeRange
    function: str
    operator: str


@dataclass(frozen=True)
class _Candidate:
    key: str
    path: str
    module: cst.Module
    change: _Change
    before: str


def _candidates(path: str, source: str) -> Iterator[_Candidate]:
    """One change of every line that has any, chosen by its digest."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    finder = _Finder()
    wrapper.visit(finder)
    text = source.split("\n")
    lines: dict[int, dict[str, list[_Candidate]]] = defaultdict(lambda: defaultdict(list))
    seen: Counter[str] = Counter()
    for change in finder.changes:
        before = _text(text, change.span)
        described = f"{path} {change.function} {change.operator} {change.number} {before}"
        seen[described] += 1
        key = hashlib.sha256(f"{described} {seen[described]}".encode()).hexdigest()[:12]
        candidate = _Candidate(key, path, wrapper.module, change, before)
        lines[change.span.start.line][change.operator].append(candidate)
    for operators in lines.values():
        # First an operator, then a change of it: most changes of most lines take an argument out.
        lowest = (min(changes, key=lambda one: one.key) for changes in operators.values())
        yield min(lowest, key=lambda one: hashlib.sha256(one.key.encode()).digest())


def _text(lines: Sequence[str], span: CodeRange) -> str:
    """What a module has at a place."""
    inside = list(lines[span.start.line - 1 : span.end.line])
    inside[-1] = inside[-1][: span.end.column]
    inside[0] = inside[0][span.start.column :]
    return "\n".join(inside)


def _lowest(candidates: Sequence[_Candidate], count: int) -> Iterator[Mutant]:
    """The mutants of the lowest digests, without those that are no Python."""
    for candidate in sorted(candidates, key=lambda one: one.key):
        change = candidate.change
        module = candidate.module.deep_replace(change.node, change.mutated)
        source = cst.ensure_type(module, cst.Module).code
        if count > 0 and _compiles(source):
            count -= 1
            yield Mutant(
                path=candidate.path,
                line=change.span.start.line,
                function=change.function,
                operator=change.operator,
                before=candidate.before,
                after=_code(change.mutated),
                source=source,
                key=candidate.key,
            )
        if count == 0:
            return


def _shares(weights: dict[str, int], count: int) -> dict[str, int]:
    """A whole number for each name, by weight, that come to `count` together."""
    total = sum(weights.values())
    exact = {name: count * weight / total for name, weight in weights.items()}
    shares = {name: int(value) for name, value in exact.items()}
    largest_rest = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in largest_rest[: count - sum(shares.values())]:
        shares[name] += 1
    return shares


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


# What may be changed


def _negated(node: cst.If | cst.While) -> Iterator[cst.CSTNode]:
    """A condition the other way round."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def _one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    """A number one lower; mutmut counts up alone."""
    yield cst.parse_expression(f"({node.evaluated_value - 1})")


def _no_statement(node: cst.Expr | cst.Raise) -> Iterator[cst.CSTNode]:
    """A call for its effect, or an error, that is not there."""
    if isinstance(node, cst.Raise) or isinstance(node.value, cst.Call | cst.Yield):
        yield cst.Pass()


_KINDS = {
    "swap_op": (
        cst.BinaryOperation,
        cst.UnaryOperation,
        cst.BooleanOperation,
        cst.ComparisonTarget,
        cst.AugAssign,
    ),
    "keywords": (cst.Is, cst.IsNot, cst.In, cst.NotIn, cst.Break, cst.Continue),
}
"""What the two of mutmut's operators change that ask every node whether it is one of these."""

OPERATORS: Sequence[tuple[type | tuple[type, ...], str, Callable[..., Iterable[cst.CSTNode]]]] = (
    *(
        (_KINDS.get(name, kind), name, one)
        for kind, one in mutation_operators
        for name in [one.__name__.removeprefix("operator_")]
    ),
    (cst.If, "condition", _negated),
    (cst.While, "condition", _negated),
    (cst.Integer, "number", _one_less),
    (cst.Expr, "statement", _no_statement),
    (cst.Raise, "statement", _no_statement),
)

LOUD_CALLS = ("len", "isinstance", "TypeVar", "NewType")
"""Without one of their arguments they fail wherever they are called: nothing is learnt by it."""


class _Finder(cst.CSTVisitor):
    """The changes that the operators make of a module, annotations and prose left out."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[_Change] = []
        self._around: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._around.append(node.name.value)
        if self._is_left_out(node):
            return False
        span = self.get_metadata(PositionProvider, node, None)
        for kind, name, operator in OPERATORS if span is not None else ():
            if isinstance(node, kind):
                where = ".".join(self._around)
                for number, mutated in enumerate(operator(node)):
                    self.changes.append(_Change(node, mutated, number, span, where, name))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._around.pop()

    def _is_left_out(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return True
        if isinstance(node, cst.SimpleString):
            # Prose: its wording is no behaviour, and a key has no blank in it.
            return " " in node.value or node.value.endswith(('"""', "'''"))
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
            return node.func.value in LOUD_CALLS
        target = node.targets[0].target if isinstance(node, cst.Assign) else None
        return isinstance(target, cst.Name) and target.value == "__all__"
