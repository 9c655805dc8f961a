"""Instances of a block in a row outside an `nn.Sequential`: an `nn.ModuleList`, and a loop over
it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from archc.backends.blocks.dataflow import Uses
from archc.backends.blocks.items import Item, LoweredScope
from archc.backends.blocks.repetition import COUNTED
from archc.backends.blocks.series import FEWEST
from archc.backends.loops import once
from archc.codegen.rewrite import walk
from archc.codegen.tree import (
    Assign,
    Call,
    Expr,
    For,
    Generator,
    Index,
    Lit,
    Ref,
    Return,
    Statement,
    call,
)
from archc.language.names import step_error, variable_name


class Stack(NamedTuple):
    """Instances of a block, each on the result of the one before, with the same other values. They
    are in a list that is called `name`."""

    name: str
    scopes: Sequence[LoweredScope]

    @property
    def module(self) -> Call:
        """The list that holds them."""
        made = self.scopes[0].call
        assert made is not None
        generator = Generator(made, "_", call("range", len(self.scopes)))
        return call("nn.ModuleList", generator)


def stacks_in(
    items: Sequence[Item], uses: Uses, names: Mapping[int | str, str], shared: Container[int | str]
) -> Iterator[Stack]:
    """The stacks among the items of a class, whose steps have `names`; those in `shared` are called
    from elsewhere, too."""
    taken = {*names.values()}
    run: list[LoweredScope] = []
    for item in [*items, None]:
        follows = (
            isinstance(item, LoweredScope)
            and item.call is not None
            and item.condition is None
            and item.turns is None
            and not item.region.origin.computed
            and not item.region.weights
            and item.region.path not in shared
            and len(uses.outputs(item)) == 1
        )
        if follows and run and isinstance(item, LoweredScope) and _goes_on(run[-1], item, uses):
            run.append(item)
            continue
        if len(run) >= FEWEST:
            name = base = list_name([names[scope.region.path] for scope in run])
            count = 1
            while name in taken:
                count += 1
                name = f"{base}{count}"
            if base not in names.values() and step_error(base) is None:
                taken.add(name)
                yield Stack(name, run)
        run = [item] if follows and isinstance(item, LoweredScope) else []


def _goes_on(before: LoweredScope, after: LoweredScope, uses: Uses) -> bool:
    """Whether an instance does to the result of another one, alone, what that has done."""
    result = before.region.output
    inside = {node.index for node in after.region.nodes()}
    return (
        before.call == after.call
        and before.region.origin.step == after.region.origin.step
        and after.region.input == result
        and [*before.region.inputs.values()] == [*after.region.inputs.values()]
        and result not in after.region.inputs.values()
        and inside.issuperset(uses.users[result])
    )


def list_name(names: Sequence[str]) -> str:
    """What the list of some steps is called: by what their names have in common, in the plural."""
    return _plural(_stem(names))


def _stem(names: Sequence[str]) -> str:
    """What names have in common that count on: `block35` of `block351` and `block352`."""
    first = names[0]
    for begin in range(len(first) - 1, 0, -1):
        stem, number = first[:begin], first[begin:]
        if not number.isdecimal():
            break
        counted = [f"{stem}{int(number) + position}" for position in range(len(names))]
        if int(number) and list(names) == counted:
            return stem.rstrip("_")
    return first.rstrip(COUNTED)


def _plural(word: str) -> str:
    if len(word) == 1:
        return word
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def looped(statements: Sequence[Statement], stacks: Sequence[Stack]) -> list[Statement]:
    """The statements of a `forward`, with a loop for the calls of each stack and for three or more
    that are the same."""
    result = list(statements)
    for stack in stacks:
        result = _over_list(result, stack)
    return once(result)


def _over_list(statements: list[Statement], stack: Stack) -> list[Statement]:
    """The statements with the calls of a stack as a loop over its list, where a variable has the
    results of all of them."""
    modules = [
        Index(Ref(f"self.{stack.name}"), (Lit(index),)) for index in range(len(stack.scopes))
    ]
    functions = [_function(one) for one in statements]
    if modules[0] not in functions:
        return statements  # it is written inside another expression
    start = functions.index(modules[0])
    calls = statements[start : start + len(modules)]
    first = calls[0]
    if functions[start : start + len(modules)] != modules or not isinstance(first, Assign):
        return statements
    target, source, others = first.target, *_arguments(first)
    before, after = statements[:start], statements[start + len(modules) :]
    for one in calls[1:]:
        if _arguments(one) != (target, others) or target in others:
            return statements
        if isinstance(one, Assign) and one.target != target:
            return statements
    if target != source:
        before.append(Assign(target, source))
    if isinstance(calls[-1], Return):
        after = [Return(target)]
    every = [node for one in statements for expr in _values(one) for node in walk(expr)]
    variable = Ref(variable_name(stack.name.rstrip(COUNTED).removesuffix("s")))
    if variable in every or not variable.name.isidentifier():
        variable = Ref("module")
    body = Assign(target, Call(variable, (target, *others)))
    return [*before, For(variable, Ref(f"self.{stack.name}"), (body,)), *after]


def _values(statement: Statement) -> Iterator[Expr]:
    if isinstance(statement, Assign):
        yield statement.target
        yield statement.value
    elif isinstance(statement, Return) and statement.value is not None:
        yield statement.value


def _function(statement: Statement) -> Expr | None:
    """What a statement calls, if it is one call."""
    *_, value = [None, *_values(statement)]
    return value.function if isinstance(value, Call) else None


def _arguments(statement: Statement) -> tuple[Expr, tuple[Expr, ...]]:
    """The first argument of a call, and the others."""
    *_, value = _values(statement)
    assert isinstance(value, Call)
    return value.arguments[0], value.arguments[1:]
