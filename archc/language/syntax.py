"""The typed steps of a spec before anything is computed: `document` reads, `expand` does them."""

from __future__ import annotations

from collections.abc import Mapping

from archc.diagnostics import Span
from archc.language.values import Value
from archc.ops.base import Op
from archc.records import entity

Common = tuple[Span, Value | None, Value | None, tuple[Value, ...] | None]
"""What every step has: its place, `name`, `when` and `from`."""


@entity
class Step:
    """What every step has: its place, and the step keys it was given."""

    span: Span
    name: Value | None
    when: Value | None
    sources: tuple[Value, ...] | None


@entity
class OpStep(Step):
    """An op with its fields, as written. One that is `broken` lacks fields that are at fault."""

    op: type[Op]
    fields: Mapping[str, Value]
    invalid: bool


@entity
class MergeStep(Step):
    """A merge with its branches; none where `from` names what it merges."""

    op: type[Op]
    branches: tuple[tuple[Step, ...], ...]


@entity
class SectionStep(Step):
    """A named sub-network."""

    body: tuple[Step, ...]


@entity
class RepeatStep(Step):
    """Steps done `count` times."""

    count: Value
    body: tuple[Step, ...]


@entity
class ForStep(Step):
    """Steps done once for each position of the lists."""

    lists: Mapping[str, Value]
    body: tuple[Step, ...]


@entity
class BlockStep(Step):
    """An instance of a block."""

    block: Value
    arguments: Mapping[str, Value]


@entity
class InvalidStep(Step):
    """A step at fault, which is told already. `kind` is what it would be counted as, empty where it
    cannot be told."""

    kind: str


@entity
class Block:
    """A named sub-architecture; a parameter whose default is null must be given. The defaults of
    those in `unsure` are at fault."""

    params: Mapping[str, Value]
    unsure: frozenset[str]
    body: tuple[Step, ...]


@entity
class Document:
    """A whole spec, its parents merged in. `broken` holds the values at fault, `unsure` the names
    of parameters at fault: both are empty in a sound document."""

    name: str
    class_name: str
    title: str
    description: str
    references: tuple[str, ...]
    inputs: Mapping[str, Value]
    params: Mapping[str, Value]
    blocks: Mapping[str, Block]
    layers: tuple[Step, ...]
    outputs: tuple[Value, ...]
    expect: Value | None
    training: Value | None
    span: Span
    unsure: frozenset[str]
    invalid: frozenset[Value]


def kind_of(step: Step) -> str:
    """What a step without a name is counted as; empty where its kind gets no name."""
    if isinstance(step, OpStep | MergeStep):
        return step.op.name
    if isinstance(step, InvalidStep):
        return step.kind
    if isinstance(step, BlockStep):
        return str(step.block.data)
    return "section" if isinstance(step, SectionStep) else ""
