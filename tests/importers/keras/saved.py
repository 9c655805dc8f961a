"""Runs in a process of its own: builds Keras models, imports them, and compares what the models and
the networks that archc emits for them compute. `python -m tests.importers.keras.saved FOLDER`."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path

import keras
import numpy
from keras import Layer, layers, ops
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from safetensors.numpy import load_file

from archc import backends
from archc.importers import formats
from archc.importers.agreement import compare
from archc.importers.export import save_weights
from archc.importers.keras.translate import TABLE
from archc.importers.spec import Imported, as_spec
from archc.training.keras.weights import load_weights, neutral_weights


def mixed() -> keras.Model:
    """One layer of each kind, also nested models."""
    x = image = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 127.5)(layers.RandomFlip("horizontal")(x))
    x = (x - 1.0) / 2.0
    x = layers.ZeroPadding2D(((0, 1), (1, 0)))(x)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.ReLU(6.0)(x)
    for stem in ("left", "right"):  # whose layers have the same names
        own = [layers.Conv2D(8, 3, padding="same", activation="gelu", name="conv")]
        x = keras.Sequential(own, name=stem)(x)
    x = layers.Multiply()([x, layers.ReLU(6.0)(x + 3.0) * (1 / 6)])
    shortcut = x
    x = layers.SeparableConv2D(8, 3, padding="same")(x)
    x = layers.LayerNormalization(center=False)(x)
    x = layers.GroupNormalization(2, scale=False)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.RMSNormalization()(x))
    x = ops.gelu(x) - ops.square(ops.softsign(x)) / 2.0
    x = layers.Subtract()([layers.Permute((2, 1, 3))(x), ops.leaky_relu(-x) ** 2])
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 8))(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = CustomScaleLayer(0.17)([x, shortcut])
    left = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    right = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    right = layers.Dense(4, activation="silu")(right)
    x = layers.Concatenate()([left, right])
    x = layers.AveragePooling2D(2)(x)
    parts = [ops.mean(x, (1, 2), keepdims=True), ops.max(x, (-2, -3), keepdims=True)]
    x = layers.Multiply()([ops.sigmoid(layers.Concatenate()(parts)), layers.Concatenate()([x, x])])
    x = layers.Cropping2D(((1, 0), (0, 1)))(x)
    x = layers.AdaptiveAveragePooling2D(14)(layers.UpSampling2D(8)(x))
    x = layers.AdaptiveMaxPooling2D(7)(x)
    x = layers.Conv2D(8, 3, dilation_rate=2, groups=2)(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(image, layers.Dense(5, activation="softmax")(x), name="mixed")


def sequences() -> keras.Model:
    """One layer of each kind that takes tokens, and those that slide along them; a layer and a
    model that are called twice; a mask, which a convolution does not hand on."""
    ids = keras.Input((9,), name="ids")
    x = layers.Embedding(20, 8, mask_zero=True)(ids)
    x = layers.BatchNormalization()(layers.Conv1D(8, 1)(layers.Dropout(0.1)(x)))
    x = layers.Reshape((9, 8))(layers.Reshape((3, 3, 8))(x))
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    y = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    again, twice = keras.Sequential([layers.Dense(8)], name="again"), layers.Dense(8)
    x = twice(again(again(twice(x))))
    y = layers.Conv1D(8, 3, padding="causal", activation="relu")(x)
    y = layers.LSTM(6, return_sequences=True)(layers.Add()([x, y]))
    x = layers.MultiHeadAttention(2, 3, use_bias=False)(y, x, x)
    x = layers.GRU(5, return_sequences=True, use_bias=False)(x)
    x = layers.Bidirectional(layers.LSTM(3, use_bias=False))(x)
    return keras.Model(ids, layers.Dense(2)(x), name="sequences")


def halves() -> keras.Model:
    """An image of which a half is taken by one branch alone, so that this is no preparation."""
    image = keras.Input((8, 8, 3), name="image")
    parts = [layers.Conv2D(4, 3)(image / 2.0), layers.Conv2D(4, 3)(image)]
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()(parts))
    return keras.Model(image, layers.Dense(2)(x), name="halves")


def masked() -> dict[str, list[str]]:
    """Layers by what Keras does with a mask that it hands on from layer to layer."""
    kinds = {
        kind: vars(layers)[kind] for kind in TABLE if issubclass(vars(layers).get(kind, int), Layer)
    }
    reading = [one for one in kinds if "mask" in str(inspect.signature(kinds[one].call))]
    built = {one: kinds[one](**FIELDS.get(one, {})) for one in kinds.keys() - set(reading)}
    return {"reading": reading, "passing": [one for one in built if built[one].supports_masking]}


FIELDS: dict[str, dict[str, object]] = {
    **{
        f"{kind}{rank}D{end}": {"filters": 2, "kernel_size": 2}
        for kind, end in (("Conv", ""), ("SeparableConv", ""), ("Conv", "Transpose"))
        for rank in (1, 2, 3)
    },
    **{f"DepthwiseConv{rank}D": {"kernel_size": 2} for rank in (1, 2)},
    **{f"AveragePooling{rank}D": {"pool_size": 2} for rank in (1, 2, 3)},
    **{
        f"Adaptive{kind}Pooling{rank}D": {"output_size": 2}
        for kind in ("Average", "Max")
        for rank in (1, 2, 3)
    },
    "Activation": {"activation": "relu"},
    "Dense": {"units": 2},
    "Dropout": {"rate": 0.5},
    "Embedding": {"input_dim": 2, "output_dim": 2},
    "Permute": {"dims": (1,)},
    "Rescaling": {"scale": 2.0},
    "Reshape": {"target_shape": (1,)},
}
"""What layers are built with that need something."""


def run(folder: Path) -> None:
    """Compare the models and what is emitted for their specs. As one model scales its images and
    takes 1 / 2 off, it gets larger ones."""
    generator = numpy.random.default_rng(0)
    images = generator.standard_normal((2, 32, 32, 3))
    ids = generator.integers(0, 20, (2, 9))
    results = {
        "mixed": compared(folder, mixed(), images, 255 * images + 127.5),
        "sequences": compared(folder, sequences(), ids, ids),
        "halves": compared(folder, halves(), images[:, :8, :8], images[:, :8, :8]),
    }
    (folder / "masked.json").write_text(json.dumps(masked()), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def compared(
    folder: Path, model: keras.Model, prepared: numpy.ndarray, given: numpy.ndarray
) -> dict[str, object]:
    """How far what is emitted computes something else of prepared inputs than a model of those that
    it is given."""
    generator = numpy.random.default_rng(0)
    model.set_weights(
        [generator.uniform(0.1, 1, one.shape) - 0.4 * (one.ndim > 1) for one in model.get_weights()]
    )
    imported = read(folder, model.name, model)
    own = emitted(folder, model.name, imported)
    expected, actual = numpy.asarray(model(given, training=False)), numpy.asarray(own(prepared))
    agreement = compare(imported, str(folder / f"{model.name}.keras"))
    return {
        "difference": float(numpy.abs(expected - actual).max()),
        "spread": float(expected.std()),
        "compared": agreement.compared,
        "problem": agreement.disagreement or agreement.reason,
    }


def read(folder: Path, name: str, model: keras.Model) -> Imported:
    """The spec of a model that is saved as JSON and as an archive, which are the same network."""
    (folder / f"{name}.json").write_text(model.to_json(), encoding="utf-8")
    model.save(folder / f"{name}.keras")
    specs = []
    for suffix in ("json", "keras"):
        path = str(folder / f"{name}.{suffix}")
        specs.append(as_spec(formats.read(path), name, path, []))
    assert specs[0].text == specs[1].text
    return specs[1]


def emitted(folder: Path, name: str, imported: Imported) -> keras.Model:
    """The model that is emitted for a spec, with the weights of the file that this came from."""
    weights = folder / f"{name}.safetensors"
    save_weights(imported, str(folder / f"{name}.keras"), str(weights))
    source = folder / f"{name}.py"
    code = backends.compile_network("keras", imported.loaded)
    source.write_text(str(code.source), encoding="utf-8")
    specification = importlib.util.spec_from_file_location(name, source)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    own: keras.Model = module.build_model()
    load_weights(own, code.variables, weights)
    loaded, kept = load_file(weights), neutral_weights(own, code.variables)
    assert loaded.keys() == kept.keys()
    assert all(numpy.array_equal(loaded[key], kept[key]) for key in kept)
    return own


if __name__ == "__main__":
    run(Path(sys.argv[1]))
