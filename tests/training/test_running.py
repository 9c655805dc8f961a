"""The run's folder, its record and metrics, what is told meanwhile, what comes out, the program."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import signal
import struct
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO, Literal

import numpy as np
import pytest

from archc.language.recipe import AdamW, Cosine, Training
from archc.training.data.images import ImageData, all_classes
from archc.training.data.pixels import PixelStatistics
from archc.training.data.statistics import (
    read_statistics,
    statistics_record,
    write_statistics,
)
from archc.training.errors import DataError, RunError
from archc.training.run import lock, results
from archc.training.run import progress as progress_module
from archc.training.run.files import open_unlinked, write_whole
from archc.training.run.length import finish_run, finished_message
from archc.training.run.lock import locked_folder
from archc.training.run.metrics import (
    BestEpoch,
    EpochRecord,
    MetricsLog,
    Scores,
    check_finite,
    check_progress,
)
from archc.training.run.options import (
    EvaluateOptions,
    FitOptions,
    FitSettings,
    PredictOptions,
    Start,
)
from archc.training.run.progress import Progress, clock, stop_request
from archc.training.run.record import (
    data_record,
    open_run,
    recorded_classes,
    run_record,
    settled_options,
    start_run,
)
from archc.training.run.results import (
    Inference,
    as_bytes,
    check_output,
    read_images,
    tell_notes,
    tell_predictions,
    write_predictions,
    write_validation,
)
from archc.training.run.scores import evaluation, evaluation_text
from archc.training.run.startup import quiet_startup
from archc.training.task import Task
from archc.training.worker import one_line
from tests.training.samples import TASK, takes

# Files


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_whole(path, lambda stream: stream.write(b"one"))
    assert path.read_bytes() == b"one"
    write_whole(path, lambda stream: stream.write(b"two"))
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_two_write_a_file_one_after_the_other(tmp_path: Path) -> None:
    """The second waits for the first: neither spoils what the other has written so far."""
    path = tmp_path / "a.bin"
    waiting = Event()

    def write_second() -> None:
        waiting.set()
        write_whole(path, lambda stream: stream.write(b"two"))

    def write_first(stream: BinaryIO) -> None:
        stream.write(b"on")
        second.start()
        waiting.wait()
        assert not path.exists()
        stream.write(b"e")

    second = Thread(target=write_second)
    write_whole(path, write_first)
    second.join()
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_link_or_a_folder_in_the_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "folder").mkdir()
    for name, reason in (("link", "is a symbolic link"), ("folder", "is not a regular file")):
        with pytest.raises(RunError, match=f"{name} {reason}"):
            write_whole(tmp_path / name, lambda stream: stream.write(b"new"))
    assert (tmp_path / "other").read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "other"]


def test_a_folder_is_trained_in_by_one_process(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        for _ in range(2):
            with pytest.raises(RunError) as refused, locked_folder(tmp_path):
                pytest.fail("it is another one's")
            assert str(refused.value) == f"{tmp_path} is being trained by another process"
    with locked_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_its_folder(tmp_path: Path) -> None:
    told, tell = os.pipe()
    child = os.fork()
    if not child:

        def write(_: io.BufferedWriter) -> None:
            os.write(tell, b".")
            signal.pause()

        try:
            with locked_folder(tmp_path):
                write_whole(tmp_path / "a.bin", write)
        finally:
            os._exit(1)
    assert os.read(told, 1) == b"."
    with pytest.raises(RunError), locked_folder(tmp_path):
        pytest.fail("it is the child's")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert sorted(os.listdir(tmp_path)) == [".archc-a.bin", ".lock"]
    with locked_folder(tmp_path):
        write_whole(tmp_path / "b.bin", lambda stream: stream.write(b"b"))
        assert sorted(os.listdir(tmp_path)) == [".lock", "b.bin"]


def test_a_lock_that_was_removed_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the process that had it, between the opening of the file and its locking here."""
    real, removed = lock.try_lock, []

    def lock_too_late(descriptor: int) -> bool:
        if not removed:
            removed.append((tmp_path / ".lock").unlink())
        return real(descriptor)

    monkeypatch.setattr(lock, "try_lock", lock_too_late)
    with locked_folder(tmp_path):
        assert removed
        with pytest.raises(RunError), locked_folder(tmp_path):
            pytest.fail("it is another one's")
    assert os.listdir(tmp_path) == []


def test_a_lock_that_was_removed_while_it_was_held_is_noticed(tmp_path: Path) -> None:
    """Whoever holds it then does not remove the next one's, which would let in a third."""
    with locked_folder(tmp_path):
        (tmp_path / ".lock").unlink()
        second = ExitStack()
        second.enter_context(locked_folder(tmp_path))
    with second:
        assert os.listdir(tmp_path) == [".lock"]
        with pytest.raises(RunError), locked_folder(tmp_path):
            pytest.fail("it is the second one's")
    assert os.listdir(tmp_path) == []


def test_without_locks_a_folder_is_trained_in_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    with locked_folder(tmp_path), locked_folder(tmp_path):
        pass
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    with locked_folder(tmp_path), locked_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def full(stream: io.BufferedWriter) -> None:
    """A disk that fills up on the way."""
    stream.write(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupted(stream: io.BufferedWriter) -> None:
    stream.write(b"half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("fault", [full, interrupted])
def test_what_was_there_stays_when_writing_fails(tmp_path: Path, fault) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    with pytest.raises((OSError, KeyboardInterrupt)) as failed:
        write_whole(path, fault)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a.bin"]
    if isinstance(failed.value, OSError):
        assert (failed.value.errno, failed.value.filename) == (errno.ENOSPC, str(path))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_told_with_the_file() -> None:
    log = MetricsLog.__new__(MetricsLog)
    log.path, log.events, log.last = Path("/dev/full"), None, 0.0
    with pytest.raises(OSError, match="No space left") as failed:
        log.append(record(1))
    assert failed.value.filename == str(log.path)
    assert one_line(failed.value) == f"{log.path}: No space left on device"


# The record


RECIPE = Training(epochs=3)


def options(out: Path, **changes: Any) -> FitOptions:
    return FitOptions(Path("train.csv"), out, quiet=True)._replace(**changes)


def digits(count: int = 6) -> ImageData:
    images = np.arange(count * 16, dtype=np.uint8).reshape(count, 4, 4, 1)
    return ImageData(images, np.arange(count) % 3)


def settled(request: FitOptions, recipe: Training = RECIPE) -> FitSettings:
    return settled_options(request, "lenet5", recipe)


def started(
    request: FitOptions,
    data: ImageData | None = None,
    recipe: Training = RECIPE,
    task: Task = TASK,
) -> dict[str, Any]:
    """Start a run as a backend does; its record."""
    settings = settled(request, recipe)
    kept = data_record(request.data, digits() if data is None else data)
    with open_run(settings, task.name):
        record = run_record(settings, "torch", task, recipe, {"training": kept}, None)
        start_run(settings, record)
    return json.loads((request.out / "run.json").read_text())


def test_the_record_tells_what_a_run_depends_on(tmp_path: Path) -> None:
    record = started(options(tmp_path / "new" / "run", seed=7))
    # A line for each, for people and for `git diff`.
    assert '\n "name": "lenet5",\n' in (tmp_path / "new" / "run" / "run.json").read_text()
    assert record["spec"] == "specs/lenet5.yaml"
    assert record["recipe"]["seed"] == 7
    assert record["recipe"]["epochs"] == 3
    assert record["recipe"]["precision"] == "auto"
    assert record["data"]["training"]["images"] == 6
    assert record["data"]["training"]["shape"] == [4, 4, 1]


def test_a_run_is_not_started_over(tmp_path: Path) -> None:
    started(options(tmp_path))
    with pytest.raises(RunError, match="holds a run already: go on with it by --resume"):
        started(options(tmp_path))


def test_a_folder_is_looked_at_before_the_data_are_read(tmp_path: Path) -> None:
    with open_run(settled(options(tmp_path / "new" / "run")), "lenet5"):
        assert os.listdir(tmp_path / "new" / "run") == [".lock"]
    assert not (tmp_path / "new" / "run").exists()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError), open_run(settled(options(tmp_path / "file")), "lenet5"):
        pytest.fail("it is no folder")
    started(options(tmp_path))
    with (
        pytest.raises(RunError, match="holds a run"),
        open_run(settled(options(tmp_path)), "lenet5"),
    ):
        pytest.fail("there is a run already")
    assert not (tmp_path / ".lock").exists()


def test_a_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    first = started(options(tmp_path, seed=7, epochs=9, precision="float32"))
    assert started(options(tmp_path, resume=True)) == first
    settings = settled(options(tmp_path, resume=True))
    assert (settings.seed, settings.epochs, settings.precision) == (7, 9, "float32")
    # Where there is no run yet, one is begun.
    assert started(options(tmp_path / "b", resume=True))["recipe"]["seed"] == 0


def test_the_same_data_may_lie_elsewhere(tmp_path: Path) -> None:
    started(options(tmp_path))
    started(options(tmp_path, resume=True, data=Path("moved/train.csv")))


CHANGES = {
    "seed": ({"seed": 8}, {}, "recipe.seed = 0, not 8"),
    "precision": ({"precision": "float16"}, {}, "recipe.precision = auto, not float16"),
    "validation": (
        {},
        {"recipe": Training(epochs=3, validation=0.2)},
        "recipe.validation = 0.1, not 0.2",
    ),
    "batch size": (
        {},
        {"recipe": Training(epochs=3, batch_size=64)},
        "recipe.batch_size = 32, not 64",
    ),
    "optimizer": (
        {},
        {"recipe": Training(epochs=3, optimizer=AdamW())},
        "recipe.optimizer = adam, not adamw",
    ),
    "spec": (
        {},
        {"task": TASK._replace(digest="1" * 64)},
        f"sha256 = {'0' * 64}, not {'1' * 64}",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_not_gone_on_with(tmp_path: Path, change: str) -> None:
    changes, others, message = CHANGES[change]
    started(options(tmp_path))
    with pytest.raises(RunError) as refused:
        started(options(tmp_path, resume=True, **changes), **others)
    assert str(refused.value) == f"{tmp_path} was run with {message}"


def test_a_run_goes_on_for_longer(tmp_path: Path) -> None:
    """Where its schedule does not depend on the length."""
    record = started(options(tmp_path))
    finish_run(settled(options(tmp_path, resume=True)), "lenet5", 3)
    asked = settled(options(tmp_path, resume=True))
    told = finished_message(asked, "lenet5", RECIPE)
    assert told == f"{tmp_path} is finished: 3 epochs; `--resume --epochs N` trains for longer"
    longer = options(tmp_path, resume=True, epochs=9)
    assert finished_message(settled(longer), "lenet5", RECIPE) is None
    extended = started(longer)
    assert extended == {
        **record,
        "recipe": {**record["recipe"], "epochs": 9},
        "lengths": [3, 9],
    }
    assert started(options(tmp_path, resume=True)) == extended
    assert settled(options(tmp_path, resume=True)).epochs == 9
    (tmp_path / "run.json").write_text(json.dumps({**extended, "lengths": 7}))
    assert started(options(tmp_path, resume=True, epochs=10))["lengths"] == [9, 10]
    (tmp_path / "run.json").write_text(json.dumps(extended))
    MetricsLog(tmp_path, 0).append(EpochRecord(5, 5, Scores(1.0, 0.5), None, 0.1, 1.0, 1.0))
    for recipe, epochs, message in (
        (RECIPE, 4, f"{tmp_path} has trained for 5 epochs already, not 4"),
        (
            Training(epochs=9, schedule=Cosine()),
            20,
            f"the cosine schedule of {tmp_path} is laid out for 9 epochs: with 20 all its learning"
            " rates would have been others; start another run from its weights: --weights"
            f" {tmp_path / 'last.safetensors'}",
        ),
    ):
        with pytest.raises(RunError) as refused:
            finished_message(
                settled(options(tmp_path, resume=True, epochs=epochs)), "lenet5", recipe
            )
        assert str(refused.value) == message


def test_a_run_that_stopped_early_stays_so(tmp_path: Path) -> None:
    recipe = Training(epochs=3, early_stopping=1)
    started(options(tmp_path), recipe=recipe)
    finish_run(settled(options(tmp_path, resume=True), recipe), "lenet5", 2)
    asked = settled(options(tmp_path, resume=True), recipe)
    told = finished_message(asked, "lenet5", recipe)
    assert told == f"{tmp_path} is finished: 2 epochs of 3, where it stopped early"
    with pytest.raises(RunError, match="has stopped early, after 2 epochs; start another run"):
        finished_message(
            settled(options(tmp_path, resume=True, epochs=9), recipe), "lenet5", recipe
        )


def test_a_run_in_steps_is_given_no_epochs(tmp_path: Path) -> None:
    recipe = Training(steps=50)
    started(options(tmp_path), recipe=recipe)
    asked = settled(options(tmp_path, resume=True, epochs=2), recipe)
    with pytest.raises(RunError, match="counts in steps: it cannot be given epochs"):
        finished_message(asked, "lenet5", recipe)
    finish_run(settled(options(tmp_path, resume=True), recipe), "lenet5", 2)
    asked = settled(options(tmp_path, resume=True), recipe)
    assert finished_message(asked, "lenet5", recipe) == f"{tmp_path} is finished: 2 epochs"


def test_a_run_does_not_go_on_with_another_backend(tmp_path: Path) -> None:
    record = started(options(tmp_path))
    settings = settled(options(tmp_path, resume=True))
    with pytest.raises(RunError) as refused:
        start_run(settings, {**record, "backend": "keras"})
    assert str(refused.value) == f"{tmp_path} was run with backend = torch, not keras"


def test_a_run_does_not_go_on_from_weights_that_it_did_not_start_from(tmp_path: Path) -> None:
    record = started(options(tmp_path))
    settings = settled(options(tmp_path, resume=True))
    with pytest.raises(RunError) as refused:
        start_run(settings, {**record, "weights": Start(freeze={"conv_1": 2})._asdict()})
    told = f"{tmp_path} began without --weights and --freeze: start another run"
    assert str(refused.value) == told


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_run_does_not_go_on_with_other_data(tmp_path: Path, what: str) -> None:
    started(options(tmp_path))
    other = digits()
    (other.images if what == "image" else other.labels)[5] += 1
    with pytest.raises(RunError, match=r"was run with data\.training\.sha256"):
        started(options(tmp_path, resume=True), other)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"name": "vgg16"}', "[" * 100_000, '{"name": "\\ud800"}']
)
def test_a_faulty_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match="is no record of a run"):
        settled(options(tmp_path, resume=True))


WRONG_RECIPES: list[object] = [
    None,
    [],
    {},
    {"epochs": "3"},
    {"epochs": 3.0},
    {"epochs": 0},
    {"epochs": True},
    {"epochs": None},
    {"seed": -1},
    {"seed": 2**32},
    {"seed": "x"},
    {"seed": None},
    {"precision": 5},
    {"precision": "int8"},
    {"precision": []},
]


@pytest.mark.parametrize("wrong", WRONG_RECIPES, ids=str)
def test_a_recorded_recipe_of_other_types_is_refused(tmp_path: Path, wrong: object) -> None:
    record = started(options(tmp_path))
    recipe = {**record["recipe"], **wrong} if wrong and isinstance(wrong, dict) else wrong
    (tmp_path / "run.json").write_text(json.dumps({**record, "recipe": recipe}))
    with pytest.raises(RunError) as refused:
        settled(options(tmp_path, resume=True))
    assert str(refused.value) == f"{tmp_path / 'run.json'}: is no record of a run"


def test_a_recipe_in_steps_has_no_epochs(tmp_path: Path) -> None:
    recipe = Training(steps=50)
    record = started(options(tmp_path), recipe=recipe)
    assert record["recipe"]["epochs"] is None
    assert settled(options(tmp_path, resume=True), recipe).epochs is None


def test_classes_are_recorded_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for classes, names in ((None, ("0", "1", "2")), (["cat", "dog"], ("cat", "dog", "2"))):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        assert recorded_classes(tmp_path, TASK._replace(classes=3)) == names
    for classes in (["a"] * 4, "abc", [1]):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        with pytest.raises(RunError, match="the classes are no list of names"):
            recorded_classes(tmp_path, TASK._replace(classes=3))
    for classes in (["a", "a"], ["2"], ["b", "2"]):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        with pytest.raises(RunError, match="two classes have one name"):
            recorded_classes(tmp_path, TASK._replace(classes=3))


# Statistics


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 40, 3)])
def test_statistics_are_kept(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """In the record, or in a file of their own where they are many."""
    mean = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    colours = np.eye(3, dtype=np.float32)
    for statistics in (PixelStatistics(mean, mean + 1, colours), PixelStatistics(mean, mean + 1)):
        write_statistics(tmp_path, statistics)
        kept = json.loads(json.dumps({"statistics": statistics_record(statistics)}))
        found = read_statistics(tmp_path, kept, (40, 40, 3))
        for array, values in zip(found[:2], statistics[:2], strict=True):
            np.testing.assert_array_equal(array, np.broadcast_to(values, (40, 40, 3)))
        assert (found.colours is None) == (statistics.colours is None)
    assert found.colours is None


NO_STATISTICS = "has no statistics of this network's images"
NOT_FINITE = "the statistics of the images are no finite numbers with deviations above 0"


@pytest.mark.parametrize(
    ("mean", "deviation", "told"),
    [
        ("1", "0", NOT_FINITE),
        ("1", "-1", NOT_FINITE),
        ("1", "[[[1, 2, 0.0]]]", NOT_FINITE),
        ("NaN", "1", NOT_FINITE),
        ("1", "Infinity", NOT_FINITE),
        ("1e300", "1", NOT_FINITE),
        ("9" * 400, "1", NO_STATISTICS),
        ("[1, 2]", "1", NO_STATISTICS),
        ("[[1], 2]", "1", NO_STATISTICS),
        ('"one"', "1", NO_STATISTICS),
        ("{}", "1", NO_STATISTICS),
        ("null", "1", NOT_FINITE),
    ],
)
def test_faulty_statistics_are_refused(
    tmp_path: Path, mean: str, deviation: str, told: str
) -> None:
    text = f'{{"statistics": {{"mean": {mean}, "deviation": {deviation}}}}}'
    with pytest.raises(RunError) as refused:
        read_statistics(tmp_path, json.loads(text), (4, 4, 3))
    assert str(refused.value) == f"{tmp_path / 'run.json'}: {told}"


@pytest.mark.parametrize("kept", [None, 3, [], {}, {"mean": 1}, [1, 2]])
def test_a_record_without_statistics_is_refused(tmp_path: Path, kept: object) -> None:
    with pytest.raises(RunError, match=NO_STATISTICS):
        read_statistics(tmp_path, {"statistics": kept}, (32, 32, 1))


def test_a_damaged_file_of_statistics_is_refused(tmp_path: Path) -> None:
    (tmp_path / "statistics.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"statistics\.safetensors: has no statistics"):
        read_statistics(tmp_path, {"statistics": "statistics.safetensors"}, (32, 32, 1))


# Metrics


def record(epoch: int, accuracy: float = 0.5, loss: float = 1.0, **changes: Any) -> EpochRecord:
    scores = Scores(loss, accuracy)
    row = {"validation": scores, "learning_rate": 0.1, "seconds": 2.0, **changes}
    return EpochRecord(epoch, 10 * epoch, scores, samples_per_second=1234.0, **row)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_metrics_are_a_line_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("archc.training.run.metrics.time.perf_counter", lambda: now[0])
    log = MetricsLog(tmp_path, 0, began=97.5)
    log.append(record(1, 0.25))
    now[0] = 103.25
    log.append(record(2, validation=None, loss=math.nan))
    first, second = rows(tmp_path)
    assert first == {
        "epoch": 1,
        "step": 10,
        "loss": 1.0,
        "accuracy": 0.25,
        "validation_loss": 1.0,
        "validation_accuracy": 0.25,
        "learning_rate": 0.1,
        "seconds": 2.0,
        "samples_per_second": 1234.0,
        "seconds_wall": 2.5,
    }
    assert second["seconds_wall"] == 3.25
    assert second["loss"] is None
    assert "validation_loss" not in second


def test_on_resuming_what_the_checkpoint_has_not_is_dropped(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for epoch in (1, 2, 3):
        log.append(record(epoch))
    with (tmp_path / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"epoch": 4, "lo')  # killed on the way
    MetricsLog(tmp_path, 2).append(record(3, 0.75))
    assert [row["epoch"] for row in rows(tmp_path)] == [1, 2, 3]
    assert rows(tmp_path)[2]["accuracy"] == 0.75


def test_a_log_goes_on_whatever_its_rows_hold(tmp_path: Path) -> None:
    """What was no number has become null; a person may have added a remark."""
    MetricsLog(tmp_path, 0).append(record(1, loss=math.nan))
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 2, "loss": NaN, "remark": "slower", "more": [null]}\n')
    MetricsLog(tmp_path, 2).append(record(3))
    first, second, third = rows(tmp_path)
    assert first["loss"] is None
    assert second == {"epoch": 2, "loss": None, "remark": "slower", "more": [None]}
    assert third["loss"] == 1.0


@pytest.mark.parametrize("line", ["[" * 100_000, '{"epoch": "1"}', "\udcff", "{}", "7"])
def test_what_is_no_row_ends_the_log(tmp_path: Path, line: str) -> None:
    MetricsLog(tmp_path, 0).append(record(1))
    with (tmp_path / "metrics.jsonl").open("ab") as stream:
        stream.write(line.encode(errors="surrogateescape") + b"\n")
    MetricsLog(tmp_path, 9)
    assert [row["epoch"] for row in rows(tmp_path)] == [1]


PROGRESS = {
    "epoch": 2,
    "step": 7,
    "seconds": 0.5,
    "history": [0.5, -math.inf],
    "best": [1, 0.5, 1],
}


def test_progress_is_that_of_a_run() -> None:
    check_progress(PROGRESS)
    check_progress({**PROGRESS, "best": (1, 0.5, 1), "sums": None})


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "2"},
        {"epoch": -1},
        {"epoch": 3},
        {"step": 7.0},
        {"step": None},
        {"seconds": "1"},
        {"history": ["a", 0.5]},
        {"history": 5},
        {"best": [1]},
        {"best": None},
        {"best": ["1", 0.5, 1]},
    ],
    ids=str,
)
def test_progress_of_other_types_is_no_run_s(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        check_progress({**PROGRESS, **change})


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_refused(loss: float) -> None:
    check_finite(1e300, 1)
    for epoch, kept in ((1, "no weights are written yet"), (3, "the weights of epoch 2 are kept")):
        with pytest.raises(RunError) as refused:
            check_finite(loss, epoch)
        assert str(refused.value) == (
            f"the loss of epoch {epoch} is {loss}: try a smaller learning rate; {kept}"
        )


def events(path: Path) -> list[object]:
    """TensorBoard's records: a length, its check, an event, its check."""
    proto = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        found.append(proto.Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return found


def test_tensorboard_finds_the_same(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    for epoch in (1, 2):
        MetricsLog(tmp_path, epoch - 1).append(record(epoch, epoch / 4))
    version, *told = events(tmp_path / "events.out.tfevents.0")
    assert version.file_version == "brain.Event:2"
    values = [{one.tag: one.simple_value for one in event.summary.value} for event in told]
    assert [event.step for event in told] == [1, 2]
    assert [one["validation_accuracy"] for one in values] == [0.25, 0.5]
    assert "epoch" not in values[0]


def test_without_tensorboard_there_are_no_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.compat.proto.event_pb2", None)
    MetricsLog(tmp_path, 0).append(record(1))
    assert os.listdir(tmp_path) == ["metrics.jsonl"]


def best(*records: EpochRecord, metric: str = "accuracy") -> BestEpoch:
    epoch = BestEpoch()
    for one in records:
        epoch = epoch.after(one.epoch, one.metric(metric))
    return epoch


def test_the_best_epoch_is_the_first_of_equals() -> None:
    accuracies = (0.5, 0.75, 0.75, 0.5)
    several = [record(epoch, value) for epoch, value in enumerate(accuracies, 1)]
    found = [best(*several[:count]) for count in (1, 2, 3, 4)]
    assert [one.epoch for one in found] == [1, 2, 2, 2]
    assert [one.waited for one in found] == [0, 0, 1, 2]
    assert [one.stops(2) for one in found] == [False, False, False, True]
    assert not best(*several).stops(None)


def test_the_best_epoch_is_chosen_by_the_metric() -> None:
    several = [record(1, 0.9, 3.0), record(2, 0.1, 1.0), record(3, 0.5, 2.0)]
    assert best(*several, metric="loss") == BestEpoch(2, -1.0, 1)
    scores = Scores(1.0, 0.5, 0.8)
    assert record(1, validation=scores).metric("top_5_accuracy") == 0.8
    # Without images held out, of those trained with.
    assert EpochRecord(1, 1, scores, None, 0.1, 1.0, 1.0).metric("accuracy") == 0.5


def test_a_loss_that_is_no_number_is_never_better() -> None:
    several = [record(1, loss=math.nan), record(2, loss=5.0)]
    assert [best(*several[:count], metric="loss").epoch for count in (1, 2)] == [1, 2]
    assert best(*reversed(several), metric="loss").epoch == 2


# What is told meanwhile


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_an_epoch_where_there_is_no_terminal() -> None:
    told = io.StringIO()
    progress = Progress(30, 0, quiet=False, stream=told)
    progress.step(1, 1, 32, lambda: pytest.fail("the loss is not needed"))
    progress.epoch(record(1, 0.98765, 0.04321), best=True)
    assert told.getvalue() == (
        "epoch   1  loss 0.0432  accuracy 98.77%  validation loss 0.0432  accuracy 98.77%"
        "  1,234 images/s  2.0 s  best\n"
    )


def test_progress_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: now[0])
    told = Terminal()
    progress = Progress(100, 20, quiet=False, stream=told)
    progress.step(2, 21, 32, lambda: pytest.fail("too soon to draw"))
    now[0] = 102.0
    progress.step(2, 30, 32 * 9, lambda: 0.5)
    line = told.getvalue()
    # Ten steps in two seconds, seventy to go.
    assert line.startswith("\repoch 2 [")
    assert "]  160 images/s  loss 0.5000  0:00:14 left" in line
    assert line.endswith("\x1b[K")
    bar = line[line.index("[") + 1 : line.index("]")]
    assert bar.count("#") == len(bar) * 30 // 100
    assert set(bar) == {"#", "."}
    assert len(line.strip("\r").removesuffix("\x1b[K")) < 80
    progress.epoch(record(2), best=False)
    assert told.getvalue().splitlines()[-1].startswith("\x1b[Kepoch   2  loss 1.0000")


@pytest.mark.parametrize("columns", [10, 40, 60, 200])
def test_progress_fits_its_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(progress_module, "terminal_columns", lambda stream: columns)
    monkeypatch.setattr(progress_module, "DRAWN_SECONDS", 0)
    told = Terminal()
    Progress(100, 0, quiet=False, stream=told).step(2, 1, 32, lambda: 0.5)
    assert len(told.getvalue().strip("\r").removesuffix("\x1b[K")) < columns


def test_quiet_progress_tells_nothing() -> None:
    told = Terminal()
    progress = Progress(10, 0, quiet=True, stream=told)
    progress.step(1, 1, 32, lambda: 0.0)
    progress.epoch(record(1), best=True)
    progress.say("hello")
    assert told.getvalue() == ""


def test_that_nobody_reads_does_not_end_training() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Progress(10, 0, quiet=False, stream=Gone()).epoch(record(1), best=True)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0:00:00"), (59.6, "0:01:00"), (3723, "1:02:03"), (90_000, "25:00:00")],
)
def test_times_are_told_in_hours(seconds: float, told: str) -> None:
    assert clock(seconds) == told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_noted(number: int) -> None:
    before = signal.getsignal(number)
    with stop_request() as request:
        assert not request.made
        os.kill(os.getpid(), number)
        assert request.made
    assert signal.getsignal(number) is before


def test_a_second_interruption_ends_at_once() -> None:
    with stop_request() as request:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert request.made
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


# What comes out


def test_predictions_are_a_submission(tmp_path: Path) -> None:
    data = ImageData(np.zeros((3, 28, 28, 1), np.uint8))
    path = tmp_path / "submission.csv"
    write_predictions(path, data, np.array([2, 0, 9]), all_classes(None, 10))
    assert path.read_bytes() == b"ImageId,Label\n1,2\n2,0\n3,9\n"


def check(folder: Path, name: str, data: str = "data", *, force: bool = True) -> None:
    """With the run and the weights of `predicted`."""
    weights = str(folder / "other.safetensors")
    paths = (folder / "run", folder / data, folder / name)
    check_output(PredictOptions(*paths, weights, force=force))


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    """A folder with data, a run and weights."""
    for name in ("data/test.csv", "data/1.png", "run/run.json", "other.safetensors"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("label,pixel0\n")
    (tmp_path / "run" / "best.safetensors").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "data" / "test.csv")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path


@pytest.mark.parametrize("name", ["a.csv", "new/a.csv", "run/a.csv", "data/a.csv", "data/b.csv"])
def test_predictions_go_where_nothing_is_in_the_way(predicted: Path, name: str) -> None:
    """Predictions take the place of others, or of anything, where that is asked for."""
    check(predicted, name, force=False)
    assert (predicted / name).parent.is_dir()
    (predicted / "data" / "b.csv").write_text("ImageId,Label\n1,3\n")
    (predicted / "a.csv").write_text("anything")
    check(predicted, name)


def test_weights_that_are_not_there_are_named_before_the_data_are_read(predicted: Path) -> None:
    (predicted / "other.safetensors").unlink()
    with pytest.raises(FileNotFoundError) as missing:
        check(predicted, "a.csv")
    assert str(missing.value.filename) == str(predicted / "other.safetensors")


@pytest.mark.parametrize("name", ["a.csv", "data/b.csv", "run/b.csv", "link_to_a.csv"])
def test_nothing_is_overwritten_unasked(predicted: Path, name: str) -> None:
    (predicted / "link_to_a.csv").symlink_to("a.csv")
    (predicted / "a.csv").touch()
    (predicted / name).write_text("ImageId,Label\n1,3\n")
    with pytest.raises(RunError) as refused:
        check(predicted, name, force=False)
    assert str(refused.value) == f"{predicted / name}: exists already (--force overwrites it)"
    check(predicted, name)


IN_THE_WAY = [
    ("folder.csv", "is no file that predictions can be written to"),
    ("pipe.csv", "is no file that predictions can be written to"),
    ("data", "is no file that predictions can be written to"),
    ("data/test.csv", "is a file of the data"),
    ("data/1.png", "is a file of the data"),
    ("link.csv", "is a file of the data"),
    ("run/../data/test.csv", "is a file of the data"),
    ("run/run.json", "is no .csv: in a run's folder"),
    ("run/best.safetensors", "is no .csv: in a run's folder"),
    ("run/checkpoint.pt", "is no .csv: in a run's folder"),
    ("other.safetensors", "is the file of weights"),
    ("/dev/null", "is no file that predictions can be written to"),
]


@pytest.mark.parametrize(("name", "told"), IN_THE_WAY)
def test_predictions_in_the_way_are_refused(predicted: Path, name: str, told: str) -> None:
    with pytest.raises(RunError) as refused:
        check(predicted, name)
    assert str(refused.value).startswith(f"{predicted / name}: {told}")


def test_the_one_file_of_the_data_is_kept(predicted: Path) -> None:
    for name in ("data/test.csv", "link.csv"):
        with pytest.raises(RunError, match="is a file of the data"):
            check(predicted, name, "data/test.csv")
    check(predicted, "data/1.png", "data/test.csv")


def test_predictions_for_a_folder_that_cannot_be_made_are_refused(predicted: Path) -> None:
    with pytest.raises(OSError, match=r"exists|directory"):
        check(predicted, "data/1.png/a.csv")


def test_predictions_for_files_name_them_and_their_classes(tmp_path: Path) -> None:
    names = ("a.png", 'b "2".png', "c,d.png", "e\r.png", "f\n.png", "\u00e9 '.png")
    classes = ("cat", 'do"g', "2,")
    data = ImageData(np.zeros((6, 2, 2, 1), np.uint8), names=names)
    write_predictions(tmp_path / "a.csv", data, np.array([0, 1, 2] * 2), classes)
    told = (tmp_path / "a.csv").read_bytes().decode()
    assert told.startswith('ImageId,Label\na.png,cat\n"b ""2"".png","do""g"\n"c,d.png","2,"\n')
    found = list(csv.reader(io.StringIO(told, newline="")))
    assert found[1:] == [list(row) for row in zip(names, classes * 2, strict=True)]


@pytest.mark.parametrize("hostile", ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_finds_no_formula_in_predictions(tmp_path: Path, hostile: str) -> None:
    """In names of files and of classes: the file may be opened by whom the data are not from."""
    names = (f"{hostile}.png", "a=1.png")
    data = ImageData(np.zeros((2, 2, 2, 1), np.uint8), names=names)
    write_predictions(tmp_path / "a.csv", data, np.array([0, 1]), (hostile, "5-2"))
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[1:] == [[f"'{hostile}.png", f"'{hostile}"], ["a=1.png", "5-2"]]


def test_what_was_written_is_told_and_accuracy_where_labels_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.zeros((4, 2, 2, 1), np.uint8)
    path = tmp_path / "a\x1b.csv"
    options = PredictOptions(tmp_path, tmp_path, path)
    inference = Inference(ImageData(images), np.eye(4), tuple("abcd"))
    tell_predictions(options, inference)
    captured = capsys.readouterr()
    told = f"wrote {tmp_path}{os.sep}a\\x1b.csv: 4 labels\n"
    assert (captured.out, captured.err) == ("", told)
    assert path.read_text() == "ImageId,Label\n1,a\n2,b\n3,c\n4,d\n"
    labelled = inference._replace(data=ImageData(images, np.array([0, 1, 2, 2])))
    tell_predictions(options, labelled)
    assert capsys.readouterr().out == "accuracy 75.00% (3 of 4)\n"
    tell_predictions(options._replace(quiet=True), labelled)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    tell_notes(Path("a\x1b.csv"), ImageData(images, notes=("left out \x1b",)))
    assert capsys.readouterr().err == "a\\x1b.csv: left out \\x1b\n"


def test_images_without_labels_are_not_evaluated(tmp_path: Path) -> None:
    place, expected = tmp_path / "images.npz", takes(4, 4, 1, classes=3)
    np.savez(place, images=np.zeros((2, 4, 4, 1), np.uint8))
    found = read_images(
        PredictOptions(tmp_path, place, tmp_path / "a.csv"), expected, ("a", "b", "c")
    )
    assert len(found.images) == 2
    with pytest.raises(DataError) as refused:
        read_images(EvaluateOptions(tmp_path, place), expected, ("a", "b", "c"))
    assert str(refused.value) == f"{place}: there are no labels to score the predictions by"


def test_scores_are_counted() -> None:
    """Of six classes, by hand: the first is right, the second is in the first five, the third is
    the least probable."""
    probabilities = np.array(
        [
            [0.5, 0.1, 0.1, 0.1, 0.1, 0.1],
            [0.3, 0.2, 0.2, 0.2, 0.1, 0.0],
            [0.3, 0.2, 0.2, 0.2, 0.1, 0.0],
        ]
    )
    names = ("a", "b", "c", "d", "e", "f\x1b")
    scores = evaluation(np.array([0, 4, 5]), probabilities, names)
    assert (scores["images"], scores["correct"], scores["accuracy"]) == (3, 1, 1 / 3)
    assert scores["top_5_accuracy"] == 2 / 3
    assert scores["confusion"] == [[1] + [0] * 5, *[[0] * 6] * 3, [1] + [0] * 5, [1] + [0] * 5]
    assert scores["classes"][0] == {
        **{"name": "a", "images": 1, "predicted": 3, "correct": 1},
        **{"recall": 1.0, "precision": 1 / 3},
    }
    assert (scores["classes"][1]["recall"], scores["classes"][1]["precision"]) == (None, None)
    assert scores["mistakes"] == [
        {"class": "e", "predicted": "a", "images": 1},
        {"class": "f\x1b", "predicted": "a", "images": 1},
    ]
    told = evaluation_text(scores)
    assert told.startswith("accuracy 33.33% (1 of 3)\ntop-5 accuracy 66.67%\n\ntrue \\ predicted")
    assert "\x1b" not in told
    many = evaluation(np.array([1]), np.eye(1001)[:1], [f"class {one}" for one in range(1001)])
    assert "confusion" not in many
    assert "       1  class 1 predicted as class 0\n" in evaluation_text(many)


def test_the_worst_mistakes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "WORST_MISTAKES", 2)
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1) * np.ones((6, 6, 1), np.uint8)
    labels = np.array([9, 0, 1, 0, 1, 0, 1])
    indices = np.array([1, 2, 3, 4, 6])
    #           right       right       slightly    worst      clearly wrong
    of_label = [(0.9, 0.1), (0.2, 0.8), (0.4, 0.6), (0.99, 0.01), (0.8, 0.2)]
    data = ImageData(images, labels)
    write_validation(tmp_path, data, indices, np.array(of_label), (4, 4, 1))
    with np.load(tmp_path / "validation.npz", allow_pickle=False) as kept:
        assert kept["indices"].tolist() == indices.tolist()
        assert kept["labels"].tolist() == [0, 1, 0, 1, 1]
        assert kept["predicted"].tolist() == [0, 1, 1, 0, 0]
        assert kept["probabilities"].dtype == np.float32
        assert kept["worst"].tolist() == [3, 4]
        assert kept["images"].shape == (2, 4, 4, 1)
        assert kept["images"][:, 0, 0, 0].tolist() == [4, 6]


def test_images_of_any_range_are_kept_as_bytes() -> None:
    kept = as_bytes(np.array([-1.0, 0.0, 1.0], np.float32).reshape(3, 1, 1, 1))
    assert kept.ravel().tolist() == [0, 128, 255]
    assert as_bytes(np.ones((2, 1), np.float32)).ravel().tolist() == [0, 0]


# The start-up log


def test_only_errors_of_a_framework_s_start_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Lines as TensorFlow 2.20 writes them while it is imported."""
    notices = (
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        b"I0000 00:00:1795670971.977346    7104 port.cc:153] oneDNN custom operations are on.\n"
        b"W0000 00:00:1795670971.977346    7104 gpu_device.cc:2342] Cannot dlopen some libraries.\n"
    )
    error = b"E0000 00:00:1795670971.977346    7104 cuda_dnn.cc:8310] Unable to register cuDNN\n"
    with quiet_startup():
        os.write(2, notices)
        print("Illegal instruction", file=sys.stderr)
        os.write(2, error + notices)
    print("after", file=sys.stderr)
    assert capfd.readouterr().err.encode() == b"Illegal instruction\n" + error + b"after\n"

    def fail() -> None:
        with quiet_startup():
            os.write(2, error)
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert capfd.readouterr().err.encode() == error


# Errors


def test_faults_are_told_on_one_line() -> None:
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.csv")
    for fault, message in (
        (missing, "a.csv: No such file or directory"),
        (MemoryError("9 GiB"), "not enough memory 9 GiB"),
        (OSError("odd"), "odd"),
        (OSError("a\x1b[2J\nb"), "a\\x1b[2J\\nb"),
    ):
        assert one_line(fault) == message


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_a_link_in_a_run_is_not_written_through(tmp_path: Path, mode: Literal["ab", "wb"]) -> None:
    (tmp_path / "secret").write_text("kept")
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        open_unlinked(tmp_path / "metrics.jsonl", mode)
    assert (tmp_path / "secret").read_text() == "kept"
