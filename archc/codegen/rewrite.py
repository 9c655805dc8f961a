"""Walking, rewriting and comparing trees of `archc.codegen.tree`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Call,
    ClassDef,
    Commented,
    Conditional,
    DictOf,
    Expr,
    ExpressionStatement,
    For,
    Formatted,
    FString,
    FunctionDef,
    Generator,
    If,
    Index,
    Keyword,
    ListOf,
    Lit,
    Ref,
    Return,
    Slice,
    Starred,
    Statement,
    TupleOf,
    Unary,
    With,
    Yield,
)


def replaced(expr: Expr, function: Callable[[Expr], Expr]) -> Expr:
    """`expr` with `function` applied to its children, in the order of the source.

    The default of a keyword is no child: it says what is left out, not what is written.
    """
    match expr:
        case ListOf(items):
            return ListOf(tuple(map(function, items)))
        case TupleOf(items):
            return TupleOf(tuple(map(function, items)))
        case DictOf(pairs):
            return DictOf(tuple((key and function(key), function(value)) for key, value in pairs))
        case Call(callee, arguments, keywords):
            return Call(
                function(callee),
                tuple(map(function, arguments)),
                tuple(Keyword(word.name, function(word.value), word.default) for word in keywords),
            )
        case Starred(value, doubly):
            return Starred(function(value), doubly)
        case Commented(value, comment, above):
            return Commented(function(value), comment, above)
        case Attribute(value, name):
            return Attribute(function(value), name)
        case Slice(start, stop, step):
            return Slice(*(part and function(part) for part in (start, stop, step)))
        case Index(value, keys):
            return Index(function(value), tuple(map(function, keys)))
        case Unary(operator, operand):
            return Unary(operator, function(operand))
        case Binary(operator, left, right):
            return Binary(operator, function(left), function(right))
        case Conditional(condition, then, otherwise):
            then = function(then)
            return Conditional(function(condition), then, function(otherwise))
        case Generator(element, variable, iterable, condition):
            element, iterable = function(element), function(iterable)
            return Generator(element, variable, iterable, condition and function(condition))
        case Formatted(value, form):
            return Formatted(function(value), form)
        case FString(parts):
            return FString(tuple(p if isinstance(p, str) else function(p) for p in parts))
        case _:
            return expr


def children(expr: Expr) -> tuple[Expr, ...]:
    """The expressions directly inside `expr`, in the order of the source."""
    nodes: list[Expr] = []

    def collect(child: Expr) -> Expr:
        nodes.append(child)
        return child

    replaced(expr, collect)
    return tuple(nodes)


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and every expression inside it, in the order of the source."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def walk_statements(statements: Iterable[Statement]) -> Iterator[Expr]:
    """Every expression inside some statements."""
    whole: list[Expr] = []

    def collect(expr: Expr) -> Expr:
        whole.append(expr)
        return expr

    for statement in statements:
        rewritten(statement, collect)
    for expr in whole:
        yield from walk(expr)


def rewritten(statement: Statement, function: Callable[[Expr], Expr]) -> Statement:
    """`statement` with `function` applied to each whole expression of it, and of the statements
    inside it."""

    def inside(statements: Iterable[Statement]) -> tuple[Statement, ...]:
        return tuple(rewritten(one, function) for one in statements)

    match statement:
        case Assign(target, value, comment, annotation):
            annotation = annotation and function(annotation)
            return Assign(function(target), function(value), comment, annotation)
        case Return(value, comment):
            return Return(value and function(value), comment)
        case ExpressionStatement(value, comment):
            called = function(value)
            assert isinstance(called, Call)
            return ExpressionStatement(called, comment)
        case If(condition, body, orelse):
            return If(function(condition), inside(body), inside(orelse))
        case For(target, iterable, body):
            return For(function(target), function(iterable), inside(body))
        case With(context, body):
            return With(function(context), inside(body))
        case Yield(value):
            return Yield(function(value))
        case FunctionDef(_, parameters, returns, _, body, decorators):
            return replace(
                statement,
                parameters=tuple(
                    replace(
                        one,
                        annotation=one.annotation and function(one.annotation),
                        default=one.default and function(one.default),
                    )
                    for one in parameters
                ),
                returns=returns and function(returns),
                body=inside(body),
                decorators=tuple(map(function, decorators)),
            )
        case ClassDef(_, bases, _, body, decorators):
            return replace(
                statement,
                bases=tuple(map(function, bases)),
                body=inside(body),
                decorators=tuple(map(function, decorators)),
            )
        case _:
            return statement


def transform(expr: Expr, function: Callable[[Expr], Expr]) -> Expr:
    """`expr` rebuilt bottom-up: `function` sees each node after its children were replaced."""
    return function(replaced(expr, lambda child: transform(child, function)))


def unify(
    trees: Sequence[Expr],
    resolve: Callable[[tuple[Lit, ...]], Expr | None],
    resolve_names: Callable[[tuple[Ref, ...]], Expr | None] = lambda names: None,
) -> Expr | None:
    """One tree for several: what is equal stays, differing literals become what `resolve` gives,
    and differing names what `resolve_names` gives.

    None where the trees differ in structure (an operator, the number of arguments, the
    names of keywords) or `resolve` gives None. A comment that is not the same in all trees is
    dropped, and so is a keyword's default, after which that keyword is printed.
    """
    first = trees[0]
    if isinstance(first, Lit):
        literals = tuple(tree for tree in trees if isinstance(tree, Lit))
        if len(literals) < len(trees):
            return None
        return first if all(tree == first for tree in literals) else resolve(literals)
    if isinstance(first, Ref):
        names = tuple(tree for tree in trees if isinstance(tree, Ref))
        if len(names) < len(trees):
            return None
        return first if all(tree == first for tree in names) else resolve_names(names)
    trees = _alike(trees)
    first, columns = trees[0], [children(tree) for tree in trees]
    if any(len(column) != len(columns[0]) for column in columns):
        return None
    # With the first tree's children substituted, trees of one structure are equal.
    if any(_filled(tree, columns[0]) != first for tree in trees):
        return None
    unified: list[Expr] = []
    for together in zip(*columns, strict=True):
        child = unify(together, resolve, resolve_names)
        if child is None:
            return None
        unified.append(child)
    return _filled(first, unified)


def _filled(expr: Expr, inside: Sequence[Expr]) -> Expr:
    """`expr` with its children replaced by `inside`, as many and in the same order."""
    rest = iter(inside)
    return replaced(expr, lambda _: next(rest))


def _alike(trees: Sequence[Expr]) -> Sequence[Expr]:
    """`trees` less their own comments and keyword defaults, where these are not all the same."""
    items = [tree for tree in trees if isinstance(tree, Commented)]
    if items and len(items) == len(trees):
        comment = items[0].comment if len({item.comment for item in items}) == 1 else None
        above = items[0].above if len({item.above for item in items}) == 1 else None
        return [Commented(item.value, comment, above) for item in items]
    calls = [tree for tree in trees if isinstance(tree, Call)]
    columns = list(zip(*([word.default for word in call.keywords] for call in calls), strict=False))
    shared = [column[0] if len(set(column)) == 1 else None for column in columns]
    if len(calls) < len(trees) or len({len(call.keywords) for call in calls}) > 1:
        return trees
    return [
        Call(
            call.function,
            call.arguments,
            tuple(
                Keyword(word.name, word.value, default)
                for word, default in zip(call.keywords, shared, strict=True)
            ),
        )
        for call in calls
    ]
