"""The tree of Python source that the backends build; the printer turns it into text.

A name enters the tree only after `identifier` or `dotted` accepted it, and text of a spec only as
the value of a `Lit`, a part of an `FString`, a comment or a docstring, all of which are escaped.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeAlias

# What a literal holds: a constant, or a tuple of such values.
Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | EllipsisType | None"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORMAT = re.compile(r"[0-9,.a-z%]+")


def identifier(name: str) -> str:
    """`name` itself. Raises ValueError where it is no ASCII identifier or is a keyword."""
    if _NAME.fullmatch(name) is None or keyword.iskeyword(name):
        raise ValueError(f"not an identifier: {name!a}")
    return name


def dotted(name: str) -> str:
    """`name` itself. Raises ValueError where one of its parts is no identifier."""
    for part in name.split("."):
        identifier(part)
    return name


class _Named:
    """A node whose name must be an identifier."""

    __slots__ = ()
    name: str

    def __post_init__(self) -> None:
        identifier(self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """A literal. `field` names the op's field that it came from and takes no part in equality."""

    value: Value
    field: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lit) and _typed(self.value) == _typed(other.value)

    def __hash__(self) -> int:
        return hash(_typed(self.value))


def _typed(value: Value) -> object:
    """A key under which 1, 1.0 and True, or 0.0 and -0.0, are different literals."""
    if isinstance(value, tuple):
        return tuple(map(_typed, value))
    return (type(value), repr(value) if isinstance(value, float) else value)


@dataclass(frozen=True, slots=True)
class Ref:
    """A dotted identifier: `nn.Conv2d`, `self.conv1`, `x`."""

    name: str

    def __post_init__(self) -> None:
        dotted(self.name)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list display, `[a, b]`."""

    items: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class DictOf:
    """A dictionary display, `{key: value, **other}`: an item without a key is unpacked."""

    items: tuple[tuple[Expr | None, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class TupleOf:
    """A tuple display, `(a, b)`."""

    items: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Keyword(_Named):
    """A keyword argument. It is not printed where its value equals its default."""

    name: str
    value: Expr
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """`function(*arguments, **keywords)`."""

    function: Expr
    arguments: tuple[Expr, ...] = ()
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True)
class Starred:
    """`*value`, as an argument or an item; doubly, `**value`, as an argument."""

    value: Expr
    doubly: bool = False


@dataclass(frozen=True, slots=True)
class Commented:
    """An argument or item with a trailing comment, or a comment on the line above it."""

    value: Expr
    comment: str | None = None
    above: str | None = None


@dataclass(frozen=True, slots=True)
class Attribute(_Named):
    """`value.name`."""

    value: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Slice:
    """`start:stop:step`, as a key of an `Index` only."""

    start: Expr | None = None
    stop: Expr | None = None
    step: Expr | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """`value[keys]`. At least one key."""

    value: Expr
    keys: tuple[Expr, ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("a subscript needs a key")


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand` or `not operand`."""

    operator: str
    operand: Expr

    def __post_init__(self) -> None:
        if self.operator not in ("-", "not"):
            raise ValueError(f"not a unary operator: {self.operator!a}")


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not")
# How tightly each binary operator binds; a higher number binds tighter.
BINDING = {"or": 2, "and": 3} | dict.fromkeys(COMPARISONS, 5)
BINDING |= {"|": 6, "+": 7, "-": 7, "*": 8, "/": 8, "//": 8, "%": 8, "@": 8, "**": 10}


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`, with parentheses where precedence asks for them."""

    operator: str
    left: Expr
    right: Expr

    def __post_init__(self) -> None:
        if self.operator not in BINDING:
            raise ValueError(f"not a binary operator: {self.operator!a}")


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if condition else otherwise`."""

    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Generator:
    """`(element for variable in iterable if condition)`; the only item of a list, a list
    comprehension. Several variables are separated by commas."""

    element: Expr
    variable: str
    iterable: Expr
    condition: Expr | None = None

    def __post_init__(self) -> None:
        for name in self.variable.split(", "):
            identifier(name)


@dataclass(frozen=True, slots=True)
class FString:
    """An f-string. Its expressions must print without quotes, braces and backslashes."""

    parts: tuple[str | Expr, ...]


@dataclass(frozen=True, slots=True)
class Formatted:
    """An expression with a format, `{count:,}`: stands in an f-string alone."""

    value: Expr
    format: str

    def __post_init__(self) -> None:
        if _FORMAT.fullmatch(self.format) is None:
            raise ValueError(f"not a format: {self.format!a}")


Expr: TypeAlias = (
    "Lit | Ref | ListOf | DictOf | TupleOf | Call | Starred | Commented | Attribute | Slice | Index"
    " | Unary | Binary | Conditional | Generator | FString | Formatted"
)


@dataclass(frozen=True, slots=True)
class Assign:
    """`target: annotation = value  # comment`. A `TupleOf` as target prints bare: `a, b = c`."""

    target: Expr
    value: Expr
    comment: str | None = None
    annotation: Expr | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """`return value  # comment`. A `TupleOf` prints bare where it fits: `return a, b`."""

    value: Expr | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ExpressionStatement:
    """A call for its effect."""

    value: Call
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class If:
    """`if condition: body else: orelse`; an `orelse` of one `If` prints as `elif`."""

    condition: Expr
    body: tuple[Statement, ...]
    orelse: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """`for target in iterable: body`."""

    target: Expr
    iterable: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class With:
    """`with context: body`."""

    context: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Yield:
    """`yield value`. A `TupleOf` prints bare where it fits: `yield a, b`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Break:
    """`break`."""


@dataclass(frozen=True, slots=True)
class Parameter(_Named):
    """A parameter of a function; the first keyword-only one is preceded by `*`. The last one may
    take all other keywords: `**name`."""

    name: str
    annotation: Expr | None = None
    default: Expr | None = None
    keyword_only: bool = False
    others: bool = False


@dataclass(frozen=True, slots=True)
class FunctionDef(_Named):
    """A function. It needs a docstring or a body."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: Expr | None = None
    docstring: str | None = None
    body: tuple[Statement, ...] = ()
    decorators: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassDef(_Named):
    """A class. It needs a docstring or a body."""

    name: str
    bases: tuple[Expr, ...] = ()
    docstring: str | None = None
    body: tuple[Statement, ...] = ()
    decorators: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a line of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class BlankLine:
    """An empty line between two statements, where the style asks for none."""


@dataclass(frozen=True, slots=True)
class Import:
    """`import module` or `import module as alias`."""

    module: str
    alias: str | None = None

    def __post_init__(self) -> None:
        dotted(self.module)
        if self.alias is not None:
            identifier(self.alias)


@dataclass(frozen=True, slots=True)
class ImportFrom:
    """`from module import names`."""

    module: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        dotted(self.module)
        if not self.names:
            raise ValueError("nothing is imported")
        for name in self.names:
            identifier(name)


@dataclass(frozen=True, slots=True)
class Raw:
    """A constant class or function shipped with archc, formatted. Never text of a spec."""

    text: str


Statement: TypeAlias = (
    "Assign | Return | Yield | Break | ExpressionStatement | If | For | With | FunctionDef"
    " | ClassDef | Comment | BlankLine | Import | ImportFrom | Raw"
)


@dataclass(frozen=True, slots=True)
class Module:
    """A file: comment lines at its head, its docstring, its statements."""

    header: tuple[str, ...] = ()
    docstring: str | None = None
    body: tuple[Statement, ...] = ()


def expression(value: Expr | Value) -> Expr:
    """`value` as a node: a plain Python value becomes a `Lit`."""
    if value is None or isinstance(value, bool | int | float | str | tuple | EllipsisType):
        return Lit(value)
    return value


def call(function: str | Expr, *arguments: Expr | Value, **keywords: Expr | Value) -> Call:
    """`call("nn.Conv2d", 3, kernel_size=3)`: plain values become `Lit`, the name a `Ref`."""
    return Call(
        Ref(function) if isinstance(function, str) else function,
        tuple(map(expression, arguments)),
        tuple(Keyword(name, expression(value)) for name, value in keywords.items()),
    )
