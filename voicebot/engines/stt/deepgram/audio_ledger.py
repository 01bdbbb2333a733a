"""Records which sound of a session was sent to the recogniser, and finds the utterance that each word belongs to.

No word is lost: when a connection is lost, sound without final words is sent again on the next one, and words that are
then recognised a second time are detected by their times. Nothing here waits or sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.engines.stt.deepgram.protocol import StreamResult, TimedWord
from voicebot.engines.stt.deepgram.utterance import ROUNDING_SAMPLES, PlacedWord, StreamedUtterance

MAX_CHUNK_SAMPLES = round(0.1 * RATE_HZ)
"""The longest piece sent at once. Deepgram recommends 20 to 250 ms."""

ANSWER_TOLERANCE_SAMPLES = round(0.5 * RATE_HZ)
"""An answer may end this long before the position of its request."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next piece of the stream: 16-bit PCM at 16 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class FinalizeRequest:
    """Asks for all words before the utterance's `position`. `closing` means that no more sound of it follows.

    `utterance` is None for one that was given up: nobody needs its words, but they must not become part of the
    next utterance's.
    """

    utterance: StreamedUtterance | None
    position: int
    closing: bool


@dataclass(slots=True)
class _StreamSpan:
    """A part of the stream: `length` samples from `at` on are the utterance's samples from `start` on."""

    at: int
    length: int
    utterance: StreamedUtterance
    start: int


class AudioLedger:
    """The open utterances of one session, and the stream of the current connection.

    With `at_pauses` final words are requested at pauses, too, and not only at the end. `min_chunk_s` is the shortest
    piece worth sending; only the last piece before a request may be shorter.
    """

    def __init__(self, *, at_pauses: bool = True, min_chunk_s: float = 0.0) -> None:
        self._at_pauses = at_pauses
        self._min_chunk = max(1, round(min_chunk_s * RATE_HZ))
        self.utterances: list[StreamedUtterance] = []
        self._spans: list[_StreamSpan] = []
        self._sent = 0
        """The length of the stream, in samples."""
        self._requested: deque[int] = deque()
        """The positions in the stream of the requests that may still be answered."""
        self._silence = 0
        """How many samples of silence are sent next."""
        self._flush = False
        """Whether words of an utterance that was given up have to be requested."""

    def begin_utterance(self) -> StreamedUtterance:
        utterance = StreamedUtterance()
        self.utterances.append(utterance)
        return utterance

    def close_utterance(self, utterance: StreamedUtterance) -> None:
        """Removes an utterance that is done or given up. Later results for its sound are dropped."""
        if utterance in self.utterances:
            self.utterances.remove(utterance)
            self._spans = [span for span in self._spans if span.utterance is not utterance]
            self._flush |= utterance.has_unrequested_speech

    def needs_answer(self, request: FinalizeRequest) -> bool:
        """Returns whether an answer to the request is still of use."""
        utterance = request.utterance
        return utterance is not None and utterance in self.utterances and not utterance.is_settled_to(request.position)

    def settle(self, request: FinalizeRequest) -> bool:
        """Uses the words known so far as the answer, as none will come. Returns False if they do not reach so far."""
        return request.utterance is not None and request.utterance.settle_to(request.position)

    # To the recogniser --------------------------------------------------------------------------------------------

    def restart_stream(self) -> None:
        """Begins the stream of a new connection: sound without final words is sent again."""
        self._spans.clear()
        self._requested.clear()
        self._sent = self._silence = 0
        self._flush = False
        for utterance in self.utterances:
            utterance.rewind()

    def add_silence(self, duration_s: float) -> None:
        """Sends silence next that belongs to no utterance."""
        self._silence += round(duration_s * RATE_HZ)

    def next_item(self) -> AudioChunk | FinalizeRequest | None:
        """Returns what is to be sent next; None if there is nothing. Utterances are sent one after the other."""
        if self._flush:
            self._flush = False
            return self._request(FinalizeRequest(None, 0, closing=True))
        if self._silence:
            count = min(self._silence, MAX_CHUNK_SAMPLES)
            self._silence -= count
            self._sent += count
            return AudioChunk(bytes(2 * count))
        return next((item for utterance in self.utterances if (item := self._next_item_of(utterance))), None)

    def _next_item_of(self, utterance: StreamedUtterance) -> AudioChunk | FinalizeRequest | None:
        position = utterance.next_finalize_position(at_pauses=self._at_pauses)
        count = (utterance.length if position is None else position) - utterance.sent
        if count >= (self._min_chunk if position is None and not utterance.ended else 1):
            return self._chunk(utterance, min(count, MAX_CHUNK_SAMPLES))
        if position is not None:
            utterance.requested = position
            closing = utterance.ended and position == utterance.length
            return self._request(FinalizeRequest(utterance, position, closing))
        return None

    def _chunk(self, utterance: StreamedUtterance, count: int) -> AudioChunk:
        last = self._spans[-1] if self._spans else None
        if last is None or last.utterance is not utterance or last.at + last.length != self._sent:
            last = _StreamSpan(self._sent, 0, utterance, utterance.sent)
            self._spans.append(last)
        last.length += count
        self._sent += count
        return AudioChunk(utterance.take_audio(count))

    def _request(self, request: FinalizeRequest) -> FinalizeRequest:
        self._requested.append(self._sent)
        return request

    # From the recogniser ------------------------------------------------------------------------------------------

    def add_result(self, result: StreamResult) -> None:
        """Gives each word of the result to the utterance in whose sound it was said."""
        reach = self._reach_of(result)
        words_of: dict[StreamedUtterance, list[PlacedWord]] = {}
        for word in result.words:
            if (span := self._span_of(word)) is not None:
                words_of.setdefault(span.utterance, []).append(_placed(word, span))
        reached = {span.utterance: _within(span, reach) for span in self._spans if span.at < reach}
        for utterance, to in reached.items():
            words = words_of.get(utterance, [])
            text = result.text if len(words) == len(result.words) else None
            utterance.add_words(text, words, to, result.finality)
        if result.turn_over and words_of:
            next(reversed(words_of)).mark_turn_over()

    def _reach_of(self, result: StreamResult) -> int:
        """Returns how far into the stream the result goes. An answer goes at least as far as its request.

        An answer may come late, after an ordinary result has told everything. It must not count as the answer to the
        next request.
        """
        if result.end_s is None:
            return self._requested.popleft() if self._requested else 0
        end = round(result.end_s * RATE_HZ)
        if result.answer and self._requested and self._requested[0] <= end + ANSWER_TOLERANCE_SAMPLES:
            end = max(end, self._requested.popleft())
            while self._requested and self._requested[0] <= end + ROUNDING_SAMPLES:
                self._requested.popleft()
        return end

    def _span_of(self, word: TimedWord) -> _StreamSpan | None:
        """Returns the part of the stream that holds the middle of the word."""
        middle = (word.start_s + word.end_s) / 2 * RATE_HZ
        last = next((span for span in reversed(self._spans) if span.at <= middle), None)
        return last if last is not None and middle <= last.at + last.length + ROUNDING_SAMPLES else None


def _placed(word: TimedWord, span: _StreamSpan) -> PlacedWord:
    shift = span.start - span.at
    start, end = round(word.start_s * RATE_HZ) + shift, round(word.end_s * RATE_HZ) + shift
    return PlacedWord(word.text, start, end, word.confidence)


def _within(span: _StreamSpan, reach: int) -> int:
    """Returns the position in the utterance that the reach in the stream stands for."""
    return span.start + min(span.length, reach - span.at)
