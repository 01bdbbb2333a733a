"""Metrics of all sessions, and traces of their turns if a collector is configured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.observability.metrics import Metrics
from voicebot.settings.config import Settings

if TYPE_CHECKING:
    from voicebot.observability.traces import Traces, TurnTracer


class AppTelemetry:
    """The metrics and traces of one app. Several workers share their metrics in `metrics_folder`."""

    def __init__(self, settings: Settings, metrics_folder: Path | None = None) -> None:
        self.metrics = Metrics(metrics_folder)
        self._traces: Traces | None = None
        if settings.otel_exporter_otlp_endpoint is not None:
            from voicebot.observability.traces import Traces  # only here, because it loads all of OpenTelemetry

            self._traces = Traces(settings)

    def meter(self, transport: str, session: str) -> SessionMeter:
        """Returns the observer for a new session."""
        tracer = None if self._traces is None else self._traces.trace_session(transport, session)
        return SessionMeter(self.metrics, transport, tracer)

    async def close(self) -> None:
        if self._traces is not None:
            await self._traces.close()


class SessionMeter(Observer):
    """Counts the events of one session, and traces its turns."""

    def __init__(self, metrics: Metrics, transport: str, tracer: TurnTracer | None) -> None:
        self._metrics, self._transport, self._tracer = metrics, transport, tracer

    def began(self) -> None:
        self._metrics.count_session(self._transport)

    def stepped(self, step: SessionStep) -> None:
        self._metrics.count_facts(step.facts)
        if self._tracer is not None:
            self._tracer.stepped(step)

    def underran(self, frames: int) -> None:
        self._metrics.count_underruns(self._transport, frames)

    def ended(self) -> None:
        if self._tracer is not None:
            self._tracer.ended()
