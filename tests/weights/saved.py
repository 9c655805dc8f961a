"""Run as a script: writes what Keras itself saves, `python saved.py NAME FOLDER`.

FOLDER gets `x.npy`, a batch; `y.npy`, the model's own output for it; `saved.weights.h5`, and
`legacy.h5` in the layout of Keras 2, in which keras.applications' files are published.
"""

from __future__ import annotations

import sys

import keras
import numpy
from keras import applications
from keras.src.legacy.saving import legacy_h5_format

MODELS = {
    "mobilenet": lambda: applications.MobileNet(weights=None, input_shape=(64, 64, 3), classes=10),
    "vgg16": lambda: applications.VGG16(weights=None, input_shape=(64, 64, 3), classes=10),
    "resnet50": lambda: applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10),
}


def main(name: str, folder: str) -> None:
    import h5py

    model = MODELS[name]()
    random = numpy.random.default_rng(5)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if len(shape) > 1:
            fan_in = numpy.prod(shape[:-1])
            weight.assign(random.standard_normal(shape) * (2 / fan_in) ** 0.5)
        elif "gamma" in weight.name or "variance" in weight.name:
            weight.assign(random.uniform(0.5, 1.5, shape))
        else:
            weight.assign(0.1 * random.standard_normal(shape))
    x = random.standard_normal((2, *model.input_shape[1:])).astype("float32")
    numpy.save(f"{folder}/x.npy", numpy.moveaxis(x, -1, 1))
    numpy.save(f"{folder}/y.npy", keras.ops.convert_to_numpy(model(x, training=False)))
    model.save_weights(f"{folder}/saved.weights.h5")
    with h5py.File(f"{folder}/legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


if __name__ == "__main__":
    main(*sys.argv[1:])
