"""`python -m tests.differential.shrink SEED` (or a file): the smallest spec found that still fails
as that one does, which becomes a regression spec."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml

from archc.diagnostics import SpecError
from archc.verify import Workers
from tests.differential.generator import spec_text
from tests.differential.runs import quick_workers, run_text


def shrunk(text: str, fails: Callable[[str], bool]) -> str:
    """A spec out of which nothing more can be taken so that it still fails."""
    document = yaml.safe_load(text)
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(document):
            if fails(_written(candidate)):
                document, smaller = candidate, True
                break
    return _written(document)


def _written(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)


def _smaller(document: Any) -> Iterator[Any]:
    """The document with one part less each, large parts first."""
    places = sorted(_places(document, ()), key=lambda place: -len(str(_at(document, place))))
    for place in places:
        *above, key = place
        part = _at(document, place)
        without = deepcopy(document)
        del _at(without, above)[key]
        yield without
        # A section, a repetition or a merge gives way to what stands in it.
        for body in _bodies(part):
            unfolded = deepcopy(document)
            if isinstance(key, int):
                _at(unfolded, above)[key : key + 1] = deepcopy(body)
                yield unfolded
        if type(part) is int and part > 1:
            less = deepcopy(document)
            _at(less, above)[key] = part - 1 if part < 4 else part // 2
            yield less


def _bodies(part: Any) -> Iterator[list[Any]]:
    if isinstance(part, dict):
        for value in part.values():
            if (
                isinstance(value, list)
                and value
                and all(isinstance(one, dict | str) for one in value)
            ):
                yield value
            elif isinstance(value, list):
                yield from (one for one in value if isinstance(one, list) and one)


def _places(part: Any, above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    entries = enumerate(part) if isinstance(part, list) else part.items()
    for key, value in list(entries):
        yield (*above, key)
        if isinstance(value, list | dict):
            yield from _places(value, (*above, key))


def _at(document: Any, place: Any) -> Any:
    for key in place:
        document = document[key]
    return document


def _failure(text: str, workers: Workers) -> tuple[str, str] | None:
    """The op that diverges first and in what, or what went wrong; None of a sound network."""
    try:
        made = run_text(text, workers)
    except SpecError:
        return None
    if made.agrees:
        return None
    first = made.found.first if made.found is not None else None
    if first is None:
        return "", str(made.failure or "the loss")
    ops = {layer.node.path: layer.node.op.name for layer in made.costs.layers}
    return ops.get(first[0], ""), first[1].split(":")[0]


def main(given: str) -> int:
    """Print the smallest spec that fails alike; 1 where the spec does not fail."""
    text = spec_text(Random(int(given))) if given.isdigit() else Path(given).read_text("utf-8")
    with quick_workers() as workers:
        wanted = _failure(text, workers)
        if wanted is None:
            print("both networks are one")
            return 1
        small = shrunk(text, lambda candidate: _failure(candidate, workers) == wanted)
        print(run_text(small, workers).told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
