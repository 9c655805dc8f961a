"""Pages as text: a single file, a strict policy, escaped text, deterministic."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from archc import cli
from archc.diagnostics import SourceText
from archc.reports import html, html_code, html_graph
from archc.reports.html import size
from archc.spec import Spec, read_source
from tests.backends.networks import SHIPPED, SPECS, shipped
from tests.reports.drawing.networks import CROSSED, INCEPTION, TWO_TWO
from tests.reports.pages.conftest import page_of

TEXTS = {"crossed": CROSSED, "inception": INCEPTION, "two_two": TWO_TWO}
NASTY = "</script></title></style><img src=x onerror=alert(1)>\"'><script>alert(2)</script>&amp;"
EMPTY = {"meta", "input", "rect", "wbr", "path"}


class Page(HTMLParser):
    """The elements of a page; each must be closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def spec_of(text: str) -> Spec:
    return read_source(SourceText("spec.yaml", text), ".", "spec.yaml")


def check(text: str) -> Page:
    page = Page(text)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = {
        f"{kind}-src 'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
        for kind, tag in (("style", "style"), ("script", "script"))
        for content in ["".join(page.text[tag])]
    }
    closed = {"default-src 'none'", "base-uri 'none'", "form-action 'none'"}
    assert set(policy.split("; ")) == allowed | closed
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert names.isdisjoint({"style", "src", "srcset", "action", "formaction", "xlink:href"})
    assert all(link.startswith("#") for link in page.attributes("href"))
    identifiers = page.attributes("id")
    assert len(identifiers) == len(set(identifiers))
    pointed = {link[1:] for link in page.attributes("href")} | set(page.attributes("aria-controls"))
    pointed |= set(page.attributes("aria-labelledby")) | set(page.attributes("for"))
    assert pointed <= set(identifiers)
    skipped = {index for ends in page.attributes("data-skips") for index in ends.split()}
    assert {f"op-{index}" for index in skipped} <= set(identifiers)
    return page


@pytest.mark.parametrize("name", SHIPPED)
def test_a_page_is_sound(name: str) -> None:
    network = shipped(name)
    sources = {backend: network.emit(backend) for backend in ("torch", "keras")}
    page = check(html.report(network.costs, sources))
    rows = [key for key in page.attributes("id") if key.startswith("row-")]
    assert len(rows) == len(network.costs.layers)
    ops = {key for key in page.attributes("id") if key.startswith("op-")}
    assert ops == {f"op-{node.index}" for node in network.costs.graph.nodes}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_page_of_branches_is_sound(text: str) -> None:
    check(page_of(spec_of(text)))


def test_hostile_text_is_text() -> None:
    quoted = '"' + NASTY.replace('"', '\\"') + '"'
    text = (
        f"# {NASTY}\narchc: 1\nname: net\ntitle: {quoted}\ndescription: {quoted}\n"
        f"reference: [{quoted}]\n"
        "input: {features: 4}\nlayers: [dense: 2]\n"
    )
    page = check(page_of(spec_of(text)))
    assert [tag for tag, _ in page.elements if tag in ("script", "img")] == ["script"]
    assert "".join(page.text["title"]) == NASTY
    assert "".join(page.text["h1"]) == NASTY
    assert "".join(page.text["p"]).count(NASTY) == 2


@pytest.mark.parametrize("place", ["text", "listing", "graph"])
def test_control_characters_are_shown_as_what_they_are(place: str) -> None:
    """A page has none of its own: a browser would drop them, or end a line at `\\r`."""
    hidden = "a\rb\x1bc\x00d\u202ee"
    markup = {
        "text": lambda: html.text(hidden),
        "listing": lambda: html_code.listing(hidden, "yaml", "spec-"),
        "graph": lambda: html_graph._text(hidden),
    }[place]()
    shown = "".join(part for part in re.split("<[^>]*>", markup)).strip("\n")
    assert shown == "a\\rb\\x1bc\\x00d\\u202ee"


def test_the_command_writes_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["report", str(SPECS / "lenet5.yaml"), "--format", "html", "--batch", "32"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    page = check(printed)
    assert printed.startswith("<!doctype html>\n")
    assert "memory for training, 32 samples" in page.text["dt"]
    assert cli.main([*command[:4], "--set", "classes=7"]) == 0
    assert "with classes=7" in "".join(check(capsys.readouterr().out).text["p"])


def test_what_a_backend_rejects_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "archc: 1\nname: rejected\ninput: {channels: 4, height: 8, width: 8}\nlayers:\n"
        "  - conv_transpose: {filters: 4, kernel_size: 3, groups: 2}\n"
    )
    path = tmp_path / "rejected.yaml"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["report", str(path), "--format", "html"]) == 0
    printed = capsys.readouterr().out
    check(printed)
    assert re.search(r'id="keras-1"><span class="c1"># line 5: ARC601 ', printed)
    assert "class Rejected(nn.Module):" in re.sub(r"<[^>]+>", "", printed)


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    printed = set()
    for seed in ("0", "1", "7"):
        command = [sys.executable, "-m", "archc", "report", "-", "--format", "html"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        attributes = CROSSED.encode("utf-8")
        done = subprocess.run(
            command, input=attributes, env=environment, capture_output=True, check=True
        )
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1024 * 1024, "1.0 MiB"),
        (5 * 2**29, "2.5 GiB"),
        (2**41, "2,048.0 GiB"),
    ],
)
def test_bytes_are_reported_in_the_unit_that_they_fill(count: int, expected: str) -> None:
    assert size(count) == expected
