"""The audio ledger with an ideal recogniser, and with events in random order."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.deepgram.audio_ledger import AudioChunk, AudioLedger, FinalizeRequest
from voicebot.engines.stt.deepgram.protocol import Finality, StreamResult, TimedWord
from voicebot.engines.stt.deepgram.utterance import (
    LEAD_IN_SAMPLES,
    MAX_KEPT_SAMPLES,
    OVERLAP_SAMPLES,
    StreamedUtterance,
)

LOUD = 1_000
WORD = round(0.15 * RATE_HZ)


def word(number: int) -> Samples:
    """Returns the audio of a word, whose level encodes its number, and a gap after it."""
    return np.concatenate([np.full(WORD, LOUD + number, np.int16), np.zeros(WORD // 3, np.int16)])


def quiet(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.int16)


class Recogniser:
    """Recognises each word of which three quarters were sent over this connection. Its times vary by `jitter_s`."""

    def __init__(self, jitter_s: float = 0.0, random: Random | None = None) -> None:
        self.stream = np.zeros(0, np.int16)
        self.final_to = 0
        self._jitter_s = jitter_s
        self._random = random or Random(0)

    def receive_audio(self, sound: AudioChunk) -> None:
        self.stream = np.concatenate([self.stream, np.frombuffer(sound.pcm, np.int16)])

    @property
    def heard(self) -> int:
        return len(self.stream)

    def words(self, start: int, end: int) -> tuple[TimedWord, ...]:
        """Returns the words that begin and end between two samples of the stream."""
        edges = [0, *(np.flatnonzero(np.diff(self.stream)) + 1).tolist(), self.heard]
        runs = ((a, b) for a, b in pairwise(edges) if start <= a < b <= end)
        return tuple(self._word(a, b) for a, b in runs if self.stream[a] and b - a >= 0.75 * WORD)

    def _word(self, start: int, end: int) -> TimedWord:
        shift_s = self._random.uniform(-self._jitter_s, self._jitter_s)
        start_s, end_s = max(0.0, start / RATE_HZ + shift_s), max(0.0, end / RATE_HZ + shift_s)
        return TimedWord(str(self.stream[start] - LOUD), start_s, end_s, 0.9)

    def result(
        self, end: int | None = None, finality: Finality = Finality.FINAL, *, answer: bool = False
    ) -> StreamResult:
        """Returns the words up to `end` that are not final yet."""
        end = self.heard if end is None else end
        words = self.words(self.final_to, end)
        if finality is Finality.FINAL:
            self.final_to = end
        return StreamResult(" ".join(each.text for each in words), words, end / RATE_HZ, finality, answer=answer)

    def safe_end(self, wanted: int) -> int:
        """Returns the last sample up to `wanted` that is not within a word, at which a final result may end."""
        end = min(wanted, self.heard)
        while end > self.final_to and self.stream[end - 1]:
            end -= 1
        return max(end, self.final_to)


def send(ledger: AudioLedger, recogniser: Recogniser, steps: int = 10_000) -> list[FinalizeRequest]:
    """Sends up to `steps` items to the recogniser and returns the requests among them."""
    requests: list[FinalizeRequest] = []
    for _ in range(steps):
        match ledger.next_item():
            case AudioChunk() as sound:
                recogniser.receive_audio(sound)
            case FinalizeRequest() as request:
                requests.append(request)
            case None:
                break
    return requests


def new_transcript(utterance: StreamedUtterance) -> Transcript | None:
    news = list(utterance.new_transcripts())
    assert len(news) <= 1
    return news[0] if news else None


def final(utterance: StreamedUtterance) -> str:
    news = new_transcript(utterance)
    assert news is not None
    assert news.final
    return news.text


def text(*numbers: int) -> str:
    return " ".join(map(str, numbers))


def heard(ledger: AudioLedger, *numbers: int) -> StreamedUtterance:
    utterance = ledger.begin_utterance()
    for number in numbers:
        utterance.add_audio(word(number))
    return utterance


def test_words_become_final_piece_by_piece() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(finality=Finality.INTERIM))
    assert new_transcript(utterance) == Transcript("1 2", final=False, confidence=0.9)
    ledger.add_result(recogniser.result())
    assert new_transcript(utterance) is None, "there must be no new transcript"
    utterance.add_audio(word(3))
    utterance.end()
    (request,) = send(ledger, recogniser)
    assert request.closing
    ledger.add_result(recogniser.result(answer=True))
    assert final(utterance) == "1 2 3"
    assert new_transcript(utterance) is None, "an utterance must have only one final transcript"


def test_a_question_at_a_pause_is_answered_with_all_words_before_the_pause() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    utterance.add_audio(quiet(0.2))
    utterance.add_pause(1)
    (request,) = send(ledger, recogniser)
    assert not request.closing
    utterance.add_audio(word(3))
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(recogniser.safe_end(request.position), answer=True))
    answer = new_transcript(utterance)
    assert answer is not None
    assert (answer.text, answer.pause, answer.final) == ("1 2", 1, False)


def test_silence_after_an_answered_pause_needs_no_further_question() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.add_audio(quiet(0.2))
    utterance.add_pause(1)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    assert new_transcript(utterance) is not None
    utterance.add_audio(quiet(0.5))
    utterance.end()
    assert final(utterance) == "1"
    assert send(ledger, recogniser) == []


def test_room_noise_after_an_answered_pause_counts_as_silence() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    noise = Random(1)
    hum = np.array([noise.randint(-200, 200) for _ in range(RATE_HZ // 2)], np.int16)
    utterance = heard(ledger, 1)
    utterance.add_audio(hum[: RATE_HZ // 5])
    utterance.add_pause(1)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    new_transcript(utterance)
    utterance.add_audio(hum)
    utterance.end()
    assert final(utterance) == "1"


def test_words_after_an_answered_pause_are_asked_for_at_the_end() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.add_audio(quiet(0.2))
    utterance.add_pause(1)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    new_transcript(utterance)
    utterance.add_audio(word(2))
    utterance.end()
    assert new_transcript(utterance) is None
    (request,) = send(ledger, recogniser)
    assert request.closing
    ledger.add_result(recogniser.result(answer=True))
    assert final(utterance) == "1 2"


def test_an_utterance_of_silence_has_an_empty_final_text_at_once_and_needs_no_question() -> None:
    ledger = AudioLedger()
    utterance = ledger.begin_utterance()
    utterance.add_audio(quiet(0.5))
    utterance.add_pause(1)
    assert new_transcript(utterance) == Transcript("", final=False, pause=1)
    utterance.end()
    assert new_transcript(utterance) == Transcript("", final=True)
    assert send(ledger, Recogniser()) == []


def test_a_reconnect_sends_sound_without_final_words_again_and_doubles_no_word() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2, 3, 4)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(recogniser.safe_end(3 * len(word(0)))))
    ledger.restart_stream()
    recogniser = Recogniser()
    utterance.end()
    send(ledger, recogniser)
    again = recogniser.words(0, recogniser.heard)
    assert [each.text for each in again] == ["3", "4"], "the lead-in is too short for a word"
    ledger.add_result(recogniser.result(answer=True))
    assert final(utterance) == "1 2 3 4"


def test_words_recognised_again_after_a_reconnect_are_not_doubled() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result())
    ledger.restart_stream()
    utterance.add_audio(word(3))
    utterance.end()
    again = Recogniser()
    send(ledger, again)
    assert again.words(0, again.heard)[0].text == "2", "the lead-in holds a whole word"
    ledger.add_result(again.result(answer=True))
    assert final(utterance) == "1 2 3"


def test_late_results_of_a_closed_utterance_do_not_go_to_the_next_utterance() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.close_utterance(first)
    second = heard(ledger, 3)
    second.end()
    requests = send(ledger, recogniser)
    assert [request.utterance for request in requests] == [None, second], (
        "the words of the abandoned utterance must be requested first"
    )
    ledger.add_result(recogniser.result(2 * len(word(0)), answer=True))
    assert new_transcript(second) is None, "the answer to the first request must not count for the second"
    ledger.add_result(recogniser.result(answer=True))
    assert final(second) == "3"


def test_a_result_that_spans_two_utterances_is_split_by_time() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first, second = heard(ledger, 1, 2), heard(ledger, 3)
    first.end()
    second.end()
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    assert [final(first), final(second)] == ["1 2", "3"]


def test_a_late_answer_does_not_count_as_the_answer_to_the_next_question() -> None:
    """A service may answer a request after an ordinary result has already contained all words."""
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.add_audio(quiet(0.2))
    utterance.add_pause(1)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result())
    assert new_transcript(utterance) is not None
    utterance.add_audio(np.concatenate([word(2), word(3), quiet(0.2)]))
    utterance.add_pause(2)
    end = recogniser.heard
    send(ledger, recogniser)
    ledger.add_result(StreamResult("", (), end / RATE_HZ, Finality.FINAL, answer=True))
    assert new_transcript(utterance) is None
    ledger.add_result(recogniser.result(answer=True))
    answer = new_transcript(utterance)
    assert answer is not None
    assert (answer.text, answer.pause) == ("1 2 3", 2)


def test_memory_is_bounded_by_the_sound_without_final_words() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = ledger.begin_utterance()
    for number in range(3_000):
        utterance.add_audio(word(number % 9))
        send(ledger, recogniser)
        if number % 20 == 0:
            ledger.add_result(recogniser.result())
            recogniser.stream = np.zeros(0, np.int16)
            recogniser.final_to = 0
            ledger.restart_stream()
        assert utterance.kept <= 21 * len(word(0)) + OVERLAP_SAMPLES + LEAD_IN_SAMPLES


def test_memory_is_bounded_even_if_nothing_ever_becomes_final() -> None:
    ledger = AudioLedger()
    utterance = ledger.begin_utterance()
    for _ in range(150):
        utterance.add_audio(np.full(RATE_HZ, LOUD, np.int16))
        assert utterance.kept <= MAX_KEPT_SAMPLES


def test_an_utterance_keeps_no_copy_of_its_sound() -> None:
    """The replay buffer holds the audio, and the utterance refers to the same arrays."""
    sound = np.full(60 * RATE_HZ, LOUD, np.int16)
    utterance = AudioLedger().begin_utterance()
    tracemalloc.start()
    for piece in np.split(sound, 600):
        utterance.add_audio(piece)
    growth_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert utterance.kept == len(sound)
    assert growth_bytes < sound.nbytes / 4


def test_silence_sent_between_utterances_does_not_shift_the_words_of_the_next() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first = heard(ledger, 1)
    first.end()
    send(ledger, recogniser)
    ledger.add_silence(1.0)
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    ledger.close_utterance(first)
    second = heard(ledger, 2)
    second.end()
    send(ledger, recogniser)
    ledger.add_result(recogniser.result(answer=True))
    assert final(second) == "2"


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([0.0, 0.06]))
def test_each_word_is_reported_once_in_its_utterance_whatever_the_order_of_events(
    seed: int, at_pauses: bool, jitter_s: float
) -> None:
    """Audio, pauses, results, lost connections and ends come at random. Then the rest is sent and answered."""
    random = Random(seed)
    ledger = AudioLedger(at_pauses=at_pauses, min_chunk_s=random.choice([0.0, 0.08]))
    recogniser = Recogniser(jitter_s, random)
    spoken: dict[StreamedUtterance, list[int]] = {}
    known: dict[StreamedUtterance, str] = {}
    pauses: dict[StreamedUtterance, list[str]] = {}
    current: StreamedUtterance | None = None
    for step in range(random.randint(5, 60)):
        match random.choice(
            ["begin", "speak", "speak", "rest", "pause", "end", "send", "send", "interim", "final", "drop"]
        ):
            case "begin" if current is None:
                current = ledger.begin_utterance()
                spoken[current], pauses[current] = [], []
                current.add_audio(quiet(random.choice([0.0, 0.3])))
            case "speak" if current is not None:
                spoken[current].append(step)
                current.add_audio(word(step))
            case "rest" if current is not None:
                current.add_audio(quiet(random.uniform(0.01, 0.4)))
            case "pause" if current is not None:
                pauses[current].append(text(*spoken[current]))
                current.add_audio(quiet(0.15))
                current.add_pause(len(pauses[current]))
            case "end" if current is not None:
                current.end()
                current = None
            case "send":
                send(ledger, recogniser, random.randint(1, 30))
            case "interim":
                ledger.add_result(recogniser.result(finality=Finality.INTERIM))
            case "final":
                ledger.add_result(recogniser.result(recogniser.safe_end(random.randint(0, recogniser.heard))))
            case "drop":
                ledger.restart_stream()
                recogniser = Recogniser(jitter_s, random)
        collect(ledger, known, pauses)
    if current is not None:
        current.end()
    for _ in range(20):
        for request in send(ledger, recogniser):
            ledger.add_result(recogniser.result(answer=True))
            assert request.utterance is None or not ledger.needs_answer(request)
        ledger.add_result(recogniser.result())
        collect(ledger, known, pauses)
    assert known == {utterance: text(*numbers) for utterance, numbers in spoken.items()}
    assert ledger.utterances == []


def collect(
    ledger: AudioLedger, known: dict[StreamedUtterance, str], pauses: dict[StreamedUtterance, list[str]]
) -> None:
    for utterance in list(ledger.utterances):
        news = new_transcript(utterance)
        if news is None:
            continue
        if news.pause is not None:
            before = pauses[utterance][news.pause - 1]
            assert news.text.startswith(before), "no word before the pause may be missing"
        if news.final:
            assert utterance not in known
            known[utterance] = news.text
            ledger.close_utterance(utterance)
