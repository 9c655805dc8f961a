"""What a run has come to, as pictures and a page: learning curves, confusion matrix, the worst
mistakes. And data, before anything is trained with it.

Code: ARC705 a run's file that cannot be drawn.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def draw(run: str | Path) -> tuple[Path, ...]:
    """Draw a run from what its folder holds (`run.json`, `metrics.jsonl`, `validation.npz`); the
    files written there, all of them or none.

    `curves.svg` and `report.html` in any case, `confusion.svg` where images were held out, and
    `mistakes.png` where some of these were mistaken and Pillow is installed. What a run without
    these had left is removed. Needs NumPy. Raises SpecError (ARC705) for faulty files; OSError.
    """
    from archc.files import replace_files
    from archc.training.report import confusion, curves, page, sheet, svg
    from archc.training.report.files import read_run

    folder = Path(run)
    found = read_run(folder)
    files: dict[str, bytes | None] = {
        "curves.svg": svg.document(f"Learning curves of {found.name}", curves.panels(found)),
        "confusion.svg": None,
        "mistakes.png": None,
    }
    if found.validation is not None:
        title = f"Confusion of {found.name}"
        files["confusion.svg"] = svg.document(title, confusion.panels(found, found.validation))
        if len(found.validation.images) and find_spec("PIL") is not None:
            files["mistakes.png"] = sheet.mistakes(found, found.validation)
    files["report.html"] = page.report(found).encode()
    return tuple(map(Path, replace_files(str(folder), files)))
