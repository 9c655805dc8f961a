"""One tree for those of all instances: its literals turned into the symbols that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from archc.backends.base import INCOMING, width_position
from archc.backends.blocks.context import MismatchError, UnifyContext
from archc.backends.blocks.symbols import concrete, folded, ratio, same, translate
from archc.codegen.rewrite import transform, unify, walk
from archc.codegen.tree import Binary, Call, Expr, Keyword, Lit, Ref, TupleOf
from archc.ir.graph import Node
from archc.language import expressions as spec

WidthOf: TypeAlias = "Callable[[UnifyContext, int, str], list[Expr]]"
"""What an axis of a value may be."""


class Owner(NamedTuple):
    """What trees belong to: the node or block instance by the value that it gives, what it takes,
    the expressions that the spec writes for its fields, and the instances that have it.
    `takes_classes` says whether a class of layers may be handed in, `defaults` are those of what is
    called."""

    key: int
    sources: Sequence[int]
    written: Mapping[str, spec.Expression]
    present: Sequence[int]
    takes_classes: bool
    defaults: Mapping[str, Expr | None] = MappingProxyType({})


def translations(
    context: UnifyContext, written: spec.Expression, source: int, width: WidthOf
) -> Iterator[Expr]:
    """What a spec's expression may be as source, where the value `source` comes in."""
    symbols: list[Expr | None] = [*context.symbols_of(source)]
    for symbol in symbols or [None]:

        def axis(of: spec.Incoming | spec.Entry, symbol: Expr | None = symbol) -> Expr | None:
            if isinstance(of, spec.Entry):
                # An input that only its axes are asked of is none in emitted source.
                entry = context.entries.get(of.name)
                return None if entry is None else next(iter(width(context, entry, of.axis)), None)
            return symbol if width(context, source, of.axis) else None

        expr = translate(written, context.names, axis)
        if expr is not None:
            yield expr


def unified(
    context: UnifyContext, owner: Owner, trees: Sequence[Expr | None], width: WidthOf
) -> Expr | None:
    """One tree for those of all instances that have it. Raises MismatchError."""
    whole = [tree for tree in trees if tree is not None]
    if not whole:
        return None
    if len(whole) < len(trees):
        raise MismatchError

    def symbol(literals: Sequence[Lit]) -> Expr | None:
        name = _field(literals)
        values = [literal.value for literal in literals]
        sources: Iterable[Expr] = ()
        position = width_position(name)
        if position is not None:
            sources = context.symbols_of(owner.sources[position])
        elif name is not None and name in owner.written:
            sources = translations(context, owner.written[name], owner.sources[0], width)
        for source in sources:
            if isinstance(source, Lit) or not same(context.evaluate(source, owner.present), values):
                continue
            if name is not None:
                context.filled[owner.key, name] = source
            return source
        return None

    def resolve(literals: tuple[Lit, ...]) -> Expr | None:
        return symbol(literals) or _search(context, owner, literals)

    def resolve_names(names: tuple[Ref, ...]) -> Expr | None:
        return _handed_in(context, owner, names)

    def parametric(expr: Expr) -> Expr:
        if isinstance(expr, Lit) and expr.field is not None:
            return symbol([expr] * len(owner.present)) or expr
        if isinstance(expr, Binary):
            return folded(expr)
        if isinstance(expr, Call):
            words = [
                Keyword(word.name, word.value, word.default and parametric(word.default))
                for word in expr.keywords
            ]
            return Call(expr.function, expr.arguments, tuple(words))
        return expr

    joined = unify(whole, resolve, resolve_names)
    if joined is None:
        raise MismatchError
    joined = transform(joined, parametric)
    # The proof that the definition with an instance's values is that instance.
    for index, tree in zip(owner.present, whole, strict=True):
        if concrete(joined, context.values(index)) != concrete(tree, {}):
            raise MismatchError
    return joined


def unified_call(
    context: UnifyContext, owner: Owner, trees: Sequence[Call | None], width: WidthOf
) -> Call | None:
    """As `unified`, of calls."""
    joined = unified(context, owner, trees, width)
    assert joined is None or isinstance(joined, Call)
    return joined


def require_honoured(context: UnifyContext, node: Node, trees: Sequence[Expr | None]) -> None:
    """Raises MismatchError where sizes in the trees of a block stand as numbers that the spec
    computes from the block's parameters: with other arguments they would be wrong."""
    if context.regions[0].kind != "block":
        return
    fields = {
        field
        for field, written in node.expressions.items()
        if any(Ref(name) in context.columns for name in spec.names(written))
    }
    if not fields:
        return
    parts = [part for tree in trees if tree is not None for part in walk(tree)]
    for size in (item for part in parts if isinstance(part, TupleOf) for item in part.items):
        if isinstance(size, Lit) and (size.field is None or size.field in fields):
            raise MismatchError


def _field(literals: Sequence[Lit]) -> str | None:
    return next((one.field for one in literals if one.field is not None), None)


def _search(context: UnifyContext, owner: Owner, literals: Sequence[Lit]) -> Expr:
    """A symbol for literals that differ and have no expression of their own: what has the same
    values, or a parameter of their own."""
    values: list[object] = [literal.value for literal in literals]
    name = _field(literals)
    if width_position(name) is not None:
        name = INCOMING
    if name is None or name == INCOMING or name not in owner.written:
        for symbol in [*context.columns, *context.filled.values()]:
            column = context.evaluate(symbol, owner.present)
            if same(column, values):
                return symbol
            part = ratio(values, column, symbol) if symbol == context.incoming else None
            if part is not None:
                return part
    if name is None or name == INCOMING or (None in values and name != "activation"):
        raise MismatchError
    for symbol in map(Ref, context.fresh):
        if same(context.evaluate(symbol, owner.present), values):
            return symbol
    if any(isinstance(value, str) for value in values) and name != "activation":
        raise MismatchError  # a framework's word for what is a number in the spec
    fresh = context.add_fresh(
        name, _column(context, owner, values), _default(context, owner, name, values)
    )
    context.filled[owner.key, name] = fresh
    return fresh


def _handed_in(context: UnifyContext, owner: Owner, names: Sequence[Ref]) -> Expr | None:
    """A parameter for the classes of layers that instances have handed in."""
    if not owner.takes_classes:
        return None
    values: list[object] = list(names)
    for symbol, column in context.columns.items():
        if [column[index] for index in owner.present] == values:
            return symbol
    default = _default(context, owner, "activation", values)
    return context.add_fresh("activation", _column(context, owner, values), default)


def _column(context: UnifyContext, owner: Owner, values: Sequence[object]) -> list[object]:
    """The values of a parameter in all instances: zero, or the like, where it is not used."""
    first = values[0]
    unused = type(first)() if isinstance(first, bool | int | float | str) else first
    own = dict(zip(owner.present, values, strict=True))
    return [own.get(index, unused) for index in range(len(context.regions))]


def _default(
    context: UnifyContext, owner: Owner, field: str, values: Sequence[object]
) -> Expr | None:
    """The default of a parameter that stands for a param of the spec with a default; else its value
    where it is not used."""
    if (default := owner.defaults.get(field)) is not None:
        return default
    written = owner.written.get(field)
    for index, value in zip(owner.present, values, strict=True):
        region = context.regions[index]
        name = written.name if isinstance(written, spec.Name) else ""
        if name in region.defaults and region.arguments.get(name) == region.defaults[name]:
            return _constant(value)
    if len(owner.present) < len(context.regions):
        return _constant(type(values[0])() if isinstance(values[0], int | float | str) else None)
    return None


def _constant(value: object) -> Expr | None:
    if isinstance(value, Ref):
        return value
    return Lit(value) if value is None or isinstance(value, bool | int | float | str) else None
