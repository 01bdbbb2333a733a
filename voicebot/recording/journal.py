"""What happened in a session, as it happens: inputs, verdicts, turns, and when each word was heard. Pure."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, replace
from itertools import takewhile

from voicebot.dialogue.events import ConversationCleared, Input, SpeechEnded, SpeechStarted, TextTyped
from voicebot.dialogue.facts import (
    HistoryChanged,
    PhaseChanged,
    ReplyFinished,
    TranscriptCompleted,
    TurnAnswered,
    VerdictGiven,
    WordsAccepted,
)
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.observer import SessionStep
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import Phase, State, Turn, VerdictRecord

MAX_EVENTS = 10_000
"""Of more the oldest are forgotten. So with `MAX_TURNS`."""
MAX_TURNS = 2_000

Happening = Input | Phase | VerdictRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the history, and when it was said. `heard_s`: when each word of the bot's counted as heard.

    Times are in seconds of the recording; those of a message from before it are not known.
    """

    message: Message
    began_s: float | None = None
    ended_s: float | None = None
    heard_s: tuple[float, ...] = ()
    unheard: str = ""


class Journal:
    """Of one session, whose clock stood at `began_s` when the recording began."""

    def __init__(self, state: State, began_s: float) -> None:
        self.began_s = began_s
        self.state = state
        self.events: deque[tuple[float, Happening]] = deque(maxlen=MAX_EVENTS)
        self.forgotten = 0
        """Events that are no longer there."""
        self.turns: deque[Turn] = deque(maxlen=MAX_TURNS)
        self._entries = tuple(Entry(message) for message in state.history)
        self._speaking: dict[int, tuple[float, float]] = {}
        """From when to when the utterances lasted whose words are not known yet."""
        self._completed: tuple[float, float] | None = None
        """The same of the last one whose words became known."""
        self._spans: list[tuple[float, float]] = []
        """The same of those whose words are in no message yet."""
        self._reply = 0
        self._heard_s: list[float] = []
        """When each word of that reply counted as heard."""
        self._unheard = ""
        """The words of the last finished reply that were not heard."""

    def stepped(self, step: SessionStep) -> None:
        time_s, self.state = step.at_s - self.began_s, step.state
        self._note(time_s, step.input)
        self._follow_user(step.input, time_s)
        for fact in step.facts:
            match fact:
                case VerdictGiven(record):
                    self._note(time_s, record)
                case PhaseChanged(phase):
                    self._note(time_s, phase)
                case TurnAnswered(turn=turn):
                    self.turns.append(turn)
                case TranscriptCompleted(utterance):
                    self._completed = self._speaking.pop(utterance, None)
                case WordsAccepted(int()) if self._completed is not None:
                    self._spans.append(self._completed)
                case ReplyFinished(unheard=unheard):
                    self._unheard = unheard
                case HistoryChanged():
                    self._entries = self._of(step.state.history, self._unheard)
                    if step.state.history and not step.state.pending:
                        self._spans.clear()
        self._follow_reply(step.state.reply, time_s)  # not before: a step may end one reply and begin another

    def copy(self) -> Journal:
        """As it is now, for another thread: the events would take too long on the one that plays the sound."""
        other = copy.copy(self)
        other.events, other.turns = self.events.copy(), self.turns.copy()
        other._spans, other._heard_s = list(self._spans), list(self._heard_s)
        return other

    def entries(self) -> tuple[Entry, ...]:
        """The conversation as it would be remembered if it broke off now."""
        return self._of(history_snapshot(self.state), "" if self.state.reply is None else self.state.reply.unheard)

    def _note(self, time_s: float, happening: Happening) -> None:
        self.forgotten += len(self.events) == self.events.maxlen
        self.events.append((time_s, happening))

    def _follow_user(self, input: Input, time_s: float) -> None:
        match input:
            case SpeechStarted(utterance=number):
                self._speaking[number] = (time_s, time_s)
            case TextTyped():
                self._spans.append((time_s, time_s))
            case SpeechEnded(utterance=number, silence_s=silence_s) if number in self._speaking:
                self._speaking[number] = (self._speaking[number][0], time_s - silence_s)
            case ConversationCleared():
                self._spans.clear()

    def _follow_reply(self, reply: Reply | None, time_s: float) -> None:
        if reply is None:
            return
        if reply.number != self._reply:
            self._reply, self._heard_s = reply.number, []
        count = len(reply.heard.split())
        del self._heard_s[count:]
        self._heard_s += [time_s] * (count - len(self._heard_s))

    def _of(self, history: History, unheard: str) -> tuple[Entry, ...]:
        """The messages, those that are known already with the times that are known of them."""
        pairs = zip(self._entries, history, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0].message == pair[1], pairs))
        entries = list(self._entries[:same])
        for place, message in enumerate(history[same:], same):
            if message.role is Role.ASSISTANT:
                entries.append(self._answer(message, unheard))
            else:
                known = self._entries[place] if place < len(self._entries) else None
                entries.append(self._words(message, known))
        return tuple(entries)

    def _answer(self, message: Message, unheard: str) -> Entry:
        """A message of the bot's that is new; `unheard` are the words of its reply that were not heard."""
        heard_s = tuple(self._heard_s)
        if len(heard_s) != len(message.text.split()):
            return Entry(message)
        return Entry(message, heard_s[0], heard_s[-1], heard_s, unheard)

    def _words(self, message: Message, known: Entry | None) -> Entry:
        """A message of the user's; `known` is the one in its place before, of which it may be a longer version."""
        grown = known is not None and message.text.startswith(known.message.text)
        entry = replace(known, message=message) if known is not None and grown else Entry(message)
        if not self._spans:
            return entry
        began_s = min(began_s for began_s, _ in self._spans)
        return replace(
            entry,
            began_s=began_s if entry.began_s is None else entry.began_s,
            ended_s=max(ended_s for _, ended_s in self._spans),
        )
