"""Preparing images: sizes, statistics, what is held out, the order of an epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.language.recipe import Training
from archc.training.data import images as image_data
from archc.training.data import pixels, prepare, read_data
from archc.training.data.images import InputFormat
from archc.training.data.pixels import pixel_statistics
from archc.training.data.prepare import (
    centre_crop,
    epoch_batches,
    prepare_images,
    split_validation,
    steps_per_epoch,
    total_steps,
)
from archc.training.errors import DataError
from tests.training.samples import SAMPLE, takes

DATA = Path("data.csv")
RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (5, 6, 9, 1), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 9, 3), np.uint8)


def test_pads_with_zeros() -> None:
    made = prepare_images(GRAY, DATA, takes(10, 13, 1, pad=2))
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, np.pad(GRAY, ((0, 0), (2, 2), (2, 2), (0, 0))))


@pytest.mark.parametrize("images", [GRAY, COLOUR])
def test_resizes_to_a_height_and_width(images: np.ndarray) -> None:
    channels = images.shape[-1]
    expected = takes(4, 7, channels, resize=(4, 7))
    resized = prepare_images(images, DATA, expected)
    assert resized.shape == (5, 4, 7, channels)
    for image, one in zip(images, resized, strict=True):
        whole = Image.fromarray(image.squeeze()).resize((7, 4), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(one.squeeze(), np.asarray(whole))


def test_resizes_the_shorter_side_and_keeps_the_square_in_the_middle() -> None:
    ramp = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (1, 60, 1))[..., np.newaxis]
    resized = prepare_images(ramp, DATA, takes(30, 30, 1, resize=30))
    assert resized.shape == (1, 30, 30, 1)
    middle = ramp[0, 0, 30:90, 0].reshape(30, 2).mean(1)  # half as wide: means of two
    np.testing.assert_allclose(resized[0, 7, 1:-1, 0], middle[1:-1], atol=1)


def test_resizes_fractions_as_fractions() -> None:
    images = RNG.normal(size=(3, 8, 8, 2)).astype(np.float32)
    resized = prepare_images(images, DATA, takes(4, 4, 2, resize=4))
    assert resized.dtype == np.float32
    assert resized.shape == (3, 4, 4, 2)
    np.testing.assert_allclose(resized.mean(), images.mean(), atol=0.1)
    assert len(np.unique(resized)) == resized.size


def test_resizes_many_images_each_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = takes(2, 2, 1, resize=2)
    monkeypatch.setattr(prepare, "ROWS_AT_ONCE", 3)
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1) * np.ones((1, 4, 4, 1), np.uint8)
    resized = prepare_images(images, DATA, expected)
    assert (resized == images[:, :2, :2]).all()


@pytest.mark.parametrize(
    ("expected", "needed"),
    [
        (takes(10, 13, 1, pad=2), 5 * 10 * 13),
        (takes(60, 90, 1, resize=(60, 90)), 5 * 60 * 90),
    ],
)
def test_images_that_become_too_large_are_refused(
    expected: InputFormat, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_data, "machine_memory", lambda: needed)
    prepare_images(GRAY, DATA, expected)
    monkeypatch.setattr(image_data, "machine_memory", lambda: needed - 1)
    with pytest.raises(DataError, match=r"data.csv: the images need 0\.0 GiB of memory"):
        prepare_images(GRAY, DATA, expected)


def test_images_may_be_larger_than_the_input_and_not_smaller() -> None:
    prepare_images(GRAY, DATA, takes(6, 8, 1))
    for shape, taken in (((7, 9, 1), "7 x 9 x 1"), ((6, 10, 1), "6 x 10 x 1")):
        expected = takes(*shape)
        with pytest.raises(DataError) as refused:
            prepare_images(GRAY, DATA, expected)
        told = f"data.csv: the images are 6 x 9 x 1, and the network takes {taken}"
        assert str(refused.value) == told


def test_other_channels_or_features_are_refused() -> None:
    for images, shape in ((GRAY, (6, 9, 3)), (GRAY[:, :, 0, 0], (7,)), (COLOUR, (6, 9, 1))):
        expected = takes(*shape)
        with pytest.raises(DataError, match="the network takes"):
            prepare_images(images, DATA, expected)


def test_features_are_left_as_they_are() -> None:
    features = np.ones((4, 7), np.float32)
    assert prepare_images(features, DATA, takes(7)) is features


def test_the_middle_is_cut_out() -> None:
    images = np.arange(6 * 9).reshape(1, 6, 9, 1)
    made = centre_crop(images, (4, 4, 1))
    np.testing.assert_array_equal(made, images[:, 1:5, 2:6])
    assert made.base is not None  # no copy
    features = np.ones((4, 7))
    assert centre_crop(features, (7,)) is features


# Statistics


KINDS = {
    "dataset": ((0, 1, 2, 3), True),
    "channel": ((0, 1, 2), True),
    "channel_mean": ((0, 1, 2), False),
    "pixel_mean": ((0,), False),
}


@pytest.mark.parametrize("at_once", [1, 400, 1 << 22])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [COLOUR, COLOUR.astype(np.float32)])
def test_statistics_are_those_of_the_training_images(
    images: np.ndarray, kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes, divides = KINDS[kind]
    scaled = takes(6, 9, 3, scale=1 / 255, standardize=kind)
    monkeypatch.setattr(pixels, "VALUES_AT_ONCE", at_once)
    mean, deviation, _ = pixel_statistics(images, np.array([0, 1, 2, 4]), scaled)
    training = images[[0, 1, 2, 4]].astype(np.float64) / 255
    np.testing.assert_allclose(mean, training.mean(axes, keepdims=True)[0], rtol=1e-6)
    expected = training.std(axes, keepdims=True)[0] if divides else np.ones((1, 1, 1))
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)
    assert mean.dtype == deviation.dtype == np.float32
    assert mean.ndim == deviation.ndim == 3


def test_without_standardizing_nothing_is_changed() -> None:
    mean, deviation, _ = pixel_statistics(COLOUR, np.arange(5), takes(6, 9, 3))
    assert mean.ravel().tolist() == [0]
    assert deviation.ravel().tolist() == [1]


def test_the_mean_of_each_pixel_is_that_of_the_middle() -> None:
    expected = takes(4, 4, 3, standardize="pixel_mean")
    mean, _, _ = pixel_statistics(COLOUR, np.arange(5), expected)
    np.testing.assert_allclose(mean, COLOUR[:, 1:5, 2:6].mean(0), rtol=1e-6)


def test_what_never_changes_is_not_divided_by_zero() -> None:
    images = COLOUR.copy()
    images[..., 1] = 40
    expected = takes(6, 9, 3, standardize="channel")
    mean, deviation, _ = pixel_statistics(images, np.arange(5), expected)
    assert mean[0, 0, 1] == 40
    assert deviation[0, 0, 1] == 1
    assert deviation[0, 0, 0] > 50


def test_statistics_of_features() -> None:
    features = RNG.normal(3, 2, (50, 7)).astype(np.float32)
    for kind, axes in (("dataset", (0, 1)), ("channel", (0,))):
        expected = takes(7, standardize=kind)
        mean, deviation, _ = pixel_statistics(features, np.arange(50), expected)
        np.testing.assert_allclose(mean, features.mean(axes, keepdims=True)[0], rtol=1e-5)
        np.testing.assert_allclose(deviation, features.std(axes, keepdims=True)[0], rtol=1e-5)


def test_statistics_are_as_exact_as_float64() -> None:
    """A large offset would cost float32 all of the deviation."""
    images = np.float32(1e6) + np.tile([0, 1], 20_000).astype(np.float32).reshape(-1, 2, 2, 1)
    expected = takes(2, 2, 1, standardize="dataset")
    mean, deviation, _ = pixel_statistics(images, np.arange(len(images)), expected)
    assert float(mean.item()) == 1e6 + 0.5
    assert float(deviation.item()) == pytest.approx(0.5, abs=1e-6)


# Held out


@pytest.mark.parametrize("share", [0.1, 0.04, 0.5, 1 / 3, 0.29])
def test_the_same_share_of_each_class_is_held_out(share: float) -> None:
    labels = read_data(SAMPLE, takes(), labelled=True).known_labels
    training, held_out = split_validation(labels, share, 0, DATA)
    assert sorted([*training, *held_out]) == list(range(len(labels)))
    assert (np.diff(training) > 0).all()
    assert (np.diff(held_out) > 0).all()
    assert len(held_out) == int(len(labels) * share + 1e-9)
    counts = Counter(labels[held_out].tolist())
    for label, count in Counter(labels.tolist()).items():
        assert abs(counts[label] - count * share) <= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_of_each_class_something_is_left_to_train_with(share: float) -> None:
    """Of classes with few images too; those with one are trained with alone."""
    labels = np.repeat([0, 3, 4, 5, 6, 9], [1, 20, 1, 2, 1, 3])
    for seed in range(20):
        training, held_out = split_validation(labels, share, seed, DATA)
        assert sorted([*training, *held_out]) == list(range(len(labels)))
        assert set(labels[training]) == {0, 3, 4, 5, 6, 9}
        assert not {0, 4, 6} & set(labels[held_out])
    with pytest.raises(DataError, match="10 images are too few to hold"):
        split_validation(np.arange(10), share, 0, DATA)


def test_what_is_held_out_follows_from_the_seed() -> None:
    labels = np.repeat(np.arange(10), 30)
    first, again, other = (split_validation(labels, 0.1, seed, DATA)[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert len(np.intersect1d(first, other)) < 20
    # Not the first ones of each class.
    assert np.bincount(first % 30, minlength=30).max() < 6


def test_nothing_need_be_held_out() -> None:
    training, held_out = split_validation(np.zeros(5, int), 0.0, 0, DATA)
    assert training.tolist() == [0, 1, 2, 3, 4]
    assert held_out.tolist() == []


def test_too_few_images_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        split_validation(np.zeros(9, int), 0.1, 0, DATA)
    assert str(refused.value) == "data.csv: 9 images are too few to hold 0.1 of them out"


# Epochs


def test_an_epoch_takes_every_image_once() -> None:
    batches = epoch_batches(100, Training(), 0, 1)
    assert [len(batch) for batch in batches] == [32, 32, 32, 4]
    assert sorted(np.concatenate(batches).tolist()) == list(range(100))
    assert steps_per_epoch(100, Training()) == 4


def test_an_epoch_follows_from_seed_and_number() -> None:
    orders = {
        key: tuple(np.concatenate(epoch_batches(100, Training(), *key)).tolist())
        for key in ((0, 1), (0, 2), (1, 1), (1, 0))
    }
    assert len(set(orders.values())) == 4
    again = np.concatenate(epoch_batches(100, Training(), 0, 2)).tolist()
    assert tuple(again) == orders[0, 2]


def test_an_epoch_of_so_many_steps() -> None:
    """Whole times through the images, then a part of one."""
    recipe = Training(steps_per_epoch=10)
    batches = epoch_batches(100, recipe, 0, 1)
    assert [len(batch) for batch in batches] == [32] * 10
    counts = np.bincount(np.concatenate(batches), minlength=100)
    assert set(counts.tolist()) == {3, 4}
    assert steps_per_epoch(100, recipe) == 10
    few = epoch_batches(100, Training(steps_per_epoch=2), 0, 1)
    assert len(np.unique(np.concatenate(few))) == 64


def test_the_steps_of_a_training() -> None:
    assert total_steps(100, Training(), 3) == 12
    assert total_steps(100, Training(steps_per_epoch=7), 3) == 21
    assert total_steps(100, Training(steps=50), None) == 50
