"""A session of the state machine that a test drives input by input."""

from __future__ import annotations

from dataclasses import replace

from voicebot.dialogue.events import (
    AudioReceived,
    Command,
    FinalTranscript,
    Input,
    PlaybackStarted,
    SentenceReady,
    SentenceSynthesized,
    SpeechEnded,
    SpeechStarted,
    StartTimer,
    TextEnded,
    TimedOut,
    Timer,
    TokenReceived,
)
from voicebot.dialogue.facts import Fact
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.machine import step
from voicebot.dialogue.state import Rules, State


def user(text: str) -> Message:
    return Message(Role.USER, text)


def bot(text: str, *, interrupted: bool = False) -> Message:
    return Message(Role.ASSISTANT, text, interrupted)


class Session:
    """Drives the machine. The clock advances by 10 ms with every input."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.state = State(rules=rules or Rules(preemptive_replies=False))
        self.now_s = 0.0

        self.facts: list[Fact] = []
        """The facts of all steps so far."""
        self.started: dict[Timer, StartTimer] = {}
        """The command that started the newest timer of each kind."""

    def post(self, *inputs: Input) -> list[Command]:
        """Gives the machine all inputs and returns the commands of all of them."""
        commands: list[Command] = []
        for each in inputs:
            self.now_s += 0.01
            self.state, given, facts = step(self.state, each, self.now_s)
            self.facts += facts
            self.started |= {command.timer: command for command in given if isinstance(command, StartTimer)}
            commands += given
        return commands

    def time_out(self, timer: Timer) -> list[Command]:
        return self.post(TimedOut(timer, dict(self.state.timers)[timer]))

    def ask(self, text: str = "tell me a story") -> list[Command]:
        """Lets the user say `text`, from its start to its end, and lets the debounce pass."""
        number = self.state.last_utterance + 1
        self.post(SpeechStarted(number), SpeechEnded(number), FinalTranscript(number, text))
        return self.time_out(Timer.DEBOUNCE)

    def answer(self, *sentences: str) -> None:
        """Completes the reply and plays its first sample."""
        self.answer_quietly(*sentences)
        self.play()

    def answer_quietly(self, *sentences: str) -> None:
        """Completes the reply without playing any of it."""
        reply = self.state.last_reply
        self.post(TokenReceived(reply))
        for index, text in enumerate(sentences):
            self.post(SentenceReady(reply, index, text), AudioReceived(reply, index), SentenceSynthesized(reply, index))
        self.post(TextEnded(reply))

    def play(self) -> None:
        self.post(PlaybackStarted(self.state.last_reply))


def speaking(*sentences: str, streams: bool = False) -> Session:
    """Returns a session in which the bot has spoken for two seconds, of which nothing was reported as heard.

    `streams`: there are partial transcripts.
    """
    session = Session()
    session.state = replace(session.state, streams=streams)
    session.ask()
    session.answer(*(sentences or ("Once upon a time there was a cat.", "It lived on a ship.")))
    session.now_s += 2.0
    return session
