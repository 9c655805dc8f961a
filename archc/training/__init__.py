"""Training scripts: a network, its recipe and a training loop for a backend, in a single file.

Code: ARC704 a spec without a recipe.
"""

from __future__ import annotations

from archc import backends
from archc.api import Network
from archc.diagnostics import Diagnostic, SpecError
from archc.training import script
from archc.training.script import constants


def emit(backend: str, network: Network) -> str:
    """The source of `NAME_train.py`, which trains the network on a backend and predicts with it.

    Raises SpecError for a spec without a recipe (ARC704), for a name that the script uses itself
    (ARC703), for a final softmax that is not a layer of its own (ARC701) and for a step that the
    backend does not support (ARC601). The backend must have a trainer.
    """
    trainer = backends.backend(backend).trainer
    assert trainer is not None
    spec, costs = network.spec, network.costs
    recipe = spec.document.training
    about = costs.graph.about
    if about.training is None:
        hint = "`archc ops training` shows its fields"
        span = spec.document.span if recipe is None else recipe.span
        raise SpecError([Diagnostic("ARC704", "the spec has no `training`", span, hint)])
    emitted = network.compiled(backend)
    values = constants.values(backend, emitted, spec, costs)
    return script.script(backend, trainer, emitted, values, spec, costs)


def trainable() -> tuple[str, ...]:
    """The backends whose networks can be trained."""
    return tuple(name for name in backends.names() if backends.backend(name).trainer is not None)
