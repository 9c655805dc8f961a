"""The task of a run: what training must know of a network besides its source.

Code: ARC701 a softmax that training cannot replace by its logarithm.
"""

from __future__ import annotations

from typing import NamedTuple

from archc.backends.base import Emitted, Trainer
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.ir.trainability import output_kind, output_node
from archc.spec import Spec


class Task(NamedTuple):
    """A classifier: its name, the path and the digest of its spec, the number of classes, the axes
    of its input with the channels last, and what it returns, `logits`, `probabilities` or
    `log_probabilities`.

    `softmax` is the layer in whose place the logarithm of a softmax is trained: of a probability
    near 0 the logarithm has no gradient. `output` is what is returned then.
    """

    name: str
    spec: str
    digest: str
    classes: int
    shape: tuple[int, ...]
    output: str
    softmax: str | int | None = None


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
        softmax=softmax,
    )


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
