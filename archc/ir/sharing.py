"""Steps that use another step's variables (`weights`): which step that is, and whether they can.

Code: ARC415 variables that a step cannot use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, Note, Span
from archc.ir.graph import Graph, Node, Region
from archc.language.evaluate import EvaluationError
from archc.language.syntax import BlockStep, OpStep, Step
from archc.language.values import format_value
from archc.ops.axes import Axes
from archc.ops.base import Op, Variable
from archc.ops.fields import fields_of
from archc.records import replace


class SharedInstance(NamedTuple):
    """A block's instance that uses the variables of another one, `owner`, or a section or instance
    in it with that in the owner. `span` is where the spec says so; `values` has the instance's
    value for each of the owner's."""

    owner: Region
    items: Mapping[str, Node | Region]
    span: Span
    values: dict[int, int]

    def inside(self, name: str, place: Span) -> SharedInstance:
        """The section or instance of a name in it. Raises EvaluationError (ARC415) where the owner
        has none."""
        item = self.items.get(name)
        if not isinstance(item, Region):
            self.reject(f"`{name}` has no equal there", place)
        return shared_instance(item, self.span, self.values)

    @property
    def path(self) -> str:
        """The path of the owner, or of the one whose variables that uses."""
        return self.owner.weights or self.owner.path

    def counterpart(self, node: Node) -> Node:
        """The owner's node for a node of the instance, which is entered. Raises EvaluationError
        (ARC415) where the owner has another."""
        own = self.items.get(node.name)
        if (
            not isinstance(own, Node)
            or own.op != node.op
            or tuple(self.values.get(one, -1) for one in own.inputs) != node.inputs
        ):
            self.reject(f"`{node.path}` has no equal there", node.origin.span)
        self.values[own.index] = node.index
        return own

    def require_all(self, items: Sequence[Node | Region], output: int) -> None:
        """Refuse (EvaluationError, ARC415) an instance with fewer steps than its owner, or with
        another of them as its output."""
        names = {item.name for item in items}
        for item in self.owner.items:
            if item.name not in names:
                self.reject(f"it lacks `{item.name}`", item.origin.span)
        if self.values.get(self.owner.output) != output:
            self.reject("it ends in another step", self.owner.origin.span)

    def reject(self, reason: str, place: Span) -> NoReturn:
        """Raise the EvaluationError (ARC415) of an instance that is another than its owner."""
        message = f"the instance cannot use the variables of `{self.owner.path}`: {reason}"
        hint = "give both the same parameters, and inputs of the same width"
        note = Note("the step that differs", place)
        raise EvaluationError(Diagnostic("ARC415", message, self.span, hint, (note,)))


def entering_values(step: BlockStep, owner: Region, inputs: Sequence[int]) -> dict[int, int]:
    """What comes into an instance for each value that comes into its owner. Raises EvaluationError
    (ARC415) where that takes one value for two of its inputs, so that nothing says which is
    which."""
    values: dict[int, int] = {}
    for own, value in zip(owner.entering, inputs, strict=True):
        if values.setdefault(own, value) != value:
            assert step.weights is not None
            message = f"`{owner.path}` takes one value for two inputs, for which this one takes two"
            hint = "let the first instance take two values, and this one use its variables"
            note = (Note("the step that has them", owner.origin.span),)
            raise EvaluationError(Diagnostic("ARC415", message, step.weights.span, hint, note))
    return values


def shared_instance(owner: Region, span: Span, values: dict[int, int]) -> SharedInstance:
    """An instance that uses the variables of another one."""
    return SharedInstance(owner, {item.name: item for item in owner.items}, span, values)


def reuses_layer(graph: Graph, node: Node) -> bool:
    """Whether a node applies the layer of another one again."""
    return node.weights >= 0 and type(graph.nodes[node.weights].op) is type(node.op)


def own_variables(
    node: Node, inputs: tuple[Axes, ...], nodes: Sequence[Node]
) -> tuple[Variable, ...]:
    """The variables that a node keeps itself: those of its op that are not another node's."""
    variables = node.op.variables(inputs)
    if node.weights < 0:
        return variables
    owner = nodes[node.weights].op
    if type(owner) is type(node.op):
        return ()
    tied = node.op.ties(owner)
    return tuple(one for one in variables if one.name not in tied)


def root_of(owner: Node, nodes: Sequence[Node]) -> int:
    """The node whose layer a node applies: itself, or the one it applies again."""
    again = owner.weights >= 0 and type(nodes[owner.weights].op) is type(owner.op)
    return owner.weights if again else owner.index


def owner_of(
    step: Step,
    node: Node,
    inputs: tuple[Axes, ...],
    owner: Node | Region | None,
    sharing: SharedInstance | None,
    nodes: Sequence[Node],
) -> int:
    """The index of the node whose variables a new node uses: those of `owner`, which its step
    names, or of its counterpart in an instance that shares all of them. -1 without one. Raises
    EvaluationError (ARC415)."""
    if owner is not None:
        assert isinstance(step, OpStep)
        check_node(step, node.op, inputs, owner, nodes)
    if sharing is not None:
        own = sharing.counterpart(node)
        variables = node.op.variables(inputs)
        there = own.op.variables(tuple(nodes[index].output for index in own.inputs))
        if [one.shape for one in variables] != [one.shape for one in there]:
            sharing.reject(f"`{node.path}` takes another width than there", node.origin.span)
        owner = own if variables else None
    return root_of(owner, nodes) if isinstance(owner, Node) else -1


def with_owner(node: Node, weights: int, nodes: Sequence[Node]) -> Node:
    """A node that uses the variables of another one, and trains a layer as that does."""
    if weights < 0:
        return node
    again = type(nodes[weights].op) is type(node.op)
    trainable = nodes[weights].trainable if again else node.trainable
    return replace(node, weights=weights, trainable=trainable)


def check_node(
    step: OpStep,
    op: Op,
    inputs: tuple[Axes, ...],
    owner: Node | Region,
    nodes: Sequence[Node],
) -> None:
    """Refuse (EvaluationError, ARC415) a step that cannot use the variables of `owner`."""
    assert step.weights is not None
    span = step.weights.span
    note = (Note("the step that has them", owner.origin.span),)
    if isinstance(owner, Region) or not (type(owner.op) is type(op) or op.ties(owner.op)):
        kind = owner.op.name if isinstance(owner, Node) else owner.block or owner.kind
        message = f"`{op.name}` cannot use the variables of `{owner.path}`, which is `{kind}`"
        hint = "name a step with the same op; `dense` may also use the table of an `embedding`"
        raise EvaluationError(Diagnostic("ARC415", message, span, hint, note))
    variables = op.variables(inputs)
    if not variables:
        message = f"`{op.name}` has no variables to share"
        raise EvaluationError(Diagnostic("ARC415", message, span, "remove `weights`"))
    own = owner.op.variables(tuple(nodes[index].output for index in owner.inputs))
    if type(owner.op) is not type(op):
        tied = op.ties(owner.op)
        if getattr(op, "initializer", None) is not None:
            message = f"the first values are those of `{owner.path}`, whose variables it uses"
            raise EvaluationError(
                Diagnostic("ARC415", message, step.fields["initializer"].span, "remove it", note)
            )
        variables = tuple(one for one in variables if one.name in tied)
        own = tuple(one for one in own if one.name in tied)
    else:
        for field in fields_of(type(op)):
            mine, others = getattr(op, field.name), getattr(owner.op, field.name)
            if mine != others:
                value = step.fields.get(field.name)
                message = (
                    f"`{field.name}` differs from that of `{owner.path}`, whose variables it uses"
                )
                raise EvaluationError(
                    Diagnostic(
                        "ARC415", message, value.span if value else step.span, "make it equal", note
                    )
                )
    for mine, others in zip(variables, own, strict=True):
        if mine.shape != others.shape:
            message = (
                f"the {mine.name} of the shape {_shown(mine.shape)} cannot be that of "
                f"`{owner.path}`, {_shown(others.shape)}"
            )
            hint = "give both the same sizes, and inputs of the same width"
            raise EvaluationError(Diagnostic("ARC415", message, span, hint, note))


def _shown(shape: tuple[int, ...]) -> str:
    return " \u00d7 ".join(map(str, shape))


def check_instance(
    step: BlockStep, arguments: Mapping[str, object], owner: Node | Region
) -> Region:
    """The instance whose variables another instance uses. Raises EvaluationError (ARC415) where it
    is none of the same block with the same parameters."""
    assert step.weights is not None
    note = (Note("the step that has them", owner.origin.span),)
    block = str(step.block.data)
    if isinstance(owner, Node) or owner.block != block:
        kind = owner.op.name if isinstance(owner, Node) else owner.block or owner.kind
        message = f"`{block}` cannot use the variables of `{owner.path}`, which is `{kind}`"
        hint = "name an instance of the same block"
        raise EvaluationError(Diagnostic("ARC415", message, step.weights.span, hint, note))
    for name, value in arguments.items():
        other = owner.arguments.get(name)
        if value != other or isinstance(value, bool) != isinstance(other, bool):
            given = step.arguments.get(name)
            message = (
                f"`{name}` is {format_value(value)}, but {format_value(other)} in `{owner.path}`, "
                "whose variables it uses"
            )
            span = step.block.span if given is None else given.span
            raise EvaluationError(Diagnostic("ARC415", message, span, "make it equal", note))
    return owner
