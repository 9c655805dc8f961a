"""Benchmarks need a quiet machine, so that they run only where they are asked for: by their
folder, as `make benchmarks` does."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = [Path(config.invocation_params.dir, one.partition("::")[0]) for one in config.args]
    return None if any(path.resolve().is_relative_to(HERE) for path in asked) else True
