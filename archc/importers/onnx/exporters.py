"""What PyTorch's exporters leave in a file of the modules that it is made from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archc.importers.onnx.rules.drafts import Draft
from archc.importers.onnx.terms import Term

COMPUTED_WEIGHTS = re.compile(r"onnx::Conv_[0-9]+")
"""What the older exporter calls the arrays of a convolution that it computed from others."""


def another_export(model: Mapping[str, Any]) -> str | None:
    """What else the author of a file that is refused may try."""
    if model["producer"] != "pytorch":
        return None
    return (
        "torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2') writes "
        "operations that this exporter takes apart, attention for one, as they are"
    )


def folded(model: Mapping[str, Any]) -> tuple[str, ...]:
    """The comment on batch normalisations that are in the arrays of convolutions, if there are
    any."""
    count = sum(_is_folded(node) for node in _nodes(model))
    if not count:
        return ()
    where = "a convolution" if count == 1 else f"{count:,} convolutions"
    return (
        f"PyTorch's exporter folded the batch normalisation into {where}: a file of "
        "torch.export.save has it.",
    )


def _is_folded(node: Mapping[str, Any]) -> bool:
    arrays = node["inputs"][1:3]
    return node.get("folded", False) or (
        node["op"] == "Conv" and len(arrays) == 2 and all(map(COMPUTED_WEIGHTS.fullmatch, arrays))
    )


def learned_apart(
    outputs: Sequence[Term], drafts: Mapping[Term, Draft], uniform: frozenset[str]
) -> tuple[Mapping[Term, Draft], tuple[str, ...]]:
    """The drafts with an array of its own for each that takes one of `uniform`, and a comment, if
    several that the outputs need take one: PyTorch's exporters keep equal arrays once, such as all
    that norms begin with. Ops that have other arrays in common have these in common too."""
    apart: dict[Term, Draft] = {}
    owners: dict[str, set[object]] = {}
    for term in _needed(outputs, drafts):
        draft = drafts[term]
        names = {name for array in draft.weights.values() for name in array.sources()}
        owner = tuple(sorted(names - uniform)) or (term.value, term.place)
        weights = {key: array.known_as(uniform, owner) for key, array in draft.weights.items()}
        apart[term] = draft._replace(weights=weights)
        for name in names & uniform:
            owners.setdefault(name, set()).add(owner)
    if all(len(own) == 1 for own in owners.values()):
        return drafts, ()
    return {**drafts, **apart}, (
        "Arrays of a single value that the file has once for several layers, as exporters keep "
        "equal ones, are learned apart.",
    )


def _needed(outputs: Sequence[Term], drafts: Mapping[Term, Draft]) -> set[Term]:
    needed: set[Term] = set()
    waiting = [*outputs]
    while waiting:
        term = waiting.pop()
        if term in drafts and term not in needed:
            needed.add(term)
            waiting += drafts[term].inputs
    return needed


def classes_of(model: Mapping[str, Any]) -> dict[str, str]:
    """The classes of the modules around all nodes, by their names."""
    classes: dict[str, str] = {}
    for node in _nodes(model):
        kinds = node.get("classes", [])[1:]  # the first is that of the network, which has no name
        if len(kinds) == len(node["scope"]):
            classes.update(zip(node["scope"][:-1], kinds, strict=False))
    return classes


def _nodes(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes of the graph and of its functions."""
    for holder in (model["graph"], *model["functions"]):
        yield from holder["nodes"]
