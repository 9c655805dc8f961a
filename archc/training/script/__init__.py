"""Training scripts: short programs that train a network and that a person keeps.

Code: ARC703 a network whose class has a name that the script uses.
"""

from __future__ import annotations

import builtins
from importlib import import_module
from importlib.util import find_spec
from textwrap import wrap

from archc.api import Network
from archc.codegen.layout import WIDTH
from archc.codegen.printer import render
from archc.codegen.tree import BlankLine, Import, ImportFrom, Module, Statement
from archc.diagnostics import Diagnostic, Span, SpecError
from archc.training.script.specialize import Specialized, defined_name, specialize
from archc.training.task import IMAGE_RANK, recipe_of, task_of, trainer_of


def emit(backend: str, network: Network) -> str:
    """The source of `NAME_train.py`, which stands beside the emitted network and imports it.

    Raises SpecError for a spec without a recipe (ARC704), for a final softmax that is not a layer
    of its own (ARC701), for a class with a name that the script uses itself (ARC703) and for a step
    that the backend does not support (ARC601). The backend must have a trainer.
    """
    recipe = recipe_of(network)
    trainer = trainer_of(backend)
    about = network.costs.graph.about
    task = task_of(trainer, network.compiled(backend), network.spec, network.costs)
    writer = import_module(trainer.script)
    specialized = specialize(
        [_source(module) for module in writer.PROGRAM],
        writer.constants(task, recipe),
        writer.definitions(task, recipe),
        {"Network": writer.constructor(about), **writer.names(recipe)},
        writer.absent(task, recipe),
    )
    _check_name(writer.constructor(about), specialized, network.spec.document.span)
    module = Module(
        header=(about.header,),
        docstring=_docstring(about.title or about.class_name, task.name, task.shape),
        body=(
            *specialized.imports,
            BlankLine(),
            ImportFrom(task.name, (writer.constructor(about),)),
            BlankLine(),
            *specialized.body,
        ),
    )
    return render(module)


def _source(module: str) -> str:
    """The source of a module, which is not imported: it needs a framework."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as stream:
        return stream.read()


def _check_name(name: str, specialized: Specialized, span: Span) -> None:
    """Refuse a class of the network's that the script would hide, or that would hide something."""
    bound = {one for statement in specialized.imports for one in _bound(statement)}
    defined = {one for statement in specialized.body if (one := defined_name(statement))}
    if name in {*bound, *defined, *dir(builtins)}:
        message = f"the training script has another `{name}`"
        raise SpecError([Diagnostic("ARC703", message, span, "call the class something else")])


def _bound(statement: Statement) -> tuple[str, ...]:
    """The names that an import statement binds."""
    match statement:
        case Import(module, alias):
            return (alias or module,)
        case ImportFrom(_, names):
            return names
    return ()


def _docstring(title: str, name: str, shape: tuple[int, ...]) -> str:
    source = "an .npz file of `images`, channels last, and `labels`"
    if len(shape) == IMAGE_RANK:
        source += ", or a folder of images for each class"
    text = (
        f"DATA is {source} (`archc data pack` makes the file). RUN has the last epoch and the best."
    )
    return "\n".join(
        (
            f"{title.rstrip('.')}: train and predict.",
            "",
            f"    python {name}_train.py DATA --out RUN [--resume | --predict labels.csv]",
            "",
            *wrap(text, WIDTH),
        )
    )
