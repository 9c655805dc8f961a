"""How training scripts for Keras read images."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from archc.training.script.programs.keras.constants import (
    AREAS,
    CROP,
    CROPS,
    ENDINGS,
    INPUT,
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
)

if not STREAMS:

    def read_images(path: Path) -> tuple[Any, Any]:
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
            images = np.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
        if not CROPS and images.shape[1:] != INPUT:
            sys.exit(f"an image is {images.shape[1:]}, and the network takes {INPUT}")
        return images, labels.astype("int64")
else:

    def read_images(path: Path) -> tuple[Any, Any]:
        """Files or pixels of images, and labels, of a folder or an .npz file."""
        if path.is_dir():
            files = sorted(path.glob("[!.]*/**/[!.]*")) or sorted(path.glob("[!.]*"))
            files = [file for file in files if file.suffix[1:].lower() in ENDINGS]
            names = [file.relative_to(path).parts[0] for file in files]
            numbers = [int(name) if name.isdecimal() else name for name in names]
            return files, np.unique(numbers, return_inverse=True)[1]
        arrays = np.load(path)
        images = arrays["images"]
        return images, arrays.get("labels", np.zeros(len(images)))

    if CROP == "random_resized":

        def random_part(image: Image.Image, generator: Any) -> Image.Image:
            """A part of random area and aspect ratio, as large as the network's input."""
            size = (INPUT[1], INPUT[0])
            for _ in range(10):
                area = image.width * image.height * generator.uniform(*AREAS)
                ratio = RATIO ** generator.uniform(-1, 1)
                part = np.sqrt([area * ratio, area / ratio]).round().clip(1)
                if np.all(part <= image.size):
                    start = np.floor((image.size - part + 1) * generator.random(2))
                    box = (*start, *(start + part))
                    return image.resize(size, Image.Resampling.BILINEAR, box)
            return ImageOps.fit(image, size, Image.Resampling.BILINEAR)

    def decode(image: Any, generator: Any) -> Any:
        """A part of an image, drawn by a generator, or an image as it is evaluated."""
        image = Image.open(image) if isinstance(image, Path) else Image.fromarray(image)
        image = ImageOps.exif_transpose(image).convert("L" if MODE == "L" else "RGB")
        if CROP == "random_resized" and generator is not None:
            image = random_part(image, generator)
        elif CROP == "scale_jitter" and generator is not None:
            size = (INPUT[1], INPUT[0])
            part = np.array(size) * min(image.size) / generator.uniform(*SIDES)
            start = (image.size - part) * generator.random(2)
            box = (*start, *(start + part))
            image = image.resize(size, Image.Resampling.BILINEAR, box)
        else:
            if RESIZES and not SQUARE:
                image = image.resize(RESIZE, Image.Resampling.BILINEAR)
            elif RESIZES:
                image = ImageOps.fit(image, RESIZE, Image.Resampling.BILINEAR)
            if PAD:
                image = ImageOps.expand(image, PAD)
            if PARTS and CROP == "random" and generator is not None:
                left = generator.integers(image.width - INPUT[1] + 1)
                top = generator.integers(image.height - INPUT[0] + 1)
                image = image.crop((left, top, left + INPUT[1], top + INPUT[0]))
            elif MIDDLE:
                left, top = (image.width - INPUT[1]) // 2, (image.height - INPUT[0]) // 2
                image = image.crop((left, top, left + INPUT[1], top + INPUT[0]))
        if MODE == "L":
            return np.array(image)[..., np.newaxis]
        return np.array(image)
