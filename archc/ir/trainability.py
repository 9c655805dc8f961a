"""Whether a spec's training recipe fits its network.

Codes: ARC701 a recipe that does not fit the network, ARC702 fields of a recipe that contradict one
another.
"""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import Diagnostic, Span
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node
from archc.language.recipe import Training
from archc.language.values import Value, mapping
from archc.ops.axes import Axes
from archc.ops.base import OutputKind

MOST_RANKED = 5
"""Classes among which the right one is looked for by `top_5_accuracy`."""
NARROW = 5.0
"""Logits that lie closer together make no softmax sure of a class among ten: e^5 is 148."""


def check_training(costs: Costs, source: Value | None) -> list[Diagnostic]:
    """What is wrong with a network's recipe; `source` is what the spec has under `training`."""
    graph = costs.graph
    recipe = graph.about.training
    if source is None or recipe is None:
        return []
    return [
        *_network_errors(costs, recipe, source),
        *_fitting(graph, recipe, source),
        *_own(recipe, source),
    ]


def _network_errors(costs: Costs, recipe: Training, source: Value) -> Iterator[Diagnostic]:
    graph = costs.graph
    span = source.key_span or source.span
    x = graph.nodes[graph.inputs[0]].output
    if len(graph.inputs) > 1 or len(graph.outputs) > 1:
        message = (
            f"a recipe needs one input and one output, the network has {len(graph.inputs)} "
            f"and {len(graph.outputs)}"
        )
        yield Diagnostic("ARC701", message, span, "write its training by hand")
        return
    if x.dtype != "float32" or x.names[:1] == ("tokens",):
        message = f"a recipe needs images or vectors, the network takes {x}"
        yield Diagnostic("ARC701", message, span, "write its training by hand")
    last = graph.nodes[graph.outputs[0]]
    if last.output.names != ("features",) or last.output.width < 2:
        message = f"a recipe needs an output with a value for each class, it is {last.output}"
        yield Diagnostic("ARC701", message, span, "end with `dense`")
    elif last.op.output_kind == "distances":
        message = f"the output of {last.op.name} is a distance, for which the recipe has no loss"
        yield Diagnostic("ARC701", message, span, "end with `dense`")
    elif recipe.loss == "cross_entropy" and (bounded := _squashed(costs)) is not None:
        name = bounded.op.last.name
        message = f"the cross-entropy takes logits, and the network's end is bounded by {name}"
        hint = "end with logits, `log_softmax` or `softmax`; or take `loss: mean_squared_error`"
        yield Diagnostic("ARC701", message, span, hint)
    elif recipe.metric == "top_5_accuracy" and last.output.width <= MOST_RANKED:
        message = f"`top_5_accuracy` of {last.output.width} classes says nothing"
        yield Diagnostic("ARC702", message, at(source, "metric"), "use `accuracy`")


def output_node(graph: Graph) -> Node:
    """The node whose values the network gives, whatever axes they are given in."""
    node = graph.nodes[graph.outputs[0]]
    while node.op.view:
        node = graph.nodes[node.inputs[0]]
    return node


def output_kind(graph: Graph) -> OutputKind:
    """What the network gives."""
    return output_node(graph).op.last.output_kind


def _squashed(costs: Costs) -> Node | None:
    """A node of bounded output that what the network gives is made of without weights, other than a
    softmax over all of the classes at the very end."""
    graph = costs.graph
    params = {layer.node.index: layer.params for layer in costs.layers}
    last = output_node(graph)
    width = graph.nodes[graph.outputs[0]].output.width
    waiting = [last]
    while waiting:
        node = waiting.pop()
        op = node.op.last
        if node is last and op.output_kind != "logits" and node.output.width == width:
            return None
        if op.bounds is not None and op.bounds[1] - op.bounds[0] < NARROW:
            return node
        if not params.get(node.index) and not node.op.gates:
            waiting += [graph.nodes[index] for index in node.inputs]
    return None


def _fitting(graph: Graph, recipe: Training, source: Value) -> Iterator[Diagnostic]:
    """What is done to images against the network's input."""
    x = graph.nodes[graph.inputs[0]].output
    inputs, augment = recipe.inputs, recipe.augment
    if not is_image(x):
        changes = {
            "resize": inputs.resize is not None,
            "pad": inputs.pad > 0,
            "augment": augment.moves or augment.flip != "none" or augment.lighting > 0,
        }
        for key in (key for key, asked in changes.items() if asked):
            owner = ("augment",) if key == "augment" else ("inputs", key)
            message = f"`{key}` is for images, the network takes {x}"
            yield Diagnostic("ARC701", message, at(source, *owner))
        return
    height, width = x.spatial
    if augment.lighting > 0 and x.width != 3:
        message = f"`lighting` changes red, green and blue, the network takes {x}"
        yield Diagnostic("ARC701", message, at(source, "augment", "lighting"))
    if inputs.resize is not None:
        size = inputs.resize
        sides = (size, size) if isinstance(size, int) else size
        sizes = [side + 2 * inputs.pad for side in sides]
        if sizes[0] < height or sizes[1] < width:
            message = f"images of {sizes[0]} x {sizes[1]} are smaller than the input, {x}"
            yield Diagnostic("ARC701", message, at(source, "inputs", "resize"))
    elif 2 * inputs.pad >= min(height, width):
        message = f"`pad` leaves no room for an image in the input, {x}"
        yield Diagnostic("ARC701", message, at(source, "inputs", "pad"))


def _own(recipe: Training, source: Value) -> Iterator[Diagnostic]:
    """Fields against one another."""
    span = source.key_span or source.span
    if recipe.epochs is None and recipe.steps is None:
        yield Diagnostic("ARC702", "`training` does not tell how long", span, "give `epochs`")
    elif recipe.epochs is not None and recipe.steps is not None:
        message = "both `epochs` and `steps` are given"
        yield Diagnostic("ARC702", message, at(source, "steps"), "keep one of them")
    rising = recipe.warmup * (recipe.steps_per_epoch or 0)
    too_long = recipe.epochs is not None and recipe.warmup >= recipe.epochs
    if too_long or (recipe.steps is not None and 0 < recipe.steps <= rising):
        message = "the warm-up takes all of the training"
        yield Diagnostic("ARC702", message, at(source, "warmup"))
    if recipe.label_smoothing > 0 and recipe.loss != "cross_entropy":
        message = "`label_smoothing` belongs to `cross_entropy`"
        yield Diagnostic("ARC702", message, at(source, "label_smoothing"))


def is_image(x: Axes) -> bool:
    """Whether an input is a feature map of height and width."""
    return x.is_map and len(x.spatial) == 2


def at(source: Value, *keys: str) -> Span:
    """The place of a key inside the recipe; of the innermost that is there."""
    for key in keys:
        source = mapping(source).get(key, source)
    return source.key_span or source.span
