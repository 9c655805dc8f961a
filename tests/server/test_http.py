"""What the server answers, and to whom."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import pytest

from archc.api import load
from archc.ir.limits import MOST_STEPS
from archc.reports import html, html_difference
from archc.reports.emitted import sources
from archc.server import pages
from archc.server.folder import Folder
from archc.server.http import Server
from tests.server.conftest import TINY


def ask(
    server: Server, path: str, host: str | None = None, method: str = "GET"
) -> tuple[HTTPResponse, str]:
    address = server.server_address
    connection = HTTPConnection(str(address[0]), int(address[1]), timeout=30)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_only_this_machine_can_ask(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "localhost:1", "evil.localhost", ""])
def test_pages_of_other_sites_are_refused(server: Server, host: str) -> None:
    for path in ("/", "/entries", "/report?spec=tiny.yaml"):
        response, text = ask(server, path, host)
        assert response.status == 403
        assert text == f"only for {server.url}\n"


def test_both_names_of_the_machine_are_answered(server: Server) -> None:
    port = server.server_address[1]
    for name in ("localhost", "127.0.0.1"):
        assert ask(server, "/", f"{name}:{port}")[0].status == 200


def test_no_other_page_may_frame_or_read_an_answer(server: Server) -> None:
    for path in ("/", "/entries", "/report?spec=tiny.yaml"):
        response, _ = ask(server, path)
        assert response.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_report_is_that_of_the_command(server: Server, folder: Path) -> None:
    network = load(folder / "lenet5.yaml", {})
    emitted = sources(network.emit, len(network.costs.layers))
    _, text = ask(server, "/report?spec=lenet5.yaml")
    assert text == html.report(network.costs, emitted)
    assert {"torch", "keras"} <= emitted.keys()


def test_a_difference_is_that_of_the_command(server: Server, folder: Path) -> None:
    from archc.difference import difference

    one, two = (load(folder / name, {}).costs for name in ("tiny.yaml", "lenet5.yaml"))
    _, text = ask(server, "/difference?a=tiny.yaml&b=lenet5.yaml")
    assert text == html_difference.report(difference(one, two))


def test_errors_stand_at_their_lines(server: Server, folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 3", "dense: -3").replace("2", "two"))
    for path in ("/report?spec=tiny.yaml", "/difference?a=lenet5.yaml&b=tiny.yaml"):
        response, text = ask(server, path)
        assert response.status == 200
        assert "<p>2 errors</p>" in text
        assert 'class="line lit" id="spec-0-5"' in text
        assert 'class="line lit" id="spec-0-6"' in text
        assert text.count('class="line lit"') == 2


def test_errors_of_a_parent_stand_in_it(server: Server, folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 3", "dense: -3"))
    _, text = ask(server, f"/report?spec={quote('more/child.yaml', safe='')}")
    assert "tiny.yaml:5:" in text
    assert text.count('class="line lit"') == 1


@pytest.mark.parametrize(
    "name",
    [
        "../outside.yaml",
        "compose.yaml",
        "notes.txt",
        "more",
        "more/../tiny.yaml",
        "/etc/hosts",
        "x",
    ],
)
def test_nothing_but_specs_of_the_folder_is_read(server: Server, name: str) -> None:
    for path in ("/report", "/spec", "/state"):
        response, text = ask(server, f"{path}?spec={quote(name, safe='')}")
        assert response.status == 404
        assert "features" not in text
    assert ask(server, f"/difference?a=tiny.yaml&b={quote(name, safe='')}")[0].status == 404


@pytest.mark.parametrize(
    "path", ["/nowhere", "/report", "/difference?a=tiny.yaml", "//x/", "/../specs/tiny.yaml"]
)
def test_unknown_addresses_are_told(server: Server, path: str) -> None:
    assert ask(server, path)[0].status == 404


def test_names_are_text(server: Server) -> None:
    _, text = ask(server, "/report?spec=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_other_methods_are_refused(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, "/", method=method)[0].status == 501


def test_a_long_query_is_refused(server: Server) -> None:
    assert ask(server, "/state?spec=a&spec=b&spec=c&spec=d")[0].status == 400


def test_a_page_that_fails_ends_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a\nb")

    with monkeypatch.context() as patch:
        patch.setattr(pages, "PATHS", {"/": pages.Find(fail)})  # type: ignore[arg-type]
        response, text = ask(server, "/")
    assert (response.status, text) == (500, "internal error: RuntimeError: a b\n")
    assert ask(server, "/")[0].status == 200


def test_the_state_of_a_spec_is_that_of_its_files(server: Server, folder: Path) -> None:
    def state(name: str) -> str:
        _, text = ask(server, f"/state?spec={quote(name, safe='')}")
        return str(json.loads(text)["state"])

    names = ("more/child.yaml", "tiny.yaml", "lenet5.yaml")
    before = [state(name) for name in names]
    assert [state(name) for name in names] == before
    (folder / "tiny.yaml").write_text(TINY + "  - dense: 7\n")
    after = [state(name) for name in names]
    assert [one != two for one, two in zip(before, after, strict=True)] == [True, True, False]
    (folder / "more" / "child.yaml").unlink()
    assert state("more/child.yaml") != after[0]


def test_entries_have_figures_or_errors(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        "archc: 1\nname: bad\ninput: {features: 4}\nlayers: [dens: 2]\n"
    )
    read = Folder(str(folder), MOST_STEPS)
    while not (answer := read.entries())[1]:
        pass
    found = {entry.spec: (entry.params, entry.errors) for entry in answer[0]}
    # Two dense layers of 4 x 3 and 3 x 2 with biases; LeNet-5 has 61,706.
    tiny = 4 * 3 + 3 + 3 * 2 + 2
    assert found == {
        "bad.yaml": (0, 1),
        "lenet5.yaml": (61_706, 0),
        "more/child.yaml": (tiny, 0),
        "tiny.yaml": (tiny, 0),
    }


def test_entries_follow_the_files(folder: Path) -> None:
    read = Folder(str(folder), MOST_STEPS)
    while not read.entries()[1]:
        pass
    (folder / "tiny.yaml").write_text(TINY.replace("dense: 2", "dense: 5"))
    grown = {entry.spec: entry.params for entry in read.entries()[0]}
    assert grown["tiny.yaml"] == grown["more/child.yaml"] == 4 * 3 + 3 + 3 * 5 + 5


def test_a_connection_that_is_broken_off_is_no_fault(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(server, "shutdown_request", lambda request: ended.set())
    with socket.create_connection(server.server_address, 30) as connection:
        connection.sendall(b"GET /state HTTP/1.1\r\n")
        # Without lingering the end is a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ended.wait(30)
    assert capsys.readouterr().err == ""


def test_the_command_tells_its_address_and_ends(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", "serve", str(folder), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        # Tests started in the background by a shell ignore Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    url, rest = process.stderr.readline().split(" ", 1)
    assert rest == f"shows {folder}, press Ctrl-C to stop\n"
    port = int(url.rstrip("/").rpartition(":")[2])
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/state")
    response = connection.getresponse()
    assert (response.status, bool(response.read())) == (200, True)
    connection.close()
    taken = subprocess.run(
        [sys.executable, "-m", "archc", "serve", str(folder), "--port", str(port)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert taken.returncode == 2
    assert f"port {port} is taken; --port 0 takes a free one" in taken.stderr
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read().strip() == "archc: interrupted"
