"""PyTorch's own files, read and written by a process of its own: `python -m
archc.backends.torch.pickled`.
They are pickles: PyTorch reads them with `weights_only=True`, which builds tensors and plain
containers alone.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import zipfile
from typing import Any

from archc.backends.runtime.safetensors import ORDER
from archc.backends.runtime.sandbox import limit, line, not_installed, too_large

STATES = ("state_dict", "model")
"""What training scripts call the state dict that they save beside their optimizer's; the second
those of torchvision, and those that archc emits."""


def archive_error(path: str) -> str | None:
    """What is wrong with a zip archive, as which PyTorch has written its files since 2020."""
    try:
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as stream:
                return "it is cut off" if stream.read(2) == b"PK" else None
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return "it is no sound archive"
    if any(info.filename == "model.weights.h5" for info in members):
        return "it is a `.keras` archive; what `model.save_weights` writes is read"
    if any(info.compress_type != zipfile.ZIP_STORED for info in members):
        return "it is compressed, which PyTorch's files are not"
    return None


def advises_to_run(error: Exception) -> bool:
    """Whether an error of PyTorch's loader says how to load a file so that what is in it is run:
    such a text is never repeated."""
    return isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error)


def _read(path: str, result: str) -> str | None:
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError as error:
        return not_installed(error, "torch")
    limit(os.path.getsize(path))
    reason = archive_error(path)
    if reason is not None:
        return reason
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if advises_to_run(error):
            return (
                "it holds more than weights, or is damaged: PyTorch refuses it with `weights_only`"
            )
        return f"PyTorch does not load it ({line(error)})"
    for name in STATES:
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
    if not isinstance(loaded, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in loaded.items()
    ):
        return "it holds no state dict: names with a tensor each"
    if not all(map(_is_plain, loaded.values())):
        return "it holds a tensor that is no plain array: sparse, quantized, complex or empty"
    needed = sum(value.numel() * value.element_size() for value in loaded.values())
    reason = too_large(needed, path)
    if reason is not None:
        return reason
    plain = torch.contiguous_format
    tensors = {key: value.detach().clone(memory_format=plain) for key, value in loaded.items()}
    try:
        save_file(tensors, result, metadata={ORDER: json.dumps(list(tensors))})
    except (OSError, ValueError, SafetensorError) as error:
        return f"its tensors cannot be read ({line(error)})"
    return None


def _is_plain(tensor: Any) -> bool:
    """Whether a tensor is an array of real numbers in memory."""
    import torch

    return (
        tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not (tensor.is_nested or tensor.is_quantized or tensor.is_complex())
    )


def _write(source: str, path: str) -> str | None:
    try:
        import torch
        from safetensors.torch import load_file
    except ImportError as error:
        return not_installed(error, "torch")
    try:
        torch.save(load_file(source), path)
    except (OSError, RuntimeError) as error:
        return f"PyTorch does not write it ({line(error)})"
    return None


if __name__ == "__main__":
    verb, first, second = sys.argv[1:]
    json.dump({"read": _read, "write": _write}[verb](first, second), sys.stdout)
