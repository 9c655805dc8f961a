"""Runs in a process of its own: builds Keras models, imports them, and compares what the models and
the networks that archc emits for them compute. `python -m tests.importers.keras.saved FOLDER`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy
from keras import layers

from archc.importers import formats
from archc.importers.spec import as_spec


def mixed() -> keras.Model:
    """One layer of each kind, also nested models."""
    x = image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255)(x)
    x = layers.ZeroPadding2D(((0, 1), (1, 0)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    stem = keras.Sequential([layers.Conv2D(8, 3, padding="same", activation="gelu")], name="stem")
    x = stem(x)
    shortcut = x
    x = layers.SeparableConv2D(8, 3, padding="same")(x)
    x = layers.LayerNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 8))(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = layers.Add()([x, shortcut])
    left = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    right = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    right = layers.Dense(4, activation="silu")(right)
    x = layers.Concatenate()([left, right])
    x = layers.AveragePooling2D(2)(x)
    x = layers.Cropping2D(((1, 0), (0, 1)))(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.Conv2D(8, 3, dilation_rate=2, groups=2)(x)
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(image, layers.Dense(5, activation="softmax")(x), name="mixed")


def models() -> dict[str, keras.Model]:
    """The models by name."""
    options = {"weights": None, "input_shape": (64, 64, 3), "classes": 7}
    return {
        "mixed": mixed(),
        "mobilenetv2": keras.applications.MobileNetV2(alpha=0.35, **options),
    }


def run(folder: Path) -> None:
    """Import each model, from its JSON and from an archive, emit it again, give both networks the
    same weights in the order of their layers, and compare what they compute. The model that scales
    its images by 1 / 255 gets larger ones."""
    results = {}
    generator = numpy.random.default_rng(0)
    for name, model in models().items():
        own = emitted(folder, name, model).build_model()
        weights = [
            generator.uniform(0.1, 1, one.shape) - 0.4 * (one.ndim > 1)
            for one in model.get_weights()
        ]
        model.set_weights(weights)
        # A dense layer on a map is a convolution, with as many values.
        pairs = zip(weights, own.get_weights(), strict=True)
        own.set_weights([value.reshape(there.shape) for value, there in pairs])
        images = generator.standard_normal((2, *model.input_shape[1:]))
        expected = numpy.asarray(model(images * (255 if name == "mixed" else 1)))
        actual = numpy.asarray(own(images))
        results[name] = {
            "difference": float(numpy.abs(expected - actual).max()),
            "spread": float(expected.std()),
        }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def emitted(folder: Path, name: str, model: keras.Model) -> Any:
    """The module that is emitted for the spec of a saved model."""
    (folder / f"{name}.json").write_text(model.to_json(), encoding="utf-8")
    model.save(folder / f"{name}.keras")
    specs = []
    for suffix in ("json", "keras"):
        path = str(folder / f"{name}.{suffix}")
        specs.append(as_spec(formats.read(path), name, path, []))
    assert specs[0].text == specs[1].text
    source = folder / f"{name}.py"
    source.write_text(specs[0].loaded.emit("keras"), encoding="utf-8")
    specification = importlib.util.spec_from_file_location(name, source)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    run(Path(sys.argv[1]))
