"""The way of traces to a collector: OpenTelemetry's OTLP over HTTP, in a thread of its own.

Loaded only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set. The SDK's other variables (OTEL_BSP_…, OTEL_TRACES_SAMPLER,
OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_CERTIFICATE, …) are read by the SDK itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import voicebot
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

CLOSE_S = 1.5
"""At the end a collector gets so long to take what is left."""


class _Line(requests.Session):
    """The connection to the collector. `outcome` is what came of the last request, in words without secrets.

    It follows no redirects: keys in headers must not travel to other hosts.
    """

    outcome = "nothing was sent"

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = 0

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        try:
            response = super().request(*arguments, **options)
        except requests.RequestException as error:
            self.outcome = type(error).__name__
            raise
        self.outcome = f"HTTP {response.status_code}"
        return response


class Delivery(SpanExporter):
    """Gives spans to the collector. Those it does not take are dropped, and the log has one line an outage."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        self._line = _Line()
        self._exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", headers=headers, session=self._line)
        self._host = urlsplit(endpoint).hostname
        self._out = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        out = result is not SpanExportResult.SUCCESS
        if out and not self._out:
            logger.warning("traces are lost: %s does not take them (%s)", self._host, self._line.outcome)
        elif self._out and not out:
            logger.info("%s takes traces again", self._host)
        self._out = out
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class Pipeline:
    """Spans wait in a bounded queue for their thread; when it is full the oldest are dropped."""

    def __init__(self, settings: Settings) -> None:
        assert settings.otel_exporter_otlp_endpoint is not None
        # It would log each failure, and headers that it can't read
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        resource = Resource.create(
            {"service.name": settings.otel_service_name, "service.version": voicebot.__version__}
        )
        # Not the global one: libraries that find that make spans of their own, with addresses and texts
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        delivery = Delivery(settings.otel_exporter_otlp_endpoint, settings.otlp_headers)
        self.provider.add_span_processor(BatchSpanProcessor(delivery))

    async def close(self) -> None:
        """Deliver what is left, if that takes no longer than `CLOSE_S`."""
        closing = threading.Thread(target=self.provider.shutdown, name="last traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_S)
