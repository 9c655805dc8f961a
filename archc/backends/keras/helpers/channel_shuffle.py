import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class ChannelShuffle(layers.Layer):
    """Views the channels as (groups, channels / groups) and swaps the two.

    Zhang et al. 2018, ShuffleNet.
    """

    def __init__(self, groups: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        *spatial, channels = x.shape[1:]
        split = (-1, *spatial, self.groups, channels // self.groups)
        swapped = ops.swapaxes(ops.reshape(x, split), -1, -2)
        return ops.reshape(swapped, (-1, *spatial, channels))

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "groups": self.groups}
