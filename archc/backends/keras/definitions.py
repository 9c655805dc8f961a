"""The Keras functions of blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.docstrings import block_docstring
from archc.backends.blocks.items import Argument, Definition
from archc.backends.blocks.symbols import annotation
from archc.backends.keras.functions import TENSOR, Body, paths_in
from archc.backends.keras.layout import map_shape
from archc.codegen.tree import (
    Assign,
    Expr,
    FString,
    FunctionDef,
    Index,
    Parameter,
    Ref,
    Return,
    Statement,
    TupleOf,
)


def function_name(definition: Definition) -> str:
    """The function of a block: its class name in lower case, words apart: `mb_conv` of `MBConv`."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", definition.name)
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def block_function(
    definition: Definition, uses: Uses, separator: str, taken: frozenset[str]
) -> FunctionDef:
    """The function of a block: takes a tensor, the block's parameters, and its layers' name. Its
    variables have none of the names `taken`."""

    def name_of(path: str) -> Expr:
        return FString((Ref("name"), separator + path.replace(".", separator)))

    region = definition.region
    reserved = taken.union(["name"], (argument.name for argument in definition.arguments))
    widths = dict(zip(definition.widths_in, region.entering, strict=True))
    body = Body(uses, name_of, paths_in(definition.items), reserved.union(region.inputs), widths)
    results = uses.results(region)
    arguments = {region.input: "x", **{index: name for name, index in region.inputs.items()}}
    statements = body.statements(definition.items, arguments, results)
    variables = [Ref(body.names[index]) for index in results]
    several = len(results) > 1
    tensors: Expr = Index(Ref("tuple"), (Ref(TENSOR),) * len(results)) if several else Ref(TENSOR)
    return FunctionDef(
        definition.name,
        (
            *(Parameter(name, Ref(TENSOR)) for name in arguments.values()),
            *parameters(definition.arguments, Parameter("name", Ref("str"), None, True)),
        ),
        returns=tensors,
        docstring=block_docstring(definition, map_shape),
        body=(
            (*statements, Return(TupleOf(tuple(variables))))
            if several
            else tuple(returning(statements, variables[0]))
        ),
    )


def returning(statements: Sequence[Statement], result: Ref) -> list[Statement]:
    """The statements, and the return of a variable: of the value itself where it is the last."""
    last = statements[-1] if statements else None
    if isinstance(last, Assign) and last.target == result:
        return [*statements[:-1], Return(last.value, last.comment)]
    return [*statements, Return(result)]


def parameters(arguments: Sequence[Argument], *more: Parameter) -> Iterator[Parameter]:
    """The arguments as parameters of a function: flags by keyword alone."""
    own = [
        Parameter(one.name, annotation(one.type), one.default, one.type == "bool")
        for one in arguments
    ]
    yield from (one for one in own if not one.keyword_only)
    yield from (one for one in [*own, *more] if one.keyword_only)
