"""`archc ops`: the reference of all ops, derived from their definitions."""

from __future__ import annotations

import re
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from archc.cli import completing, streams
from archc.language.field_values import as_written
from archc.language.recipe import Group, Training, Variants, as_spec, doc_of
from archc.language.schema.derive import op_doc
from archc.language.terms import op_hint
from archc.language.writer import inline
from archc.ops import FAMILIES, MERGES, OPS
from archc.ops.base import Op, is_bare
from archc.ops.fields import FieldInfo, fields_of

if TYPE_CHECKING:
    from archc.language.reference import Term

_WIDTH = 80
RECIPE = "training"


@click.command(
    "ops", help="Show all ops, or the fields of one; also of keys and functions of the language."
)
@click.argument("op", required=False, metavar="[OP]", shell_complete=completing.ops)
def command(op: str | None) -> int:
    """The reference on standard output."""
    if op is None:
        streams.write(all_ops())
        return 0
    if op == RECIPE:
        streams.write(recipe())
        return 0
    if op in OPS:
        streams.write(one_op(OPS[op]))
        return 0
    from archc.language.reference import terms

    words = terms()
    if op not in words:
        raise click.UsageError(f"unknown op {op!r}; {op_hint(op, {**words, **OPS})}")
    streams.write(_term(op, words[op]))
    return 0


def _term(name: str, term: Term) -> str:
    lines = [*wrap(f"{name}: {term.doc}", _WIDTH), "", *_wrap(term.form, "  ")]
    return "\n".join([*lines, *_wrap(term.expected, "    ")]) + "\n"


def all_ops() -> str:
    """All ops by family, with the first sentence of their docs."""
    longest = max(map(len, OPS))
    indent = " " * (longest + 4)
    lines = []
    for family, ops in FAMILIES.items():
        lines.append(family)
        for op in ops:
            sentence = re.split(r"(?<=\.) (?=[A-Z`])", op_doc(op))[0]
            lines += wrap(f"  {op.name:<{longest}}  {sentence}", _WIDTH, subsequent_indent=indent)
        lines.append("")
    footer = (
        "`archc ops OP` shows an op's fields, `archc ops training` those of a training recipe, and "
        "`archc ops repeat` or `archc ops round_to` what else the language has."
    )
    return "\n".join([*lines, *wrap(footer, _WIDTH)]) + "\n"


def one_op(op: type[Op]) -> str:
    """The docs of an op, its notations, and its fields."""
    lines = [*wrap(f"{op.name}: {op_doc(op)}", _WIDTH), ""]
    lines += [f"  - {form}" for form in _forms(op)]
    for field in fields_of(op):
        lines += ["", *_field(field)]
    return "\n".join(lines) + "\n"


def _forms(op: type[Op]) -> list[str]:
    """The ways to write the op as a step."""
    if op.name in MERGES:
        return [
            f"{op.name}: [BRANCH, BRANCH, ...]",
            f"{op.name}:  # with `from: [STEP, STEP, ...]`",
        ]
    fields = fields_of(op)
    required = [field.name for field in fields if field.required]
    forms = [op.name] if is_bare(op) else []
    if op.shorthand is not None and required in ([], [op.shorthand]):
        forms.append(f"{op.name}: {op.shorthand.upper()}")
    if fields:
        fields_text = ", ".join(f"{name}: ..." for name in required or [fields[0].name])
        forms.append(f"{op.name}: {{{fields_text}}}")
    return forms


def recipe() -> str:
    """The fields of a training recipe."""
    lines = [*wrap(f"{RECIPE}: {doc_of(Training)}", _WIDTH), "", f"  {RECIPE}: {{epochs: ...}}"]
    return "\n".join([*lines, *_recipe_fields(Training, "  ")]) + "\n"


def _recipe_fields(declaration: type, margin: str) -> list[str]:
    """The fields of a record; those of nested records are indented."""
    lines = []
    for field in fields_of(declaration):
        lines += ["", *_field(field, margin)]
        inner = margin + "    "
        if isinstance(field.kind, Group):
            lines += _recipe_fields(field.kind.declaration, inner)
        elif isinstance(field.kind, Variants):
            for name, one in field.kind.declarations.items():
                lines += ["", *_wrap(f"{name}: {doc_of(one)}", inner)]
                lines += _recipe_fields(one, inner + "  ")
    return lines


def _field(field: FieldInfo, margin: str = "  ") -> list[str]:
    head = f"{margin}{field.name}"
    if field.required:
        head += " (required)"
    elif not isinstance(field.kind, Group):
        written = as_spec(as_written(field, field.default))
        head += f" (default {inline(written)})"
    lines = [head, *_wrap(field.doc, margin + "  ")]
    return (
        lines
        if isinstance(field.kind, Group | Variants)
        else [*lines, *_wrap(field.kind.expected, margin + "  ")]
    )


def _wrap(text: str, margin: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent=margin, subsequent_indent=margin)
