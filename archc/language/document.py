"""From a merged spec to typed steps. Reports all errors that need no evaluation.

Values that violate the schema are skipped, so that one run reports every error: a step with an
error becomes an `InvalidStep`.

Codes: ARC202 a missing key, ARC205 an invalid name, ARC301 a malformed expression, ARC302 an
unknown name in an expression, ARC401 a step without exactly one op, ARC402 a misplaced step key,
ARC403 an unknown block or a block that contains itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from archc.diagnostics import Diagnostic, Span, names_hint
from archc.diagnostics.collector import Unknown
from archc.language.catalog import catalog_of
from archc.language.checks import ANY, Checker
from archc.language.cycles import cycles_in
from archc.language.expressions import INPUT
from archc.language.module_names import network_error
from archc.language.names import (
    CLASSES,
    REPETITION,
    attribute_error,
    camel_case,
    class_error,
    name_error,
    param_error,
)
from archc.language.schema.findings import Findings
from archc.language.syntax import (
    STEP_KEYS,
    ActivationStep,
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
    block_steps,
)
from archc.language.values import Value, mapping, sequence, text, texts
from archc.ops import MERGES, OPS
from archc.ops.base import Op

COMPOSITIONS = ("section", "repeat", "for", "block", "activation")
_LONGEST_CYCLE = 16
"""Blocks of a cycle that a message shows."""
_NO_NAMES: frozenset[str] = frozenset()


def read_document(value: Value, findings: Findings) -> tuple[Document | None, list[Diagnostic]]:
    """The document of a merged mapping, and its errors in addition to those of the schema. None if
    it cannot be expanded: blocks contain themselves."""
    return _Reader(findings).document(value)


class _Reader(Checker):
    """Converts values into steps and collects diagnostics."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(findings)
        self.blocks: Mapping[str, Value] = {}
        self.blocks_known = True
        self.params: frozenset[str] = _NO_NAMES
        self.own_params: frozenset[str] = _NO_NAMES  # of the block whose steps are read

    def document(self, value: Value) -> tuple[Document | None, list[Diagnostic]]:
        fields = mapping(value)
        name = fields.get("name", value)
        own_name = str(name.data) if name is not value else ""
        if "name" in fields:
            self.check_name(name, network_error)
        if "class" in fields:
            class_name = str(fields["class"].data)
            self.check_name(fields["class"], class_error)
        else:
            class_name = camel_case(own_name)
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
        self.check_classes(class_name)
        layers = self.steps(fields.get("layers"), self.params)
        outputs = fields.get("outputs")
        if outputs is not None and not (
            self.is_valid(outputs) and self.check_names(outputs, self.params)
        ):
            outputs = None
        entries = [entry for one in sequence(outputs) for entry in mapping(one).items()]
        training_outputs = [*map(_named_by_key, entries)]
        checked = [self.check_names(one, self.params) for one in training_outputs]
        if outputs is not None and len(training_outputs) == len(sequence(outputs)):
            hint = "list the output of an evaluation, too"
            message = "all outputs are in training alone"
            self.error("ARC402", message, outputs.span, hint)
        expect, training = fields.get("expect"), fields.get("training")
        for unused_by_steps in (expect, training):
            if unused_by_steps is not None:
                self.check_values(unused_by_steps, self.params)
        document = Document(
            name=own_name,
            class_name=class_name,
            title=text(fields.get("title")),
            description=text(fields.get("description")),
            references=texts(fields.get("reference")),
            catalog=catalog_of(fields),
            inputs=inputs,
            params=params,
            blocks=blocks,
            layers=layers,
            outputs=tuple(one for one in sequence(outputs) if not isinstance(one.data, dict)),
            training_outputs=tuple(training_outputs) if all(checked) else (),
            expect=expect,
            training=training,
            checkpoints=fields.get("checkpoints"),
            span=name.span,
            invalid_names=invalid_names,
            invalid=frozenset(self.invalid),
        )
        cyclic = self.has_cycles(blocks)
        return (None if cyclic else document), self.diagnostics.diagnostics()

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
        inputs = self.block_inputs(fields.get("inputs"), params)
        self.inputs_here = frozenset({INPUT, *(str(one.data) for one in inputs)})
        if self.is_unknown(value, "inputs"):
            self.inputs_here |= {ANY}
        invalid_names = self.check_params(
            params, self.params, "a default can use the parameters above it"
        )
        known = self.params | params.keys()
        if self.is_unknown(value, "params"):
            known |= {ANY}
        self.own_params = frozenset(params)
        body = self.steps(fields.get("layers"), known)
        self.own_params = _NO_NAMES
        outputs = fields.get("outputs")
        valid = outputs is None or (self.is_valid(outputs) and self.check_names(outputs, known))
        if "class" in fields:
            self.check_name(fields["class"], class_error)
        class_name = str(fields["class"].data) if "class" in fields else None
        exposed = tuple(sequence(outputs)) if valid else None
        self.inputs_here = frozenset({INPUT})
        return Block(params, inputs, invalid_names, body, exposed, class_name)

    def block_inputs(self, value: Value | None, params: Mapping[str, Value]) -> tuple[Value, ...]:
        """The names of what comes into a block besides its `input`."""
        names: dict[str, Value] = {}
        for one in sequence(value):
            name = str(one.data)
            if one in self.invalid:
                continue
            self.check_name(one, param_error)
            if name in names:
                self.error("ARC407", f"the input `{name}` is there twice", one.span, "name it once")
            elif name in params or name in self.params:
                message = f"the name `{name}` is that of a parameter"
                self.error("ARC205", message, one.span, "choose another name")
            names.setdefault(name, one)
        return tuple(names.values())

    def check_classes(self, network: str) -> None:
        """Report classes of blocks that are another block's, or the network's."""
        first: dict[str, str] = {network: "of the network"}
        for title, block in self.blocks.items():
            value = mapping(block).get("class")
            if value is None or value in self.invalid:
                continue
            owner = first.setdefault(str(value.data), f"of block `{title}`")
            if owner != f"of block `{title}`":
                message = f"the class `{value.data}` is that {owner}"
                self.error("ARC205", message, value.span, "choose another name")

    def check_params(
        self, params: Mapping[str, Value], known: frozenset[str], hint: str
    ) -> frozenset[str]:
        """Check names and defaults, each against those above it. Returns the names with errors."""
        self.check_keys(params, param_error)
        invalid_names = set()
        above = set(known)
        for name, default in params.items():
            if not self.check_values(default, above, hint):
                invalid_names.add(name)
            above.add(name)
        return frozenset(invalid_names)

    def has_cycles(self, blocks: Mapping[str, Block]) -> bool:
        """Whether blocks contain themselves; reports each cycle."""
        uses = {
            name: tuple(dict.fromkeys(str(use.block.data) for use in block_steps(block.body)))
            for name, block in blocks.items()
        }
        cycles = cycles_in(uses)
        for chain in cycles:
            name = chain[0]
            span = self.blocks[name].key_span or self.blocks[name].span
            shown = chain if len(chain) <= _LONGEST_CYCLE else (*chain[:3], "...", *chain[-2:])
            message = f"block `{name}` contains itself: {' -> '.join(shown)}"
            self.error("ARC403", message, span)
        return bool(cycles)

    def steps(self, value: Value | None, known: frozenset[str]) -> tuple[Step, ...]:
        return tuple(self.step(item, known) for item in sequence(value))

    def step(self, value: Value, known: frozenset[str]) -> Step:
        fields = mapping(value)
        if isinstance(value.data, str) and value not in self.invalid:
            return OpStep(*Common(value.span), OPS[value.data], {}, invalid=False)
        if not isinstance(value.data, dict):
            return InvalidStep(*Common(value.span), "")
        keys = [key for key in fields if key in OPS or key in COMPOSITIONS]
        name, when = fields.get("name"), fields.get("when")
        named = name is None or self.check_step_name(name, known)
        name = name if named else None
        if len(keys) != 1:
            # An unknown key is most likely a misspelt op: the schema reported it.
            if keys or fields.keys() <= STEP_KEYS:
                self.not_one_op(value, keys)
            return InvalidStep(*Common(value.span.first_line(), name), "")
        (key,) = keys
        self.check_keys_of_step(value, key)
        valid = value not in self.invalid and named
        valid &= when is None or self.check_values(when, known)
        sources = self.sources(fields, known)
        valid &= sources is None or bool(sources)
        target = fields[key]
        span = target.key_span or value.span
        weights = fields.get("weights")
        valid &= weights is None or (self.is_valid(weights) and self.check_names(weights, known))
        trainable = fields.get("trainable")
        valid &= trainable is None or self.check_values(trainable, known)
        common = Common(span, name, when, sources, weights, trainable)
        step: Step | None
        if key in MERGES:
            step = self.merge(key, target, common, known)
        else:
            most = OPS[key].most_inputs if key in OPS else 1
            if sources is not None and len(sources) > most and key != "block":
                many = "a single input" if most == 1 else f"at most {most} inputs"
                hint = "merge them first"
                self.error("ARC402", f"`{key}` takes {many}", fields["from"].span, hint)
            if key in OPS:
                step = self.op(OPS[key], target, common, known)
            elif key == "block":
                step = self.block_step(fields, common, known)
            elif key == "activation":
                valid &= self.check_values(target, known) and target not in self.invalid
                step = ActivationStep(*common, target)
            else:
                step = self.composition(key, fields, common, known)
        if step is None or not valid:
            if key == "section" and target not in self.invalid and target.data is not None:
                name = target
            kind = str(target.data) if key == "block" else key
            kind = kind if named else ""
            return InvalidStep(*Common(span, name, sources=sources or None), kind)
        return step

    def not_one_op(self, value: Value, keys: list[str]) -> None:
        if keys:
            listed = ", ".join(f"`{key}`" for key in keys)
            second = mapping(value)[keys[1]]
            span = second.key_span or second.span
            hint = "start a new step with `- `"
            self.error("ARC401", f"a step takes a single op, got {listed}", span, hint)
        else:
            span = value.span.first_line()
            self.error("ARC401", "a step without an op", span, "`archc ops` lists all ops")

    def sources(
        self, fields: Mapping[str, Value], known: frozenset[str]
    ) -> tuple[Value, ...] | None:
        """The steps that `from` names; empty if it is invalid."""
        value = fields.get("from")
        if value is None:
            return None
        if not self.is_valid(value) or not self.check_names(value, known):
            return ()
        if not isinstance(value.data, list):
            return (value,)
        if not value.data:
            self.error("ARC402", "`from` names no step", value.span, "name one, or remove it")
        return tuple(value.data)

    def merge(
        self, key: str, target: Value, common: Common, known: frozenset[str]
    ) -> MergeStep | None:
        span, sources = common.span, common.sources
        branches = tuple(self.steps(branch, known) for branch in sequence(target))
        if target in self.invalid or any(branch in self.invalid for branch in sequence(target)):
            return None
        if not branches and not _names_several(sources):
            hint = "add branches, or `from: [a, b]`"
            self.error("ARC402", f"`{key}` has nothing to merge", span, hint)
            return None
        if len(branches) == 1:
            self.error("ARC402", f"`{key}` has only one branch", span, "`[]` is the identity")
        elif branches and len(sources or ()) > 1:
            hint = "use branches, or several steps under `from`"
            self.error("ARC402", f"the branches of `{key}` take a single input", span, hint)
        return MergeStep(*common, OPS[key], branches)

    def composition(
        self, key: str, fields: Mapping[str, Value], common: Common, known: frozenset[str]
    ) -> Step | None:
        target, layers = fields[key], fields.get("layers")
        valid = layers is not None and layers not in self.invalid
        if key == "section":
            name = None if target.data is None else target
            valid &= name is None or self.check_step_name(name, known)
            body = self.steps(layers, known)
            return SectionStep(*common._replace(name=name), body) if valid else None
        valid &= self.check_values(target, known)
        if key == "repeat":
            body = self.steps(layers, known | REPETITION)
            return RepeatStep(*common, target, body) if valid else None
        lists = mapping(target)
        self.check_keys(lists, _variable_error)
        variables = lists.keys() if target not in self.invalid else {ANY}
        body = self.steps(layers, known | REPETITION | variables)
        return ForStep(*common, lists, body) if valid else None

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
        if key in ("section", "block") or (key in OPS and key not in MERGES):
            allowed.add("trainable")
        if key == "block" or (key in OPS and key not in MERGES):
            allowed.add("weights")
        if "weights" in allowed and "weights" in fields and "trainable" in fields:
            span = fields["trainable"].key_span or fields["trainable"].span
            hint = "whether variables are trained is said where they are"
            message = "`trainable` is not allowed with `weights`"
            self.error("ARC402", message, span, hint)
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
        valid = "with" not in fields or self.check_values(fields["with"], known)
        if target in self.invalid:
            return None
        if target.data not in self.blocks and not self.blocks_known:
            return None
        if target.data not in self.blocks:
            unknown = Unknown(str(target.data), lambda: self.blocks, self.known_blocks)
            self.error("ARC403", f"no block `{target.data}`", target.span, unknown=unknown)
            return None
        block = self.blocks[str(target.data)]
        if (
            block in self.invalid
            or self.is_unknown(block, "layers")
            or self.is_unknown(block, "params")
            or self.is_unknown(block, "inputs")
        ):
            return None
        arguments = self.arguments(fields["with"], block) if "with" in fields else {}
        return BlockStep(*common, target, arguments) if valid and arguments is not None else None

    def arguments(self, value: Value, block: Value) -> Mapping[str, Value] | None:
        """The arguments of an instance; of `same`, those parameters of the block around it that
        this one has as well, None with an error where there are none."""
        if value.data != "same":
            return mapping(value)
        shared = [name for name in mapping(mapping(block).get("params")) if name in self.own_params]
        if not shared:
            hint = "it hands on the parameters of the block around, as far as this block has them"
            self.error("ARC402", "`with: same` has nothing to hand on", value.span, hint)
            return None
        return {name: Value(f"${name}", value.span) for name in shared}

    def known_blocks(self) -> str | None:
        return names_hint("known:", self.blocks) if self.blocks else "`blocks` defines none"

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


def _named_by_key(entry: tuple[str, Value]) -> Value:
    """The name of a mapping's only entry, as a value."""
    name, value = entry
    return Value(name, value.key_span or value.span)


def _names_several(sources: tuple[Value, ...] | None) -> bool:
    """Whether `from` names several steps, or may do so once it is evaluated."""
    names = [str(source.data) for source in sources or ()]
    return len(names) > 1 or any("$" in name or name.endswith("*") for name in names)


def _input_error(name: str) -> str | None:
    return None if name == "input" else attribute_error(name)


def _variable_error(name: str) -> str | None:
    if name in REPETITION:
        return "is defined by every repetition"
    return name_error(name)
