"""The constants at the head of a training script: the recipe, and what it needs to know of the
network."""

from __future__ import annotations

from textwrap import wrap

from archc.backends.base import Emitted
from archc.backends.storage import every_variable
from archc.codegen.docs import lit
from archc.codegen.tree import Assign, Comment, Lit, Ref, Statement, Value
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.ir.graph import Graph
from archc.ir.trainability import output_kind, output_node
from archc.language.recipe import Inputs, Training
from archc.ops.fields import fields_of
from archc.spec import Spec

LONGEST = 89
"""Characters of a line, its end counted."""


def values(backend: str, emitted: Emitted, spec: Spec, costs: Costs) -> dict[str, Value]:
    """The constants by their names, in the order in which they are written. Raises SpecError
    (ARC701) where PyTorch's last softmax has no layer of its own."""
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
        **(_softmax(emitted, spec, costs) if backend == "torch" else {}),
        **_recipe(recipe),
    }


def _softmax(emitted: Emitted, spec: Spec, costs: Costs) -> dict[str, Value]:
    """In PyTorch a network that ends in softmax is trained with its logarithm in that place: of a
    probability near 0 the logarithm has no gradient. The module's path, and what comes out then."""
    graph = costs.graph
    if output_kind(graph) != "probabilities":
        return {}
    placements = emitted.placements
    path = placements[output_node(graph).index][-1].path
    if sum(path == one.path for layers in placements.values() for one in layers) > 1:
        message = "the network's softmax is also computed inside of it, by the same layer"
        hint = "end with `log_softmax`, or with logits"
        raise SpecError([Diagnostic("ARC701", message, spec.document.span, hint)])
    return {"OUTPUT": "log_probabilities", "SOFTMAX": path}


FIELDS = {"PATIENCE": "early_stopping"}
"""Fields of a recipe that a constant calls otherwise."""
MEANINGS = {
    "INPUT_SHAPE": "the channels last",
    "OUTPUT": "what the loss is taken of: logits, probabilities or log_probabilities",
}
"""What constants mean that are no fields of a recipe."""


def statements(name: str, value: Value) -> tuple[Statement, ...]:
    """The assignment of a constant with what it means, above it where the line has no room."""
    meaning = MEANINGS.get(name) or _field_doc(name)
    if meaning is None:
        return (Assign(Ref(name), Lit(value)),)
    if len(f"{name} = {lit(value)}  # {meaning}\n") <= LONGEST:
        return (Assign(Ref(name), Lit(value), meaning),)
    told = wrap(meaning[0].upper() + meaning[1:] + ".", LONGEST - len("# \n"))
    return (*map(Comment, told), Assign(Ref(name), Lit(value)))


def _field_doc(name: str) -> str | None:
    for declaration in (Training, Inputs):
        for field in fields_of(declaration):
            if field.name == FIELDS.get(name, name.lower()):
                return field.doc
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


def weights_table(backend: str, emitted: Emitted, costs: Costs) -> str:
    """The table of the neutral file's arrays: for PyTorch, what its state dict calls each; for
    Keras a row each: the key, the layer, the variable, the array's shape, and how it is turned."""
    variables = every_variable(backend, costs, emitted)
    if backend == "torch":
        rows = [
            f"    {lit(key)}: {lit(f'{one.layer}.{one.name}')},\n" for key, one in variables.items()
        ]
        return f"WEIGHTS = {{\n{''.join(rows)}}}"
    lines = []
    for key, one in variables.items():
        layout = one.layout
        row = (key, one.layer, one.name, layout.canonical, layout.split, layout.axes)
        text = f"    {lit(row)},\n"
        if len(text) > LONGEST:
            text = f"    (\n{''.join(f'        {lit(part)},{chr(10)}' for part in row)}    ),\n"
        lines.append(text)
    return f"WEIGHTS = (\n{''.join(lines)})"
