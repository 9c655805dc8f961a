"""How the constructors of PyTorch's layers are written: literals, keywords and whole calls."""

from __future__ import annotations

from collections.abc import Sequence

from archc.backends.lowering import INCOMING, Lowering, Site, Stage
from archc.emit import Call, Expr, Keyword, Lit, Ref, Value
from archc.ops.axes import Axes


def incoming(x: Axes) -> Lit:
    """The channels or features that come in."""
    return Lit(x.width, INCOMING)


def per_axis(values: Sequence[int], field: str | None = None) -> Lit:
    """One number for every spatial axis where they agree, otherwise a tuple."""
    same = len(set(values)) == 1
    return Lit(values[0] if same else tuple(values), field)


def option(name: str, value: Value, default: Value, field: str | None = None) -> Keyword:
    """A keyword argument that is printed where its value is not the framework's default."""
    return Keyword(name, Lit(value, field), Lit(default))


def layer(name: str, *arguments: Expr, keywords: Sequence[Keyword] = ()) -> Call:
    """The call that constructs a layer."""
    return Call(Ref(name), arguments, tuple(keywords))


def tidy(value: float) -> float:
    """`value` to 12 significant digits: 1 - 0.9 becomes 0.1."""
    return float(f"{value:.12g}")


def simple(name: str, *fields: str, **options: tuple[str, Value]) -> Lowering:
    """The lowering to one layer without weights: its positional arguments are fields of the op,
    and each of `options` maps a keyword to the op's field and the framework's default."""

    def lower(site: Site) -> tuple[Stage, ...]:
        made = layer(
            name,
            *(Lit(getattr(site.op, field), field) for field in fields),
            keywords=[
                option(keyword, getattr(site.op, field), default, field)
                for keyword, (field, default) in options.items()
            ],
        )
        return (Stage(made, label=site.op.name, main=True),)

    return lower
