"""The inputs of the state machine (what may happen to a session) and its commands (what the session does about it)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voicebot.audio.prosody import Prosody
from voicebot.dialogue.errors import ErrorReport
from voicebot.dialogue.history import History
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import Preferences
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest


class Timer(StrEnum):
    """The deadlines of the machine. Each ends one kind of waiting, so that no wait lasts for ever."""

    DEBOUNCE = "debounce"
    """The bot waits for more words before it takes its turn."""
    SPEECH = "speech"
    """The user has been speaking for an improbably long time (noise, a lost microphone): the utterance ends."""
    VERDICT = "verdict"
    """A reply has been paused for long enough: the verdict is given by what is known."""
    TRANSCRIPT = "transcript"
    """The recogniser has not delivered a final text in time: its last interim text is used."""
    IDLE = "idle"
    """Nobody has said anything for a while: the bot asks whether the user is there, or says goodbye."""
    CONFIRMATION = "confirmation"
    """The user has not answered a question that needs a yes: it counts as a no."""
    GO_ON = "go on"
    """A session has begun whose conversation broke off in a reply: the bot goes on with the reply."""


class Stage(StrEnum):
    """The stages of the pipeline that engines work for."""

    STT = "stt"
    LLM = "llm"
    TTS = "tts"


class EndCause(StrEnum):
    """Why the bot itself ends a session; `access.close_codes.CloseCode` has the same values."""

    IDLE = "idle"
    """Nobody has said anything for a long time."""
    DAY = "day"
    """The bot's turns of the day are used up."""


# Inputs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The session has begun: audio flows in both directions."""


@dataclass(frozen=True, slots=True)
class SpeechSuspected:
    """The user may be beginning to speak; `SpeechStarted` or `SpeechCleared` follows."""


@dataclass(frozen=True, slots=True)
class SpeechCleared:
    """The suspected speech was none."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user began to speak `since_s` ago. Utterances are numbered from 1 upwards.

    `announced`: the client reports it, and will send the audio of the whole utterance when it has ended. `held`: the
    user has pressed the talk button, and may not have said anything yet.
    """

    utterance: int
    announced: bool = False
    since_s: float = 0.0
    held: bool = False


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The user fell silent `silence_s` ago, and may speak on. Each utterance's pauses are numbered from 1 upwards.

    `prosody` says how the speech before the pause ends; None if it was not measured or holds too little voice.
    """

    utterance: int
    pause: int
    silence_s: float = 0.0
    speech: Speech = field(default_factory=Speech)
    prosody: Prosody | None = None


@dataclass(frozen=True, slots=True)
class SpeechContinued:
    """The user speaks on after a pause."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over: the user fell silent `silence_s` ago. Speech that follows is another utterance.

    `released`: it is over because the user has let go of the talk button.
    """

    utterance: int
    silence_s: float = 0.0
    speech: Speech = field(default_factory=Speech)
    released: bool = False


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """The interim text of an utterance. If `pause` is given, the text holds every word said before that pause.

    `turn_over`: the recogniser hears from the way of speaking that the user is done. `speech`: what is known of the
    sound so far, if the session gets it live. `backchannel`: a backchannel that sounds nearly the same.
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
    """The final text of an utterance, empty if there were no words. `error` says why the recogniser failed.

    `backchannel`: a backchannel that sounds nearly the same.
    """

    utterance: int
    text: str
    error: ErrorReport | None = None
    confidence: float | None = None
    backchannel: str = ""


@dataclass(frozen=True, slots=True)
class TurnModelAnswered:
    """The end-of-turn model has heard an utterance up to a pause. `probability` is that of the turn being over."""

    utterance: int
    pause: int
    probability: float


@dataclass(frozen=True, slots=True)
class EngineReported:
    """An engine works for a stage from now on. `reasons` say why each engine that is preferred to it does not."""

    stage: Stage
    engine: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextTyped:
    """The user typed instead of speaking."""

    text: str


@dataclass(frozen=True, slots=True)
class SayRequested:
    """A tool, or a person outside, wants the bot to say `text` as a reply of its own, as soon as nobody is speaking."""

    text: str


@dataclass(frozen=True, slots=True)
class HandoverChanged:
    """From now on a person answers the user (`to_person`), or the bot does so again."""

    to_person: bool


@dataclass(frozen=True, slots=True)
class InterruptPressed:
    """The user wants silence: the reply ends, no other begins, and texts that wait to be said are dropped."""


@dataclass(frozen=True, slots=True)
class ConversationCleared:
    """The user wants a new conversation: the reply ends, and the history is emptied."""


@dataclass(frozen=True, slots=True)
class VerdictDisputed:
    """The user says that the verdict of this number was wrong, or takes that back."""

    verdict: int
    disputed: bool = True


@dataclass(frozen=True, slots=True)
class ReplyRefused:
    """The reply only says that there are no more answers today (TURNS_PER_DAY). The session ends after it.

    `reason` is a sentence for the user.
    """

    reply: int
    reason: str


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """The next token of the reply has come: the first one, or one that came before the user's turn was over."""

    reply: int


@dataclass(frozen=True, slots=True)
class TextReceived:
    """The next piece of the reply's text has come. From now on no other engine can start the answer over."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """A sentence is complete and goes to the synthesizer. Sentences are numbered from 0.

    A `filler` covers the time of a tool, and says nothing of its result.
    """

    reply: int
    sentence: int
    text: str
    filler: bool = False


@dataclass(frozen=True, slots=True)
class TextEnded:
    """The text of the reply has ended. `error` says why, if the agent failed."""

    reply: int
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class SentenceSkipped:
    """A sentence will not be spoken, as too many wait for the synthesizer (TTS_OVERFLOW)."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """The first audio of a sentence has come from the synthesizer."""

    reply: int
    sentence: int


@dataclass(frozen=True, slots=True)
class SentenceSynthesized:
    """The synthesizer is done with a sentence. `error` says why its audio broke off, if it did."""

    reply: int
    sentence: int
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sample of the reply has been played."""

    reply: int


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """The first `words` words of a sentence have been played."""

    reply: int
    sentence: int
    words: int


@dataclass(frozen=True, slots=True)
class WordsTakenBack:
    """The client that plays the reply reports that only the first `words` words of a sentence were heard after all."""

    reply: int
    sentence: int
    words: int


@dataclass(frozen=True, slots=True)
class SentencePlayed:
    """The last sample of a sentence has been played. `broken`: its audio broke off before its end."""

    reply: int
    sentence: int
    broken: bool = False


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """The last sample of the reply has been played, and no more will come."""

    reply: int


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply is over: its task has ended, or was cancelled and awaited, and its audio is gone."""

    reply: int
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class ToolCallBegun:
    """A tool with effects outside has begun to work. It is noted even if its reply was cancelled before."""

    reply: int
    call: CallRecord


@dataclass(frozen=True, slots=True)
class ConfirmationAsked:
    """The reply ends with the question whether a tool may be called. It runs only after a clear yes to the question.

    If another engine starts the answer over, its own question, if there is one, takes the place of this one.
    """

    reply: int
    request: ConfirmationRequest


@dataclass(frozen=True, slots=True)
class ToolCallEnded:
    """A tool with effects outside has ended. The reply that called it may have been cancelled long ago."""

    call: str
    """The call's identifier."""
    status: CallStatus
    result: str


@dataclass(frozen=True, slots=True)
class PreferencesChanged:
    """The user has changed preferences for the turns to come."""

    preferences: Preferences


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A timer has run out. `token` distinguishes it from an older timer of the same kind."""

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
    | ConfirmationAsked
    | ReplyEnded
)
"""Inputs about a reply. The machine drops those about any reply but the current one."""

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
    | TurnModelAnswered
    | EngineReported
    | TextTyped
    | SayRequested
    | HandoverChanged
    | InterruptPressed
    | ConversationCleared
    | VerdictDisputed
    | ToolCallBegun
    | ToolCallEnded
    | PreferencesChanged
    | TimedOut
    | ReplyInput
)


# Commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartReply:
    """Answer the last message of the history, or say `text`.

    `stood_in` is the engine of the last answer that was heard, if it stood in for others: the user knows about it.
    A `preemptive` reply is begun before the user's turn is sure to be over: until `ResumePlayback` it must do nothing
    that cannot be undone. `calls` are those of the conversation so far, the oldest first. `confirmed` is a call to
    which the user has just said yes: the reply makes it first, and then answers. `counted`: the turn of the day was
    counted in an earlier session, which broke off.
    """

    reply: int
    history: History
    text: str | None = None
    preemptive: bool = False
    stood_in: str = ""
    calls: tuple[CallRecord, ...] = ()
    confirmed: CallRecord | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class PausePlayback:
    """Fall silent at the next frame, and keep the audio and the position."""

    reply: int


@dataclass(frozen=True, slots=True)
class ResumePlayback:
    """Go on with the sample after the last one played."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Cancel the reply's task, wait until it has ended, and drop its audio; `ReplyEnded` follows."""

    reply: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Post `TimedOut(timer, token)` after `delay_s`. This replaces a running timer of the same kind."""

    timer: Timer
    token: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    timer: Timer


@dataclass(frozen=True, slots=True)
class StartTranscription:
    """Have the recogniser transcribe this utterance while it is spoken."""

    utterance: int


@dataclass(frozen=True, slots=True)
class SetEndpointingDelay:
    """Let `silence_s` of silence end the utterance."""

    utterance: int
    silence_s: float


@dataclass(frozen=True, slots=True)
class EndTranscription:
    """Stop transcribing this utterance: its text is no longer needed."""

    utterance: int


@dataclass(frozen=True, slots=True)
class ApplyPreferences:
    """Use these preferences from now on. Nothing is being said, made or played at this moment."""

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
