"""What must hold of any text that archc takes for a spec: errors that are told well, or outputs
that are what they claim to be. Whatever else happens is a fault."""

from __future__ import annotations

import ast
import csv as csv_format
import io
import json as json_format
import os
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from random import Random
from typing import Any

from archc import backends, cli, training
from archc.api import Network, parameter
from archc.cli.options import _read as read_settings
from archc.diagnostics import Diagnostic, SourceText, SpecError, formats, visible
from archc.diagnostics.characters import printable
from archc.diagnostics.codes import CODES
from archc.difference import difference
from archc.ir.costs import Costs, memory
from archc.language.extends import Files
from archc.language.reader import decode
from archc.reports import csv, html, json, latex, markdown, notebook, resolved, svg, table
from archc.reports import difference as difference_table
from archc.reports.difference_markdown import comment
from archc.spec import Spec, read_source
from archc.training.script import emit
from tests.fuzzing.inputs import CORPUS, SHIPPED, Input

MOST_STEPS = 2000
"""The limit of the steps of a spec: up to the usual one an input takes seconds."""
FOLDER = "/specs"
"""Where the specs of an input lie, those of the corpus beside it; nothing is on the disk."""
LARGE = 400
"""Layers above which no difference to another network is taken."""
BATCH = 3
COMMANDS = 0.004
"""How many specs go through the command line too."""
EVERY_FORM = 0.2
"""Of how many faulty specs the errors are printed in every form."""


def check_spec(made: Input) -> str:
    """Check what archc makes of an input of `inputs.SPEC_KINDS`. Returns what came of it in one
    word: `read`, or the first error's code. Raises what archc should not."""
    random = Random(made.seed)
    if made.kind == "setting":
        return _check_setting(made, random)
    try:
        spec = _read(made.data)
        costs = spec.checked()
    except SpecError as error:
        check_diagnostics(error.diagnostics, every_form=random.random() < EVERY_FORM)
        return error.diagnostics[0].code
    finally:
        if random.random() < COMMANDS:
            _check_commands(made.data, random)
    network = Network(spec, costs)
    check = random.choices(CHECKS, [_OUTPUTS[one] for one in CHECKS])[0]
    check(network, made, random)
    return "read"


def _read(data: bytes) -> Spec:
    source = decode(data, "fuzzed.yaml")
    return read_source(source, FOLDER, f"{FOLDER}/fuzzed.yaml", _FILES, MOST_STEPS)


def _beside(path: str, display: str, root: str) -> SourceText:
    name = os.path.basename(path)
    for folder in (CORPUS, SHIPPED):
        if name in os.listdir(folder):
            return decode((folder / name).read_bytes(), display)
    raise SpecError([Diagnostic("ARC001", "cannot be read: no such file", _NOWHERE)])


_FILES = Files(os.path.normpath, _beside)
_NOWHERE = formats.Span(SourceText("nowhere", ""), 1, 1, 1, 1)


@cache
def _base(name: str) -> Costs | None:
    """The network of a seed; None where it is faulty."""
    path = next(folder / f"{name}.yaml" for folder in (CORPUS, SHIPPED)
                if (folder / f"{name}.yaml").is_file())  # fmt: skip
    try:
        return _read(path.read_bytes()).build()
    except SpecError:
        return None


def check_diagnostics(diagnostics: Sequence[Diagnostic], *, every_form: bool = True) -> None:
    """Errors have a known code and a place in their text, and every form of them is
    sound."""
    assert diagnostics
    for item in diagnostics:
        assert item.code in CODES, item
        assert item.message, item
        for span in (item.span, *(note.span for note in item.notes)):
            lines = span.source.text.split("\n")
            if span.source.text:  # a file that is no spec has none here
                assert 1 <= span.line <= len(lines), item
                assert 1 <= span.column <= len(lines[span.line - 1]) + 1, item
            assert (span.end_line, span.end_column) >= (span.line, span.column), item
    check_printable(formats.full(diagnostics))
    if every_form:
        _check_forms(diagnostics)


def _check_forms(diagnostics: Sequence[Diagnostic]) -> None:
    check_printable(formats.full(diagnostics, color=True).replace("\x1b", ""))
    concise = formats.concise(diagnostics)
    check_printable(concise)
    assert len(concise.split("\n")) == len(diagnostics)
    findings = json_format.loads(formats.as_json(diagnostics))["findings"]
    assert [one["code"] for one in findings] == [one.code for one in diagnostics]
    github = formats.github(diagnostics)
    lines = github.removesuffix("\n").split("\n")
    assert len(lines) == len(diagnostics)
    assert all(printable(line) == line for line in lines), github
    assert all(line.startswith("::error file=") for line in lines)
    sarif = json_format.loads(formats.sarif(diagnostics, "1"))
    assert len(sarif["runs"][0]["results"]) == len(diagnostics)


def check_printable(text: str) -> None:
    """Nothing in the text moves a terminal's cursor, hides a part of it, or is a command to a CI
    runner."""
    for line in text.split("\n"):
        assert visible(line) == line, ascii(line)


def _json(network: Network, made: Input, random: Random) -> None:
    usage = memory(network.costs, BATCH)
    report = json_format.loads(json.text(json.report(network.costs, usage)))
    layers = report["layers"]
    assert sum(layer["params"] for layer in layers) == report["totals"]["params"]
    assert len({layer["path"] for layer in layers}) == len(layers)


def _csv(network: Network, made: Input, random: Random) -> None:
    text = csv.report(network.costs)
    rows = list(csv_format.reader(io.StringIO(text)))
    assert len(rows) == len(network.costs.layers) + 1
    assert len({len(row) for row in rows}) == 1
    check_printable(text)


def _markdown(network: Network, made: Input, random: Random) -> None:
    check_printable(markdown.document(network.costs))
    check_printable(markdown.report(network.costs, memory(network.costs, BATCH)))


def _latex(network: Network, made: Input, random: Random) -> None:
    text = latex.report(network.costs, memory(network.costs, BATCH))
    check_printable(text)
    assert text.count("\\begin{") == text.count("\\end{")


def _table(network: Network, made: Input, random: Random) -> None:
    width = random.choice((None, 1, 20, 80))
    check_printable(table.report(network.costs, memory(network.costs, BATCH), width))


def _color_table(network: Network, made: Input, random: Random) -> None:
    text = table.color_report(network.costs, None, random.choice((None, 30)))
    check_printable(text.replace("\x1b", ""))


def _svg(network: Network, made: Input, random: Random) -> None:
    root = ElementTree.fromstring(svg.report(network.costs))
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert not tags & {"script", "foreignObject", "image", "a", "use", "animate", "set"}


def _html(network: Network, made: Input, random: Random) -> None:
    text = html.report(network.costs, _sources(network), memory(network.costs, BATCH))
    assert text.isascii() or text.encode("utf-8")
    assert text.count("<script") == text.count("</script>")
    assert "onerror=" not in text
    fragment = notebook.fragment(network.costs, svg.report(network.costs))
    assert "<script" not in fragment


def _sources(network: Network) -> dict[str, str]:
    sources = {}
    for name in backends.names():
        try:
            source = network.emit(name)
        except SpecError as error:
            check_diagnostics(error.diagnostics)
            continue
        if isinstance(source, str):
            sources[name] = source
    return sources


def _build(network: Network, made: Input, random: Random) -> None:
    """What a backend emits is Python that defines nothing but what it should, or a file that can be
    read."""
    name = random.choice(backends.names())
    try:
        emitted = network.compiled(name)
    except SpecError as error:
        check_diagnostics(error.diagnostics)
        return
    backend = backends.backend(name)
    if isinstance(emitted.source, bytes):
        assert backend.text is not None
        check_printable(backend.text(emitted.source))
    elif backend.suffix == ".py":
        check_source(emitted.source)


def check_source(source: str) -> None:
    """Emitted Python compiles, and prints alike on every terminal."""
    compile(source, "emitted.py", "exec")
    check_printable(source)
    defined = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert "build_model" in defined


def _script(network: Network, made: Input, random: Random) -> None:
    name = random.choice(training.trainable())
    try:
        script = emit(name, network)
    except SpecError as error:
        check_diagnostics(error.diagnostics)
        return
    compile(script, "script.py", "exec")


def _show(network: Network, made: Input, random: Random) -> None:
    try:
        text = resolved.resolved(network.costs)
    except resolved.UnwritableError:
        return
    check_printable(text)


def _diff(network: Network, made: Input, random: Random) -> None:
    costs = network.spec.build()
    same = difference(costs, costs)
    assert same.is_empty
    base = _base(made.base)
    if base is None or len(costs.layers) > LARGE:
        return
    result = difference(base, costs)
    report: Mapping[str, Any] = json_format.loads(json.text(result.report()))
    delta = costs.totals.params - base.totals.params
    assert report["totals"]["params"]["delta"] == delta
    check_printable(comment(result, everything=random.random() < 0.3))
    check_printable(difference_table.table(result, width=random.choice((None, 20, 80))))


_Check = Callable[[Network, Input, Random], None]
_OUTPUTS: Mapping[_Check, float] = {
    _json: 10,
    _csv: 10,
    _markdown: 10,
    _latex: 10,
    _table: 10,
    _svg: 10,
    _show: 10,
    _diff: 10,
    _build: 10,
    _color_table: 2,
    _html: 1,
    _script: 1,
}
"""Every output, with the share of networks that it is made of: cheap ones often."""
CHECKS = tuple(_OUTPUTS)


def _check_setting(made: Input, random: Random) -> str:
    text = made.data.decode("utf-8", "surrogateescape")
    spec = _read((CORPUS / "parent.yaml").read_bytes())
    try:
        overrides = read_settings([text])
        for name, value in overrides.items():
            parameter(name, value)
        spec.checked(overrides)
    except SpecError as error:
        check_diagnostics(error.diagnostics)
        return error.diagnostics[0].code
    return "read"


_COMMANDS = (
    ["validate", "--format", "full"],
    ["validate", "--format", "sarif"],
    ["report"],
    ["report", "--format", "html"],
    ["build", "--backend", "all", "-o", "OUT"],
    ["show", "--resolved"],
    ["show"],
)


def _check_commands(data: bytes, random: Random) -> None:
    """A command exits with 0, 1 or 2, and calls nothing an internal error."""
    arguments = random.choice(_COMMANDS)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fuzzed.yaml")
        with open(path, "wb") as stream:
            stream.write(data)
        parts = [os.path.join(folder, "out") if part == "OUT" else part for part in arguments]
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors):
            code = cli.main([*parts, "--max-steps", f"{MOST_STEPS}", "--", path])
    assert code in (0, 1, 2), (code, errors.getvalue())
    assert "internal error" not in errors.getvalue(), errors.getvalue()
    assert code != 2 or "ARC" in errors.getvalue() + output.getvalue(), errors.getvalue()
