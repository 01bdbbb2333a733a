"""The ledger against an ideal recogniser, and whatever order things happen in."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ
from voicebot.audio.sound import Samples
from voicebot.engines.base import Transcript
from voicebot.engines.stt.deepgram.audio_ledger import AudioLedger, FinalizeRequest, Sound
from voicebot.engines.stt.deepgram.result import Finality, Result, Word
from voicebot.engines.stt.deepgram.utterance import KEPT, LEAD_IN, OVERLAP, Utterance

LOUD = 1_000
WORD = round(0.15 * RATE_HZ)


def word(number: int) -> Samples:
    """A word that tells its number, and a gap."""
    return np.concatenate([np.full(WORD, LOUD + number, np.int16), np.zeros(WORD // 3, np.int16)])


def quiet(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * RATE_HZ), np.int16)


class Recogniser:
    """Hears every word of which three quarters were sent over this connection, and when, give or take `jitter_s`."""

    def __init__(self, jitter_s: float = 0.0, random: Random | None = None) -> None:
        self.stream = np.zeros(0, np.int16)
        self.final_to = 0
        self._jitter_s = jitter_s
        self._random = random or Random(0)

    def hear(self, sound: Sound) -> None:
        self.stream = np.concatenate([self.stream, np.frombuffer(sound.pcm, np.int16)])

    @property
    def heard(self) -> int:
        return len(self.stream)

    def words(self, start: int, end: int) -> tuple[Word, ...]:
        """Those that begin and end between two samples of the stream."""
        edges = [0, *(np.flatnonzero(np.diff(self.stream)) + 1).tolist(), self.heard]
        runs = ((a, b) for a, b in pairwise(edges) if start <= a < b <= end)
        return tuple(self._word(a, b) for a, b in runs if self.stream[a] and b - a >= 0.75 * WORD)

    def _word(self, start: int, end: int) -> Word:
        shift_s = self._random.uniform(-self._jitter_s, self._jitter_s)
        start_s, end_s = max(0.0, start / RATE_HZ + shift_s), max(0.0, end / RATE_HZ + shift_s)
        return Word(str(self.stream[start] - LOUD), start_s, end_s, 0.9)

    def result(self, end: int | None = None, finality: Finality = Finality.FINAL, *, answer: bool = False) -> Result:
        """Of all that is not final, up to `end`."""
        end = self.heard if end is None else end
        words = self.words(self.final_to, end)
        if finality is Finality.FINAL:
            self.final_to = end
        return Result(" ".join(each.text for each in words), words, end / RATE_HZ, finality, answer=answer)

    def safe_end(self, wanted: int) -> int:
        """Where a final result may end: not within a word."""
        end = min(wanted, self.heard)
        while end > self.final_to and self.stream[end - 1]:
            end -= 1
        return max(end, self.final_to)


def send(ledger: AudioLedger, recogniser: Recogniser, steps: int = 10_000) -> list[FinalizeRequest]:
    """Sends up to `steps` things to the recogniser, and returns the requests among them."""
    requests: list[FinalizeRequest] = []
    for _ in range(steps):
        match ledger.next():
            case Sound() as sound:
                recogniser.hear(sound)
            case FinalizeRequest() as request:
                requests.append(request)
            case None:
                break
    return requests


def told(utterance: Utterance) -> Transcript | None:
    news = list(utterance.news())
    assert len(news) <= 1
    return news[0] if news else None


def final(utterance: Utterance) -> str:
    news = told(utterance)
    assert news is not None
    assert news.final
    return news.text


def text(*numbers: int) -> str:
    return " ".join(map(str, numbers))


def heard(ledger: AudioLedger, *numbers: int) -> Utterance:
    utterance = ledger.begin()
    for number in numbers:
        utterance.hear(word(number))
    return utterance


def test_words_become_final_piece_by_piece() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.take(recogniser.result(finality=Finality.INTERIM))
    assert told(utterance) == Transcript("1 2", final=False, confidence=0.9)
    ledger.take(recogniser.result())
    assert told(utterance) is None, "nothing new to see"
    utterance.hear(word(3))
    utterance.end()
    (request,) = send(ledger, recogniser)
    assert request.closing
    ledger.take(recogniser.result(answer=True))
    assert final(utterance) == "1 2 3"
    assert told(utterance) is None, "exactly one final"


def test_a_question_at_a_pause_is_answered_with_all_words_before_the_pause() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    utterance.hear(quiet(0.2))
    utterance.pause(1)
    (request,) = send(ledger, recogniser)
    assert not request.closing
    utterance.hear(word(3))
    send(ledger, recogniser)
    ledger.take(recogniser.result(recogniser.safe_end(request.position), answer=True))
    answer = told(utterance)
    assert answer is not None
    assert (answer.text, answer.pause, answer.final) == ("1 2", 1, False)


def test_silence_after_an_answered_pause_needs_no_further_question() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.hear(quiet(0.2))
    utterance.pause(1)
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    assert told(utterance) is not None
    utterance.hear(quiet(0.5))
    utterance.end()
    assert final(utterance) == "1"
    assert send(ledger, recogniser) == []


def test_room_noise_after_an_answered_pause_counts_as_silence() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    noise = Random(1)
    hum = np.array([noise.randint(-200, 200) for _ in range(RATE_HZ // 2)], np.int16)
    utterance = heard(ledger, 1)
    utterance.hear(hum[: RATE_HZ // 5])
    utterance.pause(1)
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    told(utterance)
    utterance.hear(hum)
    utterance.end()
    assert final(utterance) == "1"


def test_words_after_an_answered_pause_are_asked_for_at_the_end() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.hear(quiet(0.2))
    utterance.pause(1)
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    told(utterance)
    utterance.hear(word(2))
    utterance.end()
    assert told(utterance) is None
    (request,) = send(ledger, recogniser)
    assert request.closing
    ledger.take(recogniser.result(answer=True))
    assert final(utterance) == "1 2"


def test_an_utterance_of_silence_has_an_empty_final_text_at_once_and_needs_no_question() -> None:
    ledger = AudioLedger()
    utterance = ledger.begin()
    utterance.hear(quiet(0.5))
    utterance.pause(1)
    assert told(utterance) == Transcript("", final=False, pause=1)
    utterance.end()
    assert told(utterance) == Transcript("", final=True)
    assert send(ledger, Recogniser()) == []


def test_a_reconnect_sends_sound_without_final_words_again_and_doubles_no_word() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2, 3, 4)
    send(ledger, recogniser)
    ledger.take(recogniser.result(recogniser.safe_end(3 * len(word(0)))))
    ledger.restart()
    recogniser = Recogniser()
    utterance.end()
    send(ledger, recogniser)
    again = recogniser.words(0, recogniser.heard)
    assert [each.text for each in again] == ["3", "4"], "only the lead-in has more, and it is too short for a word"
    ledger.take(recogniser.result(answer=True))
    assert final(utterance) == "1 2 3 4"


def test_words_recognised_again_after_a_reconnect_are_not_doubled() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.take(recogniser.result())
    ledger.restart()
    utterance.hear(word(3))
    utterance.end()
    again = Recogniser()
    send(ledger, again)
    assert again.words(0, again.heard)[0].text == "2", "the lead-in holds a whole word"
    ledger.take(again.result(answer=True))
    assert final(utterance) == "1 2 3"


def test_late_results_of_a_closed_utterance_do_not_go_to_the_next_utterance() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first = heard(ledger, 1, 2)
    send(ledger, recogniser)
    ledger.close(first)
    second = heard(ledger, 3)
    second.end()
    requests = send(ledger, recogniser)
    assert [request.utterance for request in requests] == [None, second], "what was given up is flushed out"
    ledger.take(recogniser.result(2 * len(word(0)), answer=True))
    assert told(second) is None, "an answer to the first is none to the second"
    ledger.take(recogniser.result(answer=True))
    assert final(second) == "3"


def test_a_result_that_spans_two_utterances_is_split_by_time() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first, second = heard(ledger, 1, 2), heard(ledger, 3)
    first.end()
    second.end()
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    assert [final(first), final(second)] == ["1 2", "3"]


def test_a_late_answer_does_not_count_as_the_answer_to_the_next_question() -> None:
    """A service may answer a request when an ordinary result has told all already."""
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = heard(ledger, 1)
    utterance.hear(quiet(0.2))
    utterance.pause(1)
    send(ledger, recogniser)
    ledger.take(recogniser.result())
    assert told(utterance) is not None
    utterance.hear(np.concatenate([word(2), word(3), quiet(0.2)]))
    utterance.pause(2)
    end = recogniser.heard
    send(ledger, recogniser)
    ledger.take(Result("", (), end / RATE_HZ, Finality.FINAL, answer=True))
    assert told(utterance) is None
    ledger.take(recogniser.result(answer=True))
    answer = told(utterance)
    assert answer is not None
    assert (answer.text, answer.pause) == ("1 2 3", 2)


def test_memory_is_bounded_by_the_sound_without_final_words() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    utterance = ledger.begin()
    for number in range(3_000):
        utterance.hear(word(number % 9))
        send(ledger, recogniser)
        if number % 20 == 0:
            ledger.take(recogniser.result())
            recogniser.stream = np.zeros(0, np.int16)
            recogniser.final_to = 0
            ledger.restart()
        assert utterance.kept <= 21 * len(word(0)) + OVERLAP + LEAD_IN


def test_memory_is_bounded_even_if_nothing_ever_becomes_final() -> None:
    ledger = AudioLedger()
    utterance = ledger.begin()
    for _ in range(150):
        utterance.hear(np.full(RATE_HZ, LOUD, np.int16))
        assert utterance.kept <= KEPT


def test_silence_sent_between_utterances_does_not_shift_the_words_of_the_next() -> None:
    ledger, recogniser = AudioLedger(), Recogniser()
    first = heard(ledger, 1)
    first.end()
    send(ledger, recogniser)
    ledger.add_silence(1.0)
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    ledger.close(first)
    second = heard(ledger, 2)
    second.end()
    send(ledger, recogniser)
    ledger.take(recogniser.result(answer=True))
    assert final(second) == "2"


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([0.0, 0.06]))
def test_each_word_is_reported_once_in_its_utterance_whatever_the_order_of_events(
    seed: int, at_pauses: bool, jitter_s: float
) -> None:
    """Sound, pauses, partial and final results, drops and ends, all at random; then the rest is sent and answered."""
    random = Random(seed)
    ledger = AudioLedger(at_pauses=at_pauses, piece_s=random.choice([0.0, 0.08]))
    recogniser = Recogniser(jitter_s, random)
    spoken: dict[Utterance, list[int]] = {}
    known: dict[Utterance, str] = {}
    pauses: dict[Utterance, list[str]] = {}
    current: Utterance | None = None
    for step in range(random.randint(5, 60)):
        match random.choice(
            ["begin", "speak", "speak", "rest", "pause", "end", "send", "send", "interim", "final", "drop"]
        ):
            case "begin" if current is None:
                current = ledger.begin()
                spoken[current], pauses[current] = [], []
                current.hear(quiet(random.choice([0.0, 0.3])))
            case "speak" if current is not None:
                spoken[current].append(step)
                current.hear(word(step))
            case "rest" if current is not None:
                current.hear(quiet(random.uniform(0.01, 0.4)))
            case "pause" if current is not None:
                pauses[current].append(text(*spoken[current]))
                current.hear(quiet(0.15))
                current.pause(len(pauses[current]))
            case "end" if current is not None:
                current.end()
                current = None
            case "send":
                send(ledger, recogniser, random.randint(1, 30))
            case "interim":
                ledger.take(recogniser.result(finality=Finality.INTERIM))
            case "final":
                ledger.take(recogniser.result(recogniser.safe_end(random.randint(0, recogniser.heard))))
            case "drop":
                ledger.restart()
                recogniser = Recogniser(jitter_s, random)
        collect(ledger, known, pauses)
    if current is not None:
        current.end()
    for _ in range(20):
        for request in send(ledger, recogniser):
            ledger.take(recogniser.result(answer=True))
            assert request.utterance is None or not ledger.waits_for(request)
        ledger.take(recogniser.result())
        collect(ledger, known, pauses)
    assert known == {utterance: text(*numbers) for utterance, numbers in spoken.items()}
    assert ledger.utterances == []


def collect(ledger: AudioLedger, known: dict[Utterance, str], pauses: dict[Utterance, list[str]]) -> None:
    for utterance in list(ledger.utterances):
        news = told(utterance)
        if news is None:
            continue
        if news.pause is not None:
            before = pauses[utterance][news.pause - 1]
            assert news.text.startswith(before), "no word before the pause is missing"
        if news.final:
            assert utterance not in known
            known[utterance] = news.text
            ledger.close(utterance)
