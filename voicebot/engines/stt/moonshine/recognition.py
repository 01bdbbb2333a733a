"""Recognises the words of a sound: noise reduction, encoder, decoder, noise filter, and a second look at short ones."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from voicebot.audio.sound import Samples
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.noise_filter import NoiseFilter
from voicebot.engines.stt.moonshine.noise_reduction import reduce_steady_noise
from voicebot.engines.stt.moonshine.short_utterances import ShortUtteranceRescorer


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """The words of a sound. The text is empty if nothing was said."""

    text: str
    confidence: float
    """The geometric mean of the tokens' probabilities, 0 to 1."""
    backchannel: str = ""
    """A backchannel that sounds nearly the same."""


NO_TEXT = RecognisedText("", 0.0)


class Recogniser:
    """The model and the steps before and after it. It has no state, so threads may share it.

    If there is a larger model, it decodes the words. Features for the other steps always come from tiny-en, on which
    their weights were trained.
    """

    def __init__(self, tiny: Model, larger: Model | None = None) -> None:
        self._tiny, self._larger = tiny, larger
        self._noise_filter = NoiseFilter.load()
        self._rescorer = ShortUtteranceRescorer(tiny)

    def with_larger(self, larger: Model) -> Recogniser:
        """Returns a recogniser that decodes with the larger model."""
        return Recogniser(self._tiny, larger)

    def recognise(self, sound: Samples, stop: threading.Event) -> RecognisedText:
        """Returns the words of a 16 kHz sound. Runs in a thread, and ends soon after `stop` is set."""
        sound = reduce_steady_noise(sound)
        features = self._tiny.encode(sound)
        if self._larger is None:
            decoded = self._tiny.decode(features, stop)
        else:
            decoded = self._larger.decode(self._larger.encode(sound), stop)
        if not decoded.text or stop.is_set() or not self._noise_filter.passes(features, decoded.text):
            return NO_TEXT
        if self._larger is None:
            better = self._rescorer.rescore(sound, features, decoded)
        else:
            better = self._rescorer.hum(sound, features, decoded.text)
        if better is None:
            return RecognisedText(decoded.text, decoded.confidence)
        if better.certain:
            return RecognisedText(better.text, better.confidence)
        return RecognisedText(decoded.text, decoded.confidence, backchannel=better.text)
