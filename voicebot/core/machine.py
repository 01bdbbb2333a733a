"""Every transition of the bot: `step(state, input)` gives the next state and what to do.

The rules, in short. Speech over a live reply, or what may become speech, pauses it (or holds it, if nothing was heard
yet); the reply stays paused exactly as long as some utterance is undecided, and every utterance is decided by its
words or by a timer. A reply that gives way is first cancelled and awaited; only when `ReplyEnded` has come is the
history edited and the next reply started. A reply may be begun eagerly, at a pause of the user's: it is kept back until
the turn is over, and given up if the words were not all. A user who says nothing for long is asked for. Once a user
was told that there are no more answers today, the session ends. What has to do with one thing alone is in `replies`,
`rulings` and `presence`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from voicebot.core.events import (
    ApplyChoices,
    ChoicesMade,
    Command,
    ConversationCleared,
    EndTranscription,
    EngineServed,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    ResumePlayback,
    RulingDisputed,
    SessionStarted,
    SetPatience,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    Stage,
    StartTranscription,
    TextTyped,
    TimedOut,
    Timer,
)
from voicebot.core.history import merged
from voicebot.core.rulings import Deciding
from voicebot.core.sayings import ask_again
from voicebot.core.state import MAX_LEVELS, State, Turn, Utterance
from voicebot.core.turn_end import Completeness, completeness, patience_s
from voicebot.core.verdict import Decision, Speech, Verdict, judge, judge_sound
from voicebot.limits import UTTERANCES_AT_ONCE

MAX_ASKED_AGAIN = 2
"""The user is not asked again and again to repeat what may be a noise."""

CUT_SILENCE_S = 0.05
"""An utterance that ends after less silence has not ended by itself: it was too long."""

ECHO_LIKELY = 0.5
"""Speech of which so much is the bot's own voice was very likely nobody's."""


def step(state: State, input: Input, at_s: float) -> tuple[State, tuple[Command, ...]]:
    """The state after `input`, which happened at `at_s` of the session's clock, and the commands to carry out."""
    transition = _Transition(state, at_s)
    transition.apply(input)
    transition.settle()
    return transition.state, tuple(transition.commands)


class _Transition(Deciding):
    """One step under way."""

    def apply(self, input: Input) -> None:
        match input:
            case SessionStarted():
                self._word_fell()
            case SpeechSuspected():
                self._set(suspected=self.state.committed is not None and self.state.committed.started)
            case SpeechCleared():
                self._set(suspected=False)
            case SpeechStarted():
                self._speech_started(input)
            case SpeechPaused():
                self._speech_paused(input)
            case SpeechContinued():
                self._speech_continued(input.utterance)
            case SpeechEnded():
                self._speech_ended(input.utterance, input.silence_s, input.speech)
            case PartialTranscript():
                self._partial(input)
            case FinalTranscript():
                self._final(input.utterance, input.text, input.error, input.confidence, input.backchannel)
            case EngineServed():
                others = (served for served in self.state.serving if served.stage is not input.stage)
                self._set(serving=(*others, input))
                if input.stage is Stage.LLM and self.state.reply is not None:
                    self._set(reply=replace(self.state.reply, served=input))
            case TextTyped():
                self._typed(input.text)
            case InterruptPressed():
                self._notice_user()
                self._cancel()
                self._set(merge_next=False)
            case ConversationCleared():
                self._clear()
            case RulingDisputed():
                self._notice_user()
                self._dispute(input.ruling, input.disputed)
            case ChoicesMade():
                self._notice_user()
                self._set(chosen=input.choices)
            case TimedOut():
                self._timed_out(input.timer, input.token)
            case _:
                if self.state.reply is not None and self.state.reply.number == input.reply:
                    self._reply_went_on(self.state.reply, input)

    # What follows from it all -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring replies, pauses and timers in line with what is now known."""
        self._settle_choices()
        state = self.state
        unsaid = any(not utterance.dismissed or _answerable(utterance) for utterance in state.utterances)
        over = not unsaid and Timer.DEBOUNCE not in dict(state.timers)
        live = state.live
        if live is not None and live.eager:
            if self._words() != live.asked:
                self._cancel()
            elif over:
                self._commit(live)
        elif state.refused is not None:
            if state.reply is None and over:
                self._keep_unanswered_words()
        elif state.reply is None and over and state.pending:
            self._start_reply(merged(state.pending))
        elif state.reply is None and over and state.ask_again:
            self._set(asked_again=state.asked_again + 1)
            self._say(ask_again(state.rules.language))
        elif state.reply is None and self._may_be_eager and (words := self._foreseen()):
            self._start_reply(words, eager=True)
        self._settle_pause()
        self._settle_timers()
        self._settle_presence()

    def _settle_choices(self) -> None:
        """What was chosen holds between two turns: while nobody speaks, and nothing is made, heard or taken back."""
        chosen = self.state.chosen
        if chosen is None or self.state.reply is not None or self.state.utterances:
            return
        if chosen != self.state.choices:
            self.commands.append(ApplyChoices(chosen))
        self._set(choices=chosen, chosen=None, rules=self.state.rules.chosen(chosen))

    @property
    def _may_be_eager(self) -> bool:
        """A reply begun now would be made as it was chosen."""
        return self.state.rules.eager_replies and self.state.chosen is None

    def _settle_pause(self) -> None:
        live = self.state.live
        if live is None:
            return
        undecided = self.state.suspected or any(not utterance.dismissed for utterance in self.state.utterances)
        held = not live.finished and (live.eager or undecided)
        if live.paused != held:
            self._set(reply=replace(live, paused=held), interrupted_at_s=self.at_s if held else None)
            self.commands.append((PausePlayback if held else ResumePlayback)(live.number))

    def _settle_timers(self) -> None:
        state = self.state
        if state.committed is None or not state.committed.paused:
            self._stop(Timer.DECISION)
        elif Timer.DECISION not in dict(state.timers):
            self._expect_decision()
        if not state.speaking:
            self._stop(Timer.SPEECH)
        if not state.utterances:
            self._stop(Timer.TRANSCRIPT)

    def _words(self) -> str:
        """All that waits for an answer, or seems to."""
        return merged([*self.state.pending, *(_answerable(utterance) for utterance in self.state.utterances)])

    def _foreseen(self) -> str:
        """The words of a turn that may be over; empty if it is not."""
        undecided = [utterance for utterance in self.state.utterances if not utterance.dismissed]
        words = self._words()
        if not all(utterance.known for utterance in undecided):
            return ""
        return words if completeness(words, self.state.rules.language) is not Completeness.INCOMPLETE else ""

    # The user -----------------------------------------------------------------------------------------------------

    def _speech_started(self, input: SpeechStarted) -> None:
        number, rules = input.utterance, self.state.rules
        if number <= self.state.last_utterance:
            return
        spoken = self.state.spoken
        echo = spoken is not None and self.at_s - spoken.ended_s < self.state.rules.echo_tail_s
        over = spoken.context if spoken and echo else None
        utterance = Utterance(number, started_s=self.at_s, announced=input.announced, over=over)
        self._set(utterances=(*self.state.utterances, utterance), last_utterance=number)
        self._set(suspected=False, error=None)
        self.commands.append(StartTranscription(number))
        self._start(Timer.SPEECH, rules.announced_timeout_s if input.announced else rules.speech_timeout_s)
        self._expect_decision()

    def _speech_paused(self, input: SpeechPaused) -> None:
        utterance = self._utterance(input.utterance)
        if utterance is None or not utterance.speaking or input.pause <= utterance.last_pause:
            return
        speech = self._outlasting(input.speech, input.silence_s)
        utterance = replace(utterance, pause=input.pause, last_pause=input.pause, settled=False, speech=speech)
        self._update(utterance)
        if self.state.committed is not None:
            context = self._context(self.state.committed, utterance)
            self._rule(utterance, judge_sound(context), context)
        speech_ended_s = self.at_s - input.silence_s
        self._note(Turn(speech_ended_s), speech_ended_s=speech_ended_s)

    def _speech_continued(self, number: int) -> None:
        utterance = self._utterance(number)
        if utterance is None or not utterance.speaking or utterance.pause is None:
            return
        self._update(replace(utterance, pause=None, settled=False, dismissed=False))
        self._expect_decision()

    def _speech_ended(self, number: int, silence_s: float, speech: Speech) -> None:
        utterance = self._utterance(number)
        if utterance is None or not utterance.speaking:
            return
        # Of an utterance that was cut while the user speaks on, the words since the pause are still to come.
        speaks_on = silence_s < CUT_SILENCE_S and speech.duration_s > utterance.speech.duration_s
        known = utterance.known and not speaks_on
        utterance = replace(utterance, speaking=False, speech=self._outlasting(speech, silence_s))
        self._update(utterance)
        self._note(self.state.asked or Turn(speech_ended_s=self.at_s - silence_s), turn_ended_s=self.at_s)
        if silence_s < self.state.rules.debounce_s:
            self._start(Timer.DEBOUNCE, self.state.rules.debounce_s - silence_s)
        if known:
            self.commands.append(EndTranscription(number))
            self._final(number, utterance.text, None, utterance.confidence, utterance.backchannel)
        else:
            self._start(Timer.TRANSCRIPT, self.state.rules.transcript_timeout_s)
            self._expect_decision()

    def _partial(self, input: PartialTranscript) -> None:
        utterance = self._utterance(input.utterance)
        if utterance is None:
            return
        text = merged([input.text])
        answers_pause = input.pause is not None and input.pause == utterance.pause
        settled = answers_pause or (utterance.known and text == utterance.text)
        self._set(streams=self.state.streams or bool(text))
        lasts = utterance.speaking and utterance.pause is None
        speech = input.speech if lasts and input.speech is not None else utterance.speech
        utterance = replace(
            utterance,
            text=text,
            settled=settled,
            confidence=input.confidence,
            backchannel=input.backchannel,
            speech=speech,
        )
        self._update(utterance)
        if settled:
            self._note_transcript()
        self._judge(utterance, final=settled)
        self._adapt_patience(input.utterance, turn_over=settled and input.turn_over)

    def _give_announced_up(self, utterance: Utterance) -> None:
        """The client has told that the user speaks, and nothing came of it: the bot does not wait any longer."""
        self.commands.append(EndTranscription(utterance.number))
        self._set(utterances=tuple(other for other in self.state.utterances if other.number != utterance.number))
        if self.state.committed is not None and not utterance.dismissed:
            what = f"speech was announced and did not come within {self.state.rules.announced_timeout_s:g} s"
            context = self._context_of(self.state.committed)
            self._record(Verdict(Decision.RESUME, "silence", what, ""), context)

    def _adapt_patience(self, number: int, *, turn_over: bool) -> None:
        """How long to wait for more depends on what was said, and how.

        Nothing more is waited for of what has let a reply go on, an echo perhaps, of which the recogniser has made an
        unfinished sentence: what is heard then must be judged by itself.
        """
        utterance = self._utterance(number)
        if utterance is None or not utterance.speaking:
            return
        rules = self.state.rules
        needed_s, _ = patience_s(self._words() or utterance.text, rules.patience, rules.language)
        if utterance.dismissed:
            needed_s = min(needed_s, rules.patience.complete_s)
        if turn_over:
            needed_s = min(needed_s, rules.turn_over_s)
        if utterance.patience_s != needed_s:
            self._update(replace(utterance, patience_s=needed_s))
            self.commands.append(SetPatience(number, needed_s))

    def _final(self, number: int, text: str, error: str | None, confidence: float | None, backchannel: str) -> None:
        utterance = self._utterance(number)
        if utterance is None:
            return
        utterance = replace(
            utterance, text=merged([text]), confidence=confidence, backchannel=backchannel, settled=True
        )
        self._update(utterance)
        if error is not None:
            self._set(error=error)
        self._note_transcript()
        utterance = self._judge(utterance, final=True)
        self._set(utterances=tuple(other for other in self.state.utterances if other.number != number))
        words = _answerable(utterance)
        if words:
            self._notice_user()
            self._set(pending=(*self.state.pending, words), ask_again=False, asked_again=0)
            self._note_level(utterance.speech)
            self._wait_for_more()
        elif utterance.ruled is Decision.REGENERATE and utterance.text:
            self._set(merge_next=False)
        elif self._deserves_asking_again(utterance, failed=error is not None):
            self._set(ask_again=True)
        if any(not utterance.speaking for utterance in self.state.utterances):
            self._start(Timer.TRANSCRIPT, self.state.rules.transcript_timeout_s)

    def _note_level(self, speech: Speech) -> None:
        if speech.level_dbfs is not None:
            self._set(levels_dbfs=(*self.state.levels_dbfs, speech.level_dbfs)[-MAX_LEVELS:])

    def _wait_for_more(self) -> None:
        """Words that don't look complete wait a little, even after the utterance's end."""
        rules, asked = self.state.rules, self.state.asked
        needed_s, _ = patience_s(merged(self.state.pending), rules.patience, rules.language)
        if needed_s > rules.patience.unknown_s and asked is not None:
            remaining_s = asked.speech_ended_s + needed_s - self.at_s
            if remaining_s > rules.debounce_s:
                self._start(Timer.DEBOUNCE, remaining_s)

    def _deserves_asking_again(self, utterance: Utterance, *, failed: bool) -> bool:
        """The user spoke to a bot that was silent, or fell silent for it, and no words came of it.

        If the recogniser `failed`, that is also so for a short word, and for speech over a reply that went on: it has
        lost what was said, and not found that it was nothing.
        """
        if utterance.text or self.state.asked_again >= MAX_ASKED_AGAIN:
            return False
        speech, ask_again_s = utterance.speech, self.state.rules.ask_again_s
        if failed and (speech.echo is None or speech.echo < ECHO_LIKELY):
            least_s = ask_again_s if utterance.over is not None else 0.0
            return speech.duration_s > least_s
        if utterance.dismissed:
            return False
        spoke = utterance.over is None and speech.duration_s >= ask_again_s
        return spoke or utterance.ruled is Decision.REGENERATE

    def _typed(self, text: str) -> None:
        text = merged([text])
        if not text:
            return
        self._notice_user()
        self._cancel()
        asked = Turn(speech_ended_s=self.at_s, turn_ended_s=self.at_s, transcript_s=self.at_s)
        self._set(pending=(*self.state.pending, text), asked=asked, ask_again=False, error=None)

    def _clear(self) -> None:
        self._notice_user()
        self._cancel()
        if self.state.reply is not None:
            self._set(reply=replace(self.state.reply, forgotten=True))
        self._set(history=(), pending=(), rulings=(), asked=None, turn=None, turns=(), error=None, merge_next=True)
        self._set(spoken=None, ask_again=False, asked_again=0)

    # Timers -------------------------------------------------------------------------------------------------------

    def _timed_out(self, timer: Timer, token: int) -> None:
        if (timer, token) not in self.state.timers:
            return
        self._set(timers=tuple(entry for entry in self.state.timers if entry[0] is not timer))
        match timer:
            case Timer.DEBOUNCE:
                pass
            case Timer.SPEECH:
                for utterance in self.state.utterances:
                    if utterance.announced and utterance.speaking:
                        self._give_announced_up(utterance)
                    else:
                        self._speech_ended(utterance.number, 0.0, utterance.speech)
            case Timer.DECISION:
                self._decide_now()
            case Timer.TRANSCRIPT:
                awaited = [utterance for utterance in self.state.utterances if not utterance.speaking]
                for utterance in awaited[:UTTERANCES_AT_ONCE]:  # the others wait until these are done with
                    self.commands.append(EndTranscription(utterance.number))
                    error = "The speech recogniser took too long."
                    self._final(utterance.number, utterance.text, error, utterance.confidence, utterance.backchannel)
            case Timer.IDLE:
                self._miss_user()
            case _:
                assert_never(timer)


def _answerable(utterance: Utterance) -> str:
    """The words of it that want an answer."""
    if utterance.over is None or not utterance.text:
        return utterance.text
    verdict = judge(utterance.text, utterance.over, final=True)
    match utterance.ruled:
        case None:  # it began when the bot had just fallen silent
            ignored = verdict.rule == "echo"
        case Decision.REGENERATE:
            ignored = not verdict.answer
        case _:
            ignored = verdict.decision is Decision.RESUME or not verdict.answer
    return "" if ignored else utterance.text
