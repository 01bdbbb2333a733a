"""A collector of traces: OTLP over HTTP on a local port, parsed as a real collector parses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ENVIRONMENT = {"otel_bsp_schedule_delay": 50}
"""The SDK sends spans after 50 ms; its default is 5 s."""


class Collector:
    """Records the requests it gets, and answers each with `status` and `body` after `delay_s`."""

    def __init__(self) -> None:
        self.url = ""
        self.status, self.body, self.delay_s = 200, b"", 0.0
        self.location: str | None = None
        self.requests = 0
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.raw = b""
        self.spans: list[Span] = []
        self.resources: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self.going = threading.Event()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._changed:
            self.requests += 1
            self.paths.append(path)
            self.headers.append(headers)
            if self.status == 200:
                self.raw += body
                for each in request.resource_spans:
                    self.resources.append(values(each.resource.attributes))
                    self.spans += [span for scope in each.scope_spans for span in scope.spans]
            self._changed.notify_all()

    def turns(self, count: int = 1, timeout_s: float = 15) -> list[Span]:
        """Returns the root spans of `count` turns, once they have arrived. Blocks."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._named("turn")) >= count, timeout_s), self.spans
            return self._named("turn")

    def asked(self, count: int, timeout_s: float = 15) -> None:
        """Waits until `count` requests have arrived. Blocks."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, timeout_s), self.requests

    def _named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def steps(self, turn: Span) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.parent_span_id == turn.span_id}


def values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes if isinstance(each, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            collector.going.wait(collector.delay_s)
            self.send_response(collector.status)
            self.send_header("Content-Length", str(len(collector.body)))
            if collector.location is not None:
                self.send_header("Location", collector.location)
            self.end_headers()
            self.wfile.write(collector.body)

        def log_message(self, *_: Any) -> None: ...

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        serve = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serve.start()
        try:
            yield collector
        finally:
            collector.going.set()
            server.shutdown()
            serve.join()
