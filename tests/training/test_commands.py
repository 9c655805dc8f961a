"""`archc train`, `archc predict` and `archc build --training`, on a sample of MNIST."""

from __future__ import annotations

import csv
import json
import os
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


def test_a_run_is_not_begun_twice(run: Path, tmp_path: Path) -> None:
    given = ("--data", str(SAMPLE), "-o", str(run))
    done = archc("train", SPEC, "--backend", "torch", *given)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--resume" in done.stderr
    text = Path(SPEC).read_text().replace("batch_size: ", "batch_size: 1")
    (tmp_path / "lenet5.yaml").write_text(text)
    other = archc("train", str(tmp_path / "lenet5.yaml"), "--backend", "torch", *given, "--resume")
    assert other.returncode == 2
    assert "for a different spec or recipe" in other.stderr
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
    assert "interrupted" in told
    assert "Traceback" not in told
    assert any(path.name.startswith("checkpoint") for path in folder.iterdir())


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

    def run_worker(plan: str, processes: tuple[str, ...]) -> int:
        started.append((Path(plan).name, *processes))
        return 3

    monkeypatch.setattr(launch, "run_worker", run_worker)
    for number, options in enumerate(([], ["--processes", "2"])):
        given = ["--data", str(SAMPLE), "-o", str(tmp_path / f"run{number}"), *options]
        assert main(["train", SPEC, "--backend", "torch", *given]) == 3
        assert not (tmp_path / f"run{number}").exists()  # it has not begun
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    assert started == [("plan.json",), ("plan.json", *torchrun)]


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
    assert main(["build", str(ROOT / "specs/resnet18.yaml"), "--training"]) == 1
    assert "ARC704" in capsys.readouterr().err
