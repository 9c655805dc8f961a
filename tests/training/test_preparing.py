"""Preparing images: sizes, statistics, what is held out, the order of an epoch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.parts import SAMPLE, parts

DATA = Path("data.csv")
RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (5, 6, 9, 1), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 9, 3), np.uint8)


def test_pads_with_zeros() -> None:
    made = parts(INPUT_SHAPE=(10, 13, 1), PAD=2).prepare_images(GRAY, DATA)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, np.pad(GRAY, ((0, 0), (2, 2), (2, 2), (0, 0))))


@pytest.mark.parametrize("images", [GRAY, COLOUR])
def test_resizes_to_a_height_and_width(images: np.ndarray) -> None:
    channels = images.shape[-1]
    made = parts(INPUT_SHAPE=(4, 7, channels), PAD=0, RESIZE=(4, 7))
    resized = made.prepare_images(images, DATA)
    assert resized.shape == (5, 4, 7, channels)
    for image, one in zip(images, resized, strict=True):
        whole = Image.fromarray(image.squeeze()).resize((7, 4), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(one.squeeze(), np.asarray(whole))


def test_resizes_the_shorter_side_and_keeps_the_square_in_the_middle() -> None:
    ramp = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (1, 60, 1))[..., np.newaxis]
    resized = parts(INPUT_SHAPE=(30, 30, 1), PAD=0, RESIZE=30).prepare_images(ramp, DATA)
    assert resized.shape == (1, 30, 30, 1)
    middle = ramp[0, 0, 30:90, 0].reshape(30, 2).mean(1)  # half as wide: means of two
    np.testing.assert_allclose(resized[0, 7, 1:-1, 0], middle[1:-1], atol=1)


def test_resizes_fractions_as_fractions() -> None:
    images = RNG.normal(size=(3, 8, 8, 2)).astype(np.float32)
    resized = parts(INPUT_SHAPE=(4, 4, 2), PAD=0, RESIZE=4).prepare_images(images, DATA)
    assert resized.dtype == np.float32
    assert resized.shape == (3, 4, 4, 2)
    np.testing.assert_allclose(resized.mean(), images.mean(), atol=0.1)
    assert len(np.unique(resized)) == resized.size


def test_resizes_many_images_each_in_its_place() -> None:
    made = parts(INPUT_SHAPE=(2, 2, 1), PAD=0, RESIZE=2)
    made.ROWS_AT_ONCE = 3
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1) * np.ones((1, 4, 4, 1), np.uint8)
    resized = made.prepare_images(images, DATA)
    assert (resized == images[:, :2, :2]).all()


@pytest.mark.parametrize(
    ("constants", "needed"),
    [
        ({"INPUT_SHAPE": (10, 13, 1), "PAD": 2}, 5 * 10 * 13),
        ({"INPUT_SHAPE": (60, 90, 1), "PAD": 0, "RESIZE": (60, 90)}, 5 * 60 * 90),
    ],
)
def test_images_that_become_too_large_are_refused(
    constants: dict[str, object], needed: int
) -> None:
    made = parts(**constants)
    made.machine_memory = lambda: needed
    made.prepare_images(GRAY, DATA)
    made.machine_memory = lambda: needed - 1
    with pytest.raises(made.DataError, match=r"data.csv: the images need 0\.0 GiB of memory"):
        made.prepare_images(GRAY, DATA)


def test_images_may_be_larger_than_the_input_and_not_smaller() -> None:
    parts(INPUT_SHAPE=(6, 8, 1), PAD=0).prepare_images(GRAY, DATA)
    for shape, taken in (((7, 9, 1), "7 x 9 x 1"), ((6, 10, 1), "6 x 10 x 1")):
        made = parts(INPUT_SHAPE=shape, PAD=0)
        with pytest.raises(made.DataError) as refused:
            made.prepare_images(GRAY, DATA)
        told = f"data.csv: the images are 6 x 9 x 1, and the network takes {taken}"
        assert str(refused.value) == told


def test_other_channels_or_features_are_refused() -> None:
    for images, shape in ((GRAY, (6, 9, 3)), (GRAY[:, :, 0, 0], (7,)), (COLOUR, (6, 9, 1))):
        made = parts(INPUT_SHAPE=shape, PAD=0)
        with pytest.raises(made.DataError, match="the network takes"):
            made.prepare_images(images, DATA)


def test_features_are_left_as_they_are() -> None:
    features = np.ones((4, 7), np.float32)
    assert parts(INPUT_SHAPE=(7,), PAD=0).prepare_images(features, DATA) is features


def test_the_middle_is_cut_out() -> None:
    images = np.arange(6 * 9).reshape(1, 6, 9, 1)
    made = parts(INPUT_SHAPE=(4, 4, 1)).centre_crop(images)
    np.testing.assert_array_equal(made, images[:, 1:5, 2:6])
    assert made.base is not None  # no copy
    features = np.ones((4, 7))
    assert parts(INPUT_SHAPE=(7,)).centre_crop(features) is features


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
    images: np.ndarray, kind: str, at_once: int
) -> None:
    axes, divides = KINDS[kind]
    made = parts(INPUT_SHAPE=(6, 9, 3), SCALE=1 / 255, STANDARDIZE=kind)
    made.VALUES_AT_ONCE = at_once
    mean, deviation = made.image_statistics(images, np.array([0, 1, 2, 4]))
    training = images[[0, 1, 2, 4]].astype(np.float64) / 255
    np.testing.assert_allclose(mean, training.mean(axes, keepdims=True)[0], rtol=1e-6)
    expected = training.std(axes, keepdims=True)[0] if divides else np.ones((1, 1, 1))
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)
    assert mean.dtype == deviation.dtype == np.float32
    assert mean.ndim == deviation.ndim == 3


def test_without_standardizing_nothing_is_changed() -> None:
    mean, deviation = parts(INPUT_SHAPE=(6, 9, 3)).image_statistics(COLOUR, np.arange(5))
    assert mean.ravel().tolist() == [0]
    assert deviation.ravel().tolist() == [1]


def test_the_mean_of_each_pixel_is_that_of_the_middle() -> None:
    made = parts(INPUT_SHAPE=(4, 4, 3), STANDARDIZE="pixel_mean")
    mean, _ = made.image_statistics(COLOUR, np.arange(5))
    np.testing.assert_allclose(mean, COLOUR[:, 1:5, 2:6].mean(0), rtol=1e-6)


def test_what_never_changes_is_not_divided_by_zero() -> None:
    images = COLOUR.copy()
    images[..., 1] = 40
    made = parts(INPUT_SHAPE=(6, 9, 3), STANDARDIZE="channel")
    mean, deviation = made.image_statistics(images, np.arange(5))
    assert mean[0, 0, 1] == 40
    assert deviation[0, 0, 1] == 1
    assert deviation[0, 0, 0] > 50


def test_statistics_of_features() -> None:
    features = RNG.normal(3, 2, (50, 7)).astype(np.float32)
    for kind, axes in (("dataset", (0, 1)), ("channel", (0,))):
        made = parts(INPUT_SHAPE=(7,), STANDARDIZE=kind)
        mean, deviation = made.image_statistics(features, np.arange(50))
        np.testing.assert_allclose(mean, features.mean(axes, keepdims=True)[0], rtol=1e-5)
        np.testing.assert_allclose(deviation, features.std(axes, keepdims=True)[0], rtol=1e-5)


def test_statistics_are_as_exact_as_float64() -> None:
    """A large offset would cost float32 all of the deviation."""
    images = np.float32(1e6) + np.tile([0, 1], 20_000).astype(np.float32).reshape(-1, 2, 2, 1)
    made = parts(INPUT_SHAPE=(2, 2, 1), STANDARDIZE="dataset")
    mean, deviation = made.image_statistics(images, np.arange(len(images)))
    assert float(mean.item()) == 1e6 + 0.5
    assert float(deviation.item()) == pytest.approx(0.5, abs=1e-6)


# Held out


@pytest.mark.parametrize("share", [0.1, 0.04, 0.5, 1 / 3, 0.29])
def test_the_same_share_of_each_class_is_held_out(share: float) -> None:
    labels = parts().read_data(SAMPLE, labelled=True).labels
    made = parts(VALIDATION=share)
    training, held_out = made.split_validation(labels, 0, DATA)
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
    made = parts(VALIDATION=share)
    for seed in range(20):
        training, held_out = made.split_validation(labels, seed, DATA)
        assert sorted([*training, *held_out]) == list(range(len(labels)))
        assert set(labels[training]) == {0, 3, 4, 5, 6, 9}
        assert not {0, 4, 6} & set(labels[held_out])
    with pytest.raises(made.DataError, match="10 images are too few to hold"):
        made.split_validation(np.arange(10), 0, DATA)


def test_what_is_held_out_follows_from_the_seed() -> None:
    labels = np.repeat(np.arange(10), 30)
    first, again, other = (parts().split_validation(labels, seed, DATA)[1] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert len(np.intersect1d(first, other)) < 20
    # Not the first ones of each class.
    assert np.bincount(first % 30, minlength=30).max() < 6


def test_nothing_need_be_held_out() -> None:
    training, held_out = parts(VALIDATION=0.0).split_validation(np.zeros(5, int), 0, DATA)
    assert training.tolist() == [0, 1, 2, 3, 4]
    assert held_out.tolist() == []


def test_too_few_images_are_refused() -> None:
    made = parts()
    with pytest.raises(made.DataError) as refused:
        made.split_validation(np.zeros(9, int), 0, DATA)
    assert str(refused.value) == "data.csv: 9 images are too few to hold 0.1 of them out"


# Epochs


def test_an_epoch_takes_every_image_once() -> None:
    batches = parts(BATCH_SIZE=32).epoch_batches(100, 0, 1)
    assert [len(batch) for batch in batches] == [32, 32, 32, 4]
    assert sorted(np.concatenate(batches).tolist()) == list(range(100))
    assert parts(BATCH_SIZE=32).steps_per_epoch(100) == 4


def test_an_epoch_follows_from_seed_and_number() -> None:
    made = parts()
    orders = {
        key: tuple(np.concatenate(made.epoch_batches(100, *key)).tolist())
        for key in ((0, 1), (0, 2), (1, 1), (1, 0))
    }
    assert len(set(orders.values())) == 4
    again = np.concatenate(made.epoch_batches(100, 0, 2)).tolist()
    assert tuple(again) == orders[0, 2]


def test_an_epoch_of_so_many_steps() -> None:
    """Whole times through the images, then a part of one."""
    made = parts(BATCH_SIZE=32, STEPS_PER_EPOCH=10)
    batches = made.epoch_batches(100, 0, 1)
    assert [len(batch) for batch in batches] == [32] * 10
    counts = np.bincount(np.concatenate(batches), minlength=100)
    assert set(counts.tolist()) == {3, 4}
    assert made.steps_per_epoch(100) == 10
    few = parts(BATCH_SIZE=32, STEPS_PER_EPOCH=2).epoch_batches(100, 0, 1)
    assert len(np.unique(np.concatenate(few))) == 64


def test_the_steps_of_a_training() -> None:
    assert parts(BATCH_SIZE=32).total_steps(100, 3) == 12
    assert parts(BATCH_SIZE=32, STEPS_PER_EPOCH=7).total_steps(100, 3) == 21
    assert parts(EPOCHS=None, STEPS=50).total_steps(100, None) == 50
