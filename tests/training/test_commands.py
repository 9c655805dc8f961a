"""`archc train`, `archc predict` and `archc build --training`, on a sample of MNIST."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archc.api import load
from archc.cli import main
from archc.training import launch
from archc.training.threads import Threads
from archc.weights import transfer
from tests.training.runner import LIMIT
from tests.training.samples import SAMPLE

ROOT = Path(__file__).parents[2]
SPEC = str(ROOT / "specs/lenet5.yaml")
EPOCHS = 4
Capture = pytest.CaptureFixture[str]


def archc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "archc", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=LIMIT,
    )


def await_epoch(folder: Path) -> None:
    """Wait for the first epoch of a run to end."""
    metrics = folder / "metrics.jsonl"
    end = time.monotonic() + LIMIT
    while not (metrics.exists() and metrics.read_text()):
        assert time.monotonic() < end, "no epoch ends"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of LeNet-5 in PyTorch."""
    folder = tmp_path_factory.mktemp("runs") / "lenet5"
    given = ("--data", str(SAMPLE), "-o", str(folder), "--epochs", str(EPOCHS))
    done = archc("train", SPEC, "--backend", "torch", *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"epoch {EPOCHS:3}" in done.stderr
    return folder


def test_a_run_is_whole(run: Path) -> None:
    """Network, plan and spec, record, metrics, weights, and what is drawn of them."""
    found = {path.name for path in run.iterdir()}
    files = {"lenet5.py", "plan.json", "spec.yaml", "run.json", "metrics.jsonl"}
    files |= {"validation.npz", "best.safetensors", "last.safetensors", "report.html"}
    assert files <= found
    assert not [name for name in found if name.endswith((".part", ".tmp"))]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [*range(1, EPOCHS + 1)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["validation_accuracy"] > 0.3
    assert (run / "lenet5.py").read_text() == (ROOT / "generated/torch/lenet5.py").read_text()


def test_its_weights_are_those_of_the_network(run: Path) -> None:
    """In the neutral form, which any emitted network loads."""
    network = load(SPEC, {})
    weights = transfer.load(str(run / "best.safetensors"), network)
    assert sum(array.size for array in weights.values()) == 61_706
    assert all(array.std() > 0 for array in weights.values())


def test_both_frameworks_predict_the_same(run: Path, tmp_path: Path) -> None:
    labels = []
    for backend in ([], ["--backend", "keras"], ["--backend", "torch"]):
        path = tmp_path / f"{len(labels)}.csv"
        done = archc("predict", str(run), "--data", str(SAMPLE), "-o", str(path), *backend)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("accuracy ")
        assert done.stderr.endswith(f"wrote {path}: 500 labels\n")
        with path.open(newline="") as stream:
            head, *rows = csv.reader(stream)
        assert head == ["ImageId", "Label"]
        assert [int(row[0]) for row in rows] == [*range(1, 501)]
        labels.append([int(row[1]) for row in rows])
    assert labels[0] == labels[1] == labels[2]
    assert len(set(labels[0])) > 5
    before = path.read_bytes()
    again = archc("predict", str(run), "--data", str(SAMPLE / "none"), "-o", str(path))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.endswith(f"archc: {path}: exists already (--force overwrites it)\n")
    assert path.read_bytes() == before


def test_evaluation_counts_as_prediction_does(run: Path, tmp_path: Path) -> None:
    """In either framework; the confusion is that of the labels in the files."""
    path = tmp_path / "labels.csv"
    archc("predict", str(run), "--data", str(SAMPLE), "-o", str(path))
    with path.open(newline="") as stream:
        predicted = [int(row["Label"]) for row in csv.DictReader(stream)]
    labels = gzip.decompress((SAMPLE / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    right = sum(map(int.__eq__, labels, predicted))
    done = archc("evaluate", str(run), "--data", str(SAMPLE), "--backend", "keras", "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    scores = json.loads(done.stdout)
    assert (scores["images"], scores["correct"]) == (500, right)
    assert scores["accuracy"] == right / 500
    confusion = [[0] * 10 for _ in range(10)]
    for label, one in zip(labels, predicted, strict=True):
        confusion[label][one] += 1
    assert scores["confusion"] == confusion
    assert [one["images"] for one in scores["classes"]] == [*map(sum, confusion)]
    assert scores["accuracy"] <= scores["top_5_accuracy"] <= 1
    told = archc("evaluate", str(run), "--data", str(SAMPLE)).stdout.splitlines()
    assert told[0] == f"accuracy {right / 500:.2%} ({right} of 500)"
    assert told[1] == f"top-5 accuracy {scores['top_5_accuracy']:.2%}"
    assert told[4].split()[:11] == ["0", *(str(one) if one else "." for one in confusion[0])]


def test_a_finished_run_does_nothing_more(run: Path) -> None:
    given = ("train", SPEC, "--backend", "torch", "--data", str(SAMPLE), "-o", str(run))
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    done = archc(*given, "--resume")
    assert (done.returncode, done.stderr) == (0, f"{run} is finished: {EPOCHS} epochs\n")
    # With a cosine the first epochs of a longer run are others.
    done = archc(*given, "--resume", "--epochs", "9")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"laid out for {EPOCHS} epochs: with 9 all its learning rates" in done.stderr
    assert f"--weights {run / 'last.safetensors'}" in done.stderr
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_the_recipe_is_overridden(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    given = ("train", SPEC, "--backend", "torch", "--data", str(SAMPLE), "-o", str(folder))
    settings = ("training.optimizer.learning_rate=0.5", "training.epochs=1")
    options = [word for setting in settings for word in ("--set", setting)]
    done = archc(*given, *options, "--freeze", "conv_1", "--threads", "1", "--wait", "active")
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert told[1].endswith(", 1 thread (active waiting), seed 0")
    assert told[3:5] == [f"set: {', '.join(settings)}", "frozen: conv_1 (2 arrays)"]
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"] == [*settings]
    assert record["recipe"]["optimizer"] == {"adam": {"learning_rate": 0.5}}
    assert record["recipe"]["epochs"] == 1
    assert (record["computed"]["threads"], record["computed"]["waiting"]) == (1, "active")
    assert launch.recorded_count(str(folder)) == 1
    assert "learning_rate: 0.5" in (folder / "spec.yaml").read_text()
    (row,) = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    assert row["learning_rate"] > 0.001
    wrong = archc(*given, "--set", "training.optimizer.learnin_rate=1")
    assert wrong.returncode == 2
    assert 'did you mean "learning_rate"?' in wrong.stderr


def test_a_run_is_not_begun_twice(run: Path, tmp_path: Path) -> None:
    given = ("--data", str(SAMPLE), "-o", str(run))
    done = archc("train", SPEC, "--backend", "torch", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--resume" in done.stderr
    text = Path(SPEC).read_text().replace("batch_size: ", "batch_size: 1")
    (tmp_path / "lenet5.yaml").write_text(text)
    other = archc("train", str(tmp_path / "lenet5.yaml"), "--backend", "torch", *given, "--resume")
    assert other.returncode == 2
    assert "for a different spec or recipe (training.batch_size)" in other.stderr
    nowhere = ("--data", str(SAMPLE), "-o", str(tmp_path / "none"), "--resume")
    none = archc("train", SPEC, "--backend", "torch", *nowhere)
    assert none.returncode == 2
    assert "contains no run" in none.stderr


def test_faulty_data_ends_with_1(tmp_path: Path) -> None:
    data = tmp_path / "train.csv"
    pixels = ",".join(f"pixel{number}" for number in range(784))
    data.write_text(f"label,{pixels}\n3,{','.join(['0'] * 783)}\n")
    folder = tmp_path / "run"
    done = archc("train", SPEC, "--backend", "torch", "--data", str(data), "-o", str(folder))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{data}:2: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    archc("train", SPEC, "--backend", "torch", "--data", str(data), "-o", str(folder))
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_an_interruption_is_kept(tmp_path: Path) -> None:
    """Ctrl-C goes to the worker, which writes a checkpoint; the run resumes from it."""
    folder = tmp_path / "run"
    given = ("--data", str(SAMPLE), "-o", str(folder), "--epochs", "500")
    command = [sys.executable, "-m", "archc", "train", SPEC, "--backend", "torch", *given]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        await_epoch(folder)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, told
    assert "archc: interrupted\n" in told
    assert "Traceback" not in told
    last = told.splitlines()[-1]
    assert last == f"resume it with: archc {shlex.join(command[3:])} --resume"
    assert any(path.name.startswith("checkpoint") for path in folder.iterdir())


def test_a_run_is_not_resumed_in_the_other_framework(run: Path, capsys: Capture) -> None:
    given = ("--data", str(SAMPLE), "-o", str(run), "--resume")
    assert main(["train", SPEC, "--backend", "keras", *given]) == 2
    assert capsys.readouterr().err == f"archc: {run} is a run of torch, not of keras\n"


def test_nothing_is_left_of_a_run_interrupted_before_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Between the files of its plan and the start of its worker."""

    def interrupt(*_: object) -> None:
        assert (tmp_path / "run" / "plan.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("archc.cli.train.choose_threads", interrupt)
    given = ("--data", str(SAMPLE), "-o", str(tmp_path / "run"))
    assert main(["train", SPEC, "--backend", "torch", *given]) == 130
    assert capsys.readouterr().err.endswith("archc: interrupted\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be held back")
def test_a_worker_interrupted_while_it_is_imported_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = (
        "import os, signal, sys",
        "os.kill(os.getpid(), signal.SIGINT)",
        "from archc.training.worker import main",
        "sys.exit(main(sys.argv[1:]))",
    )
    (tmp_path / "interrupted.py").write_text("\n".join(lines))
    monkeypatch.setattr(launch, "WORKER", "interrupted")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    try:
        assert launch.run_worker("plan.json") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == "archc: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_worker_is_left_alone(number: signal.Signals, tmp_path: Path) -> None:
    """A signal to archc alone ends the worker too; SIGTERM lets it save."""
    folder = tmp_path / "run"
    given = ("--data", str(SAMPLE), "-o", str(folder), "--epochs", "500")
    command = [sys.executable, "-m", "archc", "train", SPEC, "--backend", "torch", *given]
    before = signal.signal(number, signal.SIG_DFL)  # `nohup` has SIGHUP ignored, and so on
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        signal.signal(number, before)
        await_epoch(folder)
        process.send_signal(number)
        # Ends when the last process that has the stream has ended.
        _, told = process.communicate(timeout=LIMIT)
    saved = number == signal.SIGTERM
    assert process.returncode == (130 if saved else 128 + number), told
    assert ("interrupted" in told) == saved
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_no_code_of_a_run_is_executed(run: Path, tmp_path: Path) -> None:
    """A run may come from anywhere: its files are data."""
    foreign = tmp_path / "run"
    shutil.copytree(run, foreign)
    planted = tmp_path / "planted"
    source = f"open({str(planted)!r}, 'w').close()\n"
    for name in ("lenet5.py", "sitecustomize.py", "numpy.py", "torch.py", "archc.py"):
        (foreign / name).write_text(source)
    (foreign / "plan.json").write_text((foreign / "plan.json").read_text().replace("fit", "fat"))
    out = tmp_path / "out.csv"
    command = ("predict", str(foreign), "--data", str(SAMPLE), "-o", str(out))
    done = archc(*command)
    assert done.returncode == 0, done.stderr
    assert out.exists()
    arguments = [sys.executable, "-m", "archc", *command[:-1], str(tmp_path / "again.csv")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    inside = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        cwd=foreign,
        timeout=LIMIT,
        env=environment,
    )
    assert inside.returncode == 0, inside.stderr
    # Nor when it is resumed: it is another network.
    resumed = ("train", SPEC, "--backend", "torch", "--data", str(SAMPLE), "-o", str(foreign))
    done = archc(*resumed, "--resume", "--epochs", str(EPOCHS))
    assert (done.returncode, "different spec or recipe" in done.stderr) == (2, True)
    assert not planted.exists()
    record = json.loads((foreign / "run.json").read_text())
    for fault in ("[]", json.dumps({**record, "backend": "other"}), "{"):
        (foreign / "run.json").write_text(fault)
        done = archc(*command)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "is not a run" in done.stderr


def test_a_plan_is_written_for_other_starters(tmp_path: Path) -> None:
    """And nothing is started: `torchrun` does so, on several machines."""
    folder = tmp_path / "run"
    given = ("--data", str(SAMPLE), "-o", str(folder), "--epochs", "1")
    done = archc("train", SPEC, "--backend", "torch", *given, "--plan")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert {path.name for path in folder.iterdir()} == {"lenet5.py", "plan.json", "spec.yaml"}
    worker = [sys.executable, "-m", "archc.training.worker", str(folder / "plan.json")]
    subprocess.run(worker, check=True, cwd=ROOT, timeout=LIMIT, stderr=subprocess.DEVNULL)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1


def test_torchrun_starts_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []

    threads: list[int] = []

    def run_worker(plan: str, processes: tuple[str, ...], chosen: Threads) -> int:
        started.append((Path(plan).name, *processes))
        threads.append(chosen.number)
        return 3

    monkeypatch.setattr(launch, "run_worker", run_worker)
    monkeypatch.setattr("archc.training.threads.available_cores", lambda: 6)
    monkeypatch.setattr("archc.cli.train.idle_cores", lambda: 6.0)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for number, options in enumerate(([], ["--processes", "2"])):
        given = ["--data", str(SAMPLE), "-o", str(tmp_path / f"run{number}"), *options]
        assert main(["train", SPEC, "--backend", "torch", *given]) == 3
        assert not (tmp_path / f"run{number}").exists()  # it has not begun
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    assert started == [("plan.json",), ("plan.json", *torchrun)]
    assert threads == [6, 3]


def test_cores_that_others_use_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    started: list[int] = []

    def run_worker(_plan: str, _processes: tuple[str, ...], chosen: Threads) -> int:
        started.append(chosen.number)
        return 3

    monkeypatch.setattr(launch, "run_worker", run_worker)
    for module in ("archc.training.threads", "archc.cli.train"):
        monkeypatch.setattr(f"{module}.available_cores", lambda: 6)
    monkeypatch.setattr("archc.cli.train.idle_cores", lambda: 4.1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    given = ["--backend", "torch", "--data", str(SAMPLE), "-o", str(tmp_path / "run")]
    told = "no thread for 2 of 6 cores, which others use: --threads chooses otherwise\n"
    for options, message in (([], told), (["--quiet"], ""), (["--threads", "4"], "")):
        assert main(["train", SPEC, *given, *options]) == 3
        assert capsys.readouterr().err == message
    assert started == [4, 4, 4]


def test_processes_are_for_a_backend_that_starts_them(capsys: Capture) -> None:
    given = ["--data", str(SAMPLE), "-o", "none", "--processes", "2"]
    assert main(["train", SPEC, "--backend", "keras", *given]) == 2
    assert "one process of keras uses all devices" in capsys.readouterr().err


def test_paths_may_begin_with_a_dash(run: Path, tmp_path: Path) -> None:
    (tmp_path / "-data").symlink_to(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "archc", "predict", str(run), "--data=-data", "-o", "-out.csv"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=LIMIT,
    )
    assert (done.returncode, (tmp_path / "-out.csv").exists()) == (0, True), done.stderr


def test_quiet_is_quiet(tmp_path: Path) -> None:
    given = ("--data", str(SAMPLE), "-o", str(tmp_path / "run"), "--epochs", "1", "--seed")
    done = archc("train", SPEC, "--backend", "torch", *given, "4294967295", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = archc("train", SPEC, "--backend", "torch", *given, "4294967296")
    assert (done.returncode, "4294967295" in done.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [["predict", "nowhere", "--data", "x", "-o", "y"]])
def test_what_is_no_run_is_refused(arguments: list[str], capsys: Capture) -> None:
    assert main(arguments) == 2
    assert "is not a run" in capsys.readouterr().err


def test_scripts_are_built(tmp_path: Path, capsys: Capture) -> None:
    given = [SPEC, "--training", "-o", str(tmp_path)]
    assert main(["build", *given]) == 0
    for backend in ("torch", "keras"):
        made = (tmp_path / backend / "lenet5_train.py").read_text()
        assert made == (ROOT / "generated" / backend / "lenet5_train.py").read_text()
    assert main(["build", *given, "--check"]) == 0
    (tmp_path / "torch/lenet5_train.py").write_text("# mine\n")
    assert main(["build", *given, "--check"]) == 1
    capsys.readouterr()
    without = tmp_path / "lenet5.yaml"
    without.write_text(Path(SPEC).read_text().partition("training:")[0])
    assert main(["build", str(without), "--training"]) == 1
    assert "ARC704" in capsys.readouterr().err
