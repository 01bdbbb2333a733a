"""Simulates the parts of the Hugging Face Hub with which the command `hf` creates a Space and uploads a folder into it.

Source: huggingface_hub's hf_api.py and _commit_api.py. The server runs in a thread, because the test waits for the
command.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

COMMIT = "c0ffee" + "0" * 34


class Hub(ThreadingHTTPServer):
    """The Hub. `created` has the bodies of requests that create a repo; `files` maps the Space's paths to contents."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {".gitattributes": b""}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[Hub]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="Hub")
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        space = f"{wanted['organization']}/{wanted['name']}"
        body = {"url": f"{self.url}/spaces/{space}", "name": space}
        if self.created:
            return 409, body | {"error": "You already created this space repo"}
        self.created.append(wanted)
        return 200, body

    def list_files(self) -> Any:
        return [{"type": "file", "path": path, "oid": COMMIT, "size": 1} for path in self.files]

    def commit(self, space: str, lines: list[Any]) -> Any:
        for line in lines:
            match line:
                case {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}:
                    self.files[path] = base64.b64decode(content)
                case {"key": "deletedFile", "value": {"path": path}}:
                    del self.files[path]
                case {"key": "header"}:
                    pass
                case _:
                    raise ValueError(f"unknown line of a commit: {line}")
        return {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.url}/spaces/{space}/commit/{COMMIT}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = cast(Hub, self.server)
        if re.fullmatch(r"/api/spaces/[^/]+/[^/]+/tree/main", self.path.split("?")[0]):
            self._answer(200, hub.list_files())
        else:
            self._answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        hub = cast(Hub, self.server)
        body = self.rfile.read(int(self.headers["content-length"]))
        lines = [json.loads(line) for line in body.splitlines()]
        match self.path.split("?")[0].removeprefix("/api/").split("/"):
            case ["repos", "create"]:
                self._answer(*hub.create(lines[0]))
            case ["validate-yaml"]:
                self._answer(200, {"errors": [], "warnings": []})
            case ["spaces", _, _, "preupload", "main"]:
                uploads = [{"path": file["path"], "uploadMode": "regular"} for file in lines[0]["files"]]
                self._answer(200, {"files": [file | {"shouldIgnore": False, "oid": None} for file in uploads]})
            case ["spaces", owner, name, "commit", "main"]:
                self._answer(200, hub.commit(f"{owner}/{name}", lines))
            case _:
                self._answer(404, {"error": "not found"})

    def _answer(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Suppresses the log, since the tests look at the content of the Hub."""
