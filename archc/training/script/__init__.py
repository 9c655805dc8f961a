"""Puts a training script together: the recipe's constants, the network as its module has it, and
of the parts in `parts/` what `main` comes to.

A part is a Python file as it would be written by hand, formatted for 88 columns, whose functions
call one another, and use the constants, by their bare names. Of each the statements at its top
level are taken over word for word, or left out.

Code: ARC703 a name of the network that a part has too.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from archc.api import Network
from archc.backends.base import Emitted, Trainer
from archc.codegen.printer import imports, render
from archc.codegen.tree import Import, ImportFrom, Module, Value
from archc.diagnostics import Diagnostic, SpecError
from archc.ir.costs import Costs
from archc.spec import Spec
from archc.training.plan import recipe_of, trainer_of
from archc.training.script import constants
from archc.training.script.constants import statements, weights_table

PARTS = os.path.join(os.path.dirname(__file__), "parts")
LOOP = "loop.py"
START = "main"
RULE = "# " + "-" * 70
LEFT_OUT = ("main",)
"""What a network's own module has that a script has otherwise."""


class Chunk(NamedTuple):
    """A statement at the top level of a file with the comments above it: the names that it defines,
    and those that it uses; the title of the part that it is of."""

    text: str
    names: tuple[str, ...]
    used: frozenset[str]
    is_definition: bool
    title: str = ""


class Text(NamedTuple):
    """A file taken apart: the first line of its docstring, what it imports, by the name that it has
    there, and its statements."""

    title: str
    imports: Mapping[str, Import | ImportFrom]
    chunks: tuple[Chunk, ...]


def emit(backend: str, network: Network) -> str:
    """The source of `NAME_train.py`, which trains the network on a backend and predicts with it.

    Raises SpecError for a spec without a recipe (ARC704), for a name that the script uses itself
    (ARC703), for a final softmax that is not a layer of its own (ARC701) and for a step that the
    backend does not support (ARC601). The backend must have a trainer.
    """
    recipe_of(network)
    emitted = network.compiled(backend)
    values = constants.values(backend, emitted, network.spec, network.costs)
    return script(backend, trainer_of(backend), emitted, values, network.spec, network.costs)


def script(
    backend: str,
    trainer: Trainer,
    emitted: Emitted,
    values: Mapping[str, Value],
    spec: Spec,
    costs: Costs,
) -> str:
    """The whole script, from the network's module and the constants. Raises SpecError (ARC703)."""
    recipe = costs.graph.about.training
    network = apart(emitted.source)
    network = network._replace(
        chunks=tuple(one for one in network.chunks if one.names and one.names[0] not in LEFT_OUT)
    )
    functions = apart(import_module(trainer.script).functions(recipe, values))
    parts = [_headed(apart(text)) for text in _parts(backend)]
    texts = [network, functions, *parts]
    _check_names(network, [functions, *parts], values, spec)
    kept = _reached([chunk for text in texts for chunk in text.chunks])
    used = frozenset().union(*(chunk.used for chunk in kept))
    wanted = [
        statement
        for text in texts
        for name, statement in text.imports.items()
        if name in used or name == "annotations"
    ]
    head = Module(
        header=(costs.graph.about.header,),
        docstring=_docstring(costs),
        body=(
            *imports(*wanted),
            *(
                statement
                for name, value in values.items()
                if name in used
                for statement in statements(name, value)
            ),
        ),
    )
    start = f"{render(head)}{weights_table(backend, emitted, costs)}"
    return _joined([start, *_spaced(kept), _RUN])


_RUN = 'if __name__ == "__main__":\n    main()'


def _docstring(costs: Costs) -> str:
    name = costs.graph.about.name
    title = costs.graph.about.title or costs.graph.about.class_name
    return (
        f"{title.rstrip('.')}: train it, and predict with it.\n\n"
        f"    python {name}_train.py fit --data DATA --out RUN\n"
        f"    python {name}_train.py predict --run RUN --data DATA --out FILE\n\n"
        "DATA is a CSV file as Kaggle has it, MNIST's idx files, an .npz file, or a folder\n"
        "with a folder of images for each class."
    )


def _parts(backend: str) -> Iterator[str]:
    """The loop first: it is what a reader looks for. The annotations of its records are names of
    what follows."""
    loop = os.path.join(PARTS, backend, LOOP)
    folders = [os.path.join(PARTS, name) for name in ("common", backend)]
    files = [
        os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))
    ]
    for path in (loop, *(path for path in files if path.endswith(".py") and path != loop)):
        with open(path, encoding="utf-8") as stream:
            yield stream.read()


def apart(source: str) -> Text:
    """Take a file apart. Its docstring and what it imports of archc are left out."""
    found: dict[str, Import | ImportFrom] = {}
    chunks: list[Chunk] = []
    lines = source.splitlines()
    end = 0
    tree = ast.parse(source)
    title = (ast.get_docstring(tree) or "").partition("\n")[0]
    for position, statement in enumerate(tree.body):
        start, end = end, statement.end_lineno or 0
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                bound = alias.asname or alias.name.partition(".")[0]
                found[bound] = Import(alias.name, alias.asname)
        elif isinstance(statement, ast.ImportFrom):
            module = statement.module or ""
            for alias in statement.names:
                if not module.startswith("archc"):
                    found[alias.name] = ImportFrom(module, (alias.name,))
        elif position or not _is_text(statement):
            text = "\n".join(lines[start:end]).strip("\n")
            chunks.append(_chunk(text, statement))
    return Text(title, found, tuple(chunks))


def _headed(part: Text) -> Text:
    """A part whose title stands above the first of its statements."""
    chunks = [chunk._replace(title=part.title) for chunk in part.chunks]
    return part._replace(chunks=tuple(chunks))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _chunk(text: str, statement: ast.stmt) -> Chunk:
    names: tuple[str, ...] = ()
    is_definition = isinstance(statement, ast.FunctionDef | ast.ClassDef)
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        names = (statement.name,)
    elif isinstance(statement, ast.Assign):
        names = tuple(one.id for one in statement.targets if isinstance(one, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        names = (statement.target.id,)
    used = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return Chunk(text, names, frozenset(used), is_definition)


def _check_names(
    network: Text, parts: Sequence[Text], constants: Mapping[str, Value], spec: Spec
) -> None:
    """Refuse a network whose classes or functions are called what the script calls its own, or
    like one of Python's that it uses."""
    used = frozenset().union(*(chunk.used for part in parts for chunk in part.chunks))
    own = {*constants, "WEIGHTS", *used.intersection(dir(builtins))}
    for part in parts:
        own.update(part.imports)
        own.update(name for chunk in part.chunks for name in chunk.names)
    made = [name for chunk in network.chunks for name in chunk.names]
    found = [
        Diagnostic(
            "ARC703",
            f"the training script has another `{name}`",
            spec.document.span,
            "call the class, or the block, something else",
        )
        for name in made
        if name in own
    ]
    if found:
        raise SpecError(found)


def _reached(chunks: Sequence[Chunk]) -> list[Chunk]:
    """The statements that the start comes to, in their order."""
    by_name = {name: chunk for chunk in chunks for name in chunk.names}
    reached: dict[str, Chunk] = {}
    waiting = [START]
    while waiting:
        name = waiting.pop()
        chunk = by_name.get(name)
        if chunk is not None and name not in reached:
            reached[name] = chunk
            waiting += sorted(chunk.used)
    kept = {id(chunk) for chunk in reached.values()}
    return [chunk for chunk in chunks if id(chunk) in kept]


def _spaced(chunks: Sequence[Chunk]) -> list[str]:
    """The statements' texts, assignments that follow one another in one, and above those of each
    part its title."""
    texts: list[str] = []
    was_definition, title = True, ""
    for chunk in chunks:
        if chunk.title != title:
            title, was_definition = chunk.title, True
            texts.append(f"{RULE}\n# {title}")
        if chunk.is_definition or was_definition:
            texts.append(chunk.text)
        else:
            texts[-1] += f"\n{chunk.text}"
        was_definition = chunk.is_definition
    return texts


def _joined(texts: Iterable[str]) -> str:
    return "\n\n\n".join(texts) + "\n"
