"""A program specialized to a recipe: its tree without what the recipe's constants rule out.

A program is some modules of archc, typed and tested as any other, with the constants of a recipe
in the first. Their source is turned into a tree of `archc.codegen`; conditions that the constants
decide are decided, loops over constant tuples written out, and what nobody uses then is left out.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from archc.backends.module import names_in
from archc.codegen.printer import imports
from archc.codegen.rewrite import transform
from archc.codegen.tree import (
    Assign,
    Attribute,
    Binary,
    Break,
    Call,
    ClassDef,
    Comment,
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
    Import,
    ImportFrom,
    Index,
    Keyword,
    ListOf,
    Lit,
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
)

OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitOr: "|",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.And: "and",
    ast.Or: "or",
}
OWN = "archc."
"""What the modules begin with that a script does not import."""


class Specialized(NamedTuple):
    """The body of a script: the import statements, and the statements below them."""

    imports: tuple[Statement, ...]
    body: tuple[Statement, ...]


def specialize(
    sources: Sequence[str],
    constants: Mapping[str, Value],
    expressions: Mapping[str, Expr],
    names: Mapping[str, str],
    absent: Collection[str] = (),
) -> Specialized:
    """The body of a program, of one module after another, under the values of its constants.
    `expressions` take the place of the calls of functions, by their names, with the arguments in
    place of parameters; `names` that of names. Functions have no parameters, and calls no
    arguments, that are called like one of `absent`."""
    statements: list[Statement] = []
    known: dict[str, Import | ImportFrom] = {}
    for source in sources:
        specializer = _Specializer(source, constants, names, expressions, absent)
        for node in ast.parse(source).body[1:]:
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= _imported(node)
            else:
                statements += specializer.statement(node)
    body = _reached(statements, constants)
    used = names_in(body)
    return Specialized(imports(*(known[name] for name in known if name in used)), tuple(body))


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import | ImportFrom]]:
    """The names that a statement binds, each with a statement of its own."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (
                alias.asname or alias.name.partition(".")[0],
                Import(alias.name, alias.asname),
            )
    elif not (node.module or "").startswith(OWN):
        for alias in node.names:
            yield alias.name, ImportFrom(node.module or "", (alias.name,))


def defined_name(statement: Statement) -> str | None:
    """The name that a statement defines."""
    match statement:
        case FunctionDef(name) | ClassDef(name):
            return name
        case Assign(Ref(name)):
            return name
    return None


def _reached(statements: Sequence[Statement], constants: Mapping[str, Value]) -> list[Statement]:
    """The statements that the last one comes to, in their order."""
    by_name = {name: one for one in statements if (name := defined_name(one)) is not None}
    reached: set[str] = set()
    waiting = sorted(names_in(statements[-1:]))
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in reached:
            reached.add(name)
            waiting += sorted(names_in([by_name[name]]))
    return [one for one in statements if defined_name(one) is None or defined_name(one) in reached]


class _Unknown:
    """The value of an expression that the constants do not decide."""


UNKNOWN = _Unknown()


class _Specializer:
    """Turns the nodes of a program into trees."""

    def __init__(
        self,
        source: str,
        constants: Mapping[str, Value],
        names: Mapping[str, str],
        expressions: Mapping[str, Expr],
        absent: Collection[str],
    ) -> None:
        self.constants = dict(constants)
        self.names = names
        self.expressions = expressions
        self.absent = absent
        self.parameters = {
            node.name: [one.arg for one in node.args.args]
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and node.name in expressions
        }
        self.above: dict[int, str] = {}
        self.behind: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                whole = not token.line[: token.start[1]].strip()
                place = self.above if whole else self.behind
                place[token.start[0]] = token.string.lstrip("# ")

    def block(self, nodes: Iterable[ast.stmt]) -> tuple[Statement, ...]:
        """The statements of a body, with the comments above them."""
        statements: list[Statement] = []
        for node in nodes:
            statements += self.statement(node)
            if statements and isinstance(statements[-1], Return):
                break  # what follows was for other recipes
        return tuple(statements)

    def statement(self, node: ast.stmt) -> Iterator[Statement]:
        """What becomes of a statement: nothing, it, or several."""
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        comments = []
        line = first - 1
        while line in self.above:
            comments.append(Comment(self.above[line]))
            line -= 1
        specialized = tuple(self._statement(node))
        if specialized:
            yield from reversed(comments)
        yield from specialized

    def _statement(self, node: ast.stmt) -> Iterator[Statement]:
        comment = self.behind.get(node.end_lineno or 0)
        match node:
            case ast.If(test, body, orelse):
                value = self.value(test)
                if isinstance(value, _Unknown):
                    yield If(self.expr(test), self.block(body), self.block(orelse))
                else:
                    yield from self.block(body if value else orelse)
            case ast.For(ast.Name(name), iterable, body, []):
                items = self.value(iterable)
                if not isinstance(items, tuple):
                    yield For(Ref(name), self.expr(iterable), self.block(body))
                    return
                for item in items:
                    self.constants[name] = item
                    yield from self.block(body)
                    del self.constants[name]
            case ast.For(target, iterable, body, []):
                yield For(self.expr(target), self.expr(iterable), self.block(body))
            case ast.With([ast.withitem(context, None)], body):
                yield With(self.expr(context), self.block(body))
            case ast.Assign([target], value):
                yield Assign(self.expr(target), self.expr(value), comment)
            case ast.AnnAssign(ast.Name(name), _, value) if value and name in self.constants:
                yield Assign(Ref(name), Lit(self.constants[name]), comment)
            case ast.AnnAssign(target, annotation, value) if value is not None:
                yield Assign(self.expr(target), self.expr(value), comment, self.expr(annotation))
            case ast.Return(value):
                yield Return(None if value is None else self.expr(value), comment)
            case ast.Break():
                yield Break()
            case ast.Expr(ast.Yield(value)) if value is not None:
                yield Yield(self.expr(value))
            case ast.Expr(ast.Call() as value):
                call = self.expr(value)
                assert isinstance(call, Call)
                yield ExpressionStatement(call, comment)
            case ast.FunctionDef(name):
                if name not in self.expressions:
                    yield self.function(node)
            case ast.Import([ast.alias(name, asname)]):  # of what is not always there
                yield Import(name, asname)
            case ast.ClassDef(name, bases, [], body, decorators):
                yield ClassDef(
                    name,
                    tuple(self.expr(base) for base in bases),
                    ast.get_docstring(node),
                    self.block(body[ast.get_docstring(node) is not None :]),
                    tuple(map(self.expr, decorators)),
                )
            case _:
                raise ValueError(f"line {node.lineno}: no statement of scripts")

    def function(self, node: ast.FunctionDef) -> FunctionDef:
        """A function without what the constants rule out."""
        arguments = node.args
        if arguments.defaults or arguments.vararg or arguments.kwarg:
            raise ValueError(f"line {node.lineno}: no statement of scripts: it has a default")
        docstring = ast.get_docstring(node)
        kept = [one for one in arguments.args if one.arg not in self.absent]
        parameters = [self.parameter(one) for one in kept]
        parameters += [
            replace(
                self.parameter(one),
                keyword_only=True,
                default=None if default is None else self.expr(default),
            )
            for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ]
        return FunctionDef(
            node.name,
            tuple(parameters),
            None if node.returns is None else self.expr(node.returns),
            docstring,
            self.block(node.body[docstring is not None :]),
            tuple(map(self.expr, node.decorator_list)),
        )

    def parameter(self, node: ast.arg) -> Parameter:
        """A parameter; those that are given by keyword alone may have a default."""
        return Parameter(node.arg, None if node.annotation is None else self.expr(node.annotation))

    def value(self, node: ast.expr) -> object:
        """The value of an expression, or `UNKNOWN`."""
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self.constants.get(name, UNKNOWN)
            case ast.Tuple(items):
                values = [self.value(item) for item in items]
                return UNKNOWN if UNKNOWN in values else tuple(values)
            case ast.Call(ast.Name("len"), [argument]):
                known = self.value(argument)
                return len(known) if isinstance(known, tuple) else UNKNOWN
            case ast.Subscript(argument, ast.Constant(int(index))):
                known = self.value(argument)
                return known[index] if isinstance(known, tuple) else UNKNOWN
            case ast.UnaryOp(ast.Not(), operand):
                truth = self.value(operand)
                return UNKNOWN if truth is UNKNOWN else not truth
            case ast.BoolOp(operator, operands):
                values = [self.value(operand) for operand in operands]
                decides = isinstance(operator, ast.Or)
                if any(one is not UNKNOWN and bool(one) == decides for one in values):
                    return decides
                return UNKNOWN if UNKNOWN in values else not decides
            case ast.Compare(left, [operator], [right]):
                one, other = self.value(left), self.value(right)
                if one is UNKNOWN or other is UNKNOWN:
                    return UNKNOWN
                return _compared(operator, one, other)
        return UNKNOWN

    def expr(self, node: ast.expr) -> Expr:
        """The tree of an expression."""
        match node:
            case ast.Constant(constant):
                return Lit(cast("Value", constant))
            case ast.Name(name):
                if name in self.constants and name.islower():
                    return Lit(self.constants[name])  # the variable of a loop that is written out
                return Ref(self.names.get(name, name))
            case ast.Attribute(value, name):
                inner = self.expr(value)
                return (
                    Ref(f"{inner.name}.{name}")
                    if isinstance(inner, Ref)
                    else Attribute(inner, name)
                )
            case ast.Call(ast.Name(name), arguments) if name in self.expressions:
                return self.result(name, arguments)
            case ast.Call(function, arguments, keywords):
                kept = [one for one in arguments if not self.is_absent(one)]
                return Call(
                    self.expr(function),
                    tuple(map(self.expr, kept)),
                    tuple(Keyword(one.arg or "", self.expr(one.value)) for one in keywords),
                )
            case ast.Subscript(value, key):
                keys = key.elts if isinstance(key, ast.Tuple) else [key]
                return Index(self.expr(value), tuple(map(self.expr, keys)))
            case ast.Slice(lower, upper, step):
                bounds = (None if one is None else self.expr(one) for one in (lower, upper, step))
                return Slice(*bounds)
            case ast.UnaryOp(ast.Not() | ast.USub() as operator, operand):
                return Unary("not" if isinstance(operator, ast.Not) else "-", self.expr(operand))
            case ast.BinOp(left, operator, right):
                return Binary(OPERATORS[type(operator)], self.expr(left), self.expr(right))
            case ast.Compare(left, [operator], [right]):
                return Binary(OPERATORS[type(operator)], self.expr(left), self.expr(right))
            case ast.BoolOp(operator, operands):
                decides = isinstance(operator, ast.Or)
                values = [self.value(one) for one in operands]
                kept = [
                    one
                    for one, value in zip(operands, values, strict=True)
                    if isinstance(value, _Unknown) or bool(value) == decides
                ]
                first, *rest = map(self.expr, kept)
                for one in rest:
                    first = Binary(OPERATORS[type(operator)], first, one)
                return first
            case ast.IfExp(test, body, orelse):
                truth = self.value(test)
                if isinstance(truth, _Unknown):
                    return Conditional(self.expr(test), self.expr(body), self.expr(orelse))
                return self.expr(body if truth else orelse)
            case ast.ListComp(element, [comprehension]):
                return ListOf((self.generator(element, comprehension),))
            case ast.GeneratorExp(element, [comprehension]):
                return self.generator(element, comprehension)
            case ast.List(items):
                return ListOf(tuple(map(self.expr, items)))
            case ast.Tuple(items):
                return TupleOf(tuple(map(self.expr, items)))
            case ast.Dict(keys, values):
                pairs = zip(keys, values, strict=True)
                return DictOf(
                    tuple((None if k is None else self.expr(k), self.expr(v)) for k, v in pairs)
                )
            case ast.Starred(value):
                return Starred(self.expr(value))
            case ast.JoinedStr(parts):
                return FString(tuple(map(self.part, parts)))
        raise ValueError(f"line {node.lineno}: no expression of scripts")

    def result(self, name: str, arguments: Sequence[ast.expr]) -> Expr:
        """What a function that is left out would return."""
        parameters = self.parameters.get(name, [])
        given = dict(zip(parameters, map(self.expr, arguments), strict=False))
        return transform(self.expressions[name], lambda one: _substituted(one, given))

    def is_absent(self, argument: ast.expr) -> bool:
        """Whether an argument is for a parameter that is left out."""
        return isinstance(argument, ast.Name) and argument.id in self.absent

    def generator(self, element: ast.expr, comprehension: ast.comprehension) -> Generator:
        """A comprehension over one iterable, with at most one condition."""
        if len(comprehension.ifs) > 1:
            raise ValueError(f"line {element.lineno}: no expression of scripts: several conditions")
        return Generator(
            self.expr(element),
            ast.unparse(comprehension.target).strip("()"),
            self.expr(comprehension.iter),
            self.expr(comprehension.ifs[0]) if comprehension.ifs else None,
        )

    def part(self, node: ast.expr) -> str | Expr:
        """A part of an f-string."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        assert isinstance(node, ast.FormattedValue)
        value = self.expr(node.value)
        if node.format_spec is None:
            return value
        assert isinstance(node.format_spec, ast.JoinedStr)
        return Formatted(value, "".join(str(self.part(one)) for one in node.format_spec.values))


def _substituted(expr: Expr, given: Mapping[str, Expr]) -> Expr:
    """The argument that a parameter stands for; any other expression as it is."""
    return given.get(expr.name, expr) if isinstance(expr, Ref) else expr


def _compared(operator: ast.cmpop, one: object, other: object) -> bool:
    match operator:
        case ast.Eq() | ast.Is():
            return one == other
        case ast.NotEq() | ast.IsNot():
            return one != other
        case ast.In() if isinstance(other, tuple):
            return one in other
        case ast.NotIn() if isinstance(other, tuple):
            return one not in other
    raise ValueError(f"no comparison of constants: {type(operator).__name__}")
