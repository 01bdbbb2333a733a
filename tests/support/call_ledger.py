"""Checks, step by step, what the machine does with the calls of tools, by what was really asked, said and heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from voicebot.dialogue.events import (
    CancelReply,
    Command,
    ConfirmationAsked,
    ConversationCleared,
    HandoverChanged,
    Input,
    InterruptPressed,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ReplyRefused,
    SentencePlayed,
    SentenceReady,
    SpeechStarted,
    StartReply,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
    ToolCallBegun,
    ToolCallEnded,
)
from voicebot.dialogue.facts import (
    ConfirmationPending,
    Fact,
    ReplyCommitted,
    ReplyFinished,
    ToolCallChanged,
    ToolCallConfirmed,
    TranscriptCompleted,
    WordsAccepted,
)
from voicebot.dialogue.history import History, Role
from voicebot.dialogue.state import State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest

YES_WORDS = frozenset({"yes", "yes.", "please", "okay"})
"""The words of which the tests make a clear yes, with "yes" among them. All other texts of the tests are unclear."""


@dataclass
class _ReplyCourse:
    """What has happened to one reply."""

    start: StartReply
    committed: bool = False
    cancelled: bool = False
    refused: bool = False
    forgotten: bool = False
    started: bool = False
    text_ended: bool = False
    text_failed: bool = False
    finished: bool = False
    sentences: list[str] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    """For each sentence that was played, whether it was played as a whole."""
    request: ConfirmationRequest | None = None
    asks_from: int | None = None
    """How many sentences were ready when the question came, whose words tell of no other call."""
    fillers: set[int] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    ends: dict[str, int] = field(default_factory=dict)
    """The calls of whose end the model knows, each with the number of sentences that were ready before."""

    @property
    def heard_whole(self) -> bool:
        """Whether all of the text was spoken and heard."""
        spoken = self.finished and self.text_ended and not (self.text_failed or self.refused)
        return spoken and len(self.whole) == len(self.sentences) and all(self.whole)

    def has_asked(self, question: str) -> bool:
        return self.heard_whole and " ".join(self.sentences).endswith(question)

    def may_have_told(self, call: str) -> bool:
        """Whether the user may have heard from this reply how the call ended."""
        if call not in self.ends or not self.committed or self.forgotten or self.refused:
            return False
        if self.heard_whole and self.asks_from is None:
            return True
        played = list(enumerate(self.whole))[self.ends[call] : self.asks_from]
        return any(whole for sentence, whole in played if sentence not in self.fillers)


class CallLedger:
    """Follows one session. Raises AssertionError if a step breaks a promise."""

    def __init__(self) -> None:
        self.confirmed = self.declined = self.reported = 0
        """How many calls were confirmed, were not confirmed, and were reported."""
        self._replies: dict[int, _ReplyCourse] = {}
        self._asked: tuple[str, float] | None = None
        """The call about which the user was asked, and when they had heard the whole question."""
        self._until_s = 0.0
        """When the answer must have begun."""
        self._last_cleared = 0
        """The last reply of the conversation before this one."""
        self._made: set[str] = set()
        """The calls that were confirmed or have begun."""
        self._begun: set[str] = set()
        self._kept: set[str] = set()
        self._before: dict[str, History] = {}
        """The messages before each call."""
        self._began_s: dict[int, float] = {}
        self._texts: dict[int, str] = {}
        self._words: list[tuple[str, float]] = []
        """The words that no reply answers yet, and when the user began to say or type them."""

    def check(
        self, before: State, input: Input, after: State, commands: Iterable[Command], facts: Iterable[Fact], at_s: float
    ) -> None:
        facts = tuple(facts)
        self._note(before, input, at_s)
        for command in commands:
            match command:
                case StartReply(reply, text=text):
                    self._replies[reply] = _ReplyCourse(command)
                    self._replies[reply].ends = {call.id: 0 for call in command.calls if call.ended}
                    if text is not None and isinstance(input, TimedOut) and input.timer is Timer.IDLE:
                        self._asked = None
                case CancelReply(reply):
                    self._replies[reply].cancelled = True
                case _:
                    pass
        for fact in facts:
            match fact:
                case TranscriptCompleted(utterance, text):
                    self._texts[utterance] = text
                case WordsAccepted(None):
                    assert isinstance(input, TextTyped)
                    self._words.append((input.text, at_s))
                case WordsAccepted(utterance) if utterance is not None:
                    self._words.append((self._texts[utterance], self._began_s[utterance]))
                case ReplyCommitted(reply):
                    self._commit(self._replies[reply], after, facts)
                case ConfirmationPending(request):
                    assert self._asked is not None, "the user has not heard the whole question"
                    assert self._asked[0] == request.call.id
                    self._before[request.call.id] = after.history[: request.call.position]
                case _:
                    pass
        if not after.pending:
            self._words.clear()
        self._check_records(before, input, after, facts)

    def _note(self, before: State, input: Input, at_s: float) -> None:
        live = before.reply
        course = self._replies.get(live.number) if live is not None else None
        match input:
            case SpeechStarted(utterance, since_s=since_s) if utterance > before.last_utterance:
                self._began_s[utterance] = at_s - since_s
            case InterruptPressed() | HandoverChanged():
                self._asked = None
            case TimedOut(Timer.CONFIRMATION, token) if (Timer.CONFIRMATION, token) in before.timers:
                self._asked = None
            case ConversationCleared():
                self._asked = None
                self._words.clear()
                self._kept.clear()
                self._begun.clear()
                self._before.clear()
                self._last_cleared = before.last_reply
                if course is not None:
                    course.forgotten = course.cancelled = True
            case ToolCallBegun(reply, call) if reply > self._last_cleared:
                self._kept.add(call.id)
                self._made.add(call.id)
                if reply in self._replies and call.id not in self._begun:
                    self._replies[reply].called.add(call.id)
                self._begun.add(call.id)
            case ToolCallEnded(call) if course is not None:
                knows = call in course.called and not (course.cancelled or course.text_ended)
                if knows and call not in course.ends:
                    course.ends[call] = len(course.sentences)
            case _:
                pass
        if course is None or live is None or getattr(input, "reply", None) != live.number:
            return
        match input:
            case ReplyRefused():
                course.refused = True
            case ConfirmationAsked(_, request) if not course.finished:
                course.request, course.asks_from = request, len(course.sentences)
                self._made.discard(request.call.id)
            case SentenceReady(_, sentence, text, filler) if sentence == len(course.sentences):
                course.sentences.append(text)
                course.fillers |= {sentence} if filler else set()
            case SentencePlayed(_, sentence, broken) if sentence == len(course.whole) < len(course.sentences):
                course.whole.append(not broken)
            case TextEnded(_, error):
                course.text_ended, course.text_failed = True, error is not None
            case PlaybackStarted():
                course.started = True
            case ReplyEnded() if course.started:
                self._until_s = at_s + before.rules.confirmation_timeout_s
            case PlaybackFinished() if not course.finished:
                course.finished = True
                asked = course.request
                if asked is not None and course.committed and not course.cancelled and course.has_asked(asked.question):
                    self._asked, course.request = (asked.call.id, at_s), None
                    self._until_s = at_s + before.rules.confirmation_timeout_s
            case _:
                pass

    def _commit(self, course: _ReplyCourse, after: State, facts: tuple[Fact, ...]) -> None:
        """Checks that the reply makes a call if and only if the words that it answers are a clear yes."""
        course.committed = True
        if course.start.text is not None:  # a fixed text answers nothing
            return
        known = {call.id for call in course.start.calls}
        assert known.issuperset(call.id for call in after.calls), "the model does not know of a call"
        words = " ".join(text for text, _ in self._words).casefold().split()
        fluent = words[words[:1] == ["um,"] :]
        clear = "yes" in " ".join(fluent) and YES_WORDS.issuperset(fluent)
        in_time = self._asked is not None and all(
            self._asked[1] <= began_s <= self._until_s for _, began_s in self._words
        )
        confirmed = course.start.confirmed
        told = [fact.call for fact in facts if isinstance(fact, ToolCallConfirmed)]
        if self._asked is not None and clear and in_time:
            assert confirmed is not None, f"the yes {words} is lost"
        if confirmed is not None:
            assert self._asked is not None, "a call is confirmed about which the user was not asked"
            assert confirmed.id == self._asked[0]
            assert clear, f"{words} is no clear yes"
            assert in_time, "the yes began before the question was over, or too late"
            assert confirmed.id not in self._made, "a call is made twice"
            assert told == [confirmed]
            self._made.add(confirmed.id)
            self.confirmed += 1
        else:
            assert told == []
            if self._asked is not None:
                record = next(call for call in after.calls if call.id == self._asked[0])
                assert record.status is CallStatus.NOT_CONFIRMED
                assert "".join(words) in "".join(record.result.casefold().split())
                seen = {call.id: call.status for call in course.start.calls}
                assert seen.get(record.id) is CallStatus.NOT_CONFIRMED, "the model does not know of the user's no"
                self.declined += 1
        self._asked = None

    def _check_records(self, before: State, input: Input, after: State, facts: tuple[Fact, ...]) -> None:
        changed = [fact.record for fact in facts if isinstance(fact, ToolCallChanged)]
        self._kept |= {record.id for record in changed}
        assert [call.id for call in after.calls] == list(dict.fromkeys(call.id for call in after.calls))
        assert {call.id for call in after.calls} == self._kept, "a call is lost"
        assert [call.position for call in after.calls] == sorted(call.position for call in after.calls)
        old = {call.id: call for call in before.calls}
        for call in after.calls:
            if call != old.get(call.id):
                assert call in changed
                self._check_change(old.get(call.id), call, input, facts)
                begins = call.status is CallStatus.RUNNING
                assert not begins or call.position == len(before.history), "a call is not at the message that led to it"
            known = self._before.get(call.id)
            if known is None or len(known) != call.position:
                assert call.position <= len(after.history)
                self._before[call.id] = after.history[: call.position]
            assert after.history[: call.position] == self._before[call.id], "a message before a call has changed"
        for fact in facts:
            if isinstance(fact, ReplyFinished):
                course = self._replies[fact.reply]
                done = course.committed and course.heard_whole and not (course.cancelled or course.forgotten)
                missed = {call.id for call in after.calls if not call.reported and course.may_have_told(call.id)}
                assert not (done and missed), f"the user has heard of {missed} and will hear of it again"
                remembered = _spoken(after.history) > _spoken(before.history)
                if course.request is not None and remembered and not course.forgotten:
                    assert course.request.call.id in self._kept, "a call was asked for, and nothing is left of it"
                confirmed = course.start.confirmed
                if confirmed is not None and course.committed and not course.forgotten:
                    assert confirmed.id in self._kept, "the call was confirmed, and nothing is left of it"

    def _check_change(self, old: CallRecord | None, new: CallRecord, input: Input, facts: tuple[Fact, ...]) -> None:
        if new.reported:
            assert old is not None, "a call is reported before it is kept"
            assert not old.reported, "a call is reported twice"
            (finished,) = [fact for fact in facts if isinstance(fact, ReplyFinished)]
            assert self._replies[finished.reply].may_have_told(new.id), "the user has not heard of the call"
            self.reported += 1
            return
        assert old is None or not old.reported, "a call is to be reported again"
        if new.status is CallStatus.RUNNING:
            assert isinstance(input, ToolCallBegun)
            assert old is None or old.status is CallStatus.NOT_CONFIRMED, "a call begins twice"
        elif new.status is not CallStatus.NOT_CONFIRMED:
            assert isinstance(input, ToolCallEnded)
            assert old is not None
            assert old.status is CallStatus.RUNNING, "a call ends twice"
            assert (new.status, new.result) == (input.status, input.result)


def _spoken(history: History) -> int:
    """Returns how many messages of the bot's there are."""
    return sum(message.role is Role.ASSISTANT for message in history)
