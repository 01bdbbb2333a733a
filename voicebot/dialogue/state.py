"""The state of a session as one immutable value: the machine computes it, the page shows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from voicebot.audio.prosody import Prosody
from voicebot.dialogue.confirmation import PendingConfirmation
from voicebot.dialogue.end_of_turn.estimate import DELAYS, EndpointingDelays
from voicebot.dialogue.end_of_turn.evidence import Source
from voicebot.dialogue.end_of_turn.pauses import PauseHistory
from voicebot.dialogue.errors import ErrorReport
from voicebot.dialogue.events import EngineReported, Timer
from voicebot.dialogue.history import History
from voicebot.dialogue.interruption.verdict import Decision, Speech, Verdict, VerdictContext, give_verdict
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.reply_state import Reply, UnfinishedReply
from voicebot.dialogue.tool_calls import CallRecord

DETECTION_LAG_S = 0.05
"""The detector takes the first 0.05 s of silence for speech, in the median of 74 recorded and synthetic sentences in
quiet; 0.10 s at most."""

MAX_VERDICTS = 20
MAX_TURNS = 50
MAX_KEPT_CALLS = 50
"""So many calls of tools with effects are kept. The oldest that have ended and were reported go first."""
MAX_TEXTS_TO_SAY = 8
"""How many texts may wait to be said. At the longest, two minutes each, they keep the bot talking for 16 minutes."""

MAX_LEVELS = 5
"""The usual loudness is the median of this many utterances: three turns after a user moves away, it has followed."""


class Status(StrEnum):
    """What one part of the pipeline is doing."""

    IDLE = "idle"
    """It has nothing to do."""
    PROCESSING = "processing"
    """It works, and has no results yet."""
    STREAMING = "streaming"
    """It delivers results."""
    ACTIVE = "active"
    """It plays."""
    PAUSED = "paused"
    """Its sound is paused."""


class InterruptionStatus(StrEnum):
    """Whether the user has spoken over the reply."""

    IDLE = "idle"
    """No, or it was decided that the reply goes on."""
    PROCESSING = "processing"
    """The user spoke over the reply, and there is no verdict yet."""
    ACTIVE = "active"
    """It was an interruption; the reply is being cancelled."""


class Phase(StrEnum):
    """Where the conversation is, in one word."""

    IDLE = "idle"
    """Nobody speaks, and the bot waits for the user."""
    LISTENING = "listening"
    """The user speaks and the bot does not."""
    TRANSCRIBING = "transcribing"
    """The user has spoken; the bot waits for the words."""
    THINKING = "thinking"
    """A reply is being made; the user has heard nothing of it."""
    HELD = "held"
    """The user speaks on while a reply is being made: the reply is held back."""
    SPEAKING = "speaking"
    """The user hears a reply."""
    PAUSED = "paused"
    """The user spoke over the reply: it is silent until the verdict."""
    CANCELLING = "cancelling"
    """The reply was cancelled, and its task and sound are being stopped."""


class IdleStage(StrEnum):
    """How far the bot has come in finding out whether a silent user is still there."""

    ACTIVE = "active"
    PROMPTED = "prompted"
    """The bot has asked whether the user is still there, and waits for an answer."""
    SAYING_GOODBYE = "saying goodbye"
    """The user did not answer, and the bot says goodbye."""
    ENDED = "ended"
    """The session has been ended."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The time limits and preferences that the machine decides by. Times are in seconds."""

    language: str = "en"
    debounce_s: float = 0.05
    endpointing: Endpointing = Endpointing.BALANCED
    unused_sources: frozenset[Source] = frozenset()
    """Evidence of these sources does not count: `make bench-turns` measures what each source is worth."""
    speech_timeout_s: float = 35.0
    announced_timeout_s: float = 10.0
    """How long the bot waits for speech that a client has announced. What comes later is a new utterance."""
    verdict_timeout_s: float = 1.5
    """How long after the user fell silent a verdict without words is given."""
    noise_timeout_s: float = 3.0
    """How long speech without any words keeps a reply paused, with a recogniser that shows words as they come."""
    longest_pause_s: float = 8.0
    """How long one utterance after the other can keep a reply paused, with or without words."""
    transcript_timeout_s: float = 10.0
    wrong_start_s: float = 1.0
    """Speech that begins this soon after the user heard the first sound of a reply may go on with the message."""
    echo_tail_s: float = 0.7
    """How long after the end of a reply its echo may still arrive."""
    ask_again_s: float = 0.5
    """After speech of this length without words the bot asks the user to repeat; shorter sounds may be noise."""
    preemptive_replies: bool = True
    """Whether the bot begins a reply when the turn may be over, to speak it when the turn is over."""
    preemptive_discards_per_turn: int = 3
    """After this many discarded preemptive replies, the turn's next reply begins only when the turn is over.
    None of the 225 turns of docs/benchmarks.md ("Replies begun early") discarded more than two."""
    goes_on_after_s: float = 0.5
    """How long after its start a session goes on with a reply of an earlier one. By then the client's preferences have
    come, such as the voice: they take one round trip."""
    confirmation_timeout_s: float = 60.0
    """How long after the bot's last sound an answer may begin to a question that needs a yes. A guess:
    people answer within seconds, or look something up first."""
    interrupted_history: InterruptedHistory = InterruptedHistory.HEARD
    sensitivity: Sensitivity = Sensitivity.BALANCED
    idle_timeout_s: float = 0.0
    """After this much silence the bot asks whether the user is still there. With 0 it never asks."""
    idle_goodbye_s: float = 30.0
    """How long the bot waits for an answer to that before it says goodbye and ends the session."""

    @property
    def endpointing_delays(self) -> EndpointingDelays:
        return DELAYS[self.endpointing]

    def with_preferences(self, preferences: Preferences) -> Rules:
        return replace(
            self,
            language=preferences.language,
            endpointing=preferences.endpointing,
            interrupted_history=preferences.interrupted_history,
            sensitivity=preferences.sensitivity,
        )


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech of the user whose final text has not come yet."""

    number: int
    started_s: float = 0.0
    text: str = ""
    confidence: float | None = None
    backchannel: str = ""
    """A backchannel that sounds nearly the same, as the recogniser reports it; empty if there is none."""
    speech: Speech = field(default_factory=Speech)
    prosody: Prosody | None = None
    """How the speech before the last pause ends."""
    announced: bool = False
    """The client has announced the utterance, and sends its audio only when it has ended."""
    held: bool = False
    """The user has pressed the talk button for it: the bot is silent, and the turn lasts, until the utterance ends."""
    speaking: bool = True
    """The utterance has not ended, though the user may be pausing."""
    pause: int | None = None
    """The number of the pause that the user is making now; None while the user speaks."""
    last_pause: int = 0
    paused_s: float = 0.0
    """When the user fell silent for that pause."""
    changed_s: float = 0.0
    """When the text changed last."""
    settled: bool = False
    """The text holds every word that was said before that pause."""
    turn_over: bool = False
    """The recogniser hears that the user is done."""
    model_probability: float | None = None
    """The end-of-turn model's probability that the turn is over, for the pause of now; None until it has answered."""
    overdue: bool = False
    """The verdict time-out has passed once while the words could still change."""
    endpointing_delay_s: float | None = None
    """The silence that ends the utterance; None until there were words or a pause."""
    dismissed: bool = False
    """The utterance does not keep a reply paused (any more)."""
    decision: Decision | None = None
    """The decision of the last verdict on it."""
    over: VerdictContext | None = None
    """What the bot was saying during the utterance, or had just said when it began."""

    @property
    def known(self) -> bool:
        """Whether the text is complete, unless the user speaks on."""
        return self.settled and self.pause is not None

    @property
    def up_to_date(self) -> bool:
        """Whether the interim text has changed since the user fell silent, so that it may hold the last word."""
        since_s = self.paused_s - DETECTION_LAG_S
        return bool(self.text) and self.pause is not None and self.changed_s >= since_s

    @property
    def answerable_words(self) -> str:
        """The words that want an answer; empty if there are none."""
        if self.over is None or not self.text:
            return self.text
        verdict = give_verdict(self.text, self.over, final=True)
        match self.decision:
            case None:  # it began when the bot had just fallen silent
                ignored = verdict.rule == "echo"
            case Decision.REGENERATE:
                ignored = not verdict.answer
            case _:
                ignored = verdict.decision is Decision.RESUME or not verdict.answer
        return "" if ignored else self.text


@dataclass(frozen=True, slots=True)
class Turn:
    """When each step of one answer happened, in seconds of the session's clock; None while it has not."""

    speech_ended_s: float
    turn_ended_s: float | None = None
    """When the end of the user's turn was decided."""
    ended_by: str = ""
    """What ended the turn, for people: "words: a whole question"; empty while it has not ended, or was typed."""
    transcript_s: float | None = None
    begun_s: float | None = None
    """When the reply was begun: preemptively, or once the turn was over."""
    token_s: float | None = None
    sentence_s: float | None = None
    audio_s: float | None = None
    frame_s: float | None = None

    @property
    def typed(self) -> bool:
        """Whether the user typed the words, so that all of them were there from the start."""
        return self.transcript_s == self.speech_ended_s

    @property
    def response_gap_s(self) -> float | None:
        return None if self.frame_s is None else self.frame_s - self.speech_ended_s


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A verdict with its context. `took_s` is how long the reply had been paused by then."""

    number: int
    verdict: Verdict
    context: VerdictContext
    took_s: float
    disputed: bool = False
    """The user says that the verdict was wrong."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The end of the last reply, by which its echo can be recognised."""

    context: VerdictContext
    ended_s: float


@dataclass(frozen=True, slots=True)
class State:
    """Everything the machine knows of a session."""

    rules: Rules = field(default_factory=Rules)
    preferences: Preferences = field(default_factory=Preferences)
    next_preferences: Preferences | None = None
    """Preferences that the user has changed, and that hold from the next turn on."""
    history: History = ()
    calls: tuple[CallRecord, ...] = ()
    """The calls of tools with effects outside, in the order of their positions."""
    confirmation: PendingConfirmation | None = None
    """The question that the user's next words answer, if they have heard all of it."""
    utterances: tuple[Utterance, ...] = ()
    last_utterance: int = 0
    levels_dbfs: tuple[float, ...] = ()
    """The loudness of the last utterances that got an answer."""
    suspected: bool = False
    """Whether the user may be beginning to speak over the reply."""
    pending: tuple[str, ...] = ()
    """Final texts that no reply answers yet."""
    merge_next: bool = True
    """Whether the next words join the user's last message, if that has no answer."""
    texts_to_say: tuple[str, ...] = ()
    """What the bot will say next, one reply each, as a tool or a person outside wants it; the oldest text first.
    They wait while a question that needs a yes is open."""
    unfinished: UnfinishedReply | None = None
    """What an earlier session of the conversation still had to say when it broke off, until the bot goes on with it."""
    goes_on: bool = False
    """Whether the bot goes on with that as soon as nobody speaks."""
    handed_over: bool = False
    """A person answers the user: what the user says gets into the history, and no model answers it."""
    reply: Reply | None = None
    last_reply: int = 0
    last_reply_cleared: int = 0
    """The last reply of the conversation before this one."""
    discarded_replies: int = 0
    """How many preemptive replies of this turn were discarded."""
    interrupted_at_s: float | None = None
    """When the live reply was paused."""
    pauses: PauseHistory = field(default_factory=PauseHistory)
    timers: tuple[tuple[Timer, int], ...] = ()
    last_token: int = 0
    asked: Turn | None = None
    """The user's side of the next turn."""
    turn: Turn | None = None
    """The turn that is being answered, or the last one that was."""
    turns: tuple[Turn, ...] = ()
    wrong_starts: tuple[bool, ...] = ()
    """For each of the last answers to what was said, whether it was a wrong start. See `wrong_start_delay_s`."""
    verdicts: tuple[VerdictRecord, ...] = ()
    last_verdict: int = 0
    spoken: Spoken | None = None
    asked_again: int = 0
    """How many times in a row the bot has asked the user to repeat."""
    ask_again: bool = False
    """Whether the bot is to ask the user to repeat: the user spoke, and the recogniser found no words."""
    streams: bool = False
    """Whether the recogniser has shown words while they were spoken."""
    idle_stage: IdleStage = IdleStage.ACTIVE
    last_word_s: float = 0.0
    """The latest of: the start of the session, the user's last activity, the end of the bot's last reply."""
    refused: str | None = None
    """Why the user gets no more answers, after the bot has said so. The session ends as soon as it is idle."""
    stood_in: str = ""
    """The model of the last answer that was heard, if it stood in for others that failed; else empty."""
    engines_in_use: tuple[EngineReported, ...] = ()
    """The engine that works for each stage, as last reported."""
    error: ErrorReport | None = None
    """What went wrong since the user last spoke or typed."""

    @property
    def speaking(self) -> bool:
        return any(utterance.speaking for utterance in self.utterances)

    @property
    def live(self) -> Reply | None:
        """The reply, unless it is being cancelled."""
        return self.reply if self.reply and not self.reply.cancelled else None

    @property
    def committed(self) -> Reply | None:
        """The live reply, if the user waits for it or hears it, so that words over it may interrupt it."""
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
        return Status.STREAMING if self.live.tokens else Status.PROCESSING

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
        """Whether nothing goes on and nothing is pending, so that the next words begin a new turn."""
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
