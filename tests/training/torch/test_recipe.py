"""A recipe in PyTorch: losses, optimizers, learning rates and augmentation, against their
definitions."""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
from collections.abc import Iterable
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
from tests.training.samples import takes

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

from archc.training.data.pixels import pixel_statistics  # noqa: E402
from archc.training.torch import augment as augmentation  # noqa: E402
from archc.training.torch.batches import BatchDraws, ImageSet, seed_step, step_seeds  # noqa: E402
from archc.training.torch.recipe import (  # noqa: E402
    TrainingMoment,
    learning_rate,
    make_optimizer,
    sample_losses,
)

OUTPUTS = ("logits", "log_probabilities")
IMAGE = (8, 8, 3)


def samples() -> tuple[object, object]:
    """Logits of 7 classes, some of them far apart, and labels."""
    logits = torch.randn(64, 7, generator=torch.Generator().manual_seed(3)) * 3
    return logits, torch.arange(64) % 7


def given(output: str, logits: object) -> object:
    """What a network of that output gives for logits."""
    return torch.log_softmax(logits, 1) if output == "log_probabilities" else logits


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("output", OUTPUTS)
def test_cross_entropy_is_that_of_the_logits(output: str, smoothing: float) -> None:
    logits, labels = samples()
    recipe = Training(label_smoothing=smoothing)
    expected = torch.nn.functional.cross_entropy(
        logits, labels, label_smoothing=smoothing, reduction="none"
    )
    torch.testing.assert_close(
        sample_losses(recipe, output, given(output, logits), labels), expected
    )


@pytest.mark.parametrize("output", OUTPUTS)
def test_mean_squared_error(output: str) -> None:
    logits, labels = samples()
    recipe = Training(loss="mean_squared_error")
    values = torch.softmax(logits, 1) if output == "log_probabilities" else logits
    expected = ((values - torch.eye(7)[labels]) ** 2).mean(1)
    torch.testing.assert_close(
        sample_losses(recipe, output, given(output, logits), labels), expected
    )


def test_the_loss_of_distances_is_the_paper_s() -> None:
    """LeCun et al. 1998, equation 9, by hand: y_D + log(e^-j + sum of e^-y_i)."""
    distances = torch.tensor([[1.0, 3.0], [1.0, 3.0], [200.0, 400.0]])
    recipe = Training(loss="maximum_a_posteriori", rejection=2.0)
    found = sample_losses(recipe, "distances", -distances, torch.tensor([0, 1, 1]))
    # e^-2 + e^-1 + e^-3 = 0.135335 + 0.367879 + 0.049787 = 0.553002, whose logarithm is -0.592394
    assert found.tolist() == pytest.approx([1 - 0.592394, 3 - 0.592394, 400 - 2], rel=1e-5)


KERAS_LOSSES = """
import json, sys
import numpy as np
from keras import losses
logits, labels = (np.array(one) for one in json.load(sys.stdin))
logits = logits.astype("float32")
shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
targets = np.eye(7, dtype="float32")[labels]
print(json.dumps([
    np.array(losses.sparse_categorical_crossentropy(labels, shares)).tolist(),
    np.array(losses.categorical_crossentropy(targets, shares, label_smoothing=0.1)).tolist(),
    np.array(losses.mean_squared_error(targets, shares)).tolist(),
]))
"""


def test_losses_are_those_of_keras() -> None:
    pytest.importorskip("keras")
    logits, labels = samples()
    done = subprocess.run(
        [sys.executable, "-c", KERAS_LOSSES],
        input=f"[{logits.tolist()}, {labels.tolist()}]",
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
    )
    recipes = (
        Training(),
        Training(label_smoothing=0.1),
        Training(loss="mean_squared_error"),
    )
    for recipe, expected in zip(recipes, ast.literal_eval(done.stdout), strict=True):
        output = torch.log_softmax(logits, 1)
        found = sample_losses(recipe, "log_probabilities", output, labels)
        torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def momentum(optimizer: Sgd, gradients: Iterable[float], weight: float) -> float:
    """Sutskever et al. 2013 as PyTorch writes it: the momentum gathers gradients."""
    gathered = 0.0
    for gradient in gradients:
        total = gradient + optimizer.weight_decay * weight
        gathered = optimizer.momentum * gathered + total
        step = total + optimizer.momentum * gathered if optimizer.nesterov else gathered
        weight -= optimizer.learning_rate * step
    return weight


def adam(optimizer: Adam, gradients: Iterable[float], weight: float) -> float:
    """Kingma, Ba 2015, algorithm 1; with decay beside the gradient for AdamW."""
    mean = square = 0.0
    for time, gradient in enumerate(gradients, 1):
        if isinstance(optimizer, AdamW):
            weight -= optimizer.learning_rate * optimizer.weight_decay * weight
        else:
            gradient += optimizer.weight_decay * weight
        mean = optimizer.beta_1 * mean + (1 - optimizer.beta_1) * gradient
        square = optimizer.beta_2 * square + (1 - optimizer.beta_2) * gradient**2
        root = math.sqrt(square / (1 - optimizer.beta_2**time)) + optimizer.epsilon
        weight -= optimizer.learning_rate * mean / (1 - optimizer.beta_1**time) / root
    return weight


def rms_prop(optimizer: RmsProp, gradients: Iterable[float], weight: float) -> float:
    square = gathered = 0.0
    for gradient in gradients:
        gradient += optimizer.weight_decay * weight
        square = optimizer.rho * square + (1 - optimizer.rho) * gradient**2
        gathered = optimizer.momentum * gathered + gradient / (
            math.sqrt(square) + optimizer.epsilon
        )
        weight -= optimizer.learning_rate * gathered
    return weight


@pytest.mark.parametrize(
    "optimizer",
    [
        Sgd(),
        Sgd(momentum=0.9, weight_decay=0.01),
        Sgd(momentum=0.8, nesterov=True, learning_rate=0.2),
        Adam(),
        Adam(weight_decay=0.1, beta_1=0.5, epsilon=0.01),
        AdamW(),
        AdamW(weight_decay=0.0, beta_2=0.9),
        RmsProp(),
        RmsProp(rho=0.5, momentum=0.9, weight_decay=0.1, epsilon=0.1),
    ],
    ids=repr,
)
def test_optimizers_step_as_they_are_defined(optimizer: Optimizer) -> None:
    gradients = (0.5, -0.25, 1.0, 0.125)
    module = torch.nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        module.weight.fill_(2.0)
    made = make_optimizer(optimizer, module)
    for gradient in gradients:
        module.weight.grad = torch.full_like(module.weight, gradient)
        made.step()
    defined = {Sgd: momentum, Adam: adam, AdamW: adam, RmsProp: rms_prop}[type(optimizer)]
    assert module.weight.item() == pytest.approx(defined(optimizer, gradients, 2.0), rel=1e-9)


def rates(schedule: Schedule, steps: Iterable[int], **recipe: float) -> list[float]:
    """Learning rates of a run of 100 steps, 10 an epoch; the metric rises in epochs 1 to 3."""
    found = []
    for step in steps:
        history = [0.1, 0.2, 0.3, 0.3, 0.2, 0.3, 0.1, 0.3, 0.2, 0.1][: step // 10]
        moment = TrainingMoment(step, 10, 100, history)
        found.append(learning_rate(Training(schedule=schedule, **recipe), moment))
    return found


def test_learning_rates() -> None:
    assert rates(Constant(), (0, 99)) == [0.001, 0.001]
    assert rates(Step(every=3, factor=0.5), (0, 29, 30, 99)) == pytest.approx(
        [0.001, 0.001, 0.0005, 0.000125]
    )
    assert rates(Cosine(), (0, 50, 99)) == pytest.approx(
        [0.001, 0.0005, 0.0005 * (1 + math.cos(math.pi * 0.99))]
    )
    assert rates(Cosine(minimum=0.0005), (0, 50)) == pytest.approx([0.001, 0.00075])
    pieces = Piecewise(epochs=(2, 5), factors=(0.4, 3.0))
    assert rates(pieces, (0, 19, 20, 49, 50, 99)) == pytest.approx(
        [0.001, 0.001, 0.0004, 0.0004, 0.003, 0.003]
    )
    plateau = Plateau(patience=2, factor=0.5, minimum=0.0003)
    assert rates(plateau, (0, 49, 50, 69, 70, 99)) == pytest.approx(
        [0.001, 0.001, 0.0005, 0.0005, 0.0003, 0.0003]
    )


def test_a_warm_up_rises_in_a_straight_line() -> None:
    assert rates(Constant(), (0, 1, 18, 19, 50), warmup=2.0) == pytest.approx(
        [0.00005, 0.0001, 0.00095, 0.001, 0.001]
    )
    assert rates(Cosine(minimum=1e-4), (19, 20, 60), warmup=2.0) == pytest.approx(
        [0.001, 0.001, 0.00055]
    )


def draws(count: int, seeds: tuple[int, ...] = (0, 1, 1), **changes: Any) -> BatchDraws:
    """The random numbers of a batch, or certain ones."""
    labels = torch.zeros(count, dtype=torch.int64)
    data = ImageSet(None, labels, np.arange(count), changes.pop("colours", None))
    rows = changes.pop("rows", np.arange(count))
    drawn = BatchDraws(data, seeds, count, rows)
    vars(drawn).update(changes)
    return drawn


def augmented(augment: Augment, images: Any, drawn: BatchDraws) -> Any:
    """Images augmented for a network of 8 x 8 x 3."""
    return augmentation.augment_images(images, drawn, augment, IMAGE)


def moved(images: object, numbers: Iterable[float], **limits: object) -> object:
    """Images moved by certain draws: angle, slope's angle, scales of x and y, shifts."""
    waiting = iter(numbers)
    drawn = draws(1, uniform=lambda low, high: torch.tensor([next(waiting)]))
    return augmentation.move_images(images, drawn, **limits)


def picture(height: int = 8, width: int = 8) -> object:
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(1))


def test_a_quarter_turn_and_a_half() -> None:
    image = picture()
    turned = moved(image, (90.0, 0.0, 1.0, 1.0, 0.0, 0.0))
    torch.testing.assert_close(turned, image.rot90(1, (-2, -1)), rtol=0, atol=1e-5)
    image = picture(4, 8)
    turned = moved(image, (180.0, 0.0, 1.0, 1.0, 0.0, 0.0))
    torch.testing.assert_close(turned, image.flip((-2, -1)), rtol=0, atol=1e-5)


def test_a_quarter_turn_of_a_wide_image_stays_upright() -> None:
    """Angles are those of pixels: the square in the middle turns as if it were alone."""
    image = picture(8, 16)
    turned = moved(image, (90.0, 0.0, 1.0, 1.0, 0.0, 0.0))[..., 4:12]
    torch.testing.assert_close(turned, image[..., 4:12].rot90(1, (-2, -1)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill", ["border", "zeros"])
def test_a_shift_fills_what_comes_in(fill: str) -> None:
    image = picture()
    shifted = moved(image, (0.0, 0.0, 1.0, 1.0, 2 / 8 * 2, 0.0), fill=fill)
    torch.testing.assert_close(shifted[..., :6], image[..., 2:], rtol=0, atol=1e-5)
    expected = image[..., -1:].expand(1, 2, 8, 2) if fill == "border" else torch.zeros(1, 2, 8, 2)
    torch.testing.assert_close(shifted[..., 6:], expected, rtol=0, atol=1e-5)
    shifted = moved(image, (0.0, 0.0, 1.0, 1.0, 0.0, -1 / 8 * 2), fill=fill)
    torch.testing.assert_close(shifted[..., 1:, :], image[..., :-1, :], rtol=0, atol=1e-5)


def test_a_shear_moves_rows_and_a_scale_sides() -> None:
    image = picture()
    sheared = moved(image, (0.0, math.degrees(math.atan(2)), 1.0, 1.0, 0.0, 0.0))
    # The row half a pixel below the middle takes what is one pixel to the right.
    torch.testing.assert_close(sheared[..., 4, :7], image[..., 4, 1:], rtol=0, atol=1e-5)
    torch.testing.assert_close(sheared[..., 3, 1:], image[..., 3, :7], rtol=0, atol=1e-5)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    halved = moved(ramp, (0.0, 0.0, 0.5, 1.0, 0.0, 0.0))
    torch.testing.assert_close(halved[0, 0, 0], 3.5 + (torch.arange(8.0) - 3.5) / 2)
    halved = moved(ramp.mT, (0.0, 0.0, 1.0, 0.5, 0.0, 0.0))
    torch.testing.assert_close(halved[0, 0, :, 0], 3.5 + (torch.arange(8.0) - 3.5) / 2)


def test_changes_stay_within_the_recipe() -> None:
    """Over many draws: their bounds are reached, and not passed."""
    augment = Augment(rotation=30.0, shift=0.25, zoom=0.2, shear=15.0)
    asked: list[tuple[float, float]] = []
    images = torch.rand(4, 3, 8, 8)
    plain = draws(4)

    def uniform(low: float, high: float) -> object:
        asked.append((low, high))
        return type(plain).uniform(plain, low, high)

    plain.uniform = uniform
    assert augmented(augment, images, plain).shape == images.shape
    assert asked == [(-30, 30), (-15, 15), (0.8, 1.2), (0.8, 1.2), (-0.5, 0.5), (-0.5, 0.5)]
    drawn = draws(10000).uniform(-3, 5)
    assert (drawn.min().item(), drawn.max().item()) == pytest.approx((-3, 5), abs=0.01)
    assert drawn.mean().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", (-1,)), ("vertical", (-2,))])
def test_half_of_the_images_are_mirrored(flip: str, axes: tuple[int, ...]) -> None:
    images = torch.rand(1000, 3, 8, 8)
    changed = augmented(Augment(flip=flip), images, draws(1000))
    is_kept = (changed == images).flatten(1).all(1)
    is_mirrored = (changed == images.flip(axes)).flatten(1).all(1)
    assert (is_kept ^ is_mirrored).all()
    assert 440 < int(is_mirrored.sum()) < 560


def test_larger_images_are_cropped_at_random() -> None:
    images = torch.rand(300, 3, 10, 9)
    cropped = augmented(Augment(), images, draws(300))
    assert cropped.shape == (300, 3, 8, 8)
    found = set()
    for image, part in zip(images, cropped, strict=True):
        found |= {
            (top, left)
            for top in range(3)
            for left in range(2)
            if torch.equal(image[:, top : top + 8, left : left + 8], part)
        }
    assert found == {(top, left) for top in range(3) for left in range(2)}
    exact = torch.rand(2, 3, 8, 8)
    assert augmented(Augment(), exact, draws(2)) is exact


def test_lighting_adds_along_the_colours_components() -> None:
    """Noise whose covariance is that of the definition: eigenvalues squared, times the square of
    the deviation."""
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(40, 8, 8, 3)) @ [[30, 20, 10], [0, 20, 5], [0, 0, 10]]
    pixels = (128 + mixed).clip(0, 255).astype(np.uint8)
    count = 4000
    _, _, colours = pixel_statistics(pixels, np.arange(40), takes(8, 8, 3), lighting=True)
    given = draws(count, colours=torch.from_numpy(colours))
    images = torch.zeros(count, 3, 8, 8)
    noise = augmented(Augment(lighting=0.1), images, given)
    assert torch.equal(noise, noise[..., :1, :1].expand_as(noise))
    values, vectors = np.linalg.eigh(np.cov(pixels.reshape(-1, 3).T / 255))
    expected = vectors @ np.diag((0.1 * values * 255) ** 2) @ vectors.T
    found = np.cov(noise[..., 0, 0].numpy().T)
    np.testing.assert_allclose(found, expected, atol=0.06 * np.abs(expected).max())


def test_each_process_takes_its_rows_of_the_same_draws() -> None:
    augment = Augment(rotation=20.0, shift=0.1, flip="both", lighting=0.1)
    images = torch.rand(6, 3, 10, 10)
    colours = torch.rand(3, 3)
    whole = augmented(augment, images, draws(6, colours=colours))
    given = draws(6, colours=colours, rows=np.arange(4, 6))
    torch.testing.assert_close(augmented(augment, images[4:], given), whole[4:])
    other = augmented(augment, images, draws(6, (0, 1, 2), colours=colours))
    assert not torch.equal(other, whole)


def test_what_a_step_draws_follows_from_its_seeds() -> None:
    """The same in any process and with any number of steps behind it, another mask of dropout in
    any other step."""
    seeds = [*step_seeds((0, 1, 1), 3), *step_seeds((0, 1, 2), 2), *step_seeds((0, 1, 1), 5)]
    drawn = []
    for seed in seeds:
        seed_step(seed)
        drawn.append(tuple(torch.dropout(torch.ones(64), 0.5, train=True).tolist()))
    assert drawn[:3] == drawn[5:8]
    assert len({*drawn}) == 7
