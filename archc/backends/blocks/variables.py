"""Names of local variables: a chain keeps its variable, what is needed later gets its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

CHAIN = ("x", "out")


class Operation(NamedTuple):
    """One step of a function's body, as far as names go: the values it takes and gives, and what
    those that it gives are called after their names in the spec. `names_result` says that they are
    always called so, `in_place_of` the value whose variable the result takes over. A loop
    takes the values `lasting` in every turn, whatever it has given by then."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    names: tuple[str | None, ...] = (None,)
    is_merge: bool = False
    names_result: bool = False
    in_place_of: int | None = None
    lasting: tuple[int, ...] = ()


def with_named_results(operations: Iterable[Operation], results: Sequence[int]) -> list[Operation]:
    """The steps of a network, of whose several results each is called after its name."""
    several = frozenset(results) if len(results) > 1 else frozenset()
    return [
        one._replace(names_result=one.names_result or not several.isdisjoint(one.outputs))
        for one in operations
    ]


def name_variables(
    operations: Sequence[Operation],
    arguments: Mapping[int, str],
    results: Sequence[int],
    reserved: frozenset[str],
    preferred: Mapping[int, str] = MappingProxyType({}),
) -> dict[int, str]:
    """A variable for each value of a body. `arguments` are those of the function, `results` what
    it returns; `reserved` names are taken by parameters, `preferred` are what some values are best
    called."""
    last = dict.fromkeys(arguments, -1)
    uses: dict[int, list[int]] = {index: [] for index in arguments}
    for position, operation in enumerate(operations):
        for index in operation.inputs:
            last[index] = position
            uses.setdefault(index, []).append(position)
        for index in operation.outputs:
            uses.setdefault(index, [])
            last.setdefault(index, position)
    for index in results:
        last[index] = len(operations)
        uses[index].append(len(operations))
    branches = _branches(operations, uses, preferred)
    branch_names = set(branches.values())
    names = dict(arguments)
    held = {name: index for index, name in arguments.items()}
    for position, operation in enumerate(operations):
        dying = [
            names[index]
            for index in operation.inputs
            if last[index] == position
            and held.get(names[index]) == index
            and index not in operation.lasting
        ]
        for index, own_name in zip(operation.outputs, operation.names, strict=True):
            first = index == operation.outputs[0]
            later = len(uses[index]) > 1 or _waits(uses[index], position, operations)
            best: list[str] = []
            if operation.in_place_of is not None and first:
                best.append(names[operation.in_place_of])
            elif index in preferred or index in branches:
                best.append(preferred.get(index) or branches[index])
            elif own_name is not None and (later or not first or operation.names_result):
                best.append(own_name)
                best += [] if first else [f"{own_name}{count}" for count in range(2, 10)]
            kept = [name for name in dying if name in CHAIN or name in branch_names]
            if operation.is_merge:
                kept = []  # the branches end here
            candidates = [*best, *CHAIN] if best else [*kept, *CHAIN]
            candidates += [own_name] if own_name is not None else []
            name = _first_free(candidates, held, last, position, dying, reserved)
            names[index] = name
            held[name] = index
            dying = [other for other in dying if other != name]
    return names


def _waits(uses: Sequence[int], position: int, operations: Sequence[Operation]) -> bool:
    """Whether a value is taken up later, by a step that goes on from it (a merge joins what is at
    hand)."""
    if not uses or uses[0] == position + 1:
        return False
    return uses[0] == len(operations) or not operations[uses[0]].is_merge


def _first_free(
    candidates: Sequence[str],
    held: Mapping[str, int],
    last: Mapping[int, int],
    position: int,
    dying: Sequence[str],
    reserved: frozenset[str],
) -> str:
    def is_free(name: str) -> bool:
        if name in reserved:
            return False
        return name not in held or name in dying or last[held[name]] < position

    for name in candidates:
        if is_free(name):
            return name
    count = 2
    while not is_free(f"x{count}"):
        count += 1
    return f"x{count}"


def _branches(
    operations: Sequence[Operation],
    uses: Mapping[int, Sequence[int]],
    preferred: Mapping[int, str],
) -> dict[int, str]:
    """The values that belong to the branches of a merge with several longer branches, with what
    the branch is called: by its last step that has a name, or else by a number from 1."""
    maker = {index: position for position, op in enumerate(operations) for index in op.outputs}
    branches: dict[int, str] = {}
    named = {
        index: name
        for operation in operations
        for index, name in zip(operation.outputs, operation.names, strict=True)
    }
    for operation in operations:
        if not operation.is_merge or any(index in preferred for index in operation.inputs):
            continue
        chains = [_chain_to(index, operations, maker, uses) for index in operation.inputs]
        if sum(1 for chain in chains if len(chain) > 0) < 2:
            continue
        if len(chains) == 2 and min(len(chain) for chain in chains) < 2:
            continue  # a residual connection: the shortcut is written where it is added
        for number, chain in enumerate(chains, start=1):
            own = [name for index in chain if (name := named[index])]
            branches.update(dict.fromkeys(chain, _common(own) or f"branch{number}"))
    return branches


def _common(names: Sequence[str]) -> str:
    """What the names of a branch's steps, the last first, have in common: `branch5x5`."""
    if len(names) < 2:
        return "".join(names)
    length = 0
    while all(name[: length + 1] == names[0][: length + 1] for name in names):
        length += 1
        if length == len(names[0]):
            break
    return names[0][:length].rstrip("_") or names[0]


def _chain_to(
    index: int,
    operations: Sequence[Operation],
    maker: Mapping[int, int],
    uses: Mapping[int, Sequence[int]],
) -> list[int]:
    """The values that lead to one value alone, back to where the branch began."""
    chain: list[int] = []
    while index in maker and len(uses[index]) == 1:
        operation = operations[maker[index]]
        if len(operation.outputs) > 1:
            break
        chain.append(index)
        if len(operation.inputs) != 1 or operation.is_merge:
            break
        (index,) = operation.inputs
    return chain
