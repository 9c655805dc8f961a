"""Layers of training scripts for Keras: what is done to images in training and in evaluation."""

import math
from typing import Any

import keras
from keras import layers, ops

from archc.training.script.programs.keras.constants import (
    CLASSES,
    CROPS,
    FILL,
    INPUT,
    LIGHTING,
    MOVES,
    OUTPUT,
    PARTS,
    ROTATION,
    SHEAR,
    SHIFT,
    TEN_CROPS,
    ZOOM,
)

if MOVES:

    @keras.saving.register_keras_serializable()
    class RandomMoves(layers.Layer):
        """Each image rotated, zoomed and shifted, in one resampling, in training."""

        def build(self, _shape: Any) -> None:
            """It has no variables."""
            self.supports_jit = False  # XLA resamples no images

        def call(self, images: Any, *, training: bool = False) -> Any:
            """The images, as they are in evaluation."""
            if not training:
                return images
            height, width = INPUT[:2] if PARTS else images.shape[1:3]
            draws = keras.random.uniform((6, ops.shape(images)[0]), -1, 1)
            angle = draws[0] * math.radians(ROTATION)
            zoom_x, zoom_y = 1 + draws[1] * ZOOM, 1 + draws[2] * ZOOM
            sine, cosine = ops.sin(angle), ops.cos(angle)
            # From a pixel to the place that it comes from.
            if SHEAR:
                slope = ops.tan(draws[5] * math.radians(SHEAR))
                a, b = cosine * zoom_x, (cosine * slope - sine) * zoom_y
                d, e = sine * zoom_x, (sine * slope + cosine) * zoom_y
            else:
                a, b = cosine * zoom_x, -sine * zoom_y
                d, e = sine * zoom_x, cosine * zoom_y
            x, y = (width - 1) / 2, (height - 1) / 2  # the middle
            c = x - a * x - b * y + draws[3] * (SHIFT * width)
            f = y - d * x - e * y + draws[4] * (SHIFT * height)
            zero = ops.zeros_like(a)
            rows = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
            return ops.image.affine_transform(
                images, rows, fill_mode=FILL, data_format="channels_last"
            )


if CROPS:

    @keras.saving.register_keras_serializable()
    class Crop(layers.Layer):
        """The middle of each image, or in training a part at random, as large as an input."""

        def call(self, images: Any, *, training: bool = False) -> Any:
            """The parts."""
            height, width = INPUT[0], INPUT[1]
            rows, columns = images.shape[1] - height, images.shape[2] - width
            if not training:
                top, left = rows // 2, columns // 2
                return images[:, top : top + height, left : left + width]
            count = ops.shape(images)[0]
            tops = keras.random.randint((count, 1), 0, rows + 1) + ops.arange(height)
            lefts = keras.random.randint((count, 1), 0, columns + 1) + ops.arange(width)
            images = ops.take_along_axis(images, tops[:, :, None, None], axis=1)
            return ops.take_along_axis(images, lefts[:, None, :, None], axis=2)


if LIGHTING:

    @keras.saving.register_keras_serializable()
    class ColourNoise(layers.Layer):
        """Noise along the principal components of a batch's colours, in training."""

        def call(self, images: Any, *, training: bool = False) -> Any:
            """The images, as they are in evaluation."""
            if not training:
                return images
            colours = (images - ops.mean(images, axis=(0, 1, 2))) / 255
            products = ops.einsum("nhwi,nhwj->nij", colours, colours)
            covariance = ops.mean(products, axis=0) / (INPUT[0] * INPUT[1])
            values, vectors = ops.eigh(covariance)
            noise = LIGHTING * keras.random.normal((ops.shape(images)[0], INPUT[2]))
            colours = ops.matmul(noise * values, ops.transpose(vectors))
            return images + 255 * colours[:, None, None, :]


if TEN_CROPS:

    @keras.saving.register_keras_serializable()
    class TenCrops(layers.Layer):
        """The corners, the centre and their mirror images in evaluation."""

        if CROPS:

            def build(self, _shape: Any) -> None:
                """Make the layer that crops in training."""
                self.crop = Crop()

        def call(self, images: Any, *, training: bool = False) -> Any:
            """Ten parts of each image, or in training one, as large as an input."""
            if training:
                if CROPS:
                    return self.crop(images, training=True)
                return ops.reshape(images, (-1, *INPUT))
            _, rows, columns, _ = ops.shape(images)
            down, right = rows - INPUT[0], columns - INPUT[1]
            places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
            parts = [images[:, i : i + INPUT[0], j : j + INPUT[1]] for i, j in places]
            mirrored = [ops.flip(part, axis=2) for part in parts]
            return ops.reshape(ops.concatenate([*parts, *mirrored]), (-1, *INPUT))

    @keras.saving.register_keras_serializable()
    class MeanOfTen(layers.Layer):
        """The mean of the probabilities of ten parts of each image, in evaluation."""

        def call(self, outputs: Any, *, training: bool = False) -> Any:
            """The outputs of images; in training there is one part of each."""
            if training:
                return outputs
            outputs = ops.reshape(outputs, (10, -1, CLASSES))
            if OUTPUT == "probabilities":
                return ops.mean(outputs, axis=0)
            return ops.logsumexp(ops.log_softmax(outputs), axis=0) - math.log(10)
