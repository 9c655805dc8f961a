"""Options that several verbs share.

Code: ARC413 a `--set` that is not NAME=VALUE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from archc import backends
from archc.api import Network, parameter
from archc.cli import streams
from archc.diagnostics import Diagnostic, SourceText, Span, SpecError
from archc.diagnostics.formats import full
from archc.language.reader import decode, parse

Function = TypeVar("Function", bound=Callable[..., object])


def set_option(function: Function) -> Function:
    """`--set NAME=VALUE`, as often as wanted."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Give a parameter another value, written as in YAML: --set depths='[1, 1]'.",
    )(function)


def read_settings(settings: Iterable[str]) -> dict[str, object]:
    """The parameters that `--set` gives. Tells what is wrong with them, and exits with 2."""
    try:
        return _read(settings)
    except SpecError as error:
        streams.tell(full(error.diagnostics, streams.colors(sys.stderr)))
        raise click.exceptions.Exit(2) from None


def _read(settings: Iterable[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise _fault(setting, "is not of the form NAME=VALUE", "for example --set classes=100")
        if name in values:
            raise _fault(setting, f"gives `{name}` again")
        source = decode(f"{name}: {text}".encode("utf-8", "surrogateescape"), f"--set {name}")
        read = parse(source).data
        if not isinstance(read, dict) or list(read) != [name]:
            raise _fault(setting, "is not one value", "put text with line breaks in quotes")
        value = read[name]
        values[name] = parameter(name, value.plain(), value.span)
    return values


def _fault(setting: str, message: str, hint: str | None = None) -> SpecError:
    source = SourceText(f"--set {setting}", "")
    return SpecError([Diagnostic("ARC413", message, Span(source, 1, 1, 1, 1), hint)])


def not_installed(module: str | None, backend: str) -> str:
    """What is missing, and the extra of archc that brings it with all that a backend needs."""
    return f"{module} is not installed: pip install 'archc[{backends.backend(backend).extra}]'"


def tell_unchecked(network: Network) -> None:
    """Say that the spec's expectations were not held against other parameters."""
    about = network.costs.graph.about
    if about.overrides and network.costs.graph.expect is not None:
        streams.tell(f"{about.name}: `expect` is not checked under --set")
