"""Options of several commands.

Code: ARC413 a malformed `--set`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn, TypeVar

import click

from archc import backends
from archc.api import Network, parameter
from archc.cli import streams
from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable, visible
from archc.diagnostics.formats import full
from archc.files.reading import files_below
from archc.ir.limits import MOST_STEPS
from archc.language.overrides import PREFIX, Key, Setting
from archc.language.reader import decode, parse
from archc.language.values import Value
from archc.training.file_format import CHANNELS, LABELS
from archc.version import requirement

Function = TypeVar("Function", bound=Callable[..., object])


def set_option(function: Function) -> Function:
    """The repeatable option `--set NAME=VALUE`."""
    return _set_option("Override a parameter; the value is YAML: --set depths='[1, 1]'.")(function)


def set_recipe_option(function: Function) -> Function:
    """The option `--set`, also for fields of the recipe."""
    return _set_option(
        "Override a parameter, or a field of the recipe; the value is YAML: "
        "--set training.optimizer.learning_rate=0.1."
    )(function)


def _set_option(text: str) -> Callable[[Function], Function]:
    return click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help=text)


def file_format_options(function: Function) -> Function:
    """The options that say what files of images do not tell of themselves."""
    for option in (
        click.option(
            "--channels",
            type=click.Choice(CHANNELS),
            help="Which axis of an image has the channels, where its shape does not tell.",
        ),
        click.option(
            "--separator",
            metavar="CHAR",
            callback=_separator,
            help="What separates the values of a CSV file, by default a comma; `tab` is a tab.",
        ),
        click.option(
            "--label",
            metavar="NAME",
            help="The column of a CSV file with the labels: its name, or without a header its "
            f"number from 1. By default one called {', '.join(LABELS[:-1])} or {LABELS[-1]}.",
        ),
    ):
        function = option(function)
    return function


def _separator(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """One character that no number has."""
    value = "\t" if value in ("tab", "\\t") else value
    if value is not None and (len(value) != 1 or value.isalnum() or value in "+-.\"'\r\n\0"):
        raise click.BadParameter("is no single character that separates numbers, nor `tab`")
    return value


def max_steps_option(function: Function) -> Function:
    """The option `--max-steps N`."""
    return click.option(
        "--max-steps",
        "most_steps",
        type=click.IntRange(1, MOST_STEPS),
        default=MOST_STEPS,
        show_default=True,
        metavar="N",
        help="Reject specs that expand to more steps, such as a stranger's.",
    )(function)


def specs_of(paths: Iterable[str]) -> list[str]:
    """The specs that arguments mean: of a folder all in it and below. Raises click.UsageError for
    one without any."""
    specs: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            specs.append(path)
            continue
        inside = sorted([*files_below(path, ".yaml"), *files_below(path, ".yml")])
        if not inside:
            raise click.UsageError(visible(f"there are no specs in {path}"))
        specs += map(os.path.normpath, inside)
    return specs


def depth_option(function: Function) -> Function:
    """The option `--depth N`."""
    return click.option(
        "--depth",
        type=click.IntRange(1),
        metavar="N",
        help="Show whole blocks and sections at this depth: 1 is the outermost one.",
    )(function)


class Overrides(NamedTuple):
    """What `--set` sets: parameters of a spec, and fields of its recipe."""

    params: dict[str, object]
    recipe: tuple[Setting, ...]


def read_overrides(settings: Iterable[str]) -> Overrides:
    """The parameters and the fields of the recipe of `--set`. Prints errors and exits with 2."""
    settings = list(settings)
    recipe = [one for one in settings if one.startswith(PREFIX)]
    params = read_settings(one for one in settings if not one.startswith(PREFIX))
    try:
        return Overrides(params, tuple(map(_recipe_setting, recipe)))
    except SpecError as error:
        _exit_with(error)


def _exit_with(error: SpecError) -> NoReturn:
    """Print the errors of options and exit with 2."""
    streams.print_message(full(error.diagnostics, streams.colors(sys.stderr)))
    raise click.exceptions.Exit(2) from None


def _recipe_setting(setting: str) -> Setting:
    name, value = _parsed(setting)
    path, column = [], 1
    for part in name.split("."):
        end = column + len(part)
        path.append(Key(part, Span(value.span.source, 1, column, 1, end)))
        column = end + 1
    return Setting(tuple(path[1:]), Value(value.data, value.span, path[-1].span, value.quoted))


def read_settings(settings: Iterable[str]) -> dict[str, object]:
    """The parameters of `--set`. Prints errors and exits with 2."""
    try:
        return _read(settings)
    except SpecError as error:
        _exit_with(error)


def _read(settings: Iterable[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for setting in settings:
        name, value = _parsed(setting)
        if name in values:
            raise _error(setting, f"sets `{name}` twice")
        values[name] = parameter(name, value.plain(), value.span)
    return values


def _parsed(setting: str) -> tuple[str, Value]:
    """The name and the value of a setting. Raises SpecError."""
    name, equals, text = setting.partition("=")
    if not equals or not name:
        raise _error(setting, "is not of the form NAME=VALUE", "for example --set classes=100")
    source = decode(
        f"{name}: {text}".encode("utf-8", "surrogateescape"), encodable(f"--set {name}")
    )
    read = parse(source).data
    if not isinstance(read, dict) or list(read) != [name]:
        raise _error(setting, "is not a single value", "quote text with line breaks")
    return name, read[name]


def _error(setting: str, message: str, hint: str | None = None) -> SpecError:
    source = SourceText(encodable(f"--set {setting}"), "")
    return SpecError([Diagnostic("ARC413", message, Span(source, 1, 1, 1, 1), hint)])


def not_installed(module: str | None, backend: str) -> str:
    """The message for a missing module, with the extra of archc that installs all of a backend."""
    extra = backends.backend(backend).extra
    return f"{module} is not installed: pip install '{requirement(extra)}'"


def warn_unchecked(network: Network) -> None:
    """Print a note if expectations are not checked because of `--set`."""
    about = network.costs.graph.about
    if about.overrides and network.costs.graph.expect is not None:
        streams.print_message(f"{about.name}: `expect` is not checked with --set")
