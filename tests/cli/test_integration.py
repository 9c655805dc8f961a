"""The GitHub Action and the pre-commit hooks, run step by step in a git repository."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from archc import cli

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "archc"
SMALL = """archc: 1
name: small
input: {features: 4}
params: {units: 3}
layers: [dense: $units]
"""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


STEPS: dict[str, Any] = {step["id"]: step for step in read(ACTION / "action.yml")["runs"]["steps"]}
HOOKS: dict[str, Any] = {hook["id"]: hook for hook in read(ROOT / ".pre-commit-hooks.yaml")}


class Repository:
    """A repository whose first commit has one network, and the job of its pull request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.temporary = folder / "temporary"
        self.programs = folder / "programs"
        for folder in (self.folder / "specs", self.temporary, self.programs):
            folder.mkdir(parents=True)
        self.program("archc", f'exec "{sys.executable}" -m archc "$@"')
        self.write("small", SMALL)
        self.git("init", "--quiet")
        self.base = self.commit()

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def write(self, name: str, text: str) -> None:
        path = self.folder / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")},
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_PATH": str(self.temporary / "path"),
            "GITHUB_OUTPUT": str(self.temporary / "output"),
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_SHA": self.base if hasattr(self, "base") else "",
            "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
            "RUNNER_TEMP": str(self.temporary),
            **variables,
        }
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def step(self, name: str, cached: str = "", **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run one step of the action as GitHub does, with these inputs and the defaults."""
        values = {
            key: option["default"] for key, option in read(ACTION / "action.yml")["inputs"].items()
        }
        values |= {key.replace("_", "-"): value for key, value in inputs.items()}
        known = {f"inputs.{key}": value for key, value in values.items()}
        known |= {
            "github.event.pull_request.base.sha": self.base,
            "github.event.pull_request.number": "7",
            "steps.cache.outputs.cache-hit": cached,
        }
        step = STEPS[name]
        variables = {
            key: re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: known[match[1]], value)
            for key, value in step.get("env", {}).items()
        }
        # The meaning of `shell: bash` on a runner.
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return self.run(bash, **variables)

    @property
    def comment(self) -> str:
        return (self.temporary / "archc.md").read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_action_is_declared_soundly() -> None:
    action = read(ACTION / "action.yml")
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"actions/cache@[0-9a-f]{40}", step["uses"])
            continue
        assert step["shell"] == "bash"
        # Inputs must reach a script only as variables: interpolated, they would be code.
        assert "${{" not in step["run"]
        for value in [*step.get("env", {}).values(), step.get("if", "")]:
            for name in re.findall(r"inputs\.([\w-]+)", value):
                assert name in action["inputs"]
        for script in re.findall(r"\$GITHUB_ACTION_PATH/(\w+\.sh)", step["run"]):
            assert (ACTION / script).is_file()
        subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
    for path in ACTION.glob("*.sh"):
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_an_installation_that_is_kept_is_not_made_again(repository: Repository) -> None:
    repository.program("python3", "exit 3")
    done = repository.step("install", cached="true")
    assert done.returncode == 0
    assert (repository.temporary / "path").read_text() == f"{repository.temporary}/archc/bin\n"


def test_the_key_of_an_installation_is_that_of_its_python(repository: Repository) -> None:
    keys = []
    for version in ("3.11", "3.11", "3.12"):
        repository.program("python3", f"echo Python {version}")
        assert repository.step("key").returncode == 0
        keys.append((repository.temporary / "output").read_text().splitlines()[-1])
    assert re.fullmatch(r"key=archc-[\w-]*-[0-9a-f]{40}", keys[0])
    assert keys[0] == keys[1] != keys[2]
    assert repository.step("key", package="archc-compiler").returncode == 0
    assert (repository.temporary / "output").read_text().splitlines()[-1] not in keys


def test_findings_go_to_code_scanning(repository: Repository) -> None:
    repository.write("invalid", "archc: 1\nname: invalid\ninput: {features: 4}\nlayers: [dens]\n")
    sent = repository.temporary / "sent"
    repository.program("gh", f'printf "%s\\n" "$@" > "{sent}"')
    assert repository.step("scan").returncode == 0
    arguments = sent.read_text().splitlines()
    assert "repos/owner/name/code-scanning/sarifs" in arguments
    assert f"commit_sha={repository.base}" in arguments
    assert "ref=refs/pull/7/merge" in arguments
    (given,) = [one for one in arguments if one.startswith("sarif=@")]
    packed = Path(given.removeprefix("sarif=@")).read_bytes()
    (run,) = json.loads(gzip.decompress(base64.b64decode(packed)))["runs"]
    (result,) = run["results"]
    where = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (result["level"], where) == ("error", "specs/invalid.yaml")
    repository.program("gh", "exit 1")
    done = repository.step("scan")
    assert (done.returncode, done.stdout.startswith("::warning::")) == (0, True)


@pytest.mark.parametrize(("budget", "code"), [("1", 1), ("1000000", 0)])
def test_budgets_of_operations(repository: Repository, budget: str, code: int) -> None:
    assert repository.step("budget", max_macs=budget).returncode == code
    assert repository.step("budget", max_params="1000000", max_macs=budget).returncode == code


def test_growth_of_operations(repository: Repository) -> None:
    assert repository.step("compare", max_macs_growth="0").returncode == 0
    repository.write("small", SMALL.replace("units: 3", "units: 4"))
    assert repository.step("compare", max_macs_growth="0").returncode == 1
    assert repository.step("compare", max_macs_growth="50%").returncode == 0


def test_install_puts_archc_on_the_path(repository: Repository) -> None:
    script = 'mkdir -p "$3/bin"; printf \'#!/bin/bash\\necho "$@" > "%s/installed"\\n\' "$3"'
    repository.program("python3", f'{script} > "$3/bin/python"; chmod +x "$3/bin/python"')
    assert repository.step("install").returncode == 0
    installed = (repository.temporary / "archc" / "installed").read_text().split()
    assert installed[:3] == ["-m", "pip", "install"]
    assert Path(installed[installed.index("-c") + 1]).samefile(ROOT / "constraints.txt")
    assert Path(installed[-1]).resolve() == ROOT
    assert (ROOT / "pyproject.toml").is_file()
    assert (repository.temporary / "path").read_text().strip().endswith("/archc/bin")
    assert repository.step("install", package="archc-compiler==0.2.0").returncode == 0
    installed = (repository.temporary / "archc" / "installed").read_text().split()
    assert installed == ["-m", "pip", "install", "--quiet", "--", "archc-compiler==0.2.0"]


def test_validate_reports_errors_at_their_lines(repository: Repository) -> None:
    assert repository.step("validate").returncode == 0
    repository.write(
        "deep/invalid", "archc: 1\nname: invalid\ninput: {features: 4}\nlayers: [dens]\n"
    )
    done = repository.step("validate")
    assert done.returncode == 1
    assert "::error file=specs/deep/invalid.yaml,line=4," in done.stdout


def test_check_holds_the_generated_files_against_the_specs(repository: Repository) -> None:
    assert repository.step("check", backend="torch").returncode == 1
    build = ["archc", "build", "specs/small.yaml", "--backend", "torch"]
    assert repository.run(build).returncode == 0
    assert repository.step("check", backend="torch").returncode == 0
    repository.write("small", SMALL.replace("3", "4"))
    done = repository.step("check", backend="torch")
    assert done.returncode == 1
    assert "+++ generated/torch/small.py" in done.stdout


def commands(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that the runner executes as commands, except for stopping commands."""
    assert done.stderr == ""  # it would come in any order
    lines = iter(done.stdout.splitlines())
    lines = []
    for line in lines:
        stops = line.startswith("::stop-commands::") and f"::{line[len('::stop-commands::') :]}::"
        if stops:
            assert stops in lines
        elif line.lstrip().startswith("::"):
            lines.append(line)
    return lines


def test_no_text_of_a_spec_is_a_command_to_the_runner(repository: Repository) -> None:
    described = "description: |\n  hello\n\n  ::error file=a::told\n"
    repository.write("small", SMALL + described)
    build = ["archc", "build", "specs/small.yaml", "--backend", "torch"]
    assert repository.run(build).returncode == 0
    repository.write("small", SMALL.replace("3", "4") + described)
    done = repository.step("check", backend="torch")
    assert done.returncode == 1
    assert "::error file=a::told" in done.stdout
    assert commands(done) == []
    repository.write("::error file=a::told", SMALL)
    for name, inputs in (
        ("budget", {"max_params": "1", "specs": "*/*.yaml"}),
        ("compare", {"max_params_growth": "1"}),
    ):
        done = repository.step(name, **inputs)
        assert done.returncode == 1
        assert "above the" in done.stdout
        assert commands(done) == []


def test_a_budget_of_parameters(repository: Repository) -> None:
    assert repository.step("budget", max_params="15").returncode == 0
    done = repository.step("budget", max_params="14")
    assert done.returncode == 1
    assert "above the budget of 14" in done.stdout


def test_what_changed_is_reported(repository: Repository) -> None:
    assert repository.step("compare").returncode == 0
    assert repository.comment == "<!-- archc -->\n## Networks\nNo network has changed.\n"

    repository.write("small", SMALL.replace("3", "5"))
    repository.write("more/new", SMALL.replace("small", "fresh"))
    repository.commit()
    assert repository.step("compare").returncode == 0
    comment = repository.comment
    assert "| changed | dense_1 | dense |" in comment
    assert "+10" in comment
    assert "<summary>New: <code>new.yaml</code></summary>" in comment
    assert "- parameters: 15" in comment
    assert (repository.temporary / "summary.md").read_text().endswith(comment)


def test_specs_that_are_gone_are_reported(repository: Repository) -> None:
    repository.write("more/old", SMALL)
    repository.write("more/`$(touch pwned)`", SMALL)
    (repository.folder / "notes.yaml").write_text("- a\n")
    repository.base = repository.commit()
    for path in (*repository.folder.glob("specs/more/*"), repository.folder / "notes.yaml"):
        path.unlink()
    repository.commit()
    assert repository.step("compare").returncode == 0
    head, *gone = repository.comment.split("\nRemoved: ")
    assert head == "<!-- archc -->\n## Networks\n"
    assert sorted(gone) == ["`old.yaml`\n", "`touchpwned.yaml`\n"]
    repository.step("compare", specs="specs/more/old.yaml specs/small.yaml specs/never.yaml")
    assert repository.comment.count("Removed: `") == 1


def test_no_file_stands_for_the_base(repository: Repository) -> None:
    repository.write("small", SMALL.replace("3", "4"))
    pretended = repository.folder / f"{repository.base}:specs"
    pretended.mkdir()
    (pretended / "small.yaml").write_text(SMALL.replace("3", "4"))
    done = repository.step("compare", max_params_growth="1")
    assert done.returncode == 1
    assert "a file is called like small.yaml in the base revision" in done.stdout


def test_a_change_of_what_is_extended_is_reported(repository: Repository) -> None:
    repository.write("child", "archc: 1\nname: child\nextends: small.yaml\n")
    repository.base = repository.commit()
    repository.write("small", SMALL.replace("3", "5"))
    repository.commit()
    assert repository.step("compare").returncode == 0
    assert repository.comment.count("| changed |") == 2


def test_a_budget_of_growth(repository: Repository) -> None:
    repository.write("small", SMALL.replace("3", "4"))
    repository.commit()
    assert repository.step("compare", max_params_growth="34%").returncode == 0
    assert repository.step("compare", max_params_growth="33%").returncode == 1
    assert "| changed |" in repository.comment


def test_a_base_that_is_no_spec_is_reported(repository: Repository) -> None:
    repository.write("small", "archc: 1\nname: small\nlayers: [dens]\n")
    repository.base = repository.commit()
    repository.write("small", SMALL)
    repository.commit()
    assert repository.step("compare", max_params_growth="1%").returncode == 0
    assert "`small.yaml` cannot be compared" in repository.comment


def test_what_is_too_long_for_a_comment_is_cut(repository: Repository) -> None:
    steps = "\n".join("  - dense: 4" for _ in range(2000))
    repository.write("long", "archc: 1\nname: long\ninput: {features: 4}\nlayers:\n" + steps + "\n")
    repository.commit()
    assert repository.step("compare").returncode == 0
    assert 50_000 < len(repository.comment.encode()) < 65_536
    assert repository.comment.endswith("</details>\n\nThe rest is too long for a comment.\n")


@pytest.mark.parametrize("comments", ["", "12", "12\n15"])
def test_one_comment_is_kept_up_to_date(repository: Repository, comments: str) -> None:
    repository.write("small", SMALL.replace("3", "5"))
    repository.commit()
    repository.step("compare")
    calls = repository.temporary / "calls"
    listed = shlex.quote(comments)
    repository.program(
        "gh",
        f'printf "%s\\n" "$*" >> "{calls}"\n[[ "$*" == *--paginate* ]] && echo {listed}\nexit 0',
    )
    assert repository.step("comment").returncode == 0
    asked, sent = calls.read_text().splitlines()
    assert "repos/owner/name/issues/7/comments" in asked
    where = (
        "--method PATCH repos/owner/name/issues/comments/12 "
        if comments
        else ("--method POST repos/owner/name/issues/7/comments ")
    )
    assert where in sent
    assert f"-F body=@{repository.temporary}/archc.md" in sent


def test_no_comment_where_nothing_changed(repository: Repository) -> None:
    calls = repository.temporary / "calls"
    repository.program("gh", f'printf "%s\\n" "$*" >> "{calls}"')
    assert repository.step("comment").returncode == 0  # before anything was compared
    assert not calls.exists()
    repository.step("compare")
    assert repository.step("comment").returncode == 0
    assert "--method" not in calls.read_text()


def test_a_token_that_may_not_comment_is_reported(repository: Repository) -> None:
    repository.step("compare")
    repository.program("gh", "echo 'HTTP 403' >&2; exit 1")
    done = repository.step("comment")
    assert done.returncode == 0
    assert "::warning::" in done.stdout


def hook(repository: Repository, name: str, *files: str) -> subprocess.CompletedProcess[str]:
    """Run a hook as pre-commit does: with its arguments, then the changed files that match."""
    config = HOOKS[name]
    matching = [file for file in files if re.search(config["files"], file)]
    passed = matching if config.get("pass_filenames", True) else []
    return repository.run([*shlex.split(config["entry"]), *config.get("args", []), *passed])


def test_hooks_are_complete() -> None:
    assert set(HOOKS) == {"archc-validate", "archc-check"}
    for config in HOOKS.values():
        assert config["language"] == "python"
        assert {"name", "entry", "files"} <= config.keys()


def test_the_hook_validates_what_changed(repository: Repository) -> None:
    assert hook(repository, "archc-validate", "specs/small.yaml", "README.md").returncode == 0
    repository.write("invalid", "archc: 1\nname: invalid\ninput: {features: 4}\nlayers: [dens]\n")
    done = hook(repository, "archc-validate", "specs/small.yaml", "specs/invalid.yaml")
    assert done.returncode == 1
    assert done.stdout.startswith("specs/invalid.yaml:4:10: ARC")


def test_the_hook_checks_all_that_is_generated(repository: Repository) -> None:
    repository.write("deep/other", SMALL.replace("small", "other"))
    specs = ["specs/small.yaml", "specs/deep/other.yaml"]
    assert repository.run(["archc", "build", *specs]).returncode == 0
    assert hook(repository, "archc-check", "specs/small.yaml").returncode == 0
    generated = repository.folder / "generated" / "torch" / "other.py"
    generated.write_text(generated.read_text() + "# edited\n")
    done = hook(repository, "archc-check", "generated/torch/other.py")
    assert done.returncode == 1
    assert "-# edited" in done.stdout


def test_the_guide_shows_options_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs/guides/ci.md").read_text(encoding="utf-8")
    inputs = read(ACTION / "action.yml")["inputs"]
    (workflow,) = re.findall(r"```yaml \S+\n(on: pull_request\n.*?)```", text, re.DOTALL)
    (job,) = yaml.safe_load(workflow)["jobs"].values()
    (step,) = [step for step in job["steps"] if "archc" in step["uses"]]
    assert (ROOT / step["uses"]).resolve() == ACTION
    assert step["with"].keys() <= inputs.keys()
    assert job["permissions"]["pull-requests"] == "write"
    for name in inputs:
        assert f"`{name}`" in text
    (hooks,) = re.findall(r"```yaml \S+\n(repos:\n.*?)```", text, re.DOTALL)
    (listed,) = yaml.safe_load(hooks)["repos"]
    same = ("name", "entry", "files", "pass_filenames")
    for item in listed["hooks"]:
        assert {key: item.get(key) for key in same} == {
            key: HOOKS[item["id"]].get(key) for key in same
        }
    assert {item["id"] for item in listed["hooks"]} == set(HOOKS)
    assert cli.main(["diff", "--help"]) == 0
    assert "--max-params-growth" in capsys.readouterr().out
