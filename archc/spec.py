"""From a file to a costed graph: reading, `extends`, validation, expansion, expectations.

Codes: ARC411 an unknown parameter, ARC111 a network that is too large.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from archc.diagnostics import (
    Diagnostic,
    SourceText,
    SpecError,
    did_you_mean,
    encodable,
)
from archc.ir.binding import typed_training
from archc.ir.costs import Costs, infer
from archc.ir.expand import expand, find_errors
from archc.ir.expectations import check_expectations
from archc.ir.graph import About
from archc.ir.trainability import check_training
from archc.language.document import read_document
from archc.language.evaluate import evaluate_params
from archc.language.extends import ON_DISK, ROOT, Files, follow, merge, root_of
from archc.language.reader import decode_spec, parse, read_spec_text
from archc.language.schema.validate import Findings, validate
from archc.language.syntax import Document
from archc.language.values import Value, mapping
from archc.ops.fields import LARGEST

NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


class Spec(NamedTuple):
    """A spec that has been read and validated; `build` gives its costed graph. `merged` is its
    content merged with its parents, `texts` are those of all these files."""

    document: Document
    source: str
    texts: tuple[str, ...]
    merged: Value

    def build(self, overrides: Mapping[str, object] = NO_OVERRIDES) -> Costs:
        """The graph with its costs, with some parameters overridden. Raises SpecError."""
        unknown = [name for name in overrides if name not in self.document.params]
        if unknown:
            raise SpecError(self._no_parameter(name) for name in unknown)
        document = self.document
        params, diagnostics = evaluate_params(document, overrides)
        recipe, recipe_diagnostics = typed_training(document, params)
        diagnostics += recipe_diagnostics
        if diagnostics:
            raise SpecError([*diagnostics, *find_errors(document, params)])
        about = About(
            name=document.name,
            class_name=document.class_name,
            title=document.title,
            description=document.description,
            references=document.references,
            source=self.source,
            texts=self.texts,
            params=MappingProxyType(params),
            overrides=MappingProxyType(dict(overrides)),
            training=recipe,
        )
        costs = infer(expand(document, about, params))
        self._check_size(costs)
        return costs

    def checked(self, overrides: Mapping[str, object] = NO_OVERRIDES) -> Costs:
        """`build`, then check expectations and the training recipe. Raises SpecError."""
        costs = self.build(overrides)
        diagnostics = check_expectations(costs)
        diagnostics += check_training(costs, self.document.training)
        if diagnostics:
            raise SpecError(diagnostics)
        return costs

    def _no_parameter(self, name: str) -> Diagnostic:
        params = self.document.params
        hint = did_you_mean(name, params) or (
            f"it has {', '.join(params)}" if params else "it has none"
        )
        return Diagnostic("ARC411", f"the spec has no parameter `{name}`", self.document.span, hint)

    def _check_size(self, costs: Costs) -> None:
        for layer in costs.layers:
            if max(layer.params, layer.macs) > LARGEST:
                message = f"`{layer.node.path}` needs more than 2^53 parameters or operations"
                raise SpecError([Diagnostic("ARC111", message, layer.node.origin.span)])
        if max(costs.totals) > LARGEST:
            message = "the network needs more than 2^53 parameters or operations"
            raise SpecError([Diagnostic("ARC111", message, self.document.span)])


def read_spec(path: str) -> Spec:
    """Read a spec and all that it extends. Raises SpecError."""
    if path == "-":
        source = decode_spec(sys.stdin.buffer.read(2**20 + 1), "-")
        return read_source(source, os.path.realpath("."), os.path.join(os.path.realpath("."), "-"))
    real = os.path.realpath(path)
    return read_source(read_spec_text(path), root_of(real), real)


def read_source(source: SourceText, root: str, real: str, files: Files = ON_DISK) -> Spec:
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
        except SpecError as error:
            raise SpecError([*diagnostics, *error.diagnostics]) from None
        checked = validate(value)
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
        params, further = evaluate_params(document, NO_OVERRIDES)
        further += typed_training(document, params)[1]
        raise SpecError([*diagnostics, *further, *find_errors(document, params)])
    name = os.path.relpath(real, root).replace(os.sep, "/")
    if os.path.basename(root) == ROOT:
        name = f"{ROOT}/{name}"
    return Spec(document, encodable(name), tuple(texts), merged)
