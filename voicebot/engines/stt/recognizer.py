"""The loaded PocketSphinx models: a free search and one for phrases, on the same normalised sound."""

from __future__ import annotations

from pocketsphinx import Decoder

from voicebot.core.audio import SPEECH_RATE_HZ as RATE_HZ
from voicebot.core.audio import Samples
from voicebot.engines.stt.phrase_search import PhraseSearch, decoded

PAD = bytes(2 * round(0.3 * RATE_HZ))
"""Silence before and after an utterance: without it the first and last words suffer."""

MAX_HMMS = 5_000
"""Models searched per 10 ms frame. Measured on 160 s of speech: the same word errors as with PocketSphinx's 30,000,
for 0.22 s of CPU per second of speech in place of 0.50."""


class Recognizer:
    """Finds words in sound, whole or piece by piece; `measure` comes before either."""

    def __init__(self) -> None:
        self._free = Decoder(loglevel="FATAL", cmn="live", maxhmmpf=MAX_HMMS)
        self._phrases = PhraseSearch()
        self._meter = Decoder(loglevel="FATAL", lm=None, ds=8, topn=1, pl_window=0)
        self._meter.add_jsgf_string("any", "#JSGF V1.0; grammar any; public <any> = goodbye;")
        self._meter.activate_search("any")

    def measure(self, speech: Samples) -> None:
        """Normalise what is decoded next by the mean spectrum of this speech."""
        if not len(speech):
            return
        self._meter.start_utt()
        self._meter.process_raw(speech.tobytes(), no_search=True, full_utt=True)
        mean = self._meter.get_cmn(False)
        self._free.set_cmn(mean)
        self._phrases.decoder.set_cmn(mean)
        self._meter.end_utt()

    def whole(self, speech: Samples) -> str:
        """The words of speech that is there from its beginning to its end. Not between `begin` and `end`."""
        padded = PAD + speech.tobytes() + PAD
        phrase = decoded(self._phrases.decoder, padded)
        if self._phrases.is_sure(phrase, len(speech) / RATE_HZ):
            return phrase.text
        phrase = self._phrases.reconsidered(phrase, padded)
        return self._phrases.chosen(decoded(self._free, padded), phrase).text

    def begin(self) -> None:
        self._free.start_utt()
        self._free.process_raw(PAD)

    def feed(self, sound: Samples) -> str:
        """The words so far, this sound included."""
        if len(sound):  # PocketSphinx fails on nothing
            self._free.process_raw(sound.tobytes())
        return self._words

    def end(self) -> str:
        """The words of all that was fed."""
        self._free.process_raw(PAD)
        self._free.end_utt()
        return self._words

    @property
    def _words(self) -> str:
        hypothesis = self._free.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""
