"""The shipped JSON Schema is derived from the op definitions and agrees with the language."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest
import yaml

from archc.language.names import PATTERN
from archc.language.schema import text
from archc.language.schema.derive import serialized
from archc.ops import FAMILIES, MERGES, OPS
from archc.ops.base import is_bare
from archc.ops.fields import fields_of

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
SCHEMA = json.loads(text())
STEP = SCHEMA["definitions"]["step"]

# The language's table of ops, without those of later versions.
LANGUAGE_OPS = """
conv depthwise_conv conv_transpose dense rbf embedding max_pool avg_pool adaptive_avg_pool
global_avg_pool global_max_pool batch_norm layer_norm group_norm rms_norm local_response_norm relu
relu6 leaky_relu prelu elu selu gelu silu sigmoid hard_sigmoid hard_swish tanh scaled_tanh softplus
softsign softmax log_softmax dropout drop_path flatten reshape permute pad crop upsample select
split channel_shuffle to_tokens to_map space_to_depth depth_to_space scale class_token
position_embedding attention window_attention lstm gru add multiply concat average maximum
"""


def test_shipped_schema_is_derived() -> None:
    assert text() == serialized()


def test_is_valid_draft_07() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_every_op_of_the_language_is_there() -> None:
    assert set(OPS) == set(LANGUAGE_OPS.split())
    assert set(STEP["else"]["properties"]) >= set(OPS)
    assert sum(len(family) for family in FAMILIES.values()) == len(OPS)


@pytest.mark.parametrize("name", sorted(OPS))
def test_op_and_fields_are_documented(name: str) -> None:
    schema = STEP["else"]["properties"][name]
    assert schema["description"]
    if name in MERGES:
        return
    mapping = schema.get("then", schema)
    fields = fields_of(OPS[name])
    assert list(mapping["properties"]) == [field.name for field in fields]
    for field in fields:
        assert mapping["properties"][field.name]["description"] == field.doc
    assert mapping.get("required", []) == [field.name for field in fields if field.required]


def test_bare_names_are_those_without_required_fields() -> None:
    bare = {name for name, op in OPS.items() if is_bare(op) and name not in MERGES}
    assert set(STEP["then"]["enum"]) == bare
    assert {"relu", "flatten", "batch_norm", "softmax"} <= bare
    assert not {"conv", "dense", "dropout", "max_pool"} & bare


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_are_valid_for_two_validators(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    jsonschema_rs.Draft7Validator(SCHEMA).validate(document)


def _spec(step: object) -> dict[str, object]:
    return {
        "archc": 1,
        "name": "net",
        "input": {"channels": 3, "height": 8, "width": 8},
        "layers": [step],
    }


INVALID_DOCUMENTS: list[tuple[object, list[object]]] = [
    ({"conv": {"filters": 0, "kernel_size": 3}}, ["layers", 0, "conv", "filters"]),
    ({"conv": {"filters": 8, "kernel_size": [3, "x"]}}, ["layers", 0, "conv", "kernel_size"]),
    ({"conv": {"filters": 8}}, ["layers", 0, "conv"]),
    ({"conv": {"filters": 8, "kernel_size": 3, "filter": 1}}, ["layers", 0, "conv"]),
    ({"dropout": 1.5}, ["layers", 0, "dropout"]),
    (
        {"add": [[{"conv": {"filters": True, "kernel_size": 1}}], []]},
        ["layers", 0, "add", 0, 0, "conv", "filters"],
    ),
    ({"repeat": -1, "layers": ["relu"]}, ["layers", 0, "repeat"]),
    ("conv", ["layers", 0]),
    ({"convolution": {}}, ["layers", 0]),
]


@pytest.mark.parametrize(
    ("step", "path"), INVALID_DOCUMENTS, ids=lambda value: json.dumps(value)[:40]
)
def test_a_error_lands_at_its_value_once(step: object, path: list[object]) -> None:
    fast = list(jsonschema_rs.Draft7Validator(SCHEMA).iter_errors(_spec(step)))
    slow = list(jsonschema.Draft7Validator(SCHEMA).iter_errors(_spec(step)))
    assert [list(error.instance_path) for error in fast] == [path]
    assert [list(error.absolute_path) for error in slow] == [path]


def test_names_follow_the_language() -> None:
    assert STEP["else"]["properties"]["block"]["pattern"] == f"^{PATTERN}$"
    computed = jsonschema_rs.validator_for(STEP["else"]["properties"]["name"])
    assert all(map(computed.is_valid, ("conv1", "enc_$(index)", "$name")))
    assert all(map(computed.is_valid, ("Conv1", "block1-0", "A")))
    assert not any(map(computed.is_valid, ("-a", "1a", "a.b", "", "conv1\n", "\u00e9", 5)))
