"""The task of a run: what training must know of a network besides its source.

Codes: ARC701 a softmax that training cannot replace by its logarithm, ARC704 a spec without a
recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from archc import backends
from archc.api import Network
from archc.backends.base import Emitted, Trainer
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.ir.trainability import output_kind, output_node
from archc.language.recipe import Training
from archc.ops.axes import Axes
from archc.spec import Spec

IMAGE_RANK = 3  # height, width, channels
IMAGE_ENDINGS = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
"""Those of torchvision's ImageFolder, and .gif."""
WIDE_CHANNELS = 32
"""From as many channels of a feature map its memory order is the channels last: arithmetic on 16
numbers at once, as processors have it, fills up. On a CPU LeNet-5, with 6 and 16 channels, takes
1.6 times as long in this order, a network of 32 to 128 channels 0.8 times."""


class Task(NamedTuple):
    """A classifier: its name, the path and the digest of its spec, the number of classes, the axes
    of its input with the channels last, and what it returns, `logits`, `probabilities` or
    `log_probabilities`.

    `softmax` is the layer in whose place the logarithm of a softmax is trained: of a probability
    near 0 the logarithm has no gradient. `output` is what is returned then. `channels` is the
    largest number of them that a feature map has, input and vectors aside.
    """

    name: str
    spec: str
    digest: str
    classes: int
    shape: tuple[int, ...]
    output: str
    channels: int
    softmax: str | int | None = None

    @property
    def is_wide(self) -> bool:
        """Whether its feature maps are computed with the channels last."""
        return self.channels >= WIDE_CHANNELS


def task_of(trainer: Trainer, emitted: Emitted, spec: Spec, costs: Costs) -> Task:
    """The task of a network on a backend. Raises SpecError (ARC701) where the trainer replaces a
    final softmax by its logarithm, and the softmax is not a layer of its own."""
    graph = costs.graph
    about = graph.about
    output, softmax = output_kind(graph), None
    if trainer.replaces_softmax and output == "probabilities":
        output, softmax = "log_probabilities", _softmax(emitted, spec, graph)
    return Task(
        name=about.name,
        spec=about.source,
        digest=about.digest,
        classes=graph.nodes[graph.outputs[0]].output.width,
        shape=input_shape(graph),
        output=output,
        channels=max((one.width for one in _feature_maps(graph)), default=0),
        softmax=softmax,
    )


def _feature_maps(graph: Graph) -> Iterator[Axes]:
    """The outputs with an extent in space."""
    for node in graph.nodes:
        if node.output.is_map and max(node.output.spatial) > 1:
            yield node.output


def _softmax(emitted: Emitted, spec: Spec, graph: Graph) -> str | int | None:
    placements = emitted.placements
    path = placements[output_node(graph).index][-1].path
    if sum(path == one.path for layers in placements.values() for one in layers) > 1:
        message = "the network's softmax is also computed inside of it, by the same layer"
        hint = "end with `log_softmax`, or with logits"
        raise SpecError([Diagnostic("ARC701", message, spec.document.span, hint)])
    return path


def input_shape(graph: Graph) -> tuple[int, ...]:
    """The axes of the network's input with the channels last, as images are kept."""
    x = graph.nodes[graph.inputs[0]].output
    return (*x.spatial, x.width) if x.is_map else x.sizes


def trainer_of(backend: str) -> Trainer:
    """The trainer of a backend, which must have one."""
    trainer = backends.backend(backend).trainer
    assert trainer is not None
    return trainer


def recipe_of(network: Network) -> Training:
    """The recipe of a network. Raises SpecError for a spec without one (ARC704)."""
    recipe = network.costs.graph.about.training
    if recipe is None:
        hint = "`archc ops training` shows its fields"
        document = network.spec.document
        span = document.span if document.training is None else document.training.span
        raise SpecError([Diagnostic("ARC704", "the spec has no `training`", span, hint)])
    return recipe
