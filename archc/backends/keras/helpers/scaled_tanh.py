import keras
from keras import ops


@keras.saving.register_keras_serializable()
def scaled_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
    """1.7159 * tanh(2x / 3) (LeCun et al. 1998, appendix A)."""
    return 1.7159 * ops.tanh(2 / 3 * x)
