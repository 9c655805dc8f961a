"""The parts of images that are trained with and evaluated: of random size, mirrored, ten of one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from archc.language.recipe import Augment, Inputs, RandomResizedCrop, ScaleJitter
from tests.backends.torchvision_models import is_installed, models

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from archc.training.data import folder as folder_reader  # noqa: E402
from archc.training.data.images import InputFormat  # noqa: E402
from archc.training.data.prepare import CroppedImages, resize_pixels, ten_corners  # noqa: E402
from archc.training.data.stream import Request  # noqa: E402
from archc.training.data.views import (  # noqa: E402
    View,
    crop_view,
    draw_views,
    is_mirrored,
    place,
    take_parts,
)

SIDES = (375, 500)
SIZE = (224, 224)


def views(crop: Any, sides: tuple[int, int] = SIDES, count: int = 3000) -> list[View]:
    draws = draw_views((0, 1, 1), count)
    return [crop_view(*sides, crop, numbers, SIZE) for numbers in draws]


def shapes(boxes: Any) -> Any:
    """Area and ratio of the sides of boxes."""
    left, top, right, bottom = np.array(boxes, float).T
    return (right - left) * (bottom - top), (right - left) / (bottom - top)


@pytest.mark.parametrize(
    "crop", [RandomResizedCrop(), RandomResizedCrop(smallest=0.3, largest=0.6, ratio=2.0)], ids=repr
)
def test_parts_of_random_size_stay_within_their_bounds(crop: RandomResizedCrop) -> None:
    found = views(crop)
    areas, ratios = shapes([view.box for view in found])
    shares = areas / math.prod(SIDES)
    # Sides are whole pixels: half a pixel of about 90, the fewest.
    assert shares.min() >= crop.smallest * 0.98
    assert shares.max() <= crop.largest * 1.02
    assert 1 / crop.ratio * 0.98 <= ratios.min() < 1.1 / crop.ratio
    assert crop.ratio * 0.9 < ratios.max() <= crop.ratio * 1.02
    for view in found:
        left, top, right, bottom = view.box
        assert 0 <= left < right <= SIDES[1]
        assert 0 <= top < bottom <= SIDES[0]
        assert view.size == SIZE


@pytest.mark.torch
@pytest.mark.skipif(not is_installed(), reason="takes torchvision")
@pytest.mark.parametrize("sides", [SIDES, (64, 64), (40, 400), (400, 40)])
def test_parts_are_distributed_as_torchvision_has_them(sides: tuple[int, int]) -> None:
    """Areas, ratios and places: every decile is the same. In long images the middle is taken where
    ten draws do not fit."""
    models()
    from torchvision.transforms import RandomResizedCrop as Theirs

    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    image = torch.empty(3, *sides)
    drawn = [Theirs.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(3000)]
    theirs = [(j, i, j + w, i + h) for i, j, h, w in drawn]
    ours = [view.box for view in views(RandomResizedCrop(), sides)]
    deciles = np.linspace(0.1, 0.9, 9)
    for one, other in zip(shapes(ours), shapes(theirs), strict=True):
        spread = other.max() - other.min()
        difference = np.quantile(one, deciles) - np.quantile(other, deciles)
        assert np.abs(difference).max() < 0.06 * spread
    for axis, side in ((0, sides[1]), (1, sides[0])):
        one, other = (np.array(boxes)[:, axis] for boxes in (ours, theirs))
        assert np.abs(np.quantile(one, deciles) - np.quantile(other, deciles)).max() < 0.06 * side


def test_a_long_image_gives_its_middle() -> None:
    """Where nothing fits: a tenth as high as wide, at least all of its area."""
    (view,) = views(RandomResizedCrop(smallest=1.0), (10, 100), 1)
    assert view.box == (43, 0, 56, 10)


def test_scale_jitter_draws_the_shorter_side() -> None:
    """VGG: from 256 to 512. A part of 224 is then 224 * 375 / side of the image's own pixels."""
    found = views(ScaleJitter(smallest=256, largest=512))
    boxes = np.array([view.box for view in found])
    sides = 224 * 375 / (boxes[:, 2] - boxes[:, 0])
    np.testing.assert_allclose(sides, sides.round(), atol=1e-6)
    assert (sides.round().min(), sides.round().max()) == (256, 512)
    assert sides.mean() == pytest.approx(384, abs=5)
    np.testing.assert_allclose(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 500
    assert boxes[:, 3].max() <= 375
    room = 500 - (boxes[:, 2] - boxes[:, 0])
    assert (boxes[:, 0] / room).mean() == pytest.approx(0.5, abs=0.03)
    (whole,) = views(ScaleJitter(smallest=224, largest=224), (375, 375), 1)
    np.testing.assert_allclose(whole.box, (0, 0, 375, 375))


def test_draws_follow_from_their_seeds_and_are_spread() -> None:
    draws = draw_views((3, 2, 1), 5000)
    np.testing.assert_array_equal(draws, draw_views((3, 2, 1), 5000))
    assert not np.array_equal(draws, draw_views((3, 2, 2), 5000))
    assert [is_mirrored(draws, axis).mean() for axis in (0, 1)] == pytest.approx(
        [0.5, 0.5], abs=0.03
    )
    tops, lefts = place(draws, (3, 1))
    assert (np.bincount(tops) / 5000).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert (np.bincount(lefts) / 5000).tolist() == pytest.approx([0.5] * 2, abs=0.03)


def test_parts_are_cropped_and_then_mirrored() -> None:
    image = np.arange(4 * 5).reshape(1, 4, 5, 1).astype(np.uint8)
    draws = np.full((1, 24), 0.75)
    part = take_parts(image, draws, Augment(flip="both"), (2, 3, 1))
    np.testing.assert_array_equal(part[0], image[0, 2:4, 2:5])
    draws[0, :2] = 0.25
    part = take_parts(image, draws, Augment(flip="horizontal"), (2, 3, 1))
    np.testing.assert_array_equal(part[0], image[0, 2:4, 4:1:-1])
    part = take_parts(image, draws, Augment(flip="both"), (2, 3, 1))
    np.testing.assert_array_equal(part[0], image[0, 3:1:-1, 4:1:-1])


@pytest.mark.parametrize(
    "crop", [RandomResizedCrop(), ScaleJitter(smallest=16, largest=30)], ids=repr
)
def test_files_and_arrays_give_the_same_parts(crop: Any, tmp_path: Path) -> None:
    """Cut out and resized as Pillow does it, and mirrored."""
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 33, 3)).astype(np.uint8)
    files = []
    for number, image in enumerate(images):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    expected = InputFormat(
        (16, 12, 3), 3, Inputs(resize=16), augment=Augment(crop=crop, flip="horizontal")
    )
    draws = draw_views((1, 2, 3), 6)
    found = folder_reader.decode_files(files, draws, expected=expected, shape=(16, 16, 3))
    (held,) = CroppedImages(images, expected).batches([Request(np.arange(6), draws)])
    np.testing.assert_array_equal(found, held)
    for image, part, numbers in zip(images, found, draws, strict=True):
        view = crop_view(20, 33, crop, numbers, (16, 12))
        pil = Image.fromarray(image).resize((12, 16), Image.Resampling.BILINEAR, view.box)
        whole = np.asarray(pil)
        np.testing.assert_array_equal(part, whole[:, ::-1] if numbers[0] < 0.5 else whole)
        np.testing.assert_array_equal(resize_pixels(image, view), whole)


def test_ten_parts_are_corners_and_centre() -> None:
    """Of 256 in 224: 32 to the other corner, 16 to the centre."""
    assert ten_corners((32, 32)) == [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert ten_corners((0, 5)) == [(0, 0), (0, 5), (0, 0), (0, 5), (0, 2)]


RAMP = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
"""Two images of 4 x 6; an input is 2 x 3."""


def expected_probabilities(weights: Any) -> Any:
    """Of the parts of RAMP one by one, for a network without anything but a dense layer."""
    probabilities = np.zeros((2, 4))
    for top, left in ((0, 0), (0, 3), (2, 0), (2, 3), (1, 1)):
        part = RAMP[:, top : top + 2, left : left + 3].astype(np.float64)
        for one in (part, part[:, :, ::-1]):
            logits = one.reshape(2, -1) @ weights
            powers = np.exp(logits - logits.max(1, keepdims=True))
            probabilities += powers / powers.sum(1, keepdims=True) / 10
    return probabilities


WEIGHTS = np.random.default_rng(0).normal(0, 0.01, (18, 4))


@pytest.mark.torch
def test_pytorch_averages_the_probabilities_of_ten_parts() -> None:
    torch = pytest.importorskip("torch")
    from archc.training.torch.batches import ImageSet, InputScaling
    from archc.training.torch.evaluate import network_outputs

    def network(images: Any) -> Any:
        rows = images.movedim(1, -1).flatten(1)
        return rows @ torch.from_numpy(WEIGHTS.astype(np.float32))

    network.eval = lambda: None  # type: ignore[attr-defined]
    scaling = InputScaling(torch.ones(3, 1, 1), torch.zeros(3, 1, 1))
    labels = torch.zeros(2, dtype=torch.int64)
    data = ImageSet(torch.from_numpy(RAMP), labels, np.arange(2), cropped=(2, 3, 3), ten_crop=True)
    ((output, _),) = network_outputs(network, data, np.arange(2), scaling, torch.float32)
    np.testing.assert_allclose(output.exp().numpy(), expected_probabilities(WEIGHTS), rtol=1e-4)


@pytest.mark.keras
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_keras_averages_the_probabilities_of_ten_parts(kind: str) -> None:
    keras = pytest.importorskip("keras")
    from types import SimpleNamespace

    from archc.training.data.pixels import PixelStatistics
    from archc.training.keras.loop import make_evaluator

    inputs = keras.Input((2, 3, 3))
    dense = keras.layers.Dense(4, activation="softmax" if kind == "probabilities" else None)
    network = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([WEIGHTS, np.zeros(4)])
    one = np.ones((1, 1, 1), np.float32)
    plan: Any = SimpleNamespace(
        recipe=SimpleNamespace(evaluation="ten_crop", inputs=SimpleNamespace(scale=1.0)),
        task=SimpleNamespace(shape=(2, 3, 3), output=kind),
    )
    evaluator = make_evaluator(plan, network, PixelStatistics(0 * one, one), (4, 6, 3))
    found = np.asarray(evaluator(RAMP.astype(np.float32)))
    found = found if kind == "probabilities" else np.exp(found)
    np.testing.assert_allclose(found, expected_probabilities(WEIGHTS), rtol=1e-4)
