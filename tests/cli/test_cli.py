"""The command line: exit codes, streams, formats."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import IO

import pytest

import archc
from archc import backends, cli
from archc.backends.base import Emitted
from archc.diagnostics import Diagnostic, Note, SourceText, Span, SpecError, formats
from archc.diagnostics.codes import CODES
from archc.ir.network import Network
from archc.ops import OPS
from archc.ops.fields import fields_of

PACKAGE = Path(archc.__file__).parent
GOOD = """\
archc: 1
name: tiny
input: {channels: 1, height: 8, width: 8}
params: {classes: 10, widths: [4]}
layers:
  - for: {width: $widths}
    layers:
      - conv: {filters: $width, kernel_size: 3}
  - flatten
  - dense: $classes
expect: {params: 1490}
"""
BAD = GOOD.replace("  - flatten\n", "").replace("name: tiny", "name: tinier")


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in its own folder with the specs, without colour settings."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends whose output is short and known."""

    def compile_network(backend: str, network: Network) -> Emitted:
        about = network.costs.graph.about
        params = network.costs.totals.params
        return Emitted(f"# {about.header}\n{backend}_params = {params}\n")

    monkeypatch.setattr(backends, "compile_network", compile_network)


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below, with the files' texts."""
    return {
        path.relative_to(folder).as_posix(): "folder" if path.is_dir() else path.read_text()
        for path in sorted(folder.rglob("*"))
    }


class Ran:
    """The result of a command line."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.code = cli.main(list(arguments))
        self.out, self.err = capsys.readouterr()


def process(
    *arguments: str, stdout: int | IO[str] = subprocess.PIPE, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command line in a child process."""
    return subprocess.run(
        [sys.executable, "-m", "archc", *arguments],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **(env or {})},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )


Capture = pytest.CaptureFixture[str]


# Exit codes and streams


def test_validate_reports_findings_on_stdout(capsys: Capture) -> None:
    ran = Ran(capsys, "validate", "good.yaml")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "good.yaml: valid, 1,490 parameters, 2,736 MACs\n"
    ran = Ran(capsys, "validate", "bad.yaml")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("bad.yaml:9:5: ARC104 dense needs a flat input, got channels 4 ")
    assert "\n  hint: add `flatten` before it\n" in ran.out


@pytest.mark.parametrize(
    ("specs", "code"),
    [
        (["good.yaml"], 0),
        (["good.yaml", "bad.yaml"], 1),
        (["bad.yaml", "good.yaml"], 1),
        (["missing.yaml", "bad.yaml"], 2),
        (["bad.yaml", "missing.yaml", "good.yaml"], 2),
    ],
)
def test_all_specs_are_checked_and_the_worst_decides(
    capsys: Capture, specs: list[str], code: int
) -> None:
    ran = Ran(capsys, "validate", "--format", "concise", *specs)
    assert ran.code == code
    names = {line.partition(":")[0] for line in (ran.out + ran.err).splitlines()}
    assert names == set(specs)


@pytest.mark.parametrize("verb", [["report"], ["build"], ["diff", "good.yaml"]])
def test_findings_of_other_verbs_go_to_stderr(capsys: Capture, verb: list[str]) -> None:
    ran = Ran(capsys, *verb, "bad.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("bad.yaml:9:5: ARC104 ")
    ran = Ran(capsys, *verb, "missing.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "ARC001" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuchverb"],
        ["validate"],
        ["validate", "good.yaml", "--format", "xml"],
        ["report", "good.yaml", "bad.yaml"],
        ["report", "good.yaml", "--batch", "0"],
        ["report", "good.yaml", "--max-params", "-1"],
        ["report", "good.yaml", "--nosuchoption"],
        ["build", "good.yaml", "--backend", "jax"],
        ["build", "good.yaml", "--stdout"],
        ["build", "good.yaml", "good.yaml", "--stdout", "--backend", "torch"],
        ["build", "good.yaml", "--stdout", "--backend", "torch", "--check"],
        ["diff", "good.yaml"],
        ["diff", "-", "-"],
        ["diff", "HEAD~1:good.yaml", "good.yaml"],
        ["ops", "convv"],
        ["explain", "ARC999"],
    ],
)
def test_wrong_usage_is_2(capsys: Capture, arguments: list[str]) -> None:
    ran = Ran(capsys, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert "Traceback" not in ran.err


def test_help_and_version(capsys: Capture) -> None:
    ran = Ran(capsys, "--version")
    assert (ran.code, ran.out) == (0, f"archc, version {archc.__version__}\n")
    ran = Ran(capsys, "--help")
    assert ran.code == 0
    for verb, says in cli.VERBS.items():
        assert re.search(rf"\n  {verb} +{re.escape(says)}", ran.out)
        assert Ran(capsys, verb, "--help").code == 0


def test_standard_input_is_a_spec(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    ran = Ran(capsys, "validate", "-")
    assert (ran.code, ran.err) == (0, "-: valid, 1,490 parameters, 2,736 MACs\n")


@pytest.mark.parametrize("position", [0, 1, 3])
def test_an_internal_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, position: int
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("of some kind\nand more \x1b[31m")

    monkeypatch.setattr("archc.cli.report.load", fail)
    ran = Ran(capsys, "report", "good.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "archc: internal error: RuntimeError: of some kind and more \\x1b[31m"
        " (--debug shows the traceback)\n"
    )
    arguments = ["report", "good.yaml", "--format=csv"]
    arguments.insert(position, "--debug")
    ran = Ran(capsys, *arguments)
    assert ran.code == 2
    assert ran.err.startswith("Traceback (most recent call last):\n")
    assert "in fail\n" in ran.err


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("archc.cli.report.load", interrupt)
    ran = Ran(capsys, "report", "good.yaml")
    assert (ran.code, ran.out, ran.err) == (130, "", "\narchc: interrupted\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = process("report", "good.yaml", "--max-params", "1", stdout=writer)
    finally:
        os.close(writer)
    assert ran.returncode == 1
    assert ran.stderr == "tiny: 1,490 parameters, 1,489 above the budget of 1\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_2() -> None:
    with open("/dev/full", "w") as full:
        ran = process("schema", stdout=full)
    assert (ran.returncode, ran.stderr) == (2, "archc: No space left on device\n")


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_output_is_utf8_in_every_locale(locale: str) -> None:
    plain = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = process("report", "good.yaml", env=plain)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "channels 1 \u00d7 height 8 \u00d7 width 8 \u2192 dense_1: features 10\n" in ran.stdout


def test_report_loads_no_numeric_library_and_no_rich() -> None:
    code = (
        "import sys; from archc.cli import main; main(['report', 'good.yaml']); "
        "heavy = {'numpy', 'torch', 'keras', 'tensorflow', 'jax', 'rich'} & set(sys.modules); "
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


# Formats of validate


def test_json_findings(capsys: Capture) -> None:
    ran = Ran(capsys, "validate", "--format", "json", "good.yaml", "bad.yaml")
    assert ran.err == ""
    document = json.loads(ran.out)
    assert (document["archc"], document["valid"]) == (1, False)
    (finding,) = document["findings"]
    assert (finding["code"], finding["file"], finding["line"]) == ("ARC104", "bad.yaml", 9)
    assert finding["column"] < finding["end_column"]
    assert finding["hint"] == "add `flatten` before it"
    ran = Ran(capsys, "validate", "--format", "json", "good.yaml")
    assert json.loads(ran.out) == {"archc": 1, "valid": True, "findings": []}


def hostile() -> Diagnostic:
    source = SourceText("a,b:c%0A\n::error::.yaml", "x\n")
    span = Span(source, 1, 1, 1, 2)
    note = Note("first defined here", span)
    return Diagnostic("ARC007", "duplicate 100%\r\n::warning::\x1b", span, "a: b, c", (note,))


def test_github_commands_are_escaped() -> None:
    assert formats.github([hostile()]) == (
        "::error file=a%2Cb%3Ac%250A\\n%3A%3Aerror%3A%3A.yaml,"
        "line=1,endLine=1,col=1,endColumn=2,title=ARC007"
        "::duplicate 100%25\\r\\n::warning::\\x1b%0Ahint: a: b, c\n"
    )


def test_github_format(capsys: Capture) -> None:
    ran = Ran(capsys, "validate", "--format", "github", "bad.yaml")
    assert re.fullmatch(
        r"::error file=bad\.yaml,line=9,endLine=9,col=5,endColumn=10,title=ARC104::dense .*\n",
        ran.out,
    )


def test_sarif(capsys: Capture) -> None:
    ran = Ran(capsys, "validate", "--format", "sarif", "bad.yaml", "missing.yaml")
    log = json.loads(ran.out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("archc", archc.__version__)
    assert [rule["id"] for rule in driver["rules"]] == ["ARC001", "ARC104"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "bad.yaml"}
    assert location["region"] == {"startLine": 9, "startColumn": 5, "endLine": 9, "endColumn": 10}


def test_sarif_of_hostile_names() -> None:
    (result,) = json.loads(formats.sarif([hostile()], "1"))["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    assert re.fullmatch(r"[A-Za-z0-9%._/-]+", location["artifactLocation"]["uri"])
    assert result["relatedLocations"][0]["message"] == {"text": "first defined here"}


# Colours


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "0"}, False),
        ({"CLICOLOR_FORCE": ""}, False),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": ""}, True),
    ],
)
def test_colour_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, environment: dict[str, str], colored: bool
) -> None:
    plain = Ran(capsys, "validate", "bad.yaml").out
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    output = Ran(capsys, "validate", "bad.yaml").out
    assert ("\x1b[31mARC104\x1b[0m" in output) == colored
    assert re.sub(r"\x1b\[[0-9]*m", "", output) == plain
    for arguments in (["report", "good.yaml"], ["diff", "good.yaml", "good.yaml"]):
        assert ("\x1b[" in Ran(capsys, *arguments).out) == colored
    for form in ("json", "csv", "markdown"):
        assert "\x1b[" not in Ran(capsys, "report", "good.yaml", "--format", form).out


# Report


def test_report_formats_agree(capsys: Capture) -> None:
    report = json.loads(Ran(capsys, "report", "good.yaml", "--format", "json").out)
    lines = list(
        csv.DictReader(io.StringIO(Ran(capsys, "report", "good.yaml", "--format=csv").out))
    )
    assert [line["layer"] for line in lines] == [layer["path"] for layer in report["layers"]]
    assert sum(int(line["params"]) for line in lines) == report["totals"]["params"] == 1490
    assert (
        "| dense_1 | dense | 10 | 1,450 |"
        in Ran(capsys, "report", "good.yaml", "--format", "markdown").out
    )
    assert re.search(r"\nparameters +1,490\n", Ran(capsys, "report", "good.yaml").out)


def test_report_batch(capsys: Capture) -> None:
    ran = Ran(capsys, "report", "good.yaml", "--batch", "32", "--format", "json")
    assert json.loads(ran.out)["memory"]["batch"] == 32
    assert "memory for training, 32 samples" in Ran(capsys, "report", "good.yaml", "--batch=32").out


@pytest.mark.parametrize(
    ("budgets", "code", "expected"),
    [
        (["--max-params", "1490"], 0, ""),
        (["--max-params", "1489"], 1, "tiny: 1,490 parameters, 1 above the budget of 1,489\n"),
        (["--max-macs", "2736"], 0, ""),
        (
            ["--max-macs", "0"],
            1,
            "tiny: 2,736 MACs per sample, 2,736 above the budget of 0\n",
        ),
    ],
)
def test_budgets(capsys: Capture, budgets: list[str], code: int, expected: str) -> None:
    ran = Ran(capsys, "report", "good.yaml", *budgets)
    assert (ran.code, ran.err) == (code, expected)
    assert "parameters" in ran.out


def test_a_missed_expectation_is_a_finding(capsys: Capture, at_home: Path) -> None:
    (at_home / "good.yaml").write_text(GOOD.replace("1490", "1491"))
    for verb in ("report", "build", "validate"):
        ran = Ran(capsys, verb, "good.yaml")
        assert ran.code == 1
        assert "good.yaml:11:18: ARC501 params is 1,490, expected 1,491" in ran.out + ran.err


# --set


def test_set_changes_parameters_and_skips_expectations(capsys: Capture) -> None:
    arguments = ["report", "good.yaml", "--format", "json", "--set", "classes=100"]
    ran = Ran(capsys, *arguments, "--set", "widths=[8, 8]")
    assert ran.code == 0
    assert ran.err == "tiny: `expect` is not checked with --set\n"
    report = json.loads(ran.out)
    assert report["outputs"] == {"dense_1": {"features": 100}}
    assert [layer["op"] for layer in report["layers"]] == ["conv", "conv", "flatten", "dense"]


@pytest.mark.parametrize(
    ("settings", "code", "location"),
    [
        (["classes"], "ARC413", "--set classes:1:1: "),
        (["=3"], "ARC413", "--set =3:1:1: "),
        (["classes=1", "classes=2"], "ARC413", "--set classes=2:1:1: "),
        (["classes=1\nwidths: [2]"], "ARC413", "--set classes=1"),
        (["classes=[1"], "ARC004", "--set classes:1:"),
        (["classes=&a 1"], "ARC005", "--set classes:1:10: "),
        (["classes=!!python/object:os.system 1"], "ARC006", "--set classes:1:10: "),
        (["classes={a: 1}"], "ARC412", "--set classes:1:10: "),
        (["classes="], "ARC412", "--set classes:1:"),
        (["classes=$(1)"], "ARC412", "--set classes:1:10: "),
        (["classes=9007199254740992"], "ARC010", "--set classes:1:10: "),
        (["clases=1"], "ARC411", "good.yaml:2:7: "),
    ],
)
def test_a_wrong_setting_is_wrong_usage(
    capsys: Capture, settings: list[str], code: str, location: str
) -> None:
    options = [part for setting in settings for part in ("--set", setting)]
    ran = Ran(capsys, "report", "good.yaml", *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(location)
    assert f": {code} " in ran.err


def test_a_setting_that_does_not_fit_is_a_finding(capsys: Capture) -> None:
    ran = Ran(capsys, "report", "good.yaml", "--set", "classes=many")
    assert ran.code == 1
    assert "ARC206" in ran.err


# Build


@pytest.mark.usefixtures("emitted")
def test_build_writes_modules_and_reports(capsys: Capture, at_home: Path) -> None:
    ran = Ran(capsys, "build", "good.yaml")
    assert (ran.code, ran.out) == (0, "")
    names = ["torch/tiny.py", "keras/tiny.py", "onnx/tiny.onnx"]
    names += ["reports/tiny.md", "reports/tiny.svg", "reports/tiny.json"]
    assert ran.err == "".join(f"wrote {os.path.join('generated', name)}\n" for name in names)
    folder = at_home / "generated"
    assert (folder / "torch/tiny.py").read_text().endswith("torch_params = 1490\n")
    report = json.loads(Ran(capsys, "report", "good.yaml", "--format", "json").out)
    files = [
        {"path": name, "sha256": sha256((folder / name).read_bytes()).hexdigest()}
        for name in names[:-1]
    ]
    # Its own digest is that of its text with zeros in the digest's place.
    text = (folder / "reports/tiny.json").read_text()
    recorded = json.loads(text)
    own = next(file for file in recorded["files"] if file["path"] == names[-1])
    assert sha256(text.replace(own["sha256"], "0" * 64).encode()).hexdigest() == own["sha256"]
    files = sorted([*files, own], key=lambda file: file["path"])
    assert recorded == {**report, "files": files}
    header, blank, *rest = (folder / "reports/tiny.md").read_text().split("\n")
    assert header == "<!-- Generated by archc from good.yaml. -->"
    assert (blank, rest[0]) == ("", "# tiny")
    ran = Ran(capsys, "build", "good.yaml")
    assert (ran.code, ran.err) == (0, "generated is up to date\n")


@pytest.mark.usefixtures("emitted")
def test_build_of_one_backend_elsewhere(capsys: Capture, at_home: Path) -> None:
    assert Ran(capsys, "build", "good.yaml", "--backend", "keras", "-o", "out").code == 0
    paths = sorted(
        str(path.relative_to(at_home / "out")) for path in (at_home / "out").rglob("*.*")
    )
    reports = ["reports/tiny.json", "reports/tiny.md", "reports/tiny.svg"]
    assert paths == ["keras/tiny.py", *reports]


@pytest.mark.usefixtures("emitted")
def test_check_writes_nothing_and_shows_drift(capsys: Capture, at_home: Path) -> None:
    ran = Ran(capsys, "build", "good.yaml", "--check")
    assert ran.code == 1
    assert "+torch_params = 1490" in ran.out
    assert not (at_home / "generated").exists()
    Ran(capsys, "build", "good.yaml")
    ran = Ran(capsys, "build", "good.yaml", "--check")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    (at_home / "generated/torch/tiny.py").write_text("# edited\n")
    ran = Ran(capsys, "build", "good.yaml", "--check")
    assert ran.code == 1
    assert "-# edited\n" in ran.out
    assert (at_home / "generated/torch/tiny.py").read_text() == "# edited\n"


@pytest.mark.usefixtures("emitted")
def test_foreign_files_need_force(capsys: Capture, at_home: Path) -> None:
    target = at_home / "generated" / "torch" / "tiny.py"
    target.parent.mkdir(parents=True)
    target.write_text("mine\n")
    ran = Ran(capsys, "build", "good.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"archc: {os.path.join('generated', 'torch/tiny.py')} was not written by archc"
        " (--force overwrites it)\n"
    )
    assert target.read_text() == "mine\n"
    assert not (at_home / "generated" / "keras").exists()
    assert Ran(capsys, "build", "good.yaml", "--force").code == 0
    assert target.read_text() != "mine\n"


@pytest.mark.usefixtures("emitted")
def test_an_edited_file_is_kept_and_reported(capsys: Capture, at_home: Path) -> None:
    assert Ran(capsys, "build", "good.yaml").code == 0
    folder = at_home / "generated"
    edited = folder / "torch/tiny.py"
    source = edited.read_text()
    edited.write_text(source + "# mine\n")
    before = tree(folder)
    name = os.path.join("generated", "torch/tiny.py")
    ran = Ran(capsys, "build", "good.yaml", "--set", "classes=3")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f"\narchc: {name} was edited (--force overwrites it)\n")
    ran = Ran(capsys, "build", "good.yaml", "--check")
    assert ran.code == 1
    assert "-# mine\n" in ran.out
    assert f"{name} was edited (--force overwrites it)\n" in ran.err
    assert tree(folder) == before
    # The other backend's file is still archc's own, whatever is built in between.
    assert Ran(capsys, "build", "good.yaml", "--backend", "keras", "--set", "classes=3").code == 0
    assert edited.read_text() == source + "# mine\n"
    assert Ran(capsys, "build", "good.yaml", "--backend", "torch").code == 2
    assert Ran(capsys, "build", "good.yaml", "--backend", "torch", "--force").code == 0
    assert edited.read_text() == source
    ran = Ran(capsys, "build", "good.yaml", "--check")
    assert ran.code == 1
    assert "was edited" not in ran.err
    assert Ran(capsys, "build", "good.yaml").code == 0
    assert Ran(capsys, "build", "good.yaml", "--check").code == 0


@pytest.mark.usefixtures("emitted")
def test_a_file_that_was_deleted_is_no_longer_recorded(capsys: Capture, at_home: Path) -> None:
    assert Ran(capsys, "build", "good.yaml").code == 0
    report = at_home / "generated/reports/tiny.json"
    assert '"path": "keras/tiny.py"' in report.read_text()
    (at_home / "generated/keras/tiny.py").unlink()
    assert Ran(capsys, "build", "good.yaml", "--backend", "torch").code == 0
    assert '"path": "keras/tiny.py"' not in report.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "mine",
        '{"archc": 1}',
        '{\n  "archc": 1,\n  "files": 3\n}\n',
        '{\n  "archc": 1,' + "[" * 9999,
    ],
)
@pytest.mark.usefixtures("emitted")
def test_a_report_of_somebody_else_needs_force(capsys: Capture, at_home: Path, text: str) -> None:
    report = at_home / "generated/reports/tiny.json"
    report.parent.mkdir(parents=True)
    report.write_text(text)
    ran = Ran(capsys, "build", "good.yaml")
    assert ran.code == 2
    assert "tiny.json was not written by archc" in ran.err
    assert tree(at_home / "generated") == {"reports": "folder", "reports/tiny.json": text}
    assert Ran(capsys, "build", "good.yaml", "--force").code == 0
    assert Ran(capsys, "build", "good.yaml", "--check").code == 0


@pytest.mark.usefixtures("emitted")
def test_stdout_prints_the_module(capsys: Capture, at_home: Path) -> None:
    ran = Ran(capsys, "build", "good.yaml", "--stdout", "--backend", "torch")
    assert ran.code == 0
    assert ran.out == "# Generated by archc from good.yaml.\ntorch_params = 1490\n"
    assert not (at_home / "generated").exists()


@pytest.mark.usefixtures("emitted")
def test_nothing_is_written_where_one_spec_is_rejected(capsys: Capture, at_home: Path) -> None:
    ran = Ran(capsys, "build", "good.yaml", "bad.yaml", "missing.yaml")
    assert ran.code == 2
    assert "ARC104" in ran.err
    assert "ARC001" in ran.err
    assert not (at_home / "generated").exists()


@pytest.mark.usefixtures("emitted")
def test_two_specs_of_one_name_are_an_error(capsys: Capture, at_home: Path) -> None:
    (at_home / "again.yaml").write_text(GOOD)
    ran = Ran(capsys, "build", "good.yaml", "again.yaml")
    assert ran.code == 2
    assert "two specs would both write torch/tiny.py" in ran.err
    assert not (at_home / "generated").exists()


def test_a_rejection_of_a_backend_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, at_home: Path
) -> None:
    def reject(backend: str, network: Network) -> Emitted:
        span = network.costs.layers[0].node.origin.span
        raise SpecError([Diagnostic("ARC601", "no such layer", span)])

    monkeypatch.setattr(backends, "compile_network", reject)
    ran = Ran(capsys, "build", "good.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("good.yaml:8:9: ARC601 no such layer\n")
    assert not (at_home / "generated").exists()


def test_backends_have_the_names_of_the_registry() -> None:
    for name in backends.names():
        assert backends.backend(name).name == name


# Diff


def test_diff(capsys: Capture, at_home: Path) -> None:
    (at_home / "other.yaml").write_text(
        GOOD.replace("tiny", "other").replace("[4]", "[4, 4]").replace("1490", "838")
    )
    ran = Ran(capsys, "diff", "good.yaml", "other.yaml")
    assert (ran.code, ran.err) == (0, "")
    assert "\nA: tiny\nB: other\n" in ran.out
    assert Ran(capsys, "diff", "good.yaml", "other.yaml", "--exit-code").code == 1
    assert Ran(capsys, "diff", "good.yaml", "good.yaml", "--exit-code").code == 0
    report = json.loads(Ran(capsys, "diff", "good.yaml", "other.yaml", "--format", "json").out)
    assert (report["a"], report["b"]) == ("tiny", "other")
    assert [row["status"] for row in report["layers"]] == ["same", "added", "changed", "changed"]


# References


def test_ops_lists_every_op(capsys: Capture) -> None:
    output = Ran(capsys, "ops").out
    for name in OPS:
        assert re.search(rf"^  {name} ", output, re.MULTILINE)
    headings = {"conv": "convolution", "batch_norm": "normalisation", "dropout": "regularisation"}
    for name, heading in headings.items():
        assert re.search(rf"^{heading}\n(?:  .*\n)*?  {name} ", output, re.MULTILINE), name
    assert max(map(len, output.split("\n"))) <= 80


@pytest.mark.parametrize("name", OPS)
def test_ops_reports_every_field(capsys: Capture, name: str) -> None:
    output = Ran(capsys, "ops", name).out
    assert output.startswith(f"{name}: ")
    flat = " ".join(output.split())
    for field in fields_of(OPS[name]):
        assert re.search(rf"^  {field.name}\b", output, re.MULTILINE)
        assert " ".join(field.doc.split()) in flat
        assert " ".join(field.kind.expected.split()) in flat


def test_ops_reports_defaults_as_a_spec_writes_them(capsys: Capture) -> None:
    output = Ran(capsys, "ops", "conv").out
    for head in ("filters (required)", "bias (default true)", "activation (default none)"):
        assert f"\n  {head}\n" in output
    assert "  - conv: {filters: ..., kernel_size: ...}\n" in output
    assert "  - dropout: RATE\n" in Ran(capsys, "ops", "dropout").out
    assert "  - relu\n" in Ran(capsys, "ops", "relu").out


@pytest.mark.parametrize("name", ["add", "multiply", "average", "maximum"])
def test_merges_say_that_they_broadcast(capsys: Capture, name: str) -> None:
    text = " ".join(Ran(capsys, "ops", name).out.split())
    assert "A spatial axis of one element is broadcast over those of the others" in text
    assert "broadcast" not in Ran(capsys, "ops", "concat").out


def test_an_unknown_op_is_guessed(capsys: Capture) -> None:
    assert 'did you mean "conv"?' in Ran(capsys, "ops", "convv").err


def test_explain(capsys: Capture) -> None:
    ran = Ran(capsys, "explain", "arc104")
    assert ran.code == 0
    assert ran.out.startswith(f"ARC104: {CODES['ARC104'].title}\n\n")
    example = ("- max_pool: {kernel_size: 2}", "- flatten", "- dense: 10")
    assert ran.out.splitlines()[-4:] == ["", *(f"    {line}" for line in example)]
    assert Ran(capsys, "explain").out.split("\n")[0] == f"ARC001  {CODES['ARC001'].title}"


def test_every_code_is_explained_and_every_explanation_used() -> None:
    used = {
        code
        for path in PACKAGE.rglob("*.py")
        if path.name != "explain.py"
        for code in re.findall(r'"(ARC\d{3})"', path.read_text())
    }
    assert used == set(CODES)
    assert list(CODES) == sorted(CODES)
    for explanation in CODES.values():
        assert explanation.title == explanation.title.strip()
        assert explanation.text.endswith(".")
        assert max(map(len, explanation.text.split("\n"))) <= 92
        assert explanation.example


def test_schema_is_the_shipped_one(capsys: Capture) -> None:
    ran = Ran(capsys, "schema")
    assert ran.code == 0
    assert ran.out == (PACKAGE / "language" / "schema" / "archc-1.json").read_text()


# The Python API


class Named:
    """A path that is no string."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __fspath__(self) -> str:
        return self.name


def test_the_api_takes_every_kind_of_path(at_home: Path) -> None:
    expected = archc.load("good.yaml").report()
    for path in (Path("good.yaml"), at_home / "good.yaml", Named("good.yaml")):
        assert archc.load(path).report() == expected
    with pytest.raises(SpecError, match=r"missing\.yaml:1:1: ARC001 "):
        archc.load(Path("missing.yaml"))
    with pytest.raises(SpecError, match=r"invalid characters in the file name"):
        archc.load(Path("a\0b.yaml"))


@pytest.mark.parametrize("path", [None, 0, 3, ["good.yaml"], object()])
def test_what_is_no_path_is_a_type_error(path: object) -> None:
    with pytest.raises(TypeError):
        archc.load(path)  # type: ignore[arg-type]  # as a caller without a type checker may


def test_the_api_in_a_program() -> None:
    code = """
import archc
for classes in (10, 20):
    network = archc.load("good.yaml", classes=classes)
    other = archc.load("good.yaml", widths=(8,))
    print(network.report()["outputs"], archc.diff(network, other).is_empty)
try:
    archc.load("bad.yaml")
except archc.SpecError as error:
    print([item.code for item in error.diagnostics])
try:
    network.emit("jax")
except ValueError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.stdout.split("\n") == [
        "{'dense_1': {'features': 10}} False",
        "{'dense_1': {'features': 20}} False",
        "['ARC104']",
        "unknown backend 'jax'; known: torch, keras, onnx",
        "",
    ]
