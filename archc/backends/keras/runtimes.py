"""What Keras computes with. TensorFlow lacks some kernels on the CPU, and computes some ops with
constants or whole results of float32 where float64 is asked for; JAX has them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack, unpack

from archc.backends.base import Runtime
from archc.ir.graph import Graph, Node
from archc.ops import activation
from archc.ops.attention import Attention
from archc.ops.axes import Axes
from archc.ops.convolution import Conv, ConvTranspose, DepthwiseConv
from archc.ops.parameter import Scale
from archc.ops.pooling import AdaptiveAvgPool, AvgPool, MaxPool
from archc.ops.shape import Upsample
from archc.version import requirement

RUNTIMES = (Runtime("tensorflow", "TensorFlow", requirement("keras")), Runtime("jax", "JAX", "jax"))
"""What Keras runs on here: never on PyTorch, so that no two backends share kernels."""


def lacks(runtime: str, graph: Graph, dtype: str) -> Iterator[tuple[str, str]]:
    """The paths of the ops that a runtime cannot compute in `dtype` on the CPU, each with the
    reason."""
    if runtime != "tensorflow":
        return
    for node in graph.layers:
        reason = _lacks_kernel(node) or (_rounds(node, graph) if dtype == "float64" else None)
        if reason is not None:
            yield node.path, reason


def _lacks_kernel(node: Node) -> str | None:
    if isinstance(node.op, ConvTranspose) and node.op.dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        return "TensorFlow has dilated transposed convolutions on GPUs alone"
    return None


def _is_scaled_by_keras(op: Attention, x: Axes) -> bool:
    """Whether Keras' own layer computes an attention, by one over a root that is no power of 2."""
    size = op.size_of_head(x)
    exact = size.bit_count() == 1 and size.bit_length() % 2 == 1
    return not (exact or op.qk_norm or op.rotary)


def _is_float32(value: float) -> bool:
    """Whether a number of float32 is just this one."""
    try:
        return bool(unpack("f", pack("f", value))[0] == value)
    except OverflowError:
        return False


def _rounds(node: Node, graph: Graph) -> str | None:
    op = node.op
    if isinstance(op.last, activation.Gelu):
        return "TensorFlow computes gelu with constants of float32"
    if isinstance(op.last, activation.LeakyRelu):
        return "TensorFlow computes leaky_relu with a slope of float32"
    x = graph.nodes[node.inputs[0]].output
    if isinstance(op, Attention) and _is_scaled_by_keras(op, x):
        return "Keras scales attention by a constant of float32 on TensorFlow"
    if isinstance(op, Scale) and not op.learned and not _is_float32(op.initial):
        return "Keras rounds a constant factor to float32 on TensorFlow"
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
