"""How training scripts for PyTorch read images."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from archc.training.script.programs.torch.constants import (
    AREAS,
    CROP,
    CROPS,
    ENDINGS,
    INPUT,
    MEMORY_FORMAT,
    MIDDLE,
    MODE,
    PAD,
    PARTS,
    RATIO,
    RESIZE,
    RESIZES,
    SIDES,
    SQUARE,
    STREAMS,
    WORKERS,
)

if not STREAMS:

    def read_images(path: Path) -> tuple[Tensor, Tensor]:
        """Images, the channels last, and labels of an .npz file or a folder."""
        if len(INPUT) == 3 and path.is_dir():
            files = sorted(path.glob("[!.]*/**/[!.]*")) or sorted(path.glob("[!.]*"))
            files = [file for file in files if file.suffix[1:].lower() in ENDINGS]
            images = np.stack([np.array(Image.open(file).convert(MODE)) for file in files])
            names = [file.relative_to(path).parts[0] for file in files]
            numbers = [int(name) if name.isdecimal() else name for name in names]
            labels = np.unique(numbers, return_inverse=True)[1]
        else:
            arrays = np.load(path)
            images = arrays["images"]
            labels = arrays.get("labels", np.zeros(len(images)))
        if images.ndim == len(INPUT):
            images = images[..., np.newaxis]
        if PAD:
            images = nn.functional.pad(torch.from_numpy(images), [0, 0] + [PAD] * 4)
        else:
            images = torch.from_numpy(images)
        if not CROPS:
            shape = (images.shape[-1], *images.shape[1:-1])
            if shape != INPUT:
                sys.exit(f"an image is {shape}, the network takes {INPUT}")
        return images, torch.from_numpy(labels).long()

    def load(data: Any, batches: list[Any], device: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Images, the channels first, and labels of each batch, on the device."""
        for batch in map(torch.from_numpy, batches):
            images, labels = (one.index_select(0, batch).to(device) for one in data)
            if MEMORY_FORMAT or MODE == "L":
                yield images.movedim(-1, 1).float(), labels
            else:
                yield images.movedim(-1, 1).float().contiguous(), labels
else:
    if CROP == "random_resized":

        def random_part(image: Image.Image) -> Image.Image:
            """A part of random area and aspect ratio, as large as the network's input."""
            size = (INPUT[2], INPUT[1])
            for _ in range(10):
                area = image.width * image.height * np.random.uniform(*AREAS)
                ratio = RATIO ** np.random.uniform(-1, 1)
                part = np.sqrt([area * ratio, area / ratio]).round().clip(1)
                if np.all(part <= image.size):
                    start = np.floor((image.size - part + 1) * np.random.rand(2))
                    box = (*start, *(start + part))
                    return image.resize(size, Image.Resampling.BILINEAR, box)
            return ImageOps.fit(image, size, Image.Resampling.BILINEAR)

    class Photos(Dataset[Any]):
        """Images of a folder for each class, or of an .npz file, decoded when needed."""

        def __init__(self, path: Path) -> None:
            if path.is_dir():
                files = sorted(path.glob("[!.]*/**/[!.]*")) or sorted(path.glob("[!.]*"))
                self.images = [file for file in files if file.suffix[1:].lower() in ENDINGS]
                names = [file.relative_to(path).parts[0] for file in self.images]
                numbers = [int(name) if name.isdecimal() else name for name in names]
                self.labels = np.unique(numbers, return_inverse=True)[1]
            else:
                arrays = np.load(path)
                self.images = arrays["images"]
                self.labels = arrays.get("labels", np.zeros(len(self.images)))
            if PARTS:
                self.training = False

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            image: Any = self.images[index]
            image = Image.open(image) if isinstance(image, Path) else Image.fromarray(image)
            image = ImageOps.exif_transpose(image).convert("L" if MODE == "L" else "RGB")
            if CROP == "random_resized" and self.training:
                image = random_part(image)
            elif CROP == "scale_jitter" and self.training:
                size = (INPUT[2], INPUT[1])
                part = np.array(size) * min(image.size) / np.random.uniform(*SIDES)
                start = (image.size - part) * np.random.rand(2)
                box = (*start, *(start + part))
                image = image.resize(size, Image.Resampling.BILINEAR, box)
            else:
                if RESIZES and not SQUARE:
                    image = image.resize(RESIZE, Image.Resampling.BILINEAR)
                elif RESIZES:
                    image = ImageOps.fit(image, RESIZE, Image.Resampling.BILINEAR)
                if PAD:
                    image = ImageOps.expand(image, PAD)
                if PARTS and CROP == "random" and self.training:
                    left = np.random.randint(image.width - INPUT[2] + 1)
                    top = np.random.randint(image.height - INPUT[1] + 1)
                    image = image.crop((left, top, left + INPUT[2], top + INPUT[1]))
                elif MIDDLE:
                    left, top = (image.width - INPUT[2]) // 2, (image.height - INPUT[1]) // 2
                    image = image.crop((left, top, left + INPUT[2], top + INPUT[1]))
            if MODE == "L":
                return torch.from_numpy(np.array(image))[None], int(self.labels[index])
            return torch.from_numpy(np.array(image)).movedim(-1, 0), int(self.labels[index])

    def load(data: Any, batches: list[Any], device: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of each batch, decoded by workers, on the device."""
        for images, labels in DataLoader(data, batch_sampler=batches, num_workers=WORKERS):
            yield images.to(device).float(), labels.to(device)
