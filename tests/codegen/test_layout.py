"""Where lines break: as black lays them out, a trailing comma only where items stand one a line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.codegen.printer import render
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    ClassDef,
    Commented,
    Conditional,
    Expr,
    ExpressionStatement,
    For,
    FString,
    FunctionDef,
    If,
    ImportFrom,
    Index,
    Keyword,
    ListOf,
    Lit,
    Module,
    Parameter,
    Ref,
    Return,
    Slice,
    Statement,
    TupleOf,
    call,
)
from tests.codegen.printing import A, X, ruff


def name(width: int) -> Ref:
    return Ref("a" * width)


# The arguments of each case are names of these widths; `#7` in the text stands for seven letters.
LAYOUTS: list[tuple[Statement, str]] = [
    (Assign(X, call("f", name(40), name(38))), "x = f(#40, #38)"),
    (Assign(X, call("f", name(40), name(41))), "x = f(\n    #40, #41\n)"),
    (Assign(X, call("f", name(40), name(42))), "x = f(\n    #40, #42\n)"),
    (Assign(X, call("f", name(40), name(43))), "x = f(\n    #40,\n    #43,\n)"),
    # One argument has no comma behind it, one parameter has.
    (Assign(X, call("f", name(90))), "x = f(\n    #90\n)"),
    (
        FunctionDef("f", (Parameter("a" * 90),), None, None, (Return(),)),
        "def f(\n    #90,\n):\n    return",
    ),
    (
        FunctionDef("f", (Parameter("a" * 40), Parameter("b" * 40)), None, None, (Return(),)),
        "def f(\n    #40, " + "b" * 40 + "\n):\n    return",
    ),
    (
        Assign(X, call("f", call("g", name(40), name(36)), k=name(40))),
        "x = f(\n    g(#40, #36),\n    k=#40,\n)",
    ),
    (
        Assign(X, call("f", name(40), k=call("g", name(40), name(38)))),
        "x = f(\n    #40,\n    k=g(\n        #40, #38\n    ),\n)",
    ),
    (Assign(X, Index(A, (name(40), name(42)))), "x = a[\n    #40, #42\n]"),
    (ClassDef("A", (name(40), name(42)), "B."), 'class A(\n    #40, #42\n):\n    """B."""'),
    # Lists, tuples and imports go one per line at once.
    (Assign(X, ListOf((name(40), name(42)))), "x = [\n    #40,\n    #42,\n]"),
    (Assign(X, TupleOf((name(40), name(42)))), "x = (\n    #40,\n    #42,\n)"),
    (ImportFrom("a", ("b" * 80,)), "from a import (\n    " + "b" * 80 + ",\n)"),
    # A comment stands behind its own argument.
    (
        Assign(X, call("f", Commented(Lit(1), "one"), Lit(2))),
        "x = f(\n    1,  # one\n    2,\n)",
    ),
    # Brackets are broken from the left, as few as it takes.
    (Assign(X, Call(call("f", name(40), name(38)), (X,))), "x = f(#40, #38)(\n    x\n)"),
    (Assign(X, Call(call("f", name(40), name(42)), (X,))), "x = f(\n    #40, #42\n)(x)"),
    # Names that an assignment unpacks to.
    (
        Assign(TupleOf((name(50), name(40))), call("f", X)),
        "(\n    #50,\n    #40,\n) = f(x)",
    ),
]


# No trailing comma is there to keep a bracket broken that would fit on fewer lines.
NO_MAGIC = ("--config", "format.skip-magic-trailing-comma = true")


def expected(text: str) -> str:
    return re.sub("#([0-9]+)", lambda width: "a" * int(width[1]), text) + "\n"


@pytest.mark.parametrize(("statement", "text"), LAYOUTS)
def test_layouts(tmp_path: Path, statement: Statement, text: str) -> None:
    source = render(Module(body=(statement,)))
    assert source == expected(text)
    (tmp_path / "layout.py").write_text(source, encoding="ascii")
    assert ruff(tmp_path, "format", "--diff") == ""
    assert ruff(tmp_path, "format", "--diff", *NO_MAGIC) == ""


# Statements whose width lies around that of a line.

names = st.sampled_from([letter * width for letter in "ab" for width in (1, 3, 6, 10, 16, 22, 30)])
refs = st.builds(Ref, names)
leaves = refs | st.integers(0, 99999).map(Lit)


def listed(items: st.SearchStrategy[Expr]) -> st.SearchStrategy[tuple[Expr, ...]]:
    return st.lists(items, max_size=4).map(tuple)


def keywords(values: st.SearchStrategy[Expr]) -> st.SearchStrategy[tuple[Keyword, ...]]:
    return st.dictionaries(names, values, max_size=3).map(
        lambda words: tuple(Keyword(word, value) for word, value in words.items())
    )


def calls(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.builds(Call, refs, listed(inner), keywords(inner))


flat = st.one_of(
    leaves,
    calls(leaves),
    st.builds(ListOf, listed(leaves)),
    st.builds(Binary, st.sampled_from(["*", "+", "//"]), leaves, leaves),
    st.builds(FString, st.tuples(refs, st.just("_conv"))),
)
layers = st.builds(Call, calls(flat), st.tuples(flat | st.builds(ListOf, listed(leaves))))
commented = st.builds(Commented, flat, st.sampled_from([None, "64 x 3"]), st.none())
keys = st.lists(leaves | st.builds(Slice, leaves, leaves), min_size=1, max_size=3).map(tuple)
wide = st.one_of(
    flat,
    layers,
    st.builds(Call, refs, listed(layers | commented), keywords(flat)),
    st.builds(Index, refs | layers, keys),
    st.builds(Binary, st.sampled_from(["*", "+", "=="]), flat | layers, flat | layers),
    st.builds(Conditional, flat, layers, flat),
    st.builds(Attribute, layers, names),
)
parameters = st.lists(names, min_size=1, max_size=4, unique=True).map(
    lambda each: tuple(Parameter(name, Ref("int")) for name in each)
)
comments = st.sampled_from([None, None, "64 x 112 x 112"])
targets = st.lists(refs, min_size=2, max_size=4).map(lambda each: TupleOf(tuple(each)))
targets |= st.tuples(refs, targets).map(TupleOf)
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(lambda target, value: For(target, value, (Return(),)), targets, calls(flat)),
    st.builds(Assign, refs, wide, comments),
    st.builds(Assign, st.tuples(refs, refs).map(TupleOf), flat, comments),
    st.builds(Return, wide),
    st.builds(Return, st.tuples(wide, wide).map(TupleOf)),
    st.builds(ExpressionStatement, calls(flat)),
    st.builds(lambda condition: If(condition, (Return(),)), wide),
    st.builds(
        lambda name, listed, returned: FunctionDef(name, listed, returned, None, (Return(),)),
        names,
        parameters,
        st.none() | refs,
    ),
)


def indented(statement: Statement, depth: int) -> Statement:
    for _ in range(depth):
        statement = If(A, (statement,))
    return statement


def test_ruff_leaves_wide_statements_as_they_are(tmp_path: Path) -> None:
    sources: dict[str, None] = {}

    @settings(
        max_examples=400,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.builds(indented, statements, st.integers(0, 3)))
    def collect(statement: Statement) -> None:
        source = render(Module(body=(statement,)))
        ast.parse(source)
        sources[source] = None

    collect()
    broken = [source for source in sources if source.count("\n") > 5]
    assert len(broken) > 100
    for index, source in enumerate(sources):
        (tmp_path / f"m{index}.py").write_text(source, encoding="ascii")
    assert ruff(tmp_path, "format", "--diff") == ""
    assert ruff(tmp_path, "format", "--diff", *NO_MAGIC) == ""
