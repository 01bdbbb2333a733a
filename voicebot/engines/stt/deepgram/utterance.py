"""One utterance on its way to a recogniser: the sound that may be needed again, and the words known so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples
from voicebot.engines.base import Transcript
from voicebot.engines.stt.deepgram.levels import Levels
from voicebot.engines.stt.deepgram.result import Finality

SLACK = round(0.1 * RATE_HZ)
"""Services round the ends of what they have heard."""

OVERLAP = round(0.5 * RATE_HZ)
"""After a drop this much of what was already final is heard again, back to the last word: a word may have been cut."""

LEAD_IN = round(0.25 * RATE_HZ)
"""And this much before it, for the recogniser to find its feet; words in it are known by their times."""

UNSURE = round(0.1 * RATE_HZ)
"""Times of the same word differ by so much: Deepgram's are multiples of 80 ms. Within that, its letters decide."""

KEPT = 120 * RATE_HZ
"""The longest stretch that can be heard again, 3.8 MB: far more than an utterance may last."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word and its place: `start` and `end` are samples from the beginning of its utterance."""

    text: str
    start: int
    end: int
    confidence: float


class Utterance:
    """Positions are samples from the beginning of the utterance.

    Its sound is a send buffer, not a replay buffer: sound waits here to be sent, and stays until the words in it are
    final. After a lost connection only what is not final goes out again, within the same try.
    """

    def __init__(self) -> None:
        self.ended = False
        self.sent = 0
        """How far the sound has gone out on this connection."""
        self.asked = -1
        """The last position up to which an answer was asked for on this connection."""
        self._sound = bytearray()
        self._kept_from = 0
        self._levels = Levels()
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
        """Both as they were when the sound was last sent again."""
        self._heard_to = 0
        """Up to here the recogniser has said something about the sound, on this connection."""
        self._covered = 0
        """Up to here the words are final."""
        self._settled = 0
        """Up to here they won't change if nothing follows."""
        self._turn_over = self._turn_over_told = False
        self._answered: int | None = None
        """The last pause that has an answer."""
        self._shown = ""
        self._finished = False

    # The sound ----------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        return self._kept_from + len(self._sound) // 2

    @property
    def kept(self) -> int:
        """How many samples are kept."""
        return len(self._sound) // 2

    def hear(self, samples: Samples) -> None:
        self._sound += samples.astype("<i2", copy=False).tobytes()
        self._levels.hear(samples)
        self._forget(max(self._kept_from, self.length - KEPT))

    def pause(self, number: int) -> None:
        self._pauses.append((number, self.length))
        self._levels.rest()

    def end(self) -> None:
        self.ended = True

    def take(self, count: int) -> bytes:
        """The next `count` samples to be sent."""
        begin = 2 * (self.sent - self._kept_from)
        self.sent += count
        return bytes(self._sound[begin : begin + 2 * count])

    def rewind(self) -> None:
        """The connection is another one: what was not final, and a little before it, is to be sent again."""
        self.sent = max(self._kept_from, self._needed_from)
        self.asked = -1
        self._heard_to = 0
        self._known_to, self._known_word = self._words_to, self._last_word

    @property
    def _needed_from(self) -> int:
        return max(0, max(self._words_to, self._covered - OVERLAP) - LEAD_IN)

    def _forget(self, position: int) -> None:
        """The sound before `position` is not needed any more."""
        if position > self._kept_from:
            del self._sound[: 2 * (position - self._kept_from)]
            self._kept_from = position
            self.sent = max(self.sent, position)

    def quiet(self, start: int, end: int) -> bool:
        """Is there nothing but silence from `start` to `end`?"""
        return self._levels.quiet(start, end)

    # What is asked ------------------------------------------------------------------------------------------------

    def request(self, *, at_pauses: bool) -> int | None:
        """The next position up to which all words are wanted at once: a pause, or the end. None if there is none.

        If only silence follows a pause the answer to that one does for the end as well.
        """
        pauses = [position for _, position in self._pauses] if at_pauses else []
        answered = pauses[-1] if pauses else self._settled
        if self.ended and not (self.reaches(self.length) or self.quiet(answered, self.length)):
            pauses.append(self.length)
        return next((position for position in pauses if position > self.asked), None)

    def reaches(self, position: int) -> bool:
        """Is all that was said before `position` known?"""
        return self._settled >= position - SLACK or self.quiet(self._settled, position)

    @property
    def unfinished(self) -> bool:
        """Has the recogniser been sent speech that it has not made final words of, and was not asked to?"""
        return self.asked < self.sent and not self.quiet(self._covered, self.sent)

    # What is known ------------------------------------------------------------------------------------------------

    def learn(self, text: str | None, words: Sequence[HeardWord], to: int, finality: Finality) -> None:
        """A result: its words in this utterance, and up to where it reaches.

        `text` is how the recogniser writes these words; None if it wrote them together with others.
        """
        self._heard_to = max(self._heard_to, to)
        new = [word for word in words if not self._known(word)]
        if text is None or len(new) < len(words):
            text = " ".join(word.text for word in new)
        confidences = [word.confidence for word in new]
        if finality is Finality.RESUMED or (finality is Finality.INTERIM and text != self._interim):
            self._settled = self._covered
        if new:
            self._turn_over = self._turn_over_told = False
        if finality is Finality.FINAL:
            self._final = _joined(self._final, text)
            self._final_confidences += confidences
            self._interim, self._interim_confidences = "", []
            if new:
                self._words_to, self._last_word = max(self._words_to, new[-1].end), new[-1].text
            self._covered = max(self._covered, to)
            self._forget(min(self._needed_from, self.sent))
        else:
            self._interim, self._interim_confidences = text, confidences
        if finality is Finality.EAGER and new:
            to = min(to, new[-1].end)  # what may be the beginning of another word is not known yet
        if finality in (Finality.FINAL, Finality.EAGER):
            self._settled = max(self._covered, self._settled, to)

    def _known(self, word: HeardWord) -> bool:
        """Was it final before the sound was sent again?"""
        beyond = (word.start + word.end) // 2 - self._known_to
        if self._known_word and abs(beyond) < UNSURE:
            return _letters(word.text) == _letters(self._known_word)
        return beyond < 0

    def settle(self, position: int) -> bool:
        """What was heard will do for all that was said before `position`, if it has been heard at all."""
        if self._heard_to < position - SLACK:
            return False
        self._settled = max(self._settled, position)
        return True

    def turn_over(self) -> None:
        """The recogniser heard that the speaker is done."""
        self._turn_over = True

    def news(self) -> Iterator[Transcript]:
        """What there is to tell that has not been told: the answer to a pause, the final, or else a new partial.

        A pause is answered again if the recogniser hears later that the turn is over.
        """
        if self._finished:
            return
        answered = self._answered if self._turn_over and not self._turn_over_told else None
        while self._pauses and self.reaches(self._pauses[0][1]):
            answered = self._answered = self._pauses.popleft()[0]
        text = _joined(self._final, self._interim)
        confidences = self._final_confidences + self._interim_confidences
        confidence = fmean(confidences) if confidences else None
        if self.ended and self.reaches(self.length):
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
