"""Traces for operators: each answered turn as a span, with a span for each step; never what is said."""

from __future__ import annotations

import time
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE, ErrorTypeValues
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

import voicebot
from voicebot.dialogue.events import Stage
from voicebot.dialogue.facts import ErrorRaised, ReplyBegun, ReplyFinished, VerdictGiven
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.state import State, Turn, VerdictRecord
from voicebot.dialogue.timings import STEPS, turn_view
from voicebot.observability.otlp import Pipeline
from voicebot.settings.config import Settings

TURN, PLAYBACK, VERDICT = "turn", "playback", "verdict"
HEARING = {step.name for step in STEPS if step.came in ("turn_ended_s", "transcript_s")}
CONVERSATION = "gen_ai.conversation.id"
"""The one of the semantic conventions for generative AI that fits a whole turn: the session, as its client knows it."""


class Traces:
    """One an app: the way to the collector, and the wall clock's time at zero of the monotonic one."""

    def __init__(self, settings: Settings) -> None:
        self._pipeline = Pipeline(settings)
        self._tracer = self._pipeline.provider.get_tracer("voicebot", voicebot.__version__)
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        self._sessions: WeakSet[TurnTracer] = WeakSet()

    def of_session(self, transport: str, session: str) -> TurnTracer:
        tracer = TurnTracer(self._tracer, self._epoch_ns, transport, session)
        self._sessions.add(tracer)
        return tracer

    async def close(self) -> None:
        """What is being answered now is over; all is delivered, if that takes no longer than `otlp.CLOSE_S`."""
        for tracer in list(self._sessions):
            tracer.ended()
        await self._pipeline.close()


class TurnTracer:
    """One session's. A turn's spans are made when its reply has ended, from the times that the machine noted.

    Replies that answer nobody, and preemptive ones that were given up before the turn was theirs, leave none.
    """

    def __init__(self, tracer: Tracer, epoch_ns: int, transport: str, session: str) -> None:
        self._tracer, self._epoch_ns = tracer, epoch_ns
        self._session = {"voicebot.door": transport, CONVERSATION: session}
        self._state = State()
        self._turn: Turn | None = None
        """Of the reply that is being made or played; kept when the conversation is cleared over it."""
        self._verdicts: list[tuple[VerdictRecord, float]] = []
        self._failed = False

    def stepped(self, step: SessionStep) -> None:
        for fact in step.facts:
            match fact:
                case VerdictGiven(record):
                    self._verdicts.append((record, step.at_s))
                case ErrorRaised():
                    self._failed = True
                case ReplyFinished(cancelled=cancelled, committed=True, started=started):
                    self._trace("interrupted" if cancelled else "completed", step.at_s, heard=started)
                case ReplyBegun():
                    self._turn, self._verdicts, self._failed = None, [], False
        self._state = step.state
        if step.state.reply is not None:
            self._turn = step.state.turn or self._turn

    def ended(self) -> None:
        """The session has: what is being answered stays as it is."""
        reply = self._state.reply
        if reply is not None and not reply.preemptive:
            self._trace("session_ended", time.monotonic(), heard=reply.started)
        self._turn = None

    def _trace(self, outcome: str, at_s: float, *, heard: bool) -> None:
        """The turn whose reply is over; none for a reply that answers nobody."""
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
        self._trace_steps(span, turn, at_s)
        for record, ruled_s in self._verdicts:
            self._add_verdict(span, record, ruled_s)
        if self._failed:
            span.set_attribute(ERROR_TYPE, ErrorTypeValues.OTHER.value)
            span.set_status(StatusCode.ERROR)
        span.end(self._wall_ns(at_s))

    def _trace_steps(self, parent: Span, turn: Turn, at_s: float) -> None:
        within = set_span_in_context(parent, Context())
        for step in turn_view(turn):
            if not (turn.typed and step["name"] in HEARING):
                began_s, came_s = (turn.speech_ended_s + step[edge] / 1000 for edge in ("from_ms", "to_ms"))
                self._span(step["name"], within, began_s, came_s)
        if turn.frame_s is not None:
            self._span(PLAYBACK, within, turn.frame_s, at_s)

    def _span(self, name: str, within: Context, from_s: float, to_s: float) -> None:
        self._tracer.start_span(name, within, start_time=self._wall_ns(from_s)).end(self._wall_ns(to_s))

    def _add_verdict(self, span: Span, record: VerdictRecord, at_s: float) -> None:
        attributes: dict[str, AttributeValue] = {
            "voicebot.verdict.decision": record.verdict.decision.value,
            "voicebot.verdict.rule": record.verdict.rule,
            "voicebot.verdict.wait": record.took_s,
        }
        span.add_event(VERDICT, attributes, self._wall_ns(at_s))

    def _wall_ns(self, at_s: float) -> int:
        """Nanoseconds since 1970 of a time of the session's clock."""
        return self._epoch_ns + round(at_s * 1e9)
