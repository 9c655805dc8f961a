"""From a file to a costed graph: reading, `extends`, validation, expansion, expectations.

Codes: ARC410 an `extends` that cannot be followed, ARC411 an override of no parameter, ARC111 a
network too large to count.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from archc.arguments import typed_training
from archc.diagnostics import (
    Diagnostic,
    Place,
    SourceText,
    SpecError,
    did_you_mean,
    encodable,
)
from archc.document import mapping, read_document
from archc.evaluate import evaluate_params
from archc.expand import expand, find_faults
from archc.expect import check_expectations
from archc.graph import About
from archc.infer import Costs, infer
from archc.ops.fields import LARGEST
from archc.schema.validate import Findings, validate
from archc.source import Value, decode, parse, read_text
from archc.steps import Document
from archc.trainable import check_training

LONGEST_CHAIN = 16
ROOT = "specs"
NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


class Files(NamedTuple):
    """Where specs are read: `real` gives the one path of a file, links followed; `read` its text,
    by a path, the name that messages use, and the folder that it must lie in."""

    real: Callable[[str], str]
    read: Callable[[str, str, str], SourceText]


def _read_inside(path: str, display: str, root: str) -> SourceText:
    return read_text(path, display=display, root=root)


ON_DISK = Files(os.path.realpath, _read_inside)


class Spec(NamedTuple):
    """A spec that has been read and checked; `build` gives its costed graph. `merged` is what it
    says with what it extends, `texts` are those of all these files."""

    document: Document
    source: str
    texts: tuple[str, ...]
    merged: Value

    def build(self, overrides: Mapping[str, object] = NO_OVERRIDES) -> Costs:
        """The graph under values for some parameters, with its costs. Raises SpecError."""
        unknown = [name for name in overrides if name not in self.document.params]
        if unknown:
            raise SpecError(self._no_parameter(name) for name in unknown)
        document = self.document
        params, found = evaluate_params(document, overrides)
        recipe, faults = typed_training(document, params)
        found += faults
        if found:
            raise SpecError([*found, *find_faults(document, params)])
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
        """`build`; what the spec expects holds as well, and its recipe fits. Raises SpecError."""
        costs = self.build(overrides)
        misses = check_expectations(costs)
        misses += check_training(costs, self.document.training)
        if misses:
            raise SpecError(misses)
        return costs

    def _no_parameter(self, name: str) -> Diagnostic:
        params = self.document.params
        hint = did_you_mean(name, params) or (
            f"it has {', '.join(params)}" if params else "it has none"
        )
        return Diagnostic(
            "ARC411", f"the spec has no parameter `{name}`", self.document.place, hint
        )

    def _check_size(self, costs: Costs) -> None:
        for layer in costs.layers:
            if max(layer.params, layer.macs) > LARGEST:
                message = f"`{layer.node.path}` takes more than 2^53 parameters or operations"
                raise SpecError([Diagnostic("ARC111", message, layer.node.origin.place)])
        if max(costs.totals) > LARGEST:
            message = "the network takes more than 2^53 parameters or operations"
            raise SpecError([Diagnostic("ARC111", message, self.document.place)])


def read_spec(path: str) -> Spec:
    """Read a spec and all that it extends. Raises SpecError."""
    if path == "-":
        source = decode(sys.stdin.buffer.read(2**20 + 1), "-")
        return read_source(source, os.path.realpath("."), os.path.join(os.path.realpath("."), "-"))
    real = os.path.realpath(path)
    return read_source(read_text(path), root_of(real), real)


def root_of(real: str) -> str:
    """The nearest folder `specs` that holds the file, else the file's own: `extends` stays in it,
    and emitted headers name the spec from there on."""
    folder = os.path.dirname(real)
    above = folder
    while above != os.path.dirname(above):
        if os.path.basename(above) == ROOT:
            return above
        above = os.path.dirname(above)
    return folder


def read_source(source: SourceText, root: str, real: str, files: Files = ON_DISK) -> Spec:
    """Check a spec's text; what it extends is looked for beside `real`, inside `root`."""
    findings = Findings([], set(), {})
    found, broken, misspelt = findings
    texts = []
    merged: Value | None = None
    chain = [real]
    while True:
        texts.append(source.text)
        try:
            value = parse(source)
        except SpecError as error:
            raise SpecError([*found, *error.diagnostics]) from None
        checked = validate(value)
        found += checked.found
        broken |= checked.broken
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
        if extends in broken:
            raise SpecError(found)
        try:
            source, following = _follow(extends, root, chain, files)
        except SpecError as error:
            raise SpecError([*found, *error.diagnostics]) from None
        chain.append(following)
    document, faults = read_document(merged, findings)
    found += faults
    if document is None:
        raise SpecError(found)
    if found:
        # Carried out as far as it can be, so that one run tells every fault.
        params, faults = evaluate_params(document, NO_OVERRIDES)
        faults += typed_training(document, params)[1]
        raise SpecError([*found, *faults, *find_faults(document, params)])
    name = os.path.relpath(real, root).replace(os.sep, "/")
    if os.path.basename(root) == ROOT:
        name = f"{ROOT}/{name}"
    return Spec(document, encodable(name), tuple(texts), merged)


def _follow(extends: Value, root: str, chain: list[str], files: Files) -> tuple[SourceText, str]:
    """The text that `extends` names, and its real path. Raises SpecError (ARC410)."""
    given = str(extends.data)

    def refuse(message: str, hint: str | None = None) -> SpecError:
        return SpecError([Diagnostic("ARC410", message, extends.place, hint)])

    if os.path.isabs(given) or "\\" in given or ":" in given or not given or "\0" in given:
        raise refuse("`extends` must be a relative path with forward slashes")
    if not given.endswith((".yaml", ".yml")):
        raise refuse("`extends` must name a .yaml file")
    target = os.path.normpath(os.path.join(os.path.dirname(chain[-1]), given))
    real = files.real(target)
    if os.path.commonpath([real, root]) != root:
        raise refuse(
            "`extends` leads out of the spec's folder", "keep both under one `specs` folder"
        )
    if real in chain:
        names = [os.path.basename(path) for path in chain[chain.index(real) :]]
        way = " -> ".join([*names, os.path.basename(real)])
        raise refuse(f"`extends` goes in a circle: {way}")
    if len(chain) >= LONGEST_CHAIN:
        raise refuse(f"`extends` chains more than {LONGEST_CHAIN} files")
    display = os.path.join(os.path.dirname(_shown(extends.place)), given)
    try:
        return files.read(target, os.path.normpath(display), root), real
    except SpecError as error:
        raise refuse(error.diagnostics[0].message) from None


def _shown(place: Place) -> str:
    return place.source.name


def merge(parent: Value, child: Value) -> Value:
    """`child` over `parent`: mappings merge key by key, all else is replaced. The axes of an input
    and the steps of a block are one value each, replaced as a whole."""
    merged = dict(mapping(parent))
    given = mapping(child)
    if "input" in given or "inputs" in given:
        merged.pop("input", None)
        merged.pop("inputs", None)
    merged.pop("extends", None)
    for key, value in given.items():
        if key in ("params", "blocks", "expect", "training") and key in merged:
            deeper = key in ("blocks", "expect")
            value = _merge_entries(merged[key], value, deeper=deeper)
        if key != "extends":
            merged[key] = value
    return Value(merged, child.place, child.key_place)


def _merge_entries(parent: Value, child: Value, *, deeper: bool) -> Value:
    merged = dict(mapping(parent))
    for key, value in mapping(child).items():
        both = key in merged and isinstance(merged[key].data, dict) and isinstance(value.data, dict)
        if deeper and both and key != "output":
            value = _merge_entries(merged[key], value, deeper=True)
        merged[key] = value
    return Value(merged, child.place, child.key_place)
