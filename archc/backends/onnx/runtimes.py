"""What runs ONNX's files: ONNX Runtime, whose kernels on the CPU compute in float32, and the
reference evaluator of `onnx`, which computes in float64 too."""

from __future__ import annotations

from collections.abc import Iterator

from archc.backends.base import Runtime
from archc.ir.graph import Graph
from archc.version import requirement

RUNTIMES = (
    Runtime("onnxruntime", "ONNX Runtime", requirement("onnx")),
    Runtime("onnx", "the reference evaluator of ONNX", requirement("onnx")),
)


def lacks(runtime: str, graph: Graph, dtype: str) -> Iterator[tuple[str, str]]:
    """The paths of the ops that a runtime cannot compute in `dtype`, each with the reason."""
    if runtime == "onnxruntime" and dtype == "float64":
        for node in graph.layers:
            yield node.path, "ONNX Runtime computes in float32"
