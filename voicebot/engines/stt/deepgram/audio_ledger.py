"""What of a session's sound has been sent to a recogniser, and which utterance's words the results are.

Nothing said is lost: an utterance's sound is kept until its words are final, and sent again on the next connection if
one drops; words that are then heard twice are known by their times. Pure: it neither waits nor sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.engines.stt.deepgram.result import Result, Word
from voicebot.engines.stt.deepgram.utterance import SLACK, HeardWord, Utterance

CHUNK = round(0.1 * RATE_HZ)
"""The longest piece sent at once. Deepgram: 20 to 250 ms."""

LATE = round(0.5 * RATE_HZ)
"""How far short of its request an answer may fall and still be its answer."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The next piece of the stream: 16-bit PCM, 16 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class FinalizeRequest:
    """All words before the utterance's `position` are wanted now. `closing`: no more sound of it follows.

    `utterance` is None for one that was given up: nobody waits for its words, but the next one's begin after them.
    """

    utterance: Utterance | None
    position: int
    closing: bool


@dataclass(slots=True)
class _Span:
    """A stretch of the connection's stream: `length` samples from `at` on are the utterance's from `start` on."""

    at: int
    length: int
    utterance: Utterance
    start: int


class AudioLedger:
    """The utterances of one session that are not done with yet.

    `at_pauses`: the recogniser is to be asked at pauses, not only at the end. `piece_s` is the shortest piece worth
    sending, unless it is the last before a request.
    """

    def __init__(self, *, at_pauses: bool = True, piece_s: float = 0.0) -> None:
        self._at_pauses = at_pauses
        self._piece = max(1, round(piece_s * RATE_HZ))
        self.utterances: list[Utterance] = []
        self._spans: list[_Span] = []
        self._sent = 0
        """How long the stream of this connection is."""
        self._asked: deque[int] = deque()
        """Where in it the requests were asked that may still get an answer."""
        self._silence = 0
        self._leftover = False

    def begin(self) -> Utterance:
        utterance = Utterance()
        self.utterances.append(utterance)
        return utterance

    def close(self, utterance: Utterance) -> None:
        """It is done with, or given up: what the recogniser says of it later is nobody's."""
        if utterance in self.utterances:
            self.utterances.remove(utterance)
            self._spans = [span for span in self._spans if span.utterance is not utterance]
            self._leftover |= utterance.unfinished

    def waits_for(self, request: FinalizeRequest) -> bool:
        """Is it still of use to get an answer?"""
        utterance = request.utterance
        return utterance is not None and utterance in self.utterances and not utterance.reaches(request.position)

    def settle(self, request: FinalizeRequest) -> bool:
        """There will be no answer: what has been heard is one, if the recogniser has heard so far."""
        return request.utterance is not None and request.utterance.settle(request.position)

    # To the recogniser --------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """There is a new connection: what has no final words goes out again."""
        self._spans.clear()
        self._asked.clear()
        self._sent = self._silence = 0
        self._leftover = False
        for utterance in self.utterances:
            utterance.rewind()

    def add_silence(self, duration_s: float) -> None:
        """So much silence, which is no utterance's, goes out next."""
        self._silence += round(duration_s * RATE_HZ)

    def next(self) -> Sound | FinalizeRequest | None:
        """What to send next; None if there is nothing. Sound comes in the order of the utterances."""
        if self._leftover:
            self._leftover = False
            return self._ask(FinalizeRequest(None, 0, closing=True))
        if self._silence:
            count = min(self._silence, CHUNK)
            self._silence -= count
            self._sent += count
            return Sound(bytes(2 * count))
        return next((step for utterance in self.utterances if (step := self._step(utterance))), None)

    def _step(self, utterance: Utterance) -> Sound | FinalizeRequest | None:
        request = utterance.request(at_pauses=self._at_pauses)
        count = (utterance.length if request is None else request) - utterance.sent
        if count >= (self._piece if request is None and not utterance.ended else 1):
            return self._send(utterance, min(count, CHUNK))
        if request is not None:
            utterance.asked = request
            return self._ask(FinalizeRequest(utterance, request, utterance.ended and request == utterance.length))
        return None

    def _send(self, utterance: Utterance, count: int) -> Sound:
        last = self._spans[-1] if self._spans else None
        if last is None or last.utterance is not utterance or last.at + last.length != self._sent:
            last = _Span(self._sent, 0, utterance, utterance.sent)
            self._spans.append(last)
        last.length += count
        self._sent += count
        return Sound(utterance.take(count))

    def _ask(self, request: FinalizeRequest) -> FinalizeRequest:
        self._asked.append(self._sent)
        return request

    # From the recogniser ------------------------------------------------------------------------------------------

    def take(self, result: Result) -> None:
        """Give each word to the utterance in whose sound it was."""
        reach = self._reach(result)
        heard: dict[Utterance, list[HeardWord]] = {}
        for word in result.words:
            if (span := self._span_of(word)) is not None:
                heard.setdefault(span.utterance, []).append(_placed(word, span))
        reached = {span.utterance: _within(span, reach) for span in self._spans if span.at < reach}
        for utterance, to in reached.items():
            words = heard.get(utterance, [])
            text = result.text if len(words) == len(result.words) else None
            utterance.learn(text, words, to, result.finality)
        if result.turn_over and heard:
            next(reversed(heard)).turn_over()

    def _reach(self, result: Result) -> int:
        """How far into the stream the result goes: if it answers a request, at least to that.

        An answer may come late, when another result has told all already: it is then not one to the next request.
        """
        if result.end_s is None:
            return self._asked.popleft() if self._asked else 0
        end = round(result.end_s * RATE_HZ)
        if result.answer and self._asked and self._asked[0] <= end + LATE:
            end = max(end, self._asked.popleft())
            while self._asked and self._asked[0] <= end + SLACK:
                self._asked.popleft()
        return end

    def _span_of(self, word: Word) -> _Span | None:
        middle = (word.start_s + word.end_s) / 2 * RATE_HZ
        last = next((span for span in reversed(self._spans) if span.at <= middle), None)
        return last if last is not None and middle <= last.at + last.length + SLACK else None


def _placed(word: Word, span: _Span) -> HeardWord:
    shift = span.start - span.at
    start, end = round(word.start_s * RATE_HZ) + shift, round(word.end_s * RATE_HZ) + shift
    return HeardWord(word.text, start, end, word.confidence)


def _within(span: _Span, reach: int) -> int:
    return span.start + min(span.length, reach - span.at)
