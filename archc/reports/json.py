"""The report as JSON."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from json import dumps
from typing import Any

from archc.ir.costs import Costs, Layer, Memory
from archc.ir.graph import Graph, Node

VERSION = 1
"""The version of the format, under the key `archc`."""


def report(costs: Costs, memory: Memory | None = None) -> dict[str, Any]:
    """The report as JSON types.

    Numbers are of one sample: `params` learned values, `state` running statistics, `macs`
    multiply-accumulates, `activations` elements written, `receptive_field` and `jump` elements of
    each spatial axis of the input (null where there is none), `weight_bytes` of float32, and with
    `memory` the bytes of a batch. Axes are mappings in canonical order; files are named as in
    emitted headers.
    """
    graph = costs.graph
    result: dict[str, Any] = {"archc": VERSION, "name": graph.about.name}
    if graph.about.title:
        result["title"] = graph.about.title
    result["source"] = graph.about.source
    if graph.about.overrides:
        result["set"] = dict(graph.about.overrides)
    result["inputs"] = graph.named_axes(graph.inputs)
    result["outputs"] = graph.named_axes(graph.outputs)
    files: dict[str, str] = {}
    result["layers"] = [_layer(layer, graph, files) for layer in costs.layers]
    result["totals"] = costs.totals._asdict()
    if memory is not None:
        result["memory"] = {
            "batch": memory.batch,
            "inference_bytes": memory.inference,
            "training_bytes": memory.training,
        }
    return result


def _layer(layer: Layer, graph: Graph, files: dict[str, str]) -> dict[str, object]:
    node = layer.node
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
        "receptive_field": None if layer.receptive_field is None else list(layer.receptive_field),
        "jump": None if layer.jump is None else list(layer.jump),
        "file": _file(node, graph, files),
        "line": node.origin.span.line,
    }


def _file(node: Node, graph: Graph, files: dict[str, str]) -> str:
    """The file of a step, relative to the spec's root. Steps of parents have their own file, whose
    name in spans is relative like the spec's own."""
    name = node.origin.span.source.name
    if name not in files:
        own = posixpath.dirname(graph.root.origin.span.source.name)
        path = posixpath.relpath(name, own or ".")
        files[name] = posixpath.normpath(
            posixpath.join(posixpath.dirname(graph.about.source), path)
        )
    return files[name]


def text(report: Mapping[str, object]) -> str:
    """A report as JSON text, with one line per layer for readable diffs."""
    return "{\n" + ",\n".join(f"  {_entry(key, value)}" for key, value in report.items()) + "\n}\n"


def _entry(key: str, value: object) -> str:
    if not isinstance(value, list) or not value:
        return f"{dumps(key)}: {dumps(value)}"
    items = ",\n".join(f"    {dumps(item)}" for item in value)
    return f"{dumps(key)}: [\n{items}\n  ]"
