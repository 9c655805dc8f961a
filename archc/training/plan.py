"""The plan of a worker: a JSON file beside the emitted network that it trains.

A plan and its network are written by the process that starts the worker; neither is ever taken from
a run's folder that somebody else may have written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from archc import backends
from archc.api import Network
from archc.backends.base import StoredVariable
from archc.backends.layouts import Layout
from archc.backends.storage import every_variable
from archc.language.recipe import Augment, Training, as_spec, from_spec
from archc.training.file_format import FileFormat
from archc.training.run.options import (
    EvaluateOptions,
    FitOptions,
    FitSettings,
    Options,
    PredictOptions,
    Start,
)
from archc.training.task import Task, recipe_of, task_of, trainer_of

if TYPE_CHECKING:
    from archc.training.data.images import InputFormat

PLAN = "plan.json"
REQUESTS: Mapping[str, Callable[..., Options]] = MappingProxyType(
    {"fit": FitOptions, "predict": PredictOptions, "evaluate": EvaluateOptions}
)
PATHS = ("data", "out", "validation", "run")
"""The options that are paths."""
TUPLES: Mapping[str, Callable[..., Start | FileFormat]] = MappingProxyType(
    {"start": Start, "file_format": FileFormat}
)
"""The options that have fields of their own."""


@dataclass(frozen=True)
class Plan:
    """A backend, the module of the emitted network, its task, the recipe, where the network keeps
    each array (by its key), and the request."""

    backend: str
    network: Path
    task: Task
    recipe: Training
    variables: Mapping[str, StoredVariable]
    options: Options

    @property
    def format(self) -> InputFormat:
        """The images that the network takes."""
        from archc.training.data.images import InputFormat  # imports NumPy
        from archc.training.data.stream import Streaming, worker_count

        streaming = Streaming(self.options.in_memory, self.options.workers or worker_count())
        is_fit = isinstance(self.options, FitOptions | FitSettings)
        return InputFormat(
            self.task.shape,
            self.task.classes,
            self.recipe.inputs,
            streaming,
            self.recipe.augment if is_fit else Augment(),
        )

    def build_model(self) -> Any:
        """The emitted network, newly built."""
        spec = spec_from_file_location("archc_network", self.network)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        build: Callable[[], Any] = module.build_model
        return build()


def plan_files(backend: str, network: Network, options: Options) -> dict[str, str]:
    """The files of a plan by their names: the emitted network, and the plan.

    Raises SpecError for a spec without a recipe (ARC704), for a final softmax that is not a layer
    of its own (ARC701) and for a step that the backend does not support (ARC601).
    """
    recipe = recipe_of(network)
    emitted = network.compiled(backend)
    task = task_of(trainer_of(backend), emitted, network.spec, network.costs)
    variables = every_variable(backends.backend(backend), network.costs, emitted)
    module = f"{task.name}{backends.backend(backend).suffix}"
    request = next(name for name, kind in REQUESTS.items() if kind is type(options))
    plan = {
        "backend": backend,
        "network": module,
        "task": task._asdict(),
        "recipe": as_spec(recipe),
        "variables": variables,
        request: {name: _as_json(value) for name, value in options._asdict().items()},
    }
    assert isinstance(emitted.source, str)
    return {module: emitted.source, PLAN: json.dumps(plan, indent=1) + "\n"}


def _as_json(value: object) -> object:
    if isinstance(value, Start | FileFormat):
        return value._asdict()
    return str(value) if isinstance(value, Path) else value


def _from_json(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TUPLES:
        return TUPLES[name](**value)
    if name in PATHS:
        return Path(value)
    return tuple(value) if isinstance(value, list) else value


def read_plan(path: Path) -> Plan:
    """Read a plan as `plan_files` wrote it."""
    fields: dict[str, Any] = json.loads(path.read_bytes())
    request = next(name for name in REQUESTS if name in fields)
    options = {name: _from_json(name, value) for name, value in fields[request].items()}
    task = {**fields["task"], "shape": tuple(fields["task"]["shape"])}
    variables = {
        key: StoredVariable(layer, name, Layout(*map(tuple, layout)))
        for key, (layer, name, layout) in fields["variables"].items()
    }
    return Plan(
        backend=fields["backend"],
        network=path.parent / fields["network"],
        task=Task(**task),
        recipe=from_spec(Training, fields["recipe"]),
        variables=variables,
        options=REQUESTS[request](**options),
    )
