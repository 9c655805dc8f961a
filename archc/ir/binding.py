"""What a spec gives, typed: the fields of an op, the parameters of a block instance, the axes of an
input, the training recipe.

Codes: ARC111 an input that is too large, ARC206 a value of the wrong kind, ARC404 unequal lists,
ARC408 a block's parameters, ARC409 axes that make no input.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from archc.diagnostics import Diagnostic, Note, did_you_mean
from archc.language.evaluate import INVALID, Environment, Fault, Unknown, evaluate
from archc.language.expressions import Budget, is_expression
from archc.language.recipe import Group, Training, Variants
from archc.language.schema.validate import shown
from archc.language.syntax import Block, BlockStep, Document, ForStep, OpStep
from archc.language.values import Value, mapping
from archc.ops.axes import AXIS_NAMES, Axes, axes_of
from archc.ops.base import Op
from archc.ops.fields import LARGEST, FieldInfo, fields_of

Report = Callable[[Diagnostic], None]
INPUT_HINT = (
    "give channels with length, height and width, or depth, height and width; features; "
    "tokens and features; or tokens with dtype int32"
)


def typed_op(
    step: OpStep,
    evaluated: Callable[[Value], object],
    notes: Callable[[Value], tuple[Note, ...]],
    report: Report,
) -> Op:
    """The op with typed fields. Reports each field at fault, with what `notes` tells of the names
    it uses, then raises Unknown."""
    typed = {}
    complete = not step.invalid
    for field in fields_of(step.op):
        if field.name not in step.fields:
            continue
        try:
            given = evaluated(step.fields[field.name])
            try:
                typed[field.name] = field.kind.convert(given)
            except ValueError:
                noted = notes(step.fields[field.name])
                raise Fault(_wrong_field(step, field, given, noted)) from None
        except Fault as fault:
            report(fault.diagnostic)
            complete = False
        except Unknown:
            complete = False
    if not complete:
        raise Unknown
    return step.op(**typed)


def _wrong_field(
    step: OpStep, field: FieldInfo, given: object, notes: tuple[Note, ...]
) -> Diagnostic:
    value = step.fields[field.name]
    message = f"`{field.name}` of {step.op.name} must be {field.kind.expected}, got {shown(given)}"
    return Diagnostic("ARC206", message, value.span, whole_number_hint(given), notes)


def whole_number_hint(value: object) -> str | None:
    """How to come by a whole number where a division gave another."""
    return "`//` divides whole numbers" if isinstance(value, float) else None


def block_arguments(
    step: BlockStep,
    block: Block,
    given: Callable[[Value], object],
    default: Callable[[Value, Environment], object],
    report: Report,
) -> dict[str, object]:
    """The values of a block's parameters: `given` evaluates what the instance gives, `default` what
    the block does, under the parameters before it. Reports what is wrong with their names; raises
    Unknown where one is missing."""
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
        hint = f"give {'them' if len(missing) > 1 else 'it'} under `with`"
        report(Diagnostic("ARC408", message, step.block.span, hint))
    if missing:
        raise Unknown
    values: dict[str, object] = {}
    for name, value in block.params.items():
        if name in step.arguments:
            values[name] = given(step.arguments[name])
        else:
            values[name] = INVALID if name in block.unsure else default(value, values)
    return values


def plain_defaults(block: Block) -> dict[str, object]:
    """The defaults that a block's text gives as plain values."""
    return {
        name: value.data
        for name, value in block.params.items()
        if value.data is not None and not is_expression(value.data)
    }


def input_axes(
    name: str, value: Value, params: Environment, invalid: Container[Value], report: Report
) -> Axes | None:
    """The axes of an input; None where they are at fault, which is reported unless it is told
    already of a value in `broken`."""
    given = mapping(value)
    sizes: dict[str, int] = {}
    for axis, size in given.items():
        if axis in AXIS_NAMES and size not in invalid:
            try:
                sizes[axis] = _size(axis, size, params)
            except Fault as fault:
                report(fault.diagnostic)
            except Unknown:
                continue
    if value in invalid or len(sizes) + ("dtype" in given) < len(given):
        return None
    if "dtype" in given and given["dtype"] in invalid:
        return None
    return _axes(name, value, given, sizes, report)


def _size(axis: str, value: Value, params: Environment) -> int:
    size = evaluate(value, params, None, Budget())
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST:
        message = f"`{axis}` must be a whole number from 1, got {shown(size)}"
        raise Fault(Diagnostic("ARC206", message, value.span, whole_number_hint(size)))
    return size


def _axes(
    name: str, value: Value, given: Mapping[str, Value], sizes: dict[str, int], report: Report
) -> Axes | None:
    dtype = str(given["dtype"].data) if "dtype" in given else "float32"
    axes = axes_of(sizes, dtype)
    span = value.key_span or value.span
    ids = axes is not None and axes.names == ("tokens",)
    if axes is None or ids != (dtype == "int32"):
        message = f"`{name}` with {', '.join(given)} is no kind of input"
        report(Diagnostic("ARC409", message, span, INPUT_HINT))
        return None
    if axes.elements > LARGEST:
        report(Diagnostic("ARC111", f"the input is too large: {axes}", span))
        return None
    return axes


def typed_training(
    document: Document, params: Environment
) -> tuple[Training | None, list[Diagnostic]]:
    """The training recipe, if the spec has one that is sound, and what is wrong with it beside what
    is told already."""
    found: list[Diagnostic] = []
    if document.training is None or document.training in document.invalid:
        return None, found
    try:
        values = _Values(params, document.invalid, found.append).record(Training, document.training)
    except Unknown:
        return None, found
    assert isinstance(values, Training)
    return values, found


class _Values:
    """Types the fields of records, groups of them within one another."""

    def __init__(self, params: Environment, invalid: Container[Value], report: Report) -> None:
        self.params = params
        self.invalid = invalid
        self.report = report
        self.budget = Budget()

    def record(self, declaration: type, value: Value) -> object:
        """A record of what a mapping holds. Reports each field at fault, then raises Unknown."""
        given = mapping(value)
        typed: dict[str, object] = {}
        wanted = [field for field in fields_of(declaration) if field.name in given]
        for field in wanted:
            try:
                typed[field.name] = self.field(field, given[field.name])
            except Fault as fault:
                self.report(fault.diagnostic)
            except Unknown:
                continue
        if len(typed) < len(given) or value in self.invalid:
            raise Unknown
        made: object = declaration(**typed)
        return made

    def field(self, field: FieldInfo, value: Value) -> object:
        """Raises Fault (ARC206, ARC303) and Unknown."""
        if value in self.invalid:
            raise Unknown
        if isinstance(field.kind, Group):
            return self.record(field.kind.declaration, value)
        if isinstance(field.kind, Variants):
            if isinstance(value.data, str):
                return field.kind.declarations[value.data]()
            ((name, fields),) = mapping(value).items()
            if fields in self.invalid:
                raise Unknown
            return self.record(field.kind.declarations[name], fields)
        given = evaluate(value, self.params, None, self.budget)
        try:
            return field.kind.convert(given)
        except ValueError:
            message = f"`{field.name}` must be {field.kind.expected}, got {shown(given)}"
            hint = whole_number_hint(given)
            raise Fault(Diagnostic("ARC206", message, value.span, hint)) from None


def loop_lists(step: ForStep, evaluate: Callable[[Value], object]) -> dict[str, list[object]]:
    """The lists of a `for` by variable, all of one length. Raises Fault (ARC206, ARC404)."""
    lists: dict[str, list[object]] = {}
    for name, value in step.lists.items():
        items = evaluate(value)
        if not isinstance(items, list):
            message = f"`{name}` of `for` must be a list, got {shown(items)}"
            raise Fault(Diagnostic("ARC206", message, value.span))
        lists[name] = items
    lengths = {name: len(items) for name, items in lists.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        message = f"the lists of `for` differ in length: {listed}"
        raise Fault(Diagnostic("ARC404", message, step.span, "they are taken in step"))
    return lists
