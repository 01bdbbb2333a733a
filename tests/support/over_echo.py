"""A user who speaks over a bot whose voice returns from an open loudspeaker. There is no clock and no chance in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from tests.support.room import Room
from tests.support.speech import spoken
from tests.support.understanding import understood
from voicebot.audio.echo import EchoDetector
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Resampler, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import SpeechCleared, SpeechEnded, SpeechStarted, SpeechSuspected
from voicebot.engines.vad.silero import Silero
from voicebot.session.utterance_segmenter import UtteranceAudio, UtteranceSegmenter

WINDOW = 512
WIRE_FRAMES = 4
SILENCE = np.zeros(FRAME_SAMPLES, np.int16)
STORY = (
    "Once upon a time there was a young captain who lived in a small white house above the harbour. "
    "Every morning she looked at the ships and wondered where they had come from."
)


@cache
def bot() -> list[Samples]:
    """Returns the bot's story in frames of 20 ms at 48 kHz."""
    return frames(spoken(STORY, "awb").resampled(WIRE_RATE_HZ).samples)


def frames(sound: Samples) -> list[Samples]:
    return [sound[start : start + FRAME_SAMPLES] for start in range(0, len(sound) - FRAME_SAMPLES, FRAME_SAMPLES)]


class Loudspeaker:
    """Computes what a microphone picks up: the bot 80 ms late, its user, and a little noise."""

    def __init__(self, response: npt.NDArray[np.float32], level_db: float) -> None:
        self._room = Room(response, level_db)
        self._wire = deque([SILENCE] * WIRE_FRAMES)
        self._noise = np.random.default_rng(1)

    def delay(self, frames: int) -> None:
        """Delays the bot's sound at the microphone by this number of further frames."""
        self._wire.extendleft([SILENCE] * frames)

    def pass_on(self, played: Samples, user: Samples) -> Samples:
        self._wire.append(played)
        self._room.play(self._wire.popleft())
        noisy = np.clip(user + self._noise.normal(0, 8, FRAME_SAMPLES), -32768, 32767).astype(np.int16)
        return self._room.receive_audio(noisy)


class Ear:
    """Runs an echo detector and keeps the user's part of what the microphone picked up."""

    def __init__(self, response: npt.NDArray[np.float32], level_db: float) -> None:
        self.echo = EchoDetector()
        self.loudspeaker = Loudspeaker(response, level_db)
        self._resamplers = Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ), Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ)
        self._tracks: list[Samples] = [np.zeros(0, np.int16)] * 2
        self._windows = 0

    def receive_audio(self, played: Samples, user: Samples) -> None:
        """Takes 20 ms of both sounds."""
        self.echo.add_playback(played)
        pair = (self.loudspeaker.pass_on(played, user), user)
        new = [
            each.push(Audio(sound, WIRE_RATE_HZ)).samples for each, sound in zip(self._resamplers, pair, strict=True)
        ]
        # A resampler that rests in silence holds back another number of samples than one at work.
        self._tracks = [np.concatenate(pieces) for pieces in zip(self._tracks, new, strict=True)]
        while min(map(len, self._tracks)) >= (self._windows + 1) * WINDOW:
            self.echo.add_microphone(self._tracks[0][self._windows * WINDOW :][:WINDOW])
            self._windows += 1

    def last(self, windows: int, late: int = 0) -> tuple[Samples, Samples]:
        """Returns the last windows as they were heard, and the user's part of them; both end `late` samples ago."""
        end = self._windows * WINDOW - late
        heard, user = (track[end - windows * WINDOW : end] for track in self._tracks)
        return heard, user


def said_over(user: Samples, at_s: float, response: npt.NDArray[np.float32], level_db: float) -> str:
    """Returns the recognised words of a user who begins at `at_s`. The bot pauses as soon as it hears speech."""
    bot_plays = True
    utterances: dict[int, list[Samples]] = {}

    listener = UtteranceSegmenter(Silero(), EndpointRules())
    loudspeaker, story = Loudspeaker(response, level_db), iter(bot())
    for voice in _at(user, at_s):
        frame = next(story, SILENCE) if bot_plays else SILENCE
        listener.note_playback(frame)
        for event in listener.receive_audio(Audio(loudspeaker.pass_on(frame, voice), WIRE_RATE_HZ)):
            match event:
                case SpeechSuspected() | SpeechStarted():
                    bot_plays = False
                case SpeechCleared() | SpeechEnded():
                    bot_plays = True
                case UtteranceAudio(utterance, Audio(samples)):
                    utterances.setdefault(utterance, []).append(samples)
                case _:
                    pass
    if not utterances:
        return ""
    return understood(Audio(np.concatenate(utterances[max(utterances)]), SPEECH_RATE_HZ))


def _at(user: Samples, at_s: float) -> Iterator[Samples]:
    """Yields the user's frames until 0.7 s after the end of the speech, when the utterance is over."""
    yield from [SILENCE] * round(at_s / FRAME_S)
    yield from frames(user)
    yield from [SILENCE] * round(0.7 / FRAME_S)
