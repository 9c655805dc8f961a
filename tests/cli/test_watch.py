"""`archc build --watch`: rebuilds when a spec or one of its parents changes."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from archc import cli
from archc.language.chain import chain

BASE = "archc: 1\nname: base\ninput: {features: 4}\nparams: {n: 3}\nlayers: [dense: $n]\n"
CHILD = "archc: 1\nname: child\nextends: base.yaml\nparams: {n: 5}\n"
PATIENCE = 30


def put(path: Path, text: str) -> None:
    """Write a file as editors do, by replacing it."""
    staged = path.with_name("staged")
    staged.write_text(text)
    os.replace(staged, path)


class Watch:
    """A watching build and its standard error."""

    def __init__(self, folder: Path, *specs: str) -> None:
        command = [sys.executable, "-m", "archc", "build", *specs, "--backend", "torch", "-w"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            # Tests started in the background by a shell ignore Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line.rstrip("\n"))

    def round(self) -> list[str]:
        """The output up to the line that it is watching."""
        lines = []
        while not (line := self.lines.get(timeout=PATIENCE)).startswith("watching "):
            lines.append(line)
        return [*lines, line]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watch]:
    """A watch over a spec that extends another one."""
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    watch = Watch(tmp_path, "child.yaml")
    yield watch
    watch.process.kill()
    watch.process.wait()


def test_a_change_builds_again_and_an_error_does_not_end_it(watched: Watch, tmp_path: Path) -> None:
    module = tmp_path / "generated" / "torch" / "child.py"
    assert watched.round()[-1] == "watching 2 files, press Ctrl-C to stop"
    assert "n: int = 5" in module.read_text()

    put(tmp_path / "child.yaml", CHILD.replace("5", "6"))
    assert "wrote generated/torch/child.py" in watched.round()
    assert "n: int = 6" in module.read_text()

    put(tmp_path / "base.yaml", BASE.replace("features: 4", "features: 8"))
    assert "wrote generated/torch/child.py" in watched.round()
    assert "nn.Linear(8, n)" in module.read_text()

    before = module.read_text()
    put(tmp_path / "base.yaml", BASE.replace("dense", "dens"))
    output = "\n".join(watched.round())
    assert 'did you mean "dense"?' in output
    assert module.read_text() == before

    (tmp_path / "base.yaml").unlink()
    assert "ARC410" in "\n".join(watched.round())
    put(tmp_path / "base.yaml", BASE)
    assert "wrote generated/torch/child.py" in watched.round()
    assert "nn.Linear(4, n)" in module.read_text()

    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(PATIENCE) == 130
    watched.lines.get(timeout=PATIENCE)  # the line on which the terminal shows ^C
    assert watched.lines.get(timeout=PATIENCE) == "archc: interrupted"


def test_what_cannot_be_written_does_not_end_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "generated").write_text("a file where the folder should be")
    watch = Watch(tmp_path, "base.yaml")
    try:
        assert len(watch.round()) == 2
        (tmp_path / "generated").unlink()
        put(tmp_path / "base.yaml", BASE + "# changed\n")
        assert "wrote generated/torch/base.py" in watch.round()
    finally:
        watch.process.kill()
        watch.process.wait()


def test_a_file_that_is_still_being_written_is_waited_for(watched: Watch, tmp_path: Path) -> None:
    watched.round()
    with open(tmp_path / "child.yaml", "w") as file:
        for character in CHILD.replace("5", "77"):
            file.write(character)
            file.flush()
            time.sleep(0.02)
    assert "wrote generated/torch/child.py" in watched.round()
    assert "n: int = 77" in (tmp_path / "generated" / "torch" / "child.py").read_text()


@pytest.mark.parametrize("option", ["--check", "--stdout"])
def test_it_writes_files(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    spec = str(tmp_path / "base.yaml")
    assert cli.main(["build", spec, "--backend", "torch", option, "-w"]) == 2
    assert cli.main(["build", "-", "-w"]) == 2
    assert "--watch needs files" in capsys.readouterr().err


def test_the_chain_goes_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    names = ["a.yaml", "b.yaml", "deep/c.yaml", "d.yaml"]
    paths = [str(tmp_path / name) for name in names]
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text("archc: 1\nextends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: deep/c.yaml\n")
    (tmp_path / "deep" / "c.yaml").write_text("extends: ../d.yaml\n")
    assert chain(paths[0]) == paths  # the last one is not there yet
    (tmp_path / "d.yaml").write_text("extends: a.yaml\n")
    assert chain(paths[0]) == paths  # a cycle
    (tmp_path / "b.yaml").write_text("extends: [\n")
    assert chain(paths[0]) == paths[:2]
