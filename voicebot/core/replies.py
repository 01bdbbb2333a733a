"""The bot's answers in one step: begun, committed to, cancelled, over."""

from __future__ import annotations

from dataclasses import replace

from voicebot.core.choices import InterruptedHistory
from voicebot.core.draft import Step
from voicebot.core.events import (
    AudioReceived,
    CancelReply,
    PlaybackStarted,
    ReplyEnded,
    ReplyInput,
    SentenceReady,
    SentenceSynthesized,
    StartReply,
    TextEnded,
    TokenReceived,
)
from voicebot.core.history import History, heard, merged, said
from voicebot.core.presence import Attendance
from voicebot.core.reply_state import Reply
from voicebot.core.state import MAX_TURNS, Spoken
from voicebot.core.verdict import Context

STEPS: dict[type[ReplyInput], Step] = {
    TokenReceived: "token_s",
    SentenceReady: "sentence_s",
    AudioReceived: "audio_s",
    PlaybackStarted: "frame_s",
}


class Answering(Attendance):
    """The part of a step that has to do with replies. A cancelled one is over when `ReplyEnded` says so."""

    def _start_reply(self, words: str, *, eager: bool = False) -> None:
        history = said(self.state.history, words, merge=self.state.merge_next)
        number = self.state.last_reply + 1
        turn = self.state.asked and replace(self.state.asked, begun_s=self.at_s)
        self._set(reply=Reply(number, asked=words, eager=eager), last_reply=number, turn=turn)
        self.commands.append(StartReply(number, history, eager=eager, stood_in=self.state.stood_in))
        if not eager:
            self._take_turn(history)

    def _commit(self, reply: Reply) -> None:
        """The turn is over, and its words are those that the eager reply answers."""
        self._set(reply=replace(reply, eager=False))
        self._take_turn(said(self.state.history, reply.asked, merge=self.state.merge_next))

    def _keep_unanswered_words(self) -> None:
        """The user's last words get no answer, but the history keeps them."""
        if self.state.pending or self.state.ask_again:
            self._take_turn(said(self.state.history, merged(self.state.pending), merge=self.state.merge_next))

    def _take_turn(self, history: History) -> None:
        self._set(history=history, pending=(), merge_next=True, asked=None, ask_again=False, spoken=None)

    def _cancel(self) -> None:
        live = self.state.live
        if live is not None:
            self._set(reply=replace(live, cancelled=True, paused=False), interrupted_at_s=None)
            self.commands.append(CancelReply(live.number))

    def _reply_went_on(self, reply: Reply, input: ReplyInput) -> None:
        if isinstance(input, ReplyEnded):
            self._reply_ended(reply, input.error)
            return
        if isinstance(input, TextEnded | SentenceSynthesized) and input.error is not None:
            self._set(error=input.error)
        now = reply.after(input)
        if now == reply:
            return
        self._set(reply=now)
        if type(input) in STEPS:
            self._stamp(STEPS[type(input)])
        answers = not (reply.cancelled or reply.refused)
        if isinstance(input, PlaybackStarted) and self.state.turn is not None and answers:
            self._set(turns=(*self.state.turns, self.state.turn)[-MAX_TURNS:])

    def _reply_ended(self, reply: Reply, error: str | None) -> None:
        merge = reply.cancelled and self.state.rules.interrupted_history is InterruptedHistory.MERGE
        if not reply.forgotten and not merge:
            self._set(history=heard(self.state.history, reply.heard, interrupted=reply.cut_short))
        if error is not None:
            self._set(error=error, merge_next=False)
        if reply.refused is not None and (reply.started or not (reply.cancelled or reply.eager)):
            self._set(refused=reply.refused)
        self._note_stand_in(reply)
        if reply.started:
            self._set(spoken=Spoken(self._context_of(reply), self.at_s))
        self._set(reply=None, interrupted_at_s=None, suspected=False)
        self._word_fell()

    def _note_stand_in(self, reply: Reply) -> None:
        """Note whether the user has heard a stand-in. It says so first: that counts once its first sentence is over."""
        served = reply.served
        if served is not None and served.reasons and reply.played:
            self._set(stood_in=served.engine)
        elif served is not None and not served.reasons and reply.started:
            self._set(stood_in="")

    def _context_of(self, reply: Reply) -> Context:
        rules = self.state.rules
        return replace(reply.context(rules.language), sensitivity=rules.sensitivity)
