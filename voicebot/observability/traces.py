"""Traces for operators: a span for each answered turn, for each of its steps, and for each call of a tool with effects.

They contain no words, and of a call neither its arguments nor its result.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from weakref import WeakSet

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE, ErrorTypeValues
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

import voicebot
from voicebot.dialogue.events import Stage
from voicebot.dialogue.facts import (
    ErrorRaised,
    ReplyBegun,
    ReplyFinished,
    ToolCallChanged,
    VerdictGiven,
    WrongStartRepaired,
)
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.state import State, Turn, VerdictRecord
from voicebot.dialogue.timings import STEPS, turn_view
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.observability.metrics import LABEL_OF_STEP
from voicebot.settings.config import Settings

TURN, PLAYBACK, VERDICT = "turn", "playback", "verdict"
CALL = "execute_tool"
"""The first word of a call's span, which the tool's name follows, from the semantic conventions for generative AI."""

HEARING = {step.name for step in STEPS if step.came in ("turn_ended_s", "transcript_s")}
CONVERSATION = "gen_ai.conversation.id"
"""The attribute for the name of the session, from the semantic conventions for generative AI."""

CLOSE_S = 1.5
"""How long the last spans may take to be sent when the app ends."""


class Traces:
    """Sends the traces of one app to the collector.

    OpenTelemetry's exporter works in a thread from a bounded queue, and retries and logs by itself. It reads its other
    variables (OTEL_BSP_…, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_CERTIFICATE, …) from the environment.
    """

    def __init__(self, settings: Settings) -> None:
        # Warnings about headers that it cannot parse would log the keys in them
        logging.getLogger("opentelemetry").setLevel(logging.ERROR)
        connection = requests.Session()
        connection.max_redirects = 0  # a redirect would carry the keys in the headers to another host
        exporter = OTLPSpanExporter(
            f"{settings.otel_exporter_otlp_endpoint}/v1/traces", headers=settings.otlp_headers, session=connection
        )
        resource = Resource.create(
            {"service.name": settings.otel_service_name, "service.version": voicebot.__version__}
        )
        # With a global provider, libraries would add spans of their own, with addresses and texts
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("voicebot", voicebot.__version__)
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        """The wall-clock time at which the monotonic clock was zero."""
        self._sessions: WeakSet[TurnTracer] = WeakSet()

    def trace_session(self, transport: str, session: str) -> TurnTracer:
        """Returns the tracer for a new session. `session` is its name, which the client knows too."""
        tracer = TurnTracer(self._tracer, self._epoch_ns, transport, session)
        self._sessions.add(tracer)
        return tracer

    async def close(self) -> None:
        """Ends the turns of all sessions, and sends the remaining spans within `CLOSE_S`."""
        for tracer in list(self._sessions):
            tracer.ended()
        closing = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_S)


@dataclass(slots=True)
class _TracedCall:
    """A call that has no span yet."""

    record: CallRecord
    began_s: float
    ended_s: float | None = None
    turn: Context | None = None
    """The turn in which the call began, once that has its span."""


class TurnTracer:
    """Traces the turns of one session.

    The spans of a turn are created when its reply has ended, from the times that the dialogue machine recorded. There
    are none for replies that answer no turn, or for preemptive replies that were discarded before the turn ended. The
    span of a call, which may outlast its turn, is created when both have ended.
    """

    def __init__(self, tracer: Tracer, epoch_ns: int, transport: str, session: str) -> None:
        self._tracer, self._epoch_ns = tracer, epoch_ns
        self._session = {"voicebot.transport": transport, CONVERSATION: session}
        self._state = State()
        self._turn: Turn | None = None
        """The turn that the present reply answers. It survives a cleared conversation."""
        self._verdicts: list[tuple[VerdictRecord, float]] = []
        """The verdicts on speech over the present reply, with their times."""
        self._calls: dict[str, _TracedCall] = {}
        self._failed = self._wrong_start = False

    def stepped(self, step: SessionStep) -> None:
        for fact in step.facts:
            match fact:
                case VerdictGiven(record):
                    self._verdicts.append((record, step.at_s))
                case ToolCallChanged(record) if not record.reported:
                    self._follow_call(record, step.at_s)
                case ErrorRaised():
                    self._failed = True
                case WrongStartRepaired():
                    self._wrong_start = True
                case ReplyFinished(cancelled=cancelled, committed=True, started=started):
                    outcome = "interrupted" if cancelled else "completed"
                    self._end_turn("taken_back" if self._wrong_start else outcome, step.at_s, heard=started)
                case ReplyBegun():
                    self._turn, self._verdicts, self._failed, self._wrong_start = None, [], False, False
        self._state = step.state
        if step.state.reply is not None:
            self._turn = step.state.turn or self._turn

    def ended(self) -> None:
        """Ends the turn that is being answered, because the session has ended."""
        reply = self._state.reply
        if reply is not None and not reply.preemptive:
            self._end_turn("session_ended", time.monotonic(), heard=reply.started)
        self._turn = None
        for call in self._calls.values():
            self._add_call(call, time.monotonic())
        self._calls.clear()

    def _follow_call(self, record: CallRecord, at_s: float) -> None:
        """Notes the begin or the end of a call. One that began before the session, or never, has no span."""
        if record.status is CallStatus.RUNNING:
            self._calls[record.id] = _TracedCall(record, at_s)
        elif (call := self._calls.get(record.id)) is not None:
            call.record, call.ended_s = record, at_s
            if call.turn is not None:
                self._add_call(self._calls.pop(record.id), at_s)

    def _end_turn(self, outcome: str, at_s: float, *, heard: bool) -> None:
        """Creates the spans of the turn whose reply has ended."""
        turn = self._turn
        if turn is None:
            return
        attributes: dict[str, AttributeValue] = {
            **self._session,
            "voicebot.turn.input": "typed" if turn.typed else "spoken",
            "voicebot.turn.outcome": outcome,
            "voicebot.turn.heard": heard,
        }
        for served in self._state.engines_in_use:
            if not (turn.typed and served.stage is Stage.STT):
                attributes[f"voicebot.engine.{served.stage.value}"] = served.engine
        if turn.response_gap_s is not None:
            attributes["voicebot.turn.response_gap"] = turn.response_gap_s
        span = self._tracer.start_span(
            TURN, Context(), attributes=attributes, start_time=self._wall_ns(turn.speech_ended_s)
        )
        self._add_steps(span, turn, at_s)
        for record, given_s in self._verdicts:
            self._add_verdict(span, record, given_s)
        self._add_calls(set_span_in_context(span, Context()))
        if self._failed:
            span.set_attribute(ERROR_TYPE, ErrorTypeValues.OTHER.value)
            span.set_status(StatusCode.ERROR)
        span.end(self._wall_ns(at_s))

    def _add_steps(self, parent: Span, turn: Turn, at_s: float) -> None:
        within = set_span_in_context(parent, Context())
        for step in turn_view(turn):
            if not (turn.typed and step["name"] in HEARING):
                began_s, came_s = (turn.speech_ended_s + step[edge] / 1000 for edge in ("from_ms", "to_ms"))
                self._add_span(LABEL_OF_STEP[step["name"]], within, began_s, came_s)
        if turn.frame_s is not None:
            self._add_span(PLAYBACK, within, turn.frame_s, at_s)

    def _add_span(self, name: str, within: Context, from_s: float, to_s: float) -> None:
        self._tracer.start_span(name, within, start_time=self._wall_ns(from_s)).end(self._wall_ns(to_s))

    def _add_calls(self, turn: Context) -> None:
        """Creates the spans of the calls that have begun in a turn and ended. Those that go on remember the turn."""
        for id, call in list(self._calls.items()):
            if call.turn is None:
                call.turn = turn
                if call.ended_s is not None:
                    self._add_call(self._calls.pop(id), call.ended_s)

    def _add_call(self, call: _TracedCall, at_s: float) -> None:
        """Creates the span of a call. If the session ended before it, the span ends with the session."""
        record = call.record
        attributes: dict[str, AttributeValue] = {
            **self._session,
            "gen_ai.operation.name": CALL,
            "gen_ai.tool.name": record.tool,
            "gen_ai.tool.call.id": record.id,
            "voicebot.call.status": record.status.value,
        }
        span = self._tracer.start_span(
            f"{CALL} {record.tool}",
            call.turn or Context(),
            attributes=attributes,
            start_time=self._wall_ns(call.began_s),
        )
        if record.status in (CallStatus.FAILED, CallStatus.UNKNOWN):
            span.set_attribute(ERROR_TYPE, record.status.value)
            span.set_status(StatusCode.ERROR)
        span.end(self._wall_ns(at_s if call.ended_s is None else call.ended_s))

    def _add_verdict(self, span: Span, record: VerdictRecord, at_s: float) -> None:
        attributes: dict[str, AttributeValue] = {
            "voicebot.verdict.decision": record.verdict.decision.value,
            "voicebot.verdict.rule": record.verdict.rule,
            "voicebot.verdict.wait": record.took_s,
        }
        span.add_event(VERDICT, attributes, self._wall_ns(at_s))

    def _wall_ns(self, at_s: float) -> int:
        """Converts a time of the session's clock to nanoseconds since 1970."""
        return self._epoch_ns + round(at_s * 1e9)
