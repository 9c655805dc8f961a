"""Parts of training scripts, run by themselves: what a few steps of training would not tell
apart."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from PIL import Image  # noqa: E402

from archc.training.script import emit  # noqa: E402
from tests.training.script.test_script import IMAGES, network  # noqa: E402

Capture = pytest.CaptureFixture[str]

pytestmark = [pytest.mark.keras, pytest.mark.torch]


def script(
    folder: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, backend: str = "keras"
) -> dict[str, Any]:
    """What the script of a recipe defines, beside a network that gives what it is given."""
    beside = ModuleType("small")
    beside.Small = torch.nn.Identity  # type: ignore[attr-defined]
    beside.build_model = lambda: keras.Sequential(  # type: ignore[attr-defined]
        [keras.Input((16, 16, 3)), keras.layers.Flatten()]
    )
    monkeypatch.setitem(sys.modules, "small", beside)
    defined: dict[str, Any] = {"__name__": "small_train"}
    exec(emit(backend, network(folder, IMAGES + recipe)), defined)
    return defined


def test_a_shear_turns_columns_by_the_angle_about_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = script(tmp_path, "  augment: {shear: 20}\n", monkeypatch)
    keras.utils.set_random_seed(1)
    images = np.zeros((500, 33, 65, 1), np.float32)
    images[:, :, 32] = 1.0  # a column in the middle
    layer = defined["RandomMoves"](dtype="float32")
    assert np.array_equal(np.asarray(layer(images, training=False)), images)
    sheared = np.asarray(layer(images, training=True))[..., 0]
    places = (sheared * np.arange(65)).sum(2) / sheared.sum(2)  # of the column in each row
    assert places[:, 16] == pytest.approx(32.0, abs=1e-3)
    angles = np.degrees(np.arctan((places[:, 32] - places[:, 0]) / 32))
    assert 19.5 < angles.max() < 20.01
    assert -20.01 < angles.min() < -19.5
    assert angles.std() == pytest.approx(20 / 3**0.5, rel=0.1)  # all angles are as likely


def test_moves_take_pixels_from_where_they_are_about_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter turn, a shift by two of five pixels, and every 1.5th place, at their largest."""
    monkeypatch.setattr(keras.random, "uniform", lambda *_: np.ones((6, 1), np.float32))
    images = np.random.default_rng(0).uniform(0, 255, (1, 5, 5, 3)).astype(np.float32)
    places = np.zeros((5, 5))  # -1, 0.5, 2, 3.5 and 5, of which the first and the last are outside
    places[1, :2] = places[3, 3:] = 0.5
    places[2, 2] = 1
    cases = {
        "rotation: 90": np.rot90(images, 1, (1, 2)),
        "shift: 0.4, fill: zero": np.pad(images, ((0, 0), (0, 2), (0, 2), (0, 0)))[:, 2:, 2:],
        "zoom: 0.5, fill: zero": np.einsum("ir,jc,nrck->nijk", places, places, images),
    }
    for change, expected in cases.items():
        recipe = f"  augment: {{{change}}}\n"
        layer = script(tmp_path, recipe, monkeypatch)["RandomMoves"](dtype="float32")
        moved = np.asarray(layer(images, training=True))
        assert moved == pytest.approx(expected, abs=1e-2), change


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_padded_images_that_are_larger_are_cropped(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At random in training, as `archc train` does, and at the middle in evaluation."""
    recipe = "  inputs: {pad: 2, standardize: none}\n"
    defined = script(tmp_path, recipe, monkeypatch, backend)
    pixels = np.arange(1, 300 * 16 * 16 * 3 + 1, dtype=np.float32).reshape(300, 16, 16, 3)
    np.savez(tmp_path / "images.npz", images=pixels)
    images, _ = defined["read_images"](tmp_path / "images.npz")
    padded = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)))
    if backend == "torch":
        images = images.movedim(-1, 1)
        middle, parts = (
            defined["crop"](images, at_random=one).movedim(1, -1).numpy() for one in (False, True)
        )
    else:
        model = defined["make_model"](SimpleNamespace(images=images))
        middle, parts = (
            np.asarray(model(images, training=one)).reshape(300, 16, 16, 3) for one in (False, True)
        )
    assert np.array_equal(middle, pixels)
    places = [
        (top, left)
        for image, part in zip(padded, parts, strict=True)
        for top in range(5)
        for left in range(5)
        if np.array_equal(part, image[top : top + 16, left : left + 16])
    ]
    assert len(places) == 300
    assert len({*places}) == 25


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_images_of_another_size_are_refused_where_nothing_crops_them(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = script(tmp_path, "", monkeypatch, backend)["read_images"]
    np.savez(tmp_path / "images.npz", images=np.zeros((2, 16, 18, 3), np.uint8))
    with pytest.raises(SystemExit, match=r"16, 18"):
        read(tmp_path / "images.npz")


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("inputs", ["{}", "{resize: 16}"])
def test_other_files_in_a_folder_of_images_are_left_out(
    inputs: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "animals"
    images = ["cat/a.bmp", "cat/b.PNG", "dog/puppies/1.jpg"]
    others = ["README", "cat/.DS_Store", "cat/._b.png", "dog/Thumbs.db", "__MACOSX/dog/._1.jpg"]
    others.append(".thumbnails/1.png")
    for name in images + others:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in images:
            Image.new("RGB", (16, 16)).save(folder / name)
        else:
            (folder / name).write_bytes(b"of the system")
    defined = script(tmp_path, f"  inputs: {inputs}\n", monkeypatch, backend)
    read, labels = read_folder(defined, folder)
    assert len(read) == 3
    if inputs != "{}":
        assert [one.name for one in read] == ["a.bmp", "b.PNG", "1.jpg"]
    assert labels.tolist() == [0, 0, 1]


def read_folder(defined: dict[str, Any], folder: Path) -> tuple[Any, Any]:
    """Images, or their files, and labels as a script reads them."""
    if "Photos" in defined:
        photos = defined["Photos"](folder)
        return photos.images, photos.labels
    images, labels = defined["read_images"](folder)
    return images, labels


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("inputs", ["{}", "{resize: 16}"])
def test_folders_called_by_numbers_are_in_the_order_of_these(
    inputs: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `archc train` has them; and images without folders are there to predict."""
    for number in range(11):
        folder = tmp_path / "digits" / str(number)
        folder.mkdir(parents=True)
        Image.new("RGB", (16, 16), (number,) * 3).save(folder / "one.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "digits" / "10" / "two.png")
    defined = script(tmp_path, f"  inputs: {inputs}\n", monkeypatch, backend)
    read, labels = read_folder(defined, tmp_path / "digits")
    assert labels.tolist() == [0, 1, 10, 10, *range(2, 10)]
    if inputs == "{}":
        assert [int(one.max()) for one in read] == [0, 1, 10, 0, *range(2, 10)]
    read, labels = read_folder(defined, tmp_path / "digits" / "10")
    assert len(read) == len(labels) == 2


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_streamed_images_are_upright(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned as their Exif tells, as `archc train` has them."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, :8] = 255  # bright on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # what is on the left belongs on top
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "1.jpg", exif=exif, quality=100)
    defined = script(tmp_path, "  inputs: {resize: 16}\n", monkeypatch, backend)
    if backend == "torch":
        image = defined["Photos"](tmp_path)[0][0].numpy().transpose(1, 2, 0)
    else:
        image = defined["decode"](tmp_path / "a" / "1.jpg")
    assert image[:8].min() > 200
    assert image[8:].max() < 50


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("recipe", ["", "  validation: 0\n", "  inputs: {resize: 16}\n"])
def test_data_that_nothing_can_be_learnt_from_is_refused(
    recipe: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images without labels, or all of one class; and so few that none are held out."""
    images = np.zeros((20, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "none.npz", images=images)
    np.savez(tmp_path / "one.npz", images=images, labels=np.full(20, 3))
    np.savez(tmp_path / "few.npz", images=images[:5], labels=np.arange(5))
    names = ["none", "one", "few"] if "validation" not in recipe else ["none", "one"]
    defined = script(tmp_path, recipe, monkeypatch, backend)
    for name in names:
        path, run = tmp_path / f"{name}.npz", tmp_path / "run"
        arguments = SimpleNamespace(data=path, out=run, resume=False, epochs=1)
        given: tuple[Any, ...] = (arguments,)
        if backend == "torch":
            read = defined.get("Photos") or defined["read_images"]
            given = (arguments, read(path), torch.device("cpu"))
        told = f"{path}: too few images, or no labels of two classes"
        with pytest.raises(SystemExit, match=f"^{re.escape(told)}$"):
            defined["train"](*given)
        assert not run.exists()


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_a_script_tells_what_it_cannot_begin_with(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Data of another form, a run that is there without `--resume`, and none with it."""
    defined = script(tmp_path, "", monkeypatch, backend)
    begin = defined["main" if backend == "torch" else "parse_arguments"]
    table, run = tmp_path / "digits.csv", tmp_path / "run"
    table.write_text("label,pixel0\n")
    monkeypatch.setattr(sys, "argv", ["small_train.py", str(table), "--out", str(run)])
    with pytest.raises(SystemExit) as refused:
        begin()
    assert refused.value.code == 2
    told = f"error: {table} is no .npz file: `archc data pack` makes one\n"
    assert capsys.readouterr().err.endswith(told)
    told = f"{run}: --resume is for a run that is there already"
    for resume in (True, False):
        arguments = SimpleNamespace(data=table, out=run, resume=resume, epochs=1)
        others = (None, torch.device("cpu")) if backend == "torch" else ()
        with pytest.raises(SystemExit, match=f"^{re.escape(told)}$"):
            defined["train"](arguments, *others)
        run.mkdir(exist_ok=True)
        (run / ("last.pt" if backend == "torch" else "last")).touch()


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_a_curve_over_other_epochs_is_refused(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cosine ends with the run: resumed with more epochs, PyTorch's would rise again, and
    Keras' would go on from another rate."""
    defined = script(tmp_path, "  schedule: cosine\n", monkeypatch, backend)
    if backend == "torch":
        defined["Small"] = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 10))
    else:
        dense = [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(10)]
        defined["build_model"] = lambda: keras.Sequential(dense)
    path, run = tmp_path / "noise.npz", tmp_path / "run"
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 2)

    def train(epochs: int, *, resume: bool) -> None:
        arguments = SimpleNamespace(data=path, out=run, resume=resume, epochs=epochs)
        given: tuple[Any, ...] = (arguments,)
        if backend == "torch":
            given = (arguments, defined["read_images"](path), torch.device("cpu"))
        defined["train"](*given)

    train(1, resume=False)
    train(1, resume=True)
    told = f"{run}: its learning rate falls over other --epochs"
    with pytest.raises(SystemExit, match=f"^{re.escape(told)}$"):
        train(2, resume=True)


def test_images_are_changed_in_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "  inputs: {standardize: none}\n  augment: {CHANGE}\n"
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype(np.float32)
    for change in ("rotation: 20", "shift: 0.2", "zoom: 0.2", "shear: 20", "lighting: 0.5"):
        defined = script(tmp_path, recipe.replace("CHANGE", change), monkeypatch)
        model = defined["make_model"](SimpleNamespace(images=images))
        same, changed = (np.asarray(model(images, training=on)) for on in (False, True))
        assert np.array_equal(same, images.reshape(8, -1)), change
        assert np.abs(changed - same).mean() > 1, change


def decoded(
    defined: dict[str, Any], backend: str, pixels: Any, *, training: bool, count: int = 1
) -> list[Any]:
    """An image, (height, width, channels), as a script decodes it, some times."""
    if backend == "keras":
        generators = map(np.random.default_rng, range(count))
        return [defined["decode"](pixels, one if training else None) for one in generators]
    photos = object.__new__(defined["Photos"])
    photos.images, photos.labels, photos.training = [pixels] * count, [0] * count, training
    np.random.seed(1)
    return [photos[index][0].movedim(0, -1).numpy() for index in range(count)]


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("evaluation", ["centre_crop", "ten_crop"])
def test_each_image_is_cropped_at_a_place_of_its_own(
    evaluation: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = f"  inputs: {{resize: 20}}\n  evaluation: {evaluation}\n"
    defined = script(tmp_path, recipe, monkeypatch, backend)
    pixels = np.arange(20 * 20 * 3).reshape(20, 20, 3).astype(np.uint8)
    (whole,) = decoded(defined, backend, pixels, training=False)
    middle = pixels[2:18, 2:18] if evaluation == "centre_crop" else pixels
    assert np.array_equal(whole, middle)
    places = {
        (top, left): pixels[top : top + 16, left : left + 16]
        for top in range(5)
        for left in range(5)
    }
    parts = decoded(defined, backend, pixels, training=True, count=300)
    found = [place for part in parts for place, one in places.items() if np.array_equal(part, one)]
    assert len(found) == 300
    assert len({*found}) == 25


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize(
    "crop",
    [
        "{scale_jitter: {smallest: 30, largest: 60}}",
        "{random_resized: {smallest: 0.25, largest: 0.5, ratio: 1.5}}",
    ],
)
def test_parts_of_random_size_have_the_sizes_of_the_recipe(
    crop: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of 120 x 180 in which red is twice the row and green the column tells from where a
    part is, and of what size."""
    recipe = f"  inputs: {{resize: 20}}\n  augment: {{crop: {crop}}}\n"
    defined = script(tmp_path, recipe, monkeypatch, backend)
    rows, columns = np.mgrid[:120, :180]
    pixels = np.stack([2 * rows, columns, 0 * rows], axis=2).astype(np.uint8)
    parts = np.stack(decoded(defined, backend, pixels, training=True, count=400)).astype(float)
    assert parts.shape == (400, 16, 16, 3)
    top, bottom = parts[:, 1, 8, 0] / 2, parts[:, 14, 8, 0] / 2
    left, right = parts[:, 8, 1, 1], parts[:, 8, 14, 1]
    heights, widths = (bottom - top) * (16 / 13), (right - left) * (16 / 13)
    if "jitter" in crop:  # of a shorter side of 30 to 60, 16 are 64 to 32 of 120
        assert heights == pytest.approx(widths, abs=3)
        sizes, bounds = heights, (32, 64)
    else:
        assert (heights / widths).min() == pytest.approx(1 / 1.5, abs=0.04)
        assert (heights / widths).max() == pytest.approx(1.5, abs=0.06)
        sizes, bounds = heights * widths / (120 * 180), (0.25, 0.5)
    assert (sizes.min(), sizes.max()) == pytest.approx(bounds, rel=0.05)
    # They lie anywhere in the image.
    assert max(top.min(), left.min()) < 12
    assert bottom.max() > 120 - 12
    assert right.max() > 180 - 12


def test_keras_draws_parts_by_the_epoch_once_one_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = script(tmp_path, "  inputs: {resize: 20}\n  batch_size: 8\n", monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (8, 20, 20, 3), np.uint8)
    batches = defined["Batches"](images, np.arange(8), np.arange(8))
    evaluated, labels = batches[0]
    assert np.array_equal(evaluated, images[:, 2:18, 2:18])
    assert labels.tolist() == [*range(8)]
    trained = []
    for epoch in (0, 0, 1):
        batches.begin(epoch, None)
        parts, labels = batches[0]
        trained.append(parts[np.argsort(labels)])
    assert np.array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])
    assert not np.array_equal(trained[0], evaluated)


def test_pytorch_draws_parts_in_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the mean of the images nor in validation."""
    recipe = "  inputs: {resize: 20, standardize: channel_mean}\n  batch_size: 8\n"
    defined = script(tmp_path, recipe, monkeypatch, "torch")
    data = SimpleNamespace(labels=np.arange(40) % 2, training=False)
    draws = []

    def load(data: Any, batches: list[Any], _device: Any) -> Any:
        draws.append(data.training)
        for batch in batches:
            yield torch.rand(len(batch), 3, 16, 16), torch.from_numpy(data.labels[batch])

    defined["load"] = load
    defined["Small"] = lambda: torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(16 * 16 * 3, 10)
    )
    arguments = SimpleNamespace(data=None, out=tmp_path / "run", resume=False, epochs=2)
    defined["train"](arguments, data, torch.device("cpu"))
    assert draws == [False, True, False, True, False]


TEN = "  inputs: {resize: 20, standardize: none}\n  evaluation: ten_crop\n"


def ten_parts(image: Any) -> list[Any]:
    """The corners and the middle of an image of 20 x 20 pixels, and their mirror images."""
    corners = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
    parts = [image[top : top + 16, left : left + 16] for top, left in corners]
    return parts + [part[:, ::-1] for part in parts]


def test_pytorch_averages_the_probabilities_of_ten_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = script(tmp_path, TEN, monkeypatch, "torch")
    images = np.random.default_rng(0).normal(size=(3, 20, 20, 3)).astype(np.float32)

    def model(parts: Any) -> Any:
        assert parts.shape == (30, 3, 16, 16)
        return parts[:, 0, 3, :10]

    output = defined["ten_crops"](model, torch.from_numpy(images).movedim(-1, 1))
    for image, logarithms in zip(images, output.numpy(), strict=True):
        logits = np.stack([part[3, :10, 0] for part in ten_parts(image)])
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert np.exp(logarithms) == pytest.approx(expected.mean(axis=0), rel=1e-5)


@pytest.mark.parametrize("crop", ["random", "random_resized"])
def test_keras_averages_the_probabilities_of_ten_parts(
    crop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a model that moves images in training: before they are cropped, if they are."""
    recipe = f"{TEN}  augment: {{rotation: 20, crop: {crop}}}\n"
    defined = script(tmp_path, recipe, monkeypatch)
    images = np.random.default_rng(0).normal(size=(3, 20, 20, 3)).astype(np.float32)
    parts = np.asarray(defined["TenCrops"]()(images, training=False)).reshape(10, 3, 16, 16, 3)
    for number, image in enumerate(images):
        assert np.array_equal(parts[:, number], ten_parts(image))
    logits = parts[:, :, 3, :10, 0]
    output = np.asarray(defined["MeanOfTen"]()(logits.reshape(30, 10), training=False))
    expected = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    assert np.exp(output) == pytest.approx(expected.mean(axis=0), rel=1e-5)
    batches = defined["Batches"](images, np.arange(3), np.arange(3))
    defined["Batches"].__getitem__ = lambda _, _index: (images, None)
    model = defined["make_model"](batches)
    size = 20 if crop == "random" else 16
    assert model(images[:, :size, :size], training=True).shape == (3, 16 * 16 * 3)
    # As in a graph, where the size is not known of images that are larger in evaluation.
    moved = defined["RandomMoves"](dtype="float32")(
        keras.KerasTensor(model.input_shape), training=True
    )
    assert moved.shape[-1] == 3


@pytest.mark.parametrize("backend", ["torch", "keras"])
@pytest.mark.parametrize("standardize", ["pixel_mean", "channel_mean"])
def test_a_mean_is_that_of_the_middle_of_the_training_images(
    standardize: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = f"  inputs: {{resize: 20, standardize: {standardize}, scale: 0.5}}\n"
    defined = script(tmp_path, recipe + "  evaluation: ten_crop\n", monkeypatch, backend)
    images = np.random.default_rng(0).integers(0, 256, (70, 20, 20, 3), np.uint8)
    training = np.arange(5, 65)
    if backend == "keras":
        found = defined["mean_image"](defined["Batches"](images, np.arange(70), training))
    else:
        parts = torch.from_numpy(images).movedim(-1, 1).float()
        defined["load"] = lambda _data, batches, _device: ((parts[one], None) for one in batches)
        found = defined["mean_image"](None, training, "cpu").movedim(0, -1).numpy()
    expected = images[training].mean(axis=0)[2:18, 2:18] / 2
    if standardize == "channel_mean":
        expected = images[training].mean(axis=(0, 1, 2)) / 2
        found = found.reshape(3)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_light_varies_along_the_principal_components_of_the_colours(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their eigenvalues times a number of a deviation of 0.1: its covariance is that of the
    colours, squared."""
    defined = script(tmp_path, "  augment: {lighting: 0.1}\n", monkeypatch, backend)
    mixture = np.array([[60, 20, 5], [0, 40, 10], [0, 0, 15]])
    normal = np.random.default_rng(0).normal(size=(8000, 16, 16, 3))
    images = (normal @ mixture + 100).astype(np.float32)
    if backend == "keras":
        keras.utils.set_random_seed(1)
        layer = defined["ColourNoise"](dtype="float32")
        noise = np.asarray(layer(images, training=True)) - images
    else:
        torch.manual_seed(1)
        parts = torch.from_numpy(images).movedim(-1, 1)
        noise = (defined["light"](parts) - parts).movedim(1, -1).numpy()
    assert np.abs(noise - noise[:, :1, :1]).max() < 1e-3  # that of an image's pixels is one
    covariance = mixture.T @ mixture / 255**2
    expected = (0.1 * 255) ** 2 * covariance @ covariance
    assert np.cov(noise[:, 0, 0].T) == pytest.approx(expected, rel=0.1, abs=0.02)


def test_processes_share_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In training all have two images or more of each batch, and in evaluation all the images."""
    defined = script(tmp_path, "  batch_size: 8\n", monkeypatch, "torch")
    indices, shares = np.arange(100, 125), []
    for rank in range(2):
        defined["PROCESSES"], defined["RANK"] = 2, rank
        shares.append([defined["epoch_batches"](indices, epoch) for epoch in (0, 1, 1, 2)])
    for evaluated, first, again, second in shares:
        assert [len(one) for one in first] == [4, 4, 4]  # the 25th image is left out
        assert np.array_equal(first, again)
        assert not np.array_equal(first, second)
        assert all(len(one) for one in evaluated)
    assert sorted(np.concatenate([*shares[0][0], *shares[1][0]])) == [*indices]
    trained = np.concatenate([*shares[0][1], *shares[1][1]])
    assert len({*trained}) == 24
    defined["BATCH_SIZE"], defined["PROCESSES"] = 1, 1
    assert len(defined["epoch_batches"](indices, 1)) == 25


def test_labels_that_are_vectors_have_a_metric_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras' metric of whole numbers cannot take them."""
    names = {
        "": "SparseTopKCategoricalAccuracy",
        "  label_smoothing: 0.1\n": "TopKCategoricalAccuracy",
        "  loss: mean_squared_error\n": "TopKCategoricalAccuracy",
    }
    for recipe, name in names.items():
        text = IMAGES + "  metric: top_5_accuracy\n" + recipe
        assert f"keras.metrics.{name}(5, " in emit("keras", network(tmp_path, text)), recipe


@pytest.mark.parametrize("loss", ["label_smoothing: 0.1", "loss: mean_squared_error"])
def test_parts_of_random_size_have_vectors_as_labels_where_the_loss_takes_them(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = f"  inputs: {{resize: 20}}\n  augment: {{crop: random_resized}}\n  {loss}\n"
    defined = script(tmp_path, recipe, monkeypatch)
    images = np.zeros((4, 20, 20, 3), np.uint8)
    batches = defined["Batches"](images, np.arange(4), np.arange(4))
    batches.begin(0, None)
    labels = batches[0][1]
    assert labels.shape == (4, 10)
    assert labels.argmax(axis=1).tolist() == batches.order.tolist()


def test_a_warm_up_rises_in_a_straight_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "  optimizer: {adam: {learning_rate: 0.1}}\n  warmup: 1\n"
    callback = script(tmp_path, recipe, monkeypatch)["WarmUp"](4)
    optimizer = SimpleNamespace(iterations=0, learning_rate=0.1)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    rates = []
    for optimizer.iterations in range(6):
        callback.on_train_batch_begin(0, {})
        rates.append(optimizer.learning_rate)
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("loss", "exponential"), [("cross_entropy", False), ("mean_squared_error", True)]
)
def test_a_squared_error_is_that_of_probabilities(
    loss: str, exponential: bool, tmp_path: Path
) -> None:
    """Where the network gives their logarithms, of which the cross-entropy is taken as they are."""
    text = IMAGES.replace("training:", "  - log_softmax\ntraining:") + f"  loss: {loss}\n"
    assert ("ops.exp(outputs)" in emit("keras", network(tmp_path, text))) == exponential


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize(("has_bfloat16", "share"), [(False, 1e-5), (True, 0.02)])
def test_pytorch_computes_losses_in_float32_of_products_in_what_is_fast(
    has_bfloat16: bool, share: float, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the probabilities of the network, whose softmax is left out in training."""
    capabilities = {"avx512_bf16": has_bfloat16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    text = IMAGES.replace("training:", "  - softmax\ntraining:") + f"  loss: {loss}\n"
    ends_in_softmax = network(tmp_path, text)
    own = ModuleType("small")
    exec(ends_in_softmax.emit("torch"), own.__dict__)
    monkeypatch.setitem(sys.modules, "small", own)
    defined: dict[str, Any] = {"__name__": "small_train"}
    exec(emit("torch", ends_in_softmax), defined)
    model, whole = defined["build_model"](), own.Small()
    whole.load_state_dict(model.state_dict())
    images, labels = torch.rand(8, 3, 16, 16), torch.arange(8) % 4
    outputs: list[Any] = []
    model.register_forward_hook(lambda *given: outputs.append(given[-1]))
    found, sums = defined["scores"](model.eval(), images, labels)
    assert outputs[0].dtype == (torch.bfloat16 if has_bfloat16 else torch.float32)
    probabilities = whole.eval()(images)
    right = probabilities[torch.arange(8), labels]
    targets = torch.nn.functional.one_hot(labels, probabilities.shape[1])
    squares = (probabilities - targets).square().mean()
    expected = squares if loss == "mean_squared_error" else -right.log().mean()
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=share)
    assert sums[0].item() == pytest.approx(8 * found.item())


def test_smoothed_labels_meet_the_softmax_of_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = script(tmp_path, "  label_smoothing: 0.1\n", monkeypatch)["make_loss"]()
    logits, labels = np.array([[2.0, -1.0, 0.5, 0.0]]), np.array([[0.0, 1.0, 0.0, 0.0]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    expected = -((0.9 * labels + 0.1 / 4) * np.log(softmax)).sum()
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("processes", "has_gpu"), [(1, False), (1, True), (2, False), (2, True)])
def test_pytorch_takes_a_gpu_where_there_is_one_and_ends_its_group(
    processes: int, has_gpu: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defined = script(tmp_path, "", monkeypatch, "torch")
    calls: list[str] = []
    defined["PROCESSES"] = processes
    defined["train"] = lambda *given: calls.append(f"train on {given[-1]}")
    defined["read_images"] = lambda _: None
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(torch.distributed, name, partial(calls.append, name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append(f"set {device}"))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(sys, "argv", ["small_train.py", "a.npz", "--out", str(tmp_path / "run")])
    defined["main"]()
    if processes == 1:
        assert calls == ["train on cuda" if has_gpu else "train on cpu"]
    else:
        # "cuda" is the GPU that the process has been set to.
        own = ["set 1", "train on cuda"] if has_gpu else ["train on cpu"]
        assert calls == ["init_process_group", *own, "destroy_process_group"]
