"""What the processes of a verification pass to each other: a folder for each backend, with the plan
and the emitted module from the parent, and from the child arrays and a summary.

A child takes the path of such a folder on each line of its standard input, and answers with a line
when it is done there.
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
from archc.backends.runtime.random_values import Draw, drawn

PLAN, SOURCE, SUMMARY = "plan.json", "emitted.py", "summary.json"

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
"""What frameworks make text bold with."""


class Fault(Exception):
    """The emitted network is not what the plan says. `path` is that of the op at fault."""

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
        self.summary: dict[str, Any] = {"faults": []}
        self.misshapen = False

    def emitted(self) -> ModuleType:
        """The emitted module, imported."""
        path = os.path.join(self.path, SOURCE)
        specification = importlib.util.spec_from_file_location("emitted", path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    def weight(self, number: int) -> Any:
        """The values of the array of a number, as the framework keeps it: fixed, or drawn."""
        array = self.plan["arrays"][number]
        layout = as_layout(array["layout"])
        values = self._fixed("weight", number)
        if values is None:
            draw = Draw(*array["draw"])
            values = drawn(self.plan["seed"], array["key"], layout.canonical, draw)
        return to_framework(self._as_asked(values, array["key"]), layout)

    def value(self, kind: str, index: int) -> Any:
        """A batch of the shape of a node's output, as the framework lays it out: a fixed input, or
        drawn values."""
        plan, layout = self.plan, self.layouts[index]
        values = self._fixed(kind, index)
        key = f"{kind}:{plan['nodes'][index]['path']}"
        if values is None:
            values = drawn(plan["seed"], key, (plan["batch"], *layout.canonical), Draw(1.0))
        return to_framework(self._as_asked(values, key), layout, batch=1)

    def _as_asked(self, values: Any, key: str) -> Any:
        """Values in the type of the run; in a perturbed one, each is the next number above or below
        it, by the key."""
        import numpy

        values = values.astype(self.plan["dtype"], copy=False)
        if not self.plan["perturbed"]:
            return values
        drawn_signs = drawn(
            self.plan["seed"], f"perturbation:{key}", values.shape, Draw(low=-1, high=1)
        )
        signs = numpy.copysign(numpy.inf, drawn_signs).astype(values.dtype)
        return numpy.nextafter(values, signs)

    def _fixed(self, kind: str, number: int) -> Any:
        import numpy

        path = fixed_path(os.path.dirname(self.path), kind, number)
        return numpy.load(path, allow_pickle=False) if os.path.exists(path) else None

    def path_of(self, layer: str | int) -> str | None:
        """The path of the op that a layer computes."""
        for node in self.plan["nodes"]:
            if any(stage.get("layer") == layer for stage in node["stages"]):
                path: str = node["path"]
                return path
        return None

    @property
    def takes_step(self) -> bool:
        """Whether a step of training is asked for, and can be: the outputs have their shapes."""
        return bool(self.plan["step"]) and not self.misshapen

    def write_value(self, mode: str, index: int, value: Any) -> None:
        """Keep a node's output in a mode, or the error where it has another shape."""
        layout = self.layouts[index]
        expected = (self.plan["batch"], *layout.kept)
        if value.shape != expected:
            path = self.plan["nodes"][index]["path"]
            self.misshapen = True
            self.tell(Fault(f"gives the shape {value.shape[1:]} in place of {expected[1:]}", path))
            return
        self.write(f"{mode}_{index}", to_canonical(value, layout, batch=1))

    def write_array(self, kind: str, number: int, value: Any) -> None:
        """Keep what has the layout of the array of a number: its gradient, or its values."""
        layout = as_layout(self.plan["arrays"][number]["layout"])
        self.write(f"{kind}_{number}", to_canonical(value, layout))

    def write(self, name: str, value: Any) -> None:
        """Keep an array under a name."""
        import numpy

        numpy.save(os.path.join(self.path, f"{name}.npy"), value)

    def tell(self, fault: Fault) -> None:
        """Keep a fault, once."""
        entry = {"path": fault.path, "message": fault.message}
        if entry not in self.summary["faults"]:
            self.summary["faults"].append(entry)

    def close(self) -> None:
        """Write the summary."""
        with open(os.path.join(self.path, SUMMARY), "w", encoding="utf-8") as stream:
            json.dump(self.summary, stream)


def fixed_path(folder: str, kind: str, number: int) -> str:
    """Where a fixed array lies, beside the folders of all backends."""
    return os.path.join(folder, f"fixed_{kind}_{number}.npy")


def as_layout(fields: Sequence[Sequence[int]]) -> Layout:
    """A layout that was written as JSON."""
    return Layout(*map(tuple, fields))


def of_exception(what: str, error: Exception, path: str | None = None) -> Fault:
    """The fault that an error of the framework tells, in one line."""
    message = " ".join(_COLOR.sub("", f"{type(error).__name__}: {error}").split())
    return Fault(f"{what}: {message[:400]}", path)


def serve(run: Callable[[str], None]) -> None:
    """Run the folders named on standard input, one a line. What the framework or the emitted module
    prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        run(line.rstrip("\n"))
        answers.write("done\n")
        answers.flush()
