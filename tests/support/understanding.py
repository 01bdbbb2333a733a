"""What is said in a sound, by the embedded recogniser: the same words each time, without an event loop."""

from __future__ import annotations

import re
import threading
from functools import cache

from voicebot.core.audio import SPEECH_RATE_HZ, Audio
from voicebot.engines.base import Transcript
from voicebot.engines.stt.moonshine.model import Model
from voicebot.engines.stt.moonshine.recognition import recognize
from voicebot.engines.stt.moonshine.utterance import Utterance


_SPOKEN = dict(zip("0123456789", "zero one two three four five six seven eight nine".split(), strict=True))
_SPOKEN |= {"oh": "zero", "mr": "mister"}


@cache
def model() -> Model:
    """Loading it takes half a second: one serves all tests of a process."""
    return Model.load()


def understood(audio: Audio) -> str:
    """Returns the text of the sound, heard as one utterance."""
    return transcribed(audio).text


def transcribed(audio: Audio) -> Transcript:
    """Returns the final transcript of the sound, heard as one utterance."""
    utterance = Utterance()
    utterance.push(audio.resampled(SPEECH_RATE_HZ).samples)
    utterance.end()
    while (transcript := utterance.answer()) is None:
        request = utterance.request()
        assert request is not None
        utterance.heard(request, recognize(model(), utterance.sound(request), threading.Event()))
    return transcript


def words(text: str) -> list[str]:
    """Returns the words in small letters, without punctuation, as they are spoken: digits one by one, "mister".

    Where a number is read as a whole ("ten"), write it so in the text that is compared with.
    """
    found = re.findall(r"[a-z']+|[0-9]", re.sub(r"\b10\b", "ten", text.lower()))
    return [_SPOKEN.get(word, word) for word in found]


def word_errors(said: str, understood: str) -> int:
    """Returns how many words must be inserted, removed or replaced to turn one text into the other (Levenshtein)."""
    first, second = words(said), words(understood)
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, 1):
        above, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (word != other))
    return row[-1]
