"""The words of an emitted file that are the same for every backend."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from archc.codegen.layout import INDENT, LONGEST_SUMMARY, WIDTH
from archc.codegen.printer import imports
from archc.codegen.rewrite import walk_statements
from archc.codegen.tree import (
    Assign,
    Binary,
    Call,
    Expr,
    ExpressionStatement,
    Formatted,
    FString,
    Generator,
    If,
    Import,
    ImportFrom,
    Lit,
    Ref,
    Starred,
    Statement,
    call,
)
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Input
from archc.ops.axes import Axes

BATCH = 2
"""Samples in the first run of an emitted file."""


def network_docstring(costs: Costs, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """What a reader of the emitted network should know first: its title, size, shapes, source."""
    graph, totals = costs.graph, costs.totals
    about = graph.about
    title = about.title or about.class_name
    figures = f"{totals.params:,} parameters, {totals.macs:,} MACs"
    opening = f"{title.rstrip('.')}: {figures}."
    is_short = len(opening) <= LONGEST_SUMMARY
    paragraphs = [opening if is_short else f"{title.rstrip('.')}."]
    if about.description:
        paragraphs.append(about.description)
    count = len(graph.outputs)
    shapes = _rows(
        [
            *_sentence("Input: ", inputs),
            *_sentence("Output: ", outputs[:count], "; " if outputs[count:] else ". "),
            *_sentence("in training also ", outputs[count:]),
        ]
    )
    references = [reference.rstrip(".") + "." for reference in about.references]
    facts = [shapes] if is_short else [f"{figures}.", shapes]
    paragraphs.append("\n".join([*facts, *references]))
    return "\n\n".join(paragraphs)


def _sentence(start: str, shapes: Sequence[str], end: str = ". ") -> list[str]:
    """The shapes of a sentence, each with what stands around it."""
    last = len(shapes) - 1
    return [
        f"{'' if i else start}{shape}{', ' if i < last else end}" for i, shape in enumerate(shapes)
    ]


def _rows(pieces: Iterable[str]) -> str:
    """Pieces of a text as rows of a docstring, none of them broken over two."""
    rows = [""]
    for piece in pieces:
        if rows[-1] and len(rows[-1] + piece.rstrip()) > WIDTH - INDENT:
            rows.append("")
        rows[-1] += piece
    return "\n".join(row.rstrip() for row in rows)


def input_axes(graph: Graph) -> dict[str, Axes]:
    """The axes of each input, by name."""
    return {node.name: node.output for node in graph.nodes if isinstance(node.op, Input)}


def output_axes(graph: Graph) -> list[Axes]:
    """The axes of each output, in order, those in training alone last."""
    return [graph.nodes[index].output for index in graph.all_outputs]


def input_variables(names: Iterable[str], single: str, taken: Container[str]) -> list[str]:
    """A variable for each input: `single` for one; each of several has its name, or where that is
    taken, one that begins with it."""
    inputs = list(names)
    if len(inputs) == 1:
        return [single]
    variables: list[str] = []
    for name in inputs:
        variable = name
        while variable in taken or (variable != name and variable in (*inputs, *variables)):
            variable += "_input"
        variables.append(variable)
    return variables


def run_main(model: Expr, inputs: Sequence[Expr], count: Expr, outputs: int) -> If:
    """`if __name__ == "__main__":` one random batch through the network, its shapes and size."""
    shapes: list[Expr] = [call("tuple", Ref("y.shape"))]
    if outputs > 1:
        shapes = [Starred(Generator(shapes[0], "y", Ref("outputs")))]
    size = FString((Formatted(count, ","), " parameters"))
    return If(
        Binary("==", Ref("__name__"), Lit("__main__")),
        (
            Assign(Ref("model"), model),
            Assign(Ref("y" if outputs == 1 else "outputs"), Call(Ref("model"), tuple(inputs))),
            ExpressionStatement(call("print", *shapes, size)),
        ),
    )


def sequence_comment(axes: Axes) -> str | None:
    """`batch, length, 768`: the shape of a sequence of vectors; None of anything else."""
    return f"batch, length, {axes.width}" if axes.is_sequence else None


def begins_sequence(axes: Axes | None, sources: Iterable[Axes]) -> bool:
    """Whether a step makes a sequence of what was none."""
    return axes is not None and axes.is_sequence and not any(one.is_sequence for one in sources)


def names_in(statements: Iterable[Statement]) -> set[str]:
    """The first part of every name that some statements use."""
    return {
        node.name.partition(".")[0] for node in walk_statements(statements) if isinstance(node, Ref)
    }


def imports_for(
    used: Iterable[str], known: Mapping[str, Import | ImportFrom], lines: Sequence[str]
) -> tuple[Statement, ...]:
    """The import statements of a file: those of the names used, and those that helpers bring."""
    names = set(used)
    statements = [statement for name, statement in known.items() if name in names]
    brought = {line: _parsed(line) for line in lines}
    return imports(*statements, *brought.values())


def _parsed(line: str) -> Import | ImportFrom:
    """`import m`, or `from m import a, b`, as a statement."""
    words = line.replace(",", " ").split()
    if words[0] == "import":
        return Import(words[1])
    return ImportFrom(words[1], tuple(words[3:]))
