"""A minimal client of the language server protocol on standard streams."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

PATIENCE = 60
"""Timeout for a response of the server, in seconds."""

SETTINGS = {
    "yaml": {
        "validate": True,
        "hover": True,
        "completion": True,
        # Only the schema that a spec names itself; no network.
        "schemaStore": {"enable": False},
        "kubernetesCRDStore": {"enable": False},
    }
}
CAPABILITIES = {
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
    "textDocument": {
        "publishDiagnostics": {},
        "hover": {"contentFormat": ["markdown"]},
        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
    },
}


class Editor:
    """An editor connected to the server."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.arrived: queue.Queue[dict[str, Any]] = queue.Queue()
        self.asked = 0
        threading.Thread(target=self._listen, daemon=True).start()
        root = {"uri": folder.as_uri(), "name": folder.name}
        self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "workspaceFolders": [root],
                "capabilities": CAPABILITIES,
            },
        )
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": SETTINGS}})

    def open(self, path: Path, text: str | None = None) -> list[dict[str, Any]]:
        """Open a file, optionally with a different text. Returns its diagnostics."""
        if text is None:
            text = path.read_text(encoding="utf-8")
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        while True:
            message = self._next()
            if message.get("method") != "textDocument/publishDiagnostics":
                continue
            if message["params"]["uri"] == path.as_uri():
                result: list[dict[str, Any]] = message["params"]["diagnostics"]
                return result

    def completions(self, path: Path, line: int, character: int) -> dict[str, dict[str, Any]]:
        """The completions at a position (counted from 0), by label."""
        result = self.ask("textDocument/completion", _at(path, line, character))
        return {item["label"]: item for item in result["items"]}

    def hover(self, path: Path, line: int, character: int) -> str:
        """The hover text at a position (counted from 0)."""
        result = self.ask("textDocument/hover", _at(path, line, character))
        text: str = result["contents"]["value"]
        return text

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request."""
        self.asked += 1
        number = self.asked
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def quit(self) -> None:
        self.ask("shutdown", {})
        self._send({"method": "exit"})
        self.process.wait(PATIENCE)

    def _next(self) -> dict[str, Any]:
        """The next message; requests of the server are answered."""
        message = self.arrived.get(timeout=PATIENCE)
        if "method" in message and "id" in message:
            result: object = None
            if message["method"] == "workspace/configuration":
                result = [SETTINGS.get(item["section"]) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": result})
        return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _listen(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            size = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self.arrived.put(json.loads(stream.read(size)))


def _at(path: Path, line: int, character: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": path.as_uri()},
        "position": {"line": line, "character": character},
    }
