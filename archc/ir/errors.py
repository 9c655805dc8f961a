"""Errors of the steps of a network: an op rejects its input, nothing uses its output.

Codes: ARC1xx from the ops' shape rules, ARC406 a step that no output uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.diagnostics import Diagnostic, Note
from archc.ir.graph import Input, Node
from archc.language.syntax import MergeStep, OpStep
from archc.ops.base import ShapeError

MOST_NOTES = 16
"""Inputs that the error of a merge shows."""


def rejected(step: OpStep | MergeStep, error: ShapeError, inputs: Sequence[Node]) -> Diagnostic:
    """The error of a step whose op rejects the outputs of `inputs`."""
    span = step.span
    if isinstance(step, OpStep) and error.field is not None and error.field in step.fields:
        span = step.fields[error.field].span
    notes = tuple(
        Note(f"{node.output} from `{node.path}`", node.origin.span)
        for node in [*dict.fromkeys(inputs)][:MOST_NOTES]
    )
    return Diagnostic(error.code, error.message, span, error.hint, notes)


def unused(nodes: Sequence[Node], outputs: Sequence[int]) -> Iterator[Diagnostic]:
    """An error for each node that no output depends on, the last one first."""
    needed = set(outputs)
    for node in reversed(nodes):
        if node.index in needed:
            needed.update(node.inputs)
            continue
        what = "input" if isinstance(node.op, Input) else "step"
        message = f"no output uses the {what} `{node.path}`"
        hint = "use it with `from`, list it under `outputs`, or remove it"
        yield Diagnostic("ARC406", message, node.origin.span, hint)
