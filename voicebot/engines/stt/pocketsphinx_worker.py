"""PocketSphinx in a process of its own (it holds the GIL while it decodes): PCM in, words out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pocketsphinx import Decoder

from voicebot.engines.stt.phrase_search import Heard, PhraseSearch, heard
from voicebot.engines.worker.child import Handler, Parent, serve
from voicebot.engines.worker.frames import Kind, Message

RATE_HZ = 16_000
PAD = bytes(2 * round(0.3 * RATE_HZ))
"""Silence before and after an utterance: without it the first and last words suffer."""

MAX_HMMS = 5_000
"""Models searched per 10 ms frame. Measured on 160 s of speech: the same word errors as with PocketSphinx's 30,000,
for 0.22 s of CPU per second of speech in place of 0.50."""

FIRST_S = 0.6
"""Speech needed before decoding begins: less says too little about the voice and the microphone."""

MEASURE_EVERY_S = 0.4
WHOLE_S = 4.0
"""Utterances up to this length are decoded anew, whole, when they end: the mean spectrum of all of it is then known
(word errors 16.4 % against 21.7 % as it comes, on the same speech). Longer ones would keep the user waiting."""

QUIET_S = 0.16
"""The speaker may have finished: the whole is decoded while the detector is still waiting for more silence."""

SPEECH_DB = 25.0
MARGIN_S = 0.15

Pcm = npt.NDArray[np.int16]


class Recognizer:
    """A loaded model: `measure` takes the mean spectrum of speech, `decoder` and `phrases` find the words."""

    def __init__(self) -> None:
        self.decoder = Decoder(loglevel="FATAL", cmn="live", maxhmmpf=MAX_HMMS)
        self.phrases = PhraseSearch()
        self._meter = Decoder(loglevel="FATAL", lm=None, ds=8, topn=1, pl_window=0)
        self._meter.add_jsgf_string("any", "#JSGF V1.0; grammar any; public <any> = goodbye;")
        self._meter.activate_search("any")

    def measure(self, speech: Pcm) -> None:
        """Normalise what is decoded next by the mean spectrum of this speech."""
        self._meter.start_utt()
        self._meter.process_raw(speech.tobytes(), no_search=True, full_utt=True)
        mean = self._meter.get_cmn(False)
        self.decoder.set_cmn(mean)
        self.phrases.decoder.set_cmn(mean)
        self._meter.end_utt()

    @property
    def words(self) -> str:
        hypothesis = self.decoder.hyp()
        return hypothesis.hypstr if hypothesis is not None else ""


class Utterance:
    """One utterance, decoded as it is spoken; short ones once more when they seem to be over."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._pcm: Pcm = np.zeros(0, np.int16)
        self._fed: int | None = None
        """Samples decoded so far; None while nothing is being decoded."""
        self._measured = 0
        self._whole: tuple[int, str] | None = None
        """Where the speech ended that was decoded whole, and its words."""

    def push(self, pcm: bytes) -> None:
        self._pcm = np.concatenate([self._pcm, np.frombuffer(pcm, np.int16)])

    def work(self) -> str | None:
        """Decode what has come; the words so far, None if they are not known yet."""
        start, end = speech_bounds(self._pcm)
        if self._whole is not None:
            if end <= self._whole[0]:
                return self._whole[1]
            self._whole = None
        if end - start < FIRST_S * RATE_HZ:
            return None
        if len(self._pcm) - end >= (QUIET_S - MARGIN_S) * RATE_HZ and end - start <= WHOLE_S * RATE_HZ:
            return self._decode_whole(start, end)
        self._decode_on(start, end)
        return self._recognizer.words

    def finish(self) -> str:
        """The words of all of it."""
        start, end = speech_bounds(self._pcm)
        if self._whole is not None and end <= self._whole[0]:
            return self._whole[1]
        if end - start <= WHOLE_S * RATE_HZ:
            return self._decode_whole(start, end)
        self._decode_on(start, end)
        return self._end()

    def abandon(self) -> None:
        if self._fed is not None:
            self._end()

    def _decode_on(self, start: int, end: int) -> None:
        decoder = self._recognizer.decoder
        if self._fed is None or len(self._pcm) - self._measured >= MEASURE_EVERY_S * RATE_HZ:
            self._recognizer.measure(self._pcm[start:end])
            self._measured = len(self._pcm)
        if self._fed is None:
            decoder.start_utt()
            decoder.process_raw(PAD)
            self._fed = 0
        decoder.process_raw(self._pcm[self._fed :].tobytes())
        self._fed = len(self._pcm)

    def _decode_whole(self, start: int, end: int) -> str:
        self.abandon()
        if end == start:
            return ""
        self._recognizer.measure(self._pcm[start:end])
        sound = PAD + self._pcm[:end].tobytes() + PAD
        phrases = self._recognizer.phrases
        free, phrase = (_decoded(decoder, sound) for decoder in (self._recognizer.decoder, phrases.decoder))
        self._whole = end, phrases.chosen(free, phrase).text
        return self._whole[1]

    def _end(self) -> str:
        self._recognizer.decoder.process_raw(PAD)
        self._recognizer.decoder.end_utt()
        self._fed = None
        return self._recognizer.words


def _decoded(decoder: Decoder, sound: bytes) -> Heard:
    decoder.start_utt()
    decoder.process_raw(sound)
    decoder.end_utt()
    return heard(decoder)


def speech_bounds(pcm: Pcm) -> tuple[int, int]:
    """First and last sample of what is at most 25 dB below the loudest 10 ms, with a margin."""
    size = RATE_HZ // 100
    frames = pcm[: len(pcm) // size * size].reshape(-1, size).astype(np.float32)
    energy = np.mean(np.square(frames), axis=1)
    loud = np.flatnonzero(energy > energy.max(initial=0.0) * 10 ** (-SPEECH_DB / 10))
    if not len(loud):
        return 0, 0
    margin = round(MARGIN_S * RATE_HZ)
    return max(0, int(loud[0]) * size - margin), min(len(pcm), (int(loud[-1]) + 1) * size + margin)


def load() -> Handler:
    recognizer = Recognizer()

    def handle(_start: Message, parent: Parent) -> None:
        utterance = Utterance(recognizer)
        shown = ""
        while True:
            message = parent.poll()
            if message is None:
                words = utterance.work()
                if words is not None and words != shown:
                    shown = words
                    parent.send(Message(Kind.DATA, {"text": words, "final": 0}))
                message = parent.receive()
            match message:
                case Message(kind=Kind.DATA, body=body):
                    utterance.push(body)
                case Message(kind=Kind.END):
                    parent.send(Message(Kind.DATA, {"text": utterance.finish(), "final": 1}))
                    return
                case _:
                    utterance.abandon()
                    return

    return handle


if __name__ == "__main__":
    serve(load)
