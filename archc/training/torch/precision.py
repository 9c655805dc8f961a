"""The data type of products, and whether the network is compiled."""

from __future__ import annotations

import copy
import os
import sys
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from archc.training.errors import RunError

# Compute capability of the first GPUs with bfloat16, and with fast float16.
BFLOAT16_GPU = (8, 0)
FLOAT16_GPU = (7, 0)
# Steps from which a run regains what compiling takes.
COMPILED_STEPS = 2000


def choose_precision(asked: str, device: torch.device) -> torch.dtype:
    """The type of number that products are computed in; weights are float32."""
    if asked == "auto":
        asked = fast_precision(device)
    if asked == "float16" and device.type == "cpu":
        message = "float16 is for GPUs: bfloat16 has its place on the CPU"
        raise RunError(message)
    return getattr(torch, asked)


def fast_precision(device: torch.device) -> str:
    """Name the shortest type that the device multiplies at full speed."""
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability >= BFLOAT16_GPU:
            return "bfloat16"
        return "float16" if capability >= FLOAT16_GPU else "float32"
    # Processors with amx_bf16 have this too.
    return "bfloat16" if torch.cpu.get_capabilities().get("avx512_bf16") else "float32"


def make_repeatable(device: torch.device) -> None:
    """Let the same step give the same bits: a run that resumes relies on it."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")
        torch.use_deterministic_algorithms(mode=True, warn_only=True)


def widen_output(model: nn.Module) -> None:
    """Compute softmax in float32: the loss takes its logarithm."""
    for module in model.modules():
        if isinstance(module, nn.Softmax | nn.LogSoftmax):
            module.register_forward_pre_hook(as_float32)


def as_float32(_module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Widen what a layer is given."""
    return (arguments[0].float(),)


def compile_model(
    model: nn.Module,
    images: Tensor,
    precision: torch.dtype,
) -> nn.Module:
    """Compile the network where a batch shows that it works here, else keep it."""
    kept = copy.deepcopy(model.state_dict())
    compiled = torch.compile(model)
    try:
        with mixed_precision(precision, images.device):
            output = compiled(images)
        output.sum().backward()
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        sys.stderr.write(f"not compiled: {reason}\n")
        compiled = model
    model.load_state_dict(kept)
    model.zero_grad()
    return compiled


def is_worth_compiling(device: torch.device, steps: int) -> bool:
    """Whether the network is compiled: on a GPU with Triton, for a long run."""
    return device.type == "cuda" and steps >= COMPILED_STEPS and find_spec("triton") is not None


def mixed_precision(precision: torch.dtype, device: torch.device) -> torch.autocast:
    """A context in which products are computed in `precision`."""
    enabled = precision != torch.float32
    return torch.autocast(device.type, precision, enabled=enabled)
