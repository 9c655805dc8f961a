"""The words of the language that are no ops, and the fields of a recipe."""

from __future__ import annotations

from archc.language.field_values import as_written
from archc.language.recipe import Group, Training, Variants, as_spec, doc_of
from archc.language.reference import terms
from archc.language.writer import inline
from archc.ops.fields import FieldInfo, fields_of
from docs.generate.markdown import prose, table

FIELD_HEADS = ("field", "default", "meaning and values")


def words() -> str:
    """Keys of specs and of steps, and functions of expressions."""
    rows = [
        [f"`{term.form}`", _two_lines(term.doc, term.expected)]
        for _, term in sorted(terms().items())
    ]
    return table(["written", "meaning and values"], rows)


def recipe() -> str:
    """The fields of a training recipe: a table of the recipe's own, and one for each record in
    it."""
    return "\n".join([f"{prose(doc_of(Training))}\n", *_records(Training, "training")])


def _records(declaration: type, path: str) -> list[str]:
    rows, below = [], []
    for field in fields_of(declaration):
        rows.append(field_row(field))
        inner = f"{path}.{field.name}"
        if isinstance(field.kind, Group):
            below += _record(field.kind.declaration, inner)
        elif isinstance(field.kind, Variants):
            for name, one in field.kind.declarations.items():
                below += _record(one, f"{inner}.{name}")
    return [table(FIELD_HEADS, rows), *below] if rows else below


def _record(declaration: type, path: str) -> list[str]:
    return [f"## `{path}`\n\n{prose(doc_of(declaration))}\n", *_records(declaration, path)]


def field_row(field: FieldInfo) -> list[str]:
    """A field's name, its default, and its meaning with its values."""
    if field.required:
        default = "required"
    elif isinstance(field.kind, Group):
        default = ""
    else:
        default = f"`{inline(as_spec(as_written(field, field.default)))}`"
    return [f"`{field.name}`", default, _two_lines(field.doc, field.kind.expected)]


def _two_lines(doc: str, expected: str) -> str:
    return f"{prose(doc)}<br>*{prose(expected)}*" if expected else prose(doc)
