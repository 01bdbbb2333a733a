"""Collects the messages of a session with their times, and the facts that explain them. It has no side effects."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, replace
from itertools import takewhile

from voicebot.dialogue.events import ConversationCleared, Input, SpeechEnded, SpeechStarted, TextTyped
from voicebot.dialogue.facts import (
    Fact,
    HistoryChanged,
    ReplyFinished,
    ReplyTextAdded,
    ToolCallChanged,
    TranscriptCompleted,
    WordsAccepted,
)
from voicebot.dialogue.history import History, Message, Role, merged
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus

MAX_FACTS = 10_000
"""When there are more facts, the oldest are dropped."""

Period = tuple[float, float]
"""Begin and end in seconds since the recording began."""


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """A message of the history. `period` is None if the message is older than the recording, or its time is unknown."""

    message: Message
    period: Period | None = None
    unheard: str = ""
    """The words of an answer that were not played."""


@dataclass(frozen=True, slots=True)
class TimedCall:
    """The call of a tool, with the times at which it began and ended, if that was during the recording.

    A call that the user did not confirm never began; it ended when that was clear.
    """

    record: CallRecord
    began_s: float | None = None
    ended_s: float | None = None


class SessionLog:
    """Collects the messages, calls and facts of one session.

    `began_s` is the session's time at which the recording began.
    """

    def __init__(self, state: State, began_s: float) -> None:
        self.began_s = began_s
        self.state = state
        self.facts: deque[tuple[float, Fact]] = deque(maxlen=MAX_FACTS)
        """The facts with their times, oldest first."""
        self.dropped = 0
        """The number of facts that are no longer in `facts`."""
        self._messages = tuple(TimedMessage(message) for message in state.history)
        self._calls = {call.id: TimedCall(call) for call in state.calls}
        """The calls by their identifiers. It is replaced and never changed, because copies of the log share it."""
        self._utterances: dict[int, Period] = {}
        """The periods of the utterances whose final words are not known yet."""
        self._transcribed: Period | None = None
        """The period of the utterance whose final words came last."""
        self._unassigned: tuple[Period, ...] = ()
        """The periods of the user's words that are in no message yet."""
        self._reply = 0
        self._heard = ""
        """The words of the reply `_reply` that were heard so far."""
        self._heard_in: Period | None = None
        self._unheard = ""
        """The words of the last finished reply that were not played."""

    def add_step(self, step: SessionStep) -> None:
        time_s, self.state = step.at_s - self.began_s, step.state
        self._follow_user(step.input, time_s)
        for fact in step.facts:
            self._add_fact(fact, time_s)
        self._follow_reply(step.state.reply, time_s)  # last, because one step can end a reply and begin the next

    def copy(self) -> SessionLog:
        """Returns a copy for another thread. Making the documents takes too long on the event loop."""
        other = copy.copy(self)
        other.facts = self.facts.copy()
        return other

    def messages(self) -> tuple[TimedMessage, ...]:
        """Returns the messages that would be remembered if the session ended now."""
        return self._timed(history_snapshot(self.state), "" if self.state.reply is None else self.state.reply.unheard)

    def calls(self) -> tuple[TimedCall, ...]:
        """Returns the calls that would be remembered if the session ended now, the oldest first."""
        return tuple(replace(self._calls.get(call.id, TimedCall(call)), record=call) for call in self.state.calls)

    def _follow_call(self, call: CallRecord, time_s: float) -> None:
        """Notes when a call has begun or ended."""
        before, runs = self._calls.get(call.id), call.status is CallStatus.RUNNING
        if before is None or (runs and before.record.ended):
            timed = TimedCall(call, time_s if runs else None, None if runs else time_s)
        elif before.record.status is CallStatus.RUNNING and not runs:
            timed = replace(before, record=call, ended_s=time_s)
        else:
            return
        self._calls = {**self._calls, call.id: timed}

    def _add_fact(self, fact: Fact, time_s: float) -> None:
        match fact:
            case ReplyTextAdded():  # `ReplyTextCompleted` has the whole text
                return
            case TranscriptCompleted(utterance):
                self._transcribed = self._utterances.pop(utterance, None)
            case WordsAccepted(int()) if self._transcribed is not None:
                self._unassigned += (self._transcribed,)
            case ReplyFinished(unheard=unheard):
                self._unheard = unheard
            case ToolCallChanged(record):
                self._follow_call(record, time_s)
            case HistoryChanged():
                self._messages = self._timed(self.state.history, self._unheard)
                if self.state.history and not self.state.pending:
                    self._unassigned = ()
                return
            case _:
                pass
        self.dropped += len(self.facts) == self.facts.maxlen
        self.facts.append((time_s, fact))

    def _follow_user(self, input: Input, time_s: float) -> None:
        match input:
            case SpeechStarted(utterance=number):
                self._utterances[number] = (time_s, time_s)
            case SpeechEnded(utterance=number, silence_s=silence_s) if number in self._utterances:
                self._utterances[number] = (self._utterances[number][0], time_s - silence_s)
            case TextTyped():
                self._unassigned += ((time_s, time_s),)
            case ConversationCleared():
                self._unassigned = ()
            case _:
                pass

    def _follow_reply(self, reply: Reply | None, time_s: float) -> None:
        if reply is None:
            return
        if reply.number != self._reply:
            self._reply, self._heard, self._heard_in = reply.number, "", None
        if len(reply.heard) > len(self._heard):
            self._heard_in = (time_s if self._heard_in is None else self._heard_in[0], time_s)
        self._heard = reply.heard

    def _timed(self, history: History, unheard: str) -> tuple[TimedMessage, ...]:
        """Returns the messages with their times. `unheard` belongs to the last reply."""
        pairs = zip(self._messages, history, strict=False)
        known = [timed for timed, _ in takewhile(lambda pair: pair[0].message == pair[1], pairs)]
        for place, message in enumerate(history[len(known) :], len(known)):
            if message.role is Role.USER:
                before = self._messages[place] if place < len(self._messages) else None
                known.append(TimedMessage(message, self._period_of_user(before)))
            elif message.text == merged([self._heard]):
                known.append(TimedMessage(message, self._heard_in, unheard))
            else:
                known.append(TimedMessage(message))
        return tuple(known)

    def _period_of_user(self, before: TimedMessage | None) -> Period | None:
        """Returns the period of the words that are in no message yet.

        If they were appended to the user's message `before`, the period includes that message.
        """
        periods = self._unassigned
        if before is not None and before.message.role is Role.USER and before.period is not None:
            periods += (before.period,)
        if not periods:
            return None
        return min(began_s for began_s, _ in periods), max(ended_s for _, ended_s in periods)
