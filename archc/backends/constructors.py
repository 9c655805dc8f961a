"""How constructors of layers are written on every backend: literals, keywords and whole calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from archc.backends.base import LoweredLayer, Lowering, LoweringContext
from archc.backends.extensions import extension
from archc.codegen.tree import Call, Expr, Keyword, Lit, Ref, Value

LONGEST_PICTURE = 60
"""Pixels of a code on one line of an emitted file."""


def per_axis(values: Sequence[int], field: str | None = None) -> Lit:
    """One number for every spatial axis where they agree, otherwise a tuple."""
    same = len(set(values)) == 1
    return Lit(values[0] if same else tuple(values), field)


def literals(values: Sequence[int], fields: Sequence[str | None]) -> tuple[Lit, ...]:
    """Numbers that each come from a field of the op, or from none."""
    return tuple(Lit(value, field) for value, field in zip(values, fields, strict=True))


def option(name: str, value: Value, default: Value, field: str | None = None) -> Keyword:
    """A keyword argument that is printed where its value is not the framework's default."""
    return Keyword(name, Lit(value, field), Lit(default))


def layer(name: str, *arguments: Expr, keywords: Sequence[Keyword] = ()) -> Call:
    """The call that constructs a layer."""
    return Call(Ref(name), arguments, tuple(keywords))


def simple(name: str, *arguments: str | Expr, **options: tuple[str, Value]) -> Lowering:
    """The lowering to one layer without weights: its positional arguments are fields of the op or
    constants, and each of `options` maps a keyword to the op's field and the framework's default.
    """

    def lower(context: LoweringContext) -> tuple[LoweredLayer, ...]:
        constructor = layer(
            name,
            *(
                Lit(getattr(context.op, argument), argument)
                if isinstance(argument, str)
                else argument
                for argument in arguments
            ),
            keywords=[
                option(keyword, getattr(context.op, field), default, field)
                for keyword, (field, default) in options.items()
            ],
        )
        return (LoweredLayer(constructor, label=context.op.name, main=True),)

    return lower


def codes_literal(codes: tuple[tuple[float, ...], ...]) -> Lit:
    """The codes of radial basis units. Codes of +1 and -1 are written as pictures of `#` and `.`,
    in lines of one length where that divides."""
    if any(abs(value) != 1 for code in codes for value in code):
        return Lit(codes)
    width = len(codes[0])
    length = -(-width // -(-width // LONGEST_PICTURE))
    pictures = ["".join("#" if value > 0 else "." for value in code) for code in codes]
    return Lit(
        tuple(
            picture[start : start + length]
            for picture in pictures
            for start in range(0, width, length)
        )
    )


HelperSource = Callable[[str], tuple[tuple[str, ...], str]]
"""From a helper's name to its import statements and its text."""


def helpers_beside(backend: str, module: str, files: Mapping[str, str]) -> HelperSource:
    """Reads the helpers of a backend: `files` in the folder `helpers` beside the module's file, and
    those of packages from outside."""
    folder = os.path.join(os.path.dirname(module), "helpers")

    def helper_source(name: str) -> tuple[tuple[str, ...], str]:
        own = files.get(name)
        path = extension(backend).helpers[name] if own is None else os.path.join(folder, own)
        with open(path, encoding="utf-8") as stream:
            imports, text = stream.read().split("\n\n\n", 1)
        return tuple(line for line in imports.splitlines() if line), text.rstrip("\n")

    return helper_source


def helper_names(backend: str, own: Iterable[str]) -> tuple[str, ...]:
    """The names of a backend's own helpers, then of those of packages from outside."""
    return (*own, *extension(backend).helpers)
