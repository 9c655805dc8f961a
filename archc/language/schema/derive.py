"""The JSON Schema of the spec language (draft-07), put together from the op definitions.

Draft-07 because yaml-language-server and JetBrains read it. A step is dispatched by its type and
has one property per op, so that a fault lands at the value at fault and editors complete fields.
Every alternative carries `x-expected`, the words an error message uses for it.
"""

from __future__ import annotations

import json

from archc.language.names import PATTERN
from archc.language.recipe import Training, doc_of, group_schema
from archc.ops import MERGES, OPS
from archc.ops.axes import AXIS_DOCS
from archc.ops.base import Op, is_bare
from archc.ops.fields import COUNT, EXPRESSION_SCHEMA, FieldInfo, Kind, Schema, fields_of
from archc.ops.fields import or_expression as admit

SCHEMA_ID = "https://archc.dev/schema/archc-1.json"
_NAME: Schema = {"type": "string", "pattern": f"^{PATTERN}$"}
_NAME_EXPECTED = "a name: a lower-case letter, then lower-case letters, digits and underscores"
_STEPS: Schema = {"type": "array", "items": {"$ref": "#/definitions/step"}}
_STEPS_EXPECTED = "a list of steps"


def documented(schema: Schema, doc: str, expected: str) -> Schema:
    """A schema with its one-line description and the words an error uses."""
    return {"description": doc, "x-expected": expected, **schema}


def _name(doc: str) -> Schema:
    return documented(_NAME, doc, _NAME_EXPECTED)


def _text(doc: str) -> Schema:
    return documented({"type": "string"}, doc, "text")


def _steps(doc: str) -> Schema:
    return documented({**_STEPS, "minItems": 1}, doc, _STEPS_EXPECTED)


def _admitted(kind: Kind, doc: str) -> Schema:
    expected = f"{kind.expected}, or an expression"
    return documented(admit(kind.schema), doc, expected)


def _object(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if required:
        schema["required"] = list(required)
    return schema


def _field(field: FieldInfo) -> Schema:
    schema = _admitted(field.kind, field.doc)
    if not field.required and isinstance(field.default, bool | int | float | str):
        schema["default"] = field.default
    return schema


def op_doc(op: type[Op]) -> str:
    """The op's docstring on one line."""
    return " ".join((op.__doc__ or "").split())


def op_schema(op: type[Op]) -> Schema:
    """What may stand under the op's key in a step."""
    doc = op_doc(op)
    if op.name in MERGES:
        branches: Schema = {"title": op.name, "type": ["array", "null"], "items": _STEPS}
        return documented(branches, doc, "a list of branches, each a list of steps")
    fields = fields_of(op)
    mapping = _object(
        {field.name: _field(field) for field in fields},
        tuple(field.name for field in fields if field.required),
    )
    expected = f"a mapping with the fields of {op.name}"
    if op.shorthand is not None:
        scalar = next(field for field in fields if field.name == op.shorthand)
        expected += f", or its {op.shorthand}: {scalar.kind.expected}"
        bare = documented(admit(scalar.kind.schema), doc, expected)
        return {
            "title": op.name,
            "description": doc,
            "x-expected": expected,
            "if": {"type": "object"},
            "then": mapping,
            "else": bare,
        }
    if is_bare(op):
        mapping["type"] = ["object", "null"]
    return documented({"title": op.name, **mapping}, doc, expected)


def _step() -> Schema:
    bare = [op.name for op in OPS.values() if is_bare(op) and op.name not in MERGES]
    properties: Schema = {op.name: op_schema(op) for op in OPS.values()}
    properties |= {
        "name": _name("the step's name, unique within its section or block"),
        "from": documented(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "take these steps' outputs as input in place of the previous step's",
            "a step name, or a list of them",
        ),
        "when": documented(
            {"anyOf": [{"type": "boolean"}, EXPRESSION_SCHEMA]},
            "the step is left out where this is false",
            "true, false, or an expression",
        ),
        "section": _name("a named sub-network; its steps stand under `layers`"),
        "repeat": documented(
            admit({"type": "integer", "minimum": 0}),
            "repeat `layers` this many times in a row; `$index` counts from 0",
            "a whole number from 0, or an expression",
        ),
        "for": documented(
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "x-expected": "a list, or an expression",
                    "anyOf": [{"type": "array"}, EXPRESSION_SCHEMA],
                },
            },
            "do `layers` once for each position of the lists; `$index`, `$first`, `$last`",
            "a mapping of names to lists of one length",
        ),
        "layers": _steps("the steps of a section, `repeat` or `for`"),
        "block": _name("an instance of a block of `blocks`"),
        "with": documented({"type": "object"}, "the block's parameters", "a mapping"),
    }
    return {
        "title": "step",
        "x-expected": "the name of an op that needs no fields, or a mapping with one op",
        "if": {"type": "string"},
        "then": {"enum": bare},
        "else": _object(properties),
    }


def _axes(doc: str) -> Schema:
    axes: Schema = {axis: _admitted(COUNT, text) for axis, text in AXIS_DOCS.items()}
    axes["dtype"] = documented(
        {"enum": ["float32", "int32"]},
        "float32, or int32 for a sequence of token ids",
        "float32 or int32",
    )
    return documented({**_object(axes), "minProperties": 1}, doc, "a mapping of axes to sizes")


def _value_schema() -> Schema:
    scalar: Schema = {"type": ["number", "boolean", "string"]}
    row: Schema = {"type": "array", "items": scalar}
    return {"anyOf": [scalar, {"type": "array", "items": {"anyOf": [scalar, row]}}]}


def _named(schema: Schema, doc: str, expected: str) -> Schema:
    return documented({"type": "object", "additionalProperties": schema}, doc, expected)


def derive() -> Schema:
    """The whole schema, as the op definitions give it."""
    parameter = documented(
        _value_schema(),
        "a value that expressions use",
        "a number, true or false, text, a list, or a list of lists",
    )
    total = documented({"type": "integer", "minimum": 0}, "the exact total", "a whole number")
    block = _object(
        {
            "params": _named(
                {"anyOf": [*_value_schema()["anyOf"], {"type": "null"}]},
                "the block's parameters: a default, or null where one must be given",
                "a mapping of names to defaults",
            ),
            "layers": _steps("the block's steps"),
        },
        ("layers",),
    )
    expected_layer = _object({"params": total, "output": _axes("the step's output")})
    properties: Schema = {
        "archc": documented({"const": 1}, "the version of the language", "1"),
        "name": _name("the network's name: names the emitted module"),
        "class": documented(
            {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]{0,63}$"},
            "the emitted class, by default the name in CamelCase",
            "a class name: a capital letter, then letters and digits",
        ),
        "title": _text("one line that says what the network is"),
        "description": _text("what a reader should know"),
        "reference": documented(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "where the network was published",
            "text, or a list of texts",
        ),
        "extends": _text("another spec that this one changes: a relative path"),
        "input": _axes("the axes of the one input, without the batch"),
        "inputs": _named(_axes("the axes of one input"), "several inputs", "a mapping of inputs"),
        "params": _named(parameter, "named values that expressions use", "a mapping of names"),
        "blocks": _named(
            documented(block, "a named sub-architecture", "a mapping with `layers`"),
            "named sub-architectures, instantiated by `block`",
            "a mapping of names to blocks",
        ),
        "layers": _steps("the network's steps"),
        "outputs": documented(
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "the names of the steps that are outputs; by default the last step",
            "a list of step names",
        ),
        "expect": documented(
            _object(
                {
                    "params": total,
                    "macs": total,
                    "output": _axes("the output's axes"),
                    "layers": _named(
                        documented(
                            expected_layer, "one step", "a mapping with `params` or `output`"
                        ),
                        "facts of single steps",
                        "a mapping of step names",
                    ),
                }
            ),
            "facts that must hold",
            "a mapping",
        ),
        "training": documented(group_schema(Training), doc_of(Training), "a mapping"),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_ID,
        "title": "archc spec, version 1",
        "x-expected": "a mapping",
        **_object(properties, ("archc", "name")),
        "anyOf": [{"required": ["layers"]}, {"required": ["extends"]}],
        "definitions": {"step": _step()},
    }


def serialized() -> str:
    """The schema as JSON text."""
    return json.dumps(derive(), indent=1) + "\n"
