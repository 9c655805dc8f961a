"""The typed steps of a spec, unevaluated: `document` reads them, `expand` executes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from archc.diagnostics import Span
from archc.language.catalog import Catalog
from archc.language.values import Value
from archc.ops.base import Op
from archc.records import entity

STEP_KEYS = frozenset({"name", "from", "when", "layers", "with", "weights", "trainable"})
"""The keys of a step besides its op."""


class Common(NamedTuple):
    """The fields of every step: its span, and the values of its step keys (`sources` is `from`)."""

    span: Span
    name: Value | None = None
    when: Value | None = None
    sources: tuple[Value, ...] | None = None
    weights: Value | None = None
    trainable: Value | None = None


@entity
class Step:
    """A step: its span and the values of its step keys."""

    span: Span
    name: Value | None
    when: Value | None
    sources: tuple[Value, ...] | None
    weights: Value | None
    trainable: Value | None


@entity
class OpStep(Step):
    """An op with its fields, unevaluated. If `invalid`, fields with errors are missing."""

    op: type[Op]
    fields: Mapping[str, Value]
    invalid: bool


@entity
class MergeStep(Step):
    """A merge with its branches; without any, `from` names its inputs."""

    op: type[Op]
    branches: tuple[tuple[Step, ...], ...]


@entity
class SectionStep(Step):
    """A sub-network, named or counted."""

    body: tuple[Step, ...]


@entity
class RepeatStep(Step):
    """Steps repeated `count` times."""

    count: Value
    body: tuple[Step, ...]


@entity
class ForStep(Step):
    """Steps repeated for each position of the lists."""

    lists: Mapping[str, Value]
    body: tuple[Step, ...]


@entity
class BlockStep(Step):
    """An instance of a block."""

    block: Value
    arguments: Mapping[str, Value]


@entity
class ActivationStep(Step):
    """An activation that a value names, as the `activation` field of an op does; `none` does
    nothing."""

    value: Value


@entity
class InvalidStep(Step):
    """A step with an error that is already reported. `kind` is the prefix of its default name,
    empty if unknown."""

    kind: str


@entity
class Block:
    """A named sub-architecture; a parameter whose default is null is required. `inputs` are the
    names of what it takes besides `input`. The defaults of the parameters in `invalid_names` have
    errors. `outputs` name the steps that the steps around an
    instance may use, None if they are invalid; `class_name` is that of the emitted class, if the
    spec gives one."""

    params: Mapping[str, Value]
    inputs: tuple[Value, ...]
    invalid_names: frozenset[str]
    body: tuple[Step, ...]
    outputs: tuple[Value, ...] | None
    class_name: str | None


@entity
class Document:
    """A whole spec, merged with its parents. `training_outputs` are those in training alone.
    `invalid` holds the values with errors,
    `invalid_names` the parameters with errors: both are empty in a valid document."""

    name: str
    class_name: str
    title: str
    description: str
    references: tuple[str, ...]
    catalog: Catalog
    inputs: Mapping[str, Value]
    params: Mapping[str, Value]
    blocks: Mapping[str, Block]
    layers: tuple[Step, ...]
    outputs: tuple[Value, ...]
    training_outputs: tuple[Value, ...]
    expect: Value | None
    training: Value | None
    checkpoints: Value | None
    span: Span
    invalid_names: frozenset[str]
    invalid: frozenset[Value]


def kind_of(step: Step) -> str:
    """The prefix of a step's default name (`conv` of `conv_1`); empty for a kind without one."""
    if isinstance(step, OpStep | MergeStep):
        return step.op.name
    if isinstance(step, InvalidStep):
        return step.kind
    if isinstance(step, BlockStep):
        return str(step.block.data)
    if isinstance(step, ActivationStep):
        return "activation"
    return "section" if isinstance(step, SectionStep) else ""


def block_steps(steps: Iterable[Step]) -> Iterator[BlockStep]:
    """All block instances in the steps, nested ones included."""
    for step in steps:
        if isinstance(step, BlockStep):
            yield step
        elif isinstance(step, SectionStep | RepeatStep | ForStep):
            yield from block_steps(step.body)
        elif isinstance(step, MergeStep):
            for branch in step.branches:
                yield from block_steps(branch)
