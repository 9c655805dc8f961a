"""Evaluation and typing of a spec's values: the fields of an op, the parameters of a block
instance, the axes of an input, the training recipe.

Codes: ARC111 an input that is too large, ARC206 a value of the wrong type, ARC404 lists of unequal
lengths, ARC408 invalid parameters of a block, ARC409 invalid axes of an input.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from archc.diagnostics import Diagnostic, Note, did_you_mean
from archc.language.evaluate import (
    INVALID,
    Environment,
    EvaluationError,
    UnknownValueError,
    evaluate,
)
from archc.language.expressions import Budget, is_expression
from archc.language.recipe import Group, Training, Variants
from archc.language.schema.validate import format_value
from archc.language.syntax import Block, BlockStep, Document, ForStep, OpStep
from archc.language.values import Value, mapping, parts
from archc.ops.axes import AXIS_NAMES, Axes, axes_of
from archc.ops.base import Op
from archc.ops.fields import LARGEST, FieldInfo, fields_of

Report = Callable[[Diagnostic], None]
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


def _wrong_field(
    step: OpStep, field: FieldInfo, result: object, notes: tuple[Note, ...]
) -> Diagnostic:
    value = step.fields[field.name]
    subject = f"`{field.name}` of {step.op.name}"
    message = f"{subject} must be {field.kind.expected}, got {format_value(result)}"
    return Diagnostic("ARC206", message, value.span, whole_number_hint(result), notes)


def whole_number_hint(value: object) -> str | None:
    """A hint for a float where a whole number is expected."""
    return "`//` divides whole numbers" if isinstance(value, float) else None


def block_arguments(
    step: BlockStep,
    block: Block,
    evaluate_argument: Callable[[Value], object],
    evaluate_default: Callable[[Value, Environment], object],
    report: Report,
) -> dict[str, object]:
    """The values of a block's parameters: `evaluate_argument` evaluates an argument of the
    instance, `evaluate_default` a default of the block with the parameters before it. Reports
    unknown and missing parameters; raises UnknownValueError if one is missing."""
    title = str(step.block.data)
    misspelt = [name for name in step.arguments if name not in block.params]
    for name in misspelt:
        hint = did_you_mean(name, block.params) or (
            f"it has {', '.join(block.params)}" if block.params else "it has none"
        )
        span = step.arguments[name].key_span or step.arguments[name].span
        message = f"block `{title}` has no parameter `{name}`"
        report(Diagnostic("ARC408", message, span, hint))
    missing = [
        name
        for name, value in block.params.items()
        if value.data is None and name not in step.arguments
    ]
    if missing and not misspelt:
        listed = " and ".join(f"`{name}`" for name in missing)
        message = f"block `{title}` needs its parameter{'s' * (len(missing) > 1)} {listed}"
        hint = f"set {'them' if len(missing) > 1 else 'it'} under `with`"
        report(Diagnostic("ARC408", message, step.block.span, hint))
    if missing:
        raise UnknownValueError
    values: dict[str, object] = {}
    for name, value in block.params.items():
        if name in step.arguments:
            values[name] = evaluate_argument(step.arguments[name])
        else:
            values[name] = (
                INVALID if name in block.invalid_names else evaluate_default(value, values)
            )
    return values


def plain_defaults(block: Block) -> dict[str, object]:
    """The defaults of a block that are plain values, not expressions."""
    return {
        name: value.data
        for name, value in block.params.items()
        if value.data is not None and not is_expression(value.data)
    }


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
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST:
        message = f"`{axis}` must be a whole number from 1, got {format_value(size)}"
        raise EvaluationError(Diagnostic("ARC206", message, value.span, whole_number_hint(size)))
    return size


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
        report(Diagnostic("ARC111", f"the input is too large: {axes}", span))
        return None
    return axes


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
            hint = whole_number_hint(result)
            raise EvaluationError(Diagnostic("ARC206", message, value.span, hint)) from None


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
