"""The rows, columns and totals shared by the table, CSV and Markdown reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from archc.ir.costs import Costs, Layer, Memory
from archc.ir.graph import Node
from archc.ir.receptive_fields import Extents

Cell = str | int | tuple[int, ...] | Extents | None

TIMES = " \u00d7 "


class Column(NamedTuple):
    """A column: its title with the unit, its key for programs, and its value. Columns with a high
    `rank` are dropped first in a narrow terminal, those with 0 never."""

    title: str
    key: str
    value: Callable[[Layer], Cell]
    rank: int = 0
    right: bool = True


COLUMNS = (
    Column("layer", "layer", lambda layer: layer.node.path, right=False),
    Column("op", "op", lambda layer: layer.node.op.name, 2, right=False),
    Column("output", "output", lambda layer: layer.node.output.sizes, 1, right=False),
    Column("parameters", "params", lambda layer: layer.params),
    Column("MACs", "macs", lambda layer: layer.macs),
    Column("activations", "activations", lambda layer: layer.activations, 3),
    Column("receptive field", "receptive_field", lambda layer: layer.receptive_field, 4),
)
"""MACs (multiply-accumulates) and activations (elements written) are per sample; a receptive field
is in elements of each spatial axis of the input, of the position that sees most."""


class Row(NamedTuple):
    """A line of a table: a layer, or the heading of a section or block instance (without `layer`),
    at nesting `depth`. `label` is its name there, `kind` the op, the block, or `section`."""

    depth: int
    label: str
    kind: str
    layer: Layer | None


def human(cell: Cell) -> str:
    """A cell for people: thousands separators, shapes with ×, upper bounds with ≤."""
    if isinstance(cell, Extents):
        marks = {"all": "all", "exact": human(cell.sizes), "at most": f"\u2264 {human(cell.sizes)}"}
        return marks[cell.kind]
    if isinstance(cell, tuple):
        return TIMES.join(str(size) for size in cell)
    if isinstance(cell, int):
        return f"{cell:,}"
    return cell or ""


def approximate(number: int) -> str:
    """A count in three digits, with its unit of 10^3, 10^6 ... from a thousand on."""
    size, unit = float(number), ""
    for larger in ("k", "M", "G", "T", "P"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    if not unit:
        return str(number)
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{size:.{decimals}f} {unit}"


def machine(cell: Cell) -> str:
    """A cell for programs: plain digits, shapes with x, empty for None."""
    if isinstance(cell, Extents):
        return machine(cell.sizes)
    if isinstance(cell, tuple):
        return "x".join(str(size) for size in cell)
    return "" if cell is None else str(cell)


def rows(costs: Costs) -> Iterator[Row]:
    """All layers in order, below the headings of their sections and block instances."""
    layers = {layer.node.index: layer for layer in costs.layers}
    waiting = [(0, item) for item in reversed(costs.graph.root.items)]
    while waiting:
        depth, item = waiting.pop()
        if isinstance(item, Node):
            if item.index in layers:
                yield Row(depth, item.name, item.op.name, layers[item.index])
        else:
            yield Row(depth, item.name, item.block or item.kind, None)
            waiting += [(depth + 1, below) for below in reversed(item.items)]


def totals(costs: Costs, memory: Memory | None = None) -> list[tuple[str, str]]:
    """The totals with their names and units."""
    sums = costs.totals
    rows = [("parameters", human(sums.params))]
    if sums.trainable_params < sums.params:
        rows.append(("trainable parameters", human(sums.trainable_params)))
    if costs.graph.training_outputs:
        rows.append(("parameters in an evaluation", human(costs.evaluation.params)))
    if sums.state:
        rows.append(("running statistics", human(sums.state)))
    rows += [
        ("multiply-accumulates (MACs) per sample", human(sums.macs)),
        *_in_training(costs),
        ("activations per sample", human(sums.activations)),
        ("weights in float32", size_of(sums.weight_bytes)),
    ]
    if memory is not None:
        samples = "1 sample" if memory.batch == 1 else f"{memory.batch:,} samples"
        rows += [
            (f"memory for inference, {samples}", size_of(memory.inference)),
            (f"memory for training, {samples}", size_of(memory.training)),
        ]
    return rows


def _in_training(costs: Costs) -> list[tuple[str, str]]:
    """The operations of a training step, where they are others than those of an evaluation."""
    if not costs.graph.training_outputs:
        return []
    return [("MACs per sample in training", human(costs.training.macs))]


def size_of(size: int) -> str:
    """Bytes in MiB with two decimals, or in KiB if they are too few; exact for any size."""
    unit, name = (2**20, "MiB") if size * 10 >= 2**20 or not size else (2**10, "KiB")
    hundredths = (size * 100 + unit // 2) // unit
    return f"{hundredths // 100:,}.{hundredths % 100:02} {name}"


def axes_line(costs: Costs) -> str:
    """`input: channels 1 × height 32 × width 32 → dense_3: features 10`."""
    graph = costs.graph
    sides = (
        ", ".join(f"{graph.nodes[index].path}: {graph.nodes[index].output}" for index in indices)
        for indices in (graph.inputs, graph.outputs)
    )
    return " \u2192 ".join(sides)
