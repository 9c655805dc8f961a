"""Every block of code in the documentation does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documentation.digits import write_digits
from tests.documentation.pages import PAGES, agrees, blocks_of, commands_of, faults, file_of

ALL = sorted(PAGES.rglob("*.md"))

PAGE = """
Some text, with `code` in it.

```yaml
# specs/a.yaml
archc: 1
```

```console
$ echo one two
one ...
$ cat specs/a.yaml; false
# specs/a.yaml
archc: 1
```

```sh
test -f specs/a.yaml
```
"""


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("page", ALL, ids=[str(page.relative_to(PAGES)) for page in ALL])
def test_every_block_of_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    write_digits(folder / "digits")
    assert "\n".join(faults(page, folder)) == ""


def test_there_are_pages() -> None:
    assert PAGES / "guides" / "add-an-architecture.md" in ALL


def test_blocks_are_told_apart() -> None:
    spec, session, script = blocks_of(PAGE)
    assert (file_of(spec), spec.line) == ("specs/a.yaml", 4)
    assert [*commands_of(session)] == [
        ("echo one two\n", "one ...\n"),
        ("cat specs/a.yaml; false\n", "# specs/a.yaml\narchc: 1\n"),
    ]
    assert script.language == "sh"


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("", "", ""),
        ("one ...", "two ...", "page.md:9: $ echo one two"),
        ("two\none ...", "two; false\n...", "page.md:9: $ echo one two; false\nexit code 1"),
        ("test -f", "test ! -f", "page.md:17: exit code 1"),
        ("```sh", "```ruby", "page.md:17: a block of `ruby`"),
    ],
)
def test_a_page_that_is_wrong_is_found(before: str, after: str, fault: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace(before, after) if before else PAGE)
    folder = tmp_path / "folder"
    folder.mkdir()
    told = "\n".join(faults(page, folder))
    assert told.startswith(fault)
    assert bool(told) == bool(fault)


def test_dots_stand_for_any_text() -> None:
    assert agrees("a difference of 1e-15\n", "a difference of ...\n")
    assert not agrees("a difference of 1e-15\n", "a difference ... 2\n")
    assert not agrees("one\ntwo\n", "one\n")
