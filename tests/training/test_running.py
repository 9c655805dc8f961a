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
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from archc.language.recipe import Training
from archc.ops.fields import fields_of
from tests.training.parts import parts

# Files


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    made = parts()
    path = tmp_path / "a.bin"
    made.write_whole(path, lambda stream: stream.write(b"one"))
    assert path.read_bytes() == b"one"
    made.write_whole(path, lambda stream: stream.write(b"two"))
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_two_may_write_a_file_at_once(tmp_path: Path) -> None:
    """Neither spoils what the other has written so far."""
    made = parts()
    path = tmp_path / "a.bin"

    def write(stream: io.BufferedWriter) -> None:
        stream.write(b"on")
        made.write_whole(path, lambda other: other.write(b"two"))
        assert path.read_bytes() == b"two"
        stream.write(b"e")

    made.write_whole(path, write)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_is_trained_in_by_one_process(tmp_path: Path) -> None:
    made = parts()
    with made.locked_folder(tmp_path):
        for _ in range(2):
            with pytest.raises(made.RunError) as refused, made.locked_folder(tmp_path):
                pytest.fail("it is another one's")
            assert str(refused.value) == f"{tmp_path} is being trained by another process"
    with made.locked_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_its_folder(tmp_path: Path) -> None:
    made = parts()
    told, tell = os.pipe()
    child = os.fork()
    if not child:

        def write(_: io.BufferedWriter) -> None:
            os.write(tell, b".")
            signal.pause()

        try:
            with made.locked_folder(tmp_path):
                made.write_whole(tmp_path / "a.bin", write)
        finally:
            os._exit(1)
    assert os.read(told, 1) == b"."
    with pytest.raises(made.RunError), made.locked_folder(tmp_path):
        pytest.fail("it is the child's")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(os.listdir(tmp_path)) == 2
    with made.locked_folder(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]


def test_without_locks_a_folder_is_trained_in_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = parts()
    fcntl = pytest.importorskip("fcntl")

    def no_lock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", no_lock)
    with made.locked_folder(tmp_path), made.locked_folder(tmp_path):
        pass
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    with made.locked_folder(tmp_path), made.locked_folder(tmp_path):
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
    made = parts()
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    with pytest.raises((OSError, KeyboardInterrupt)) as failed:
        made.write_whole(path, fault)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a.bin"]
    if isinstance(failed.value, OSError):
        assert (failed.value.errno, failed.value.filename) == (errno.ENOSPC, str(path))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    made = parts()
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = made.MetricsLog.__new__(made.MetricsLog)
    log.path, log.events = tmp_path / "metrics.jsonl", None
    with pytest.raises(OSError, match="No space left") as failed:
        log.append(record(made, 1))
    assert failed.value.filename == str(log.path)
    assert made.one_line(failed.value) == f"{log.path}: No space left on device"


# The record


def options(made: ModuleType, out: Path, **given: object):
    asked = {
        "data": Path("train.csv"),
        "out": out,
        "validation": None,
        "resume": False,
        "epochs": None,
        "seed": None,
        "device": "auto",
        "precision": None,
        "quiet": True,
    }
    return made.FitOptions(**{**asked, **given})


def digits(made: ModuleType, count: int = 6):
    images = np.arange(count * 16, dtype=np.uint8).reshape(count, 4, 4, 1)
    return made.ImageData(images, np.arange(count) % 3)


def started(made: ModuleType, asked, data=None) -> dict[str, object]:
    """Start a run as a backend does; its record."""
    settled = made.settled_options(asked)
    kept = made.data_record(asked.data, digits(made) if data is None else data)
    with made.open_run(settled):
        made.start_run(settled, made.run_record(settled, "torch", {"training": kept}, None))
    return json.loads((asked.out / "run.json").read_text())


def test_the_record_tells_what_a_run_depends_on(tmp_path: Path) -> None:
    made = parts()
    record = started(made, options(made, tmp_path / "new" / "run", seed=7))
    assert record["name"] == "lenet5"
    assert record["spec"] == "specs/lenet5.yaml"
    assert record["recipe"]["seed"] == 7
    assert record["recipe"]["epochs"] == 3
    assert record["recipe"]["precision"] == "auto"
    assert record["data"]["training"]["images"] == 6
    assert record["data"]["training"]["shape"] == [4, 4, 1]


def test_a_run_is_not_started_over(tmp_path: Path) -> None:
    made = parts()
    started(made, options(made, tmp_path))
    with pytest.raises(made.RunError, match="holds a run already: go on with it by --resume"):
        started(made, options(made, tmp_path))


def test_a_folder_is_looked_at_before_the_data_are_read(tmp_path: Path) -> None:
    made = parts()
    with made.open_run(options(made, tmp_path / "new" / "run")):
        assert os.listdir(tmp_path / "new" / "run") == [".lock"]
    assert not (tmp_path / "new" / "run").exists()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError), made.open_run(options(made, tmp_path / "file")):
        pytest.fail("it is no folder")
    started(made, options(made, tmp_path))
    with pytest.raises(made.RunError, match="holds a run"), made.open_run(options(made, tmp_path)):
        pytest.fail("there is a run already")
    assert not (tmp_path / ".lock").exists()


def test_a_run_goes_on_with_its_own_options(tmp_path: Path) -> None:
    made = parts()
    first = started(made, options(made, tmp_path, seed=7, epochs=9, precision="float32"))
    assert started(made, options(made, tmp_path, resume=True)) == first
    settled = made.settled_options(options(made, tmp_path, resume=True))
    assert (settled.seed, settled.epochs, settled.precision) == (7, 9, "float32")
    # Where there is no run yet, one is begun.
    assert started(made, options(made, tmp_path / "b", resume=True))["recipe"]["seed"] == 0


def test_the_same_data_may_lie_elsewhere(tmp_path: Path) -> None:
    made = parts()
    started(made, options(made, tmp_path))
    started(made, options(made, tmp_path, resume=True, data=Path("moved/train.csv")))


CHANGES = {
    "seed": ({"seed": 8}, {}, "recipe.seed = 0, not 8"),
    "epochs": ({"epochs": 9}, {}, "recipe.epochs = 3, not 9"),
    "precision": ({"precision": "float16"}, {}, "recipe.precision = auto, not float16"),
    "validation": ({}, {"VALIDATION": 0.2}, "recipe.validation = 0.1, not 0.2"),
    "batch size": ({}, {"BATCH_SIZE": 64}, "recipe.batch_size = 32, not 64"),
    "spec": ({}, {"DIGEST": "1" * 64}, f"sha256 = {'0' * 64}, not {'1' * 64}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_not_gone_on_with(tmp_path: Path, change: str) -> None:
    asked, constants, told = CHANGES[change]
    started(parts(), options(parts(), tmp_path))
    made = parts(**constants)
    with pytest.raises(made.RunError) as refused:
        started(made, options(made, tmp_path, resume=True, **asked))
    assert str(refused.value) == f"{tmp_path} was run with {told}"


def test_a_run_does_not_go_on_with_another_backend(tmp_path: Path) -> None:
    made = parts()
    record = started(made, options(made, tmp_path))
    settled = made.settled_options(options(made, tmp_path, resume=True))
    with pytest.raises(made.RunError) as refused:
        made.start_run(settled, {**record, "backend": "keras"})
    assert str(refused.value) == f"{tmp_path} was run with backend = torch, not keras"


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_run_does_not_go_on_with_other_data(tmp_path: Path, what: str) -> None:
    made = parts()
    started(made, options(made, tmp_path))
    other = digits(made)
    (other.images if what == "image" else other.labels)[5] += 1
    with pytest.raises(made.RunError, match=r"was run with data\.training\.sha256"):
        started(made, options(made, tmp_path, resume=True), other)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"name": "vgg16"}', "[" * 100_000, '{"name": "\\ud800"}']
)
def test_a_faulty_record_is_refused(tmp_path: Path, text: str) -> None:
    made = parts()
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(made.RunError, match="is no record of a run"):
        made.settled_options(options(made, tmp_path, resume=True))


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
    made = parts()
    record = started(made, options(made, tmp_path))
    recipe = {**record["recipe"], **wrong} if wrong and isinstance(wrong, dict) else wrong
    (tmp_path / "run.json").write_text(json.dumps({**record, "recipe": recipe}))
    with pytest.raises(made.RunError) as refused:
        made.settled_options(options(made, tmp_path, resume=True))
    assert str(refused.value) == f"{tmp_path / 'run.json'}: is no record of a run"


def test_a_recipe_in_steps_has_no_epochs(tmp_path: Path) -> None:
    made = parts(EPOCHS=None, STEPS=50)
    record = started(made, options(made, tmp_path))
    assert record["recipe"]["epochs"] is None
    assert made.settled_options(options(made, tmp_path, resume=True)).epochs is None


def test_classes_are_recorded_by_their_names(tmp_path: Path) -> None:
    made = parts(CLASSES=3)
    path = tmp_path / "run.json"
    for classes, names in ((None, ("0", "1", "2")), (["cat", "dog"], ("cat", "dog", "2"))):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        assert made.recorded_classes(tmp_path) == names
    for classes in (["a"] * 4, "abc", [1]):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        with pytest.raises(made.RunError, match="the classes are no list of names"):
            made.recorded_classes(tmp_path)
    for classes in (["a", "a"], ["2"], ["b", "2"]):
        path.write_text(json.dumps({"name": "lenet5", "classes": classes}))
        with pytest.raises(made.RunError, match="two classes have one name"):
            made.recorded_classes(tmp_path)


# Statistics


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 40, 3)])
def test_statistics_are_kept(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """In the record, or in a file of their own where they are many."""
    made = parts(INPUT_SHAPE=(40, 40, 3))
    mean = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    made.write_statistics(tmp_path, mean, mean + 1)
    kept = json.loads(json.dumps({"statistics": made.statistics_record(mean, mean + 1)}))
    for expected, found in zip((mean, mean + 1), made.read_statistics(tmp_path, kept), strict=True):
        np.testing.assert_array_equal(found, np.broadcast_to(expected, (40, 40, 3)))


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
    made = parts(INPUT_SHAPE=(4, 4, 3))
    text = f'{{"statistics": {{"mean": {mean}, "deviation": {deviation}}}}}'
    with pytest.raises(made.RunError) as refused:
        made.read_statistics(tmp_path, json.loads(text))
    assert str(refused.value) == f"{tmp_path / 'run.json'}: {told}"


@pytest.mark.parametrize("kept", [None, 3, [], {}, {"mean": 1}, [1, 2]])
def test_a_record_without_statistics_is_refused(tmp_path: Path, kept: object) -> None:
    made = parts()
    with pytest.raises(made.RunError, match=NO_STATISTICS):
        made.read_statistics(tmp_path, {"statistics": kept})


def test_a_damaged_file_of_statistics_is_refused(tmp_path: Path) -> None:
    made = parts()
    (tmp_path / "statistics.safetensors").write_bytes(b"damaged")
    with pytest.raises(made.RunError, match=r"statistics\.safetensors: has no statistics"):
        made.read_statistics(tmp_path, {"statistics": "statistics.safetensors"})


# Metrics


def record(made: ModuleType, epoch: int, accuracy: float = 0.5, loss: float = 1.0, **given):
    scores = made.Scores(loss, accuracy)
    row = {"validation": scores, "learning_rate": 0.1, "seconds": 2.0, **given}
    return made.EpochRecord(epoch, 10 * epoch, scores, samples_per_second=1234.0, **row)


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_metrics_are_a_line_an_epoch(tmp_path: Path) -> None:
    made = parts()
    log = made.MetricsLog(tmp_path, 0)
    log.append(record(made, 1, 0.25))
    log.append(record(made, 2, validation=None, loss=math.nan))
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
    }
    assert second["loss"] is None
    assert "validation_loss" not in second


def test_on_resuming_what_the_checkpoint_has_not_is_dropped(tmp_path: Path) -> None:
    made = parts()
    log = made.MetricsLog(tmp_path, 0)
    for epoch in (1, 2, 3):
        log.append(record(made, epoch))
    with (tmp_path / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"epoch": 4, "lo')  # killed on the way
    made.MetricsLog(tmp_path, 2).append(record(made, 3, 0.75))
    assert [row["epoch"] for row in rows(tmp_path)] == [1, 2, 3]
    assert rows(tmp_path)[2]["accuracy"] == 0.75


def test_a_log_goes_on_whatever_its_rows_hold(tmp_path: Path) -> None:
    """What was no number has become null; a person may have added a remark."""
    made = parts()
    made.MetricsLog(tmp_path, 0).append(record(made, 1, loss=math.nan))
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 2, "loss": NaN, "remark": "slower", "more": [null]}\n')
    made.MetricsLog(tmp_path, 2).append(record(made, 3))
    first, second, third = rows(tmp_path)
    assert first["loss"] is None
    assert second == {"epoch": 2, "loss": None, "remark": "slower", "more": [None]}
    assert third["loss"] == 1.0


@pytest.mark.parametrize("line", ["[" * 100_000, '{"epoch": "1"}', "\udcff", "{}", "7"])
def test_what_is_no_row_ends_the_log(tmp_path: Path, line: str) -> None:
    made = parts()
    made.MetricsLog(tmp_path, 0).append(record(made, 1))
    with (tmp_path / "metrics.jsonl").open("ab") as stream:
        stream.write(line.encode(errors="surrogateescape") + b"\n")
    made.MetricsLog(tmp_path, 9)
    assert [row["epoch"] for row in rows(tmp_path)] == [1]


PROGRESS = {
    "epoch": 2,
    "step": 7,
    "seconds": 0.5,
    "history": [0.5, -math.inf],
    "best": [1, 0.5, 1],
}


def test_progress_is_that_of_a_run() -> None:
    made = parts()
    made.check_progress(PROGRESS)
    made.check_progress({**PROGRESS, "best": (1, 0.5, 1), "sums": None})


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
        parts().check_progress({**PROGRESS, **change})


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_refused(loss: float) -> None:
    made = parts()
    made.check_finite(1e300, 1)
    for epoch, kept in ((1, "no weights are written yet"), (3, "the weights of epoch 2 are kept")):
        with pytest.raises(made.RunError) as refused:
            made.check_finite(loss, epoch)
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
    made = parts()
    for epoch in (1, 2):
        made.MetricsLog(tmp_path, epoch - 1).append(record(made, epoch, epoch / 4))
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
    made = parts()
    made.MetricsLog(tmp_path, 0).append(record(made, 1))
    assert os.listdir(tmp_path) == ["metrics.jsonl"]


def best(made: ModuleType, *records):
    found = made.BestEpoch()
    for one in records:
        found = found.after(one)
    return found


def test_the_best_epoch_is_the_first_of_equals() -> None:
    made = parts(PATIENCE=2)
    accuracies = (0.5, 0.75, 0.75, 0.5)
    several = [record(made, epoch, value) for epoch, value in enumerate(accuracies, 1)]
    found = [best(made, *several[:count]) for count in (1, 2, 3, 4)]
    assert [one.epoch for one in found] == [1, 2, 2, 2]
    assert [one.waited for one in found] == [0, 0, 1, 2]
    assert [one.stops() for one in found] == [False, False, False, True]
    assert not best(parts(), *several).stops()


def test_the_best_epoch_is_chosen_by_the_metric() -> None:
    made = parts(METRIC="loss")
    several = [record(made, 1, 0.9, 3.0), record(made, 2, 0.1, 1.0), record(made, 3, 0.5, 2.0)]
    assert best(made, *several) == made.BestEpoch(2, -1.0, 1)
    made = parts(METRIC="top_5_accuracy")
    scores = made.Scores(1.0, 0.5, 0.8)
    assert record(made, 1, validation=scores).metric() == 0.8
    # Without images held out, of those trained with.
    assert parts().EpochRecord(1, 1, scores, None, 0.1, 1.0, 1.0).metric() == 0.5


def test_a_loss_that_is_no_number_is_never_better() -> None:
    made = parts(METRIC="loss")
    several = [record(made, 1, loss=math.nan), record(made, 2, loss=5.0)]
    assert [best(made, *several[:count]).epoch for count in (1, 2)] == [1, 2]
    assert best(made, *reversed(several)).epoch == 2


# What is told meanwhile


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_an_epoch_where_there_is_no_terminal() -> None:
    made = parts()
    told = io.StringIO()
    progress = made.Progress(30, 0, quiet=False, stream=told)
    progress.step(1, 1, 32, lambda: pytest.fail("the loss is not needed"))
    progress.epoch(record(made, 1, 0.98765, 0.04321), best=True)
    assert told.getvalue() == (
        "epoch   1  loss 0.0432  accuracy 98.77%  validation loss 0.0432  accuracy 98.77%"
        "  1,234 images/s  2.0 s  best\n"
    )


def test_progress_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts()
    now = [100.0]
    monkeypatch.setattr(made.time, "perf_counter", lambda: now[0])
    told = Terminal()
    progress = made.Progress(100, 20, quiet=False, stream=told)
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
    progress.epoch(record(made, 2), best=False)
    assert told.getvalue().splitlines()[-1].startswith("\x1b[Kepoch   2  loss 1.0000")


@pytest.mark.parametrize("columns", [10, 40, 60, 200])
def test_progress_fits_its_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    made = parts()
    monkeypatch.setattr(made, "terminal_columns", lambda stream: columns)
    monkeypatch.setattr(made, "DRAWN_SECONDS", 0)
    told = Terminal()
    made.Progress(100, 0, quiet=False, stream=told).step(2, 1, 32, lambda: 0.5)
    assert len(told.getvalue().strip("\r").removesuffix("\x1b[K")) < columns


def test_quiet_progress_tells_nothing() -> None:
    made = parts()
    told = Terminal()
    progress = made.Progress(10, 0, quiet=True, stream=told)
    progress.step(1, 1, 32, lambda: 0.0)
    progress.epoch(record(made, 1), best=True)
    progress.say("hello")
    assert told.getvalue() == ""


def test_that_nobody_reads_does_not_end_training() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    made = parts()
    made.Progress(10, 0, quiet=False, stream=Gone()).epoch(record(made, 1), best=True)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0:00:00"), (59.6, "0:01:00"), (3723, "1:02:03"), (90_000, "25:00:00")],
)
def test_times_are_told_in_hours(seconds: float, told: str) -> None:
    assert parts().clock(seconds) == told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_is_noted(number: int) -> None:
    made = parts()
    before = signal.getsignal(number)
    with made.stop_request() as request:
        assert not request.made
        os.kill(os.getpid(), number)
        assert request.made
    assert signal.getsignal(number) is before


def test_a_second_interruption_ends_at_once() -> None:
    made = parts()
    with made.stop_request() as request:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert request.made
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


# What comes out


def test_predictions_are_a_submission(tmp_path: Path) -> None:
    made = parts()
    data = made.ImageData(np.zeros((3, 28, 28, 1), np.uint8))
    path = tmp_path / "submission.csv"
    made.write_predictions(path, data, np.array([2, 0, 9]), made.all_classes(None))
    assert path.read_bytes() == b"ImageId,Label\n1,2\n2,0\n3,9\n"


def check_output(made: ModuleType, folder: Path, name: str, data: str = "data") -> None:
    """With the run and the weights of `predicted`."""
    weights = str(folder / "other.safetensors")
    given = (folder / "run", folder / data, folder / name, weights, "auto")
    made.check_output(made.PredictOptions(*given, quiet=True))


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
    """Predictions may take the place of others."""
    (predicted / "data" / "b.csv").write_text("ImageId,Label\n1,3\n")
    (predicted / "a.csv").write_text("anything")
    check_output(parts(), predicted, name)
    assert (predicted / name).parent.is_dir()


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
    made = parts()
    with pytest.raises(made.RunError) as refused:
        check_output(made, predicted, name)
    assert str(refused.value).startswith(f"{predicted / name}: {told}")


def test_the_one_file_of_the_data_is_kept(predicted: Path) -> None:
    made = parts()
    for name in ("data/test.csv", "link.csv"):
        with pytest.raises(made.RunError, match="is a file of the data"):
            check_output(made, predicted, name, "data/test.csv")
    check_output(made, predicted, "data/1.png", "data/test.csv")


def test_predictions_for_a_folder_that_cannot_be_made_are_refused(predicted: Path) -> None:
    with pytest.raises(OSError, match=r"exists|directory"):
        check_output(parts(), predicted, "data/1.png/a.csv")


def test_predictions_for_files_name_them_and_their_classes(tmp_path: Path) -> None:
    made = parts()
    names = ("a.png", 'b "2".png', "c,d.png", "e\r.png", "f\n.png", "\u00e9 '.png")
    classes = ("cat", 'do"g', "2,")
    data = made.ImageData(np.zeros((6, 2, 2, 1), np.uint8), names=names)
    made.write_predictions(tmp_path / "a.csv", data, np.array([0, 1, 2] * 2), classes)
    told = (tmp_path / "a.csv").read_bytes().decode()
    assert told.startswith('ImageId,Label\na.png,cat\n"b ""2"".png","do""g"\n"c,d.png","2,"\n')
    found = list(csv.reader(io.StringIO(told, newline="")))
    assert found[1:] == [list(row) for row in zip(names, classes * 2, strict=True)]


def test_accuracy_is_told_where_labels_are(capsys: pytest.CaptureFixture[str]) -> None:
    made = parts()
    images = np.zeros((4, 2, 2, 1), np.uint8)
    made.tell_accuracy(made.ImageData(images), np.array([0, 1, 2, 3]))
    made.tell_accuracy(made.ImageData(images, np.array([0, 1, 2, 4])), np.array([0, 1, 2, 3]))
    assert capsys.readouterr().out == "accuracy 75.00% (3 of 4)\n"


def test_the_worst_mistakes_are_kept(tmp_path: Path) -> None:
    made = parts(INPUT_SHAPE=(4, 4, 1))
    made.WORST_MISTAKES = 2
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1) * np.ones((6, 6, 1), np.uint8)
    labels = np.array([9, 0, 1, 0, 1, 0, 1])
    indices = np.array([1, 2, 3, 4, 6])
    #           right       right       slightly    worst      clearly wrong
    of_label = [(0.9, 0.1), (0.2, 0.8), (0.4, 0.6), (0.99, 0.01), (0.8, 0.2)]
    data = made.ImageData(images, labels)
    made.write_validation(tmp_path, data, indices, np.array(of_label))
    with np.load(tmp_path / "validation.npz", allow_pickle=False) as kept:
        assert kept["indices"].tolist() == indices.tolist()
        assert kept["labels"].tolist() == [0, 1, 0, 1, 1]
        assert kept["predicted"].tolist() == [0, 1, 1, 0, 0]
        assert kept["probabilities"].dtype == np.float32
        assert kept["worst"].tolist() == [3, 4]
        assert kept["images"].shape == (2, 4, 4, 1)
        assert kept["images"][:, 0, 0, 0].tolist() == [4, 6]


def test_images_of_any_range_are_kept_as_bytes() -> None:
    made = parts()
    kept = made.as_bytes(np.array([-1.0, 0.0, 1.0], np.float32).reshape(3, 1, 1, 1))
    assert kept.ravel().tolist() == [0, 128, 255]
    assert made.as_bytes(np.ones((2, 1), np.float32)).ravel().tolist() == [0, 0]


# The program


def run(*arguments: object, fails: Exception | None = None) -> tuple[int, list[object]]:
    """Run the program with a `fit` and `predict` that keep what they are called with."""
    called: list[object] = []

    def act(given: object) -> None:
        called.append(given)
        if fails is not None:
            raise fails

    try:
        parts(fit=act, predict=act).main([str(one) for one in arguments])
    except SystemExit as ended:
        return int(ended.code or 0), called
    return 0, called


FIT = ("fit", "--data", "train.csv", "--out", "none")


def test_fit_is_called_with_what_was_asked_for() -> None:
    code, (given,) = run(*FIT)
    assert code == 0
    assert given._asdict() == {
        "data": Path("train.csv"),
        "out": Path("none"),
        "validation": None,
        "resume": False,
        "epochs": 3,
        "seed": 0,
        "device": "auto",
        "precision": "auto",
        "quiet": False,
    }
    more = ("--validation", "v.npz", "--resume", "--epochs", 9, "--seed", 2**32 - 1)
    code, (given,) = run(*FIT, *more, "--device", "cpu", "--precision", "bfloat16", "--quiet")
    assert code == 0
    assert given[2:] == (Path("v.npz"), True, 9, 2**32 - 1, "cpu", "bfloat16", True)


def test_predict_is_called_with_what_was_asked_for() -> None:
    code, (given,) = run("predict", "--run", "r", "--data", "d", "--out", "f.csv")
    assert code == 0
    assert given == (Path("r"), Path("d"), Path("f.csv"), "best", "auto", False)


def test_a_script_takes_what_a_recipe_takes() -> None:
    """Its bounds are written in it, as it knows nothing of archc."""
    made = parts()
    kinds = {field.name: field.kind.schema for field in fields_of(Training)}
    assert kinds["seed"]["maximum"] == made.LARGEST_SEED
    assert list(made.PRECISIONS) == kinds["precision"]["enum"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fit",),
        (*FIT, "--epochs", "0"),
        (*FIT, "--epochs", "1.5"),
        (*FIT, "--epochs", "\u0663\u00b2"),
        (*FIT, "--seed", "-1"),
        (*FIT, "--seed", 2**32),
        (*FIT, "--seed", "9" * 5000),
        (*FIT, "--device", "tpu"),
        (*FIT, "--precision", "int8"),
        ("predict", "--run", "r"),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == (2, [])
    assert "usage:" in capsys.readouterr().err


def test_faults_are_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    made = parts()
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.csv")
    for fault, told in (
        (missing, "a.csv: No such file or directory"),
        (MemoryError("9 GiB"), "not enough memory 9 GiB"),
        (OSError("odd"), "odd"),
        (OSError("a\x1b[2J\nb"), "a\\x1b[2J\\nb"),
    ):
        assert made.one_line(fault) == told
        code, _ = run(*FIT, fails=fault)
        assert code == 2
        assert capsys.readouterr().err.endswith(f": {told}\n")


def test_exit_codes_tell_whose_fault_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    def ends(name: str, *given: object) -> int:
        """Run with a fault of the module's own."""
        made = parts()

        def act(_: object) -> None:
            raise getattr(made, name)(*given)

        vars(made).update(fit=act)
        with pytest.raises(SystemExit) as ended:
            made.main(list(FIT))
        return int(ended.value.code or 0)

    assert ends("DataError", Path("a.csv"), "is empty") == 1
    assert capsys.readouterr().err.endswith(": a.csv: is empty\n")
    assert ends("RunError", "holds a run already") == 2
    assert ends("InterruptionError", "at step 7") == 130
    assert capsys.readouterr().err.endswith(": interrupted at step 7\n")
    assert run(*FIT, fails=KeyboardInterrupt())[0] == 130  # type: ignore[arg-type]
