"""Training scripts: a network, its recipe and a training loop for a backend, in a single file.

Code: ARC704 a spec without a recipe.
"""

from __future__ import annotations

from archc import backends
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.spec import Spec
from archc.training import script
from archc.training.script import constants


def emit(backend: str, spec: Spec, costs: Costs) -> str:
    """The source of `NAME_train.py`, which trains the network on a backend and predicts with it.

    Raises SpecError for a spec without a recipe (ARC704), for a name that the script uses itself
    (ARC703), for a final softmax that is not a layer of its own (ARC701) and for a step that the
    backend does not support (ARC601).
    """
    recipe = spec.document.training
    about = costs.graph.about
    if about.training is None:
        hint = "`archc ops training` shows its fields"
        span = spec.document.span if recipe is None else recipe.span
        raise SpecError([Diagnostic("ARC704", "the spec has no `training`", span, hint)])
    model = backends.emit(backend, spec, costs)
    values = constants.values(backend, spec, costs)
    return script.script(backend, model, values, spec, costs)
