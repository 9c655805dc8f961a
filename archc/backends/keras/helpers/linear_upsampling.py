import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class LinearUpsampling(layers.Layer):
    """Enlarges each spatial axis by a whole factor, with linear interpolation.

    The sample points lie at the centres of the elements; beyond the outermost ones,
    the edge is repeated.
    """

    def __init__(self, size: tuple[int, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        for axis, factor in enumerate(self.size, start=1):
            last = x.shape[axis] - 1
            centres = [(i + 0.5) / factor - 0.5 for i in range((last + 1) * factor)]
            points = [min(max(centre, 0.0), last) for centre in centres]
            lower = [int(point) for point in points]
            upper = [min(index + 1, last) for index in lower]
            share = ops.convert_to_tensor(points, x.dtype) - ops.cast(lower, x.dtype)
            shape = [1] * len(x.shape)
            shape[axis] = -1
            share = ops.reshape(share, shape)
            below, above = ops.take(x, lower, axis), ops.take(x, upper, axis)
            x = below + (above - below) * share
        return x

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "size": self.size}
