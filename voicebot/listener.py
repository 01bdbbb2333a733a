"""The bot's ear: microphone sound in, utterances out, each with what was said just before it was noticed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from voicebot.core.audio import SPEECH_RATE_HZ, Audio, Resampler, Samples
from voicebot.core.endpoint import WINDOW_S, Edge, Endpointer, EndpointRules
from voicebot.core.events import SpeechEnded, SpeechStarted
from voicebot.engines.base import VoiceActivityDetector

PRE_ROLL_S = 0.3
"""Sound kept from before the start of speech, so that no first syllable is lost."""


class Listener:
    """Follows one stream of microphone sound.

    `started` gets each new utterance before its sound, `sound` its 16 kHz pieces (the first one is the pre-roll with
    the windows that gave the speech away), `ended` its end.
    """

    def __init__(
        self,
        vad: VoiceActivityDetector,
        rules: EndpointRules,
        *,
        started: Callable[[SpeechStarted], None],
        sound: Callable[[int, Audio], None],
        ended: Callable[[SpeechEnded], None],
    ) -> None:
        self._vad = vad
        self._endpointer = Endpointer(rules)
        self._started, self._sound, self._ended = started, sound, ended
        self._resamplers: dict[int, Resampler] = {}
        self._left_over: Samples = np.zeros(0, np.int16)
        before = round((PRE_ROLL_S + rules.start_s) / WINDOW_S)
        self._before: deque[Samples] = deque(maxlen=before)
        self._utterance = 0

    @property
    def hears_speech(self) -> bool:
        return self._endpointer.speaking

    def hear(self, audio: Audio) -> None:
        """More sound, of any length and rate."""
        if audio.rate_hz not in self._resamplers:
            self._resamplers = {audio.rate_hz: Resampler(audio.rate_hz, SPEECH_RATE_HZ)}
        speech = self._resamplers[audio.rate_hz].push(audio).samples
        samples = np.concatenate([self._left_over, speech]) if len(self._left_over) else speech
        size = self._vad.window_samples
        whole = len(samples) // size * size
        for start in range(0, whole, size):
            self._hear_window(samples[start : start + size])
        self._left_over = samples[whole:]

    def _hear_window(self, window: Samples) -> None:
        edge = self._endpointer.push(self._vad.probability(window))
        if edge is Edge.STARTED:
            self._utterance += 1
            self._started(SpeechStarted(self._utterance))
            self._before.append(window)
            self._sound(self._utterance, Audio(np.concatenate(self._before), SPEECH_RATE_HZ))
            self._before.clear()
        elif edge is Edge.ENDED:
            self._sound(self._utterance, Audio(window, SPEECH_RATE_HZ))
            self._ended(SpeechEnded(self._utterance, self._endpointer.silence_s))
        elif self._endpointer.speaking:
            self._sound(self._utterance, Audio(window, SPEECH_RATE_HZ))
        else:
            self._before.append(window)
