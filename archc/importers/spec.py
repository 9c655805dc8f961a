"""A network that was read as the text of a spec, whose graph is proven to be the same."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from archc.api import Network as Loaded
from archc.diagnostics import Diagnostic, SpecError
from archc.importers.network import Network, reject, span_of
from archc.importers.proof import graph_difference, order_difference
from archc.importers.structure.blocks import outline_of
from archc.importers.structure.items import decompose, positions_of
from archc.importers.structure.text import Outline, spec_text
from archc.language.module_names import network_error
from archc.language.reader import decode
from archc.spec import read_source


@dataclass(frozen=True)
class Imported:
    """A spec that was made from a file: its text, the network that it is, and the position of each
    of its layers in the flat network that was read."""

    text: str
    loaded: Loaded
    network: Network
    order: tuple[int, ...]


def name_of(path: str) -> str:
    """A name for the spec from that of a file."""
    stem = os.path.splitext(os.path.basename(path))[0]
    name = re.sub("[^a-z0-9]+", "_", stem.lower()).strip("_")[:60]
    if network_error(name) is not None:
        name = f"network_{name}".rstrip("_")
    return name if network_error(name) is None else "network"


def as_spec(network: Network, name: str, path: str, comments: Sequence[str]) -> Imported:
    """The spec of a network. Raises SpecError (ARC801 for fields that archc's ops do not take,
    ARC803 where no text is proven)."""
    if not network.layers:
        reject(path, "its outputs are its inputs: there is no network in it")
    steps = decompose(network)
    outline = outline_of(network, steps)
    try:
        return _proven(network, outline, name, path, comments)
    except SpecError:
        # What is short is worth nothing where it is not the same network.
        pass
    try:
        return _proven(network, Outline(steps), name, path, comments)
    except SpecError as error:
        # The fields of the file's layers, where no text is wrong but each: the error is the file's.
        raise SpecError([_of_file(one, path) for one in error.diagnostics]) from None


def _of_file(diagnostic: Diagnostic, path: str) -> Diagnostic:
    if diagnostic.code == "ARC803":
        return diagnostic
    return Diagnostic("ARC801", f"cannot be read: {diagnostic.message}", span_of(path))


def _proven(
    network: Network, outline: Outline, name: str, path: str, comments: Sequence[str]
) -> Imported:
    order = positions_of(outline.steps)
    text = spec_text(network, outline, name, comments, None)
    loaded = _load(text, name)
    totals = loaded.costs.totals
    graph = loaded.costs.graph
    expect: dict[str, object] = {"params": totals.params, "macs": totals.macs}
    if len(graph.outputs) == 1:
        expect["output"] = dict(graph.nodes[graph.outputs[0]].output.as_dict())
    text = spec_text(network, outline, name, comments, expect)
    loaded = _load(text, name)
    difference = graph_difference(network, order, loaded.costs.graph)
    difference = difference or order_difference(loaded, network.backend)
    if difference is not None:
        message = f"the spec is not proven to be the same network: {difference}"
        raise SpecError([Diagnostic("ARC803", message, span_of(path))])
    return Imported(text, loaded, network, order)


def _load(text: str, name: str) -> Loaded:
    source = decode(text.encode("utf-8"), f"{name}.yaml")
    spec = read_source(source, ".", f"{name}.yaml")
    return Loaded(spec, spec.checked())
