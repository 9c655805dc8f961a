"""What the files about the project say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from archc.version import DISTRIBUTION, __version__
from tests.benchmarks import table

ROOT = Path(__file__).parent.parent
PROMISES = re.findall(
    r"`(tests/[a-z_/]+\.py)(?:::(\w+))?`", (ROOT / ".github/SECURITY.md").read_text("utf-8")
)


@pytest.mark.parametrize(("path", "name"), PROMISES, ids="::".join)
def test_each_promise_names_a_test_that_is_there(path: str, name: str) -> None:
    source = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^def {name or 'test_'}", source, re.MULTILINE)


def test_every_promise_has_one() -> None:
    rows = re.findall(
        r"^\| (?!promise|-).*$", (ROOT / ".github/SECURITY.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) > 5
    assert all("`tests/" in row for row in rows)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert str(citation["version"]) == __version__
    changes = (ROOT / "docs/changelog.md").read_text("utf-8")
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == __version__


WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_pinned_actions_and_have_no_secrets(path: Path) -> None:
    text = path.read_text("utf-8")
    used = re.findall(r"uses: (.+)$", text, re.MULTILINE)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one)] == []
    assert "secrets." not in text
    if path.parent.name == "workflows":
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {"contents": "read"}
        writes = {
            name: {key for key, value in job.get("permissions", {}).items() if value == "write"}
            for name, job in workflow["jobs"].items()
        }
        # Only the job that publishes has an identity, and it runs nothing of the repository.
        for name in [name for name, keys in writes.items() if keys]:
            assert all("run" not in step for step in workflow["jobs"][name]["steps"])


def test_hints_name_the_distribution() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'name = "{DISTRIBUTION}"' in project
    for path in (ROOT / "archc").rglob("*.py"):
        assert "archc[" not in path.read_text("utf-8"), path


def test_the_table_of_benchmarks_is_that_of_its_record() -> None:
    record = json.loads(table.RECORD.read_text("utf-8"))
    assert table.README.read_text("utf-8") == table.table(record)
