"""Standard streams that are closed, full, or whose reader has gone away: the exit code says it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import archc
from archc import cli

ROOT = Path(archc.__file__).parent.parent
GOOD = "archc: 1\nname: tiny\ninput: {features: 3}\nlayers: [relu]\n"
BAD = GOOD.replace("relu", "reluu")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="redirections are those of sh")

VALIDATE = ("validate", "good.yaml")
INVALID = ("validate", "bad.yaml")
BUILD = ("build", "good.yaml", "--backend", "torch")
REPORT = ("report", "good.yaml")
HELP = ("--help",)
WRONG = ("nosuch",)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def shell(arguments: Sequence[str], redirections: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m archc "$@" {redirections}', sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@POSIX
@pytest.mark.parametrize(
    ("arguments", "redirections", "code", "error"),
    [
        # Messages are lost with a closed standard error, and the verdict stays.
        (VALIDATE, "2>&-", 0, ""),
        (INVALID, "2>&-", 1, ""),
        (WRONG, "2>&-", 2, ""),
        # What needs no standard output does not miss it.
        (BUILD, ">&-", 0, "wrote generated/"),
        (VALIDATE, ">&-", 0, "good.yaml: valid, "),
        (INVALID, ">&-", 2, "archc: standard output is closed\n"),
        (REPORT, ">&-", 2, "archc: standard output is closed\n"),
        (HELP, ">&-", 2, "archc: standard output is closed\n"),
        (("report", "-"), "<&-", 2, "-:1:1: ARC001 cannot be read: standard input is closed\n"),
        (("diff", "-", "good.yaml"), "<&-", 2, "-:1:1: ARC001 cannot be read: standard input is"),
        (("report", "-"), "0>/dev/null", 2, "-:1:1: ARC001 cannot be read: "),
        (REPORT, "<&- >&- 2>&-", 2, ""),
        (BUILD, "<&- >&- 2>&-", 0, ""),
    ],
)
def test_closed_streams(arguments: Sequence[str], redirections: str, code: int, error: str) -> None:
    done = shell(arguments, redirections)
    assert done.stderr.startswith(error)
    assert "internal error" not in done.stderr
    assert done.returncode == code


@POSIX
def test_findings_of_a_closed_standard_input_are_data() -> None:
    done = shell(("validate", "-", "bad.yaml", "--format", "concise"), "<&-")
    first, second = done.stdout.splitlines()
    assert first == "-:1:1: ARC001 cannot be read: standard input is closed"
    assert second.startswith("bad.yaml:4:10: ARC204 ")
    assert (done.returncode, done.stderr) == (2, "")


@POSIX
@FULL
@pytest.mark.parametrize(
    ("arguments", "redirections", "code", "error"),
    [
        (VALIDATE, "2>/dev/full", 2, ""),
        (INVALID, "2>/dev/full", 1, ""),
        (("report", "bad.yaml"), "2>/dev/full", 1, ""),
        (("report", "missing.yaml"), "2>/dev/full", 2, ""),
        (WRONG, "2>/dev/full", 2, ""),
        (BUILD, "2>/dev/full", 2, ""),
        (REPORT, "2>/dev/full", 0, ""),
        (INVALID, ">/dev/full", 2, "archc: No space left on device\n"),
        (HELP, ">/dev/full", 2, "archc: No space left on device\n"),
        (REPORT, ">/dev/full", 2, "archc: No space left on device\n"),
        (REPORT, ">/dev/full 2>/dev/full", 2, ""),
        (REPORT, ">/dev/full 2>&-", 2, ""),
        (("schema",), ">/dev/full 2>/dev/full", 2, ""),
    ],
)
def test_full_streams(arguments: Sequence[str], redirections: str, code: int, error: str) -> None:
    done = shell(arguments, redirections)
    assert (done.returncode, done.stderr) == (code, error)


@pytest.mark.parametrize(
    ("arguments", "code"), [(HELP, 0), (REPORT, 0), (INVALID, 1), (("schema",), 0)]
)
def test_a_reader_of_output_that_has_gone_away(arguments: Sequence[str], code: int) -> None:
    assert without_reader(arguments, "stdout") == (code, "")


@pytest.mark.parametrize(("arguments", "code"), [(VALIDATE, 0), (WRONG, 2), (BUILD, 0)])
def test_a_reader_of_messages_that_has_gone_away(arguments: Sequence[str], code: int) -> None:
    assert without_reader(arguments, "stderr") == (code, "")


def without_reader(arguments: Sequence[str], stream: str) -> tuple[int, str]:
    """The exit code with a closed pipe for a stream, and what came on the other one if that is
    standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "archc", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=streams["stdout"],
            stderr=streams["stderr"],
            encoding="utf-8",
            check=False,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr or ""


def test_an_argument_with_a_nul_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    # No shell passes one on; a program that calls `main` can.
    for arguments in (["validate", "a\0b"], ["build", "good.yaml", "-o", "a\0b"], ["new", "\0"]):
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err.endswith("Error: an argument contains a NUL\n")
