"""How the constructors of Keras layers are written: literals, keywords and whole calls."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.lowering import Lowering, Site, Stage
from archc.emit import Call, Expr, Keyword, Lit, Ref, Value

Pairs = Sequence[tuple[int, int]]
"""Elements at the begin and end of each spatial axis."""


def per_axis(values: Sequence[int], field: str | None = None) -> Lit:
    """One number for every spatial axis where they agree, otherwise a tuple."""
    same = len(set(values)) == 1
    return Lit(values[0] if same else tuple(values), field)


def around(pairs: Pairs, field: str | None = None) -> Lit:
    """What the padding and cropping layers of Keras take, as short as it can be written."""
    if all(begin == end for begin, end in pairs):
        return per_axis([begin for begin, _ in pairs], field)
    return Lit(pairs[0] if len(pairs) == 1 else tuple(pairs), field)


def option(name: str, value: Value, default: Value, field: str | None = None) -> Keyword:
    """A keyword argument that is printed where its value is not the framework's default."""
    return Keyword(name, Lit(value, field), Lit(default))


def layer(name: str, *arguments: Expr, keywords: Sequence[Keyword] = ()) -> Call:
    """The call that constructs a layer."""
    return Call(Ref(name), arguments, tuple(keywords))


def around_stage(
    name: str, label: str, pairs: Pairs, field: str | None = None
) -> tuple[Stage, ...]:
    """`layers.ZeroPadding2D` or `layers.Cropping2D` by its name, where there is anything to do."""
    if not any(map(any, pairs)):
        return ()
    return (Stage(layer(f"layers.{name}{len(pairs)}D", around(pairs, field)), label=label),)


def simple(name: str, *arguments: str | Expr, **options: tuple[str, Value]) -> Lowering:
    """The lowering to one layer without weights: its positional arguments are fields of the op or
    constants, and each of `options` maps a keyword to the op's field and the framework's default.
    """

    def lower(site: Site) -> tuple[Stage, ...]:
        made = layer(
            name,
            *(
                Lit(getattr(site.op, argument), argument) if isinstance(argument, str) else argument
                for argument in arguments
            ),
            keywords=[
                option(keyword, getattr(site.op, field), default, field)
                for keyword, (field, default) in options.items()
            ],
        )
        return (Stage(made, label=site.op.name, main=True),)

    return lower
