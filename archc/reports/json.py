"""The report as data, for programs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from json import dumps
from typing import Any

from archc.ir.costs import Costs, Layer, Memory
from archc.ir.graph import Graph, Node

VERSION = 1
"""The version of the report's form, under its first key `archc`."""


def report(costs: Costs, memory: Memory | None = None) -> dict[str, Any]:
    """Everything a report tells, as JSON types.

    Numbers are of one sample: `params` learned values, `state` running statistics, `macs`
    multiply-accumulates, `activations` elements written, `receptive_field` and `jump` elements of
    each spatial axis of the input (null where there is none; `receptive_field_kind` is `exact`,
    `at most` or `all`, where each position sees the whole input), `weight_bytes` of float32, and
    with `memory` the bytes of a batch. Axes are mappings in canonical order; files are told as
    emitted headers tell them.
    """
    graph = costs.graph
    told: dict[str, Any] = {"archc": VERSION, "name": graph.about.name}
    if graph.about.title:
        told["title"] = graph.about.title
    told["source"] = graph.about.source
    if graph.about.overrides:
        told["set"] = dict(graph.about.overrides)
    told["inputs"] = graph.named_axes(graph.inputs)
    told["outputs"] = graph.named_axes(graph.outputs)
    files: dict[str, str] = {}
    told["layers"] = [_layer(layer, graph, files) for layer in costs.layers]
    told["totals"] = costs.totals._asdict()
    if memory is not None:
        told["memory"] = {
            "batch": memory.batch,
            "inference_bytes": memory.inference,
            "training_bytes": memory.training,
        }
    return told


def _layer(layer: Layer, graph: Graph, files: dict[str, str]) -> dict[str, object]:
    node, field = layer.node, layer.receptive_field
    return {
        "name": node.name,
        "path": node.path,
        "op": node.op.name,
        "inputs": [graph.nodes[index].path for index in node.inputs],
        "output": node.output.as_dict(),
        "params": layer.params,
        "trainable_params": layer.params,
        "state": layer.state,
        "macs": layer.macs,
        "activations": layer.activations,
        "receptive_field": None if field is None else list(field.sizes),
        "receptive_field_kind": None if field is None else field.kind,
        "jump": None if field is None else list(field.jump),
        "file": _file(node, graph, files),
        "line": node.origin.span.line,
    }


def _file(node: Node, graph: Graph, files: dict[str, str]) -> str:
    """The file of a step as it lies from the spec's root: what the spec extends has a file of its
    own, which messages call by its way from the spec's own name."""
    name = node.origin.span.source.name
    if name not in files:
        own = posixpath.dirname(graph.root.origin.span.source.name)
        way = posixpath.relpath(name, own or ".")
        files[name] = posixpath.normpath(posixpath.join(posixpath.dirname(graph.about.source), way))
    return files[name]


def text(told: Mapping[str, object]) -> str:
    """A report as JSON text: one line a layer, so that differences of two files are legible."""
    return "{\n" + ",\n".join(f"  {_entry(key, value)}" for key, value in told.items()) + "\n}\n"


def _entry(key: str, value: object) -> str:
    if not isinstance(value, list) or not value:
        return f"{dumps(key)}: {dumps(value)}"
    items = ",\n".join(f"    {dumps(item)}" for item in value)
    return f"{dumps(key)}: [\n{items}\n  ]"
