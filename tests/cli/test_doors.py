"""What archc reads and writes beside the paths that were typed: no link is followed, nothing waits
for a pipe, no excerpt of what is no spec; builds that are ended; files whose spec is gone."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from archc import cli
from archc.files.staging import PREFIX

ROOT = Path(cli.__file__).parents[2]
SECRET = "api_key: hunter2\npassword: tiger\n"
SPEC = """\
archc: 1
name: tiny
input: {features: 8}
layers:
  - dense: 10
"""
TIMEOUT = 60
"""Seconds: a process that waits for ever is an error."""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one spec, built, and a secret beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project/specs").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text(SECRET)
    monkeypatch.chdir(tmp_path / "project")
    Path("specs/tiny.yaml").write_text(SPEC)
    assert run("build", "specs/tiny.yaml").code == 0
    return tmp_path / "project"


class run:  # noqa: N801 - a function with a result
    """A command line in this process: its exit code, and all that it prints."""

    def __init__(self, *arguments: str) -> None:
        text = io.StringIO()
        with redirect_stdout(text), redirect_stderr(text):
            self.code = cli.main(list(arguments))
        self.text = text.getvalue()


def default_signals() -> None:
    """What a process in the background may have been told to ignore, and its children with it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def archc(*arguments: str) -> subprocess.Popen[str]:
    """A command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "archc", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=default_signals,
    )


def files(folder: str = "generated") -> dict[str, str]:
    """The files in a folder with their texts, without what is hidden; bytes that are none as
    characters that stand for them."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "surrogateescape")
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


# Links


def replace_by_link(path: Path) -> None:
    path.symlink_to("../../../secret.yaml")


def replace_by_hard_link(path: Path) -> None:
    os.link("../secret.yaml", path)


def replace_by_fifo(path: Path) -> None:
    os.mkfifo(path)


def replace_by_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("name", ["torch/tiny.py", "reports/tiny.md", "reports/tiny.json"])
@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (replace_by_link, "is a symbolic link"),
        (replace_by_hard_link, "has several hard links"),
        (replace_by_fifo, "is not a regular file"),
        (replace_by_device, "is a symbolic link"),
    ],
)
def test_a_build_looks_at_no_link(name: str, put: Callable[[Path], None], reason: str) -> None:
    path = Path("generated") / name
    path.unlink()
    put(path)
    for arguments, code in ((["--check"], 1), ([], 2), (["--force"], 2), (["--prune"], 2)):
        ran = run("build", "specs/tiny.yaml", *arguments)
        assert ran.code == code
        assert f"{path} {reason} (remove it, or choose another folder)\n" in ran.text
        assert "hunter2" not in ran.text
    assert Path("../secret.yaml").read_text() == SECRET


def test_a_build_looks_into_no_linked_folder() -> None:
    shutil.move("generated/torch", "../elsewhere")
    Path("../elsewhere/tiny.py").write_text(SECRET)
    Path("generated/torch").symlink_to("../../elsewhere")
    for arguments, code in ((["--check"], 1), ([], 2), (["--force"], 2)):
        ran = run("build", "specs/tiny.yaml", *arguments)
        assert ran.code == code
        assert "generated/torch is a symbolic link" in ran.text
        assert "hunter2" not in ran.text
    assert Path("../elsewhere/tiny.py").read_text() == SECRET


def test_the_drift_of_other_files_is_told_beside_a_link() -> None:
    Path("generated/torch/tiny.py").unlink()
    Path("generated/torch/tiny.py").symlink_to("../../../secret.yaml")
    Path("generated/keras/tiny.py").write_text("# edited\n")
    ran = run("build", "specs/tiny.yaml", "--check")
    assert (ran.code, "-# edited\n" in ran.text) == (1, True)
    assert "torch/tiny.py is a symbolic link" in ran.text


@pytest.mark.parametrize(
    "content",
    [
        SECRET,
        "root:x:0:0:hunter2:/root:/bin/bash\n",
        "hunter2\n",
        "KEY=hunter2\n",
        "- hunter2\n",
        "{hunter2: [\n",
        "name: hunter2\ninput: tiger\n",
        "key: &hunter2 !!binary x\n",
        "a\x00hunter2\n",
        "\x7fELF\x02hunter2\xff\n",
    ],
)
@pytest.mark.parametrize("form", ["full", "concise", "json", "github", "sarif"])
def test_nothing_is_shown_of_what_is_no_spec(content: str, form: str) -> None:
    Path("../secret.yaml").write_bytes(content.encode("latin-1"))
    Path("specs/linked.yaml").symlink_to("../../secret.yaml")
    ran = run("validate", "specs/linked.yaml", "--format", form)
    assert (ran.code, "is not a spec" in ran.text) == (1, True)
    assert "hunter2" not in ran.text


@pytest.mark.parametrize("verb", ["validate", "report", "show", "build", "diff", "list", "verify"])
def test_no_verb_shows_what_is_no_spec(verb: str) -> None:
    Path("specs/linked.yaml").symlink_to("../../secret.yaml")
    ran = run(verb, "specs/linked.yaml", *(["specs/tiny.yaml"] if verb == "diff" else []))
    assert ran.code == 1
    assert not re.search("hunter2|tiger|api_key|password", ran.text)
    if verb != "list":
        assert "linked.yaml:1:1: ARC012 is not a spec" in ran.text


@pytest.mark.parametrize("parent", ["near.yaml", "linked.yaml", "up/secret.yaml"])
def test_extends_shows_nothing_of_what_is_no_spec(parent: str) -> None:
    Path("specs/near.yaml").write_text(SECRET)
    Path("specs/linked.yaml").symlink_to("../../secret.yaml")
    Path("specs/up").symlink_to("../..")
    Path("specs/child.yaml").write_text(f"archc: 1\nname: child\nextends: {parent}\n")
    ran = run("validate", "specs/child.yaml")
    assert ran.code == 1
    assert "specs/child.yaml:3:10: ARC410 " in ran.text
    assert not re.search("hunter2|tiger|api_key|password", ran.text)


def test_a_table_of_names_is_no_link() -> None:
    Path("names.yaml").symlink_to("../secret.yaml")
    ran = run(
        "weights", "import", "specs/tiny.yaml", "a.pth", "-o", "a.safetensors", "--names=names.yaml"
    )
    assert ran.code == 2
    assert "names.yaml:1:1: ARC001 cannot be read: " in ran.text
    assert "hunter2" not in ran.text


def test_a_spec_that_was_typed_may_be_a_link() -> None:
    Path("../elsewhere.yaml").write_text(SPEC)
    Path("specs/linked.yaml").symlink_to("../../elsewhere.yaml")
    assert run("validate", "specs/linked.yaml").code == 0


@pytest.mark.parametrize("path", ["specs/pipe.yaml", "/dev/zero", "/dev/tty", "/dev/null"])
def test_no_pipe_or_device_is_read(path: str) -> None:
    os.mkfifo("specs/pipe.yaml")
    ran = run("validate", path)
    assert (ran.code, "ARC001" in ran.text) == (2, True)


@pytest.mark.parametrize("patterns", [[], ["specs"], ["specs/**/*.yaml"]])
def test_a_list_follows_no_links_to_folders(patterns: list[str]) -> None:
    # Followed, two links to the folder itself would give 2^40 paths.
    for name in ("a", "b"):
        Path("specs", name).symlink_to(".")
    Path("specs/root").symlink_to("/")
    ran = run("list", *patterns)
    assert ran.code == 0
    assert len(ran.text.splitlines()) == 3


def test_a_folder_s_links_and_pipes_are_not_listed() -> None:
    Path("../elsewhere.yaml").write_text(SPEC.replace("tiny", "elsewhere"))
    Path("specs/linked.yaml").symlink_to("../../elsewhere.yaml")
    os.mkfifo("specs/pipe.yaml")
    ran = run("list", "specs")
    assert (ran.code, "elsewhere" in ran.text, len(ran.text.splitlines())) == (0, False, 3)


def test_a_planted_workspace_leads_nowhere() -> None:
    before = files()
    Path("../elsewhere").mkdir()
    Path("../elsewhere/lock").write_text("mine")
    Path("generated", f"{PREFIX}build").symlink_to("../../elsewhere")
    ran = run("build", "specs/tiny.yaml")
    assert (ran.code, f"generated/{PREFIX}build is not a folder" in ran.text) == (2, True)
    assert Path("../elsewhere/lock").read_text() == "mine"
    Path("generated", f"{PREFIX}build").unlink()
    assert files() == before


# Ends


@pytest.fixture
def holder() -> Iterator[None]:
    """Another process that writes to the output folder, until the test has ended."""
    script = "import sys, archc.files\nwith archc.files.locked('generated'):\n"
    script += "    print('locked', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate(timeout=TIMEOUT)
    assert not [name for name in os.listdir("generated") if PREFIX in name]


@pytest.mark.usefixtures("holder")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_ended_leaves_nothing(number: signal.Signals) -> None:
    """It waits for the lock of another one; it may be ended before that as well."""
    before = files()
    Path("specs/other.yaml").write_text(SPEC.replace("tiny", "other"))
    waiting = archc("build", "specs/other.yaml")
    deadline = time.monotonic() + TIMEOUT
    while not is_handled(waiting.pid, signal.SIGTERM) and time.monotonic() < deadline:
        time.sleep(0.01)
    waiting.send_signal(number)
    _, error = waiting.communicate(timeout=TIMEOUT)
    assert waiting.returncode == 128 + number
    assert error.strip() in ("archc: interrupted", "archc: terminated")
    assert files() == before


def test_an_interruption_while_a_text_is_executed_leaves_the_exit_code() -> None:
    """Python would end the process by the signal, though its exception was caught."""
    script = (
        "import os, signal\n"
        "from archc.cli.signals import termination\n"
        "try:\n"
        "    with termination():\n"
        "        exec('os.kill(os.getpid(), signal.SIGINT)')\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=default_signals,
        check=False,
    )
    assert done.returncode == 0


def test_a_signal_that_python_swallows_still_gives_its_exit_code() -> None:
    script = (
        "import os, signal\n"
        "from archc.cli.signals import Termination, termination\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "try:\n"
        "    with termination():\n"
        "        Last()\n"
        "except Termination as ended:\n"
        "    print(ended.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "Exception ignored" in done.stderr
    assert done.stdout == "143\n"


def is_handled(process: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # not on Linux
        time.sleep(5)
        return True
    (caught,) = re.findall(r"SigCgt:\s*([0-9a-f]+)", status)
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_a_build_whose_files_are_up_to_date_waits_for_nobody() -> None:
    os.chmod("generated", 0o555)
    ran = run("build", "specs/tiny.yaml")
    os.chmod("generated", 0o755)
    assert (ran.code, ran.text) == (0, "generated is up to date\n")


def test_what_a_killed_build_left_is_removed() -> None:
    before = files()
    Path(f"generated/{PREFIX}build").mkdir()
    Path(f"generated/{PREFIX}build/00").write_text("half a fi")
    Path(f"generated/{PREFIX}net.h5").mkdir()
    Path(f"generated/{PREFIX}net.h5/lock").write_text("")
    assert run("build", "specs/tiny.yaml").code == 0
    assert files() == before
    assert not [name for name in os.listdir("generated") if PREFIX in name]


# Files whose spec is gone


@pytest.fixture
def other() -> None:
    """A second spec, built with its training script and removed again."""
    recipe = "training: {epochs: 1, optimizer: adam, batch_size: 8}\n"
    image = SPEC.replace("features: 8", "channels: 1, height: 4, width: 4")
    text = image.replace("tiny", "other").replace("  - dense", "  - flatten\n  - dense")
    Path("specs/other.yaml").write_text(text + recipe)
    assert run("build", "specs/other.yaml", "--training").code == 0
    Path("specs/other.yaml").unlink()


OTHERS = [
    *("keras/other.py", "keras/other_train.py", "onnx/other.onnx", "reports/other.json"),
    *("reports/other.md", "reports/other.svg", "torch/other.py", "torch/other_train.py"),
]


def gone(text: str) -> list[str]:
    """The files that a check says have no spec any more."""
    return re.findall(r"^generated/(\S+) has no spec any more", text, re.MULTILINE)


@pytest.mark.usefixtures("other")
def test_files_without_a_spec_are_told_and_removed() -> None:
    ran = run("build", "specs/tiny.yaml", "--check")
    assert (ran.code, gone(ran.text)) == (1, OTHERS)
    assert "specs/other.yaml does not exist\n" in ran.text
    assert "`archc build --prune` removes" in ran.text
    before = files()
    ran = run("build", "specs/tiny.yaml")
    assert (ran.code, files()) == (0, before)
    ran = run("build", "specs/tiny.yaml", "--prune")
    assert ran.code == 0
    assert re.findall(r"^removed generated/(\S+):", ran.text, re.MULTILINE) == OTHERS
    assert files() == {path: text for path, text in before.items() if path not in OTHERS}
    assert run("build", "specs/tiny.yaml", "--check").code == 0


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("name", OTHERS)
def test_an_edited_file_is_never_removed(name: str) -> None:
    path = Path("generated", name)
    edited = path.read_bytes().replace(b"8", b"7", 1) + b"\n"
    path.write_bytes(edited)
    ran = run("build", "specs/tiny.yaml", "--check")
    assert (ran.code, gone(ran.text)) == (1, OTHERS)
    assert (
        f"{path} has no spec any more: specs/other.yaml does not exist; it was edited\n" in ran.text
    )
    for arguments in (["--prune"], ["--prune", "--force"]):
        ran = run("build", "specs/tiny.yaml", *arguments)
        assert (ran.code, path.read_bytes()) == (0, edited)
        assert f"kept {path}: " in ran.text
    assert run("build", "specs/tiny.yaml", "--check").code == 1


@pytest.mark.usefixtures("other")
def test_a_file_that_no_report_tells_of_is_kept() -> None:
    Path("generated/reports/other.json").unlink()
    Path("generated/torch/mine.py").write_text("print('my own work')\n")
    ran = run("build", "specs/tiny.yaml", "--prune")
    assert ran.code == 0
    assert "removed" not in ran.text
    assert "kept generated/torch/other.py: " in ran.text
    assert "no report tells whether it was edited" in ran.text
    assert "mine" not in ran.text
    assert Path("generated/torch/mine.py").exists()


@pytest.mark.usefixtures("other")
def test_nothing_is_removed_through_a_link() -> None:
    shutil.move("generated/torch", "../elsewhere")
    Path("generated/torch").symlink_to("../../elsewhere")
    shutil.move("generated/keras/other.py", "../other.py")
    Path("generated/keras/other.py").symlink_to("../../../other.py")
    assert run("build", "specs/tiny.yaml", "--backend", "keras", "--prune").code == 0
    assert Path("../elsewhere/other.py").exists()
    assert Path("../other.py").exists()
    assert Path("generated/keras/other.py").is_symlink()
    assert not Path("generated/keras/other_train.py").exists()


def test_a_report_leads_to_no_other_files() -> None:
    """A report names files anywhere: nothing but what has the network's name is looked at."""
    Path("specs/other.yaml").write_text(SPEC.replace("tiny", "other"))
    assert run("build", "specs/other.yaml").code == 0
    Path("specs/other.yaml").unlink()
    report = Path("generated/reports/other.json")
    for name in ("../../secret.yaml", "/etc/passwd", "torch/tiny.py", "specs/tiny.yaml"):
        text = report.read_text().replace("torch/other.py", name)
        report.write_text(text)
    before = files(".")
    assert run("build", "specs/tiny.yaml", "--prune").code == 0
    assert Path("../secret.yaml").read_text() == SECRET
    kept = files(".")
    assert kept.keys() >= {"specs/tiny.yaml", "generated/torch/tiny.py", "generated/torch/other.py"}
    assert kept.items() <= before.items()


def test_a_spec_with_another_name_leaves_files_without_a_spec() -> None:
    Path("specs/tiny.yaml").write_text(SPEC.replace("tiny", "small"))
    assert run("build", "specs/tiny.yaml").code == 0
    ran = run("build", "specs/tiny.yaml", "--check")
    assert (ran.code, len(gone(ran.text))) == (1, 6)
    assert "specs/tiny.yaml has another name\n" in ran.text
    assert run("build", "specs/tiny.yaml", "--prune").code == 0
    assert sorted(files()) == [
        *("keras/small.py", "onnx/small.onnx", "reports/small.json", "reports/small.md"),
        *("reports/small.svg", "torch/small.py"),
    ]


def test_files_of_specs_that_are_not_built_now_are_no_orphans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = SPEC.replace("tiny", "a_b")
    Path("specs/deeper").mkdir()
    Path("specs/deeper/a--b & c.yaml").write_text(text)
    assert run("build", "specs/deeper/a--b & c.yaml").code == 0
    assert run("build", "specs/tiny.yaml", "--check").code == 0
    Path("generated/reports/a_b.json").unlink()  # their first lines remain
    assert run("build", "specs/tiny.yaml", "--check").code == 0
    monkeypatch.chdir("specs")
    assert run("build", "tiny.yaml", "-o", "../generated", "--check").code == 0


def test_files_of_a_spec_from_standard_input_have_no_spec_to_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    piped = io.TextIOWrapper(io.BytesIO(SPEC.replace("tiny", "piped").encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    assert run("build", "-").code == 0
    assert run("build", "specs/tiny.yaml", "--check").code == 0


@pytest.mark.parametrize("other", ["--check", "--watch", "--stdout"])
def test_pruning_writes(other: str) -> None:
    ran = run("build", "specs/tiny.yaml", "--backend", "torch", "--prune", other)
    assert (ran.code, "--prune writes" in ran.text) == (2, True)
