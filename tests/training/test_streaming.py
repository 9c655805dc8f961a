"""Folders with more images than memory: decoded ahead by other processes, and trained with to the
same bits as from memory."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from archc.language.recipe import Inputs
from archc.training.errors import DataError
from archc.training.run.options import IN_MEMORY
from tests.training.runner import LIMIT, Experiment, Runner, await_file, environment, rows

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from archc.training.data import folder as folder_reader  # noqa: E402
from archc.training.data import read_data, stream  # noqa: E402
from archc.training.data.images import InputFormat  # noqa: E402
from archc.training.data.pixels import pixel_statistics  # noqa: E402
from archc.training.data.stream import Request, StreamedImages, Streaming  # noqa: E402

NETWORK = """\
archc: 1
name: digits
input: {channels: 3, height: 12, width: 12}
layers:
  - conv: {filters: 4, kernel_size: 3}
  - batch_norm
  - relu
  - flatten
  - dropout: {rate: 0.2}
  - dense: {units: 3}
training:
  inputs: {resize: 14, pad: 1, standardize: channel}
  augment: {flip: horizontal, lighting: 0.1}
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
  batch_size: 16
  epochs: 2
  validation: 0.2
  evaluation: ten_crop
"""
FORMAT = InputFormat((12, 12, 3), 3, Inputs(resize=14, pad=1, standardize="channel"))
STREAMED = FORMAT._replace(streaming=Streaming(0, 2))
ENVIRONMENT = environment(OMP_NUM_THREADS="1", KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
WRITTEN = ("best.safetensors", "last.safetensors")


def picture(path: Path, seed: int, size: tuple[int, int], **options: Any) -> None:
    """A smooth picture, as photographs are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(path, **options)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """123 pictures of many sizes, three classes: JPEGs, some of them turned, and PNGs."""
    folder = tmp_path_factory.mktemp("photos")
    turned = Image.Exif()
    turned[0x0112] = 6
    for number in range(123):
        size = (60 + number % 7 * 11, 50 + number % 5 * 17)
        name = f"{'abc'[number % 3]}/{number:03}"
        if number % 10 == 0:
            picture(folder / f"{name}.png", number, size)
        elif number % 10 == 1:
            picture(folder / f"{name}.jpg", number, size, exif=turned)
        else:
            picture(folder / f"{name}.jpg", number, size, quality=90)
    return folder


def streamed(folder: Path, expected: InputFormat = STREAMED) -> StreamedImages:
    images = read_data(folder, expected, labelled=True).images
    assert isinstance(images, StreamedImages)
    return images


def held(folder: Path) -> Any:
    """The same images in memory, padded by hand."""
    images = read_data(folder, FORMAT, labelled=True).array
    return np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))


def test_batches_are_those_of_the_images_in_memory(photos: Path) -> None:
    """In the order of the requests, of any length, an image as often as it is asked for."""
    images = streamed(photos)
    assert (len(images), images.shape) == (123, (123, 16, 16, 3))
    order = np.random.default_rng(1).permutation(np.resize(np.arange(123), 200))
    chosen = [order[:70], order[70:71], order[71:72], order[72:]]
    expected = held(photos)
    for found, indices in zip(images.batches(map(Request, chosen)), chosen, strict=True):
        np.testing.assert_array_equal(found, expected[indices])
    np.testing.assert_array_equal(images[np.array([5, 3])], expected[[5, 3]])
    # Those of the mistakes of a network that makes none.
    assert images[np.array([], np.int64)].shape == (0, 16, 16, 3)


def test_a_folder_is_streamed_where_its_images_fill_the_memory(photos: Path) -> None:
    room = 123 * 14 * 14 * 3
    assert IN_MEMORY == 2**30
    for bytes_held, is_streamed in ((room - 1, True), (room, False)):
        expected = FORMAT._replace(streaming=Streaming(bytes_held, 1))
        images = read_data(photos, expected, labelled=True).images
        assert isinstance(images, StreamedImages) == is_streamed


def test_statistics_are_those_in_memory_to_the_bit(photos: Path) -> None:
    """In one pass, and over the shares of three processes."""
    images, whole = streamed(photos), held(photos)
    indices = np.arange(1, 123)
    expected = pixel_statistics(whole, indices, FORMAT, lighting=True)
    exact = whole[1:].reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(expected.mean.ravel(), exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(expected.deviation.ravel(), exact.std(0), rtol=1e-6)
    values, vectors = np.linalg.eigh(np.cov(exact.T / 255, bias=True))
    np.testing.assert_allclose(
        np.abs(expected.colours), np.abs(vectors * values * 255).T, rtol=1e-4, atol=1e-4
    )
    sums: list[Any] = []
    for rank in range(3):
        pixel_statistics(
            images,
            indices,
            FORMAT,
            lighting=True,
            share=slice(rank, None, 3),
            total=lambda one: sums.append(one) or one,  # type: ignore[func-returns-value]
        )
    added = type(sums[0])(*(sum(part) for part in zip(*sums, strict=True)))
    for share, total in (
        (slice(None), lambda one: one),
        (slice(0, None, 3), lambda _one: added),
    ):
        found = pixel_statistics(images, indices, FORMAT, lighting=True, share=share, total=total)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.tobytes() == theirs.tobytes()


class Counting:
    """Stands for the processes: a task is done when its result is asked for."""

    def __init__(self) -> None:
        self.begun = self.taken = self.most = 0

    def submit(self, decode: Any, files: Any, draws: Any) -> Any:
        self.begun += len(files)
        self.most = max(self.most, self.begun - self.taken)
        future: Future[Any] = Future()
        count = len(files)

        def result() -> Any:
            self.taken += count
            return np.zeros((count, 2, 2, 1), np.uint8)

        future.result = result  # type: ignore[assignment, method-assign]
        return future


@pytest.mark.parametrize("size", [1, 40, 256])
def test_the_queue_is_bounded(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images there are, only some are decoded ahead."""
    pool = Counting()
    monkeypatch.setattr(stream, "decoders", lambda _workers: pool)
    count = 5120
    images = StreamedImages([Path()] * count, (count, 2, 2, 1), lambda _f, _d: None, 2)  # type: ignore[arg-type, return-value]
    requests = (Request(np.arange(start, start + size)) for start in range(0, count - size, size))
    total = sum(map(len, images.batches(requests)))
    assert total == pool.taken == (count - 1) // size * size
    assert pool.most <= max(3 * size, 2 * 3 * 8 + size)
    assert pool.most > size


def test_images_that_are_not_taken_are_not_decoded(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where training ends within an epoch."""
    images = streamed(photos)
    submitted: list[Future[Any]] = []
    submit = stream.decoders(2).submit

    def noted(*arguments: Any) -> Future[Any]:
        submitted.append(submit(*arguments))
        return submitted[-1]

    monkeypatch.setattr(stream.decoders(2), "submit", noted)
    batches = images.batches(Request(np.full(200, index)) for index in range(100))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(submitted) == 75
    assert sum(future.cancelled() for future in submitted) > 20


def copied(photos: Path, folder: Path, name: str, content: bytes) -> Path:
    """The folder with another file in the place of one."""
    for path in photos.glob("*/*"):
        target = folder / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(content)
    return folder


def test_headers_are_checked_before_training(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all files, whatever their place."""
    monkeypatch.setattr(folder_reader, "HEADERS_AT_ONCE", 10)
    folder = copied(photos, tmp_path, "c/zzz.jpg", b"GIF89a")
    with pytest.raises(DataError, match=r"c.zzz\.jpg: is no image that can be read"):
        streamed(folder)


def test_without_resizing_headers_tell_of_another_size(tmp_path: Path) -> None:
    """Turned as the file says it is to be."""
    turned = Image.Exif()
    turned[0x0112] = 8
    for number in range(5):
        picture(tmp_path / "a" / f"{number}.jpg", number, (16, 12))
    picture(tmp_path / "b" / "turned.jpg", 5, (12, 16), exif=turned)
    expected = STREAMED._replace(inputs=Inputs())
    assert streamed(tmp_path, expected)[np.array([5])].shape == (1, 12, 16, 3)
    picture(tmp_path / "b" / "zz.png", 6, (12, 16))
    with pytest.raises(DataError) as refused:
        streamed(tmp_path, expected)
    told = "is 16 x 12 x 3, and the first image is 12 x 16 x 3: resize them in the recipe"
    assert str(refused.value) == f"{tmp_path / 'b' / 'zz.png'}: {told}"


def test_what_is_no_image_is_left_out_and_told(photos: Path, tmp_path: Path) -> None:
    folder = copied(photos, tmp_path / "photos", "a/Thumbs.db", b"of the system")
    data = read_data(folder, STREAMED, labelled=True)
    assert isinstance(data.images, StreamedImages)
    assert (len(data.images), len(data.known_labels)) == (123, 123)
    assert data.notes == ("left out 1 that are no images: a/Thumbs.db",)


def test_a_link_out_of_the_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    """When headers are read, and when a file has become something else afterwards."""
    folder = copied(photos, tmp_path / "photos", "c/002.jpg", b"")
    picture(tmp_path / "beside.jpg", 2, (60, 50))
    link = folder / "c" / "002.jpg"
    link.unlink()
    link.symlink_to(tmp_path / "beside.jpg")
    with pytest.raises(DataError, match=r"002\.jpg: is a link that leads out of the folder"):
        streamed(folder)
    link.unlink()
    picture(link, 2, (60, 50))
    images = streamed(folder)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(DataError, match=r"002\.jpg: is not a regular file"):
        list(images.batches([Request(np.arange(len(images)))]))


def test_large_images_are_decoded_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are decoded: a JPEG of which an eighth of the resolution is taken is none. Of a
    progressive one all is in memory at once, whatever is taken of it."""
    monkeypatch.setattr(folder_reader, "LARGE_IMAGE", 100 * 100)
    names = ("small.png", "large.png", "reduced.jpg", "progressive.jpg", "barely.jpg")
    sizes = ((100, 100), (101, 100), (640, 480), (640, 480), (120, 100))
    for name, size in zip(names, sizes, strict=True):
        picture(tmp_path / name, 0, size, progressive=name.startswith("progressive"))
    alone = []

    def decode_alone(decode: Any) -> Any:
        alone.append(decode.args[0].fp.name)
        return decode()

    monkeypatch.setattr(folder_reader, "alone", decode_alone)
    files = [tmp_path / name for name in names]
    images = folder_reader.decode_files(files, None, expected=STREAMED, shape=(14, 14, 3))
    assert images.shape == (5, 16, 16, 3)
    assert alone == [str(tmp_path / "large.png"), str(tmp_path / "progressive.jpg")]


def test_processes_take_turns(tmp_path: Path) -> None:
    """At what is to be done alone; at anything else they work at once."""
    script = """
import sys, time
from pathlib import Path
from archc.training.data.stream import alone, decoders, ending_decoders

folder = Path(sys.argv[1])

def stay(number):
    (folder / str(number)).touch()
    found = len(list(folder.iterdir()))
    time.sleep(0.1)
    found = max(found, len(list(folder.iterdir())))
    (folder / str(number)).unlink()
    return found

def most(number):
    return stay(number) if number < 0 else alone(lambda: stay(number))

if __name__ == "__main__":
    with ending_decoders():
        print(max(decoders(2).map(most, range(6))))
        while max(decoders(2).map(most, range(-8, 0))) < 2:
            pass
"""
    path, folder = tmp_path / "parent.py", tmp_path / "at_once"
    path.write_text(script, encoding="utf-8")
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, path, folder], capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def cut_off(photos: Path, folder: Path) -> Path:
    whole = (photos / "c" / "002.jpg").read_bytes()
    return copied(photos, folder, "c/002.jpg", whole[: len(whole) // 2])


def test_pixels_are_checked_as_they_are_decoded(photos: Path, tmp_path: Path) -> None:
    images = streamed(cut_off(photos, tmp_path))
    chosen = [np.array([0, 1]), np.arange(75, 123)]
    batches = images.batches(map(Request, chosen))
    assert len(next(batches)) == 2
    with pytest.raises(DataError, match=r"c.002\.jpg: is no image that can be read \(image file"):
        list(images.batches(map(Request, [np.arange(123)])))


def test_a_process_that_was_killed_is_told(photos: Path) -> None:
    """As the system does it where memory runs out."""
    script = f"""
import os, signal, sys
from pathlib import Path
from archc.training.data.stream import decoders, map_files
from archc.training.errors import RunError
try:
    list(map_files(eval, [Path("x")] * 4, 2, 1))
except TypeError:
    pass
for process in list(decoders(2)._processes):
    os.kill(process, signal.SIGKILL)
try:
    list(map_files(os.stat, [Path({str(photos)!r})] * 4, 2, 1))
except RunError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert "was ended: was there too little memory?" in done.stdout


def test_processes_end_with_the_one_that_trains(tmp_path: Path) -> None:
    """Also where that is killed."""
    script = """
import os, sys, time
from archc.training.data.stream import decoders
if __name__ == "__main__":
    pool = decoders(2)
    told = sorted({pool.submit(os.getpid).result() for _ in range(20)})
    print(*told, flush=True)
    time.sleep(600)
"""
    path = tmp_path / "parent.py"
    path.write_text(script, encoding="utf-8")
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        children = [int(one) for one in process.stdout.readline().split()]
        assert children
        process.kill()
    end = time.monotonic() + LIMIT
    while any(os.path.exists(f"/proc/{child}") for child in children):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_large_jpeg_is_decoded_at_a_lower_resolution(tmp_path: Path) -> None:
    """Which the eye cannot tell from the whole: 8 of 255 at the most, 1 in the mean."""
    path = tmp_path / "large.jpg"
    picture(path, 3, (1200, 900), quality=95)
    expected = InputFormat((64, 64, 3), 3, Inputs(resize=64))
    found = folder_reader.decode_image(path, expected).astype(int)
    with Image.open(path) as image:
        view = folder_reader.evaluation_view(900, 1200, 64)
        assert folder_reader.reduce_resolution(image, view) == 4
        assert image.size == (300, 225)
    with Image.open(path) as image:
        whole = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR, (150, 0, 1050, 900)))
    assert np.abs(found - whole).max() <= 8
    assert np.abs(found - whole).mean() < 1


# Runs


@pytest.fixture(scope="module")
def torch_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    pytest.importorskip("torch")
    modules = ["torch._dynamo", "archc.training.torch.loop"]
    started = Runner(tmp_path_factory.mktemp("runner"), modules, ENVIRONMENT)
    yield started
    started.stop()


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in WRITTEN}


OFTEN = {"archc.training.torch.loop.CHECKPOINT_SECONDS": 0}


def test_a_run_is_the_same_from_memory_and_streamed(
    photos: Path, torch_runner: Runner, tmp_path: Path
) -> None:
    """And where it is ended within an epoch and resumed. Predictions are streamed too."""
    experiment = Experiment(tmp_path, "torch", NETWORK)
    whole, folder, again = (tmp_path / name for name in ("whole", "streamed", "again"))
    torch_runner.run(experiment.fit(whole, data=photos))
    assert '"files_sha256"' not in (whole / "run.json").read_text(encoding="utf-8")
    options = {"data": photos, "in_memory": 0, "workers": 2}
    torch_runner.run(experiment.fit(folder, **options))
    assert '"files_sha256"' in (folder / "run.json").read_text(encoding="utf-8")
    assert digests(folder) == digests(whole)
    assert rows(folder) == rows(whole)
    child = torch_runner.start(experiment.fit(again, **options), OFTEN)
    await_file(again / "checkpoint.pt")
    os.kill(child, signal.SIGTERM)
    assert torch_runner.wait() == 130
    torch_runner.run(experiment.fit(again, resume=True, **options), OFTEN)
    assert digests(again) == digests(whole)
    assert rows(again) == rows(whole)
    for name, in_memory in (("a.csv", 0), ("b.csv", IN_MEMORY)):
        out = tmp_path / name
        torch_runner.run(experiment.predict(whole, out, data=photos, in_memory=in_memory))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_faulty_image_ends_the_run_with_its_name(
    photos: Path, torch_runner: Runner, tmp_path: Path
) -> None:
    experiment = Experiment(tmp_path, "torch", NETWORK)
    data = cut_off(photos, tmp_path / "data")
    plan = experiment.fit(tmp_path / "run", data=data, in_memory=0, workers=2)
    told = torch_runner.run(plan, code=1)
    assert told.startswith(f"archc: {data / 'c' / '002.jpg'}: is no image that can be read (image")
    assert told.count("\n") == 1


def test_two_processes_read_a_share_each(
    photos: Path, torch_runner: Runner, tmp_path: Path
) -> None:
    plain = NETWORK.replace("  - batch_norm\n", "").replace("  - dropout: {rate: 0.2}\n", "")
    crop = "lighting: 0.1, crop: random_resized"
    experiment = Experiment(tmp_path, "torch", plain.replace("lighting: 0.1", crop))
    options = {"data": photos, "in_memory": 0, "workers": 1}
    torch_runner.run(experiment.fit(tmp_path / "one", **options))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    plan = experiment.fit(tmp_path / "two", **options)
    done = subprocess.run(
        [sys.executable, "-P", *torchrun, "-m", "archc.training.worker", str(plan)],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    for alone, shared in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        for name in ("loss", "validation_loss"):
            assert shared[name] == pytest.approx(alone[name], rel=2e-3)


@pytest.mark.keras
def test_keras_streams_the_same(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    callbacks = "archc.training.keras.callbacks"
    often = {f"{callbacks}.CHECKPOINT_SECONDS": 0, f"{callbacks}.CHECKPOINT_SHARE": 0}
    runner = Runner(tmp_path, ["archc.training.keras.loop"], ENVIRONMENT)
    experiment = Experiment(tmp_path / "plans", "keras", NETWORK)
    whole, folder, again = (tmp_path / name for name in ("whole", "streamed", "again"))
    runner.run(experiment.fit(whole, data=photos))
    options = {"data": photos, "in_memory": 0, "workers": 2}
    runner.run(experiment.fit(folder, **options))
    assert digests(folder) == digests(whole)
    child = runner.start(experiment.fit(again, **options), often)
    await_file(again / "checkpoint.safetensors")
    os.kill(child, signal.SIGTERM)
    assert runner.wait() == 130
    runner.run(experiment.fit(again, resume=True, **options), often)
    assert digests(again) == digests(whole)
    runner.stop()
