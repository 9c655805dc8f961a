"""The constants at the head of a training script: the recipe, and what it needs to know of the
network."""

from __future__ import annotations

from archc.emit import Value
from archc.graph import Graph
from archc.infer import Costs
from archc.ops.activation import LogSoftmax, Softmax
from archc.ops.fields import fields_of
from archc.pieces import lit
from archc.recipe import Inputs, Training
from archc.spec import Spec
from archc.weights.layout import slots

LONGEST = 89
"""Characters of a line, its end counted."""


def values(costs: Costs) -> dict[str, Value]:
    """The constants by their names, in the order in which they are written."""
    graph = costs.graph
    about = graph.about
    recipe = about.training
    assert recipe is not None
    return {
        "NAME": about.name,
        "SPEC": about.source,
        "DIGEST": about.digest,
        "CLASSES": graph.nodes[graph.outputs[0]].output.width,
        "INPUT_SHAPE": input_shape(graph),
        "OUTPUT": output_kind(graph),
        **_recipe(recipe),
    }


FIELDS = {"PATIENCE": "early_stopping"}
"""Fields of a recipe that a constant calls otherwise."""


def comment_on(name: str, value: Value) -> str | None:
    """What a constant of the recipe means, where the line has room for it."""
    for declaration in (Training, Inputs):
        for field in fields_of(declaration):
            if field.name == FIELDS.get(name, name.lower()):
                line = f"{name} = {lit(value)}  # {field.doc}\n"
                return field.doc if len(line) <= LONGEST else None
    return None


def _recipe(recipe: Training) -> dict[str, Value]:
    inputs = recipe.inputs
    return {
        "RESIZE": inputs.resize,
        "PAD": inputs.pad,
        "SCALE": inputs.scale,
        "STANDARDIZE": inputs.standardize,
        "BATCH_SIZE": recipe.batch_size,
        "EPOCHS": recipe.epochs,
        "STEPS": recipe.steps,
        "STEPS_PER_EPOCH": recipe.steps_per_epoch,
        "WARMUP": recipe.warmup,
        "LABEL_SMOOTHING": recipe.label_smoothing,
        "VALIDATION": recipe.validation,
        "METRIC": recipe.metric,
        "PATIENCE": recipe.early_stopping,
        "SEED": recipe.seed,
        "PRECISION": recipe.precision,
        "SYNC_BATCH_NORM": recipe.sync_batch_norm,
    }


def input_shape(graph: Graph) -> tuple[int, ...]:
    """The axes of the network's input with the channels last, as images are kept."""
    x = graph.nodes[graph.inputs[0]].output
    return (*x.spatial, x.width) if x.is_map else x.sizes


def output_kind(graph: Graph) -> str:
    """What the network gives: `probabilities`, their logarithms, or `logits`."""
    op = graph.nodes[graph.outputs[0]].op
    last = getattr(op, "activation", None) or op
    if isinstance(last, Softmax):
        return "probabilities"
    return "log_probabilities" if isinstance(last, LogSoftmax) else "logits"


def weights_table(backend: str, spec: Spec, costs: Costs) -> str:
    """The table of the neutral file's arrays: for PyTorch, what its state dict calls each; for
    Keras a row each: the key, the layer, the variable, the array's shape, and how it is turned."""
    found = slots(backend, spec, costs)
    if backend == "torch":
        rows = [f"    {lit(key)}: {lit(slot.state_key)},\n" for key, slot in found.items()]
        return f"WEIGHTS = {{\n{''.join(rows)}}}"
    lines = []
    for key, slot in found.items():
        layout = slot.layout
        row = (key, slot.layer, slot.variable, layout.canonical, layout.split, layout.axes)
        text = f"    {lit(row)},\n"
        if len(text) > LONGEST:
            text = f"    (\n{''.join(f'        {lit(one)},{chr(10)}' for one in row)}    ),\n"
        lines.append(text)
    return f"WEIGHTS = (\n{''.join(lines)})"
