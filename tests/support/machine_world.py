"""The state machine in a world that plays its surroundings and checks every command and state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from hypothesis import strategies as st

from tests.support.call_ledger import CallLedger
from tests.support.reply_ledger import ReplyLedger
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    ApplyPreferences,
    AudioReceived,
    CancelReply,
    ConfirmationAsked,
    ConversationCleared,
    FinalTranscript,
    HandoverChanged,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    PlaybackStarted,
    PreferencesChanged,
    ReplyEnded,
    ReplyRefused,
    ResumePlayback,
    SayRequested,
    SentencePlayed,
    SentenceReady,
    SentenceSkipped,
    SentenceSynthesized,
    SessionStarted,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    StartReply,
    StartTimer,
    StopTimer,
    TextEnded,
    TextReceived,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    ToolCallBegun,
    ToolCallEnded,
    TurnModelAnswered,
    VerdictDisputed,
    WordsHeard,
    WordsTakenBack,
)
from voicebot.dialogue.facts import (
    ConversationEnded,
    ErrorRaised,
    Fact,
    HistoryChanged,
    PhaseChanged,
    ReplyBegun,
    ReplyCancelled,
    ReplyCommitted,
    ReplyFinished,
    TranscriptCompleted,
    VerdictGiven,
    WrongStartRepaired,
)
from voicebot.dialogue.history import History, Role, first_words
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.machine import step
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.state import IdleStage, Phase, Rules, State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest

WORDS = st.sampled_from(
    [
        *("", "uh-huh", "okay", "stop", "what time is it", "yes", "book it", "tell me a joke", "hm okay", "in tokyo"),
        *("What time is it?", "um what time is it", "what time is it in tokyo", "Book it.", "tell me"),
    ]
)


NUMBERS = st.integers(0, 6)

QUESTION = "Shall I?"

BROKEN = ErrorReport(ErrorCode.UNAVAILABLE, "it failed")

TOO_EARLY = 5
"""The number with which the user begins to "speak" a little before the input that precedes it."""

LATE = 4
"""The number with which a reply begins a "call" although it was cancelled, and the next one is under way."""

ENDS = (CallStatus.DONE, CallStatus.FAILED, CallStatus.UNKNOWN)


CHOICES = st.builds(
    Preferences,
    language=st.sampled_from(["en", "de"]),
    sensitivity=st.sampled_from(Sensitivity),
    endpointing=st.sampled_from(Endpointing),
    interrupted_history=st.sampled_from(InterruptedHistory),
)


ANY_INPUT: st.SearchStrategy[Input] = st.one_of(
    st.builds(SessionStarted),
    st.builds(SpeechSuspected),
    st.builds(SpeechCleared),
    st.builds(SpeechStarted, NUMBERS, held=st.booleans()),
    st.builds(SpeechPaused, NUMBERS, st.integers(0, 3)),
    st.builds(SpeechContinued, NUMBERS),
    st.builds(SpeechEnded, NUMBERS, released=st.booleans()),
    st.builds(PartialTranscript, NUMBERS, WORDS, st.none() | st.integers(0, 3)),
    st.builds(FinalTranscript, NUMBERS, WORDS, st.none() | st.just("it failed")),
    st.builds(TurnModelAnswered, NUMBERS, st.integers(0, 3), st.floats(0, 1)),
    st.builds(TextTyped, WORDS),
    st.builds(SayRequested, WORDS),
    st.builds(HandoverChanged, st.booleans()),
    st.builds(InterruptPressed),
    st.builds(ConversationCleared),
    st.builds(VerdictDisputed, NUMBERS, st.booleans()),
    st.builds(PreferencesChanged, CHOICES),
    st.builds(ReplyRefused, NUMBERS, st.just("no more today")),
    st.builds(TokenReceived, NUMBERS),
    st.builds(TextReceived, NUMBERS, st.just("One ")),
    st.builds(SentenceSkipped, NUMBERS, st.just("One two three.")),
    st.builds(SentenceReady, NUMBERS, st.integers(0, 3), st.sampled_from(["One two three.", "Shall I?", "Four."])),
    st.builds(TextEnded, NUMBERS, st.none() | st.just("it failed")),
    st.builds(AudioReceived, NUMBERS, st.integers(0, 3)),
    st.builds(SentenceSynthesized, NUMBERS, st.integers(0, 3)),
    st.builds(PlaybackStarted, NUMBERS),
    st.builds(WordsHeard, NUMBERS, st.integers(0, 3), st.integers(0, 4)),
    st.builds(WordsTakenBack, NUMBERS, st.integers(0, 3), st.integers(0, 4)),
    st.builds(SentencePlayed, NUMBERS, st.integers(0, 3)),
    st.builds(PlaybackFinished, NUMBERS),
    st.builds(ReplyEnded, NUMBERS, st.none() | st.just("it failed")),
    st.builds(TimedOut, st.sampled_from(Timer), st.integers(0, 30)),
    st.builds(
        ToolCallBegun, NUMBERS, st.builds(CallRecord, st.sampled_from(["a", "b"]), st.just("tool"), st.just("{}"))
    ),
    st.builds(ToolCallEnded, st.sampled_from(["a", "b", "c"]), st.sampled_from(CallStatus), st.just("result")),
    st.builds(
        ConfirmationAsked,
        NUMBERS,
        st.builds(
            ConfirmationRequest,
            st.builds(CallRecord, st.sampled_from(["c", "d"]), st.just("tool"), st.just("{}")),
            st.sampled_from([QUESTION, "Four."]),
        ),
    ),
)
"""Any input with any number. Most of them are late, repeated or impossible."""


T = TypeVar("T")

PLAUSIBLE = st.sampled_from(
    (
        *(
            "suspect",
            "clear suspicion",
            "start",
            "press",
            "release",
            "pause",
            "settle",
            "continue",
            "end",
            "partial",
            "model",
            "final",
            "type",
            "say",
            "hand over",
            "give back",
            "interrupt",
            "clear",
            "timer",
            "refuse",
            "token",
            "sentence",
            "sound",
        ),
        *("synthesized", "text ended", "play", "words", "played", "finished", "ended"),
        *("call", "call ends", "ask"),
    )
)
"""The kinds of input that occur in a real session. `World.happen` makes an input of the kind that fits its state."""

TURN = st.sampled_from(
    ["start", "pause", "settle", "settle", "continue", "end", "partial", "partial", "final", "timer", "token", "ended"]
)
"""The kinds of input that occur while the user speaks."""

CALLS = (
    *("speak", "type", "start", "pause", "settle", "end", "final", "timer", "interrupt", "clear", "continue", "noise"),
    *("call", "call ends", "ask", "ask whole question", "hear sentence", "hear reply", "ended", "play", "words"),
    *(
        "finished",
        "say",
        "hand over",
        "give back",
        "break sentence",
        "fail",
        "sentence",
        "text ended",
        "suspect",
        "clear suspicion",
    ),
)
"""The kinds of input that occur while tools are called. Some are several inputs, one after the other."""

ANSWERS = st.sampled_from(
    ["yes", "yes", "Yes.", "yes please", "Yes?", "no", "uh-huh", "okay", "yes but later", "what time is it", ""]
)

Happening = tuple[str, str, int]
"""The kind of an input, a text and a number, as `World.happen` takes them."""


def _happening(*kinds: str, texts: st.SearchStrategy[str] = ANSWERS) -> st.SearchStrategy[Happening]:
    return st.tuples(st.sampled_from(kinds), texts, st.integers(0, 5))


_SAYS, _ASKS, _ANSWERS = (
    _happening("type", "speak"),
    _happening("ask whole question", "ask whole question", "ask"),
    _happening("speak", "type"),
)
_REWRITTEN = _happening("settle", texts=st.sampled_from(["yes", "Yes.", "Yes?", "um, yes", "yes, um"]))
_COURSES = st.sampled_from(
    [
        [_SAYS, _ASKS, _ANSWERS],
        [_SAYS, _ASKS, _ANSWERS, _happening("call")],
        [_SAYS, _ASKS, st.just(("speak", "yes", TOO_EARLY))],
        [_happening("start"), _happening("pause"), _REWRITTEN, _happening("call"), _happening("end")],
        [_SAYS, _ASKS, _happening("start"), _happening("pause"), _REWRITTEN, _REWRITTEN, _happening("end", "continue")],
        [_SAYS, _ASKS, _happening("idle"), _happening("hear reply"), _ANSWERS],
        [_SAYS, _ASKS, _happening("no answer"), _ANSWERS],
        [_SAYS, _happening("ask for nothing"), _happening("hear sentence"), _happening("hear reply"), _ANSWERS],
        [_SAYS, *map(_happening, ("ask", "play", "played", "interrupt", "finished", "ended")), _ANSWERS],
        [_SAYS, *map(_happening, ("ask", "play", "played", "finished", "type", "ended"))],
        [_SAYS, *map(_happening, ("call", "call ends", "sentence", "break sentence", "interrupt", "ended"))],
        [_SAYS, *map(_happening, ("call", "interrupt", "ended", "type", "call ends", "hear sentence", "hear reply"))],
        [_SAYS, *map(_happening, ("call", "clear", "call", "call ends"))],
        [_SAYS, _happening("call"), _happening("call ends", "hear sentence", "interrupt")],
    ]
)
"""Courses of a turn: the user is asked for a yes, or is not although the model wants it, or a tool is called."""


@st.composite
def _scene(draw: st.DrawFn) -> list[Happening]:
    """Draws a turn, with or without anything in between."""
    anything = st.lists(_happening(*CALLS), max_size=draw(st.sampled_from([0, 0, 1, 2])))
    turn = [each for part in draw(_COURSES) for each in (*draw(anything), draw(part))]
    return turn + draw(st.lists(_happening("call ends", "hear reply", "ended", "timer"), max_size=3))


SCENES = st.lists(_scene(), min_size=1, max_size=5).map(lambda scenes: [each for scene in scenes for each in scene])

REWRITTEN_WORDS = st.sampled_from(
    [*["what time is it", "What time is it?", "um what time is it"] * 2, "what time is it in tokyo", "", "um", "stop"]
)


@dataclass
class World:
    """The machine and its surroundings. Executes the machine's commands and checks each of them."""

    state: State = field(default_factory=State)
    now_s: float = 0.0
    timers: dict[Timer, int] = field(default_factory=dict)
    paused: bool = False
    sentences: dict[int, list[str]] = field(default_factory=dict)
    heard: dict[int, list[int]] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    ledger: ReplyLedger = field(default_factory=ReplyLedger)
    texts: int = 0
    """How many texts were to be said so far. The text of each is its number."""
    said: int = -1
    """The number of the last text that the bot began to say."""
    calls: CallLedger = field(default_factory=CallLedger)
    call_ids: int = 0
    repaired: list[History] = field(default_factory=list)
    """The history after each wrong start. No other reply may answer the same message as it was."""

    def post(self, input: Input) -> None:
        before = self.state
        self._note(before, input)
        self.now_s += 0.005
        self.state, commands, facts = step(before, input, self.now_s)
        for command in commands:
            match command:
                case StartReply(reply, history, text):
                    assert before.reply is None or isinstance(input, ReplyEnded), "two replies run at once"
                    assert reply == before.last_reply + 1
                    assert text or history[-1].role is Role.USER
                    assert text or history not in self.repaired, "a message without more words is answered again"
                    assert text or not self.state.handed_over, "the bot answers in place of a person"
                    if text is not None and text.isdecimal():
                        assert int(text) > self.said, "a text is said twice, or too late"
                        assert all(each.dismissed for each in self.state.utterances), "the bot talks into speech"
                        self.said = int(text)
                    self.paused = False
                case CancelReply(reply):
                    assert before.live is not None
                    assert reply == before.live.number, "the cancelled reply is not the live one"
                    assert reply not in self.cancelled, "the reply is cancelled twice"
                    self.cancelled.add(reply)
                    self.paused = False
                case PausePlayback(reply):
                    assert reply == (self.state.live and self.state.live.number)
                    assert not self.paused
                    self.paused = True
                case ResumePlayback(reply):
                    assert reply == (self.state.live and self.state.live.number)
                    assert self.paused
                    self.paused = False
                case StartTimer(timer, token, _):
                    self.timers[timer] = token
                case StopTimer(timer):
                    self.timers.pop(timer, None)
                case ApplyPreferences(choices):
                    assert before.reply is None or isinstance(input, ReplyEnded), (
                        "the preferences change during a reply"
                    )
                    assert self.state.preferences == choices != before.preferences
                case _:
                    pass
        self._check()
        self._check_facts(before, facts)
        self.ledger.check(before, input, self.state, commands, facts)
        self.calls.check(before, input, self.state, commands, facts, self.now_s)

    def _note(self, state: State, input: Input) -> None:
        """Records the sentences of each reply, how many of their words the user has heard, and which timers run."""
        match input:
            case SentenceReady(reply, index, text) if state.reply and reply == state.reply.number:
                if index == len(self.sentences.setdefault(reply, [])):
                    self.sentences[reply].append(text)
            case WordsHeard(reply, index, words) if state.reply and reply == state.reply.number:
                self.heard.setdefault(reply, [0] * 50)[index] = max(words, self.heard.get(reply, [0] * 50)[index])
            case SentencePlayed(reply, index, broken=False) if state.reply and reply == state.reply.number:
                self.heard.setdefault(reply, [0] * 50)[index] = 1000
            case TimedOut(timer, token) if self.timers.get(timer) == token:
                del self.timers[timer]
            case ConversationCleared():
                self.repaired.clear()
            case _:
                pass

    def _check(self) -> None:
        state = self.state
        assert dict(state.timers) == self.timers
        assert state.is_idle == (state.phase is Phase.IDLE)
        live = state.live
        if live is not None:
            assert live.paused == self.paused
            if any(utterance.held and utterance.speaking for utterance in state.utterances):
                assert live.paused or live.finished, "the bot speaks while the user holds the talk button"
        waits = bool(state.rules.idle_timeout_s) and state.is_idle and state.idle_stage is not IdleStage.ENDED
        waits = waits and not state.handed_over
        assert (Timer.IDLE in self.timers) == waits, "the idle timer must run if and only if the session is idle"
        waits = state.confirmation is not None and state.is_idle
        assert (Timer.CONFIRMATION in self.timers) == waits, "a question waits for its answer without a deadline"
        if state.phase in (Phase.PAUSED, Phase.HELD):
            assert Timer.VERDICT in self.timers, "playback is paused without a deadline"
        if state.utterances:
            assert Timer.SPEECH in self.timers or Timer.TRANSCRIPT in self.timers, (
                "an utterance is open without a timer"
            )
        if state.pending and not state.utterances and state.reply is None:
            assert Timer.DEBOUNCE in self.timers, "no timer leads to an answer to the pending words"
        for message in state.history:
            if message.role is Role.ASSISTANT:
                assert self.was_heard(message.text), f"the history holds words that were not heard: {message.text!r}"

    def _check_facts(self, before: State, facts: tuple[Fact, ...]) -> None:
        """Checks that the facts say exactly what a comparison of the two states shows."""
        after, last = self.state, before.reply

        def facts_of(kind: type[T]) -> list[T]:
            return [fact for fact in facts if isinstance(fact, kind)]

        assert [each.phase for each in facts_of(PhaseChanged)] == [after.phase] * (after.phase is not before.phase)
        new = [each for each in after.verdicts if each.number > before.last_verdict]
        if not any(isinstance(fact, HistoryChanged) for fact in facts) or after.history:
            assert [each.record for each in facts_of(VerdictGiven)] == new
        assert [each.reply for each in facts_of(ReplyBegun)] == [after.last_reply] * (
            after.last_reply - before.last_reply
        )
        gone = last is not None and (after.reply is None or after.reply.number != last.number)
        assert [each.reply for each in facts_of(ReplyFinished)] == ([last.number] if last is not None and gone else [])
        cancelled = last is not None and not last.cancelled and after.reply is not None and after.reply.cancelled
        assert bool(facts_of(ReplyCancelled)) == cancelled
        committed = after.reply is not None and not after.reply.preemptive and (gone or last is None or last.preemptive)
        assert [each.reply for each in facts_of(ReplyCommitted)] == [after.last_reply] * committed
        if any(each.preemptive for each in facts_of(ReplyCommitted)):
            assert not after.handed_over, "the bot answers in place of a person"
        ended = {each.number for each in before.utterances} - {each.number for each in after.utterances}
        assert {each.utterance for each in facts_of(TranscriptCompleted)} == ended
        assert bool(facts_of(HistoryChanged)) == (after.history != before.history)
        if repaired := facts_of(WrongStartRepaired):
            assert before.reply is not None
            assert before.reply.wrong_start
            assert (repaired[0].reply, repaired[0].heard) == (before.reply.number, before.reply.heard)
            assert not any(message.role is Role.ASSISTANT for message in after.history[len(before.history) :])
            self.repaired.append(before.history)
        if facts_of(ConversationEnded):
            assert after.is_idle, "the session ended while it was busy"
            assert before.idle_stage is IdleStage.SAYING_GOODBYE or after.refused, "the session ended without a goodbye"
        raised = [each.error for each in facts_of(ErrorRaised)]
        assert (raised[-1:] == [after.error]) if raised else after.error in (None, before.error)

    def was_heard(self, text: str) -> bool:
        for reply, sentences in self.sentences.items():
            heard = self.heard.get(reply, [0] * 50)
            whole = " ".join(first_words(sentence, heard[index]) for index, sentence in enumerate(sentences))
            if " ".join(whole.split()).startswith(text):
                return True
        return False

    def happen(self, kind: str, text: str, pick: int) -> None:
        """Posts the next input of this `kind` that can really occur, if there is one."""
        state = self.state
        number = state.last_utterance
        reply = state.reply.number if state.reply else state.last_reply
        known = len(state.reply.sentences) if state.reply else 0
        played = state.reply.played if state.reply else 0
        made = state.reply.synthesized if state.reply else 0
        match kind:
            case "suspect":
                self.post(SpeechSuspected())
            case "clear suspicion":
                self.post(SpeechCleared())
            case "start":
                self.post(SpeechStarted(number + 1))
            case "press":
                self.post(SpeechStarted(number + 1, held=True))
            case "release":
                self.post(SpeechEnded(number, speech=Speech(duration_s=pick / 5), released=True))
            case "pause":
                self.post(SpeechPaused(number, 1 + max((each.last_pause for each in state.utterances), default=0)))
            case "settle" if state.utterances:
                self.post(PartialTranscript(number, text, pause=state.utterances[-1].last_pause))
            case "continue":
                self.post(SpeechContinued(number))
            case "end":
                self.post(SpeechEnded(number))
            case "partial":
                self.post(PartialTranscript(number, text))
            case "model" if state.utterances:
                self.post(TurnModelAnswered(number, state.utterances[-1].last_pause, pick % 5 / 4))
            case "final":
                self.post(FinalTranscript(number, text))
            case "type":
                self.post(TextTyped(text))
            case "say":
                self.post(SayRequested(str(self.texts)))
                self.texts += 1
            case "hand over":
                self.post(HandoverChanged(to_person=True))
            case "give back":
                self.post(HandoverChanged(to_person=False))
            case "interrupt":
                self.post(InterruptPressed())
            case "clear":
                self.post(ConversationCleared())
            case "timer" if self.timers:
                timer = sorted(self.timers)[pick % len(self.timers)]
                self.post(TimedOut(timer, self.timers[timer]))
            case "refuse" if not known:
                self.post(ReplyRefused(reply, "no more today"))
            case "token":
                self.post(TokenReceived(reply))
            case "sentence" if not (state.reply and state.reply.text_ended):
                self.post(SentenceReady(reply, known, "One two three."))
            case "sound":
                self.post(AudioReceived(reply, made))
            case "synthesized":
                self.post(SentenceSynthesized(reply, made))
            case "text ended":
                self.post(TextEnded(reply))
            case "play" if known:
                self.post(PlaybackStarted(reply))
            case "words" if known > played and not self.paused:
                self.post(WordsHeard(reply, played, 1 + pick % 3))
            case "played" if known > played and not self.paused:
                self.post(SentencePlayed(reply, played))
            case "finished" if known == played:
                self.post(PlaybackFinished(reply))
            case "ended" if state.reply and (state.reply.cancelled or state.reply.finished):
                self.post(ReplyEnded(reply))
            case "speak":
                self.post(SpeechStarted(number + 1, since_s=0.02 if pick == TOO_EARLY else 0.0))
                self.post(SpeechEnded(number + 1, speech=Speech(duration_s=1.0)))
                self.post(FinalTranscript(number + 1, text))
                self.run_out(Timer.DEBOUNCE)
            case "idle":
                self.run_out(Timer.IDLE)
            case "no answer":
                self.run_out(Timer.CONFIRMATION)
            case "noise":
                self.post(SpeechStarted(number + 1))
                self.post(SpeechEnded(number + 1, speech=Speech(duration_s=1.0)))
                self.post(FinalTranscript(number + 1, ""))
                self.run_out(Timer.DEBOUNCE)
            case "call" if state.reply:
                confirmed = state.reply.confirmed
                begun = [call for call in state.calls if call.status is not CallStatus.NOT_CONFIRMED]
                if confirmed and not state.reply.preemptive and confirmed.id not in state.reply.called:
                    self.post(ToolCallBegun(reply, confirmed))
                elif begun and pick == 5:
                    self.post(ToolCallBegun(reply, begun[-1]))  # it has begun already
                elif reply > 1 and pick == LATE:
                    self.post(ToolCallBegun(reply - 1, self.new_call()))
                else:
                    self.post(ToolCallBegun(reply, self.new_call()))
            case "call ends" if state.calls:
                self.post(ToolCallEnded(state.calls[-1 - pick % len(state.calls)].id, ENDS[pick % 3], "result"))
            case "ask" if state.reply and not state.reply.text_ended:
                self.post(ConfirmationAsked(reply, ConfirmationRequest(self.new_call(), QUESTION)))
                self.post(SentenceReady(reply, known, QUESTION))
                self.post(TextEnded(reply))
            case "ask for nothing":
                self.post(ConfirmationAsked(reply, ConfirmationRequest(self.new_call(), QUESTION)))
            case "ask whole question" if state.reply and not (state.reply.text_ended or state.reply.cancelled):
                self.happen("ask", "", 0)
                self.happen("hear reply", "", 0)
            case "hear sentence" if state.reply and not (
                state.reply.text_ended or state.reply.cancelled or self.paused
            ):
                self.post(SentenceReady(reply, known, "One two three."))
                self.post(PlaybackStarted(reply))
                self.post(SentencePlayed(reply, played))
            case "break sentence" if known > played and not self.paused:
                self.post(SentencePlayed(reply, played, broken=True))
            case "fail" if state.reply and not state.reply.text_ended:
                self.post(SentenceReady(reply, known, "Sorry."))
                self.post(TextEnded(reply, BROKEN))
            case "hear reply" if state.reply and not (state.reply.cancelled or self.paused):
                self.post(TextEnded(reply))
                self.post(PlaybackStarted(reply))
                for index in range(played, known):
                    self.post(SentencePlayed(reply, index))
                self.post(PlaybackFinished(reply))
                self.post(ReplyEnded(reply))
            case _:
                pass

    def new_call(self) -> CallRecord:
        self.call_ids += 1
        return CallRecord(f"call-{self.call_ids}", "tool", "{}")

    def run_out(self, timer: Timer) -> None:
        if timer in self.timers:
            self.post(TimedOut(timer, self.timers[timer]))

    def calm_down(self) -> None:
        """Lets the user be silent while the engines do only what they must: timers run out and replies end."""
        for _ in range(50):
            if self.state.is_idle and not self.timers:
                assert not self.state.texts_to_say or self.state.refused, "a text is never said"
                assert self.state.confirmation is None
                return
            if self.state.reply and not self.paused:
                self.post(ReplyEnded(self.state.reply.number))
            for timer in sorted(self.timers):
                if timer in self.timers:
                    self.post(TimedOut(timer, self.timers[timer]))
        raise AssertionError(f"the machine is stuck in {self.state}")

    def leave(self) -> None:
        """Lets the user leave and checks that the session ends by itself, if it is allowed to."""
        self.calm_down()
        if self.state.handed_over:
            assert self.state.idle_stage is IdleStage.ACTIVE or self.state.refused, "a user who waits was disturbed"
            self.post(HandoverChanged(to_person=False))
            self.calm_down()
        ends = bool(self.state.rules.idle_timeout_s or self.state.refused)
        assert self.state.idle_stage is (IdleStage.ENDED if ends else IdleStage.ACTIVE)


RULES = st.sampled_from(
    [
        Rules(),
        Rules(preemptive_replies=False),
        Rules(preemptive_discards_per_turn=1),
        Rules(interrupted_history=InterruptedHistory.MERGE, language="fr"),
        Rules(idle_timeout_s=0.05),
    ]
)

ENGLISH_RULES = st.builds(
    lambda rules, confirmation_timeout_s: replace(
        rules, language="en", idle_timeout_s=0.05, confirmation_timeout_s=confirmation_timeout_s
    ),
    RULES,
    st.sampled_from([60.0, 0.03]),
)
"""The same rules for users who say "yes". The bot asks whether silent ones are still there."""
