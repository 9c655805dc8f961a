"""From a file to a costed graph: reading, `extends`, validation, expansion, expectations.

Codes: ARC411 an unknown parameter, ARC111 a network that is too large.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from archc.diagnostics import (
    Diagnostic,
    SourceText,
    Span,
    SpecError,
    encodable,
    names_hint,
)
from archc.diagnostics.collector import Collector, Unknown
from archc.ir.binding import evaluated_expectations, typed_training
from archc.ir.costs import Costs, infer
from archc.ir.expand import expand, find_errors
from archc.ir.expectations import check_expectations
from archc.ir.graph import About
from archc.ir.limits import MOST_STEPS
from archc.ir.trainability import check_training
from archc.language import library
from archc.language.document import read_document
from archc.language.evaluate import evaluate_params
from archc.language.extends import ON_DISK, ROOT, Files, follow, merge, root_of
from archc.language.overrides import Setting, override
from archc.language.reader import MAX_BYTES, decode_spec, parse, read_spec_text
from archc.language.recipe import Training
from archc.language.schema.findings import Findings
from archc.language.schema.validate import validate
from archc.language.syntax import Document
from archc.language.values import Value, mapping
from archc.ops.fields import LARGEST
from archc.records import replace

NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


class Spec(NamedTuple):
    """A spec that has been read and validated; `build` gives its costed graph. `merged` is its
    content merged with its parents, `texts` are those of all these files; `most_steps` limits what
    it may expand to."""

    document: Document
    source: str
    texts: tuple[str, ...]
    merged: Value
    most_steps: int = MOST_STEPS

    def with_recipe(self, settings: Sequence[Setting]) -> Spec:
        """The spec with fields of its training recipe set from outside, checked as if it had them.
        Raises SpecError."""
        if not settings:
            return self
        merged = override(self.merged, settings)
        findings = validate(merged)
        document, further = read_document(merged, findings)
        if document is None or findings.diagnostics or further:
            raise SpecError([*findings.diagnostics, *further])
        return self._replace(document=document, merged=merged)

    def build(self, overrides: Mapping[str, object] = NO_OVERRIDES) -> Costs:
        """The graph with its costs, with some parameters overridden. Raises SpecError."""
        unknown = [name for name in overrides if name not in self.document.params]
        if unknown:
            raise SpecError(self._no_parameters(unknown))
        document = self.document
        params, recipe, expect, diagnostics = _evaluated(document, overrides)
        if diagnostics:
            raise SpecError([*diagnostics, *find_errors(document, params, self.most_steps)])
        about = About(
            name=document.name,
            class_name=document.class_name,
            title=document.title,
            description=document.description,
            references=document.references,
            catalog=document.catalog,
            source=self.source,
            texts=self.texts,
            params=MappingProxyType(params),
            overrides=MappingProxyType(dict(overrides)),
            training=recipe,
        )
        expected = replace(document, expect=expect)
        costs = infer(expand(expected, about, params, self.most_steps))
        self._check_size(costs)
        return costs

    def checked(self, overrides: Mapping[str, object] = NO_OVERRIDES) -> Costs:
        """`build`, then check expectations, tables of checkpoints and the training recipe. Raises
        SpecError."""
        costs = self.build(overrides)
        diagnostics = check_expectations(costs)
        if costs.graph.checkpoints is not None:
            from archc.ir.checkpoints import check_checkpoints  # few specs have any

            diagnostics += check_checkpoints(costs)
        diagnostics += check_training(costs, self.document.training)
        if diagnostics:
            raise SpecError(diagnostics)
        return costs

    def _no_parameters(self, names: Iterable[str]) -> list[Diagnostic]:
        params = self.document.params
        hint = names_hint("it has", params) if params else "it has none"
        errors = Collector()
        for name in names:
            error = Diagnostic("ARC411", f"the spec has no parameter `{name}`", self.document.span)
            errors.report(error, unknown=Unknown(name, params.keys, lambda: hint))
        return errors.diagnostics()

    def _check_size(self, costs: Costs) -> None:
        for layer in costs.layers:
            if max(layer.params, layer.macs) > LARGEST:
                message = f"`{layer.node.path}` needs more than 2^53 parameters or operations"
                hint = "choose smaller sizes, or fewer filters or units"
                raise SpecError([Diagnostic("ARC111", message, layer.node.origin.span, hint)])
        if max(costs.totals) > LARGEST:
            message = "the network needs more than 2^53 parameters or operations"
            hint = "choose smaller sizes, or fewer layers"
            raise SpecError([Diagnostic("ARC111", message, self.document.span, hint)])


def _evaluated(
    document: Document, overrides: Mapping[str, object]
) -> tuple[dict[str, object], Training | None, Value | None, list[Diagnostic]]:
    """The parameters, the training recipe and the expectations of a document, and the diagnostics
    of these. With parameters set from outside, expectations stay as they are."""
    params, diagnostics = evaluate_params(document, overrides)
    recipe, further = typed_training(document, params)
    diagnostics += further
    expect = document.expect
    if not overrides:
        expect, further = evaluated_expectations(document, params)
        diagnostics += further
    return params, recipe, expect, diagnostics


def read_spec(path: str, most_steps: int = MOST_STEPS) -> Spec:
    """Read a spec, by its path or the name of an installed one, and all that it extends. Raises
    SpecError."""
    if path == "-":
        here = os.path.realpath(".")
        real = os.path.join(here, "-")
        return read_source(_standard_input(), here, real, most_steps=most_steps)
    found = library.find(path)
    files = ON_DISK
    if found != path:
        source, files = library.read(found)
    else:
        source = _typed(path)
    real = os.path.realpath(found)
    return read_source(source, root_of(real), real, files, most_steps)


def _typed(path: str) -> SourceText:
    """The text at a path. Raises SpecError."""
    hint = None if os.path.lexists(path) else library.unknown_hint(path)
    try:
        return read_spec_text(path)
    except SpecError as error:
        if hint is None:
            raise
        (missing,) = error.diagnostics
        diagnostic = Diagnostic(missing.code, missing.message, missing.span, hint)
        raise SpecError([diagnostic]) from None


def _standard_input() -> SourceText:
    """The text of standard input. Raises SpecError (ARC001 to ARC003)."""
    try:
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed")
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError where it was closed later
        reason = (getattr(error, "strerror", None) or "standard input is closed").lower()
        span = Span(SourceText("-", ""), 1, 1, 1, 1)
        raise SpecError([Diagnostic("ARC001", f"cannot be read: {reason}", span)]) from None
    return decode_spec(data, "-")


def read_source(
    source: SourceText,
    root: str,
    real: str,
    files: Files = ON_DISK,
    most_steps: int = MOST_STEPS,
) -> Spec:
    """Read and validate a spec's text; parents are resolved relative to `real`, inside `root`."""
    findings = Findings([], set(), {})
    diagnostics, invalid, misspelt = findings
    texts = []
    merged: Value | None = None
    chain = [real]
    while True:
        texts.append(source.text)
        try:
            value = parse(source)
            checked = validate(value)
        except SpecError as error:
            raise SpecError([*diagnostics, *error.diagnostics]) from None
        diagnostics += checked.diagnostics
        invalid |= checked.invalid
        misspelt |= checked.misspelt
        if merged is None:
            merged = value
        else:
            keys = [*misspelt.get(merged, ()), *misspelt.get(value, ())]
            merged = merge(value, merged)
            misspelt[merged] = keys
        extends = mapping(value).get("extends")
        if extends is None:
            break
        if extends in invalid:
            raise SpecError(diagnostics)
        try:
            source, following = follow(extends, root, chain, files)
        except SpecError as error:
            raise SpecError([*diagnostics, *error.diagnostics]) from None
        chain.append(following)
    document, further = read_document(merged, findings)
    diagnostics += further
    if document is None:
        raise SpecError(diagnostics)
    if diagnostics:
        # Expanded as far as possible, so that one run reports every error.
        params, _, _, further = _evaluated(document, NO_OVERRIDES)
        further += find_errors(document, params, most_steps)
        raise SpecError([*diagnostics, *further])
    name = os.path.relpath(real, root).replace(os.sep, "/")
    if os.path.basename(root) == ROOT:
        name = f"{ROOT}/{name}"
    return Spec(document, encodable(name), tuple(texts), merged, most_steps)
