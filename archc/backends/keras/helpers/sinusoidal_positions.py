import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class SinusoidalPositions(layers.Layer):
    """Adds sines and cosines of the position: (batch, length, features).

    Their wavelengths grow from 2 pi to 10000 * 2 pi (Vaswani et al. 2017, section 3.5).
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        _, length, features = x.shape
        dtype = keras.backend.result_type(x.dtype, "float32")
        positions = ops.arange(length, dtype=dtype)
        exponents = ops.arange(0, features, 2, dtype=dtype) / features
        angles = positions[:, None] / ops.power(10000.0, exponents)
        waves = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        waves = ops.reshape(waves, (length, -1))  # length, features
        return x + ops.cast(waves[:, :features], x.dtype)
