"""Specs as they are in a revision of a git checkout: `REV:PATH`.

git runs without a shell, to read objects alone: no filter, hook or text conversion of the
repository's configuration takes part.

Codes: ARC001 no such file in the revision, ARC003 it is too large, ARC414 no such revision, or
none that can be read.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
from typing import NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable
from archc.language.extends import Files, root_of
from archc.language.reader import MAX_BYTES, decode
from archc.spec import Spec, read_source

_ROOT = "/"
"""What stands for the checkout's root in the paths of a revision's files."""
_FILE_MODES = ("100644", "100755")


class Revision(NamedTuple):
    """A path in a revision, as the user gave them."""

    name: str
    path: str


def revision_of(given: str) -> Revision | None:
    """`REV:PATH` in its parts; None for what has no such form. Colons in braces belong to the
    revision (`HEAD^{/fix: ...}`), as git has it."""
    depth = 0
    for index, character in enumerate(given):
        if character == ":" and not depth:
            return Revision(given[:index], given[index + 1 :])
        depth += (character == "{") - (character == "}")
    return None


def read_revision(revision: Revision) -> Spec:
    """Read a spec and all that it extends, in a revision. Raises SpecError."""
    given = f"{revision.name}:{revision.path}"
    tree = _tree(revision.name, given)
    path = posixpath.join(_ROOT, _from_root(revision.path, given))

    def read(path: str, display: str, root: str) -> SourceText:
        return _text(tree, path, f"{revision.name}:{posixpath.relpath(path, _ROOT)}")

    return read_source(_text(tree, path, given), root_of(path), path, Files(str, read))


def _refuse(given: str, code: str, message: str, hint: str | None = None) -> NoReturn:
    span = Span(SourceText(encodable(given), ""), 1, 1, 1, 1)
    raise SpecError([Diagnostic(code, message, span, hint)])


def _git(given: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    try:
        return subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        _refuse(given, "ARC414", "cannot be read: git is not installed")
    except ValueError:  # a NUL
        _refuse(given, "ARC414", "cannot be read: git takes no such characters")


def _tree(name: str, given: str) -> str:
    """The object that holds a revision's files."""
    hint = "write REV:PATH, for example HEAD:specs/NAME.yaml"
    if not name:
        _refuse(given, "ARC414", "names no revision before the colon", hint)
    checkout = _git(given, "rev-parse", "--git-dir")
    if b"dubious ownership" in checkout.stderr:
        message = "cannot be read: the checkout belongs to another user, and git refuses it"
        _refuse(given, "ARC414", message, "git config --global --add safe.directory FOLDER")
    if checkout.returncode:
        message = "cannot be read: the working folder is in no git checkout"
        _refuse(given, "ARC414", message, "go into the checkout, or name a file")
    # What follows can be no option, whatever it begins with.
    wanted = "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}"
    found = _git(given, *wanted)
    if found.returncode:
        hint = "`git log --oneline --all` shows revisions; a shallow clone has few: `git fetch`"
        _refuse(given, "ARC414", f"git knows no revision `{name}`", hint)
    return found.stdout.decode("ascii").strip()


def _from_root(path: str, given: str) -> str:
    """A path from the checkout's root; one that begins with `./` or `../` stands for one from the
    working folder."""
    if path.startswith(("./", "../")):
        prefix = _git(given, "rev-parse", "--show-prefix").stdout
        path = posixpath.join(os.fsdecode(prefix).rstrip("\n"), path)
    path = posixpath.normpath(path)
    if path.startswith(("/", "../")) or path in (".", ".."):
        _refuse(given, "ARC001", "cannot be read: the path names no file inside the checkout")
    return path


def _text(tree: str, path: str, display: str) -> SourceText:
    name = posixpath.relpath(path, _ROOT)
    listed = _git(display, "ls-tree", "-l", "-z", "--full-tree", tree, "--", name)
    head = listed.stdout.partition(b"\t")[0].split()
    if listed.returncode or not head:
        hint = "paths start at the checkout's root, or with ./ at the working folder"
        _refuse(display, "ARC001", "cannot be read: the revision has no such file", hint)
    mode, _, identity, size = (part.decode("ascii") for part in head)
    if mode not in _FILE_MODES:
        _refuse(display, "ARC001", "cannot be read: it is not a regular file there")
    if int(size) > MAX_BYTES:
        _refuse(display, "ARC003", "larger than 1 MiB", "use a block for what repeats")
    blob = _git(display, "cat-file", "blob", identity)
    if blob.returncode:
        _refuse(display, "ARC414", "cannot be read: git lacks the file's content")
    return decode(blob.stdout, encodable(display))
