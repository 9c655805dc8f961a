"""A folder of specs and its server."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.ir.limits import MOST_STEPS
from archc.server.folder import Folder
from archc.server.http import Server

SPECS = Path(__file__).parents[2] / "specs"
TINY = "archc: 1\nname: tiny\ninput: {features: 4}\nlayers:\n  - dense: 3\n  - dense: 2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """LeNet-5, a small network, one that extends it, and files that are no specs."""
    path = tmp_path / "specs"
    (path / "more").mkdir(parents=True)
    shutil.copy(SPECS / "lenet5.yaml", path)
    (path / "tiny.yaml").write_text(TINY)
    (path / "more" / "child.yaml").write_text("archc: 1\nname: child\nextends: ../tiny.yaml\n")
    (path / "compose.yaml").write_text("services: {}\n")
    (path / "notes.txt").write_text("archc: 1\n")
    (tmp_path / "outside.yaml").write_text(TINY)
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    """The server of the folder, at a free port."""
    with Server(Folder(str(folder), MOST_STEPS), 0) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
