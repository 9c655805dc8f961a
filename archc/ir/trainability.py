"""Checks of a spec's training recipe against its network.

Codes: ARC701 a recipe that does not fit the network, ARC702 fields of a recipe that contradict one
another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from archc.diagnostics import Diagnostic, Span
from archc.ir.costs import Costs
from archc.ir.graph import Graph, Node
from archc.language.recipe import Augment, Piecewise, RandomResizedCrop, ScaleJitter, Training
from archc.language.values import Value, mapping
from archc.ops.axes import Axes
from archc.ops.base import OutputKind

MOST_RANKED = 5
"""The number of classes that `top_5_accuracy` considers."""
NARROW = 5.0
"""Logits that lie closer together make no softmax sure of a class among ten: e^5 is 148."""


def check_training(costs: Costs, section: Value | None) -> list[Diagnostic]:
    """Diagnostics of the recipe of a network; `section` is the value of `training` in the spec."""
    graph = costs.graph
    recipe = graph.about.training
    if section is None or recipe is None:
        return []
    return [
        *_network_errors(costs, recipe, section),
        *_input_errors(graph, recipe, section),
        *_conflicts(recipe, section),
    ]


def _network_errors(costs: Costs, recipe: Training, section: Value) -> Iterator[Diagnostic]:
    graph = costs.graph
    span = section.key_span or section.span
    x = graph.nodes[graph.inputs[0]].output
    if len(graph.inputs) > 1 or len(graph.all_outputs) > 1:
        message = (
            f"a recipe needs one input and one output, the network has {len(graph.inputs)} "
            f"and {len(graph.all_outputs)}"
        )
        yield Diagnostic("ARC701", message, span, "write the training by hand")
        return
    if costs.totals.params and not costs.totals.trainable_params:
        message = "no parameter of the network is trainable"
        yield Diagnostic("ARC701", message, span, "remove `trainable: false` from some step")
    if x.dtype != "float32" or x.names[:1] == ("tokens",):
        message = f"a recipe needs images or vectors, the network takes {x}"
        yield Diagnostic("ARC701", message, span, "write the training by hand")
    last = graph.nodes[graph.outputs[0]]
    if last.output.names != ("features",) or last.output.width < 2:
        message = f"a recipe needs an output with a value for each class, got {last.output}"
        yield Diagnostic("ARC701", message, span, "end with `dense`")
    elif last.op.output_kind == "distances":
        if recipe.loss != "maximum_a_posteriori":
            message = f"the output of {last.op.name} is a distance, for which there is another loss"
            hint = "use `loss: maximum_a_posteriori`, or end with `dense`"
            yield Diagnostic("ARC701", message, at(section, "loss"), hint)
    elif recipe.loss == "maximum_a_posteriori":
        message = (
            f"`maximum_a_posteriori` is a loss of distances, which {last.op.name} does not give"
        )
        hint = "end with `rbf`, or use `loss: cross_entropy`"
        yield Diagnostic("ARC701", message, at(section, "loss"), hint)
    elif recipe.loss == "cross_entropy" and (bounded := _bounded_node(costs)) is not None:
        name = bounded.op.last.name
        message = f"cross-entropy needs logits, but the network's output is bounded by {name}"
        hint = "end with logits, `log_softmax` or `softmax`; or use `loss: mean_squared_error`"
        yield Diagnostic("ARC701", message, span, hint)
    elif recipe.metric == "top_5_accuracy" and last.output.width <= MOST_RANKED:
        message = f"`top_5_accuracy` of {last.output.width} classes is meaningless"
        yield Diagnostic("ARC702", message, at(section, "metric"), "use `accuracy`")


def output_node(graph: Graph) -> Node:
    """The node that computes the network's output, before ops that only change the axes."""
    node = graph.nodes[graph.outputs[0]]
    while node.op.view:
        node = graph.nodes[node.inputs[0]]
    return node


def output_kind(graph: Graph) -> OutputKind:
    """The kind of the network's output."""
    return output_node(graph).op.last.output_kind


def _bounded_node(costs: Costs) -> Node | None:
    """A node of bounded output that determines the network's output without weights in between,
    other than a final softmax over all classes."""
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


def _input_errors(graph: Graph, recipe: Training, section: Value) -> Iterator[Diagnostic]:
    """Check preprocessing and augmentation against the network's input."""
    x = graph.nodes[graph.inputs[0]].output
    inputs, augment = recipe.inputs, recipe.augment
    if not is_image(x):
        requested = {
            "resize": inputs.resize is not None,
            "pad": inputs.pad > 0,
            "augment": augment != Augment(fill=augment.fill),
            "evaluation": recipe.evaluation != "centre_crop",
        }
        for key in (key for key, is_set in requested.items() if is_set):
            owner = (key,) if key in ("augment", "evaluation") else ("inputs", key)
            message = f"`{key}` is for images, but the network takes {x}"
            yield Diagnostic("ARC701", message, at(section, *owner))
        return
    height, width = x.spatial
    if augment.lighting > 0 and x.width != 3:
        message = f"`lighting` is for RGB images, but the network takes {x}"
        yield Diagnostic("ARC701", message, at(section, "augment", "lighting"))
    if isinstance(augment.crop, ScaleJitter) and augment.crop.smallest < max(height, width):
        message = f"images of {augment.crop.smallest} pixels are smaller than the input, {x}"
        yield Diagnostic("ARC701", message, at(section, "augment", "crop"))
    if inputs.resize is not None:
        size = inputs.resize
        sides = (size, size) if isinstance(size, int) else size
        prepared = [side + 2 * inputs.pad for side in sides]
        if prepared[0] < height or prepared[1] < width:
            message = f"images of {prepared[0]} x {prepared[1]} are smaller than the input, {x}"
            yield Diagnostic("ARC701", message, at(section, "inputs", "resize"))
        elif recipe.evaluation == "ten_crop" and prepared == [height, width]:
            message = f"`ten_crop` is of images larger than the input, {x}"
            yield Diagnostic("ARC702", message, at(section, "evaluation"), "resize them to more")
    elif 2 * inputs.pad >= min(height, width):
        message = f"`pad` leaves no room for an image in the input, {x}"
        yield Diagnostic("ARC701", message, at(section, "inputs", "pad"))


def _conflicts(recipe: Training, section: Value) -> Iterator[Diagnostic]:
    """Check the fields for contradictions."""
    span = section.key_span or section.span
    if recipe.epochs is None and recipe.steps is None:
        yield Diagnostic(
            "ARC702", "`training` has neither `epochs` nor `steps`", span, "add `epochs`"
        )
    elif recipe.epochs is not None and recipe.steps is not None:
        message = "the recipe has both `epochs` and `steps`"
        yield Diagnostic("ARC702", message, at(section, "steps"), "keep one of them")
    rising = recipe.warmup * (recipe.steps_per_epoch or 0)
    too_long = recipe.epochs is not None and recipe.warmup >= recipe.epochs
    if too_long or (recipe.steps is not None and 0 < recipe.steps <= rising):
        message = "the warm-up is as long as the training"
        yield Diagnostic("ARC702", message, at(section, "warmup"))
    schedule = recipe.schedule
    if isinstance(schedule, Piecewise):
        where = at(section, "schedule", "piecewise", "epochs")
        if any(later <= one for one, later in pairwise(schedule.epochs)):
            yield Diagnostic("ARC702", "the epochs of `piecewise` do not rise", where)
        if len(schedule.epochs) != len(schedule.factors):
            message = f"{len(schedule.epochs)} epochs have {len(schedule.factors)} factors"
            yield Diagnostic("ARC702", message, where, "give each of the epochs a factor")
    if recipe.rejection != 1 and recipe.loss != "maximum_a_posteriori":
        message = "`rejection` needs `loss: maximum_a_posteriori`"
        yield Diagnostic("ARC702", message, at(section, "rejection"))
    if recipe.label_smoothing > 0 and recipe.loss != "cross_entropy":
        message = "`label_smoothing` needs `loss: cross_entropy`"
        yield Diagnostic("ARC702", message, at(section, "label_smoothing"))
    if recipe.evaluation == "ten_crop" and recipe.inputs.resize is None:
        message = "`ten_crop` is of images larger than the input"
        hint = "resize them: `inputs: {resize: 256}`"
        yield Diagnostic("ARC702", message, at(section, "evaluation"), hint)
    if recipe.evaluation == "ten_crop" and recipe.loss != "cross_entropy":
        message = "`ten_crop` averages probabilities: it needs `loss: cross_entropy`"
        yield Diagnostic("ARC702", message, at(section, "evaluation"))
    crop = recipe.augment.crop
    if isinstance(crop, RandomResizedCrop | ScaleJitter) and crop.smallest > crop.largest:
        message = f"`smallest` is larger than `largest`: {crop.smallest} > {crop.largest}"
        yield Diagnostic("ARC702", message, at(section, "augment", "crop"))


def is_image(x: Axes) -> bool:
    """Whether an input is a feature map with height and width."""
    return x.is_map and len(x.spatial) == 2


def at(section: Value, *keys: str) -> Span:
    """The span of a key inside the recipe, or of the innermost key on the path that exists."""
    for key in keys:
        section = mapping(section).get(key, section)
    return section.key_span or section.span
