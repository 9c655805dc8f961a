"""Expansion of a document to a graph: its inputs, its steps (`expand_steps`) and its outputs.

Codes: ARC406 a step that no output uses, ARC407 an unknown output.
"""

from __future__ import annotations

from archc.diagnostics import Diagnostic, SpecError
from archc.ir.binding import (
    input_axes,
)
from archc.ir.errors import ambiguous_first_step, unused
from archc.ir.expand_steps import Expansion
from archc.ir.graph import About, Graph, Input, Node, Origin, Region
from archc.ir.limits import LimitError
from archc.ir.naming import find_nodes
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
            inputs, outputs = self.network(scope)
        except LimitError as error:
            self.report(error.diagnostic)
            raise SpecError(self.diagnostics.diagnostics()) from None
        if not self.diagnostics:
            for diagnostic in unused(self.nodes, outputs, self.block_outputs):
                self.report(diagnostic)
        if self.diagnostics:
            raise SpecError(self.diagnostics.diagnostics())
        root = Region(
            kind="network",
            name=self.document.name,
            path="",
            items=tuple(scope.items),
            input=inputs[0],
            output=outputs[0],
            origin=Origin(self.document.span, self.document.span.origin),
            named=True,
        )
        return Graph(
            about=about,
            nodes=tuple(self.nodes),
            root=root,
            inputs=inputs,
            outputs=outputs,
            expect=self.document.expect,
        )

    def errors(self) -> list[Diagnostic]:
        try:
            self.network(Scope("", None))
        except LimitError as error:
            self.report(error.diagnostic)
        return self.diagnostics.diagnostics()

    # Inputs and outputs

    def network(self, scope: Scope) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Expand the whole network. Returns its inputs and outputs."""
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
        if not self.document.outputs:
            return inputs, (last,)
        hint = "an output is the name of a step of `layers`"
        outputs = [
            index
            for value in self.document.outputs
            for index in find_nodes(
                value, scope, self.text(UNKNOWN, self.params), self.report, hint
            )
        ]
        return inputs, tuple(outputs)

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
