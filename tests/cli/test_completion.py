"""Shell completion: the suggestions, and the scripts in the installed shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archc import cli
from archc.diagnostics.codes import CODES
from archc.ops import OPS

BASH = shutil.which("bash")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs and other files, and archc on PATH."""
    monkeypatch.chdir(tmp_path)
    for name in ("specs/vgg16.yaml", "specs/vgg19.yaml", "specs/notes.txt", "own.yml", ".h.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    program = tmp_path / "bin" / "archc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archc "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def offered(*words: str) -> list[str]:
    """The completions of the last word."""
    line = {"COMP_WORDS": " ".join(("archc", *words)), "COMP_CWORD": str(len(words))}
    environment = {**os.environ, **line, "_ARCHC_COMPLETE": "bash_complete"}
    if not words[-1]:
        environment["COMP_WORDS"] += " "
    done = subprocess.run(["archc"], env=environment, capture_output=True, text=True, check=True)
    return [answer.partition(",")[2] for answer in done.stdout.split()]


def test_verbs_and_options() -> None:
    assert offered("va") == ["validate"]
    assert set(offered("")) == set(cli.VERBS)
    assert "--max-params" in offered("report", "specs/vgg16.yaml", "--max")
    assert offered("report", "specs/vgg16.yaml", "--format", "la") == ["latex"]


def test_specs() -> None:
    assert offered("report", "specs/vgg1") == ["specs/vgg16.yaml", "specs/vgg19.yaml"]
    assert offered("build", "specs/vgg16.yaml", "specs/vgg19") == ["specs/vgg19.yaml"]
    assert offered("show", "") == [
        "specs/vgg16.yaml",
        "specs/vgg19.yaml",
        "bin/",
        "own.yml",
        "specs/",
    ]
    assert offered("validate", "sp") == ["specs/"]
    assert offered("diff", "own.yml", "ow") == ["own.yml"]
    assert offered("new", "mine", "--like", "specs/v") == ["specs/vgg16.yaml", "specs/vgg19.yaml"]
    assert offered("list", "nowhere/") == []


def test_ops_and_codes() -> None:
    assert offered("ops", "conv") == [name for name in OPS if name.startswith("conv")]
    assert offered("explain", "ARC10") == [code for code in CODES if code.startswith("ARC10")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_sound(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_ARCHC_COMPLETE={shell}_complete" in script
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_bash_completes_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    asked = "COMP_WORDS=(archc report specs/vgg1); COMP_CWORD=2; _archc_completion archc"
    line = f'{script}\n{asked}\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["specs/vgg16.yaml", "specs/vgg19.yaml"]


@pytest.mark.skipif(BASH is None or sys.platform == "win32", reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("archc va\t", ["validate"]),
        ("archc show sp\tvgg16.\t--resolved", ["show", "specs/vgg16.yaml", "--resolved"]),
        ("archc show specs/my\t--resolved", ["show", "specs/my net.yaml", "--resolved"]),
    ],
)
def test_bash_goes_on_after_what_it_completed(
    folder: Path, typed: str, meant: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    import pty

    assert cli.main(["completion", "bash"]) == 0
    (folder / "script").write_text(capsys.readouterr().out)
    (folder / "specs" / "my net.yaml").write_text("")
    # The script calls archc through `env`, bypassing the function that records calls.
    (folder / "rc").write_text(
        "PS1=ready\nbind 'set bell-style none'\n. ./script\n"
        'archc() { printf "%s\\n" "$@" > called; }\n'
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execv(str(BASH), ["bash", "--noprofile", "--rcfile", "rc", "-i"])
    read = b""
    while not read.endswith(b"ready"):
        read += os.read(terminal, 1000)
    os.write(terminal, f"{typed}\nexit\n".encode())
    try:
        while os.read(terminal, 1000):
            pass
    except OSError:  # Linux' end of file
        pass
    os.close(terminal)
    os.waitpid(process, 0)
    assert (folder / "called").read_text().splitlines() == meant


def test_an_unknown_shell_is_rejected() -> None:
    assert cli.main(["completion", "tcsh"]) == 2


@pytest.mark.parametrize(
    "variables",
    [{}, {"COMP_WORDS": "archc validate", "COMP_CWORD": "last"}],
    ids=["none", "no number"],
)
def test_a_call_without_a_shell_s_variables_is_wrong_usage(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"_ARCHC_COMPLETE": "bash_complete", **variables}.items():
        monkeypatch.setenv(name, value)
    assert cli.main([]) == 2
    expected = "archc: _ARCHC_COMPLETE is for the scripts of `archc completion` alone\n"
    assert capsys.readouterr().err == expected
