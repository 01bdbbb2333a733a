"""Every transition of the bot: `step(state, input)` gives the next state and what to do.

The rules, in short. Speech over a live reply pauses it (or holds it, if nothing was heard yet); the reply stays
paused exactly as long as some utterance is undecided, and every utterance is decided by its words or by a timer. A
reply that gives way is first cancelled and awaited; only when `ReplyEnded` has come is the history edited and the
next reply started.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, assert_never

from voicebot.core.events import (
    AudioReceived,
    CancelReply,
    Command,
    ConversationCleared,
    EndTranscription,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ReplyInput,
    ResumePlayback,
    SentencePlayed,
    SentenceReady,
    SentenceSynthesized,
    SpeechEnded,
    SpeechStarted,
    StartReply,
    StartTimer,
    StartTranscription,
    StopTimer,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    WordsHeard,
)
from voicebot.core.history import heard, merged, said
from voicebot.core.state import MAX_RULINGS, MAX_TURNS, InterruptedHistory, Reply, Ruling, State, Turn, Utterance
from voicebot.core.verdict import Decision, Verdict, judge


def step(state: State, input: Input, at_s: float) -> tuple[State, tuple[Command, ...]]:
    """The state after `input`, which happened at `at_s` of the session's clock, and the commands to carry out."""
    transition = _Transition(state, at_s)
    transition.apply(input)
    transition.settle()
    return transition.state, tuple(transition.commands)


class _Transition:
    """One step under way: the state as changed so far, and the commands given."""

    def __init__(self, state: State, at_s: float) -> None:
        self.state = state
        self.at_s = at_s
        self.commands: list[Command] = []

    def apply(self, input: Input) -> None:
        match input:
            case SpeechStarted():
                self._speech_started(input.utterance)
            case SpeechEnded():
                self._speech_ended(input.utterance, input.silence_s)
            case PartialTranscript():
                self._partial(input.utterance, input.text)
            case FinalTranscript():
                self._final(input.utterance, input.text, input.error)
            case TextTyped():
                self._typed(input.text)
            case InterruptPressed():
                self._cancel()
                self._set(merge_next=False)
            case ConversationCleared():
                self._clear()
            case TimedOut():
                self._timed_out(input.timer, input.token)
            case _:
                if self.state.reply is not None and self.state.reply.number == input.reply:
                    self._reply_went_on(self.state.reply, input)

    def settle(self) -> None:
        """Bring pause, timers and the next reply in line with what is now known."""
        state = self.state
        undecided = any(not utterance.dismissed for utterance in state.utterances)
        if state.live is not None and state.live.paused != undecided:
            reply = replace(state.live, paused=undecided)
            self._set(reply=reply, interrupted_at_s=self.at_s if undecided else None)
            self.commands.append((PausePlayback if undecided else ResumePlayback)(state.live.number))

        paused = self.state.live is not None and self.state.live.paused
        if not paused:
            self._stop(Timer.DECISION)
        if not state.speaking:
            self._stop(Timer.SPEECH)
        if not state.utterances:
            self._stop(Timer.TRANSCRIPT)

        if state.reply is None and state.pending and not undecided and Timer.DEBOUNCE not in dict(state.timers):
            self._start_reply()

    # The user -----------------------------------------------------------------------------------------------------

    def _speech_started(self, number: int) -> None:
        if number <= self.state.last_utterance:
            return
        self._set(utterances=(*self.state.utterances, Utterance(number)), last_utterance=number)
        self.commands.append(StartTranscription(number))
        self._start(Timer.SPEECH, self.state.rules.speech_timeout_s)

    def _speech_ended(self, number: int, silence_s: float) -> None:
        utterance = self._utterance(number)
        if utterance is None or not utterance.speaking:
            return
        self._update(replace(utterance, speaking=False))
        self._set(asked=Turn(speech_ended_s=self.at_s - silence_s, turn_ended_s=self.at_s))
        self._start(Timer.DEBOUNCE, self.state.rules.debounce_s)
        self._start(Timer.TRANSCRIPT, self.state.rules.transcript_timeout_s)
        if self.state.live is not None:
            self._start(Timer.DECISION, self.state.rules.decision_timeout_s)

    def _partial(self, number: int, text: str) -> None:
        utterance = self._utterance(number)
        if utterance is None:
            return
        self._update(replace(utterance, text=merged([text])))
        if self.state.live is not None:
            self._judge(text, number, final=False)

    def _final(self, number: int, text: str, error: str | None) -> None:
        utterance = self._utterance(number)
        if utterance is None:
            return
        self._set(utterances=tuple(other for other in self.state.utterances if other is not utterance))
        if error is not None:
            self._set(error=error)
        if self.state.asked is not None:
            self._set(asked=replace(self.state.asked, transcript_s=self.at_s))
        text = merged([text])
        if self.state.live is None:
            self._set(pending=(*self.state.pending, text) if text else self.state.pending)
        elif text or not utterance.dismissed:
            self._judge(text, number, final=True)

    def _typed(self, text: str) -> None:
        text = merged([text])
        if not text:
            return
        self._cancel()
        asked = Turn(speech_ended_s=self.at_s, turn_ended_s=self.at_s, transcript_s=self.at_s)
        self._set(pending=(*self.state.pending, text), asked=asked)

    def _judge(self, text: str, number: int, *, final: bool) -> None:
        """Decide over the live reply."""
        verdict = judge(text, self.state.context, final=final)
        if verdict.decision is Decision.WAIT:
            return
        self._record(verdict)
        if verdict.decision is Decision.RESUME:
            utterance = self._utterance(number)
            if utterance is not None:
                self._update(replace(utterance, dismissed=True))
            return
        self._cancel()
        if not final:
            return
        if verdict.answer:
            self._set(pending=(*self.state.pending, text))
        else:
            self._set(merge_next=False)

    def _record(self, verdict: Verdict) -> None:
        since_s = self.state.interrupted_at_s
        ruling = Ruling(verdict, took_s=0.0 if since_s is None else self.at_s - since_s)
        self._set(rulings=(*self.state.rulings, ruling)[-MAX_RULINGS:])

    def _clear(self) -> None:
        self._cancel()
        if self.state.reply is not None:
            self._set(reply=replace(self.state.reply, forgotten=True))
        self._set(history=(), pending=(), rulings=(), asked=None, turn=None, turns=(), error=None, merge_next=True)

    # The reply ----------------------------------------------------------------------------------------------------

    def _start_reply(self) -> None:
        history = said(self.state.history, merged(self.state.pending), merge=self.state.merge_next)
        number = self.state.last_reply + 1
        self._set(history=history, pending=(), merge_next=True, reply=Reply(number), last_reply=number)
        self._set(turn=self.state.asked, asked=None, error=None)
        self.commands.append(StartReply(number, history))

    def _cancel(self) -> None:
        live = self.state.live
        if live is not None:
            self._set(reply=replace(live, cancelled=True, paused=False), interrupted_at_s=None)
            self.commands.append(CancelReply(live.number))

    def _reply_went_on(self, reply: Reply, input: ReplyInput) -> None:
        match input:
            case TokenReceived():
                self._set(reply=replace(reply, first_token=True))
                self._stamp("token_s")
            case SentenceReady():
                if input.sentence == len(reply.sentences):
                    self._set(reply=replace(reply, sentences=(*reply.sentences, merged([input.text]))))
                    self._stamp("sentence_s")
            case TextEnded():
                self._set(reply=replace(reply, text_ended=True), error=input.error or self.state.error)
            case AudioReceived():
                if input.sentence == reply.synthesized < len(reply.sentences):
                    self._set(reply=replace(reply, sounding=True))
                    self._stamp("audio_s")
            case SentenceSynthesized():
                if input.sentence == reply.synthesized < len(reply.sentences):
                    self._set(reply=replace(reply, synthesized=reply.synthesized + 1, sounding=False))
            case PlaybackStarted():
                if not reply.started:
                    self._set(reply=replace(reply, started=True))
                    self._stamp("frame_s")
                    if self.state.turn is not None and not reply.cancelled:
                        self._set(turns=(*self.state.turns, self.state.turn)[-MAX_TURNS:])
            case WordsHeard():
                if input.sentence == reply.played < len(reply.sentences):
                    self._set(reply=replace(reply, words=max(reply.words, input.words)))
            case SentencePlayed():
                if input.sentence == reply.played < len(reply.sentences):
                    self._set(reply=replace(reply, played=reply.played + 1, words=0))
            case PlaybackFinished():
                self._set(reply=replace(reply, finished=True))
            case ReplyEnded():
                self._reply_ended(reply, input.error)
            case _:
                assert_never(input)

    def _reply_ended(self, reply: Reply, error: str | None) -> None:
        merge = reply.cancelled and self.state.rules.interrupted_history is InterruptedHistory.MERGE
        if not reply.forgotten and not merge:
            interrupted = bool(reply.unheard) or not reply.text_ended
            self._set(history=heard(self.state.history, reply.heard, interrupted=interrupted))
        if error is not None:
            self._set(error=error, merge_next=False)
        self._set(reply=None, interrupted_at_s=None)

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
                    self._speech_ended(utterance.number, 0.0)
            case Timer.DECISION:
                for utterance in self.state.utterances:
                    if not utterance.speaking and not utterance.text and not utterance.dismissed:
                        self._update(replace(utterance, dismissed=True))
                        self._record(Verdict(Decision.RESUME, "silence", "no words came in time", ""))
            case Timer.TRANSCRIPT:
                for utterance in self.state.utterances:
                    if not utterance.speaking:
                        self.commands.append(EndTranscription(utterance.number))
                        self._final(utterance.number, utterance.text, "The speech recogniser took too long.")
            case _:
                assert_never(timer)

    def _start(self, timer: Timer, delay_s: float) -> None:
        token = self.state.last_token + 1
        others = tuple(entry for entry in self.state.timers if entry[0] is not timer)
        self._set(timers=(*others, (timer, token)), last_token=token)
        self.commands.append(StartTimer(timer, token, delay_s))

    def _stop(self, timer: Timer) -> None:
        others = tuple(entry for entry in self.state.timers if entry[0] is not timer)
        if others != self.state.timers:
            self._set(timers=others)
            self.commands.append(StopTimer(timer))

    # The pieces of the state --------------------------------------------------------------------------------------

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def _stamp(self, step: Literal["token_s", "sentence_s", "audio_s", "frame_s"]) -> None:
        """Note when a step of the answer first came."""
        turn = self.state.turn
        if turn is not None and getattr(turn, step) is None:
            self._set(turn=replace(turn, **{step: self.at_s}))

    def _utterance(self, number: int) -> Utterance | None:
        return next((utterance for utterance in self.state.utterances if utterance.number == number), None)

    def _update(self, utterance: Utterance) -> None:
        others = self.state.utterances
        self._set(utterances=tuple(utterance if other.number == utterance.number else other for other in others))
