"""Expansion of a document to a graph: its inputs, its steps (`expand_steps`) and its outputs.

Codes: ARC406 a step that no output uses, ARC407 an unknown output.
"""

from __future__ import annotations

from collections.abc import Iterable

from archc.diagnostics import Diagnostic, SpecError
from archc.ir.binding import (
    input_axes,
)
from archc.ir.errors import ambiguous_first_step, mixed_in_training, unused, unused_inputs
from archc.ir.expand_steps import Expansion
from archc.ir.graph import About, Graph, Input, Node, Origin, Region
from archc.ir.limits import LimitError
from archc.ir.naming import find_nodes
from archc.ir.pruning import left_out, without
from archc.ir.scope import UNKNOWN, Scope
from archc.language import expressions
from archc.language.evaluate import (
    Environment,
    extended,
)
from archc.language.syntax import (
    Document,
)
from archc.language.values import Value


def expand(document: Document, about: About, params: Environment, most_steps: int) -> Graph:
    """The graph of a valid document with values of its parameters, of at most so many steps. Raises
    SpecError."""
    return _NetworkExpansion(document, params, most_steps).graph(about)


def find_errors(document: Document, params: Environment, most_steps: int) -> list[Diagnostic]:
    """The further errors of an invalid document, as far as it can be expanded."""
    return _NetworkExpansion(document, params, most_steps).errors()


class _NetworkExpansion(Expansion):
    """Expands a whole document."""

    def graph(self, about: About) -> Graph:
        scope = Scope("", None)
        try:
            inputs, outputs, in_training = self.network(scope)
        except LimitError as error:
            self.report(error.diagnostic)
            raise SpecError(self.diagnostics.diagnostics()) from None
        if not self.diagnostics:
            every = outputs + in_training
            dispensed = left_out(self.nodes, scope.items, every, self.dispensable)
            for diagnostic in unused(self.nodes, every, dispensed):
                self.report(diagnostic)
            for diagnostic in unused_inputs(self.document.blocks, self.used_inputs):
                self.report(diagnostic)
        if self.diagnostics:
            raise SpecError(self.diagnostics.diagnostics())
        nodes, items = self.nodes, tuple(scope.items)
        if dispensed:
            nodes, items, values = without(nodes, items, dispensed)
            outputs = tuple(values[index] for index in outputs)
            in_training = tuple(values[index] for index in in_training)
        root = Region(
            kind="network",
            name=self.document.name,
            path="",
            items=items,
            input=inputs[0],
            output=outputs[0],
            origin=Origin(self.document.span, self.document.span.origin),
            named=True,
        )
        graph = Graph(
            about=about,
            nodes=tuple(nodes),
            root=root,
            inputs=inputs,
            outputs=outputs,
            expect=self.document.expect,
            checkpoints=self.document.checkpoints,
            training_outputs=in_training,
        )
        for diagnostic in mixed_in_training(graph):
            self.report(diagnostic)
        if self.diagnostics:
            raise SpecError(self.diagnostics.diagnostics())
        return graph

    def errors(self) -> list[Diagnostic]:
        try:
            self.network(Scope("", None))
        except LimitError as error:
            self.report(error.diagnostic)
        return self.diagnostics.diagnostics()

    # Inputs and outputs

    def network(self, scope: Scope) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Expand the whole network. Returns its inputs, its outputs, and those in training
        alone."""
        inputs = tuple(
            self.make_input(name, value, scope) for name, value in self.document.inputs.items()
        )
        for diagnostic in ambiguous_first_step(self.document):
            self.report(diagnostic)
        current, names = UNKNOWN, self.params
        if len(inputs) == 1:
            current = inputs[0]
            names = extended(names, {expressions.INPUT: self.entry(current)})
        last = self.run(self.document.layers, current, scope, names)
        outputs = self.named_outputs(self.document.outputs, scope) or (last,)
        in_training = self.named_outputs(self.document.training_outputs, scope)
        for index, value in zip(in_training, self.document.training_outputs, strict=False):
            if self.document.outputs and index in outputs and index != UNKNOWN:
                message = f"`{value.data}` is an output already"
                self.error("ARC402", message, value.span, "list it once")
        return inputs, outputs, in_training

    def named_outputs(self, values: Iterable[Value], scope: Scope) -> tuple[int, ...]:
        """The steps that `outputs` names."""
        hint, text = "an output is the name of a step of `layers`", self.text(UNKNOWN, self.params)
        found = (find_nodes(value, scope, text, self.report, hint) for value in values)
        return tuple(index for indices in found for index in indices)

    def make_input(self, name: str, value: Value, scope: Scope) -> int:
        span = value.key_span or value.span
        scope.add(name, span)
        axes = input_axes(name, value, self.params, self.document.invalid, self.report)
        if axes is None:
            return UNKNOWN
        origin = Origin(span, span.origin)
        node = Node(len(self.nodes), name, name, Input(), (), axes, origin, named=True)
        self.nodes.append(node)
        scope.outputs[name] = node.index
        return node.index
