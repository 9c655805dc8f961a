"""The text of a new spec: a copy with another name, a variant with `extends`, or a starter."""

from __future__ import annotations

import os
import re

from archc.language.names import camel_case, class_error
from archc.language.reader import decode, parse
from archc.language.values import Value, mapping
from archc.language.writer import document, inline

SCHEMA_LINE = "# yaml-language-server: $schema="
_STARTER = """\
archc: 1
name: {name}
title: {name}, a small network to start from
input: {{channels: 3, height: 32, width: 32}}
params:
  classes: 10  # used as `$classes`; `--set classes=100` overrides it
  widths: [32, 64, 128]
blocks:
  # A block is defined once and used with different values; `archc ops` lists all ops.
  stage:
    params: {{width: null}}
    layers:
      - conv: {{filters: $width, kernel_size: 3, padding: same, bias: false}}
      - batch_norm
      - relu
      - max_pool: 2
layers:
  - for: {{width: $widths}}
    layers:
      - block: stage
        with: {{width: $width}}
        name: stage
  - global_avg_pool
  - dropout: 0.2
  - dense: $classes
# What `archc train` follows; `archc ops training` lists all fields.
training:
  inputs: {{resize: 32, standardize: channel}}
  augment: {{shift: 0.1}}  # and `flip: horizontal`, where a mirrored image has the same label
  optimizer: {{sgd: {{learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0005}}}}
  schedule: cosine
  warmup: 1
  batch_size: 128
  epochs: 30
# Checked on every build: a network with another output is an error.
expect: {{output: {{features: 10}}}}
"""


def starter(name: str) -> str:
    """A small network for images, with comments."""
    return _STARTER.format(name=name)


def copy(text: str, name: str, title: str, folders: tuple[str, str]) -> str:
    """A spec's text, comments included, with another name and title. The class is named after the
    new name. `folders` are those of the text and of the copy: relative paths (`extends`, the schema
    for editors) are adapted."""
    fields = mapping(parse(decode(text.encode("utf-8"), "-")))
    changes: list[tuple[Value, str]] = [(fields["name"], name)]
    if "class" in fields:
        changes.append((fields["class"], _class_of(name)))
    if "title" in fields:
        changes.append((fields["title"], _title(name, title)))
    if "extends" in fields:
        changes.append((fields["extends"], inline(_rebase(str(fields["extends"].data), *folders))))
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    for value, replacement in sorted(changes, key=lambda change: -change[0].span.line):
        span = value.span
        before = lines[span.line - 1][: span.column - 1]
        after = lines[span.end_line - 1][span.end_column - 1 :]
        lines[span.line - 1 : span.end_line] = [f"{before}{replacement}{after}"]
    return re.sub(
        f"(?m)^({re.escape(SCHEMA_LINE)})([^:\\s]+)$",
        lambda match: match[1] + _rebase(match[2], *folders),
        "".join(lines),
    )


def variant(name: str, title: str, extends: str, parent: Value) -> str:
    """A spec that extends another one without changes. The parameters that it can override are
    listed in a comment."""
    fields: dict[str, object] = {"archc": 1, "name": name}
    if title:
        fields["title"] = f"{name}, a variant of {title}"
    fields["extends"] = extends
    text = document(fields)
    params = mapping(parent).get("params")
    if params is not None and params.data:
        text += "# What it may change; `expect` then needs figures of its own:\n"
        text += "".join(f"# {line}\n" for line in document({"params": params.plain()}).splitlines())
    return text


def _title(name: str, title: str) -> str:
    return document({"title": f"{name}, from {title}"}).removeprefix("title: ").rstrip("\n")


def _class_of(name: str) -> str:
    class_name = camel_case(name)
    return class_name if class_error(class_name) is None else f"{class_name}Network"


def _rebase(path: str, here: str, there: str) -> str:
    """A path relative to the folder `here`, made relative to the folder `there`."""
    if os.path.isabs(path) or os.path.realpath(here) == os.path.realpath(there):
        return path
    target = os.path.join(os.path.realpath(here), path)
    return os.path.relpath(target, os.path.realpath(there)).replace(os.sep, "/")
