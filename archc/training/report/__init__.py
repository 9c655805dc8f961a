"""Reports of training runs as pictures and a page: learning curves, confusion matrix, worst
mistakes. And views of data before training.

Code: ARC705 a file of a run that cannot be read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def draw(run: str | Path) -> tuple[Path, ...]:
    """Draw a run from the files in its folder (`run.json`, `metrics.jsonl`, `validation.npz`).
    Returns the files written there, all of them or none.

    Writes `curves.svg` and `report.html`; `confusion.svg` if images were held out, and
    `mistakes.png` if some of these were misclassified and Pillow is installed. Outdated files are
    removed. Needs NumPy. Raises SpecError (ARC705) for invalid files, and OSError.
    """
    from archc.files import replace_files
    from archc.training.report import confusion, curves, page, sheet, svg
    from archc.training.report.files import read_run

    folder = Path(run)
    record = read_run(folder)
    files: dict[str, bytes | None] = {
        "curves.svg": svg.document(f"Learning curves of {record.name}", curves.panels(record)),
        "confusion.svg": None,
        "mistakes.png": None,
    }
    if record.validation is not None:
        title = f"Confusion of {record.name}"
        files["confusion.svg"] = svg.document(title, confusion.panels(record, record.validation))
        if len(record.validation.images) and find_spec("PIL") is not None:
            files["mistakes.png"] = sheet.mistakes(record, record.validation)
    files["report.html"] = page.report(record).encode()
    return tuple(map(Path, replace_files(str(folder), files)))
