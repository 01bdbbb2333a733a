"""From the sound of one part of an utterance to its words, and how sure they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from voicebot.audio.sound import Samples
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.noise import NoiseFilter
from voicebot.engines.stt.moonshine.short_utterances import ShortUtterances
from voicebot.engines.stt.moonshine.steady_noise import without_steady_noise


@dataclass(frozen=True, slots=True)
class Recognized:
    """The words of a sound; none if nothing was said."""

    text: str
    confidence: float
    """The tokens' mean probability (geometric), 0 to 1."""
    backchannel: str = ""
    """What a listener would say that sounds nearly the same."""


NOTHING = Recognized("", 0.0)


class Recognizer:
    """The model with all that corrects it. Has no state: threads may share it.

    A larger model, if there is one, finds the words; what corrects them has been trained on tiny-en.
    """

    def __init__(self, tiny: Model, larger: Model | None = None) -> None:
        self._tiny, self._larger = tiny, larger
        self._noise = NoiseFilter.load()
        self._short = ShortUtterances(tiny)

    def with_larger(self, larger: Model) -> Recognizer:
        """Returns one that finds its words with the larger model."""
        return Recognizer(self._tiny, larger)

    def recognize(self, sound: Samples, stop: threading.Event) -> Recognized:
        """Returns the words of a 16 kHz sound. Runs in a thread; ends soon after `stop` is set."""
        sound = without_steady_noise(sound)
        features = self._tiny.encode(sound)
        if self._larger is None:
            decoded = self._tiny.decode(features, stop)
        else:
            decoded = self._larger.decode(self._larger.encode(sound), stop)
        if not decoded.text or stop.is_set() or not self._noise.passes(features, decoded.text):
            return NOTHING
        if self._larger is None:
            better = self._short.reconsider(sound, features, decoded)
        else:
            better = self._short.hum(sound, features, decoded.text)
        if better is None:
            return Recognized(decoded.text, decoded.confidence)
        if better.certain:
            return Recognized(better.text, better.confidence)
        return Recognized(decoded.text, decoded.confidence, backchannel=better.text)
