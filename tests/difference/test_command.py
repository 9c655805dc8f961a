"""`archc diff` for scripts: exit codes, budgets, revisions of a git repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from archc import cli

Capture = pytest.CaptureFixture[str]
SPEC = """\
archc: 1
name: tiny
input: {channels: 1, height: 8, width: 8}
params: {units: 10}
layers:
  - flatten
  - dense: $units
expect: {params: 650}
"""
CHILD = "archc: 1\nname: child\nextends: tiny.yaml\nparams: {units: 20}\nexpect: {params: 1300}\n"


class Ran:
    """The result of a command line."""

    def __init__(self, capsys: Capture, *arguments: str) -> None:
        capsys.readouterr()
        self.code = cli.main(["diff", *arguments])
        self.out, self.err = capsys.readouterr()


def git(*arguments: str) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a@example.org"}
    subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of specs, outside of any git repository."""
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "tiny.yaml").write_text(SPEC)
    (specs / "child.yaml").write_text(CHILD)
    return tmp_path


@pytest.fixture
def checkout(at_home: Path) -> Path:
    """The folder as a git checkout whose working tree is ahead: there, `tiny` has another layer,
    and `child` has gone."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (at_home / "link.yaml").symlink_to("specs/tiny.yaml")
    (at_home / "large.yaml").write_text("# " + "x" * 2**20)
    git("init", "--initial-branch", "main")
    git("add", ".")
    git("commit", "-m", "fix: all of it")
    git("tag", "v1")
    (at_home / "specs" / "tiny.yaml").write_text(
        SPEC.replace("  - flatten\n", "  - relu\n  - flatten\n")
    )
    (at_home / "specs" / "child.yaml").unlink()
    return at_home


def test_exit_code_reports_whether_they_differ(capsys: Capture) -> None:
    assert Ran(capsys, "specs/tiny.yaml", "specs/child.yaml").code == 0
    assert Ran(capsys, "specs/tiny.yaml", "specs/child.yaml", "--exit-code").code == 1
    assert Ran(capsys, "specs/tiny.yaml", "specs/tiny.yaml", "--exit-code").code == 0


@pytest.mark.parametrize(
    ("growth", "code"),
    [("100%", 0), ("99.999%", 1), ("650", 0), ("649", 1), ("0%", 1), ("0", 1), ("250.5%", 0)],
)
@pytest.mark.parametrize("option", ["--max-params-growth", "--max-macs-growth"])
def test_growth_is_exact(capsys: Capture, option: str, growth: str, code: int) -> None:
    if "macs" in option:
        growth = {"650": "640", "649": "639"}.get(growth, growth)
    ran = Ran(capsys, "specs/tiny.yaml", "specs/child.yaml", option, growth)
    assert ran.code == code
    if code:
        what = "650 more parameters" if "params" in option else "640 more MACs per sample"
        assert ran.err == (
            f"child: {what} than tiny (+100.00%), above the allowed growth of {growth}\n"
        )
    else:
        assert ran.err == ""
    assert Ran(capsys, "specs/child.yaml", "specs/tiny.yaml", option, growth).code == 0


def test_growth_from_nothing(capsys: Capture, at_home: Path) -> None:
    (at_home / "none.yaml").write_text(
        re.sub("expect.*", "", SPEC.replace("  - dense: $units\n", "").replace("tiny", "none"))
    )
    ran = Ran(capsys, "none.yaml", "specs/tiny.yaml", "--max-params-growth", "500%")
    assert ran.code == 1
    assert ran.err == "tiny: 650 more parameters than none, above the allowed growth of 500%\n"


@pytest.mark.parametrize(
    "growth", ["", "%", "-5%", "5 %", "1.5", "5.%", ".5%", "1e3", "0.0001%", "\u0665%", "9" * 19]
)
def test_growth_that_is_no_number(capsys: Capture, growth: str) -> None:
    ran = Ran(capsys, "specs/tiny.yaml", "specs/tiny.yaml", f"--max-params-growth={growth}")
    assert (ran.code, ran.out) == (2, "")
    assert "neither a number nor a percentage" in ran.err


def test_expectations_are_not_asked(capsys: Capture, at_home: Path) -> None:
    path = at_home / "specs" / "tiny.yaml"
    path.write_text(SPEC.replace("650", "651"))
    assert Ran(capsys, "specs/tiny.yaml", "specs/child.yaml").code == 0


def added(ran: Ran) -> list[str]:
    assert (ran.code, ran.err) == (0, "")
    return [row["b"] for row in json.loads(ran.out)["layers"] if row["status"] == "added"]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("revision", ["HEAD", "main", "v1", "HEAD^{tree}", "HEAD^{/fix: all}", "@"])
def test_a_spec_of_a_revision(capsys: Capture, revision: str) -> None:
    revision_path = f"{revision}:specs/tiny.yaml"
    assert added(Ran(capsys, revision_path, "specs/tiny.yaml", "--format", "json")) == ["relu_1"]


@pytest.mark.usefixtures("checkout")
def test_a_revision_extends_what_it_has_itself(capsys: Capture) -> None:
    # The current `tiny` has an additional layer, and `child` is only in the revision.
    ran = Ran(capsys, "HEAD:specs/child.yaml", "specs/tiny.yaml", "--format", "json")
    assert added(ran) == ["relu_1"]
    assert json.loads(ran.out)["a"] == "child"


def test_paths_are_git_s(capsys: Capture, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "specs")
    for path in ("specs/tiny.yaml", "./tiny.yaml", "../specs/tiny.yaml", ".//../specs/./tiny.yaml"):
        assert added(Ran(capsys, f"HEAD:{path}", "tiny.yaml", "--format", "json")) == ["relu_1"]


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("revision_path", "code", "says"),
    [
        ("HAED:specs/tiny.yaml", "ARC414", "unknown revision `HAED`"),
        (":specs/tiny.yaml", "ARC414", "has no revision before the colon"),
        ("--output=stolen:specs/tiny.yaml", "ARC414", "unknown revision `--output=stolen`"),
        ("HEAD; touch stolen:specs/tiny.yaml", "ARC414", "unknown revision"),
        ("HEAD:specs/none.yaml", "ARC001", "the revision has no such file"),
        ("HEAD:specs/*.yaml", "ARC001", "the revision has no such file"),
        ("HEAD::(glob)specs/*.yaml", "ARC001", "the revision has no such file"),
        ("HEAD:specs", "ARC001", "it is not a regular file"),
        ("HEAD:link.yaml", "ARC001", "it is not a regular file"),
        ("HEAD:large.yaml", "ARC003", "larger than 1 MiB"),
        ("HEAD:", "ARC001", "the path is outside the repository"),
        ("HEAD:../specs/tiny.yaml", "ARC001", "the path is outside the repository"),
        ("HEAD:/etc/hostname", "ARC001", "the path is outside the repository"),
    ],
)
def test_what_cannot_be_read(
    capsys: Capture, revision_path: str, code: str, says: str, checkout: Path
) -> None:
    ran = Ran(capsys, "--", revision_path, "specs/tiny.yaml")
    assert (ran.code, ran.out) == (2 if code != "ARC003" else 1, "")
    assert ran.err.startswith(f"{revision_path}:1:1: {code} ")
    assert says in ran.err
    assert not (checkout / "stolen").exists()


def test_errors_of_a_revision_are_reported_with_it(capsys: Capture, checkout: Path) -> None:
    path = checkout / "specs" / "child.yaml"
    path.write_text(CHILD.replace("tiny.yaml", "gone.yaml"))
    (checkout / "bad.yaml").write_text(SPEC.replace("  - flatten\n", ""))
    git("add", ".")
    git("commit", "-m", "bad")
    ran = Ran(capsys, "HEAD:bad.yaml", "specs/tiny.yaml")
    assert ran.code == 1
    assert ran.err.startswith("HEAD:bad.yaml:6:5: ARC104 dense needs a flat input")
    ran = Ran(capsys, "HEAD:specs/child.yaml", "specs/tiny.yaml")
    assert ran.code == 1
    assert ran.err.startswith("HEAD:specs/child.yaml:3:10: ARC410 cannot be read")


def test_parameters_of_both_and_of_one(capsys: Capture) -> None:
    """64 inputs: 65 parameters for each unit."""
    pair = "specs/tiny.yaml", "specs/tiny.yaml", "--format", "json"

    def totals(*options: str) -> dict[str, int]:
        ran = Ran(capsys, *pair, *options)
        assert (ran.code, ran.err) == (0, "")
        found: dict[str, int] = json.loads(ran.out)["totals"]["params"]
        return found

    assert totals("--set", "units=3") == {"a": 195, "b": 195, "delta": 0}
    assert totals("--set-a", "units=3") == {"a": 195, "b": 650, "delta": 455}
    assert totals("--set", "units=3", "--set-b", "units=4") == {"a": 195, "b": 260, "delta": 65}
    ran = Ran(capsys, "specs/tiny.yaml", "specs/tiny.yaml", "--set-b", "unit=3")
    assert ran.code == 2
    assert "ARC411 the spec has no parameter `unit`" in ran.err


@pytest.fixture
def model(at_home: Path) -> Path:
    """The network of `tiny` as an ONNX model, with other names."""
    numpy = pytest.importorskip("numpy")
    onnx = pytest.importorskip("onnx")
    weights = {
        "kernel": numpy.zeros((10, 64), "float32"),
        "bias": numpy.zeros(10, "float32"),
    }
    nodes = [
        onnx.helper.make_node("Flatten", ["x"], ["flat"]),
        onnx.helper.make_node("Gemm", ["flat", "kernel", "bias"], ["y"], transB=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "a",
        [onnx.helper.make_tensor_value_info("x", kind, ["N", 1, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", kind, ["N", 10])],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    path = at_home / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def test_a_model_is_compared_with_a_spec(capsys: Capture, model: Path) -> None:
    ran = Ran(capsys, "model.onnx", "specs/tiny.yaml", "--exit-code")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("no difference\nA: model\nB: tiny\n")
    ran = Ran(capsys, "specs/child.yaml", "model.onnx", "--exit-code")
    assert ran.code == 1
    assert "units 20 \u2192 10" in ran.out
    model.rename("model.bin")  # told by its content
    assert Ran(capsys, "model.bin", "specs/tiny.yaml", "--exit-code").code == 0


@pytest.mark.usefixtures("model", "checkout")
def test_a_model_of_a_revision(capsys: Capture) -> None:
    Path("model.onnx").unlink()
    ran = Ran(capsys, "HEAD:model.onnx", "HEAD:specs/tiny.yaml", "--exit-code")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("no difference\nA: model\nB: tiny\n")
    ran = Ran(capsys, "HEAD:gone.onnx", "HEAD:specs/tiny.yaml")
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.usefixtures("checkout")
def test_a_damaged_model_of_a_revision_is_told_by_its_path(capsys: Capture) -> None:
    Path("broken.onnx").write_bytes(b"\x08\x09" * 40)
    git("add", "broken.onnx")
    git("commit", "-m", "broken")
    ran = Ran(capsys, "HEAD:broken.onnx", "specs/tiny.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("HEAD:broken.onnx:1:1: ARC801 ")


def test_a_damaged_model_is_told(capsys: Capture) -> None:
    Path("broken.onnx").write_bytes(b"\x08\x09" * 40)
    ran = Ran(capsys, "broken.onnx", "specs/tiny.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert "ARC801" in ran.err


def test_outside_of_a_checkout(capsys: Capture) -> None:
    ran = Ran(capsys, "HEAD:specs/tiny.yaml", "specs/tiny.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "the working directory is not in a git repository" in ran.err


@pytest.mark.usefixtures("checkout")
def test_a_checkout_of_another_user(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: git rejects it, with a hint how to allow it."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    ran = Ran(capsys, "HEAD:specs/tiny.yaml", "specs/tiny.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "belongs to another user" in ran.err
    assert "safe.directory" in ran.err


def test_without_git(capsys: Capture, monkeypatch: pytest.MonkeyPatch, at_home: Path) -> None:
    monkeypatch.setenv("PATH", str(at_home))
    ran = Ran(capsys, "HEAD:specs/tiny.yaml", "specs/tiny.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "git is not installed" in ran.err


def test_a_file_with_a_colon_is_a_file(capsys: Capture, at_home: Path) -> None:
    (at_home / "a:b.yaml").write_text(SPEC)
    assert Ran(capsys, "a:b.yaml", "specs/tiny.yaml", "--exit-code").code == 0
