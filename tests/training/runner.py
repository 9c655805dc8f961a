"""Runs of workers in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from archc.api import load
from archc.training.launch import DEFAULTS
from archc.training.plan import PLAN, plan_files
from archc.training.run.options import FitOptions, Options, PredictOptions
from archc.training.threads import choose_threads
from tests.training.samples import SAMPLE

LIMIT = 300.0
"""Seconds that anything is waited for: a run takes two."""
NETWORK = """\
archc: 1
name: digits
input: {channels: 1, height: 28, width: 28}
layers:
  - conv: {filters: 4, kernel_size: 5, stride: 2}
  - batch_norm
  - relu
  - max_pool: {kernel_size: 2}
  - flatten
  - dropout: {rate: 0.2}
  - dense: {units: 10, activation: softmax}
"""
RECIPE = """\
training:
  inputs: {standardize: dataset}
  augment: {rotation: 10, shift: 0.1, zoom: 0.1}
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9, weight_decay: 0.0005}}
  schedule: {plateau: {patience: 1, factor: 0.5}}
  batch_size: 32
  epochs: 4
"""
PLAIN = NETWORK.replace("  - batch_norm\n", "").replace("  - dropout: {rate: 0.2}\n", "")


class Experiment:
    """A spec, and the plans of its runs on the sample of MNIST."""

    def __init__(self, folder: Path, backend: str, text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        spec = folder / "digits.yaml"
        spec.write_text(text, encoding="utf-8")
        self.folder = folder
        self.backend = backend
        self.network = load(str(spec), {})
        self.numbers = count()

    def fit(self, out: Path, **changes: Any) -> Path:
        """The plan of a run."""
        return self._written(FitOptions(SAMPLE, out)._replace(**changes))

    def predict(self, run: Path, out: Path, **changes: Any) -> Path:
        """The plan of predictions."""
        return self._written(PredictOptions(run, SAMPLE, out)._replace(**changes))

    def _written(self, options: Options) -> Path:
        folder = self.folder / f"plan{next(self.numbers)}"
        folder.mkdir()
        for name, text in plan_files(self.backend, self.network, options).items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / PLAN


def await_file(path: Path, process: subprocess.Popen[Any] | None = None) -> None:
    """Wait for a file."""
    end = time.monotonic() + LIMIT
    while not path.exists():
        assert process is None or process.poll() is None
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.01)


class Runner:
    """Starts workers as forks of a process that has imported the framework already: a tenth of a
    second each, where an own process takes two to six. `changes` are module constants of the
    workers, by their dotted names."""

    SOURCE = """
import importlib, json, os, resource, signal, sys
for module in {modules}:
    importlib.import_module(module)
from archc.training.worker import main
for line in sys.stdin:
    plan, changes, log, largest = json.loads(line)
    child = os.fork()
    if child == 0:
        signal.alarm({limit})
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(os.open(log + ".out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        for name, value in changes.items():
            module, _, constant = name.rpartition(".")
            setattr(importlib.import_module(module), constant, value)
        code = main([plan])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print("started", child, flush=True)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

    def __init__(self, folder: Path, modules: list[str], environment: Mapping[str, str]) -> None:
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SOURCE.format(modules=modules, limit=int(LIMIT))],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, plan: Path, changes: Mapping[str, Any] | None = None, largest: int | None = None
    ) -> int:
        """Start a worker; its process. `largest` bytes a file may have."""
        line = json.dumps([str(plan), dict(changes or {}), str(self.log), largest])
        print(line, file=self.process.stdin, flush=True)
        return self._told("started")

    def wait(self) -> int:
        """Wait for the worker's end; its exit code, or less than 0 for a signal."""
        return self._told("ended")

    def _told(self, event: str) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, number = line.partition(" ")
            if word == event:
                return int(number)
        raise EOFError

    def run(
        self,
        plan: Path,
        changes: Mapping[str, Any] | None = None,
        *,
        code: int = 0,
        largest: int | None = None,
    ) -> str:
        """Run a worker to its end; what it wrote to stderr."""
        self.start(plan, changes, largest)
        ended = self.wait()
        errors = self.errors()
        assert ended == code, errors
        assert "Traceback" not in errors
        return errors

    def errors(self) -> str:
        """What the worker wrote to stderr, without the lines of TensorFlow's."""
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join(line for line in lines if not re.match(r"WARNING: All log|[IWE]0000 ", line))

    def output(self) -> str:
        """What the worker wrote to stdout."""
        return Path(f"{self.log}.out").read_text(encoding="utf-8")

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(LIMIT)


class Finished:
    """An experiment and a run of it that nothing has ended, with checkpoints as dense as can be."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        runner: Runner,
        changes: Mapping[str, Any],
    ) -> None:
        self.experiment = experiment
        self.changes = changes
        self.folder = folder
        begin = time.perf_counter()
        runner.run(self.fit(folder), changes)
        self.seconds = time.perf_counter() - begin

    def fit(self, out: Path, **options: Any) -> Path:
        """The plan of another run of the same."""
        return self.experiment.fit(out, **{"quiet": True, **options})


def rows(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's metrics, without what a clock says."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {
            key: value
            for key, value in json.loads(line).items()
            if not key.startswith(("seconds", "samples"))
        }
        for line in lines
    ]


def environment(**changes: str) -> dict[str, str]:
    """The environment of workers on a CPU, as they have it otherwise."""
    threads = choose_threads(None, None, 1, os.environ)
    return {**DEFAULTS, **threads.within(os.environ), "CUDA_VISIBLE_DEVICES": "", **changes}
