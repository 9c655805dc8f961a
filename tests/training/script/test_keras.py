"""What of a Keras script depends on the recipe, against PyTorch's optimizers and against the
functions of the PyTorch script of the same recipe."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from archc.codegen.tree import Value
from archc.language.recipe import (
    Adam,
    AdamW,
    Augment,
    Constant,
    Cosine,
    Inputs,
    Optimizer,
    Plateau,
    RmsProp,
    Schedule,
    Sgd,
    Step,
    Training,
)
from archc.training.script import keras as keras_recipe
from tests.training.parts import recipe_parts

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
pytestmark = [pytest.mark.keras, pytest.mark.torch]

CLASSES = 7


def recipe_module(backend: str, recipe: Training, **constants: object) -> Any:
    """The functions of a recipe, for a network of seven classes."""
    known = {"OUTPUT": "logits", "INPUT_SHAPE": (8, 8, 3), "CLASSES": CLASSES}
    return recipe_parts(backend, recipe, **{**known, "RunState": SimpleNamespace, **constants})


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
    theirs = recipe_module("torch", recipe)
    torch_optimizer = theirs.make_optimizer(module)
    ours = recipe_module("keras", recipe)
    keras_optimizer = ours.make_optimizer(ours.make_rate(1, len(GRADIENTS)))
    variable = keras.Variable(WEIGHTS)
    for step, gradient in enumerate(GRADIENTS):
        moment = SimpleNamespace(step=step, epoch_steps=1, steps=len(GRADIENTS), history=[])
        torch_optimizer.param_groups[0]["lr"] = theirs.learning_rate(moment)
        module.weight.grad = torch.tensor(gradient)
        torch_optimizer.step()
        keras_optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        found = keras.ops.convert_to_numpy(variable)
        expected = module.weight.detach().numpy()
        np.testing.assert_allclose(found - WEIGHTS, expected - WEIGHTS, rtol=2e-5, atol=1e-9)


def test_keras_own_optimizers_are_taken_where_they_are_the_same() -> None:
    made = recipe_module("keras", Training(optimizer=Sgd(momentum=0.9)))
    assert type(made.make_optimizer(0.1)) is keras.optimizers.SGD


HISTORY = (0.1, 0.2, 0.3, 0.3, 0.2, 0.3, 0.1, 0.3, 0.2, 0.1)


@pytest.mark.parametrize("warmup", [0.0, 2.5, 0.27])
@pytest.mark.parametrize(
    "schedule",
    [
        Constant(),
        Step(every=3, factor=0.5),
        Cosine(),
        Cosine(minimum=0.0005),
        Plateau(patience=2, factor=0.5),
        Plateau(patience=1, factor=0.1, minimum=2e-5),
    ],
    ids=repr,
)
def test_learning_rates_are_those_of_the_pytorch_script(schedule: Schedule, warmup: float) -> None:
    """At each of 100 steps, ten an epoch."""
    recipe = Training(schedule=schedule, warmup=warmup)
    theirs, ours = recipe_module("torch", recipe), recipe_module("keras", recipe)
    rate = ours.make_rate(10, 100)
    optimizer = ours.make_optimizer(rate)
    state = SimpleNamespace(history=[])
    callbacks = ours.schedule_callbacks(optimizer, rate, state)
    optimizer.build([keras.Variable(WEIGHTS)])
    for step in range(100):
        state.history = list(HISTORY[: step // 10])
        if step % 10 == 0:
            for callback in callbacks:
                callback.on_epoch_begin(step // 10)
        optimizer.iterations.assign(step)
        moment = SimpleNamespace(step=step, epoch_steps=10, steps=100, history=state.history)
        expected = theirs.learning_rate(moment)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    "recipe",
    [Training(), Training(label_smoothing=0.1), Training(loss="mean_squared_error")],
    ids=["cross entropy", "smoothed", "squared"],
)
@pytest.mark.parametrize("output", ["logits", "log_probabilities", "probabilities"])
def test_losses_are_those_of_the_pytorch_script(output: str, recipe: Training) -> None:
    """Images that fill up a batch do not count. PyTorch takes probabilities by their logarithms."""
    logits = 3 * torch.randn(64, CLASSES, generator=torch.Generator().manual_seed(3))
    turned = {"probabilities": torch.softmax, "log_probabilities": torch.log_softmax}
    given = turned[output](logits, 1) if output in turned else logits
    labels = torch.arange(64) % CLASSES
    kind, taken = (
        ("log_probabilities", given.log()) if output == "probabilities" else (output, given)
    )
    losses = recipe_module("torch", recipe, OUTPUT=kind).sample_losses(taken, labels)
    ours = recipe_module("keras", recipe, OUTPUT=output)
    loss = ours.make_loss()
    found = float(loss(labels.numpy(), given.numpy()))
    assert found == pytest.approx(losses.mean().item(), rel=1e-5)
    chosen, weights = ours.filled_rows(61, 4)
    found = float(loss(labels.numpy()[chosen], given.numpy()[chosen], weights))
    assert found == pytest.approx(losses[:61].mean().item(), rel=1e-5)


MOVES = Augment(rotation=30, shift=0.2, zoom=0.3, shear=20, flip="both")


def pictures(sides: tuple[int, int], count: int = 16) -> Any:
    random = np.random.default_rng(5)
    return random.integers(0, 256, (count, *sides, 3)).astype(np.uint8)


def changed(recipe: Training, images: Any) -> tuple[Any, Any]:
    """Images as both scripts change them in step 3 of epoch 2, channels last."""
    seeds, every = (9, 2, 3), np.arange(len(images))
    theirs = recipe_module("torch", recipe)
    ours = recipe_module("keras", recipe)
    whole = theirs.ImageSet(torch.from_numpy(images), torch.zeros(len(images)), every)
    data = ours.ImageSet(images, every, every)
    if recipe.augment.lighting:
        components = ours.colour_components(data)
        # An eigenvector may point either way: PyTorch's are turned as NumPy's are.
        expected = theirs.colour_components(whole).numpy()
        np.testing.assert_allclose(np.abs(components), np.abs(expected), rtol=1e-3, atol=1e-4)
        theirs.colour_components = lambda _data: torch.from_numpy(components)
    given = whole.images.movedim(-1, 1).float()
    draws = theirs.BatchDraws(whole, seeds, len(images), every)
    expected = theirs.augment_images(given, draws).movedim(1, -1).numpy()
    inputs = ours.training_inputs(data, every, np.random.default_rng(seeds))
    keep = keras.layers.Identity()
    return np.asarray(ours.make_trainer(keep, keep, images.shape[1:])(inputs)), expected


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
def test_images_are_changed_as_by_the_pytorch_script(
    augment: Augment, sides: tuple[int, int]
) -> None:
    """From the same seeds the very same images: moved, mirrored, cut and lit."""
    images = pictures(sides)
    found, expected = changed(Training(augment=augment), images)
    assert found.shape == (len(images), 8, 8, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)
    is_same = augment == Augment() and sides == (8, 8)
    assert (np.abs(found - images[:, :8, :8]).max() < 0.02) == is_same


def test_images_are_cut_only_where_they_may_be_larger() -> None:
    constants: dict[str, Value] = {"OUTPUT": "logits", "INPUT_SHAPE": (8, 8, 3)}
    plain = Training(inputs=Inputs(resize=6, pad=1))
    assert "crop_images" not in keras_recipe.functions(plain, constants)
    for inputs in (Inputs(), Inputs(resize=8, pad=1)):
        assert "crop_images" in keras_recipe.functions(Training(inputs=inputs), constants)


def test_the_batch_is_filled_for_several_devices() -> None:
    """With rows that weigh nothing, and the mean weight is 1."""
    made = recipe_module("keras", Training())
    for count, replicas, expected in (
        (3, 4, ([0, 1, 2, 0], [4 / 3] * 3 + [0])),
        (1, 3, ([0, 0, 0], [3, 0, 0])),
        (4, 2, ([0, 1, 2, 3], [1] * 4)),
    ):
        rows, weights = made.filled_rows(count, replicas)
        assert (rows.tolist(), weights.tolist()) == (expected[0], pytest.approx(expected[1]))
