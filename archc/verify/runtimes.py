"""What each emitted network runs on: PyTorch, or one of the frameworks that Keras computes with.

TensorFlow lacks some kernels on the CPU, and computes some ops with constants or whole results of
float32 where float64 is asked for; JAX has them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from archc.ir.graph import Graph, Node
from archc.ops import activation
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, MaxPool
from archc.ops.shape import Upsample
from archc.verify.settings import Settings

RUNTIMES = ("tensorflow", "jax")
"""What Keras runs on here: never on PyTorch, so that the two sides share no kernels."""


def runtime_of(backend: str, settings: Settings, graph: Graph) -> str:
    """The framework that runs what a backend emits."""
    if backend != "keras":
        return backend
    if settings.keras_backend is not None:
        return settings.keras_backend
    if find_spec("tensorflow") is None:
        return "tensorflow" if find_spec("jax") is None else "jax"
    return "jax" if any(tensorflow_lacks(graph, settings.dtype)) else "tensorflow"


def tensorflow_lacks(graph: Graph, dtype: str) -> Iterator[tuple[str, str]]:
    """The paths of the ops that TensorFlow cannot compute in `dtype` on the CPU, each with the
    reason."""
    for node in graph.layers:
        reason = _lacks_kernel(node) or (_rounds(node, graph) if dtype == "float64" else None)
        if reason is not None:
            yield node.path, reason


def _lacks_kernel(node: Node) -> str | None:
    if isinstance(node.op, ConvTranspose) and node.op.dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        return "TensorFlow has dilated transposed convolutions on GPUs alone"
    return None


def _rounds(node: Node, graph: Graph) -> str | None:
    op = node.op
    last = getattr(op, "activation", None) or op
    if isinstance(last, activation.Gelu):
        return "TensorFlow computes gelu with constants of float32"
    if isinstance(last, activation.LeakyRelu):
        return "TensorFlow computes leaky_relu with a slope of float32"
    x = graph.nodes[node.inputs[0]].output
    rank = len(x.spatial)
    if isinstance(op, Upsample) and op.mode == "linear" and rank == 2:
        return "TensorFlow resizes images in float32"
    if isinstance(op, MaxPool | AvgPool | AdaptiveAvgPool) and rank == 3:
        return "TensorFlow pools along three axes in float32 alone"
    if isinstance(op, Conv | DepthwiseConv) and rank == 3:
        windows = op.windows(x)
        if max(one.stride for one in windows) > 1 and max(one.dilation for one in windows) > 1:
            return "Keras strides over a dilated convolution by a pool, in float32 along three axes"
    return None
