"""PyTorch's own files, read and written by a process of its own: `python -m
archc.weights.pickled`. They are pickles: PyTorch reads them with `weights_only=True`, which builds
tensors and plain containers alone, and the process may take so much memory and no more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from archc.weights.files import ORDER, refuse

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ROOM = 8 << 30
"""Bytes that PyTorch and its libraries may take beside the file."""


@contextmanager
def as_safetensors(path: str) -> Iterator[str]:
    """A safetensors file with the tensors of a `.pth`, there within the context."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                refuse(path, "it is compressed, which PyTorch's files are not")
    with tempfile.TemporaryDirectory(prefix="archc-") as folder:
        made = os.path.join(folder, "weights.safetensors")
        told = _asked("read", os.path.abspath(path), made)
        if told is not None:
            refuse(path, told)
        yield made


def write(path: str, source: str) -> None:
    """Write the tensors of a safetensors file as a `.pth`."""
    told = _asked("write", source, path)
    if told is not None:
        refuse(path, told)


def _asked(*arguments: str) -> str | None:
    """What is wrong, as the process tells it."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "archc.weights.pickled", *arguments],
        env={**os.environ, "PYTHONPATH": ROOT, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return f"PyTorch ended with exit code {done.returncode}"
    told: str | None = json.loads(done.stdout)
    return told


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (2 * size + ROOM, 2 * size + ROOM))


def _read(path: str, made: str) -> str | None:
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError as error:
        return f"{error.name} is not installed: pip install 'archc[torch]'"
    _limit_memory(os.path.getsize(path))
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        return f"PyTorch does not load it as weights alone ({' '.join(str(error).split())[:200]})"
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]  # as training scripts save it beside their optimizer
    if not isinstance(found, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in found.items()
    ):
        return "it holds no state dict: names with a tensor each"
    tensors = {key: value.detach().contiguous().clone() for key, value in found.items()}
    save_file(tensors, made, metadata={ORDER: json.dumps(list(tensors))})
    return None


def _write(source: str, path: str) -> str | None:
    try:
        import torch
        from safetensors.torch import load_file
    except ImportError as error:
        return f"{error.name} is not installed: pip install 'archc[torch]'"
    torch.save(load_file(source), path)
    return None


if __name__ == "__main__":
    verb, first, second = sys.argv[1:]
    json.dump({"read": _read, "write": _write}[verb](first, second), sys.stdout)
