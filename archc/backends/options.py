"""The options that the layers of an emitted class are given: what is the same in all of them, which
the class says once, and what is left as parameters of its constructor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archc.codegen.rewrite import transform, walk_statements
from archc.codegen.tree import (
    Binary,
    Call,
    Conditional,
    Expr,
    Keyword,
    Lit,
    Parameter,
    Ref,
    Statement,
    Value,
)


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword of a class by its type (`bool`, `int` or `float`) and the value that it has where
    it is left out. One that is None then has the value of the flag that it follows."""

    type: str
    default: Value
    follows: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """`fixed` are the values that all layers of a class share, `parameters` the keywords that its
    constructor takes, both by name."""

    fixed: Mapping[str, Value]
    parameters: Mapping[str, Parameter]

    def __contains__(self, name: str) -> bool:
        """Whether a layer has an option: a number that is not left out, or a flag that is, or may
        be, true."""
        return name in self.parameters or self.fixed[name] is True

    def may_be_none(self, name: str) -> bool:
        """Whether a number is left out by some layers."""
        return name in self.parameters and self.parameters[name].default == Lit(None)

    def flag(self, name: str, variable: str | None = None) -> Expr:
        """The value of a flag: a literal, or the variable that has it."""
        return Lit(self.fixed[name]) if name in self.fixed else Ref(variable or name)

    def call(self, function: Ref, call: Call) -> Call:
        """A call of the class under its name, with the keywords that are left."""
        words = (self._word(word) for word in call.keywords if word.name not in self.fixed)
        return Call(function, call.arguments, tuple(words))

    def _word(self, word: Keyword) -> Keyword:
        """A keyword that is not printed where the parameter has a default that says the same."""
        parameter = self.parameters.get(word.name)
        if parameter is None:
            return word
        default = parameter.default
        value = word.value if default is None or word.value != Lit(None) else default
        return Keyword(word.name, value, default)


def options_of(calls: Iterable[Call], declared: Mapping[str, Option]) -> Options:
    """The options of a class whose layers are constructed by some calls."""
    values: dict[str, list[Expr]] = {name: [] for name in declared}
    for call in calls:
        words = {word.name: word.value for word in call.keywords}
        for name, option in declared.items():
            values[name].append(words.get(name, Lit(option.default)))
    fixed: dict[str, Value] = {}
    for name, option in declared.items():
        if not _is_alike(values[name]) and option.follows is not None:
            values[name] = _following(values[name], values[option.follows])
        first = values[name][0]
        is_built_in = option.type == "bool" or first == Lit(option.default)
        if isinstance(first, Lit) and is_built_in and _is_alike(values[name]):
            fixed[name] = first.value
    varying = {name: option for name, option in declared.items() if name not in fixed}
    for name, option in varying.items():
        # The constructor asks what a variable is: the flag that it follows has to be there.
        if option.follows in fixed and any(map(_is_variable, values[name])):
            del fixed[option.follows]
    parameters = {}
    for name, option in declared.items():
        if name not in fixed:
            default = fixed.get(option.follows or "", option.default)
            parameters[name] = _parameter(name, option.type, default, values[name])
    return Options(fixed, parameters)


def _is_alike(values: Sequence[Expr]) -> bool:
    return all(one == values[0] for one in values)


def _following(values: Sequence[Expr], followed: Sequence[Expr]) -> list[Expr]:
    """Flags where the same flag of all layers says what those do that follow it; else None for one
    that says what the flag of its own layer does."""
    if _is_alike(followed) and isinstance(followed[0], Lit):
        return [followed[0] if one == Lit(None) else one for one in values]
    return [
        Lit(None) if one == flag and isinstance(one, Lit) else one
        for one, flag in zip(values, followed, strict=True)
    ]


def _is_variable(value: Expr) -> bool:
    """Whether a value may turn out to be None."""
    return isinstance(value, Ref | Conditional)


def _parameter(name: str, type_name: str, default: Value, values: Iterable[Expr]) -> Parameter:
    """A parameter, with the default that some layers leave it at."""
    left_out = any(
        value in (Lit(None), Lit(default)) or (default is None and _is_variable(value))
        for value in values
    )
    annotation: Expr = Ref(type_name)
    if left_out and default is None:
        annotation = Binary("|", annotation, Lit(None))
    return Parameter(name, annotation, Lit(default) if left_out else None, keyword_only=True)


def calls_in(statements: Iterable[Statement], names: Iterable[str]) -> list[Call]:
    """The calls of some functions in statements."""
    functions = {Ref(name) for name in names}
    return [
        expr
        for expr in walk_statements(statements)
        if isinstance(expr, Call) and expr.function in functions
    ]


def renamed_calls(expr: Expr, names: Iterable[str], name: str, options: Options) -> Expr:
    """An expression whose calls of some classes are calls of one, with the keywords that it has."""
    functions = {Ref(one) for one in names}

    def renamed(each: Expr) -> Expr:
        if isinstance(each, Call) and each.function in functions:
            return options.call(Ref(name), each)
        return each

    return transform(expr, renamed)
