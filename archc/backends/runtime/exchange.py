"""The files by which the processes of a verification communicate: a folder for each backend, with
the plan and the emitted module from the parent, and arrays and a summary from the child.

A child reads the path of such a folder from each line of its standard input, and answers with a
line when it is done. Before it fills the arrays with the values of the plan it writes what the
emitted module itself put there (`write_initial`); then the output of every node in a mode
(`write_value`): in `EVALUATION`, and in `SINGLE`, the same for the first sample alone. If the plan
`takes_step`, it writes what each layer that drops at random makes of `ones` in training
(`write_dropped`), and then, with nothing dropped, the outputs in `TRAINING`, the loss, the
gradients and the running statistics of one step.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from archc.backends.layouts import Layout, to_canonical, to_framework
from archc.backends.runtime.random_values import Distribution, random_array

PLAN, SUMMARY = "plan.json", "summary.json"
MODULE, FILE = "emitted.py", "emitted"
"""The emitted module; a file that is none."""
EVALUATION, SINGLE, TRAINING = "evaluation", "single", "training"
DROPPED = "dropped"
_WHERE = {EVALUATION: "", SINGLE: " for one sample", TRAINING: " in training"}

CHUNK = 1 << 20
"""Elements whose moments are computed at a time."""
SAMPLES = 4096
"""Samples of ones that a layer drops from; each has at most two elements along an axis, enough to
tell whether neighbours are dropped together."""

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences by which frameworks style their messages."""


class NetworkError(Exception):
    """The emitted network is not what the plan says. `path` is that of the op concerned, if any."""

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class Folder:
    """The folder of one backend, as its child sees it."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(os.path.join(path, PLAN), encoding="utf-8") as stream:
            self.plan: dict[str, Any] = json.load(stream)
        self.layouts = [as_layout(node["layout"]) for node in self.plan["nodes"]]
        self.summary: dict[str, Any] = {"errors": [], "initial": {}}
        self.has_wrong_shape = False
        self.trains = True  # whether it is about all of the network, or what an evaluation computes

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes by their indices; what is computed in training alone is nothing elsewhere."""
        nothing = {"inputs": [], "lowered": [], "drops": False, "rate": None}
        return [
            {**node, **nothing} if node["training"] and not self.trains else node
            for node in self.plan["nodes"]
        ]

    @property
    def nodes_in_order(self) -> list[tuple[int, dict[str, Any]]]:
        """The nodes with their indices, as an emitted network computes them: those of training
        alone last."""
        return sorted(enumerate(self.nodes), key=lambda one: bool(one[1]["training"]))

    @property
    def arrays(self) -> list[tuple[int, dict[str, Any]]]:
        """The arrays with their numbers, less those that are used in training alone elsewhere."""
        arrays = enumerate(self.plan["arrays"])
        return [(number, one) for number, one in arrays if self.trains or not one["training"]]

    @property
    def outputs(self) -> list[int]:
        """The nodes that are outputs."""
        extra = self.plan["training_outputs"] if self.trains else ()
        return [*self.plan["outputs"], *extra]

    @property
    def has_two_modes(self) -> bool:
        """Whether the network has outputs in training alone."""
        return bool(self.plan["training_outputs"])

    def emitted(self) -> ModuleType:
        """The emitted module, imported."""
        path = os.path.join(self.path, MODULE)
        specification = importlib.util.spec_from_file_location("emitted", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    def emitted_file(self) -> bytes:
        """The emitted file, of a backend that emits no module."""
        with open(os.path.join(self.path, FILE), "rb") as stream:
            return stream.read()

    def weight(self, number: int) -> Any:
        """The values of the array of a number, in the framework's layout: fixed, or random."""
        array = self.plan["arrays"][number]
        layout = as_layout(array["layout"])
        values = self._fixed("weight", number)
        if values is None:
            distribution = Distribution(*array["distribution"])
            values = random_array(self.plan["seed"], array["key"], layout.canonical, distribution)
        return to_framework(self._convert(values, array["key"]), layout)

    def value(self, kind: str, index: int) -> Any:
        """A batch of the shape of a node's output, in the framework's layout: a fixed input, or
        random values; where the node is an input of token ids, whole numbers."""
        plan, layout = self.plan, self.layouts[index]
        values = self._fixed(kind, index)
        key = f"{kind}:{plan['nodes'][index]['path']}"
        ids = plan["nodes"][index]["ids"]
        if kind == "input" and ids is not None:
            shape = (plan["batch"], *layout.canonical)
            if values is None:
                values = random_array(plan["seed"], key, shape, Distribution(low=0, high=ids))
            return values.astype("int32")
        if values is None:
            shape = (plan["batch"], *layout.canonical)
            values = random_array(plan["seed"], key, shape, Distribution(1.0))
        return to_framework(self._convert(values, key), layout, batch=1)

    def inputs(self, mode: str) -> list[Any]:
        """The network's inputs in a mode."""
        values = [self.value("input", index) for index in self.plan["inputs"]]
        return [value[:1] for value in values] if mode == SINGLE else values

    def ones(self, index: int) -> Any:
        """Samples of ones for a node that drops some of its input at random."""
        import numpy

        (source,) = self.plan["nodes"][index]["inputs"]
        sizes = [min(size, 2) for size in self.layouts[source].kept]
        return numpy.ones((SAMPLES, *sizes), self.plan["dtype"])

    def _convert(self, values: Any, key: str) -> Any:
        """Values in the dtype of the run; in a perturbed run each is replaced by the next number
        above or below it, by the key."""
        import numpy

        values = values.astype(self.plan["dtype"], copy=False)
        if not self.plan["perturbed"]:
            return values
        directions = random_array(
            self.plan["seed"], f"perturbation:{key}", values.shape, Distribution(low=-1, high=1)
        )
        limits = numpy.copysign(numpy.inf, directions).astype(values.dtype)
        return numpy.nextafter(values, limits)

    def _fixed(self, kind: str, number: int) -> Any:
        import numpy

        path = fixed_path(os.path.dirname(self.path), kind, number)
        return numpy.load(path, allow_pickle=False) if os.path.exists(path) else None

    def path_of(self, layer: str | int) -> str | None:
        """The path of the op that a layer computes."""
        for node in self.nodes:
            if any(lowered.get("layer") == layer for lowered in node["lowered"]):
                path: str = node["path"]
                return path
        return None

    def computing_error(self, mode: str, error: Exception, index: int | None) -> NetworkError:
        """The error of a node, or of the whole network, that the framework cannot compute."""
        path = None if index is None else self.plan["nodes"][index]["path"]
        return framework_error(f"cannot be computed{_WHERE[mode]}", error, path)

    @property
    def stochastic(self) -> list[int]:
        """The nodes that drop some of their input at random in training."""
        return [index for index, node in enumerate(self.nodes) if node["drops"]]

    @property
    def inner_rates(self) -> dict[int, float]:
        """The rates of the nodes that drop values inside their layers."""
        rates = {index: node["rate"] for index, node in enumerate(self.nodes)}
        return {index: rate for index, rate in rates.items() if rate is not None}

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes in which the outputs are evaluated."""
        return (EVALUATION, SINGLE) if self.plan["step"] else (EVALUATION,)

    @property
    def takes_step(self) -> bool:
        """Whether to run a training step: the plan has one, and all outputs have the right
        shapes."""
        return bool(self.plan["step"]) and not self.has_wrong_shape

    def write_value(self, mode: str, index: int, value: Any) -> None:
        """Write a node's output in a mode; report an error where it has another shape."""
        layout = self.layouts[index]
        expected = (1 if mode == SINGLE else self.plan["batch"], *layout.kept)
        if value.shape != expected:
            path = self.plan["nodes"][index]["path"]
            self.has_wrong_shape = True
            message = f"returns the shape {value.shape[1:]}, expected {expected[1:]}"
            self.report(NetworkError(message, path))
            return
        self.write(f"{mode}_{index}", to_canonical(value, layout, batch=1))

    def write_initial(self, number: int, values: Any) -> None:
        """Add the moments of an array's initial values to the summary, if the plan asks for
        them."""
        import numpy

        if not self.plan["arrays"][number]["initial"]:
            return
        values = values.reshape(-1)
        sums = numpy.zeros(3)
        for start in range(0, len(values), CHUNK):
            chunk = numpy.asarray(values[start : start + CHUNK], "float64")
            squares = chunk * chunk
            sums += chunk.sum(), squares.sum(), numpy.dot(squares, squares)
        mean, square, fourth = (sums / len(values)).tolist()
        self.summary["initial"][str(number)] = {
            "low": float(values.min()),
            "high": float(values.max()),
            "mean": mean,
            "square": square,
            "fourth": fourth,
        }

    def write_dropped(self, index: int, values: Any) -> None:
        """Write what a layer leaves of `ones`."""
        self.write(f"{DROPPED}_{index}", values)

    def write_array(self, kind: str, number: int, value: Any) -> None:
        """Write what has the layout of the array of a number: its gradient, or its values."""
        layout = as_layout(self.plan["arrays"][number]["layout"])
        self.write(f"{kind}_{number}", to_canonical(value, layout))

    def write(self, name: str, value: Any) -> None:
        """Write an array under a name."""
        import numpy

        numpy.save(os.path.join(self.path, f"{name}.npy"), value)

    def report(self, error: NetworkError) -> None:
        """Add an error to the summary, once."""
        entry = {"path": error.path, "message": error.message}
        if entry not in self.summary["errors"]:
            self.summary["errors"].append(entry)

    def close(self) -> None:
        """Write the summary."""
        with open(os.path.join(self.path, SUMMARY), "w", encoding="utf-8") as stream:
            json.dump(self.summary, stream)


def write_emitted(folder: str, source: str | bytes) -> None:
    """Write what a backend emits, a module or another file."""
    name, data = (FILE, source) if isinstance(source, bytes) else (MODULE, source.encode("utf-8"))
    with open(os.path.join(folder, name), "wb") as stream:
        stream.write(data)


def fixed_path(folder: str, kind: str, number: int) -> str:
    """The file of a fixed array, beside the folders of all backends."""
    return os.path.join(folder, f"fixed_{kind}_{number}.npy")


def as_layout(fields: Sequence[Sequence[int]]) -> Layout:
    """A layout that was written as JSON."""
    return Layout(*map(tuple, fields))


def framework_error(what: str, error: Exception, path: str | None = None) -> NetworkError:
    """The error of a network at which the framework failed: `what` failed, and why, in one line."""
    message = " ".join(_COLOR.sub("", f"{type(error).__name__}: {error}").split())
    return NetworkError(f"{what}: {message[:400]}", path)


def serve(run: Callable[[str], None]) -> None:
    """Run the folders named on standard input, one a line. What the framework or the emitted module
    prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        run(line.rstrip("\n"))
        answers.write("done\n")
        answers.flush()
