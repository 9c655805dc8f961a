"""The report as JSON."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import Any, NamedTuple

from archc.diagnostics.characters import inert_json
from archc.files import digest
from archc.files.reading import is_inside
from archc.ir.costs import Costs, Layer, Memory
from archc.ir.graph import Graph, Node

VERSION = 1
"""The version of the format, under the key `archc`."""
_BEGINNING = f'{{\n  "archc": {VERSION},'.encode()
"""The first bytes of a report's file."""


def report(costs: Costs, memory: Memory | None = None) -> dict[str, Any]:
    """The report as JSON types.

    Numbers are of one sample: `params` learned values, `state` running statistics, `macs`
    multiply-accumulates, `activations` elements written, `receptive_field` and `jump` elements of
    each spatial axis of the input (null where there is none; `receptive_field_kind` is `exact`,
    `at most` or `all`, where each position sees the whole input), `weight_bytes` of float32, and
    with `memory` the bytes of a batch. A layer that uses another one's variables, which are counted
    there, has its path as `weights`. A network with outputs in training alone has them as
    `training_outputs`, and the sums of what an evaluation and a training step compute apart; its
    `totals` have all parameters, and the operations of an evaluation. Axes are mappings in
    canonical order; files are named as in emitted headers.
    """
    graph = costs.graph
    fields: dict[str, Any] = {"archc": VERSION, "name": graph.about.name}
    if graph.about.title:
        fields["title"] = graph.about.title
    fields |= graph.about.catalog
    fields["source"] = graph.about.source
    if graph.about.overrides:
        fields["set"] = dict(graph.about.overrides)
    fields["inputs"] = graph.named_axes(graph.inputs)
    fields["outputs"] = graph.named_axes(graph.outputs)
    if graph.training_outputs:
        fields["training_outputs"] = graph.named_axes(graph.training_outputs)
    files: dict[str, str] = {}
    fields["layers"] = [_layer(layer, graph, files) for layer in costs.layers]
    fields["totals"] = costs.totals._asdict()
    if graph.training_outputs:
        fields["evaluation_totals"] = costs.evaluation._asdict()
        fields["training_totals"] = costs.training._asdict()
    if memory is not None:
        fields["memory"] = {
            "batch": memory.batch,
            "inference_bytes": memory.inference,
            "training_bytes": memory.training,
        }
    return fields


def _layer(layer: Layer, graph: Graph, files: dict[str, str]) -> dict[str, object]:
    node, field = layer.node, layer.receptive_field
    owner = {"weights": graph.nodes[node.weights].path} if node.weights >= 0 else {}
    return {
        "name": node.name,
        "path": node.path,
        "op": node.op.name,
        "inputs": [graph.nodes[index].path for index in node.inputs],
        "output": node.output.as_dict(),
        "params": layer.params,
        "trainable_params": layer.trainable_params,
        "state": layer.state,
        **owner,
        "macs": layer.macs,
        "activations": layer.activations,
        "receptive_field": None if field is None else list(field.sizes),
        "receptive_field_kind": None if field is None else field.kind,
        "jump": None if field is None else list(field.jump),
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


_UNKNOWN = "0" * 64


def with_files(fields: Mapping[str, object], digests: Mapping[str, str], path: str) -> str:
    """The text of a report with the SHA-256 of all files of its build, by their paths in its
    folder. Its own, at `path`, is that of its text with zeros in the place of these digits."""
    all_digests = {**digests, path: _UNKNOWN}
    files = [{"path": path, "sha256": all_digests[path]} for path in sorted(all_digests)]
    unsigned = text({**fields, "files": files})
    return unsigned.replace(_own(path, _UNKNOWN), _own(path, digest(unsigned.encode())))


def _own(path: str, sha256: str) -> str:
    return json.dumps({"path": path, "sha256": sha256})


class Record(NamedTuple):
    """What a report tells of its build: the spec, and the digests of its files by their paths. Its
    own is that of the file as it is, unless it was edited."""

    source: str
    digests: dict[str, str]


def record(data: bytes | None, path: str) -> Record | None:
    """The record in the report at `path`; None where that is no report of a build."""
    if data is None or not data.startswith(_BEGINNING):
        return None
    try:
        fields = json.loads(data)
        digests = {str(file["path"]): str(file["sha256"]) for file in fields.get("files", [])}
        source = str(fields["source"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sha256 = digests.get(path, "")
    own, unsigned = (_own(path, digits).encode() for digits in (sha256, _UNKNOWN))
    if data.count(own) == 1 and digest(data.replace(own, unsigned)) == sha256:
        digests[path] = digest(data)
    return Record(source, {path: one for path, one in digests.items() if is_inside(path)})


def text(fields: Mapping[str, object]) -> str:
    """A report as JSON text, with one line per layer for readable diffs."""
    entries = ",\n".join(f"  {_entry(key, value)}" for key, value in fields.items())
    return inert_json(f"{{\n{entries}\n}}\n")


def _entry(key: str, value: object) -> str:
    if not isinstance(value, list) or not value:
        return f"{json.dumps(key)}: {json.dumps(value)}"
    items = ",\n".join(f"    {json.dumps(item)}" for item in value)
    return f"{json.dumps(key)}: [\n{items}\n  ]"
