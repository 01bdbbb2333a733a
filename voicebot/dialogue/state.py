"""What a session is doing, as one immutable value: the machine makes it, the panel shows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from voicebot.dialogue.end_of_turn.turn_end import EndpointingDelays
from voicebot.dialogue.events import EngineReported, Timer
from voicebot.dialogue.history import History
from voicebot.dialogue.interruption.verdict import Decision, Speech, Verdict, VerdictContext
from voicebot.dialogue.preferences import InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.reply_state import Reply

MAX_VERDICTS = 20
MAX_TURNS = 50
MAX_LEVELS = 5
"""A user who moves away from the microphone is known by the new loudness after three turns."""


class Status(StrEnum):
    """What one part is doing."""

    IDLE = "idle"
    PROCESSING = "processing"
    """Working, with nothing to show yet."""
    STREAMING = "streaming"
    """Giving out results."""
    ACTIVE = "active"
    """Playing."""
    PAUSED = "paused"


class InterruptionStatus(StrEnum):
    IDLE = "idle"
    PROCESSING = "processing"
    """The user spoke over the reply; what it meant is being decided."""
    ACTIVE = "active"
    """It was an interruption; the reply is being taken back."""


class Phase(StrEnum):
    """Where the conversation is, in one word."""

    IDLE = "idle"
    LISTENING = "listening"
    """The user speaks and the bot does not."""
    TRANSCRIBING = "transcribing"
    """The user has spoken; the words are awaited."""
    THINKING = "thinking"
    """A reply is being made; nothing of it was heard."""
    HELD = "held"
    """The user speaks on while a reply is being made: it is kept back."""
    SPEAKING = "speaking"
    PAUSED = "paused"
    """The user spoke over the reply: it is silent until the verdict."""
    CANCELLING = "cancelling"
    """The reply was given up and is being taken down."""


class IdleStage(StrEnum):
    """Whether the user of a silent session is still there, as far as is known."""

    ACTIVE = "active"
    PROMPTED = "prompted"
    """The user was asked, and has not answered yet."""
    SAYING_GOODBYE = "saying goodbye"
    """There was no answer: the bot says goodbye."""
    ENDED = "ended"
    """The session has been ended."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The figures the machine decides by."""

    language: str = "en"
    debounce_s: float = 0.05
    endpointing_delays: EndpointingDelays = field(default_factory=EndpointingDelays)
    turn_over_s: float = 0.1
    """The silence that ends a turn of which the recogniser says that it is over."""
    speech_timeout_s: float = 35.0
    announced_timeout_s: float = 10.0
    """How long a client may announce speech without sending it: then the bot goes on, and what comes later is a new
    utterance."""
    verdict_timeout_s: float = 1.5
    """From the user's silence to a decision without words."""
    noise_timeout_s: float = 3.0
    """Speech without a word, from a recogniser that shows words as they come, keeps a reply paused no longer."""
    longest_pause_s: float = 8.0
    """Words or not: one speech after the other keeps a reply paused no longer."""
    transcript_timeout_s: float = 10.0
    echo_tail_s: float = 0.7
    """The bot's own voice may still come back so long after a reply has ended."""
    ask_again_s: float = 0.5
    """Speech of this length that gave no words makes the bot ask again; shorter sounds may be anything."""
    preemptive_replies: bool = True
    """Begin to think at the user's first pause, and speak when the turn is over."""
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    sensitivity: Sensitivity = Sensitivity.BALANCED
    idle_timeout_s: float = 0.0
    """Nothing said or typed for so long, and the bot asks whether the user is still there; 0: it never does."""
    idle_goodbye_s: float = 30.0
    """It waits so long for an answer to that, then says goodbye and ends the session."""

    def with_preferences(self, preferences: Preferences) -> Rules:
        return replace(
            self,
            language=preferences.language,
            interrupted_history=preferences.interrupted_history,
            sensitivity=preferences.sensitivity,
        )


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech whose final text has not come yet."""

    number: int
    started_s: float = 0.0
    text: str = ""
    confidence: float | None = None
    backchannel: str = ""
    """What a listener would say that sounds nearly the same."""
    speech: Speech = field(default_factory=Speech)
    announced: bool = False
    """Its sound comes only when it has ended."""
    speaking: bool = True
    """It has not ended, though the user may be pausing."""
    pause: int | None = None
    """The pause the user is making now."""
    last_pause: int = 0
    settled: bool = False
    """No word said before that pause is missing in the text."""
    overdue: bool = False
    """A decision was due when its words were not settled."""
    endpointing_delay_s: float | None = None
    """The silence that ends it, if its words have changed that."""
    dismissed: bool = False
    """It does not keep a reply paused (any more)."""
    decision: Decision | None = None
    """What was decided about it over a reply."""
    over: VerdictContext | None = None
    """What the bot was saying then, or had just said when the utterance began."""

    @property
    def known(self) -> bool:
        """Its text is all that was said, unless the user speaks on."""
        return self.settled and self.pause is not None


@dataclass(frozen=True, slots=True)
class Turn:
    """When the steps of one answer came, in seconds of the session's clock; None where it has not come."""

    speech_ended_s: float
    turn_ended_s: float | None = None
    """The end of the user's turn was decided."""
    transcript_s: float | None = None
    begun_s: float | None = None
    """The reply was begun: preemptively, or once the turn was over."""
    token_s: float | None = None
    sentence_s: float | None = None
    audio_s: float | None = None
    frame_s: float | None = None

    @property
    def typed(self) -> bool:
        """The user wrote: all words were there from the start."""
        return self.transcript_s == self.speech_ended_s

    @property
    def response_gap_s(self) -> float | None:
        return None if self.frame_s is None else self.frame_s - self.speech_ended_s


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A verdict, what it was based on, and how long the reply had been kept waiting for it."""

    number: int
    verdict: Verdict
    context: VerdictContext
    took_s: float
    disputed: bool = False
    """The user says that it was wrong."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The end of the last reply: what its echo would say, and when."""

    context: VerdictContext
    ended_s: float


@dataclass(frozen=True, slots=True)
class State:
    """Everything the machine knows of a session."""

    rules: Rules = field(default_factory=Rules)
    preferences: Preferences = field(default_factory=Preferences)
    next_preferences: Preferences | None = None
    """What the user has chosen since, for the next turn."""
    history: History = ()
    utterances: tuple[Utterance, ...] = ()
    last_utterance: int = 0
    levels_dbfs: tuple[float, ...] = ()
    """How loud the last utterances were that got an answer."""
    suspected: bool = False
    """The user may be beginning to speak over the reply."""
    pending: tuple[str, ...] = ()
    """Final texts that no reply has been given yet."""
    merge_next: bool = True
    """The next words join an unanswered message of the user."""
    reply: Reply | None = None
    last_reply: int = 0
    interrupted_at_s: float | None = None
    """When the live reply was paused."""
    timers: tuple[tuple[Timer, int], ...] = ()
    last_token: int = 0
    asked: Turn | None = None
    """The user's side of the next turn."""
    turn: Turn | None = None
    """The turn that is being answered, or was last."""
    turns: tuple[Turn, ...] = ()
    verdicts: tuple[VerdictRecord, ...] = ()
    last_verdict: int = 0
    spoken: Spoken | None = None
    asked_again: int = 0
    """How often in a row the user was asked to say it again."""
    ask_again: bool = False
    """The user spoke, and no words came of it."""
    streams: bool = False
    """The recogniser shows words while they are spoken."""
    idle_stage: IdleStage = IdleStage.ACTIVE
    last_word_s: float = 0.0
    """When the session began, the user was last noticed, or the bot last fell silent: the latest of these."""
    refused: str | None = None
    """Why the user gets no more answers, once the bot has said so: the session ends as soon as it is idle."""
    stood_in: str = ""
    """The model of the last answer that was heard, if it stood in for others that failed; else empty."""
    engines_in_use: tuple[EngineReported, ...] = ()
    """What does the work of each stage, where that was told: one entry a stage."""
    error: str | None = None
    """What went wrong since the user last spoke or wrote."""

    @property
    def speaking(self) -> bool:
        return any(utterance.speaking for utterance in self.utterances)

    @property
    def live(self) -> Reply | None:
        """The reply, unless it is being taken down."""
        return self.reply if self.reply and not self.reply.cancelled else None

    @property
    def committed(self) -> Reply | None:
        """The live reply, if the user waits for it or hears it: words over it may interrupt it."""
        return self.live if self.live and not self.live.preemptive and not self.live.finished else None

    @property
    def stt_status(self) -> Status:
        if any(utterance.text for utterance in self.utterances):
            return Status.STREAMING
        return Status.PROCESSING if self.utterances else Status.IDLE

    @property
    def agent_status(self) -> Status:
        if self.live is None or self.live.text_ended:
            return Status.IDLE
        return Status.STREAMING if self.live.first_token else Status.PROCESSING

    @property
    def tts_status(self) -> Status:
        if self.live is None or self.live.synthesized >= len(self.live.sentences):
            return Status.IDLE
        return Status.STREAMING if self.live.sounding else Status.PROCESSING

    @property
    def client_playback_active(self) -> bool:
        return self.live is not None and self.live.started and not self.live.finished

    @property
    def playback_status(self) -> Status:
        if not self.client_playback_active:
            return Status.IDLE
        return Status.PAUSED if self.live is not None and self.live.paused else Status.ACTIVE

    @property
    def interruption_status(self) -> InterruptionStatus:
        if self.reply is None or self.reply.preemptive:
            return InterruptionStatus.IDLE
        if self.reply.cancelled:
            return InterruptionStatus.ACTIVE
        return InterruptionStatus.PROCESSING if self.reply.paused else InterruptionStatus.IDLE

    @property
    def response_in_progress(self) -> bool:
        return self.reply is not None

    @property
    def is_idle(self) -> bool:
        """Nothing is being heard, thought, spoken or played, nor waits for it: the next words begin a new turn."""
        parts = (self.stt_status, self.agent_status, self.tts_status, self.playback_status)
        return (
            all(part is Status.IDLE for part in parts)
            and not self.client_playback_active
            and not self.response_in_progress
            and not self.pending
            and not self.ask_again
        )

    @property
    def phase(self) -> Phase:
        reply = self.reply
        if reply is not None and not reply.preemptive:
            if reply.cancelled:
                return Phase.CANCELLING
            if reply.paused:
                return Phase.PAUSED if reply.started else Phase.HELD
            return Phase.SPEAKING if reply.started else Phase.THINKING
        if self.speaking:
            return Phase.LISTENING
        return Phase.TRANSCRIBING if self.utterances or self.pending or self.ask_again or reply else Phase.IDLE
