"""Labels of a drawing's boxes and edges, and their widths.

No font is loaded: the widths are Helvetica's (Adobe's font metrics), with a margin for other
sans-serif fonts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import east_asian_width

from archc.diagnostics import visible
from archc.ir.graph import Node, Region
from archc.ops.axes import Axes
from archc.ops.base import Op
from archc.records import fields_with_defaults

TIMES = "\u00d7"

FONT = 13
SMALL = 11
BOLD = 1.1
"""The relative width of bold text."""

_HELVETICA = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 "
    "556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 "
    "1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 "
    "667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 "
    "333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 "
    "556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_WIDTHS = {chr(32 + index): int(width) for index, width in enumerate(_HELVETICA.split())}
_WIDTHS |= {TIMES: 584, "\u00b7": 333, "\u2013": 556, "\u2026": 1000, "\u2192": 1000}
_WIDER = 1.15


def text_width(text: str, size: float) -> float:
    """An upper bound of the width of a line of text, in the unit of the font's `size`."""
    return sum(map(_width, text)) * size * _WIDER / 1000


def _width(char: str) -> int:
    known = _WIDTHS.get(char)
    if known is not None:
        return known
    return 1000 if east_asian_width(char) in "WF" else 722


def wrap_text(text: str, size: float, width: float, most: int) -> list[str]:
    """`text` on at most `most` lines of `width`; a longer text ends in an ellipsis."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} \u2026"]
    return [cut(line, size, width) for line in lines]


def cut(text: str, size: float, width: float) -> str:
    """`text`, truncated with an ellipsis if it is wider than `width`."""
    if text_width(text, size) <= width:
        return text
    left = width - text_width("\u2026", size)
    for index, char in enumerate(text):
        left -= text_width(char, size)
        if left < 0:
            return f"{text[:index]}\u2026"
    return text


def shape(axes: Axes) -> str:
    """The sizes of a value: `64 x 112 x 112`, with the sign of multiplication."""
    return f" {TIMES} ".join(str(size) for size in axes.sizes)


def axes_on_edges(nodes: Iterable[Node]) -> str:
    """What the sizes beside the edges are: the axes of each kind of value in a network. A vector's
    one size is told where there is nothing else."""
    kinds = dict.fromkeys(node.output.names for node in nodes)
    several = [names for names in kinds if len(names) > 1] or kinds
    return ", ".join(f" {TIMES} ".join(names) for names in several)


def convolution_legend(nodes: Iterable[Node]) -> str | None:
    """What the figures of a convolution's label are, by one of as many axes as the first of the
    network; None without one that has filters."""
    for node in nodes:
        if "filters" in fields_with_defaults(type(node.op)):
            window = TIMES.join("3" for _ in node.output.sizes[1:])
            return f"{node.op.name} {window}, 64: window, filters"
    return None


_WINDOWS = ("kernel_size", "output_size", "scale")
_STEPS = ("stride", "dilation")
_COUNTS = {"groups": "groups", "size": "over", "multiplier": TIMES, "rate": ""}


def op_label(node: Node) -> str:
    """An op with its main fields: `conv 3 x 3, 64, stride 2 + relu`, of 64 filters. The units of a
    dense layer, which are its output's size, and defaults are omitted. One that uses another's
    variables is `shared`."""
    op = node.op
    fields, defaults = vars(op), fields_with_defaults(type(op))
    rank = max(len(node.output.spatial), 1)
    label = op.name
    for name in _WINDOWS:
        if fields.get(name) is not None:
            label += f" {_window(fields[name], rank)}"
    window = fields.get("kernel_size")
    filters = fields.get("filters")
    details = [] if filters is None else [str(filters)]
    for name in _STEPS:
        value = fields.get(name)
        plain = value is None or _window(value, rank) == _window(1, rank)
        # The default stride of a pool is its kernel size.
        usual = name == "stride" and "pool" in op.name and window is not None
        if not plain and not (usual and _window(value, rank) == _window(window, rank)):
            details.append(f"{name} {_short(value, rank)}")
    for name, word in _COUNTS.items():
        value = fields.get(name)
        if value is not None and value != defaults.get(name):
            details.append(f"{word} {value}".strip())
    if details:
        label += (", " if window is not None else " ") + ", ".join(details)
    activation = fields.get("activation")
    if isinstance(activation, Op):
        label += f" + {activation.name}"
    return f"{label}, shared" if node.weights >= 0 else label


def _window(value: object, rank: int) -> str:
    sizes = value if isinstance(value, tuple) else (value,) * rank
    return TIMES.join(str(size) for size in sizes)


def _short(value: object, rank: int) -> str:
    """A value for all axes: a single number if they are equal."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return str(value[0])
    return _window(value, rank) if isinstance(value, tuple) else str(value)


def attributes(op: Op) -> Iterator[tuple[str, str]]:
    """The fields of an op that have a value, as text."""
    for name in fields_with_defaults(type(op)):
        value = getattr(op, name)
        if isinstance(value, Op):
            yield name, value.name
        elif isinstance(value, bool):
            yield name, str(value).lower()
        elif value is not None:
            yield name, _window(value, 1)


FILLS = {
    "input": ("#eceff1", "#37474f"),
    "convolution": ("#d6e6fb", "#1d3a5f"),
    "dense": ("#e4dbf7", "#3d2c66"),
    "pooling": ("#d5f0dc", "#1f4a2e"),
    "normalization": ("#fdf0cd", "#57461a"),
    "activation": ("#fde0d2", "#5e3020"),
    "regularization": ("#ececec", "#44484c"),
    "shape": ("#e2ebec", "#34494d"),
    "attention": ("#c9efe8", "#14504a"),
    "recurrence": ("#e9f2c0", "#414d14"),
    "parameter": ("#f3e3ee", "#54304a"),
    "merge": ("#f9d9e3", "#5c2438"),
}
"""The fill of each family of ops, on a light and on a dark background."""


def family(op: Op) -> str:
    """The family of an op: the name of its module (`convolution`, `merge`), or `input`; `shape`
    for a module that has no fill. An op of a package from outside has that of the class it is
    derived from, if any but `Op`."""
    modules = (kind.__module__ for kind in type(op).__mro__)
    module = next(one for one in modules if one.startswith("archc.")).rpartition(".")[2]
    if module == "graph":
        return "input"
    return module if module in FILLS else "shape"


def region_label(region: Region) -> str:
    """A section's name, or a block instance's with the block's."""
    if region.block is None or region.name.rpartition("_")[0] == region.block:
        return visible(region.name)
    return f"{visible(region.name)}: {visible(region.block)}"
