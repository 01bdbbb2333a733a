"""Recognises the words of a sound with the embedded recogniser, without an event loop and therefore reproducibly."""

from __future__ import annotations

import re
import threading
from functools import cache

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.recognition import Recogniser
from voicebot.engines.stt.moonshine.utterance import GrowingUtterance


@cache
def model() -> Model:
    """Returns the model, which takes half a second to load and serves all tests of a process."""
    return Model.load()


@cache
def recogniser() -> Recogniser:
    return Recogniser(model())


def understood(audio: Audio) -> str:
    """Returns the text of the sound, recognised as one utterance."""
    return transcribed(audio).text


def transcribed(audio: Audio) -> Transcript:
    """Returns the final transcript of the sound, recognised as one utterance."""
    utterance = GrowingUtterance()
    utterance.add_audio(audio.resampled(SPEECH_RATE_HZ).samples)
    utterance.end()
    while (transcript := utterance.next_transcript()) is None:
        request = utterance.next_request()
        assert request is not None
        utterance.add_result(request, recogniser().recognise(utterance.audio_of(request), threading.Event()))
    return transcript


def words(text: str) -> list[str]:
    """Returns the words in small letters, without punctuation. A number is its digits, however it is written."""
    found = re.findall(r"\d|[a-z']+", text.lower().replace("a.m", "am").replace("p.m", "pm"))
    spelt: list[str] = []
    for word, following in zip(found, [*found[1:], ""][: len(found)], strict=True):
        match word:
            case "mister":
                spelt.append("mr")
            case _ if word in DIGITS:
                spelt.append(str(DIGITS.index(word)))
            case _ if word in TEENS:
                spelt += ["1", str(TEENS.index(word))]
            case _ if word in TENS:
                spelt.append(str(TENS.index(word) + 2))
                spelt += [] if following in DIGITS[1:] else ["0"]
            case _:
                spelt.append("0" if word in ("o", "oh") else word)
    return spelt


DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def word_errors(said: str, understood: str) -> int:
    """Returns how many words must be inserted, removed or replaced to turn one text into the other (Levenshtein)."""
    first, second = words(said), words(understood)
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, 1):
        above, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (word != other))
    return row[-1]
