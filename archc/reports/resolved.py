"""A network as a spec without `extends`, `params`, repetitions, conditions and blocks.

Block instances become sections, so that every step keeps its path. A step gets an explicit name
only if counting would not give it the same one. Merges keep their branches.
"""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import SpecError, visible
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node, Region
from archc.ir.scope import Scope
from archc.language.expressions import INPUT
from archc.language.field_values import as_written
from archc.language.names import CLASSES, FLOW, camel_case, step_error
from archc.language.reader import decode
from archc.language.recipe import as_spec
from archc.language.writer import WIDTH, Commented, document, inline
from archc.ops.axes import Axes
from archc.ops.base import Op, is_bare
from archc.ops.fields import LARGEST, fields_of
from archc.spec import read_source

IDENTITY: dict[str, object] = {"repeat": 0, "layers": ["relu"]}
"""A step that is the identity; only its `from` matters."""


class UnwritableError(Exception):
    """The network cannot be written as one spec: a name, the size or the nesting is not allowed."""


def resolved(costs: Costs) -> str:
    """The text of a spec with the same graph: the same steps under the same paths, with the same
    fields, inputs and axes. Raises UnwritableError.

    Expectations are kept, except with parameters set from outside.
    """
    text = _Writer(costs.graph).text()
    try:
        source = decode(text.encode("utf-8"), "resolved")
        again = read_source(source, ".", "resolved").checked()
    except SpecError as error:
        raise UnwritableError(error.diagnostics[0].message) from None
    if signature(again.graph) != signature(costs.graph):
        raise UnwritableError("a name would refer to a different step")
    return text


def signature(graph: Graph) -> tuple[object, ...]:
    """A key that is equal for graphs of the same network with the same names."""
    nodes = [
        (one.path, one.op, one.inputs, one.output, one.weights, one.trainable)
        for one in graph.nodes
    ]
    regions = [(region.path, region.input, region.output) for region in _regions(graph.root)]
    outputs = graph.outputs, graph.training_outputs
    return nodes, regions, graph.inputs, outputs, graph.about.name, graph.about.class_name


def _regions(root: Region) -> list[Region]:
    regions = [root]
    for region in regions:
        regions += [item for item in region.items if isinstance(item, Region)]
    return regions


class _Writer:
    """Writes the regions of a graph in the order in which they are read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths: dict[int, list[str]] = {}  # the absolute paths of each output
        self.blocks: dict[str, object] = {}
        self.block_names: dict[str, str] = {}  # by the text of a block's steps
        self.titles: dict[str, str] = {}  # the block of each instance, by its path
        self.block_inputs: dict[str, list[str]] = {}  # what each takes besides its input
        self.block_outputs: dict[str, list[str]] = {}  # what each gives besides its output
        self.last_use = dict.fromkeys(graph.all_outputs, len(graph.nodes))
        for node in graph.nodes:
            for index in node.inputs:
                self.last_use[index] = max(self.last_use.get(index, 0), node.index)

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
        fields = {**self.head(), **({"blocks": self.blocks} if self.blocks else {})}
        fields["layers"] = steps or [IDENTITY]
        if graph.outputs != (current,) or graph.training_outputs:
            outputs: list[object] = [self.reference(index, scope) for index in graph.outputs]
            for index in graph.training_outputs:
                outputs.append({self.reference(index, scope): "training"})
            fields["outputs"] = outputs
        if graph.expect is not None and not graph.about.overrides:
            fields["expect"] = graph.expect.plain()
        if graph.checkpoints is not None and not graph.about.overrides:
            fields["checkpoints"] = graph.checkpoints.plain()
        if graph.about.training is not None:
            fields["training"] = _short(as_spec(graph.about.training))
        return f"{self.comment()}{document(fields)}"

    def comment(self) -> str:
        about = self.graph.about
        overrides = [f"{name}={inline(value)}" for name, value in about.overrides.items()]
        settings = f" with {', '.join(overrides)}" if overrides else ""
        return f"# {visible(f'{about.source}, resolved{settings}')}\n"

    def head(self) -> dict[str, object]:
        about = self.graph.about
        fields: dict[str, object] = {"archc": 1, "name": about.name}
        default_class = camel_case(about.name)
        if about.class_name != (
            f"{default_class}Network" if default_class in CLASSES else default_class
        ):
            fields["class"] = about.class_name
        for key, text in (("title", about.title), ("description", about.description)):
            if text:
                fields[key] = text
        if about.references:
            alone = len(about.references) == 1
            fields["reference"] = about.references[0] if alone else list(about.references)
        fields |= about.catalog
        nodes = [self.graph.nodes[index] for index in self.graph.inputs]
        if [node.name for node in nodes] == ["input"]:
            fields["input"] = _axes(nodes[0].output)
        else:
            fields["inputs"] = {node.name: _axes(node.output) for node in nodes}
        return fields

    def steps(
        self, items: tuple[Node | Region, ...], start: int, stop: int, current: int, scope: Scope
    ) -> tuple[list[object], int]:
        """The steps of a range of a region's items, and the output of the last one."""
        steps: list[object] = []
        for position in reversed(list(_outermost(items, start, stop))):
            item = items[position]
            if isinstance(item, Region):
                step: object = self.region(item, current, scope)
                current = item.output
            else:
                step = self.node(items, position, current, scope)
                current = item.index
            steps.append(step)
        return steps, current

    def end_with(self, steps: list[object], current: int, end: int, scope: Scope) -> list[object]:
        """Steps that end with the output `end`, which may have been that of a skipped step."""
        if current != end:
            steps.append({"repeat": 0, "from": self.reference(end, scope), "layers": ["relu"]})
        return steps

    def region(self, region: Region, current: int, scope: Scope) -> object:
        if region.names_input:
            return self.instance(region, current, scope)
        counted = region.kind == "section" and _is_counted(region, "section", scope)
        fields: dict[str, object] = {"section": None if counted else _checked_name(region)}
        if region.input != current:
            fields["from"] = self.reference(region.input, scope)
        scope.add(region.name, region.origin.span)
        inner = scope.inner[region.name] = Scope(region.path, scope)
        items = region.items
        steps, last = self.steps(items, 0, len(items), region.input, inner)
        fields["layers"] = self.end_with(steps, last, region.output, inner) or [IDENTITY]
        self.enter(region, region.output, scope)
        return Commented(fields, _instance(region)) if region.kind == "block" else fields

    def instance(self, region: Region, current: int, scope: Scope) -> object:
        """A block's instance that names its inputs, which only a block can: it is written as a
        block without parameters, the same for all instances of the same steps."""
        title = self.titles[region.weights] if region.weights else self.block(region)
        self.titles[region.path] = title
        fields: dict[str, object] = {"block": title}
        others = [self.reference(region.inputs[name], scope) for name in self.block_inputs[title]]
        if others:
            same = region.input == current
            fields["from"] = [FLOW if same else self.reference(region.input, scope), *others]
        elif region.input != current:
            fields["from"] = self.reference(region.input, scope)
        if not _is_counted(region, title, scope):
            fields["name"] = _checked_name(region)
        if region.weights:
            fields["weights"] = self.owner(region.weights, scope)
        scope.add(region.name, region.origin.span)
        self.enter(region, region.output, scope)
        visible = scope.inner[region.name] = Scope(region.path, None)
        for item in region.items:
            if item.name in self.block_outputs[title]:
                visible.append(item, _output_of(item))
                self.paths.setdefault(_output_of(item), []).append(item.path)
        return Commented(fields, _instance(region))

    def block(self, region: Region) -> str:
        """The name of the block with the steps of an instance."""
        inner = Scope(region.path, None)
        around = {index: self.paths.get(index, []) for index in region.entering}
        for name, index in zip((INPUT, *region.inputs), region.entering, strict=True):
            inner.enter(name, region.origin.span, index)
            self.paths[index] = [f"{region.path}.{name}", *self.paths.get(index, [])]
        items = region.items
        steps, last = self.steps(items, 0, len(items), region.input, inner)
        body = self.end_with(steps, last, region.output, inner) or [IDENTITY]
        self.paths |= around
        inputs = [name for name in region.inputs if name in inner.used_inputs]
        fields: dict[str, object] = {"inputs": inputs} if inputs else {}
        fields["layers"] = body
        outputs = self.given_out(region)
        if outputs:
            fields["outputs"] = outputs
        text = document(fields)
        if text not in self.block_names:
            title, count = str(region.block), 1
            while title in self.blocks:
                count += 1
                title = f"{region.block}_{count}"
            self.block_names[text] = title
            own = {} if count > 1 or region.class_name is None else {"class": region.class_name}
            self.blocks[title] = {**own, **fields}
            self.block_inputs[title] = inputs
            self.block_outputs[title] = outputs
        return self.block_names[text]

    def given_out(self, region: Region) -> list[str]:
        """The steps of an instance that steps after it use, besides the last one."""
        last = max((node.index for node in region.nodes()), default=-1)
        given = set(region.outputs.values()) - {region.output}
        return [
            item.name
            for item in region.items
            if _output_of(item) in given and self.last_use.get(_output_of(item), 0) > last
        ]

    def node(
        self, items: tuple[Node | Region, ...], position: int, current: int, scope: Scope
    ) -> object:
        node = items[position]
        assert isinstance(node, Node)
        step: dict[str, object]
        if node.branches is not None:
            source = node.branches.input
            branches: list[object] = []
            stops = (*node.branches.starts[1:], position)
            for start, stop, end in zip(node.branches.starts, stops, node.inputs, strict=True):
                steps, last = self.steps(items, start, stop, source, scope)
                branches.append(self.end_with(steps, last, end, scope))
            step = {node.op.name: branches}
            if source != current:
                step["from"] = self.reference(source, scope)
        elif len(node.inputs) > 1:
            step = {node.op.name: _fields(node.op) or None}
            step["from"] = [self.reference(index, scope) for index in node.inputs]
        else:
            step = {node.op.name: _fields(node.op)}
            if node.inputs[0] != current:
                step["from"] = self.reference(node.inputs[0], scope)
        if not _is_counted(node, node.op.name, scope):
            step["name"] = _checked_name(node)
        if not node.trainable and node.weights < 0:
            step["trainable"] = False
        if node.weights >= 0:
            step["weights"] = self.owner(self.graph.nodes[node.weights].path, scope)
        scope.add(node.name, node.origin.span)
        self.enter(node, node.index, scope)
        bare = step[node.op.name] == {} and len(step) == 1 and is_bare(type(node.op))
        return node.op.name if bare else step

    def enter(self, item: Node | Region, output: int, scope: Scope) -> None:
        scope.outputs[item.name] = output
        scope.steps[item.name] = item
        self.paths.setdefault(output, []).append(item.path)

    def reference(self, index: int, scope: Scope) -> str:
        """The shortest path of an output in a scope."""
        for path in self.paths.get(index, ()):
            for holder in scope.around():
                inside = f"{holder.path}." if holder.path else ""
                short = path.removeprefix(inside)
                if path.startswith(inside) and scope.find(short) == index:
                    return short
        raise UnwritableError(
            f"no name refers to `{self.graph.nodes[index].path}` in `{scope.path}`"
        )

    def owner(self, path: str, scope: Scope) -> str:
        """The shortest path in a scope of the step whose variables another one uses."""
        for holder in scope.around():
            inside = f"{holder.path}." if holder.path else ""
            short = path.removeprefix(inside)
            step = scope.find_step(short)
            if path.startswith(inside) and step is not None and step.path == path:
                return short
        raise UnwritableError(f"no name refers to `{path}` in `{scope.path}`")


def _output_of(item: Node | Region) -> int:
    return item.index if isinstance(item, Node) else item.output


def _outermost(items: tuple[Node | Region, ...], start: int, stop: int) -> Iterator[int]:
    """The positions of items outside the branches of the range's merges, last to first."""
    position = stop
    while position > start:
        position -= 1
        yield position
        item = items[position]
        if isinstance(item, Node) and item.branches is not None:
            position = item.branches.starts[0]


def _is_counted(item: Node | Region, kind: str, scope: Scope) -> bool:
    """Whether counting steps of a kind gives the item its name; if so, it is counted."""
    before = scope.counts.get(kind, 0)
    if not item.named and scope.next_name(kind) == item.name:
        return True
    scope.counts[kind] = before
    return False


def _checked_name(item: Node | Region) -> str:
    error = step_error(item.name)
    if error is not None:
        raise UnwritableError(f"the name `{item.path}` {error}")
    return item.name


def _axes(axes: Axes) -> dict[str, object]:
    sizes: dict[str, object] = dict(axes.as_dict())
    return sizes if axes.dtype == "float32" else {**sizes, "dtype": axes.dtype}


def _fields(op: Op) -> object:
    """The value under an op's key: its fields without defaults."""
    fields = {
        field.name: _short(as_written(field, getattr(op, field.name)))
        for field in fields_of(type(op))
        if field.required or getattr(op, field.name) != field.default
    }
    return (
        fields[op.shorthand]
        if op.shorthand is not None and list(fields) == [op.shorthand]
        else fields
    )


def _short(value: object) -> object:
    """A field's value with `1` for `1.0`."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    return value


def _instance(region: Region) -> str:
    """The comment of a block instance: its block and arguments."""
    arguments = ", ".join(f"{name}: {inline(value)}" for name, value in region.arguments.items())
    comment = visible(f"block {region.block}" + (f" with {arguments}" if arguments else ""))
    return comment if len(comment) <= WIDTH else f"{comment[: WIDTH - 1]}\u2026"
