"""The JSON formats: what each has, from the function that makes it, and an example of it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import archc
from archc.diagnostics import SourceText, SpecError, formats
from archc.difference import Difference
from archc.reports import catalog
from archc.reports import json as report
from archc.spec import read_source
from archc.verify import report as verification
from docs.generate.markdown import code

SPEC = "archc: 1\nname: tiny\ninput: {features: 4}\nlayers: [dense: 3, relu]\n"
INVALID = SPEC.replace("relu", "rleu")
WIDER = SPEC.replace("3", "5")


class Format(NamedTuple):
    """A format: the command that writes it, what is said of it, and an example where one is made
    without a framework."""

    command: str
    doc: str
    example: Any = None


def _network(text: str) -> archc.api.Network:
    spec = read_source(SourceText("tiny.yaml", text), "/", "/tiny.yaml")
    return archc.api.Network(spec, spec.checked())


def _findings() -> Any:
    try:
        _network(INVALID)
    except SpecError as error:
        return json.loads(formats.as_json(error.diagnostics))
    raise AssertionError("the spec is valid")


def _doc(function: Callable[..., Any]) -> str:
    return inspect.getdoc(function) or ""


def all_formats() -> Iterator[Format]:
    """Every format, in the order of the commands."""
    network = _network(SPEC)
    yield Format("archc validate --format json", _doc(formats.as_json), _findings())
    yield Format("archc report --format json", _doc(report.report), network.report(batch=32))
    yield Format(
        "archc diff --format json",
        _doc(Difference.report),
        archc.diff(network, _network(WIDER)).report(),
    )
    listed = [catalog.data(catalog.entry("tiny", "specs/tiny.yaml", network.costs))]
    yield Format("archc list --format json", _doc(catalog.data), listed)
    yield Format("archc verify --format json", _doc(verification.data))


def json_formats() -> str:
    """A section for each format."""
    return "\n".join(map(_section, all_formats()))


def _section(one: Format) -> str:
    doc = "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", one.doc))
    lines = [f"## `{one.command}`\n", f"{doc}\n"]
    if one.example is not None:
        lines.append(code(json.dumps(one.example, indent=2, ensure_ascii=False), "json"))
    return "\n".join(lines)
