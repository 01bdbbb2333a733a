"""What operators are told: figures of all sessions, and traces of their turns where a collector takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.observability.metrics import Metrics
from voicebot.settings.config import Settings

if TYPE_CHECKING:
    from voicebot.observability.traces import Traces, TurnTracer


class Telemetry:
    """One an app. `meter` is asked for each session's own."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self._traces: Traces | None = None
        if settings.otel_exporter_otlp_endpoint is not None:
            from voicebot.observability.traces import Traces  # only here, as it brings the whole of OpenTelemetry

            self._traces = Traces(settings)

    def meter(self, transport: str, session: str) -> SessionMeter:
        tracer = None if self._traces is None else self._traces.of_session(transport, session)
        return SessionMeter(self.metrics, transport, tracer)

    async def close(self) -> None:
        if self._traces is not None:
            await self._traces.close()


class SessionMeter(Observer):
    """One session's."""

    def __init__(self, metrics: Metrics, transport: str, tracer: TurnTracer | None) -> None:
        self._metrics, self._door, self._tracer = metrics, transport, tracer

    def began(self) -> None:
        self._metrics.count_session(self._door)

    def stepped(self, step: SessionStep) -> None:
        self._metrics.count(step.facts)
        if self._tracer is not None:
            self._tracer.stepped(step)

    def underran(self, frames: int) -> None:
        self._metrics.count_underruns(self._door, frames)

    def ended(self) -> None:
        if self._tracer is not None:
            self._tracer.ended()
