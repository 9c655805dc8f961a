"""A spec as typed steps: what is wrong without computing a value is told.

What the schema refused is passed over, so that one run tells every fault: a step at fault becomes a
`InvalidStep`, of which nothing is known.

Codes: ARC202 a missing key, ARC205 a name that cannot be used, ARC301 a malformed expression,
ARC302 an unknown name in an expression, ARC401 a step without exactly one op, ARC402 a step key out
of place, ARC403 an unknown block or a block that contains itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from archc.diagnostics import Diagnostic, Span, did_you_mean
from archc.language import expressions
from archc.language.names import (
    CLASSES,
    REPETITION,
    attribute_error,
    camel_case,
    class_error,
    name_error,
    param_error,
    suggested_name,
)
from archc.language.schema.validate import STEP_KEYS, Findings
from archc.language.syntax import (
    Block,
    BlockStep,
    Common,
    Document,
    ForStep,
    InvalidStep,
    MergeStep,
    OpStep,
    RepeatStep,
    SectionStep,
    Step,
)
from archc.language.values import Value, at, mapping, parts, scalars, sequence
from archc.ops import MERGES, OPS
from archc.ops.base import Op

COMPOSITIONS = ("section", "repeat", "for", "block")
ANY = "*"
"""Stands among known names where others may be meant: what defines them is at fault."""
_NO_NAMES: frozenset[str] = frozenset()


def read_document(value: Value, findings: Findings) -> tuple[Document | None, list[Diagnostic]]:
    """The document that a merged mapping holds, and its faults beside those that the schema found.
    None where nothing can be carried out: blocks contain themselves."""
    return _Reader(findings).document(value)


class _Reader:
    """Collects faults while it turns values into steps."""

    def __init__(self, findings: Findings) -> None:
        self.found: list[Diagnostic] = []
        self.invalid = set(findings.invalid)
        self.misspelt = findings.misspelt
        self.blocks: Mapping[str, Value] = {}
        self.blocks_known = True
        self.params: frozenset[str] = _NO_NAMES

    def fault(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.found.append(Diagnostic(code, message, span, hint))

    def is_sound(self, value: Value) -> bool:
        """Whether the schema found nothing in a value."""
        return not self.invalid or not any(part in self.invalid for part in parts(value))

    def is_open(self, value: Value, key: str) -> bool:
        """Whether `key` is at fault or misspelt, so that what it holds cannot be told."""
        given = mapping(value)
        if key in given:
            return given[key] in self.invalid
        return key in self.misspelt.get(value, ())

    def document(self, value: Value) -> tuple[Document | None, list[Diagnostic]]:
        given = mapping(value)
        name = given.get("name", value)
        text = str(name.data) if name is not value else ""
        if "name" in given:
            self.check_name(name, name_error)
        if "class" in given:
            class_name = str(given["class"].data)
            self.check_name(given["class"], class_error)
        else:
            class_name = camel_case(text)
            if class_name in CLASSES:
                class_name += "Network"
        params = mapping(given.get("params"))
        unsure = self.check_params(params, _NO_NAMES, "a parameter sees those above it")
        self.params = frozenset(params)
        if self.is_open(value, "params"):
            self.params |= {ANY}
        inputs = self.inputs(value, name.span)
        self.blocks = mapping(given.get("blocks"))
        self.blocks_known = not self.is_open(value, "blocks")
        self.check_keys(self.blocks, name_error)
        blocks = {key: self.block(block) for key, block in self.blocks.items()}
        layers = self.steps(given.get("layers"), self.params)
        outputs = given.get("outputs")
        if outputs is not None and not (
            self.is_sound(outputs) and self.check_values(outputs, self.params)
        ):
            outputs = None
        training = given.get("training")
        if training is not None:
            self.check_values(training, self.params)
        document = Document(
            name=text,
            class_name=class_name,
            title=_text(given.get("title")),
            description=_text(given.get("description")),
            references=_texts(given.get("reference")),
            inputs=inputs,
            params=params,
            blocks=blocks,
            layers=layers,
            outputs=tuple(sequence(outputs)),
            expect=given.get("expect"),
            training=training,
            span=name.span,
            unsure=unsure,
            invalid=frozenset(self.invalid),
        )
        return (None if self.has_cycles(blocks) else document), self.found

    def inputs(self, value: Value, span: Span) -> Mapping[str, Value]:
        given = mapping(value)
        if "input" in given and "inputs" in given:
            second = given["inputs"].key_span or given["inputs"].span
            self.fault("ARC402", "both `input` and `inputs` are given", second, "keep one of them")
        if "input" in given:
            inputs = {"input": given["input"]}
        else:
            inputs = mapping(given.get("inputs"))
            self.check_keys(inputs, _fault_of_input)
            if not (inputs or self.is_open(value, "inputs") or self.is_open(value, "input")):
                hint = "for example `input: {channels: 3, height: 224, width: 224}`"
                self.fault("ARC202", "the spec has no input", span, hint)
        for axes in inputs.values():
            for size in mapping(axes).values():
                if not self.check_values(size, self.params):
                    self.invalid.add(size)
        return inputs

    def block(self, value: Value) -> Block:
        given = mapping(value)
        params = mapping(given.get("params"))
        unsure = self.check_params(params, self.params, "a default sees the parameters above it")
        known = self.params | params.keys()
        if self.is_open(value, "params"):
            known |= {ANY}
        return Block(params, unsure, self.steps(given.get("layers"), known))

    def check_params(
        self, params: Mapping[str, Value], known: frozenset[str], hint: str
    ) -> frozenset[str]:
        """Check names and defaults, each against those above it; gives the names at fault."""
        self.check_keys(params, param_error)
        unsure = set()
        for name, default in params.items():
            if not self.check_values(default, known, hint):
                unsure.add(name)
            known |= {name}
        return frozenset(unsure)

    def has_cycles(self, blocks: Mapping[str, Block]) -> bool:
        """Refuse a block that contains itself, and show the way round."""
        uses = {
            name: tuple(dict.fromkeys(str(use.block.data) for use in _block_steps(block.body)))
            for name, block in blocks.items()
        }
        told: set[str] = set()
        for name in blocks:
            chain = _cycle_from(name, uses)
            if chain is not None and name not in told:
                told.update(chain)
                span = self.blocks[name].key_span or self.blocks[name].span
                way = " -> ".join(chain)
                self.fault("ARC403", f"block `{name}` contains itself: {way}", span)
        return bool(told)

    def steps(self, value: Value | None, known: frozenset[str]) -> tuple[Step, ...]:
        return tuple(self.step(item, known) for item in sequence(value))

    def step(self, value: Value, known: frozenset[str]) -> Step:
        given = mapping(value)
        if isinstance(value.data, str) and value not in self.invalid:
            return OpStep(value.span, None, None, None, OPS[value.data], {}, invalid=False)
        if not isinstance(value.data, dict):
            return InvalidStep(value.span, None, None, None, "")
        keys = [key for key in given if key in OPS or key in COMPOSITIONS]
        name, when = given.get("name"), given.get("when")
        if name is not None:
            self.check_name(name, attribute_error)
        if len(keys) != 1:
            # An unknown key is most likely the op, misspelt: the schema told it.
            if keys or given.keys() <= STEP_KEYS:
                self.not_one_op(value, keys)
            return InvalidStep(_first_line(value.span), name, None, None, "")
        (key,) = keys
        self.check_keys_of_step(value, key)
        sound = value not in self.invalid and (when is None or self.check_values(when, known))
        sources = self.sources(given, known)
        sound &= sources is None or bool(sources)
        target = given[key]
        span = target.key_span or value.span
        common = (span, name, when, sources)
        step: Step | None
        if key in MERGES:
            step = self.merge(key, target, common, known)
        else:
            if sources is not None and len(sources) > 1:
                hint = "merge them first"
                self.fault("ARC402", f"`{key}` takes one input", given["from"].span, hint)
            if key in OPS:
                step = self.op(OPS[key], target, common, known)
            elif key == "block":
                step = self.block_step(given, common, known)
            else:
                step = self.composition(key, given, common, known)
        if step is None or not sound:
            name = target if key == "section" else name
            kind = str(target.data) if key == "block" else key
            return InvalidStep(span, name, None, sources or None, kind)
        return step

    def not_one_op(self, value: Value, keys: list[str]) -> None:
        if keys:
            listed = ", ".join(f"`{key}`" for key in keys)
            second = mapping(value)[keys[1]]
            span = second.key_span or second.span
            hint = "start a new step with `- `"
            self.fault("ARC401", f"a step has one op, got {listed}", span, hint)
        else:
            span = _first_line(value.span)
            self.fault("ARC401", "a step without an op", span, "`archc ops` lists all ops")

    def sources(
        self, given: Mapping[str, Value], known: frozenset[str]
    ) -> tuple[Value, ...] | None:
        """The steps that `from` names; none where it is at fault."""
        value = given.get("from")
        if value is None:
            return None
        if not self.is_sound(value) or not self.check_values(value, known):
            return ()
        if not isinstance(value.data, list):
            return (value,)
        if not value.data:
            self.fault("ARC402", "`from` names no step", value.span, "name one, or remove it")
        return tuple(value.data)

    def merge(
        self, key: str, target: Value, common: Common, known: frozenset[str]
    ) -> MergeStep | None:
        span, name, when, sources = common
        branches = tuple(self.steps(branch, known) for branch in sequence(target))
        if target in self.invalid or any(branch in self.invalid for branch in sequence(target)):
            return None
        if not branches and len(sources or ()) < 2:
            hint = "give branches, or `from: [a, b]`"
            self.fault("ARC402", f"`{key}` has nothing to merge", span, hint)
            return None
        if len(branches) == 1:
            self.fault("ARC402", f"`{key}` has one branch alone", span, "`[]` is the identity")
        elif branches and len(sources or ()) > 1:
            hint = "give branches, or several steps under `from`"
            self.fault("ARC402", f"the branches of `{key}` take one input", span, hint)
        return MergeStep(span, name, when, sources, OPS[key], branches)

    def composition(
        self, key: str, given: Mapping[str, Value], common: Common, known: frozenset[str]
    ) -> Step | None:
        span, _, when, sources = common
        target, layers = given[key], given.get("layers")
        sound = layers is not None and layers not in self.invalid
        if key == "section":
            self.check_name(target, attribute_error)
            body = self.steps(layers, known)
            return SectionStep(span, target, when, sources, body) if sound else None
        sound &= self.check_values(target, known)
        if key == "repeat":
            body = self.steps(layers, known | REPETITION)
            return RepeatStep(span, None, when, sources, target, body) if sound else None
        lists = mapping(target)
        self.check_keys(lists, _fault_of_variable)
        variables = lists.keys() if target not in self.invalid else {ANY}
        body = self.steps(layers, known | REPETITION | variables)
        return ForStep(span, None, when, sources, lists, body) if sound else None

    def check_keys_of_step(self, step: Value, key: str) -> None:
        given = mapping(step)
        allowed = {key, "when", "from"}
        if key in ("section", "repeat", "for"):
            allowed.add("layers")
            if "layers" not in given and not self.is_open(step, "layers"):
                span = given[key].key_span or given[key].span
                self.fault("ARC202", f"`{key}` has no `layers`", span, "list its steps there")
        else:
            allowed.add("name")
        if key == "block":
            allowed.add("with")
        for other, value in given.items():
            if other not in allowed and other in STEP_KEYS:
                taken = ", ".join(f"`{word}`" for word in sorted(allowed - {key}))
                message = f"`{other}` means nothing beside `{key}`"
                span = value.key_span or value.span
                self.fault("ARC402", message, span, f"beside `{key}` stand {taken}")

    def block_step(
        self, given: Mapping[str, Value], common: Common, known: frozenset[str]
    ) -> BlockStep | None:
        target = given["block"]
        arguments = mapping(given.get("with"))
        sound = "with" not in given or self.check_values(given["with"], known)
        if target in self.invalid:
            return None
        if target.data not in self.blocks and not self.blocks_known:
            return None
        if target.data not in self.blocks:
            hint = did_you_mean(str(target.data), self.blocks) or (
                f"known: {', '.join(self.blocks)}" if self.blocks else "`blocks` defines none"
            )
            self.fault("ARC403", f"no block `{target.data}`", target.span, hint)
            return None
        block = self.blocks[str(target.data)]
        if block in self.invalid or self.is_open(block, "layers") or self.is_open(block, "params"):
            return None
        return BlockStep(*common, target, arguments) if sound else None

    def op(self, op: type[Op], target: Value, common: Common, known: frozenset[str]) -> OpStep:
        if isinstance(target.data, dict):
            given: Mapping[str, Value] = target.data
        elif target.data is None or op.shorthand is None:
            given = {}
        else:
            given = {op.shorthand: target}
        fields = {name: value for name, value in given.items() if self.check_values(value, known)}
        invalid = target in self.invalid or len(fields) < len(given)
        return OpStep(*common, op, fields, invalid)

    def check_name(self, value: Value, fault: Callable[[str], str | None]) -> None:
        problem = None if value in self.invalid else fault(str(value.data))
        if problem is not None:
            hint = suggested_name(str(value.data), fault)
            self.fault("ARC205", f"the name `{value.data}` {problem}", value.span, hint)

    def check_keys(self, given: Mapping[str, Value], fault: Callable[[str], str | None]) -> None:
        for key, value in given.items():
            problem = fault(key)
            if problem is not None:
                span = value.key_span or value.span
                hint = suggested_name(key, fault)
                self.fault("ARC205", f"the name `{key}` {problem}", span, hint)

    def check_values(self, value: Value, known: frozenset[str], hint: str | None = None) -> bool:
        """Refuse malformed expressions in `value`, and names that nothing gives; tells whether all
        of it is sound, by the schema too."""
        before = len(self.found)
        for scalar in scalars(value):
            if scalar not in self.invalid and expressions.is_expression(scalar.data):
                self.check_expression(scalar, known, hint)
        return len(self.found) == before and self.is_sound(value)

    def check_expression(self, scalar: Value, known: frozenset[str], hint: str | None) -> None:
        try:
            expression = expressions.parse(str(scalar.data))
        except expressions.ExpressionError as error:
            span = at(scalar, error.offset, error.length)
            self.fault("ARC301", error.message, span, error.hint)
            return
        for name, offset, length in expressions.references(expression):
            if name not in known and ANY not in known:
                way_out = did_you_mean(name, known) or hint or _known_names(known)
                self.fault("ARC302", f"unknown name `{name}`", at(scalar, offset, length), way_out)


def _known_names(known: frozenset[str]) -> str:
    if not known:
        return "no names are known here: a block sees its own `params` and the spec's"
    return f"known here: {', '.join(sorted(known))}"


def _text(value: Value | None) -> str:
    return "" if value is None else str(value.data)


def _texts(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value.data, list):
        return tuple(str(item.data) for item in value.data)
    return (str(value.data),)


def _fault_of_input(name: str) -> str | None:
    return None if name == "input" else attribute_error(name)


def _fault_of_variable(name: str) -> str | None:
    if name in REPETITION:
        return "is given by every repetition"
    return name_error(name)


def _first_line(span: Span) -> Span:
    if span.end_line == span.line:
        return span
    return span._replace(end_line=span.line, end_column=span.column + 1)


def _block_steps(steps: Iterable[Step]) -> Iterator[BlockStep]:
    """All block instances below the steps."""
    for step in steps:
        if isinstance(step, BlockStep):
            yield step
        elif isinstance(step, SectionStep | RepeatStep | ForStep):
            yield from _block_steps(step.body)
        elif isinstance(step, MergeStep):
            for branch in step.branches:
                yield from _block_steps(branch)


def _cycle_from(name: str, uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The way from a block back to itself, if there is one; breadth first."""
    ways: list[tuple[str, ...]] = [(name, use) for use in uses[name]]
    seen: set[str] = set()
    for way in ways:
        if way[-1] == name:
            return way
        if way[-1] not in seen and way[-1] in uses:
            seen.add(way[-1])
            ways += [(*way, use) for use in uses[way[-1]]]
    return None
