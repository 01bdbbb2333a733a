"""From the sound of one part of an utterance to its words."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from voicebot.core.audio import Samples
from voicebot.engines.stt.moonshine.model import Model


@dataclass(frozen=True, slots=True)
class Recognized:
    """The words of a sound, with the natural logarithm of the probability of each token."""

    text: str
    log_probabilities: tuple[float, ...]


def recognize(model: Model, sound: Samples, stop: threading.Event) -> Recognized:
    """Returns the words of a 16 kHz sound. Runs in a thread; ends soon after `stop` is set."""
    features = model.encode(sound)
    decoded = model.decode(features, stop)
    return Recognized(decoded.text, decoded.log_probabilities)
