"""The text of a new spec: a copy under another name, a variant that extends, or a small network."""

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
  classes: 10  # `$classes` below; `--set classes=100` gives another value
  widths: [32, 64, 128]
blocks:
  # A block is written once and used with other values; `archc ops` lists what may stand in it.
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
# What must hold: a change of the network that changes these is told at its line.
expect: {{output: {{features: 10}}}}
"""


def starter(name: str) -> str:
    """A small network for images, with comments on what stands where."""
    return _STARTER.format(name=name)


def copy(text: str, name: str, title: str, moved: tuple[str, str]) -> str:
    """A spec's text as it stands, comments and all, under another name and title. The class is
    named after the new name. `moved` are the folders of the text and of the copy: relative paths
    (`extends`, the schema of editors) are put right."""
    given = mapping(parse(decode(text.encode("utf-8"), "-")))
    changes: list[tuple[Value, str]] = [(given["name"], name)]
    if "class" in given:
        changes.append((given["class"], _class_of(name)))
    if "title" in given:
        changes.append((given["title"], _title(name, title)))
    if "extends" in given:
        changes.append((given["extends"], inline(_moved(str(given["extends"].data), *moved))))
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    for value, written in sorted(changes, key=lambda change: -change[0].span.line):
        span = value.span
        before = lines[span.line - 1][: span.column - 1]
        after = lines[span.end_line - 1][span.end_column - 1 :]
        lines[span.line - 1 : span.end_line] = [f"{before}{written}{after}"]
    return re.sub(
        f"(?m)^({re.escape(SCHEMA_LINE)})([^:\\s]+)$",
        lambda match: match[1] + _moved(match[2], *moved),
        "".join(lines),
    )


def variant(name: str, title: str, extends: str, parent: Value) -> str:
    """A spec that changes nothing yet of what it extends. The parameters that it can change stand
    there as a comment."""
    told: dict[str, object] = {"archc": 1, "name": name}
    if title:
        told["title"] = f"{name}, a variant of {title}"
    told["extends"] = extends
    text = document(told)
    params = mapping(parent).get("params")
    if params is not None and params.data:
        text += "# What it may change; `expect` then needs figures of its own:\n"
        text += "".join(f"# {line}\n" for line in document({"params": params.plain()}).splitlines())
    return text


def _title(name: str, title: str) -> str:
    return document({"title": f"{name}, from {title}"}).removeprefix("title: ").rstrip("\n")


def _class_of(name: str) -> str:
    made = camel_case(name)
    return made if class_error(made) is None else f"{made}Network"


def _moved(path: str, here: str, there: str) -> str:
    """A relative path from one folder as it is from another."""
    if os.path.isabs(path) or os.path.realpath(here) == os.path.realpath(there):
        return path
    target = os.path.join(os.path.realpath(here), path)
    return os.path.relpath(target, os.path.realpath(there)).replace(os.sep, "/")
