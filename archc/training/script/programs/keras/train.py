"""The program of which training scripts for Keras are specializations, below its constants and
what reads images: the constants decide its conditions, and what they rule out is not written."""

import sys
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks, layers, ops

from archc.training.script.programs.keras.constants import (
    BATCH_SIZE,
    CHANGES,
    CLASSES,
    CROPS,
    EPOCHS,
    EVERY,
    FACTOR,
    FACTORS,
    FLIP,
    INPUT,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    LIGHTING,
    LOSS,
    METRIC,
    MONITOR,
    MOVES,
    OPTIMIZER,
    OUTPUT,
    PARTS,
    PATIENCE,
    PRECISION,
    REJECTION,
    SCALE,
    SCHEDULE,
    SEED,
    STANDARDIZE,
    STEPS,
    STEPS_PER_EPOCH,
    STREAMS,
    TEN_CROPS,
    VALIDATION,
    WARMUP,
    WEIGHT_DECAY,
)
from archc.training.script.programs.keras.images import decode, read_images
from archc.training.script.programs.keras.layers import (
    ColourNoise,
    Crop,
    MeanOfTen,
    RandomMoves,
    TenCrops,
)
from archc.training.script.programs.stand_in import Network

if VALIDATION:

    def split(classes: Any) -> tuple[Any, Any]:
        """The same share of each class to hold out, at random, and the others."""
        order = np.random.default_rng((SEED, len(classes))).permutation(len(classes))
        order = order[np.argsort(classes[order], kind="stable")]
        chosen = np.diff(np.floor(np.arange(len(order) + 1) * VALIDATION + 1e-9)) > 0
        return np.sort(order[chosen]), np.setdiff1d(order, order[chosen])


class Batches(keras.utils.PyDataset):
    """Batches of images: at random, by the epoch, once one has begun."""

    def __init__(self, images: Any, labels: Any, indices: Any) -> None:
        if not STREAMS:
            super().__init__()
        else:
            super().__init__(workers=8)
        self.images = images
        self.labels = labels
        self.indices = indices
        self.order = indices
        if not STREAMS:
            self.variable: Any = None  # the order for TensorFlow
        if PARTS:
            self.epoch = 0

    def begin(self, epoch: int, _logs: Any) -> None:
        """Draw the order of an epoch, counted from 0."""
        if PARTS:
            self.epoch = epoch + 1
        if STEPS_PER_EPOCH:
            generator = np.random.default_rng((SEED, epoch + 1))
            length = STEPS_PER_EPOCH * BATCH_SIZE
            times = -(-length // len(self.indices))
            orders = [generator.permutation(self.indices) for _ in range(times)]
            self.order = np.concatenate(orders)[:length]
        else:
            self.order = np.random.default_rng((SEED, epoch + 1)).permutation(self.indices)
        if not STREAMS and self.variable is not None:
            self.variable.assign(self.order)

    def __len__(self) -> int:
        return -(-len(self.order) // BATCH_SIZE)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        if not STREAMS:
            images = self.images[chosen]
        else:
            if PARTS:
                seed = (SEED, self.epoch, index)
                generator = np.random.default_rng(seed) if self.epoch > 0 else None
            images = np.stack([decode(self.images[one], generator) for one in chosen])
        if LABEL_SMOOTHING or LOSS == "mean_squared_error":
            return images, np.eye(CLASSES, dtype="float32")[self.labels[chosen]]
        return images, self.labels[chosen]

    if not STREAMS:

        def gathered(self) -> Any:
            """The batches as TensorFlow gathers them, which is faster than Python."""
            import tensorflow as tf

            with tf.device("CPU"):
                self.variable = tf.Variable(self.order)
                images, labels = tf.constant(self.images), tf.constant(self.labels)

            def gather(step: Any) -> tuple[Any, Any]:
                chosen = self.variable[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
                if LABEL_SMOOTHING or LOSS == "mean_squared_error":
                    return tf.gather(images, chosen), tf.one_hot(tf.gather(labels, chosen), CLASSES)
                return tf.gather(images, chosen), tf.gather(labels, chosen)

            steps = tf.data.Dataset.range(len(self))
            return steps.map(gather, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


if STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean":

    def mean_image(batches: Batches) -> Any:
        """The mean of the training images."""
        indices = range(len(batches))
        decoded = (
            ThreadPoolExecutor(8).map(batches.__getitem__, indices)
            if STREAMS
            else map(batches.__getitem__, indices)
        )
        total = sum(images.sum(axis=0, dtype="float64") for images, _ in decoded)
        if SCALE != 1.0:
            total = total * SCALE
        mean = total / len(batches.indices)
        if STANDARDIZE == "channel_mean":
            return mean.mean(tuple(range(mean.ndim - 1)))
        if CROPS or (PARTS and TEN_CROPS):
            top, left = (mean.shape[0] - INPUT[0]) // 2, (mean.shape[1] - INPUT[1]) // 2
            return mean[top : top + INPUT[0], left : left + INPUT[1]]
        return mean


if STANDARDIZE == "dataset" or STANDARDIZE == "channel":

    def standardization(batches: Batches) -> tuple[Any, Any]:
        """Mean and standard deviation of the training images."""
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        indices = range(len(batches))
        decoded = (
            ThreadPoolExecutor(8).map(batches.__getitem__, indices)
            if STREAMS
            else map(batches.__getitem__, indices)
        )
        for images, _ in decoded:
            images = images.astype("float64")
            if SCALE != 1.0:
                images = images * SCALE
            count = count + len(images)
            total = total + images.sum(axis=0)
            squares = squares + np.square(images).sum(axis=0)
        mean = total / count
        if STANDARDIZE == "dataset":
            return mean.mean(), np.sqrt((squares / count).mean() - np.square(mean.mean()))
        axes = tuple(range(mean.ndim - 1))
        square = (squares / count).mean(axes)
        return mean.mean(axes), np.sqrt(square - np.square(mean.mean(axes)))


if WEIGHT_DECAY and OPTIMIZER == "sgd":

    class DecayedSGD(keras.optimizers.SGD):
        """Gradient descent with weight decay in the gradient."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Take a step of one variable."""
            super().update_step(gradient + WEIGHT_DECAY * variable, variable, learning_rate)


if WEIGHT_DECAY and OPTIMIZER == "adam":

    class DecayedAdam(keras.optimizers.Adam):
        """Adam with weight decay in the gradient."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Take a step of one variable."""
            super().update_step(gradient + WEIGHT_DECAY * variable, variable, learning_rate)


if WEIGHT_DECAY and OPTIMIZER == "rmsprop":

    class DecayedRMSprop(keras.optimizers.RMSprop):
        """RMSprop with weight decay in the gradient."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Take a step of one variable."""
            super().update_step(gradient + WEIGHT_DECAY * variable, variable, learning_rate)


if WARMUP and SCHEDULE != "cosine":

    class WarmUp(callbacks.Callback):
        """A learning rate that rises in a straight line over the first steps."""

        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

        def on_train_batch_begin(self, batch: int, logs: Any) -> None:
            """Set the rate of a step."""
            step = int(self.model.optimizer.iterations)
            if step < self.steps:
                self.model.optimizer.learning_rate = LEARNING_RATE * (step + 1) / self.steps


if SCHEDULE == "step":

    def step_rate(epoch: int) -> float:
        """The learning rate of an epoch."""
        return LEARNING_RATE * FACTOR ** (epoch // EVERY)


if SCHEDULE == "piecewise":

    def piecewise_rate(epoch: int) -> float:
        """The learning rate of an epoch."""
        return LEARNING_RATE * FACTORS[sum(epoch >= change for change in CHANGES)]


if SCHEDULE == "plateau":

    def make_plateau() -> callbacks.ReduceLROnPlateau:
        """The schedule of the learning rate, over epochs: the emitter writes the recipe's."""
        raise NotImplementedError


def make_optimizer(*_values: Any) -> keras.Optimizer:
    """The optimizer: the emitter writes the recipe's."""
    raise NotImplementedError


if LOSS == "maximum_a_posteriori":

    class MaximumAPosteriori(keras.losses.Loss):
        """y_D + log(e^-j + sum of e^-y_i) of distances y (LeCun et al. 1998, equation 9)."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            """The loss of each image, of negative distances."""
            rejects = ops.full_like(y_pred[:, :1], -REJECTION)
            total = ops.logsumexp(ops.concatenate([y_pred, rejects], axis=1), axis=1)
            labels = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), CLASSES)
            return total - ops.sum(labels * y_pred, axis=1)


def make_loss() -> keras.losses.Loss:
    """The mean loss of a batch."""
    if LOSS == "maximum_a_posteriori":
        return MaximumAPosteriori()
    if LOSS == "mean_squared_error":
        return keras.losses.MeanSquaredError()
    if LABEL_SMOOTHING:
        return keras.losses.CategoricalCrossentropy(
            from_logits=OUTPUT != "probabilities", label_smoothing=LABEL_SMOOTHING
        )
    if OUTPUT == "probabilities":
        return keras.losses.SparseCategoricalCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def make_model(batches: Batches) -> keras.Model:
    """The network behind what is done to images: changes in training, then scaling."""
    network: keras.Model = Network()
    if PRECISION != "float32":
        # The loss takes the logarithm of what comes out.
        network.layers[-1].dtype_policy = "float32"
    if PARTS and TEN_CROPS:
        inputs = keras.Input((None, None, INPUT[2]))
    elif not CROPS:
        inputs = keras.Input(INPUT)
    elif STREAMS:
        inputs = keras.Input(batches[0][0].shape[1:])
    else:
        inputs = keras.Input(batches.images.shape[1:])
    x = inputs
    if MOVES:
        x = RandomMoves(dtype="float32")(x)
    if FLIP == "horizontal":
        x = layers.RandomFlip("horizontal")(x)
    if FLIP == "vertical":
        x = layers.RandomFlip("vertical")(x)
    if FLIP == "both":
        x = layers.RandomFlip()(x)
    if TEN_CROPS:
        x = TenCrops()(x)
    elif CROPS:
        x = Crop()(x)
    if LIGHTING:
        x = ColourNoise(dtype="float32")(x)
    if STANDARDIZE == "none":
        if SCALE != 1.0:
            x = layers.Rescaling(SCALE)(x)
    elif STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean":
        mean = mean_image(batches)
        if SCALE == 1.0:
            x = layers.Rescaling(1.0, -mean, dtype="float32")(x)
        else:
            x = layers.Rescaling(SCALE, -mean, dtype="float32")(x)
    else:
        mean, deviation = standardization(batches)
        if SCALE == 1.0:
            x = layers.Rescaling(1 / deviation, -mean / deviation, dtype="float32")(x)
        else:
            x = layers.Rescaling(SCALE / deviation, -mean / deviation, dtype="float32")(x)
    outputs = network(x)
    if OUTPUT == "distances":
        # The nearest class is the answer.
        outputs = ops.negative(outputs)
    if TEN_CROPS:
        outputs = MeanOfTen()(outputs)
    if LOSS == "mean_squared_error" and OUTPUT == "log_probabilities":
        outputs = ops.exp(outputs)
    return keras.Model(inputs, outputs)


def train(arguments: Namespace) -> None:
    """Train, and save the last epoch and the best one."""
    keras.utils.set_random_seed(SEED)
    if PRECISION == "auto" and keras.distribution.list_devices("gpu"):
        keras.config.set_dtype_policy("mixed_bfloat16")
    if PRECISION == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    if PRECISION == "float16":
        keras.config.set_dtype_policy("mixed_float16")
    if arguments.resume != (arguments.out / "last").exists():
        sys.exit(f"{arguments.out}: --resume is for a run that is there already")
    images, labels = read_images(arguments.data)
    if VALIDATION:
        held_out, batches = (Batches(images, labels, part) for part in split(labels))
        if len(held_out) == 0 or len(np.unique(labels)) < 2:
            sys.exit(f"{arguments.data}: too few images, or no labels of two classes")
    else:
        if len(np.unique(labels)) < 2:
            sys.exit(f"{arguments.data}: too few images, or no labels of two classes")
        batches = Batches(images, labels, np.arange(len(images)))
    model = make_model(batches)
    batches.begin(0, None)
    if STEPS or WARMUP or SCHEDULE == "cosine":
        epoch_steps = len(batches)
    if STEPS:
        epochs = -(-STEPS // epoch_steps)
    else:
        epochs = arguments.epochs
    if SCHEDULE == "cosine" and STEPS:
        steps = STEPS
    if SCHEDULE == "cosine" and not STEPS:
        steps = epochs * epoch_steps
    if WARMUP:
        begin = max(1, round(WARMUP * epoch_steps))
    optimizer = make_optimizer(begin, steps)
    if METRIC == "top_5_accuracy":
        if LABEL_SMOOTHING or LOSS == "mean_squared_error":  # labels are vectors
            metric = keras.metrics.TopKCategoricalAccuracy(5, name="top_5_accuracy")
        else:
            metric = keras.metrics.SparseTopKCategoricalAccuracy(5, name="top_5_accuracy")
    on_tensorflow = keras.backend.backend() == "tensorflow"
    if STREAMS or (WARMUP and SCHEDULE != "cosine"):
        model.compile(
            optimizer,
            make_loss(),
            metrics=[metric if METRIC == "top_5_accuracy" else "accuracy"],
        )
    else:
        # Several steps are one call: Python between them takes as long as a small network.
        together = 16 if on_tensorflow else 1
        model.compile(
            optimizer,
            make_loss(),
            metrics=[metric if METRIC == "top_5_accuracy" else "accuracy"],
            steps_per_execution=together,
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    if SCHEDULE == "cosine" and not STEPS:
        length = arguments.out / "epochs.txt"
        if arguments.resume and int(length.read_text()) != epochs:
            sys.exit(f"{arguments.out}: its learning rate falls over other --epochs")
        length.write_text(str(epochs))
    best, log = arguments.out / "best.keras", arguments.out / "log.csv"
    used = [
        callbacks.LambdaCallback(on_epoch_begin=batches.begin),
        callbacks.BackupAndRestore(arguments.out / "last", delete_checkpoint=False),
        callbacks.ModelCheckpoint(best, monitor=MONITOR, save_best_only=True),
        callbacks.CSVLogger(log, append=arguments.resume),
    ]
    if on_tensorflow and find_spec("tensorboard") is not None:
        used.append(callbacks.TensorBoard(arguments.out))
    if WARMUP and SCHEDULE != "cosine":
        used.append(WarmUp(begin))
    if SCHEDULE == "step":
        used.append(callbacks.LearningRateScheduler(step_rate))
    if SCHEDULE == "piecewise":
        used.append(callbacks.LearningRateScheduler(piecewise_rate))
    if SCHEDULE == "plateau":
        used.append(make_plateau())
    if PATIENCE:
        used.append(callbacks.EarlyStopping(monitor=MONITOR, patience=PATIENCE))
    if not STREAMS:
        batches = batches.gathered() if on_tensorflow else batches
    if VALIDATION:
        model.fit(batches, epochs=epochs, validation_data=held_out, callbacks=used, shuffle=False)
    else:
        model.fit(batches, epochs=epochs, callbacks=used, shuffle=False)


def predict(arguments: Namespace) -> None:
    """Write the number of each image's class, by the best model."""
    model = keras.models.load_model(arguments.out / "best.keras", compile=False)
    images, labels = read_images(arguments.data)
    batches = Batches(images, labels, np.arange(len(images)))
    classes = model.predict(batches).argmax(axis=1)
    rows = [f"{number},{label}" for number, label in enumerate(classes, 1)]
    arguments.predict.write_text("\n".join(["ImageId,Label", *rows, ""]))


def parse_arguments() -> Namespace:
    """The command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="an .npz file, or a folder of images")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--resume", action="store_true", help="resume the run")
    if not STEPS:
        parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--predict", type=Path, help="a CSV file of labels to write")
    arguments = parser.parse_args()
    if arguments.data.suffix != ".npz" and not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no .npz file: `archc data pack` makes one")
    return arguments


if __name__ == "__main__":
    options = parse_arguments()
    run = predict if options.predict else train
    run(options)
