"""What happened in a session, as it happens: inputs, verdicts, turns, and when each word was heard. Pure."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, replace
from itertools import takewhile

from voicebot.core.events import ConversationCleared, Input, SpeechEnded, SpeechStarted, TextTyped
from voicebot.core.history import History, Message, Role
from voicebot.core.kept import kept
from voicebot.core.reply_state import Reply
from voicebot.core.state import Phase, Ruling, State, Turn

MAX_EVENTS = 10_000
"""Of more the oldest are forgotten. So with `MAX_TURNS`."""
MAX_TURNS = 2_000

Happening = Input | Phase | Ruling


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
        self._spans: list[tuple[float, float]] = []
        """The same of those whose words are in no message yet."""
        self._reply = 0
        self._heard_s: list[float] = []
        """When each word of that reply counted as heard."""

    def happened(self, input: Input, before: State, after: State, at_s: float) -> None:
        """`input`, at `at_s` of the session's clock, led from one state to the other."""
        time_s = at_s - self.began_s
        self.state = after
        self._note(time_s, input)
        if after.phase is not before.phase:
            self._note(time_s, after.phase)
        for ruling in after.rulings:
            if ruling.number > before.last_ruling:
                self._note(time_s, ruling)
        if after.turns is not before.turns and after.turns:
            self.turns.append(after.turns[-1])
        self._follow_user(input, before, after, time_s)
        if after.history is not before.history:
            self._entries = self._of(after.history, before.reply)
            if after.history and not after.pending:
                self._spans.clear()
        self._follow_reply(after.reply, time_s)  # not before: a step may end one reply and begin another

    def copy(self) -> Journal:
        """As it is now, for another thread: the events would take too long on the one that plays the sound."""
        other = copy.copy(self)
        other.events, other.turns = self.events.copy(), self.turns.copy()
        other._spans, other._heard_s = list(self._spans), list(self._heard_s)
        return other

    def entries(self) -> tuple[Entry, ...]:
        """The conversation as it would be remembered if it broke off now."""
        return self._of(kept(self.state), self.state.reply)

    def _note(self, time_s: float, happening: Happening) -> None:
        self.forgotten += len(self.events) == self.events.maxlen
        self.events.append((time_s, happening))

    def _follow_user(self, input: Input, before: State, after: State, time_s: float) -> None:
        match input:
            case SpeechStarted(utterance=number):
                self._speaking[number] = (time_s, time_s)
            case TextTyped():
                self._spans.append((time_s, time_s))
            case SpeechEnded(utterance=number, silence_s=silence_s) if number in self._speaking:
                self._speaking[number] = (self._speaking[number][0], time_s - silence_s)
            case ConversationCleared():
                self._spans.clear()
        if after.utterances is not before.utterances:
            ended = {each.number for each in before.utterances} - {each.number for each in after.utterances}
            spans = [self._speaking.pop(number) for number in sorted(ended) if number in self._speaking]
            if len(after.pending) > len(before.pending) or after.history is not before.history:
                self._spans += spans

    def _follow_reply(self, reply: Reply | None, time_s: float) -> None:
        if reply is None:
            return
        if reply.number != self._reply:
            self._reply, self._heard_s = reply.number, []
        count = len(reply.heard.split())
        del self._heard_s[count:]
        self._heard_s += [time_s] * (count - len(self._heard_s))

    def _of(self, history: History, reply: Reply | None) -> tuple[Entry, ...]:
        """The messages, those that are known already with the times that are known of them."""
        pairs = zip(self._entries, history, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0].message == pair[1], pairs))
        entries = list(self._entries[:same])
        for place, message in enumerate(history[same:], same):
            if message.role is Role.ASSISTANT:
                entries.append(self._answer(message, reply))
            else:
                known = self._entries[place] if place < len(self._entries) else None
                entries.append(self._words(message, known))
        return tuple(entries)

    def _answer(self, message: Message, reply: Reply | None) -> Entry:
        heard_s = tuple(self._heard_s)
        if reply is None or len(heard_s) != len(message.text.split()):
            return Entry(message)
        return Entry(message, heard_s[0], heard_s[-1], heard_s, reply.unheard)

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
