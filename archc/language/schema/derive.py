"""The JSON Schema of the spec language (draft-07), derived from the op definitions.

Draft-07 because yaml-language-server and JetBrains support it. A step is dispatched by its type and
has one property per op, so that errors point at the invalid value and editors complete fields.
Every alternative has `x-expected`, its description in error messages.
"""

from __future__ import annotations

import json

from archc.language.catalog import KEYS
from archc.language.names import PATTERN, STEP_PATTERN
from archc.language.recipe import Training, doc_of, group_schema
from archc.ops import MERGES, OPS
from archc.ops.activation import ACTIVATION
from archc.ops.axes import AXIS_DOCS
from archc.ops.base import Op, is_bare
from archc.ops.fields import (
    COUNT,
    EXPRESSION_SCHEMA,
    LARGEST,
    FieldInfo,
    Kind,
    Schema,
    fields_of,
)
from archc.ops.fields import or_expression as admit

SCHEMA_ID = "https://archc.dev/schema/archc-1.json"
_NAME: Schema = {"type": "string", "pattern": f"^{PATTERN}$"}
_STEP_NAME: Schema = {"type": "string", "pattern": rf"^{STEP_PATTERN}$|\$"}
"""The name of a step may have expressions in it: any text with a `$` is checked where it is
read."""
_NAME_EXPECTED = (
    "a name: a lower-case letter followed by lower-case letters, digits and underscores"
)
_STEP_NAME_EXPECTED = "a name: a letter followed by letters, digits, `_` and `-`"
_STEPS: Schema = {"type": "array", "items": {"$ref": "#/definitions/step"}}
_STEPS_EXPECTED = "a list of steps"


def describe(schema: Schema, doc: str, expected: str) -> Schema:
    """A schema with its one-line description and its wording in error messages."""
    return {"description": doc, "x-expected": expected, **schema}


def _name(doc: str) -> Schema:
    return describe(_NAME, doc, _NAME_EXPECTED)


def _step_name(doc: str) -> Schema:
    return describe(_STEP_NAME, doc, _STEP_NAME_EXPECTED)


def _text(doc: str) -> Schema:
    return describe({"type": "string"}, doc, "text")


def _steps(doc: str) -> Schema:
    return describe({**_STEPS, "minItems": 1}, doc, _STEPS_EXPECTED)


def _names(doc: str, expected: str = "a list of step names") -> Schema:
    names: Schema = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    return describe(names, doc, expected)


def _or_expression(kind: Kind, doc: str) -> Schema:
    expected = f"{kind.expected}, or an expression"
    return describe(admit(kind.schema), doc, expected)


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
    schema = _or_expression(field.kind, field.doc)
    if not field.required and isinstance(field.default, bool | int | float | str):
        schema["default"] = field.default
    return schema


def optional(op: type[Op], schema: Schema) -> Schema:
    """`schema`, or no value at all where the op needs none."""
    return {"anyOf": [*schema["anyOf"], {"type": "null"}]} if is_bare(op) else schema


def op_doc(op: type[Op]) -> str:
    """The op's docstring on one line."""
    return " ".join((op.__doc__ or "").split())


def op_schema(op: type[Op]) -> Schema:
    """The schema of the value under the op's key in a step."""
    doc = op_doc(op)
    if op.name in MERGES:
        branches: Schema = {"title": op.name, "type": ["array", "null"], "items": _STEPS}
        return describe(branches, doc, "a list of branches, each a list of steps")
    fields = fields_of(op)
    mapping = _object(
        {field.name: _field(field) for field in fields},
        tuple(field.name for field in fields if field.required),
    )
    expected = f"a mapping with the fields of {op.name}"
    if op.shorthand is not None:
        main = next(field for field in fields if field.name == op.shorthand)
        expected += f", or its {op.shorthand}: {main.kind.expected}"
        bare = describe(optional(op, admit(main.kind.schema)), doc, expected)
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
    return describe({"title": op.name, **mapping}, doc, expected)


def step_keys() -> Schema:
    """The schemas of the keys of steps that are no ops."""
    return {
        "name": _step_name(
            "the step's name, unique within its section or block, capitals and `-` aside. In a "
            "repetition it gets a number, `unit_1`, but with an expression, `unit-$(index)`: it is "
            "whole then, and the key of a block's instance in a sequence of PyTorch"
        ),
        "from": describe(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "use these steps' outputs as input instead of the previous step's; `in` is that one, "
            "`skip_*` are all steps called `skip`, in order",
            "a step name, or a list of them",
        ),
        "when": describe(
            {"anyOf": [{"type": "boolean"}, EXPRESSION_SCHEMA]},
            "the step is skipped if this is false",
            "true, false, or an expression",
        ),
        "section": describe(
            {"anyOf": [_STEP_NAME, {"type": "null"}]},
            "a named sub-network; its steps are under `layers`. Without a name it is counted, and "
            "has its position as its key in PyTorch where all beside it have none",
            f"{_STEP_NAME_EXPECTED}, or no value",
        ),
        "trainable": describe(
            {"anyOf": [{"type": "boolean"}, EXPRESSION_SCHEMA]},
            "false: the variables of the step, or of all steps in it, are not trained; a "
            "`batch_norm` then uses its running statistics in training, too",
            "true, false, or an expression",
        ),
        "weights": describe(
            {"type": "string"},
            "use the variables of this step above: the same op or block with the same fields; a "
            "`dense` may use the table of an `embedding`",
            "a step name",
        ),
        "repeat": describe(
            admit({"type": "integer", "minimum": 0}),
            "repeat `layers` this many times in a row; `$index` counts from 0",
            "a whole number from 0, or an expression",
        ),
        "for": describe(
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "x-expected": "a list, or an expression",
                    "anyOf": [{"type": "array"}, EXPRESSION_SCHEMA],
                },
            },
            "repeat `layers` for each position of the lists; `$index`, `$first`, `$last`",
            "a mapping of names to lists of equal length",
        ),
        "layers": _steps("the steps of a section, `repeat` or `for`"),
        "block": _name("an instance of a block of `blocks`"),
        "activation": _or_expression(
            ACTIVATION, "an activation that a parameter names, such as `$act`; `none` does nothing"
        ),
        "with": describe(
            {"anyOf": [{"type": "object"}, {"const": "same"}]},
            "the block's parameters; `same` hands on those that the block around it has, too",
            "a mapping, or `same`",
        ),
    }


def _step() -> Schema:
    bare = [op.name for op in OPS.values() if is_bare(op) and op.name not in MERGES]
    properties: Schema = {op.name: op_schema(op) for op in OPS.values()}
    properties |= step_keys()
    return {
        "title": "step",
        "x-expected": "the name of an op that needs no fields, or a mapping with one op",
        "if": {"type": "string"},
        "then": {"enum": bare},
        "else": _object(properties),
    }


def _axes(doc: str) -> Schema:
    axes: Schema = {axis: _or_expression(COUNT, text) for axis, text in AXIS_DOCS.items()}
    axes["dtype"] = describe(
        {"enum": ["float32", "int32"]},
        "float32, or int32 for a sequence of token ids",
        "float32 or int32",
    )
    return describe({**_object(axes), "minProperties": 1}, doc, "a mapping of axes to sizes")


def _value_schema() -> Schema:
    scalar: Schema = {"type": ["number", "boolean", "string"]}
    row: Schema = {"type": "array", "items": scalar}
    return {"anyOf": [scalar, {"type": "array", "items": {"anyOf": [scalar, row]}}]}


def _mapping_of(schema: Schema, doc: str, expected: str) -> Schema:
    return describe({"type": "object", "additionalProperties": schema}, doc, expected)


_PARTS: Schema = {"type": "array", "items": {"type": "string"}}


def _layer_in_file() -> Schema:
    """The schema of a layer of a file that differs in more than its name."""
    held: Schema = {"anyOf": [{"type": ["string", "null"]}, _PARTS]}
    return _object(
        {
            "layer": describe(
                {"type": ["string", "integer"]}, "the layer's name in a file", "the name of a layer"
            ),
            "arrays": _mapping_of(
                describe(
                    held,
                    "the op's variables or projections in it, in order; null for none",
                    "a variable, a list of them, or null",
                ),
                "the arrays of the layer in a file, by their names there",
                "a mapping of arrays to variables",
            ),
            "transposed": describe(
                {"type": "boolean"},
                "whether its matrices have the features that come in first",
                "true or false",
            ),
            "blocks": describe(
                {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "after `space_to_depth`: the position in a group that each block of channels has",
                "a list of numbers",
            ),
            "factors": _mapping_of(
                describe(
                    {"type": ["number", "string"]},
                    "the factor, or a power of a field of the op: `heads^-0.5`",
                    "a number, or a power of a field",
                ),
                "by what the file's values of variables or projections are multiplied",
                "a mapping of variables to numbers",
            ),
        }
    )


def derive() -> Schema:
    """The whole schema, derived from the op definitions."""
    parameter = describe(
        _value_schema(),
        "a value that expressions use",
        "a number, true or false, text, a list, or a list of lists",
    )
    number: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST}
    bounds = _object(
        {
            "min": describe(number, "the least that is allowed", "a whole number"),
            "max": describe(number, "the most that is allowed", "a whole number"),
        }
    )
    total = describe(
        {
            "if": {"type": "object"},
            "then": {**bounds, "minProperties": 1},
            "else": describe(number, "the exact total", "a whole number"),
        },
        "the exact total, or bounds of it",
        "a whole number, or a mapping with `min` or `max`",
    )
    class_name = {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]{0,63}$"}
    expected_class = "a class name: a capital letter followed by letters and digits"
    block = _object(
        {
            "class": describe(
                class_name,
                "the emitted class, by default the block's name in CamelCase",
                expected_class,
            ),
            "params": _mapping_of(
                {"anyOf": [*_value_schema()["anyOf"], {"type": "null"}]},
                "the block's parameters: a default, or null for a required one",
                "a mapping of names to defaults",
            ),
            "inputs": _names(
                "what the block takes besides `input`, by name: an instance has "
                "`from: [flow, memory]`, a step in it `from: memory`",
                "a list of names",
            ),
            "layers": _steps("the block's steps"),
            "outputs": _names(
                "the names of steps that the steps around an instance may use, as in "
                "`from: enc_1.skip`"
            ),
        },
        ("layers",),
    )
    expected_layer = _object({"params": total, "output": _axes("the step's output")})
    properties: Schema = {
        "archc": describe({"const": 1}, "the version of the language", "1"),
        "name": _name("the network's name: names the emitted module"),
        "class": describe(
            class_name, "the emitted class, by default the name in CamelCase", expected_class
        ),
        "title": _text("the network in one line"),
        "description": _text("what a reader should know"),
        "reference": describe(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "where the network was published",
            "text, or a list of texts",
        ),
        **{key: describe(one.schema, one.doc, one.expected) for key, one in KEYS.items()},
        "extends": _text("another spec that this one modifies: a relative path"),
        "input": _axes("the axes of the one input, without the batch"),
        "inputs": _mapping_of(
            _axes("the axes of one input"), "several inputs", "a mapping of inputs"
        ),
        "params": _mapping_of(parameter, "named values that expressions use", "a mapping of names"),
        "blocks": _mapping_of(
            describe(block, "a named sub-architecture", "a mapping with `layers`"),
            "named sub-architectures, instantiated by `block`",
            "a mapping of names to blocks",
        ),
        "layers": _steps("the network's steps"),
        "outputs": describe(
            {
                "type": "array",
                "minItems": 1,
                "items": {
                    "x-expected": "a step name, or `{NAME: training}`",
                    "anyOf": [
                        {"type": "string"},
                        {
                            "type": "object",
                            "minProperties": 1,
                            "maxProperties": 1,
                            "additionalProperties": {"const": "training"},
                        },
                    ],
                },
            },
            "the names of the steps that are outputs, by default the last step; `{NAME: training}` "
            "is one in training alone",
            "a list of step names",
        ),
        "expect": describe(
            _object(
                {
                    "params": total,
                    "trainable_params": {
                        **total,
                        "description": "the exact total of those that are trained",
                    },
                    "macs": total,
                    "output": _axes("the output's axes"),
                    "layers": _mapping_of(
                        describe(expected_layer, "one step", "a mapping with `params` or `output`"),
                        "expectations for single steps",
                        "a mapping of step names",
                    ),
                }
            ),
            "expectations, checked on every build",
            "a mapping",
        ),
        "checkpoints": _mapping_of(
            _mapping_of(
                describe(
                    {"anyOf": [{"type": ["string", "integer"]}, _layer_in_file(), _PARTS]},
                    "the layer's name in a file, with the numbers of the path: `features.{2*n-1}`, "
                    "or of the ops so far that a rule for all others matches: `*.conv: conv2d_{#}`",
                    "the name of a layer, or a mapping with `layer` or `arrays`",
                ),
                "what a file calls the layers, by the paths of ops or of what is around them",
                "a mapping of paths to names of layers",
            ),
            "known files of weights, each with a table of names, for `archc weights import`",
            "a mapping of names to tables",
        ),
        "training": describe(group_schema(Training), doc_of(Training), "a mapping"),
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
