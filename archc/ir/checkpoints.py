"""Tables of names: which layer of a file is which op of a network.

A rule maps the path of an op to the name of a layer. `{n}`, with any name in lower-case letters,
stands for a number of the path; the layer's name may compute with it: `{n}`, `{n-1}`, `{2*n}`,
`{2*n-1}`.

Code: ARC604 a rule that is malformed, matches nothing, or matches what another rule matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from archc.diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean
from archc.ir.costs import Costs, Layer
from archc.ir.graph import Graph
from archc.ir.sharing import reuses_layer
from archc.language.values import Value, mapping

_NUMBER = re.compile(r"\{([a-z]+)\}")
_COMPUTED = re.compile(r"\{(?:([0-9]{1,4})\*)?([a-z]+)([+-][0-9]{1,4})?\}")
_PATH = re.compile(r"[a-z0-9_.]+")
_HINT = "write `{n}`, `{n-1}`, `{2*n}` or `{2*n-1}`"


class Rule(NamedTuple):
    """A pattern of the paths of ops, the name of their layers, and where the rule stands. `path`
    is the pattern as written."""

    path: str
    pattern: re.Pattern[str]
    layer: str
    span: Span

    def layer_of(self, path: str) -> str:
        """The name of the layer of an op whose path matches."""
        match = self.pattern.fullmatch(path)
        numbers = {} if match is None else match.groupdict()
        return _COMPUTED.sub(partial(_computed, numbers), self.layer)


def _computed(numbers: Mapping[str, str], placeholder: re.Match[str]) -> str:
    factor, name, offset = placeholder.groups()
    if factor is None and offset is None:
        return numbers[name]
    return str(int(factor or 1) * int(numbers[name]) + int(offset or 0))


def read_table(value: Value) -> tuple[Rule, ...]:
    """The rules of a table in a YAML file, a mapping. Raises SpecError (ARC604) with every
    malformed one."""
    if not isinstance(value.data, dict):
        raise SpecError([Diagnostic("ARC604", "a table of names is a mapping", value.span)])
    rules: list[Rule] = []
    diagnostics = []
    for path, layer in value.data.items():
        span = layer.key_span or layer.span
        numbers = _NUMBER.findall(path)
        if not _PATH.fullmatch(_NUMBER.sub("0", path)) or len(set(numbers)) < len(numbers):
            message = f"`{path[:100]}` must be a path of ops with each `{{n}}` once"
            diagnostics.append(Diagnostic("ARC604", message, span))
        elif isinstance(layer.data, bool) or not isinstance(layer.data, int | str):
            message = f"`{path}` must map to the name of a layer"
            diagnostics.append(Diagnostic("ARC604", message, layer.span))
        else:
            name = str(layer.data)
            diagnostics += _errors_in(name, numbers, path, layer.span)
            pattern = _NUMBER.sub(r"(?P<\1>[0-9]{1,9})", path.replace(".", r"\."))
            rules.append(Rule(path, re.compile(pattern), name, span))
    if diagnostics:
        raise SpecError(diagnostics)
    return tuple(rules)


def _errors_in(layer: str, numbers: Iterable[str], path: str, span: Span) -> list[Diagnostic]:
    """The errors of a layer's name: it refers to the numbers of the path."""
    if not layer:
        return [Diagnostic("ARC604", f"`{path}` must map to the name of a layer", span)]
    rest = _COMPUTED.sub("", layer)
    if "{" in rest or "}" in rest:
        message = f"`{layer[:100]}` has a placeholder that is none"
        return [Diagnostic("ARC604", message, span, _HINT)]
    unknown = sorted({name for _, name, _ in _COMPUTED.findall(layer)}.difference(numbers))
    return [
        Diagnostic("ARC604", f"`{path}` has no `{{{name}}}`, which `{layer[:100]}` uses", span)
        for name in unknown
    ]


def tables(graph: Graph) -> dict[str | None, Sequence[Rule]]:
    """The tables of names of a spec's `checkpoints`. Raises SpecError (ARC604)."""
    entries = mapping(graph.checkpoints)
    return {name: read_table(value) for name, value in entries.items()}


def check_checkpoints(costs: Costs) -> list[Diagnostic]:
    """The errors of the rules of a spec's `checkpoints`. With parameters set from outside
    (`--set`), which may leave nothing for a rule, they are not checked."""
    graph = costs.graph
    if graph.about.overrides:
        return []
    diagnostics: list[Diagnostic] = []
    paths = [layer.node.path for layer in costs.layers if layer.variables or _is_tied(layer, graph)]
    for value in mapping(graph.checkpoints).values():
        try:
            diagnostics += layers_of(paths, read_table(value), graph)[1]
        except SpecError as error:
            diagnostics += error.diagnostics
    return diagnostics


def _is_tied(layer: Layer, graph: Graph) -> bool:
    """Whether a layer without arrays of its own is another place of an array: that of a tied
    head."""
    return layer.node.weights >= 0 and not reuses_layer(graph, layer.node)


def layers_of(
    paths: Iterable[str], table: Iterable[Rule], graph: Graph
) -> tuple[dict[str, str], list[Diagnostic]]:
    """The layer of each op that a rule matches, by its path, and the errors of rules that match
    none of the `paths`, or what another rule matches."""
    layers: dict[str, str] = {}
    owners: dict[str, Rule] = {}
    diagnostics = []
    paths = dict.fromkeys(paths)
    for rule in table:
        # Most rules of a long table are single paths.
        candidates = paths if "{" in rule.path else paths.keys() & {rule.path}
        matching = [path for path in candidates if rule.pattern.fullmatch(path)]
        if not matching:
            diagnostics.append(_unmatched(rule, paths, graph))
        for path in matching:
            first = owners.setdefault(path, rule)
            if first is rule:
                layers[path] = rule.layer_of(path)
            else:
                message = f"`{rule.path}` matches `{path}`, which another rule does too"
                note = Note(f"`{first.path}` matches it", first.span)
                diagnostics.append(
                    Diagnostic("ARC604", message, rule.span, "keep one of them", (note,))
                )
                break
    return layers, diagnostics


def _unmatched(rule: Rule, paths: Iterable[str], graph: Graph) -> Diagnostic:
    if any(rule.pattern.fullmatch(node.path) for node in graph.nodes):
        message = f"`{rule.path}` matches only ops without arrays"
        return Diagnostic("ARC604", message, rule.span, "remove it")
    hint = did_you_mean(rule.path, paths) or "`archc report` shows the paths of the network"
    return Diagnostic("ARC604", f"`{rule.path}` matches no op of the network", rule.span, hint)
