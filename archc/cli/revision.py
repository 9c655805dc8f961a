"""Specs in a revision of a git repository: `REV:PATH`.

git runs without a shell and only reads objects: no filter, hook or text conversion of the
repository's configuration is applied.

Codes: ARC001 no such file in the revision, ARC003 it is too large, ARC414 no such revision, or
an unreadable one.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
from typing import NamedTuple, NoReturn

from archc.diagnostics import Diagnostic, SourceText, Span, SpecError, encodable
from archc.language.extends import Files, root_of
from archc.language.reader import MAX_BYTES, decode_spec
from archc.spec import Spec, read_source

_ROOT = "/"
"""The repository's root in the paths of a revision's files."""
_FILE_MODES = ("100644", "100755")


class Revision(NamedTuple):
    """A path in a revision, as typed."""

    name: str
    path: str


def revision_of(text: str) -> Revision | None:
    """Parse `REV:PATH`; None for other text. Colons in braces belong to the revision
    (`HEAD^{/fix: ...}`), as in git."""
    depth = 0
    for index, character in enumerate(text):
        if character == ":" and not depth:
            return Revision(text[:index], text[index + 1 :])
        depth += (character == "{") - (character == "}")
    return None


def read_revision(revision: Revision, most_steps: int) -> Spec:
    """Read a spec and its parents in a revision. Raises SpecError."""
    display = f"{revision.name}:{revision.path}"
    tree = _tree(revision.name, display)
    path = posixpath.join(_ROOT, _from_root(revision.path, display))

    def read(path: str, display: str, root: str) -> SourceText:
        return _text(tree, path, f"{revision.name}:{posixpath.relpath(path, _ROOT)}")

    text = _text(tree, path, display)
    return read_source(text, root_of(path), path, Files(str, read), most_steps)


def read_file(revision: Revision, limit: int) -> bytes:
    """The content of a file of at most so many bytes in a revision. Raises SpecError."""
    display = f"{revision.name}:{revision.path}"
    tree = _tree(revision.name, display)
    path = posixpath.join(_ROOT, _from_root(revision.path, display))
    return _blob(tree, path, display, limit, "compare files instead: `git show` writes them")


def _reject(display: str, code: str, message: str, hint: str | None = None) -> NoReturn:
    span = Span(SourceText(encodable(display), ""), 1, 1, 1, 1)
    raise SpecError([Diagnostic(code, message, span, hint)])


def _git(display: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
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
        _reject(display, "ARC414", "cannot be read: git is not installed")
    except ValueError:  # a NUL
        _reject(display, "ARC414", "cannot be read: invalid characters")


def _tree(name: str, display: str) -> str:
    """The identity of a revision's tree."""
    hint = "write REV:PATH, for example HEAD:specs/NAME.yaml"
    if not name:
        _reject(display, "ARC414", "has no revision before the colon", hint)
    repository = _git(display, "rev-parse", "--git-dir")
    if b"dubious ownership" in repository.stderr:
        message = "cannot be read: git rejects a repository that belongs to another user"
        _reject(display, "ARC414", message, "git config --global --add safe.directory FOLDER")
    if repository.returncode:
        message = "cannot be read: the working directory is not in a git repository"
        _reject(display, "ARC414", message, "change to the repository, or name a file")
    # After --end-of-options, nothing is parsed as an option.
    query = "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}"
    tree = _git(display, *query)
    if tree.returncode:
        hint = "`git log --oneline --all` shows revisions; a shallow clone has few: `git fetch`"
        _reject(display, "ARC414", f"unknown revision `{name}`", hint)
    return tree.stdout.decode("ascii").strip()


def _from_root(path: str, display: str) -> str:
    """A path relative to the repository's root; with `./` or `../` it is relative to the working
    directory."""
    if path.startswith(("./", "../")):
        prefix = _git(display, "rev-parse", "--show-prefix").stdout
        path = posixpath.join(os.fsdecode(prefix).rstrip("\n"), path)
    path = posixpath.normpath(path)
    if path.startswith(("/", "../")) or path in (".", ".."):
        _reject(display, "ARC001", "cannot be read: the path is outside the repository")
    return path


def _text(tree: str, path: str, display: str) -> SourceText:
    content = _blob(tree, path, display, MAX_BYTES, "use a block for repeated layers")
    return decode_spec(content, encodable(display))


def _blob(tree: str, path: str, display: str, limit: int, hint_for_large: str) -> bytes:
    name = posixpath.relpath(path, _ROOT)
    listed = _git(display, "ls-tree", "-l", "-z", "--full-tree", tree, "--", name)
    head = listed.stdout.partition(b"\t")[0].split()
    if listed.returncode or not head:
        hint = "paths are relative to the repository's root, or with ./ to the working directory"
        _reject(display, "ARC001", "cannot be read: the revision has no such file", hint)
    mode, _, identity, size = (part.decode("ascii") for part in head)
    if mode not in _FILE_MODES:
        _reject(display, "ARC001", "cannot be read: it is not a regular file")
    if int(size) > limit:
        _reject(display, "ARC003", f"larger than {limit >> 20} MiB", hint_for_large)
    blob = _git(display, "cat-file", "blob", identity)
    if blob.returncode:
        _reject(display, "ARC414", "cannot be read: git does not have the file's content")
    return blob.stdout
