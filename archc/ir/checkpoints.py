"""Tables of names: which layer of a file is which op of a network.

A rule maps the path of an op to the name of a layer, or that of a section or a block's instance to
the name under which its layers stand. `{n}`, with any name in lower-case letters, stands for a
number of the path; the layer's name may compute with it: `{n}`, `{n-1}`, `{2*n-1}`, `{n/2}` without
its remainder, `{n:a}` for a letter. A rule inside of what another one names
comes first, and a path before a pattern.

A path that begins with `*.` stands for all that end in the rest and that no other rule matches;
`{#}` numbers them, in the order of the spec from 0: `"*.conv": "conv2d_{#}"`.

Code: ARC604 a rule that is malformed, matches nothing, or matches what another rule matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from string import ascii_lowercase
from types import MappingProxyType
from typing import NamedTuple

from archc.diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean
from archc.ir.costs import Costs, Layer
from archc.ir.graph import Graph
from archc.ir.sharing import reuses_layer
from archc.language.values import Value, mapping, sequence, text, texts
from archc.ops.base import Op

_NUMBER = re.compile(r"\{([a-z]+)\}")
_COMPUTED = re.compile(
    r"\{(?:([0-9]{1,4})\*)?([a-z]+)(?:/([1-9][0-9]{0,3}))?([+-][0-9]{1,4})?(:a)?\}"
)
_PATH = re.compile(r"(?:\*\.)?[A-Za-z0-9_.-]+")
_ANYWHERE = "*."
_POSITION = "{#}"
_POWER = re.compile(r"([a-z_]+)\^(-?[0-9](?:\.[0-9]{1,4})?)")
_HINT = "write `{n}`, `{n-1}`, `{2*n}` or `{2*n-1}`"
IGNORED = "ignored"
"""The key of the parts of a file that are nothing of the network; its value is a list."""
KINDS = ("weight", "bias")
"""What the variables of one projection of an op are called: `query_weight`, `query_bias`."""
_EXPECTED = {
    "arrays": "a mapping of arrays to variables",
    "transposed": "true or false",
    "blocks": "a list of numbers",
    "factors": "a mapping of variables to numbers",
}
_EXAMPLES = {
    "arrays": "`arrays: {kernel: weight}`, or `qkv: [query_weight, key_weight, value_weight]`",
    "transposed": "`transposed: true`",
    "blocks": "`blocks: [0, 2, 1, 3]`",
    "factors": "`factors: {weight: 0.5}`",
}


class Rule(NamedTuple):
    """A pattern of paths, the name of their layers, and where the rule stands. `path` is the
    pattern as written.

    `arrays` are the arrays of the layer in the file by their names there: each holds variables of
    the op, one after another along the first axis, or none. `transposed` says that matrices
    have the features that come in first. `members` says where each variable that the arrays hold
    is written. `blocks` says how the channels that come in, whose order
    in the network is that of `space_to_depth`, stand in the file: block by block, each with one
    position of every group. The network's variables are those of the file times their
    `factors`."""

    path: str
    pattern: re.Pattern[str]
    layer: str
    span: Span
    arrays: Mapping[str, tuple[str, ...]] | None = None
    transposed: bool = False
    blocks: tuple[int, ...] = ()
    factors: Mapping[str, Value] = MappingProxyType({})
    members: Mapping[str, Span] = MappingProxyType({})

    @property
    def is_of_op(self) -> bool:
        """Whether the rule says more than a name, which it can of an op alone."""
        return self.arrays is not None or self.transposed or bool(self.blocks or self.factors)

    def factor(self, variable: str, op: Op) -> float:
        """The factor of a variable of an op, or of the projection that it is of. Raises SpecError
        (ARC604)."""
        projection = variable.rpartition("_")[0] if variable.endswith(KINDS) else variable
        value = self.factors.get(variable, self.factors.get(projection))
        if value is None:
            return 1.0
        power = _POWER.fullmatch(str(value.data))
        base = getattr(op, power[1], None) if power is not None else None
        if isinstance(base, int | float) and base > 0:
            assert power is not None
            return float(base ** float(power[2]))
        if isinstance(value.data, bool) or not isinstance(value.data, int | float):
            message = f"a factor of `{self.path}` must be a number or a power of one of its fields"
            hint = "write `heads^-0.5` for 1 / sqrt(heads)"
            raise SpecError([Diagnostic("ARC604", message, value.span, hint)])
        return float(value.data)

    @property
    def is_anywhere(self) -> bool:
        """Whether the rule is for what no other one matches."""
        return self.path.startswith(_ANYWHERE)

    def layer_of(self, path: str, position: int) -> str:
        """The name of the layer of an op whose path matches, as the `position`-th one, from 0."""
        match = self.pattern.fullmatch(path)
        numbers = {} if match is None else match.groupdict()
        layer = self.layer.replace(_POSITION, str(position))
        return _COMPUTED.sub(partial(_computed, numbers), layer)


class Table(NamedTuple):
    """The rules for a file, and the parts of it that are nothing of the network."""

    rules: tuple[Rule, ...] = ()
    ignored: tuple[str, ...] = ()


class NamedLayer(NamedTuple):
    """The layer of an op in a file, by a rule: `name` is that of what the first `depth` parts of
    the op's path name."""

    name: str
    depth: int
    rule: Rule


def _computed(numbers: Mapping[str, str], placeholder: re.Match[str]) -> str:
    factor, name, divisor, offset, letter = placeholder.groups()
    if not any((factor, divisor, offset, letter)):
        return numbers[name]
    number = int(factor or 1) * int(numbers[name]) // int(divisor or 1) + int(offset or 0)
    return ascii_lowercase[number - 1] if letter and 0 < number <= 26 else str(number)


def read_table(value: Value) -> Table:
    """A table in a YAML file, a mapping. Raises SpecError (ARC604) with every malformed rule."""
    if not isinstance(value.data, dict):
        hint = "write the paths of ops as keys: `conv_1: features.0`"
        raise SpecError([Diagnostic("ARC604", "a table of names is a mapping", value.span, hint)])
    rules: list[Rule] = []
    ignored: list[str] = []
    diagnostics: list[Diagnostic] = []
    for path, target in value.data.items():
        span = target.key_span or target.span
        if path == IGNORED and isinstance(target.data, list):
            ignored += texts(target)
            continue
        errors, rule = _read_rule(path, target, span)
        diagnostics += errors
        if rule is not None:
            rules.append(rule)
    if diagnostics:
        raise SpecError(diagnostics)
    return Table(tuple(rules), tuple(ignored))


def _read_rule(path: str, target: Value, span: Span) -> tuple[list[Diagnostic], Rule | None]:
    """A rule, or what is wrong with it."""
    numbers = _NUMBER.findall(path)
    if not _PATH.fullmatch(_NUMBER.sub("0", path)) or len(set(numbers)) < len(numbers):
        message = f"`{path[:100]}` must be a path of ops with each `{{n}}` once"
        return [Diagnostic("ARC604", message, span, "write it as `stage_{n}.conv_{m}`")], None
    fields = mapping(target)
    layer = fields.get("layer") if fields else target
    named = layer is not None and isinstance(layer.data, int | str) and text(layer) != ""
    if (layer is not None or "arrays" not in fields) and (
        layer is None or not named or isinstance(layer.data, bool)
    ):
        message = f"`{path}` must map to the name of a layer"
        hint = "write the name that the file has, or a mapping with `layer` or `arrays`"
        return [Diagnostic("ARC604", message, (layer or target).span, hint)], None
    known = ("layer", *_EXPECTED)
    diagnostics = [
        Diagnostic(
            "ARC604",
            f"`{path}` has no `{name[:64]}`",
            other.key_span or other.span,
            did_you_mean(name, known) or f"a rule has {', '.join(known)}",
        )
        for name, other in fields.items()
        if name not in known
    ]
    name = text(layer)
    if layer is not None:
        diagnostics += _errors_in(name, numbers, path, layer.span)
    for own, kind in (("arrays", dict), ("transposed", bool), ("blocks", list), ("factors", dict)):
        if own in fields and not isinstance(fields[own].data, kind):
            message = f"`{own}` of `{path}` must be {_EXPECTED[own]}"
            hint = f"for example {_EXAMPLES[own]}"
            return [Diagnostic("ARC604", message, fields[own].span, hint)], None
    arrays = fields.get("arrays")
    members = [
        one
        for held in mapping(arrays).values()
        for one in ([held] if not isinstance(held.data, list) else held.data)
    ]
    for one in members:
        if isinstance(one.data, dict | list):
            message = f"an array of `{path}` must have the name of a variable, or a list of names"
            hint = f"for example {_EXAMPLES['arrays']}"
            return [Diagnostic("ARC604", message, one.span, hint)], None
    rule = Rule(
        path,
        _pattern(path),
        name,
        span,
        {own: texts(held) if held.data is not None else () for own, held in mapping(arrays).items()}
        if arrays is not None
        else None,
        text(fields.get("transposed")) == "True",
        tuple(int(text(one)) for one in sequence(fields.get("blocks")) if text(one).isdecimal()),
        mapping(fields.get("factors")),
        {text(one): one.span for one in reversed(members)},
    )
    if sorted(rule.blocks) != list(range(len(sequence(fields.get("blocks"))))):
        message = f"`blocks` of `{path}` must have each of 0, 1, 2 ... once"
        hint = f"for example {_EXAMPLES['blocks']}"
        diagnostics.append(Diagnostic("ARC604", message, fields["blocks"].span, hint))
    return diagnostics, rule


def _pattern(path: str) -> re.Pattern[str]:
    """What the paths match that a rule is for."""
    rest = path.removeprefix(_ANYWHERE).replace(".", r"\.")
    before = r"(?:[^.]+\.)*" if path.startswith(_ANYWHERE) else ""
    return re.compile(before + _NUMBER.sub(r"(?P<\1>[0-9]{1,9})", rest))


def _errors_in(layer: str, numbers: Sequence[str], path: str, span: Span) -> list[Diagnostic]:
    """The errors of a layer's name: it refers to the numbers of the path."""
    rest = _COMPUTED.sub("", layer.replace(_POSITION, ""))
    if "{" in rest or "}" in rest:
        message = f"`{layer[:100]}` has a placeholder that is none"
        return [Diagnostic("ARC604", message, span, _HINT)]
    unknown = sorted({match[2] for match in _COMPUTED.finditer(layer)}.difference(numbers))
    hint = "write it into the path where a number stands: `stage_{n}`"
    if numbers:
        hint = f"the path has {', '.join(f'`{{{name}}}`' for name in numbers)}"
    return [
        Diagnostic(
            "ARC604", f"`{path}` has no `{{{name}}}`, which `{layer[:100]}` uses", span, hint
        )
        for name in unknown
    ]


def tables(graph: Graph) -> dict[str | None, Table]:
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
    layers = [layer for layer in costs.layers if layer.variables or _is_tied(layer, graph)]
    variables = {layer.node.path: [one.name for one in layer.variables] for layer in layers}
    for value in mapping(graph.checkpoints).values():
        try:
            diagnostics += layers_of(variables, read_table(value).rules, graph)[1]
        except SpecError as error:
            diagnostics += error.diagnostics
    return diagnostics


def _is_tied(layer: Layer, graph: Graph) -> bool:
    """Whether a layer without arrays of its own is another place of an array: that of a tied
    head."""
    return layer.node.weights >= 0 and not reuses_layer(graph, layer.node)


def layers_of(
    variables: Mapping[str, Sequence[str]], table: Sequence[Rule], graph: Graph
) -> tuple[dict[str, NamedLayer], list[Diagnostic]]:
    """The layer of each op that a rule matches, by its path, and the errors of rules that match
    none of the ops, or what another rule matches. `variables` are those of each op by its path."""
    matching = _Matching(table)
    ops = {node.path: node.op for node in graph.nodes} if any(one.factors for one in table) else {}
    layers: dict[str, NamedLayer] = {}
    diagnostics: list[Diagnostic] = []
    for path in _in_order(variables, graph):
        parts, own = path.split("."), variables[path]
        around = [".".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
        part = next((one for one in around if matching.rule(one) is not None), path)
        rule = matching.rule(part) or matching.rule_anywhere(path)
        if rule is not None:
            depth = part.count(".") + 1
            layer = rule.layer_of(part, matching.position(rule, part))
            layers[path] = NamedLayer(layer, depth, rule)
            errors = _errors_of(rule, path, own, len(parts) - depth, ops.get(path))
            diagnostics += matching.once(rule, errors)
    diagnostics += matching.diagnostics
    if not graph.about.overrides:  # which may leave nothing for a rule
        prefixes = {prefix for path in variables for prefix in _prefixes(path)}
        unmatched = (rule for rule in table if id(rule) not in matching.used)
        diagnostics += [_unmatched(rule, variables, prefixes, graph) for rule in unmatched]
    return layers, diagnostics


def _in_order(paths: Iterable[str], graph: Graph) -> list[str]:
    """The paths of ops in the order of the network."""
    order = {node.path: node.index for node in graph.nodes}
    return sorted(paths, key=lambda path: order.get(path, len(order)))


def _prefixes(path: str) -> Iterator[str]:
    """A path and those of what is around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


class _Matching:
    """Which rule matches a path; each path is matched once, since most are those of sections."""

    def __init__(self, table: Sequence[Rule]) -> None:
        self.anywhere = [rule for rule in table if rule.is_anywhere]
        named = [rule for rule in table if not rule.is_anywhere]
        self.patterns = [rule for rule in named if "{" in rule.path]
        self.single = {rule.path: rule for rule in named if "{" not in rule.path}
        self.positions: dict[int, dict[str, int]] = {}
        self.known: dict[str, Rule | None] = {}
        self.used: set[int] = set()
        self.reported: set[tuple[int, str, object]] = set()
        self.diagnostics: list[Diagnostic] = []

    def rule(self, path: str) -> Rule | None:
        if path not in self.known:
            own = [self.single[path]] if path in self.single else self.patterns
            self.known[path] = self._only(own, path)
        return self.known[path]

    def rule_anywhere(self, path: str) -> Rule | None:
        """The rule for what no other one matches."""
        return self._only(self.anywhere, path)

    def _only(self, candidates: Iterable[Rule], path: str) -> Rule | None:
        """The first rule that matches a path; further ones are errors."""
        rules = [rule for rule in candidates if rule.pattern.fullmatch(path)]
        self.used |= {id(rule) for rule in rules}
        for rule in rules[1:]:
            message = f"`{rule.path}` matches `{path}`, which another rule does too"
            note = Note(f"`{rules[0].path}` matches it", rules[0].span)
            error = Diagnostic("ARC604", message, rule.span, "keep one of them", (note,))
            self.diagnostics += self.once(rule, [error], "both")
        return rules[0] if rules else None

    def position(self, rule: Rule, path: str) -> int:
        """Which of the paths that a rule matches this one is, in the order in which they come."""
        positions = self.positions.setdefault(id(rule), {})
        return positions.setdefault(path, len(positions))

    def once(
        self, rule: Rule, diagnostics: Iterable[Diagnostic], kind: str = ""
    ) -> Iterator[Diagnostic]:
        """The first of the errors at each place of a rule, which matches many ops."""
        for diagnostic in diagnostics:
            key = (id(rule), kind, diagnostic.span.origin)
            if key not in self.reported:
                self.reported.add(key)
                yield diagnostic


def _errors_of(
    rule: Rule, path: str, variables: Sequence[str], inner: int, op: Op | None
) -> Iterator[Diagnostic]:
    """The errors of what a rule says of the arrays of an op; `inner` is how many parts of its path
    are inside of what the rule matches."""
    if inner and rule.is_of_op:
        message = f"`{rule.path}` is no op: it says the name of a section alone"
        hint = "name each of its ops in a rule of its own"
        yield Diagnostic("ARC604", message, rule.span, hint)
        return
    listed = [member for members in (rule.arrays or {}).values() for member in members]
    for member in (*listed, *rule.factors):
        if not {member, *(f"{member}_{kind}" for kind in KINDS)} & set(variables):
            message = f"`{member[:100]}` is no variable of `{path}`"
            hint = did_you_mean(member, variables) or f"it has {', '.join(variables)}"
            yield Diagnostic("ARC604", message, _span_of(member, rule), hint)
    if op is not None:
        for name in rule.factors:
            try:
                rule.factor(name, op)
            except SpecError as error:
                yield from error.diagnostics


def _span_of(member: str, rule: Rule) -> Span:
    """Where a rule names a variable: among its arrays, or else as the key of a factor."""
    factor = rule.factors.get(member)
    return rule.members.get(member) or (factor and factor.key_span) or rule.span


def arrays_of(rule: Rule, variables: Sequence[str]) -> dict[str, tuple[str | None, ...]]:
    """The variables of an op in each array of its layer in a file, by the array's name there: None
    for a part of the array that is none of the op. A name of projections is that of a layer in the
    file, with a weight and a bias as far as the op has them."""
    arrays: dict[str, tuple[str | None, ...]] = {}
    for name, members in (rule.arrays or {}).items():
        if not members or any(member in variables for member in members):
            arrays[name] = tuple(one if one in variables else None for one in members)
            continue
        for kind in KINDS:
            own = [f"{member}_{kind}" for member in members]
            if any(one in variables for one in own):
                held = tuple(one if one in variables else None for one in own)
                arrays[f"{name}.{kind}"] = held
    return arrays


def _unmatched(
    rule: Rule, variables: Iterable[str], prefixes: Iterable[str], graph: Graph
) -> Diagnostic:
    if any(rule.pattern.fullmatch(path) for path in prefixes):
        others = "other rules" if rule.is_anywhere else "rules inside of it"
        message = f"`{rule.path}` names only what {others} do"
        return Diagnostic("ARC604", message, rule.span, "remove it")
    if any(rule.pattern.fullmatch(node.path) for node in graph.nodes):
        message = f"`{rule.path}` matches only ops without arrays"
        return Diagnostic("ARC604", message, rule.span, "remove it")
    hint = did_you_mean(rule.path, variables) or "`archc report` shows the paths of the network"
    return Diagnostic("ARC604", f"`{rule.path}` matches no op of the network", rule.span, hint)
