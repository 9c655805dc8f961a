"""The Python API; the command line is a thin layer over it.

Code: ARC412 an invalid value of a parameter.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archc import backends
from archc.diagnostics import Diagnostic, SourceText, Span, SpecError
from archc.ir import network
from archc.ir.costs import Costs, memory
from archc.ir.limits import MOST_STEPS
from archc.language.overrides import Setting
from archc.ops.fields import LARGEST
from archc.spec import Spec, read_spec

if TYPE_CHECKING:
    from archc.backends.base import Emitted
    from archc.reports.notebook import Report


class Network(network.Network):
    """A spec with values of its parameters, and the resulting graph with its costs."""

    def __init__(self, spec: Spec, costs: Costs) -> None:
        super().__init__(costs, spec.build)
        self.spec = spec
        self._emitted: dict[str, Emitted] = {}

    def __repr__(self) -> str:
        totals = self.costs.totals
        return f"<Network {self.spec.document.name}: {totals.params:,} parameters>"

    def _repr_html_(self) -> str:
        """The HTML for notebooks: the drawing and the table of layers."""
        from archc.reports import notebook, svg

        return notebook.fragment(self.costs, svg.report(self.costs))

    def report(self, batch: int | None = None) -> Report:
        """The report of `archc report --format json`, as a mapping; with `batch`, including the
        memory of a batch."""
        from archc.reports import json
        from archc.reports.notebook import Report

        needed = None if batch is None else memory(self.costs, batch)
        return Report(json.report(self.costs, needed))

    def emit(self, backend: str) -> str | bytes:
        """The source of the emitted module, or the bytes of the emitted file, as `archc build`
        writes it.

        Raises SpecError for a step that the backend does not support, ValueError for an unknown
        backend.
        """
        if backend not in backends.names():
            known = ", ".join(backends.names())
            raise ValueError(f"unknown backend {backend!r}; known: {known}")
        return self.compiled(backend).source

    def compiled(self, backend: str) -> Emitted:
        """The network as a backend emits it, compiled once. Raises SpecError for a step that the
        backend does not support, KeyError for an unknown backend."""
        if backend not in self._emitted:
            self._emitted[backend] = backends.compile_network(backend, self)
        return self._emitted[backend]


def load(
    path: str | os.PathLike[str],
    params: Mapping[str, object],
    most_steps: int = MOST_STEPS,
    recipe: Sequence[Setting] = (),
) -> Network:
    """Read a spec file, set fields of its `recipe`, check it, and infer the costs of its network.
    Raises SpecError, also for one that expands to more than so many steps (at most MOST_STEPS), and
    TypeError for what is no path."""
    overrides = {name: parameter(name, value) for name, value in params.items()}
    spec = read_spec(os.fsdecode(path), min(most_steps, MOST_STEPS)).with_recipe(recipe)
    return Network(spec, spec.checked(overrides))


def parameter(name: str, value: object, span: Span | None = None) -> object:
    """A parameter's value from outside, tuples as lists. Raises SpecError (ARC412), located at
    `span`, for anything but a number, boolean, string, list, or list of lists of these."""
    reason = _invalid_reason(value, 2)
    if reason is None:
        return _as_list(value)
    if span is None:
        span = Span(SourceText(f"parameter {name}", ""), 1, 1, 1, 1)
    hint = "a number, true or false, text, a list, or a list of lists"
    raise SpecError([Diagnostic("ARC412", f"`{name}` cannot be {reason}", span, hint)])


def _invalid_reason(value: object, depth: int) -> str | None:
    if isinstance(value, list | tuple):
        if not depth:
            return "a list of lists of lists"
        return next(filter(None, (_invalid_reason(item, depth - 1) for item in value)), None)
    if isinstance(value, str):
        return "an expression" if value.startswith("$") else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number that is not finite"
    if isinstance(value, int):
        return None if abs(value) <= LARGEST else "a number of 2^53 or more"
    return "null" if value is None else f"of type {type(value).__name__}"


def _as_list(value: object) -> object:
    return [_as_list(item) for item in value] if isinstance(value, list | tuple) else value
