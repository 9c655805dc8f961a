"""The language server, set up from this folder's lock file and kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.language.editor.client import Editor

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PINNED = ("package.json", "package-lock.json")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Path:
    """The path of the server."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: the language server is an npm package")
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    assert request.config.cache is not None
    kept = request.config.cache.mkdir("editor") / digest
    if not kept.is_dir():
        folder = Path(tempfile.mkdtemp(dir=kept.parent))
        for name in PINNED:
            shutil.copy(HERE / name, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
        try:
            os.rename(folder, kept)
        except OSError:  # another process of the same run was first
            shutil.rmtree(folder)
    return kept / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


@pytest.fixture(scope="session")
def editor(server: Path) -> Iterator[Editor]:
    """An editor with the repository as its workspace."""
    opened = Editor(["node", str(server), "--stdio"], ROOT)
    yield opened
    opened.quit()
