"""A whole conversation with a bot whose voice returns from an open loudspeaker: real engines on a simulated clock.

The machine, the player, the utterance segmenter, the codec, the speech detector and the recogniser are the real ones.
The bot's sentences are given with their audio, and the user's speech is played when the test asks for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from threading import Event

import numpy as np
import numpy.typing as npt
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame

from tests.support.read_mailbox import ReadMailbox
from tests.support.room import Room, synthetic_response
from tests.support.shared import recording, recordings
from tests.support.speech import spoken
from tests.support.understanding import recogniser
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    EndTranscription,
    FinalTranscript,
    Input,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    ReplyEnded,
    ResumePlayback,
    SentenceReady,
    SentenceSynthesized,
    SessionStarted,
    SetEndpointingDelay,
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
)
from voicebot.dialogue.history import Role
from voicebot.dialogue.machine import step
from voicebot.dialogue.state import State
from voicebot.engines.protocols import Pause, WordStarts
from voicebot.engines.stt.moonshine.recognition import RecognisedText
from voicebot.engines.stt.moonshine.utterance import DecodeRequest, GrowingUtterance
from voicebot.engines.tts.hibari import Hibari
from voicebot.engines.vad.silero import Silero
from voicebot.session.player import Player
from voicebot.session.utterance_segmenter import SpeechChange, UtteranceAudio, UtteranceSegmenter
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceDecoder, VoiceEncoder

DECODING_S = 0.08
"""The time that the recogniser takes for a short sound."""

NOISE = 8.0
"""The microphone's own noise: the standard deviation of its samples, -72 dBFS."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the bot with its audio, and the times at which its words begin if they are known."""

    text: str
    sound: Audio
    starts_s: tuple[float, ...] = ()


@cache
def hibari(text: str) -> Sentence:
    """Returns the sentence in the voice that the bot has without a key."""
    with ThreadPoolExecutor(1) as thread:  # the thread has an event loop of its own
        return thread.submit(asyncio.run, _synthesized(text)).result()


async def _synthesized(text: str) -> Sentence:
    pieces: list[Audio] = []
    starts_s: tuple[float, ...] = ()
    voice = Hibari()
    await voice.start()
    async for piece in voice.synthesize(text):
        if isinstance(piece, WordStarts):
            starts_s = piece.starts_s
        else:
            pieces.append(piece)
    await voice.close()
    return Sentence(text, Audio.joined(pieces, pieces[0].rate_hz), starts_s)


def said_by(voice: str, texts: tuple[str, ...]) -> list[Sentence]:
    """Returns the sentences in one of flite's voices or in hibari's."""
    return [hibari(text) if voice == "hibari" else Sentence(text, spoken(text, voice)) for text in texts]


def room(name: str) -> npt.NDArray[np.float32]:
    """Returns the response of a recorded room or of a computed one.

    "0.5 3" stands for a computed room whose sound falls by 60 dB in 0.5 s, made with the seed 3.
    """
    if not name.endswith(".flac"):
        reverberation_s, seed = name.split()
        return synthetic_response(float(reverberation_s), int(seed))
    recordings("room-impulse-response")
    return recording(name).resampled(WIRE_RATE_HZ).samples.astype(np.float32)


class Wire:
    """One direction of a call: Opus, and a jitter buffer that holds a number of 20 ms frames."""

    def __init__(self, frames: int) -> None:
        self._encoder, self._decoder = VoiceEncoder(), VoiceDecoder()
        self._sound: Samples = np.zeros(frames * FRAME_SAMPLES, np.int16)
        self._sent = 0

    def pass_on(self, samples: Samples) -> Samples:
        """Takes 20 ms of sound and returns the 20 ms that arrive at the other end."""
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = WIRE_RATE_HZ, self._sent, Fraction(1, WIRE_RATE_HZ)
        self._sent += FRAME_SAMPLES
        payloads, start = self._encoder.encode(frame)
        for number, payload in enumerate(payloads):
            for decoded in self._decoder.decode(JitterFrame(payload, start + number * FRAME_SAMPLES)):
                assert isinstance(decoded, AudioFrame)
                self._sound = np.concatenate([self._sound, decoded.to_ndarray()[0]])
        return self._arrived()

    def delay(self, seconds: float) -> None:
        """Makes the jitter buffer longer by inserting silence, or shorter (negative `seconds`) by dropping sound."""
        count = round(seconds * WIRE_RATE_HZ)
        self._sound = np.pad(self._sound, (max(count, 0), 0))[max(-count, 0) :]

    def _arrived(self) -> Samples:
        arrived, self._sound = self._sound[:FRAME_SAMPLES], self._sound[FRAME_SAMPLES:]
        return np.pad(arrived, (0, FRAME_SAMPLES - len(arrived)))


class Conversation:
    """A bot that gives these replies and repeats the last, with a loudspeaker and a microphone in one room.

    `response` is the room's impulse response at 48 kHz; `level_db` is the loudness of the echo relative to the sound
    that is played. Each direction of the call holds `jitter_frames` frames.
    """

    def __init__(
        self,
        *replies: Sequence[Sentence],
        response: npt.NDArray[np.float32],
        level_db: float,
        jitter_frames: int = 2,
        seed: int = 1,
    ) -> None:
        self.now_s = 0.0
        self.state = State()
        self.heard = ""
        """The part of the newest reply that the user has heard."""
        self.pauses = 0
        self.replies = 0
        self.user_began_s: list[float] = []
        """The time at which each utterance was detected."""
        self._replies = deque(replies)
        self._room = Room(response, level_db)
        self._noise = np.random.default_rng(seed)
        self._to_user, self._to_bot = Wire(jitter_frames), Wire(jitter_frames)
        self._unsaid: Samples = np.zeros(0, np.int16)
        self._timers: dict[Timer, tuple[int, float]] = {}
        self._mailbox: deque[Input] = deque([SessionStarted()])
        self._player = Player(ReadMailbox(self._mailbox.append))
        self._hearing: dict[int, _Hearing] = {}
        self._listener = UtteranceSegmenter(Silero(), EndpointRules())
        self._listener.set_thresholds(self.state.rules.sensitivity.interruption_thresholds)

    # The user -----------------------------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        self._post(TextTyped(text))

    def say(self, sound: Audio) -> None:
        """Speaks after the speech that still waits to be said."""
        self._unsaid = np.concatenate([self._unsaid, sound.resampled(WIRE_RATE_HZ).samples])

    def delay_bot(self, seconds: float) -> None:
        """Makes the bot's voice reach the user later by `seconds`, or earlier if they are negative."""
        self._to_user.delay(seconds)

    def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Lets time pass until the condition holds. Raises AssertionError if it does not hold within `timeout_s`."""
        end_s = self.now_s + timeout_s
        while not condition():
            assert self.now_s < end_s, f"still waiting after {timeout_s:g} s, in {self.state.phase}"
            self._tick()

    def until_idle(self) -> None:
        self.until(lambda: self.state.is_idle and not len(self._unsaid))

    @property
    def said(self) -> list[str]:
        """Returns the user's messages, as the bot understood them."""
        return [message.text for message in self.state.history if message.role is Role.USER]

    # The clock ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.now_s += FRAME_S
        for timer, (token, due_s) in list(self._timers.items()):
            if due_s <= self.now_s:
                del self._timers[timer]
                self._post(TimedOut(timer, token))
        for number, hearing in list(self._hearing.items()):
            self._tell(number, hearing)
        frame = self._player.next_frame()
        self._listener.note_playback(frame)
        self._drain()
        said, self._unsaid = self._unsaid[:FRAME_SAMPLES], self._unsaid[FRAME_SAMPLES:]
        noisy = self._noise.normal(0, NOISE, FRAME_SAMPLES)
        noisy[: len(said)] += said
        self._room.play(self._to_user.pass_on(frame))
        microphone = self._room.receive_audio(np.clip(noisy, -32768, 32767).astype(np.int16))
        for event in self._listener.receive_audio(Audio(self._to_bot.pass_on(microphone), WIRE_RATE_HZ)):
            if isinstance(event, UtteranceAudio):
                self._sound(event.utterance, event.sound)
            else:
                self._edge(event)

    # The bot's hearing --------------------------------------------------------------------------------------------

    def _edge(self, edge: SpeechChange) -> None:
        if isinstance(edge, SpeechStarted):
            self.user_began_s.append(self.now_s)
            self._hearing[edge.utterance] = _Hearing()
        elif isinstance(edge, SpeechEnded) and edge.utterance in self._hearing:
            self._hearing[edge.utterance].utterance.end()
        self._post(edge)

    def _sound(self, number: int, piece: Audio | Pause) -> None:
        if number not in self._hearing:
            return
        if isinstance(piece, Pause):
            self._hearing[number].utterance.add_pause(piece.number)
        else:
            self._hearing[number].utterance.add_audio(piece.samples)

    def _tell(self, number: int, hearing: _Hearing) -> None:
        """Posts the transcripts that the recogniser has finished by now."""
        hearing.work(self.now_s)
        while (transcript := hearing.utterance.next_transcript()) is not None:
            if transcript.final:
                self._hearing.pop(number, None)
                self._post(FinalTranscript(number, transcript.text, None, transcript.confidence))
                return
            speech = self._listener.speech(number)
            self._post(
                PartialTranscript(number, transcript.text, transcript.pause, transcript.confidence, False, speech)
            )

    # The machine --------------------------------------------------------------------------------------------------

    def _post(self, input: Input) -> None:
        self._mailbox.append(input)
        self._drain()

    def _drain(self) -> None:
        while self._mailbox:
            input = self._mailbox.popleft()
            self.state, commands, _ = step(self.state, input, self.now_s)
            if self.state.reply is not None and self.state.reply.started:
                self.heard = self.state.reply.heard
            if isinstance(input, PlaybackFinished):
                self._mailbox.append(ReplyEnded(input.reply))
            for command in commands:
                self._execute(command)

    def _execute(self, command: Command) -> None:
        match command:
            case StartReply():
                self._begin(command)
            case CancelReply(reply):
                self._player.discard(reply)
                self._mailbox.append(ReplyEnded(reply))
            case PausePlayback(reply):
                self.pauses += 1
                self._player.pause(reply)
            case ResumePlayback(reply):
                self._player.resume(reply)
            case StartTimer(timer, token, delay_s):
                self._timers[timer] = token, self.now_s + delay_s
            case StopTimer(timer):
                self._timers.pop(timer, None)
            case StartTranscription():
                pass
            case EndTranscription(utterance):
                self._hearing.pop(utterance, None)
            case SetEndpointingDelay(utterance, silence_s):
                self._listener.set_endpointing_delay(utterance, silence_s)
            case _:
                pass

    def _begin(self, start: StartReply) -> None:
        reply, self.replies = start.reply, self.replies + 1
        last = len(self._replies) == 1
        sentences = self._replies[0] if start.preemptive or last else self._replies.popleft()
        self._player.begin(reply)
        self._mailbox.append(TokenReceived(reply))
        for number, sentence in enumerate(sentences):
            self._mailbox.append(SentenceReady(reply, number, sentence.text))
        self._mailbox.append(TextEnded(reply))
        for number, sentence in enumerate(sentences):
            self._player.open_sentence(reply, number, sentence.text)
            self._player.time_words(reply, sentence.starts_s)
            self._player.write(reply, sentence.sound.resampled(WIRE_RATE_HZ))
            self._player.close_sentence(reply)
            self._mailbox.append(SentenceSynthesized(reply, number))
        self._player.complete(reply)


class _Hearing:
    """An utterance and the request that is being decoded for it."""

    def __init__(self) -> None:
        self.utterance = GrowingUtterance()
        self._found: tuple[float, DecodeRequest, RecognisedText] | None = None
        """The request in progress: the time of its result, the request, and the text."""

    def work(self, now_s: float) -> None:
        needed = self.utterance.next_request()
        if self._found is not None and needed is not None and not self._found[1].serves(needed):
            self._found = None
        if self._found is None and needed is not None:
            found = recogniser().recognise(self.utterance.audio_of(needed), Event())
            self._found = now_s + DECODING_S, needed, found
        if self._found is not None and self._found[0] <= now_s:
            _, request, found = self._found
            self._found = None
            self.utterance.add_result(request, found)
