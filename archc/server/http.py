"""The web server: bound to the loopback interface, and asked by its own pages alone."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs, urlsplit

from archc.diagnostics import visible
from archc.server.folder import Folder
from archc.server.pages import Answer, answer

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds that an idle connection is kept."""
MOST_FIELDS = 3
"""Fields of a query."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingMixIn, TCPServer):
    """Serves a folder of specs at a port of the loopback interface; 0 is any free one. Raises
    OSError where the port is taken."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Folder, port: int) -> None:
        self.folder = folder
        super().__init__((HOST, port), _Handler)
        port = self.server_address[1]
        self.url = f"http://{HOST}:{port}/"
        # A page of another site may have its name resolve to this address; then the browser says
        # that name here.
        self.hosts = {f"{HOST}:{port}", f"localhost:{port}"}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is left breaks its connection off, which is no fault of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "archc"
    sys_version = ""
    timeout = PATIENCE
    server: Server

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_HEAD(self) -> None:
        self._send(self._answer())

    def _answer(self) -> Answer:
        if self.headers.get("Host") not in self.server.hosts:
            return _refused(HTTPStatus.FORBIDDEN, f"only for {self.server.url}")
        try:
            url = urlsplit(self.path)
            query = parse_qs(url.query, max_num_fields=MOST_FIELDS)
        except ValueError:
            return _refused(HTTPStatus.BAD_REQUEST, "not an address")
        try:
            return answer(self.server.folder, url.path, query)
        except Exception as error:  # the server outlives what goes wrong with one page
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"internal error: {what[:300]}")

    def _send(self, answer: Answer) -> None:
        body = answer.text.encode("utf-8", "replace")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: the pages ask twice a second."""


def _refused(status: HTTPStatus, message: str) -> Answer:
    return Answer(f"{visible(message)}\n", "text/plain; charset=utf-8", status)
