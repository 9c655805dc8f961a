"""A network as a spec without `extends`, `params`, repetitions, conditions and blocks.

Block instances become sections, so that every step keeps its path. A step keeps its counted name
where counting gives it again, and is given its name where it does not. Merges keep their branches.
"""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import SpecError, visible
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node, Region
from archc.ir.scope import Scope
from archc.language.field_values import as_written
from archc.language.names import CLASSES, attribute_error, camel_case
from archc.language.reader import decode
from archc.language.recipe import as_spec
from archc.language.writer import WIDTH, Commented, document, inline
from archc.ops.axes import Axes
from archc.ops.base import Op, is_bare
from archc.ops.fields import LARGEST, fields_of
from archc.spec import read_source

NOTHING_DONE: dict[str, object] = {"repeat": 0, "layers": ["relu"]}
"""A step that does nothing: its `from` alone counts."""


class UnwritableError(Exception):
    """The network cannot be written as one spec: a name, the size or the nesting is past what the
    language takes."""


def resolved(costs: Costs) -> str:
    """The text of a spec that gives the same graph: the same steps under the same paths, with the
    same fields, inputs and axes. Raises Unwritable.

    What the spec expects is kept, except under parameters from outside.
    """
    text = _Writer(costs.graph).text()
    try:
        source = decode(text.encode("utf-8"), "resolved")
        again = read_source(source, ".", "resolved").checked()
    except SpecError as error:
        raise UnwritableError(error.diagnostics[0].message) from None
    if signature(again.graph) != signature(costs.graph):
        raise UnwritableError("a name means another step there")
    return text


def signature(graph: Graph) -> tuple[object, ...]:
    """What two graphs share that are the same network under the same names."""
    nodes = [(node.path, node.op, node.inputs, node.output) for node in graph.nodes]
    regions = [(region.path, region.input, region.output) for region in _regions(graph.root)]
    return nodes, regions, graph.inputs, graph.outputs, graph.about.name, graph.about.class_name


def _regions(root: Region) -> list[Region]:
    found = [root]
    for region in found:
        found += [item for item in region.items if isinstance(item, Region)]
    return found


class _Writer:
    """Goes through the regions of a graph in the order in which a reader does."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths: dict[int, list[str]] = {}  # how each output may be called, from the root

    def text(self) -> str:
        graph = self.graph
        scope = Scope("", None)
        for index in graph.inputs:
            node = graph.nodes[index]
            scope.add(node.name, node.origin.span, index)
            self.paths[index] = [node.path]
        current = graph.inputs[0] if len(graph.inputs) == 1 else -1
        items = graph.root.items
        steps, current = self.steps(items, 0, len(items), current, scope)
        told = {**self.head(), "layers": steps or [NOTHING_DONE]}
        if graph.outputs != (current,):
            told["outputs"] = [self.reference(index, scope) for index in graph.outputs]
        if graph.expect is not None and not graph.about.overrides:
            told["expect"] = graph.expect.plain()
        if graph.about.training is not None:
            told["training"] = _short(as_spec(graph.about.training))
        return f"{self.comment()}{document(told)}"

    def comment(self) -> str:
        about = self.graph.about
        changed = [f"{name}={inline(value)}" for name, value in about.overrides.items()]
        given = f" with {', '.join(changed)}" if changed else ""
        return f"# {visible(f'{about.source}, resolved{given}')}\n"

    def head(self) -> dict[str, object]:
        about = self.graph.about
        told: dict[str, object] = {"archc": 1, "name": about.name}
        made = camel_case(about.name)
        if about.class_name != (f"{made}Network" if made in CLASSES else made):
            told["class"] = about.class_name
        for key, text in (("title", about.title), ("description", about.description)):
            if text:
                told[key] = text
        if about.references:
            alone = len(about.references) == 1
            told["reference"] = about.references[0] if alone else list(about.references)
        nodes = [self.graph.nodes[index] for index in self.graph.inputs]
        if [node.name for node in nodes] == ["input"]:
            told["input"] = _axes(nodes[0].output)
        else:
            told["inputs"] = {node.name: _axes(node.output) for node in nodes}
        return told

    def steps(
        self, items: tuple[Node | Region, ...], start: int, stop: int, current: int, scope: Scope
    ) -> tuple[list[object], int]:
        """The steps of a stretch of a region's items, and the output of the last one."""
        told: list[object] = []
        for position in reversed(list(_outermost(items, start, stop))):
            item = items[position]
            if isinstance(item, Region):
                step: object = self.region(item, current, scope)
                current = item.output
            else:
                step = self.node(items, position, current, scope)
                current = item.index
            told.append(step)
        return told, current

    def closed(self, told: list[object], current: int, end: int, scope: Scope) -> list[object]:
        """Steps that end with the output `end`: a step that was left out may have gone to it."""
        if current != end:
            told.append({"repeat": 0, "from": self.reference(end, scope), "layers": ["relu"]})
        return told

    def region(self, region: Region, current: int, scope: Scope) -> object:
        told: dict[str, object] = {"section": _spelt(region)}
        if region.input != current:
            told["from"] = self.reference(region.input, scope)
        scope.add(region.name, region.origin.span)
        inner = scope.inner[region.name] = Scope(region.path, scope)
        items = region.items
        steps, last = self.steps(items, 0, len(items), region.input, inner)
        told["layers"] = self.closed(steps, last, region.output, inner) or [NOTHING_DONE]
        self.enter(region, region.output, scope)
        return Commented(told, _instance(region)) if region.kind == "block" else told

    def node(
        self, items: tuple[Node | Region, ...], position: int, current: int, scope: Scope
    ) -> object:
        node = items[position]
        assert isinstance(node, Node)
        step: dict[str, object]
        if node.branches is not None:
            fed = node.branches.input
            branches: list[object] = []
            stops = (*node.branches.starts[1:], position)
            for start, stop, end in zip(node.branches.starts, stops, node.inputs, strict=True):
                steps, last = self.steps(items, start, stop, fed, scope)
                branches.append(self.closed(steps, last, end, scope))
            step = {node.op.name: branches}
            if fed != current:
                step["from"] = self.reference(fed, scope)
        elif len(node.inputs) > 1:
            step = {node.op.name: None}
            step["from"] = [self.reference(index, scope) for index in node.inputs]
        else:
            step = {node.op.name: _fields(node.op)}
            if node.inputs[0] != current:
                step["from"] = self.reference(node.inputs[0], scope)
        if not self.is_counted(node, scope):
            step["name"] = _spelt(node)
        scope.add(node.name, node.origin.span)
        self.enter(node, node.index, scope)
        bare = not step[node.op.name] and len(step) == 1 and is_bare(type(node.op))
        return node.op.name if bare else step

    def is_counted(self, node: Node, scope: Scope) -> bool:
        """Whether a reader gives the node its name by counting; if so, it is counted here."""
        kind = node.op.name
        before = scope.counts.get(kind, 0)
        if not node.named and scope.counted(kind) == node.name:
            return True
        scope.counts[kind] = before
        return False

    def enter(self, item: Node | Region, output: int, scope: Scope) -> None:
        scope.outputs[item.name] = output
        self.paths.setdefault(output, []).append(item.path)

    def reference(self, index: int, scope: Scope) -> str:
        """The shortest path by which `from` finds an output in a scope."""
        for path in self.paths.get(index, ()):
            for holder in scope.around():
                inside = f"{holder.path}." if holder.path else ""
                short = path.removeprefix(inside)
                if path.startswith(inside) and scope.find(short) == index:
                    return short
        raise UnwritableError(f"nothing calls `{self.graph.nodes[index].path}` in `{scope.path}`")


def _outermost(items: tuple[Node | Region, ...], start: int, stop: int) -> Iterator[int]:
    """The positions of items that stand in no merge of the stretch, from the last to the first."""
    position = stop
    while position > start:
        position -= 1
        yield position
        item = items[position]
        if isinstance(item, Node) and item.branches is not None:
            position = item.branches.starts[0]


def _spelt(item: Node | Region) -> str:
    fault = attribute_error(item.name)
    if fault is not None:
        raise UnwritableError(f"the name `{item.path}` {fault}")
    return item.name


def _axes(axes: Axes) -> dict[str, object]:
    told: dict[str, object] = dict(axes.as_dict())
    return told if axes.dtype == "float32" else {**told, "dtype": axes.dtype}


def _fields(op: Op) -> object:
    """What stands under an op's key: its fields without those that have their default."""
    given = {
        field.name: _short(as_written(field, getattr(op, field.name)))
        for field in fields_of(type(op))
        if field.required or getattr(op, field.name) != field.default
    }
    return (
        given[op.shorthand] if op.shorthand is not None and list(given) == [op.shorthand] else given
    )


def _short(value: object) -> object:
    """A field's value with `1` for `1.0`: what takes a fraction takes whole numbers."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    return value


def _instance(region: Region) -> str:
    """The comment of a block instance: its block and what it was given."""
    given = ", ".join(f"{name}: {inline(value)}" for name, value in region.arguments.items())
    told = visible(f"block {region.block}" + (f" with {given}" if given else ""))
    return told if len(told) <= WIDTH else f"{told[: WIDTH - 1]}\u2026"
