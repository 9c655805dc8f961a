"""A recipe in Keras, against the same recipe in PyTorch."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Constant,
    Cosine,
    Optimizer,
    Piecewise,
    Plateau,
    RmsProp,
    Schedule,
    Sgd,
    Step,
    Training,
)

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.keras, pytest.mark.torch]

from archc.training.errors import InterruptionError  # noqa: E402
from archc.training.keras import augment as keras_augment  # noqa: E402
from archc.training.keras import recipe as keras_recipe  # noqa: E402
from archc.training.keras.batches import TrainingBatches, filled_rows  # noqa: E402
from archc.training.keras.callbacks import Checkpoints  # noqa: E402
from archc.training.keras.images import ImageSet as KerasImages  # noqa: E402
from archc.training.keras.state import RunState  # noqa: E402
from archc.training.torch import augment as torch_augment  # noqa: E402
from archc.training.torch import recipe as torch_recipe  # noqa: E402
from archc.training.torch.batches import BatchDraws  # noqa: E402
from archc.training.torch.batches import ImageSet as TorchImages  # noqa: E402

CLASSES = 7
INPUT = (8, 8, 3)
COLOURS = np.array([[3, 2, 1], [-20, 5, 50], [70, 90, 60]], np.float32)


# Some so small that where epsilon is added shows.
GRADIENTS = np.array(
    [[0.5, -1.0, 1e-7], [0.25, 1.0, -3e-8], [-0.125, 2.0, 1e-8], [0.5, 0.0, 2e-8]], np.float32
)
WEIGHTS = np.array([2.0, -1.0, 0.01], np.float32)
FALLING = Step(every=1, factor=0.5)


@pytest.mark.parametrize("schedule", [Constant(), FALLING], ids=["constant", "falling"])
@pytest.mark.parametrize(
    "optimizer",
    [
        Sgd(),
        Sgd(momentum=0.9),
        Sgd(momentum=0.9, weight_decay=0.01),
        Sgd(momentum=0.8, nesterov=True, learning_rate=0.2),
        Adam(),
        Adam(weight_decay=0.1, beta_1=0.5, epsilon=0.01),
        Adam(beta_1=0.0),
        AdamW(),
        AdamW(weight_decay=0.0, beta_2=0.9),
        RmsProp(),
        RmsProp(rho=0.5, momentum=0.9, weight_decay=0.1, epsilon=0.1),
    ],
    ids=repr,
)
def test_optimizers_step_as_those_of_pytorch(optimizer: Optimizer, schedule: Schedule) -> None:
    """On the same weights and gradients; an epoch is one step."""
    recipe = Training(optimizer=optimizer, schedule=schedule)
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(torch.tensor(WEIGHTS))
    torch_optimizer = torch_recipe.make_optimizer(optimizer, module)
    rate = keras_recipe.make_rate(recipe, 1, len(GRADIENTS))
    keras_optimizer = keras_recipe.make_optimizer(recipe, rate)
    variable = keras.Variable(WEIGHTS)
    for step, gradient in enumerate(GRADIENTS):
        moment = torch_recipe.TrainingMoment(step, 1, len(GRADIENTS), [])
        torch_optimizer.param_groups[0]["lr"] = torch_recipe.learning_rate(recipe, moment)
        module.weight.grad = torch.tensor(gradient)
        torch_optimizer.step()
        keras_optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        found = keras.ops.convert_to_numpy(variable)
        expected = module.weight.detach().numpy()
        np.testing.assert_allclose(found - WEIGHTS, expected - WEIGHTS, rtol=2e-5, atol=1e-9)


def test_keras_own_optimizers_are_taken_where_they_are_the_same() -> None:
    recipe = Training(optimizer=Sgd(momentum=0.9))
    assert type(keras_recipe.make_optimizer(recipe, 0.1)) is keras.optimizers.SGD


HISTORY = (0.1, 0.2, 0.3, 0.3, 0.2, 0.3, 0.1, 0.3, 0.2, 0.1)


@pytest.mark.parametrize("warmup", [0.0, 2.5, 0.27])
@pytest.mark.parametrize(
    "schedule",
    [
        Constant(),
        Step(every=3, factor=0.5),
        Piecewise(epochs=(2, 5, 6), factors=(0.4, 3.0, 0.02)),
        Cosine(),
        Cosine(minimum=0.0005),
        Plateau(patience=2, factor=0.5),
        Plateau(patience=1, factor=0.1, minimum=2e-5),
    ],
    ids=repr,
)
def test_learning_rates_are_those_of_pytorch(schedule: Schedule, warmup: float) -> None:
    """At each of 100 steps, ten an epoch."""
    recipe = Training(schedule=schedule, warmup=warmup)
    rate = keras_recipe.make_rate(recipe, 10, 100)
    optimizer = keras_recipe.make_optimizer(recipe, rate)
    state = RunState()
    callbacks = keras_recipe.schedule_callbacks(recipe, optimizer, rate, state)
    optimizer.build([keras.Variable(WEIGHTS)])
    for step in range(100):
        state.history = list(HISTORY[: step // 10])
        if step % 10 == 0:
            for callback in callbacks:
                callback.on_epoch_begin(step // 10)
        optimizer.iterations.assign(step)
        moment = torch_recipe.TrainingMoment(step, 10, 100, state.history)
        expected = torch_recipe.learning_rate(recipe, moment)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    "recipe",
    [Training(), Training(label_smoothing=0.1), Training(loss="mean_squared_error")],
    ids=["cross entropy", "smoothed", "squared"],
)
@pytest.mark.parametrize("output", ["logits", "log_probabilities", "probabilities"])
def test_losses_are_those_of_pytorch(output: str, recipe: Training) -> None:
    """Images that fill up a batch do not count. PyTorch takes probabilities by their logarithms."""
    logits = 3 * torch.randn(64, CLASSES, generator=torch.Generator().manual_seed(3))
    turned = {"probabilities": torch.softmax, "log_probabilities": torch.log_softmax}
    given = turned[output](logits, 1) if output in turned else logits
    labels = torch.arange(64) % CLASSES
    kind, taken = (
        ("log_probabilities", given.log()) if output == "probabilities" else (output, given)
    )
    losses = torch_recipe.sample_losses(recipe, kind, taken, labels)
    loss = keras_recipe.make_loss(recipe, output)
    found = float(loss(labels.numpy(), given.numpy()))
    assert found == pytest.approx(losses.mean().item(), rel=1e-5)
    chosen, weights = filled_rows(61, 4)
    found = float(loss(labels.numpy()[chosen], given.numpy()[chosen], weights))
    assert found == pytest.approx(losses[:61].mean().item(), rel=1e-5)


@pytest.mark.parametrize("rejection", [1.0, 3.5])
def test_the_loss_of_distances_is_that_of_pytorch(rejection: float) -> None:
    scores = -20 * torch.rand(64, CLASSES, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(64) % CLASSES
    recipe = Training(loss="maximum_a_posteriori", rejection=rejection)
    losses = torch_recipe.sample_losses(recipe, "distances", scores, labels)
    loss = keras_recipe.make_loss(recipe, "distances")
    found = float(loss(labels.numpy(), scores.numpy()))
    assert found == pytest.approx(losses.mean().item(), rel=1e-5)


MOVES = Augment(rotation=30, shift=0.2, zoom=0.3, shear=20, flip="both")


def pictures(sides: tuple[int, int], count: int = 16) -> Any:
    random = np.random.default_rng(5)
    return random.integers(0, 256, (count, *sides, 3)).astype(np.uint8)


def augmented(augment: Augment, images: Any) -> tuple[Any, Any]:
    """Images as both change them in step 3 of epoch 2, channels last."""
    seeds, every = (9, 2, 3), np.arange(len(images))
    colours = COLOURS if augment.lighting else None
    components = None if colours is None else torch.from_numpy(colours)
    whole = TorchImages(torch.from_numpy(images), torch.zeros(len(images)), every, components)
    batch = whole.images.movedim(-1, 1).float()
    draws = BatchDraws(whole, seeds, len(images), every)
    expected = torch_augment.augment_images(batch, draws, augment, INPUT).movedim(1, -1).numpy()
    inputs = keras_augment.training_inputs(images.copy(), colours, seeds, augment, INPUT)
    keep = keras.layers.Identity()
    trainer = keras_recipe.make_trainer(augment, keep, keep, images.shape[1:], INPUT)
    return np.asarray(trainer(inputs)), expected


@pytest.mark.parametrize(
    ("augment", "sides"),
    [
        (MOVES, (8, 8)),
        (MOVES, (10, 13)),
        (Augment(rotation=180, shift=0.5, fill="zero", lighting=0.1), (8, 8)),
        (Augment(flip="both", lighting=0.3), (12, 9)),
        (Augment(flip="horizontal"), (8, 8)),
        (Augment(), (9, 9)),
        (Augment(), (8, 8)),
    ],
    ids=repr,
)
def test_images_are_changed_as_by_pytorch(augment: Augment, sides: tuple[int, int]) -> None:
    """From the same seeds the very same images: moved, mirrored, cut and lit."""
    images = pictures(sides)
    found, expected = augmented(augment, images)
    assert found.shape == (len(images), 8, 8, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)
    is_same = augment == Augment() and sides == (8, 8)
    assert (np.abs(found - images[:, :8, :8]).max() < 0.02) == is_same


@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_images_are_moved_whatever_order_keras_is_set_to(order: str) -> None:
    """By one element along the width; a user's own configuration may name the other order."""
    images = pictures((9, 10), 2)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(order)
    try:
        layer = keras_augment.ImageMoves((9, 9, 3), "constant")
        moved = np.asarray(layer(images, np.array([[1, 0, 1, 0, 1, 0, 0, 0]] * 2, np.float32)))
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_allclose(moved, images[:, :, 1:], rtol=0, atol=1e-3)


def test_the_batch_is_filled_for_several_devices() -> None:
    """With rows that weigh nothing, and the mean weight is 1."""
    for count, replicas, expected in (
        (3, 4, ([0, 1, 2, 0], [4 / 3] * 3 + [0])),
        (1, 3, ([0, 0, 0], [3, 0, 0])),
        (4, 2, ([0, 1, 2, 3], [1] * 4)),
    ):
        rows, weights = filled_rows(count, replicas)
        assert (rows.tolist(), weights.tolist()) == (expected[0], pytest.approx(expected[1]))


@pytest.mark.parametrize("asked", [False, True])
def test_a_stop_that_is_asked_for_at_the_end_of_an_epoch_is_made_then(asked: bool) -> None:
    """Once that is saved, and not an epoch later."""
    checkpoints = Checkpoints.__new__(Checkpoints)
    state = SimpleNamespace(epoch=0, step=5, seconds=1.0)
    checkpoints.run = SimpleNamespace(state=state, worker=SimpleNamespace(processes=1))
    checkpoints.request = SimpleNamespace(made=asked)
    saved: list[int] = []
    checkpoints.save = lambda: saved.append(state.epoch)
    with pytest.raises(InterruptionError) if asked else nullcontext():
        checkpoints.on_epoch_end(0)
    assert saved == [1]


def test_every_step_draws_anew() -> None:
    """Of the same image: moves and colours differ between all steps of all epochs, and are the same
    in the same step again."""
    images = np.repeat(pictures((8, 8), 1), 12, axis=0)
    data = KerasImages(images, np.zeros(12, int), np.arange(12), COLOURS)
    recipe = Training(augment=Augment(rotation=30, shift=0.2, lighting=0.1), batch_size=4)
    batches = TrainingBatches(data, recipe, INPUT, 7, 1)
    batches.begin_stretch(range(3))
    drawn: dict[str, list[bytes]] = {"moves": [], "colours": []}
    for epoch in (1, 2, 1):
        batches.begin_epoch(epoch)
        for step in range(3):
            inputs, _ = batches[step]
            for name, values in drawn.items():
                values.append(inputs[name].tobytes())  # type: ignore[call-overload, index]
    for values in drawn.values():
        assert len(set(values[:6])) == 6
        assert values[6:] == values[:3]


@pytest.mark.parametrize("steps_per_epoch", [None, 5])
def test_tensorflow_gathers_the_same_batches(steps_per_epoch: int | None) -> None:
    """In each epoch, and in what is left of one."""
    images = np.arange(11 * 8 * 8 * 3, dtype=np.int32).reshape(11, 8, 8, 3)
    data = KerasImages(
        images, np.arange(11) % CLASSES, np.array([0, 2, 3, 5, 6, 7, 9, 10]), COLOURS
    )
    recipe = Training(batch_size=3, steps_per_epoch=steps_per_epoch)
    batches = TrainingBatches(data, recipe, INPUT, 7, 1)
    for span in (range(3), range(1, 3)):
        batches.begin_stretch(span)
        given = batches.fed()
        assert given is not batches
        for epoch in (1, 2):
            batches.begin_epoch(epoch)
            gathered = list(given.as_numpy_iterator())
            assert len(gathered) == len(span)
            for index, (taken, labels) in enumerate(gathered):
                assert np.array_equal(taken, batches[index][0])
                assert np.array_equal(labels, batches[index][1])


@pytest.mark.parametrize(
    ("augment", "shape", "replicas"),
    [
        (Augment(flip="horizontal"), (8, 8), 1),
        (Augment(lighting=0.1), (8, 8), 1),
        (Augment(rotation=1), (8, 8), 1),
        (Augment(), (9, 8), 1),
        (Augment(), (8, 8), 2),
    ],
    ids=["mirrored", "coloured", "moved", "cropped", "shared"],
)
def test_images_that_are_changed_are_given_by_python(
    augment: Augment, shape: tuple[int, int], replicas: int
) -> None:
    data = KerasImages(pictures(shape, 8), np.zeros(8, int), np.arange(8), COLOURS)
    batches = TrainingBatches(data, Training(augment=augment, batch_size=4), INPUT, 7, replicas)
    assert batches.fed() is batches
