"""`python -m docs.generate FOLDER [NETWORK...]`: the folder that Sphinx reads, anew: the pages
written by hand, with what is derived in place of comments `derived: NAME`, and the derived pages.
With names of networks only these are in the zoo."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from docs.generate import benchmarks, commands, errors, formats, language, ops, zoo

PAGES = Path(__file__).parents[1]
MARK = re.compile(r"<!-- derived: (\S+) -->\n")
DERIVED: Mapping[str, Callable[[], str]] = {
    "benchmarks": benchmarks.table,
    "commands": commands.commands,
    "errors": errors.errors,
    "json": formats.json_formats,
    "ops": ops.index,
    "recipe": language.recipe,
    "words": language.words,
}


def generate(folder: Path, networks: Sequence[str]) -> None:
    """Write all pages. Raises KeyError for a mark that nothing is derived for."""
    if folder.exists():
        shutil.rmtree(folder)
    with ProcessPoolExecutor() as pool:
        made = list(pool.map(zoo.pages, networks))
    derived = {name: function() for name, function in DERIVED.items()}
    derived["zoo"] = zoo.index(entry for entry, _ in made)
    for path in sorted(PAGES.rglob("*")):
        relative = path.relative_to(PAGES)
        if path.suffix == ".md":
            text = path.read_text("utf-8")
            _write(folder / relative, MARK.sub(lambda match: derived[match[1]], text))
        elif relative.parts[0] in ("images", "static") and path.is_file():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / relative)
    for files in (dict(ops.pages()), *(files for _, files in made)):
        for name, text in files.items():
            _write(folder / name, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]), sys.argv[2:] or zoo.names())
