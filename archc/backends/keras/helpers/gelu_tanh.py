import keras
from keras import ops


@keras.saving.register_keras_serializable()
def gelu_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
    """GELU, approximated by tanh (Hendrycks & Gimpel 2016)."""
    return ops.gelu(x, approximate=True)
