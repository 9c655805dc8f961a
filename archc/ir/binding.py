"""Evaluation and typing of a spec's values: the fields of an op, the parameters of a block
instance, the axes of an input, the training recipe.

Codes: ARC111 an input that is too large, ARC206 a value of the wrong type, ARC404 lists of unequal
lengths, ARC408 invalid parameters of a block, ARC409 invalid axes of an input.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TypeGuard

from archc.diagnostics import Diagnostic, Note, names_hint
from archc.diagnostics.collector import Unknown
from archc.language.evaluate import (
    INVALID,
    Environment,
    EvaluationError,
    UnknownValueError,
    evaluate,
)
from archc.language.expressions import (
    INPUT,
    Budget,
    Comparison,
    Entry,
    Expression,
    Incoming,
    Literal,
    Logical,
    is_expression,
    parse,
)
from archc.language.recipe import Group, Training, Variants
from archc.language.syntax import (
    ActivationStep,
    Block,
    BlockStep,
    Document,
    ForStep,
    OpStep,
    RepeatStep,
    Step,
)
from archc.language.terms import op_hint
from archc.language.values import Value, format_value, mapping, parts
from archc.ops.activation import ACTIVATION
from archc.ops.activation import OPS as ACTIVATIONS
from archc.ops.axes import AXIS_NAMES, Axes, axes_of
from archc.ops.base import Op
from archc.ops.fields import LARGEST, FieldInfo, fields_of, whole_number

Report = Callable[[Diagnostic], None]
_WHOLE = "whole number"
"""In the words of every kind of field that takes one."""
_CHANNEL_MULTIPLE = 8
"""Widths that were scaled are usually rounded to multiples of it."""
_LONGEST_REPEATED = 40
"""Characters of an expression that a hint repeats."""
INPUT_HINT = (
    "use channels with length, height and width, or depth, height and width; features; "
    "tokens and features; or tokens with dtype int32"
)


def typed_op(
    step: OpStep,
    evaluate_field: Callable[[Value], object],
    notes: Callable[[Value], tuple[Note, ...]],
    report: Report,
) -> Op:
    """The op with typed fields. Reports each invalid field, with `notes` on the parameters it uses,
    then raises UnknownValueError."""
    typed = {}
    complete = not step.invalid
    for field in fields_of(step.op):
        if field.name not in step.fields:
            continue
        try:
            result = evaluate_field(step.fields[field.name])
            try:
                typed[field.name] = field.kind.convert(result)
            except ValueError:
                field_notes = notes(step.fields[field.name])
                raise EvaluationError(_wrong_field(step, field, result, field_notes)) from None
        except EvaluationError as error:
            report(error.diagnostic)
            complete = False
        except UnknownValueError:
            complete = False
    if not complete:
        raise UnknownValueError
    return step.op(**typed)


def typed_activation(step: ActivationStep, value: object) -> Op | None:
    """The activation that an evaluated value names, None for `none`. Raises EvaluationError."""
    try:
        activation = ACTIVATION.convert(value)
    except ValueError:
        message = f"`activation` must be {ACTIVATION.expected}, got {format_value(value)}"
        hint = op_hint(value, [one.name for one in ACTIVATIONS]) if isinstance(value, str) else None
        raise EvaluationError(Diagnostic("ARC206", message, step.value.span, hint)) from None
    assert activation is None or isinstance(activation, Op)
    return activation


def condition_of(step: Step) -> Expression | None:
    """The condition under which a step does something, as far as it is an expression: that of
    `when`, and of an activation that it is not `none`."""
    conditions: list[Expression] = []
    if step.when is not None and is_expression(step.when.data):
        conditions.append(parse(str(step.when.data)))
    if isinstance(step, ActivationStep) and is_expression(step.value.data):
        name = parse(str(step.value.data))
        span = name.offset, name.length
        conditions.append(Comparison(name, (("!=", Literal("none", *span)),), *span))
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return Logical("and", tuple(conditions), 0, 0)


def _wrong_field(
    step: OpStep, field: FieldInfo, result: object, notes: tuple[Note, ...]
) -> Diagnostic:
    value = step.fields[field.name]
    subject = f"`{field.name}` of {step.op.name}"
    message = f"{subject} must be {field.kind.expected}, got {format_value(result)}"
    hint = rounding_hint(value, result) if _WHOLE in field.kind.expected else None
    return Diagnostic("ARC206", message, value.span, hint, notes)


def rounding_hint(value: Value, result: object) -> str | None:
    """A hint for a value that comes to a fraction where a whole number is expected."""
    if isinstance(result, list):
        if isinstance(value.data, list):
            hints = map(rounding_hint, value.data, result)
            return next(filter(None, hints), None)
        return "`round(x)` gives a whole number" if any(map(_is_fraction, result)) else None
    if not _is_fraction(result):
        return None
    text = str(value.data)
    inner = text[2:-1] if text[:2] == "$(" else text[1:]
    if len(inner) > _LONGEST_REPEATED:
        inner = "..."
    hint = f"write `$(round({inner}))`"
    if result < _CHANNEL_MULTIPLE:
        return hint
    return f"{hint}, or `$(round_to({inner}, {_CHANNEL_MULTIPLE}))` for a multiple"


def _is_fraction(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and not value.is_integer()


def block_arguments(
    step: BlockStep,
    block: Block,
    evaluate_argument: Callable[[Value], object],
    evaluate_default: Callable[[Value, dict[str, object]], object],
    report: Callable[[Diagnostic, Unknown | None], None],
) -> dict[str, object]:
    """The values of a block's parameters: `evaluate_argument` evaluates an argument of the
    instance, `evaluate_default` a default of the block with the parameters before it. Reports
    unknown and missing parameters; raises UnknownValueError if one is missing."""
    title = str(step.block.data)

    def known() -> str | None:
        return names_hint("it has", block.params) if block.params else "it has none"

    misspelt = [name for name in step.arguments if name not in block.params]
    for name in misspelt:
        span = step.arguments[name].key_span or step.arguments[name].span
        message = f"block `{title}` has no parameter `{name}`"
        unknown = Unknown(name, block.params.keys, known)
        report(Diagnostic("ARC408", message, span), unknown)
    missing = [
        name
        for name, value in block.params.items()
        if value.data is None and name not in step.arguments
    ]
    if missing and not misspelt:
        listed = " and ".join(f"`{name}`" for name in missing)
        message = f"block `{title}` needs its parameter{'s' * (len(missing) > 1)} {listed}"
        hint = f"set {'them' if len(missing) > 1 else 'it'} under `with`"
        report(Diagnostic("ARC408", message, step.block.span, hint), None)
    if missing:
        raise UnknownValueError
    values: dict[str, object] = {}
    for name, value in block.params.items():
        if name in step.arguments:
            values[name] = evaluate_argument(step.arguments[name])
        elif name in block.invalid_names:
            values[name] = INVALID
        elif isinstance(value.data, list) or is_expression(value.data):
            values[name] = evaluate_default(value, values)
        else:
            values[name] = value.data
    return values


def plain_defaults(block: Block) -> dict[str, object]:
    """The defaults of a block that are plain values, not expressions."""
    return {
        name: value.data
        for name, value in block.params.items()
        if value.data is not None and not is_expression(value.data)
    }


def written_arguments(step: BlockStep, block: Block) -> dict[str, Expression]:
    """The parameters of an instance that are expressions: as it writes them, and of those that it
    leaves out, a default that is an axis of the block's input as it would write it."""
    written: dict[str, Expression] = {}
    for name, value in block.params.items():
        if name in step.arguments:
            value = step.arguments[name]
            if is_expression(value.data):
                written[name] = parse(str(value.data))
        elif name not in block.invalid_names and is_expression(value.data):
            default = parse(str(value.data))
            if isinstance(default, Incoming) or (
                isinstance(default, Entry) and default.name == INPUT
            ):
                written[name] = Incoming(default.axis, default.offset, default.length)
    return written


def input_axes(
    name: str, value: Value, params: Environment, invalid: Container[Value], report: Report
) -> Axes | None:
    """The axes of an input; None if they are invalid, which is reported unless a value in `invalid`
    is the reason."""
    fields = mapping(value)
    sizes: dict[str, int] = {}
    for axis, size in fields.items():
        if axis in AXIS_NAMES and size not in invalid:
            try:
                sizes[axis] = _size(axis, size, params)
            except EvaluationError as error:
                report(error.diagnostic)
            except UnknownValueError:
                continue
    if value in invalid or len(sizes) + ("dtype" in fields) < len(fields):
        return None
    if "dtype" in fields and fields["dtype"] in invalid:
        return None
    return _axes(name, value, fields, sizes, report)


def _size(axis: str, value: Value, params: Environment) -> int:
    size = evaluate(value, params, None, Budget())
    try:
        return whole_number(size, 1)
    except ValueError:
        message = f"`{axis}` must be a whole number from 1, got {format_value(size)}"
        hint = rounding_hint(value, size)
        raise EvaluationError(Diagnostic("ARC206", message, value.span, hint)) from None


def _axes(
    name: str, value: Value, fields: Mapping[str, Value], sizes: dict[str, int], report: Report
) -> Axes | None:
    dtype = str(fields["dtype"].data) if "dtype" in fields else "float32"
    axes = axes_of(sizes, dtype)
    span = value.key_span or value.span
    ids = axes is not None and axes.names == ("tokens",)
    if axes is None or ids != (dtype == "int32"):
        message = f"`{name}` with {', '.join(fields)} is not a valid input"
        report(Diagnostic("ARC409", message, span, INPUT_HINT))
        return None
    if axes.elements > LARGEST:
        report(
            Diagnostic(
                "ARC111",
                f"the input is too large: {axes}",
                span,
                "an array has at most 2^53 elements",
            )
        )
        return None
    return axes


def evaluated_expectations(
    document: Document, params: Environment
) -> tuple[Value | None, list[Diagnostic]]:
    """The expectations with sizes in place of expressions, and the diagnostics of those that cannot
    be evaluated."""
    diagnostics: list[Diagnostic] = []

    def evaluated(key: str, value: Value) -> Value:
        if isinstance(value.data, dict):
            entries = {inner: evaluated(inner, entry) for inner, entry in value.data.items()}
            return Value(entries, value.span, value.key_span)
        if not is_expression(value.data) or value in document.invalid:
            return value
        try:
            return Value(_size(key, value, params), value.span, value.key_span)
        except EvaluationError as error:
            diagnostics.append(error.diagnostic)
        except UnknownValueError:
            pass
        return value

    expect = document.expect
    return None if expect is None else evaluated("expect", expect), diagnostics


def typed_training(
    document: Document, params: Environment
) -> tuple[Training | None, list[Diagnostic]]:
    """The training recipe, None if the spec has no valid one, and its diagnostics other than those
    that are reported already."""
    diagnostics: list[Diagnostic] = []
    if document.training is None or document.training in document.invalid:
        return None, diagnostics
    try:
        values = _Values(params, document.invalid, diagnostics.append).record(
            Training, document.training
        )
    except UnknownValueError:
        return None, diagnostics
    assert isinstance(values, Training)
    return values, diagnostics


class _Values:
    """Evaluates and types the fields of records, nested groups included."""

    def __init__(self, params: Environment, invalid: Container[Value], report: Report) -> None:
        self.params = params
        self.invalid = invalid
        self.report = report
        self.budget = Budget()

    def record(self, declaration: type, value: Value) -> object:
        """The record of a mapping. Reports each invalid field, then raises UnknownValueError."""
        fields = mapping(value)
        typed: dict[str, object] = {}
        present = [field for field in fields_of(declaration) if field.name in fields]
        for field in present:
            try:
                typed[field.name] = self.field(field, fields[field.name])
            except EvaluationError as error:
                self.report(error.diagnostic)
            except UnknownValueError:
                continue
        if len(typed) < len(fields) or value in self.invalid:
            raise UnknownValueError
        result: object = declaration(**typed)
        return result

    def field(self, field: FieldInfo, value: Value) -> object:
        """The value of a field. Raises EvaluationError (ARC206, ARC303) and UnknownValueError."""
        if value in self.invalid:
            raise UnknownValueError
        if isinstance(field.kind, Group):
            return self.record(field.kind.declaration, value)
        if isinstance(field.kind, Variants):
            if isinstance(value.data, str):
                return field.kind.declarations[value.data]()
            ((name, entries),) = mapping(value).items()
            if entries in self.invalid:
                raise UnknownValueError
            return self.record(field.kind.declarations[name], entries)
        if any(part in self.invalid for part in parts(value)):
            raise UnknownValueError
        result = evaluate(value, self.params, None, self.budget)
        try:
            return field.kind.convert(result)
        except ValueError:
            message = f"`{field.name}` must be {field.kind.expected}, got {format_value(result)}"
            hint = rounding_hint(value, result) if _WHOLE in field.kind.expected else None
            raise EvaluationError(Diagnostic("ARC206", message, value.span, hint)) from None


def repeat_count(step: RepeatStep, evaluate: Callable[[Value], object]) -> int:
    """How often a `repeat` runs. Raises EvaluationError (ARC206)."""
    count = evaluate(step.count)
    try:
        return whole_number(count, 0)
    except ValueError:
        message = f"`repeat` must be a whole number from 0, got {format_value(count)}"
        hint = rounding_hint(step.count, count)
        raise EvaluationError(Diagnostic("ARC206", message, step.count.span, hint)) from None


def count_of(step: RepeatStep) -> Expression | None:
    """How often a `repeat` runs, where that is an expression."""
    return parse(str(step.count.data)) if is_expression(step.count.data) else None


def loop_lists(step: ForStep, evaluate: Callable[[Value], object]) -> dict[str, list[object]]:
    """The lists of a `for` by variable. Raises EvaluationError (ARC206, ARC404)."""
    lists: dict[str, list[object]] = {}
    for name, value in step.lists.items():
        items = evaluate(value)
        if not isinstance(items, list):
            message = f"`{name}` of `for` must be a list, got {format_value(items)}"
            raise EvaluationError(Diagnostic("ARC206", message, value.span))
        lists[name] = items
    lengths = {name: len(items) for name, items in lists.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        message = f"the lists of `for` differ in length: {listed}"
        raise EvaluationError(
            Diagnostic("ARC404", message, step.span, "`for` iterates over them in parallel")
        )
    return lists
