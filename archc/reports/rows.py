"""The rows, columns and totals shared by the table, CSV and Markdown reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from archc.ir.costs import Costs, Layer, Memory
from archc.ir.graph import Node, Region
from archc.ir.receptive_fields import Extents

Cell = str | int | tuple[int, ...] | Extents | None

TIMES = " \u00d7 "


class Figures(NamedTuple):
    """The figures of a layer, or of a whole section or block instance: the sums of its layers, the
    sizes and the receptive field of its output. `kind` is the op, the block, or `section`."""

    path: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    activations: int
    receptive_field: Extents | None


class Column(NamedTuple):
    """A column: its title with the unit, its key for programs, and its value. Columns with a high
    `rank` are dropped first in a narrow terminal, those with 0 never."""

    title: str
    key: str
    value: Callable[[Figures], Cell]
    rank: int = 0
    right: bool = True


COLUMNS = (
    Column("layer", "layer", lambda figures: figures.path, right=False),
    Column("op", "op", lambda figures: figures.kind, 4, right=False),
    Column("output", "output", lambda figures: figures.output, 3, right=False),
    Column("parameters", "params", lambda figures: figures.params, 1),
    Column("MACs", "macs", lambda figures: figures.macs, 2),
    Column("activations", "activations", lambda figures: figures.activations, 5),
    Column("receptive field", "receptive_field", lambda figures: figures.receptive_field, 6),
)
"""MACs (multiply-accumulates) and activations (elements written) are per sample; a receptive field
is in elements of each spatial axis of the input, of the position that sees most."""


class Row(NamedTuple):
    """A line of a table: a layer, or a section or block instance, at nesting `depth`: its heading
    (without `figures`), or in place of its layers. `label` is its name there, `kind` the op, the
    block, or `section`."""

    depth: int
    label: str
    kind: str
    figures: Figures | None


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


def figures_of(layer: Layer) -> Figures:
    """The figures of a layer."""
    node = layer.node
    costs = layer.params, layer.macs, layer.activations
    return Figures(node.path, node.op.name, node.output.sizes, *costs, layer.receptive_field)


def rows(costs: Costs, depth: int | None = None) -> Iterator[Row]:
    """All layers in order, below the headings of their sections and block instances; those at a
    `depth` (from 1) are whole, in place of all that is in them."""
    layers = {layer.node.index: layer for layer in costs.layers}
    waiting = [(0, item) for item in reversed(costs.graph.root.items)]
    while waiting:
        level, item = waiting.pop()
        if isinstance(item, Node):
            if item.index in layers:
                yield Row(level, item.name, item.op.name, figures_of(layers[item.index]))
        else:
            whole = _of_region(costs, item, layers) if level + 1 == depth else None
            yield Row(level, item.name, item.block or item.kind, whole)
            if whole is None:
                waiting += [(level + 1, below) for below in reversed(item.items)]


def _of_region(costs: Costs, region: Region, layers: Mapping[int, Layer]) -> Figures:
    params = macs = activations = 0
    for node in region.nodes():
        layer = layers[node.index]
        params += layer.params
        macs += layer.macs
        activations += layer.activations
    output = costs.graph.nodes[region.output].output.sizes
    last = layers.get(region.output)
    seen = None if last is None else last.receptive_field
    kind = region.block or region.kind
    return Figures(region.path, kind, output, params, macs, activations, seen)


def figures(costs: Costs, depth: int | None = None) -> Iterator[Figures]:
    """Those of all layers in order; with a `depth`, of whole sections and block instances there."""
    if depth is None:
        yield from map(figures_of, costs.layers)
    else:
        yield from (row.figures for row in rows(costs, depth) if row.figures is not None)


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
