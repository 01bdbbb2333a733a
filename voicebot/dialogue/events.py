"""What may happen to a session (inputs) and what it may do about it (commands)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voicebot.dialogue.history import History
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import Preferences


class Timer(StrEnum):
    """The deadlines of the machine. Each ends one kind of waiting, so that no wait lasts for ever."""

    DEBOUNCE = "debounce"
    """More words may follow: the turn is given to the bot when it ends."""
    SPEECH = "speech"
    """The user has been speaking for too long to be true (noise, a lost microphone)."""
    VERDICT = "verdict"
    """A reply has been kept paused for long enough: what is known by now decides."""
    TRANSCRIPT = "transcript"
    """The recogniser owes a final text: what it has shown so far must do."""
    IDLE = "idle"
    """Nobody has said anything for a while: the user is asked for, and then said goodbye to."""


class Stage(StrEnum):
    """What engines are for."""

    STT = "stt"
    LLM = "llm"
    TTS = "tts"


class EndCause(StrEnum):
    """Why the bot itself ends a session; `access.ending.Cause` has the same values."""

    IDLE = "idle"
    """Nobody has said anything for long."""
    DAY = "day"
    """The day's turns of the bot are used up."""


# Inputs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The session runs: it hears, and can be heard."""


@dataclass(frozen=True, slots=True)
class SpeechSuspected:
    """The user may be beginning to speak; `SpeechStarted` or `SpeechCleared` follows."""


@dataclass(frozen=True, slots=True)
class SpeechCleared:
    """It was nothing."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak. Utterances are numbered from 1 upwards.

    `announced`: the client says so, and will send the sound of the whole utterance when it has ended.
    """

    utterance: int
    announced: bool = False


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The user fell silent, `silence_s` ago, and may speak on. An utterance's pauses are numbered from 1 upwards."""

    utterance: int
    pause: int
    silence_s: float = 0.0
    speech: Speech = field(default_factory=Speech)


@dataclass(frozen=True, slots=True)
class SpeechContinued:
    """The user speaks on after a pause."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The user fell silent, `silence_s` ago; speech that follows is another utterance."""

    utterance: int
    silence_s: float = 0.0
    speech: Speech = field(default_factory=Speech)


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What the utterance seems to be so far. `pause` is the pause before which no word is missing, if that is sure.

    `turn_over`: the recogniser hears from how it was said that the user is done. `speech`: what is known of the sound
    so far, where it is heard as it comes. `backchannel`: what a listener would say that sounds nearly the same.
    """

    utterance: int
    text: str
    pause: int | None = None
    confidence: float | None = None
    turn_over: bool = False
    speech: Speech | None = None
    backchannel: str = ""


@dataclass(frozen=True, slots=True)
class FinalTranscript:
    """What the utterance was; empty if there were no words. `error` says why the recogniser could not tell.

    `backchannel`: what a listener would say that sounds nearly the same.
    """

    utterance: int
    text: str
    error: str | None = None
    confidence: float | None = None
    backchannel: str = ""


@dataclass(frozen=True, slots=True)
class EngineReported:
    """Which engine of a stage does the work from now on; `reasons` say why none before it in the chain does."""

    stage: Stage
    engine: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextTyped:
    """The user wrote instead of speaking."""

    text: str


@dataclass(frozen=True, slots=True)
class InterruptPressed:
    """The user wants silence: the reply ends and no other begins."""


@dataclass(frozen=True, slots=True)
class ConversationCleared:
    """The user wants to begin anew: the reply ends and the history is emptied."""


@dataclass(frozen=True, slots=True)
class VerdictDisputed:
    """The user says that a verdict was wrong, or takes that back."""

    verdict: int
    disputed: bool = True


@dataclass(frozen=True, slots=True)
class ReplyRefused:
    """No answer may be given any more today (TURNS_PER_DAY): the reply says that in place of one.

    The session ends after it. `reason` tells the session's user why.
    """

    reply: int
    reason: str


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """The agent's first token came."""

    reply: int


@dataclass(frozen=True, slots=True)
class TextReceived:
    """The next piece of the reply's text, which no other engine can give otherwise any more."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """The agent completed a sentence, which now goes to the speech synthesiser. Sentences are numbered from 0."""

    reply: int
    sentence: int
    text: str


@dataclass(frozen=True, slots=True)
class TextEnded:
    """The agent has no more to say. `error` says why, if it failed."""

    reply: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SentenceSkipped:
    """A sentence is left unspoken, as too many wait for the synthesiser (TTS_OVERFLOW)."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """The first sound of a sentence came from the synthesiser."""

    reply: int
    sentence: int


@dataclass(frozen=True, slots=True)
class SentenceSynthesized:
    """The synthesiser is done with a sentence. `error` says why its sound broke off, if it did."""

    reply: int
    sentence: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sample of the reply went out."""

    reply: int


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """So many words of a sentence have been played."""

    reply: int
    sentence: int
    words: int


@dataclass(frozen=True, slots=True)
class WordsTakenBack:
    """No more than so many words of a sentence were heard after all: the client that plays them says so."""

    reply: int
    sentence: int
    words: int


@dataclass(frozen=True, slots=True)
class SentencePlayed:
    """The last sample of a sentence went out; `broken`: there should have been more, but its sound broke off."""

    reply: int
    sentence: int
    broken: bool = False


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """The last sample of the reply went out and no more will come."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """Nothing of the reply is left: its task has ended (or was cancelled and awaited) and its audio is gone."""

    reply: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PreferencesChanged:
    """The user has chosen, for the turns to come."""

    preferences: Preferences


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A timer ran out. `token` tells it from an older timer of the same kind."""

    timer: Timer
    token: int


ReplyInput = (
    ReplyRefused
    | TokenReceived
    | TextReceived
    | SentenceReady
    | SentenceSkipped
    | TextEnded
    | AudioReceived
    | SentenceSynthesized
    | PlaybackStarted
    | WordsHeard
    | WordsTakenBack
    | SentencePlayed
    | PlaybackFinished
    | ReplyEnded
)
"""What becomes of a reply; inputs of any other than the live one are dropped."""

Input = (
    SessionStarted
    | SpeechSuspected
    | SpeechCleared
    | SpeechStarted
    | SpeechPaused
    | SpeechContinued
    | SpeechEnded
    | PartialTranscript
    | FinalTranscript
    | EngineReported
    | TextTyped
    | InterruptPressed
    | ConversationCleared
    | VerdictDisputed
    | PreferencesChanged
    | TimedOut
    | ReplyInput
)


# Commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartReply:
    """Answer the history's last message, or say `text`.

    `stood_in` is the engine of the last answer that was heard, if it stood in for others: the user knows about it.
    An `preemptive` reply is begun before the user's turn is sure to be over: it must do nothing that can't be undone
    until `ResumePlayback`.
    """

    reply: int
    history: History
    text: str | None = None
    preemptive: bool = False
    stood_in: str = ""


@dataclass(frozen=True, slots=True)
class PausePlayback:
    """Fall silent at the next frame and keep everything."""

    reply: int


@dataclass(frozen=True, slots=True)
class ResumePlayback:
    """Go on with the very sample after the last one heard."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop the reply, wait until it has stopped, drop its audio; `ReplyEnded` follows."""

    reply: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Post `TimedOut(timer, token)` after `delay_s`; a running timer of the same kind is replaced."""

    timer: Timer
    token: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    timer: Timer


@dataclass(frozen=True, slots=True)
class StartTranscription:
    """Find out what is being said in this utterance, as it comes."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SetEndpointingDelay:
    """So much silence ends the utterance."""

    utterance: int
    silence_s: float


@dataclass(frozen=True, slots=True)
class EndTranscription:
    """Nobody waits for this utterance's text any more."""

    utterance: int


@dataclass(frozen=True, slots=True)
class ApplyPreferences:
    """From now on listen, think and speak like this: nothing is being said, made or played."""

    preferences: Preferences


Command = (
    StartReply
    | PausePlayback
    | ResumePlayback
    | CancelReply
    | StartTimer
    | StopTimer
    | StartTranscription
    | SetEndpointingDelay
    | EndTranscription
    | ApplyPreferences
)
