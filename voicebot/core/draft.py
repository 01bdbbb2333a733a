"""A state in the making: what one step has changed so far, and the commands it has given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from voicebot.core.events import Command, StartReply, StartTimer, StopTimer, Timer
from voicebot.core.reply_state import Reply
from voicebot.core.state import State, Turn, Utterance

Step = Literal["token_s", "sentence_s", "audio_s", "frame_s"]
"""A step of the answer: the field of `Turn` that tells when it came."""


class Draft:
    """The state as changed so far, at `at_s` of the session's clock, and the commands given."""

    def __init__(self, state: State, at_s: float) -> None:
        self.state = state
        self.at_s = at_s
        self.commands: list[Command] = []

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def _stamp(self, step: Step) -> None:
        """Note when a step of the answer first came."""
        turn = self.state.turn
        if turn is not None and getattr(turn, step) is None:
            self._set(turn=replace(turn, **{step: self.at_s}))

    def _note(self, asked: Turn, **times: float) -> None:
        """Note the user's side of the turn that comes, and of the eager reply's, which is the same one."""
        self._set(asked=replace(asked, **times))
        if self.state.live is not None and self.state.live.eager:
            self._set(turn=replace(self.state.turn or asked, **times))

    def _note_transcript(self) -> None:
        asked = self.state.asked
        if asked is not None and asked.transcript_s is None:
            self._note(asked, transcript_s=self.at_s)

    def _utterance(self, number: int) -> Utterance | None:
        return next((utterance for utterance in self.state.utterances if utterance.number == number), None)

    def _update(self, utterance: Utterance) -> None:
        others = self.state.utterances
        self._set(utterances=tuple(utterance if other.number == utterance.number else other for other in others))

    def _say(self, text: str) -> None:
        """Begin a reply of the bot's own, which answers no words of the user's."""
        number = self.state.last_reply + 1
        self._set(reply=Reply(number), last_reply=number, turn=None, asked=None, ask_again=False, spoken=None)
        self.commands.append(StartReply(number, self.state.history, text=text))

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
