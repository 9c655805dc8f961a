"""The data type of products."""

from __future__ import annotations

from pathlib import Path

import keras

from archc.training.errors import RunError
from archc.training.keras.distributed import choose_devices

# Compute capability of the first GPUs with bfloat16, and with fast float16.
BFLOAT16_GPU = (8, 0)
FLOAT16_GPU = (7, 0)
BFLOAT16_CPU = {"amx_bf16", "avx512_bf16"}


def set_precision(asked: str, device_name: str) -> None:
    """Let layers made from now on multiply in a type of number; weights are float32."""
    on_cpu = choose_devices(device_name)[0].startswith("cpu")
    if asked == "auto":
        asked = cpu_precision() if on_cpu else gpu_precision()
    if asked == "float16" and on_cpu:
        raise RunError(NO_FLOAT16)
    keras.config.set_dtype_policy(asked if asked == "float32" else f"mixed_{asked}")


NO_FLOAT16 = "--precision float16 is for GPUs: here bfloat16 has its place"


def cpu_precision() -> str:
    """Name the shortest type that the CPU multiplies at full speed."""
    described = Path("/proc/cpuinfo")  # where there is one: on Linux
    if keras.backend.backend() != "tensorflow" or not described.exists():
        return "float32"  # JAX has no such products for a CPU
    able = set(described.read_text(encoding="utf-8").split())
    return "bfloat16" if able & BFLOAT16_CPU else "float32"


def gpu_precision() -> str:
    """Name the shortest type that the first GPU multiplies at full speed."""
    capability = gpu_capability()
    if capability >= BFLOAT16_GPU:
        return "bfloat16"
    return "float16" if capability >= FLOAT16_GPU else "float32"


def gpu_capability() -> tuple[int, ...]:
    """Tell the compute capability of the first GPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # it may be JAX that computes

        gpu = tf.config.list_physical_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        capability: tuple[int, ...] = details["compute_capability"]
        return capability
    import jax  # it may be TensorFlow that computes

    return tuple(map(int, jax.devices()[0].compute_capability.split(".")))


def widen_output(network: keras.Model) -> None:
    """Compute the last layer in float32: the loss takes its logarithm."""
    network.layers[-1].dtype_policy = "float32"
