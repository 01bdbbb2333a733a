"""One utterance on its way to the recogniser: the sound that may have to be sent again, and the words known so far.

Positions are samples from the beginning of the utterance.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.deepgram.protocol import Finality

ROUNDING_SAMPLES = round(0.1 * RATE_HZ)
"""Services round the end of what a result is about."""

OVERLAP_SAMPLES = round(0.5 * RATE_HZ)
"""After a lost connection at most this much sound with final words is sent again, back to the last word at most: the
end of the final results may have cut a word in two."""

LEAD_IN_SAMPLES = round(0.25 * RATE_HZ)
"""Before that, this much more is sent for the recogniser to settle. Words in it are known by their times."""

TIMING_ERROR_SAMPLES = round(0.1 * RATE_HZ)
"""The times of the same word on two connections differ by up to this (Deepgram's are multiples of 80 ms). Two words
within it are the same if their letters are."""

MAX_KEPT_SAMPLES = 120 * RATE_HZ
"""The longest sound that can be sent again: 3.8 MB, and far more than an utterance may last."""


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word and its place in the utterance."""

    text: str
    start: int
    end: int
    confidence: float


class StreamedUtterance:
    """One utterance. `sent` and `requested` are about the current connection and are set by the ledger."""

    def __init__(self) -> None:
        self.ended = False
        self.sent = 0
        """How far the sound has been sent."""
        self.requested = -1
        """The last position up to which final words were requested."""
        self._audio = _AudioPieces()
        self._levels = _SoundLevels()
        self._pauses: deque[tuple[int, int]] = deque()
        """Numbers and positions of the pauses that have no answer yet."""
        self._final = ""
        self._interim = ""
        self._final_confidences: list[float] = []
        self._interim_confidences: list[float] = []
        self._words_to = 0
        """Where the last final word ends."""
        self._last_word = ""
        self._known_to = 0
        self._known_word = ""
        """The values of `_words_to` and `_last_word` when the connection was opened."""
        self._heard_to = 0
        """The current connection has sent results up to here."""
        self._final_to = 0
        """The words before this position are final."""
        self._settled_to = 0
        """The words before this position do not change unless the speaker speaks on."""
        self._turn_over = self._turn_over_told = False
        self._answered_pause: int | None = None
        """The last pause that has an answer."""
        self._shown = ""
        self._finished = False

    # The sound ----------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        return self._audio.end

    @property
    def kept(self) -> int:
        """How many samples can still be sent."""
        return self._audio.end - self._audio.start

    def add_audio(self, samples: Samples) -> None:
        self._audio.append(samples)
        self._levels.add_audio(samples)
        self._forget_before(self.length - MAX_KEPT_SAMPLES)

    def add_pause(self, number: int) -> None:
        self._pauses.append((number, self.length))
        self._levels.measure_noise()

    def end(self) -> None:
        self.ended = True

    def take_audio(self, count: int) -> bytes:
        """Returns the next `count` samples to be sent, as 16-bit PCM."""
        begin = self.sent
        self.sent += count
        return self._audio.read(begin, self.sent)

    def rewind(self) -> None:
        """Prepares for a new connection: sound without final words, and a little before it, will be sent again."""
        self.sent = max(self._audio.start, self._needed_from)
        self.requested = -1
        self._heard_to = 0
        self._known_to, self._known_word = self._words_to, self._last_word

    @property
    def _needed_from(self) -> int:
        """Where sending begins after a lost connection."""
        return max(0, max(self._words_to, self._final_to - OVERLAP_SAMPLES) - LEAD_IN_SAMPLES)

    def _forget_before(self, position: int) -> None:
        self._audio.drop_before(position)
        self.sent = max(self.sent, self._audio.start)

    def is_silent(self, start: int, end: int) -> bool:
        """Returns whether there is nothing but silence between two positions."""
        return self._levels.is_silent(start, end)

    # Finalize requests --------------------------------------------------------------------------------------------

    def next_finalize_position(self, *, at_pauses: bool) -> int | None:
        """Returns the next position up to which words are wanted at once: a pause, or the end. None if there is none.

        If only silence follows a pause, the answer to that pause serves the end as well.
        """
        positions = [position for _, position in self._pauses] if at_pauses else []
        answered_to = positions[-1] if positions else self._settled_to
        if self.ended and not (self.is_settled_to(self.length) or self.is_silent(answered_to, self.length)):
            positions.append(self.length)
        return next((position for position in positions if position > self.requested), None)

    def is_settled_to(self, position: int) -> bool:
        """Returns whether all words before the position are known."""
        return self._settled_to >= position - ROUNDING_SAMPLES or self.is_silent(self._settled_to, position)

    @property
    def has_unrequested_speech(self) -> bool:
        """Whether speech was sent that has no final words yet, and whose final words were not requested."""
        return self.requested < self.sent and not self.is_silent(self._final_to, self.sent)

    # The words ----------------------------------------------------------------------------------------------------

    def add_words(self, text: str | None, words: Sequence[PlacedWord], to: int, finality: Finality) -> None:
        """Takes the words of a result that reaches up to `to`.

        `text` is the recogniser's own text of these words; None if that text holds other utterances' words as well.
        """
        self._heard_to = max(self._heard_to, to)
        new = [word for word in words if not self._is_known(word)]
        if text is None or len(new) < len(words):
            text = " ".join(word.text for word in new)
        confidences = [word.confidence for word in new]
        if finality is Finality.RESUMED or (finality is Finality.INTERIM and text != self._interim):
            self._settled_to = self._final_to
        if new:
            self._turn_over = self._turn_over_told = False
        if finality is Finality.FINAL:
            self._final = _joined(self._final, text)
            self._final_confidences += confidences
            self._interim, self._interim_confidences = "", []
            if new:
                self._words_to, self._last_word = max(self._words_to, new[-1].end), new[-1].text
            self._final_to = max(self._final_to, to)
            self._forget_before(min(self._needed_from, self.sent))
        else:
            self._interim, self._interim_confidences = text, confidences
        if finality is Finality.EAGER and new:
            to = min(to, new[-1].end)  # the sound after the last word may be the beginning of another word
        if finality in (Finality.FINAL, Finality.EAGER):
            self._settled_to = max(self._final_to, self._settled_to, to)

    def _is_known(self, word: PlacedWord) -> bool:
        """Returns whether the word was final before its sound was sent again."""
        beyond = (word.start + word.end) // 2 - self._known_to
        if self._known_word and abs(beyond) < TIMING_ERROR_SAMPLES:
            return _letters(word.text) == _letters(self._known_word)
        return beyond < 0

    def settle_to(self, position: int) -> bool:
        """Takes the present words as the answer for all sound before `position`.

        Returns False, and changes nothing, if the current connection has sent no result that reaches so far.
        """
        if self._heard_to < position - ROUNDING_SAMPLES:
            return False
        self._settled_to = max(self._settled_to, position)
        return True

    def mark_turn_over(self) -> None:
        """Notes that the recogniser takes the speaker's turn for over."""
        self._turn_over = True

    def new_transcripts(self) -> Iterator[Transcript]:
        """Yields the new transcript, if any: the final one, the answer to a pause, or a changed partial.

        A pause is answered a second time if the recogniser takes the turn for over later.
        """
        if self._finished:
            return
        answered = self._answered_pause if self._turn_over and not self._turn_over_told else None
        while self._pauses and self.is_settled_to(self._pauses[0][1]):
            answered = self._answered_pause = self._pauses.popleft()[0]
        text = _joined(self._final, self._interim)
        confidences = self._final_confidences + self._interim_confidences
        confidence = fmean(confidences) if confidences else None
        if self.ended and self.is_settled_to(self.length):
            self._finished = True
            yield Transcript(text, final=True, confidence=confidence, turn_over=self._turn_over)
        elif answered is not None:
            self._turn_over_told = self._turn_over
            yield Transcript(text, final=False, confidence=confidence, pause=answered, turn_over=self._turn_over)
        elif text and text != self._shown:
            yield Transcript(text, final=False, confidence=confidence)
        self._shown = text


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)


class _AudioPieces:
    """The sound from `start` to `end`, as the arrays in which it came: it belongs to the replay buffer."""

    def __init__(self) -> None:
        self.start = self.end = 0
        self._pieces: deque[tuple[int, Samples]] = deque()
        """Each with the position of its first sample."""

    def append(self, samples: Samples) -> None:
        self._pieces.append((self.end, samples))
        self.end += len(samples)

    def drop_before(self, position: int) -> None:
        self.start = max(self.start, position)
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= self.start:
            self._pieces.popleft()

    def read(self, begin: int, end: int) -> bytes:
        parts = [samples[max(0, begin - at) : max(0, end - at)] for at, samples in self._pieces]
        return np.concatenate(parts).astype("<i2", copy=False).tobytes()


# Silence --------------------------------------------------------------------------------------------------------------

QUIET_DB = -30.0
"""Sound that is below the utterance's loudest 20 ms by more than this is silence."""

FLOOR = 32_768.0**2 * 1e-7
"""Sound of this mean square (-70 dBFS) is silence in any utterance."""

NOISE_FRAMES = 3
NOISE_DB, LOUD_DB = 6.0, -12.0
"""The last frames before a pause are the room's noise. Sound up to 6 dB above it is silence, unless that is less than
12 dB below the loudest speech."""

FRAME_SAMPLES = round(0.02 * RATE_HZ)


class _SoundLevels:
    """The mean square of each 20 ms of an utterance."""

    def __init__(self) -> None:
        self._loudest = 0.0
        self._noise = 0.0
        self._frames = array("f")
        self._left_over = np.zeros(0, np.int16)

    def add_audio(self, samples: Samples) -> None:
        sound = np.concatenate([self._left_over, samples])
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        frames = np.square(sound[:whole].reshape(-1, FRAME_SAMPLES).astype(np.float32)).mean(axis=1)
        self._loudest = max(self._loudest, float(frames.max(initial=0.0)))
        self._frames.extend(frames.tolist())
        self._left_over = sound[whole:]

    def measure_noise(self) -> None:
        """Measures the room's noise in the newest frames."""
        self._noise = float(np.mean(self._frames[-NOISE_FRAMES:])) if self._frames else 0.0

    def is_silent(self, start: int, end: int) -> bool:
        """Returns whether there is nothing but silence between two positions. Less than 20 ms of sound don't count."""
        noise = min(self._noise * 10 ** (NOISE_DB / 10), self._loudest * 10 ** (LOUD_DB / 10))
        silence = max(self._loudest * 10 ** (QUIET_DB / 10), noise, FLOOR)
        return max(self._frames[-(-start // FRAME_SAMPLES) : end // FRAME_SAMPLES], default=0.0) <= silence
