"""From a merged spec to typed steps. Reports all errors that need no evaluation.

Values that violate the schema are skipped, so that one run reports every error: a step with an
error becomes an `InvalidStep`.

Codes: ARC202 a missing key, ARC205 an invalid name, ARC301 a malformed expression, ARC302 an
unknown name in an expression, ARC401 a step without exactly one op, ARC402 a misplaced step key,
ARC403 an unknown block or a block that contains itself.
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
"""Among known names: there may be others, since their definitions have errors."""
_NO_NAMES: frozenset[str] = frozenset()


def read_document(value: Value, findings: Findings) -> tuple[Document | None, list[Diagnostic]]:
    """The document of a merged mapping, and its errors in addition to those of the schema. None if
    it cannot be expanded: blocks contain themselves."""
    return _Reader(findings).document(value)


class _Reader:
    """Converts values into steps and collects diagnostics."""

    def __init__(self, findings: Findings) -> None:
        self.diagnostics: list[Diagnostic] = []
        self.invalid = set(findings.invalid)
        self.misspelt = findings.misspelt
        self.blocks: Mapping[str, Value] = {}
        self.blocks_known = True
        self.params: frozenset[str] = _NO_NAMES

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, hint))

    def is_valid(self, value: Value) -> bool:
        """Whether a value has no errors."""
        return not self.invalid or not any(part in self.invalid for part in parts(value))

    def is_unknown(self, value: Value, key: str) -> bool:
        """Whether the value of `key` is unknown because it is invalid or its key is misspelt."""
        fields = mapping(value)
        if key in fields:
            return fields[key] in self.invalid
        return key in self.misspelt.get(value, ())

    def document(self, value: Value) -> tuple[Document | None, list[Diagnostic]]:
        fields = mapping(value)
        name = fields.get("name", value)
        text = str(name.data) if name is not value else ""
        if "name" in fields:
            self.check_name(name, name_error)
        if "class" in fields:
            class_name = str(fields["class"].data)
            self.check_name(fields["class"], class_error)
        else:
            class_name = camel_case(text)
            if class_name in CLASSES:
                class_name += "Network"
        params = mapping(fields.get("params"))
        invalid_names = self.check_params(params, _NO_NAMES, "a parameter can use those above it")
        self.params = frozenset(params)
        if self.is_unknown(value, "params"):
            self.params |= {ANY}
        inputs = self.inputs(value, name.span)
        self.blocks = mapping(fields.get("blocks"))
        self.blocks_known = not self.is_unknown(value, "blocks")
        self.check_keys(self.blocks, name_error)
        blocks = {key: self.block(block) for key, block in self.blocks.items()}
        layers = self.steps(fields.get("layers"), self.params)
        outputs = fields.get("outputs")
        if outputs is not None and not (
            self.is_valid(outputs) and self.check_values(outputs, self.params)
        ):
            outputs = None
        training = fields.get("training")
        if training is not None:
            self.check_values(training, self.params)
        document = Document(
            name=text,
            class_name=class_name,
            title=_text(fields.get("title")),
            description=_text(fields.get("description")),
            references=_texts(fields.get("reference")),
            inputs=inputs,
            params=params,
            blocks=blocks,
            layers=layers,
            outputs=tuple(sequence(outputs)),
            expect=fields.get("expect"),
            training=training,
            span=name.span,
            invalid_names=invalid_names,
            invalid=frozenset(self.invalid),
        )
        return (None if self.has_cycles(blocks) else document), self.diagnostics

    def inputs(self, value: Value, span: Span) -> Mapping[str, Value]:
        fields = mapping(value)
        if "input" in fields and "inputs" in fields:
            second = fields["inputs"].key_span or fields["inputs"].span
            self.error(
                "ARC402", "the spec has both `input` and `inputs`", second, "keep one of them"
            )
        if "input" in fields:
            inputs = {"input": fields["input"]}
        else:
            inputs = mapping(fields.get("inputs"))
            self.check_keys(inputs, _input_error)
            if not (inputs or self.is_unknown(value, "inputs") or self.is_unknown(value, "input")):
                hint = "for example `input: {channels: 3, height: 224, width: 224}`"
                self.error("ARC202", "the spec has no input", span, hint)
        for axes in inputs.values():
            for size in mapping(axes).values():
                if not self.check_values(size, self.params):
                    self.invalid.add(size)
        return inputs

    def block(self, value: Value) -> Block:
        fields = mapping(value)
        params = mapping(fields.get("params"))
        invalid_names = self.check_params(
            params, self.params, "a default can use the parameters above it"
        )
        known = self.params | params.keys()
        if self.is_unknown(value, "params"):
            known |= {ANY}
        return Block(params, invalid_names, self.steps(fields.get("layers"), known))

    def check_params(
        self, params: Mapping[str, Value], known: frozenset[str], hint: str
    ) -> frozenset[str]:
        """Check names and defaults, each against those above it. Returns the names with errors."""
        self.check_keys(params, param_error)
        invalid_names = set()
        for name, default in params.items():
            if not self.check_values(default, known, hint):
                invalid_names.add(name)
            known |= {name}
        return frozenset(invalid_names)

    def has_cycles(self, blocks: Mapping[str, Block]) -> bool:
        """Whether blocks contain themselves; reports each cycle."""
        uses = {
            name: tuple(dict.fromkeys(str(use.block.data) for use in _block_steps(block.body)))
            for name, block in blocks.items()
        }
        in_cycles: set[str] = set()
        for name in blocks:
            chain = _cycle_from(name, uses)
            if chain is not None and name not in in_cycles:
                in_cycles.update(chain)
                span = self.blocks[name].key_span or self.blocks[name].span
                cycle = " -> ".join(chain)
                self.error("ARC403", f"block `{name}` contains itself: {cycle}", span)
        return bool(in_cycles)

    def steps(self, value: Value | None, known: frozenset[str]) -> tuple[Step, ...]:
        return tuple(self.step(item, known) for item in sequence(value))

    def step(self, value: Value, known: frozenset[str]) -> Step:
        fields = mapping(value)
        if isinstance(value.data, str) and value not in self.invalid:
            return OpStep(value.span, None, None, None, OPS[value.data], {}, invalid=False)
        if not isinstance(value.data, dict):
            return InvalidStep(value.span, None, None, None, "")
        keys = [key for key in fields if key in OPS or key in COMPOSITIONS]
        name, when = fields.get("name"), fields.get("when")
        if name is not None:
            self.check_name(name, attribute_error)
        if len(keys) != 1:
            # An unknown key is most likely a misspelt op: the schema reported it.
            if keys or fields.keys() <= STEP_KEYS:
                self.not_one_op(value, keys)
            return InvalidStep(_first_line(value.span), name, None, None, "")
        (key,) = keys
        self.check_keys_of_step(value, key)
        valid = value not in self.invalid and (when is None or self.check_values(when, known))
        sources = self.sources(fields, known)
        valid &= sources is None or bool(sources)
        target = fields[key]
        span = target.key_span or value.span
        common = (span, name, when, sources)
        step: Step | None
        if key in MERGES:
            step = self.merge(key, target, common, known)
        else:
            most = OPS[key].most_inputs if key in OPS else 1
            if sources is not None and len(sources) > most:
                many = "a single input" if most == 1 else f"at most {most} inputs"
                hint = "merge them first"
                self.error("ARC402", f"`{key}` takes {many}", fields["from"].span, hint)
            if key in OPS:
                step = self.op(OPS[key], target, common, known)
            elif key == "block":
                step = self.block_step(fields, common, known)
            else:
                step = self.composition(key, fields, common, known)
        if step is None or not valid:
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
            self.error("ARC401", f"a step takes a single op, got {listed}", span, hint)
        else:
            span = _first_line(value.span)
            self.error("ARC401", "a step without an op", span, "`archc ops` lists all ops")

    def sources(
        self, fields: Mapping[str, Value], known: frozenset[str]
    ) -> tuple[Value, ...] | None:
        """The steps that `from` names; empty if it is invalid."""
        value = fields.get("from")
        if value is None:
            return None
        if not self.is_valid(value) or not self.check_values(value, known):
            return ()
        if not isinstance(value.data, list):
            return (value,)
        if not value.data:
            self.error("ARC402", "`from` names no step", value.span, "name one, or remove it")
        return tuple(value.data)

    def merge(
        self, key: str, target: Value, common: Common, known: frozenset[str]
    ) -> MergeStep | None:
        span, name, when, sources = common
        branches = tuple(self.steps(branch, known) for branch in sequence(target))
        if target in self.invalid or any(branch in self.invalid for branch in sequence(target)):
            return None
        if not branches and len(sources or ()) < 2:
            hint = "add branches, or `from: [a, b]`"
            self.error("ARC402", f"`{key}` has nothing to merge", span, hint)
            return None
        if len(branches) == 1:
            self.error("ARC402", f"`{key}` has only one branch", span, "`[]` is the identity")
        elif branches and len(sources or ()) > 1:
            hint = "use branches, or several steps under `from`"
            self.error("ARC402", f"the branches of `{key}` take a single input", span, hint)
        return MergeStep(span, name, when, sources, OPS[key], branches)

    def composition(
        self, key: str, fields: Mapping[str, Value], common: Common, known: frozenset[str]
    ) -> Step | None:
        span, _, when, sources = common
        target, layers = fields[key], fields.get("layers")
        valid = layers is not None and layers not in self.invalid
        if key == "section":
            self.check_name(target, attribute_error)
            body = self.steps(layers, known)
            return SectionStep(span, target, when, sources, body) if valid else None
        valid &= self.check_values(target, known)
        if key == "repeat":
            body = self.steps(layers, known | REPETITION)
            return RepeatStep(span, None, when, sources, target, body) if valid else None
        lists = mapping(target)
        self.check_keys(lists, _variable_error)
        variables = lists.keys() if target not in self.invalid else {ANY}
        body = self.steps(layers, known | REPETITION | variables)
        return ForStep(span, None, when, sources, lists, body) if valid else None

    def check_keys_of_step(self, step: Value, key: str) -> None:
        fields = mapping(step)
        allowed = {key, "when", "from"}
        if key in ("section", "repeat", "for"):
            allowed.add("layers")
            if "layers" not in fields and not self.is_unknown(step, "layers"):
                span = fields[key].key_span or fields[key].span
                self.error("ARC202", f"`{key}` has no `layers`", span, "list its steps there")
        else:
            allowed.add("name")
        if key == "block":
            allowed.add("with")
        for other, value in fields.items():
            if other not in allowed and other in STEP_KEYS:
                others = ", ".join(f"`{word}`" for word in sorted(allowed - {key}))
                message = f"`{other}` is not allowed with `{key}`"
                span = value.key_span or value.span
                self.error("ARC402", message, span, f"`{key}` allows {others}")

    def block_step(
        self, fields: Mapping[str, Value], common: Common, known: frozenset[str]
    ) -> BlockStep | None:
        target = fields["block"]
        arguments = mapping(fields.get("with"))
        valid = "with" not in fields or self.check_values(fields["with"], known)
        if target in self.invalid:
            return None
        if target.data not in self.blocks and not self.blocks_known:
            return None
        if target.data not in self.blocks:
            hint = did_you_mean(str(target.data), self.blocks) or (
                f"known: {', '.join(self.blocks)}" if self.blocks else "`blocks` defines none"
            )
            self.error("ARC403", f"no block `{target.data}`", target.span, hint)
            return None
        block = self.blocks[str(target.data)]
        if (
            block in self.invalid
            or self.is_unknown(block, "layers")
            or self.is_unknown(block, "params")
        ):
            return None
        return BlockStep(*common, target, arguments) if valid else None

    def op(self, op: type[Op], target: Value, common: Common, known: frozenset[str]) -> OpStep:
        if isinstance(target.data, dict):
            entries: Mapping[str, Value] = target.data
        elif target.data is None or op.shorthand is None:
            entries = {}
        else:
            entries = {op.shorthand: target}
        fields = {name: value for name, value in entries.items() if self.check_values(value, known)}
        invalid = target in self.invalid or len(fields) < len(entries)
        return OpStep(*common, op, fields, invalid)

    def check_name(self, value: Value, check: Callable[[str], str | None]) -> None:
        error = None if value in self.invalid else check(str(value.data))
        if error is not None:
            hint = suggested_name(str(value.data), check)
            self.error("ARC205", f"the name `{value.data}` {error}", value.span, hint)

    def check_keys(self, entries: Mapping[str, Value], check: Callable[[str], str | None]) -> None:
        for key, value in entries.items():
            error = check(key)
            if error is not None:
                span = value.key_span or value.span
                hint = suggested_name(key, check)
                self.error("ARC205", f"the name `{key}` {error}", span, hint)

    def check_values(self, value: Value, known: frozenset[str], hint: str | None = None) -> bool:
        """Report malformed expressions and unknown names in `value`. Returns whether it has no
        errors, including those of the schema."""
        before = len(self.diagnostics)
        for scalar in scalars(value):
            if scalar not in self.invalid and expressions.is_expression(scalar.data):
                self.check_expression(scalar, known, hint)
        return len(self.diagnostics) == before and self.is_valid(value)

    def check_expression(self, scalar: Value, known: frozenset[str], hint: str | None) -> None:
        try:
            expression = expressions.parse(str(scalar.data))
        except expressions.ExpressionError as error:
            span = at(scalar, error.offset, error.length)
            self.error("ARC301", error.message, span, error.hint)
            return
        for name, offset, length in expressions.references(expression):
            if name not in known and ANY not in known:
                suggestion = did_you_mean(name, known) or hint or _known_names(known)
                self.error(
                    "ARC302", f"unknown name `{name}`", at(scalar, offset, length), suggestion
                )


def _known_names(known: frozenset[str]) -> str:
    if not known:
        return "no names are defined here: a block can use its own `params` and the spec's"
    return f"known here: {', '.join(sorted(known))}"


def _text(value: Value | None) -> str:
    return "" if value is None else str(value.data)


def _texts(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value.data, list):
        return tuple(str(item.data) for item in value.data)
    return (str(value.data),)


def _input_error(name: str) -> str | None:
    return None if name == "input" else attribute_error(name)


def _variable_error(name: str) -> str | None:
    if name in REPETITION:
        return "is defined by every repetition"
    return name_error(name)


def _first_line(span: Span) -> Span:
    if span.end_line == span.line:
        return span
    return span._replace(end_line=span.line, end_column=span.column + 1)


def _block_steps(steps: Iterable[Step]) -> Iterator[BlockStep]:
    """All block instances in the steps, nested ones included."""
    for step in steps:
        if isinstance(step, BlockStep):
            yield step
        elif isinstance(step, SectionStep | RepeatStep | ForStep):
            yield from _block_steps(step.body)
        elif isinstance(step, MergeStep):
            for branch in step.branches:
                yield from _block_steps(branch)


def _cycle_from(name: str, uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The shortest cycle through a block, if there is one; breadth first."""
    paths: list[tuple[str, ...]] = [(name, use) for use in uses[name]]
    seen: set[str] = set()
    for path in paths:
        if path[-1] == name:
            return path
        if path[-1] not in seen and path[-1] in uses:
            seen.add(path[-1])
            paths += [(*path, use) for use in uses[path[-1]]]
    return None
