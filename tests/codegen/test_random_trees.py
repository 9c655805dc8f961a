"""Random trees: what is printed means what the tree says, and ruff leaves it unchanged."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.codegen.docs import lit
from archc.codegen.printer import render
from archc.codegen.tree import (
    BINDING,
    Assign,
    Attribute,
    Binary,
    BlankLine,
    Break,
    Call,
    ClassDef,
    Comment,
    Commented,
    Conditional,
    DictOf,
    Expr,
    ExpressionStatement,
    For,
    FString,
    FunctionDef,
    Generator,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Module,
    Parameter,
    Ref,
    Return,
    Slice,
    Starred,
    Statement,
    TupleOf,
    Unary,
    Value,
    With,
    Yield,
    call,
)
from tests.codegen.printing import HOSTILE, A, X, printed, ruff
from tests.strategies import one_level

names = st.from_regex(r"[a-h]{1,12}_", fullmatch=True)
refs = st.one_of(names, st.tuples(names, names).map(".".join)).map(Ref)
texts = st.one_of(
    st.sampled_from(["same", "relu", *HOSTILE]), st.text(st.characters(codec="utf-8"), max_size=9)
)
constants = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    texts.map(lambda text: text[:12]),
)
values: st.SearchStrategy[Value] = st.one_of(
    constants, st.lists(st.one_of(constants, st.just((1, 2))), max_size=3).map(tuple)
)
notes = st.none() | st.none() | st.sampled_from(["64 x 112 x 112", "features"]) | texts
tuples = st.builds(lambda items: tuple(items), st.lists(names, max_size=3))


@one_level
def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    variables = st.sampled_from(["_", "i", "i, j"])
    generators = st.builds(Generator, inner, variables, inner, st.none() | inner)
    item = st.one_of(
        inner,
        inner,
        st.builds(Starred, st.one_of(inner, generators)),
        st.builds(Commented, inner, notes, notes),
    )
    items = st.lists(item, max_size=4).map(tuple)
    words = st.dictionaries(names, inner, max_size=4).map(
        lambda words: tuple(Keyword(name, value) for name, value in words.items())
    )
    bounds = st.none() | inner
    keys = st.lists(st.one_of(inner, st.builds(Slice, bounds, bounds, bounds)), min_size=1)
    fields = st.lists(st.one_of(texts.map(lambda text: text[:6]), refs), max_size=3)
    return st.one_of(
        st.builds(Call, refs, items, words),
        st.builds(Call, refs, items, words),
        st.builds(Call, st.builds(Call, refs, items, words), st.tuples(refs)),
        st.builds(Call, inner, items, words),
        st.builds(Call, refs, st.tuples(generators)),
        st.builds(Binary, st.sampled_from(sorted(BINDING)), inner, inner),
        st.builds(Unary, st.sampled_from(["-", "not"]), inner),
        st.builds(Conditional, inner, inner, inner),
        st.builds(ListOf, items),
        st.builds(ListOf, st.tuples(generators)),
        st.builds(DictOf, st.lists(st.tuples(st.none() | inner, inner), max_size=3).map(tuple)),
        st.builds(TupleOf, items),
        st.builds(Attribute, inner, names),
        st.builds(Index, inner, keys.map(lambda keys: tuple(keys[:2]))),
        generators,
        st.builds(FString, fields.map(tuple)),
    )


exprs = st.recursive(st.one_of(refs, values.map(Lit)), grown, max_leaves=14)
short = st.one_of(refs, values.map(Lit)).filter(lambda expr: len(printed(expr)) < 25)
contexts = st.builds(Call, refs, st.lists(short, max_size=3).map(tuple))
docstrings = st.none() | texts | st.tuples(texts, texts).map("\n\n  ".join)
targets = st.one_of(refs, st.builds(Attribute, refs, names), st.tuples(refs, refs).map(TupleOf))


def parameters() -> st.SearchStrategy[tuple[Parameter, ...]]:
    kinds = st.builds(Parameter, names, st.none() | refs, short, st.just(value=True))
    plain = st.builds(Parameter, names, st.none() | refs)
    listed = st.tuples(st.lists(plain, max_size=4), st.lists(kinds, max_size=3))
    return listed.map(lambda both: tuple({p.name: p for p in [*both[1], *both[0]]}.values())).map(
        lambda each: tuple(sorted(each, key=lambda each: each.keyword_only))
    )


@one_level
def nested(inner: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    bodies = st.builds(
        lambda body, last: (*body, last), st.lists(inner, max_size=3), st.builds(Return, short)
    )
    functions = st.builds(
        FunctionDef, names, parameters(), st.none() | refs, docstrings, bodies,
        st.lists(refs, max_size=1).map(tuple),
    )  # fmt: skip
    return st.one_of(
        functions,
        functions,
        st.builds(ClassDef, names, st.lists(refs, max_size=3).map(tuple), docstrings, bodies),
        st.builds(If, exprs, bodies, st.one_of(st.just(()), bodies)),
        st.builds(lambda a, b, c, d: If(a, b, (If(c, d),)), refs, bodies, refs, bodies),
        st.builds(For, names.map(Ref), exprs, bodies),
        st.builds(With, contexts, bodies),
    )


simple: st.SearchStrategy[Statement] = st.one_of(
    st.builds(Assign, targets, exprs, notes),
    st.builds(Assign, targets, exprs, notes),
    st.builds(Assign, refs, exprs, notes, refs),
    st.builds(Return, st.none() | exprs, notes),
    st.builds(Return, st.tuples(exprs, exprs).map(TupleOf)),
    st.builds(lambda name, value: ExpressionStatement(call(name, value)), refs, exprs),
    st.builds(Assign, st.tuples(refs, refs).map(TupleOf), st.tuples(exprs, exprs).map(TupleOf)),
    st.builds(Yield, exprs | st.tuples(exprs, exprs).map(TupleOf)),
    st.builds(For, names.map(Ref), refs, st.just((Break(),))),
    st.builds(Comment, texts),
    st.just(BlankLine()),
)
statements = st.recursive(simple, nested, max_leaves=8)
heads = st.lists(texts, max_size=1).map(tuple)
modules = st.builds(
    lambda header, docstring, body: Module(header, docstring, (*body, Assign(X, A))),
    heads,
    docstrings,
    st.lists(statements, min_size=1, max_size=5),
)
quick = settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_ruff_leaves_random_modules_as_they_are(tmp_path: Path) -> None:
    rendered: list[str] = []

    @quick
    @given(modules)
    def collect(module: Module) -> None:
        source = render(module)
        assert source.isascii()
        ast.parse(source)
        rendered.append(source)

    collect()
    assert len(rendered) >= 120
    for index, source in enumerate(rendered):
        (tmp_path / f"m{index}.py").write_text(source, encoding="ascii")
    assert ruff(tmp_path, "format", "--diff") == ""


OPERATORS: dict[str, type[ast.operator | ast.cmpop | ast.boolop]] = {
    "or": ast.Or, "and": ast.And, "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE,
    ">": ast.Gt, ">=": ast.GtE, "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div,
    "//": ast.FloorDiv, "%": ast.Mod, "**": ast.Pow, "|": ast.BitOr,
    "@": ast.MatMult, "in": ast.In, "not in": ast.NotIn, "is": ast.Is, "is not": ast.IsNot,
}  # fmt: skip


def meant(expr: Expr) -> ast.expr:
    """What Python should read in the printed expression."""
    match expr:
        case Lit(value) if isinstance(value, tuple):
            return ast.Tuple([meant(Lit(item)) for item in value], ast.Load())
        case Lit(value) if isinstance(value, int | float) and str(value).startswith("-"):
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
        case Lit(value):
            return ast.Constant(value)  # type: ignore[arg-type]
        case Ref(name):
            first, *rest = name.split(".")
            read: ast.expr = ast.Name(first, ast.Load())
            for part in rest:
                read = ast.Attribute(read, part, ast.Load())
            return read
        case ListOf((Generator() as generator,)):
            comprehension = meant(generator)
            assert isinstance(comprehension, ast.GeneratorExp)
            return ast.ListComp(comprehension.elt, comprehension.generators)
        case DictOf(pairs):
            keys = [None if key is None else meant(key) for key, _ in pairs]
            return ast.Dict(keys, [meant(value) for _, value in pairs])
        case ListOf(items):
            return ast.List([meant(item) for item in items], ast.Load())
        case TupleOf(items):
            return ast.Tuple([meant(item) for item in items], ast.Load())
        case Starred(value):
            return ast.Starred(meant(value), ast.Load())
        case Commented(value):
            return meant(value)
        case Call(function, arguments, keywords):
            words = [ast.keyword(word.name, meant(word.value)) for word in keywords]
            return ast.Call(meant(function), [meant(each) for each in arguments], words)
        case Attribute(value, name):
            return ast.Attribute(meant(value), name, ast.Load())
        case Slice(start, stop, step):
            bounds = [None if part is None else meant(part) for part in (start, stop, step)]
            return ast.Slice(*bounds)
        case Index(value, keys):
            several = ast.Tuple([meant(key) for key in keys], ast.Load())
            key = several if len(keys) > 1 else several.elts[0]
            return ast.Subscript(meant(value), key, ast.Load())
        case Unary(operator, operand):
            return ast.UnaryOp(ast.Not() if operator == "not" else ast.USub(), meant(operand))
        case Binary("and" | "or" as operator, left, right):
            begun = meant(left)
            same = isinstance(left, Binary) and left.operator == operator
            head = begun.values if same and isinstance(begun, ast.BoolOp) else [begun]
            return ast.BoolOp(ast.And() if operator == "and" else ast.Or(), [*head, meant(right)])
        case Binary(operator, left, right):
            node = OPERATORS[operator]()
            if isinstance(node, ast.cmpop):
                return ast.Compare(meant(left), [node], [meant(right)])
            assert isinstance(node, ast.operator)
            return ast.BinOp(meant(left), node, meant(right))
        case Conditional(condition, then, otherwise):
            return ast.IfExp(meant(condition), meant(then), meant(otherwise))
        case Generator(element, variable, iterable, condition):
            several = [ast.Name(name, ast.Store()) for name in variable.split(", ")]
            target = several[0] if len(several) == 1 else ast.Tuple(several, ast.Store())
            conditions = [] if condition is None else [meant(condition)]
            loop = ast.comprehension(target, meant(iterable), conditions, 0)
            return ast.GeneratorExp(meant(element), [loop])
        case FString(parts):
            return joined(parts)


def joined(parts: tuple[str | Expr, ...]) -> ast.expr:
    if all(isinstance(part, str) for part in parts):
        return ast.Constant("".join(part for part in parts if isinstance(part, str)))
    read: list[ast.expr] = []
    for part in parts:
        if not isinstance(part, str):
            read.append(ast.FormattedValue(meant(part), -1))
        elif read and isinstance(read[-1], ast.Constant):
            read[-1] = ast.Constant(f"{read[-1].value!s}{part}")
        elif part:
            read.append(ast.Constant(part))
    return ast.JoinedStr(read)


@quick
@given(exprs)
def test_random_expressions_mean_what_the_tree_says(expr: Expr) -> None:
    (statement,) = ast.parse(render(Module(body=(Assign(X, expr),)))).body
    assert isinstance(statement, ast.Assign)
    assert ast.dump(statement.value) == ast.dump(meant(expr))


@quick
@given(values)
def test_random_literals_are_read_back(value: Value) -> None:
    read = ast.literal_eval(lit(value))
    assert repr(read) == repr(value)
