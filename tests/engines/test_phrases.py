"""The phrases the recogniser expects: their language model, and that they neither get lost nor swallow other words."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest

from tests.support.speech import spoken
from voicebot.core.audio import Audio
from voicebot.engines.stt.phrase_search import Heard, PhraseSearch, trigrams
from voicebot.engines.stt.phrases import arpa, sentences
from voicebot.engines.stt.recognizer import Recognizer
from voicebot.engines.stt.utterance import Utterance

PHRASES = (
    "what time is it in tokyo",
    "what is two plus two",
    "how much is twelve times seven",
    "what day is it today",
    "tell me a long story",
    "thank you very much",
    "goodbye",
)
OTHERS = (
    "banana",
    "computer",
    "umbrella",
    "elephant",
    "the train was late",
    "my brother works in a hospital",
    "the weather was cold and it rained all day",
    "we went to the beach last summer",
)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def understood(recognizer: Recognizer, audio: Audio) -> str:
    """By way of the same silence before and after as in a conversation."""
    silence = Audio.silence(0.4, 16_000)
    utterance = Utterance(recognizer)
    utterance.push(Audio.joined([silence, audio.resampled(16_000), silence], 16_000).to_bytes())
    return utterance.finish().text


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_phrases_are_understood_in_any_voice(recognizer: Recognizer, voice: str) -> None:
    texts = [understood(recognizer, spoken(phrase, voice)) for phrase in PHRASES]
    wrong = [pair for pair in zip(PHRASES, texts, strict=True) if pair[0] != pair[1]]
    assert len(wrong) <= 1, wrong


def test_other_words_are_not_bent_into_phrases(recognizer: Recognizer) -> None:
    texts = [understood(recognizer, spoken(text)) for text in OTHERS]
    known = {trigram for sentence in sentences() for trigram in trigrams(sentence)}
    bent = [pair for pair in zip(OTHERS, texts, strict=True) if trigrams(pair[1].split()) <= known]
    assert bent == []


def test_a_phrase_is_chosen_only_if_it_is_one_and_fits_the_sound() -> None:
    search = PhraseSearch()
    phrase = Heard(("tell", "me", "a", "joke"), sound=-500.0)
    assert search.chosen(Heard(("tell", "me", "the", "jaw"), -450.0), phrase) is phrase
    for free, other in (
        (Heard(("doorbell",), -300.0), phrase),
        (Heard(("banana",), -360.0), Heard(("the", "minute"), -360.0)),
        (Heard(("hello",), -500.0), Heard()),
    ):
        assert search.chosen(free, other) is free


def test_the_phrases_are_always_the_same_and_know_their_words() -> None:
    texts = sentences()
    assert texts == sentences()
    said = {" ".join(text) for text in texts}
    assert {"what time is it in tokyo", "what time is it", "stop it", "yes please", "thanks a lot"} <= said
    assert not [text for text in said if set(text) & set("()[]<>|")]


def test_the_model_is_a_probability() -> None:
    lines = arpa([["yes"], ["yes", "please"], ["no"]]).splitlines()
    bigrams = lines[lines.index("\\2-grams:") + 1 : lines.index("\\3-grams:")]
    after_start = [line.split()[0] for line in bigrams if " <s> " in line]
    assert len(after_start) == 2
    assert isclose(sum(10 ** float(each) for each in after_start), 0.9, rel_tol=0.001)


def test_silence_is_decoded_to_nothing(recognizer: Recognizer) -> None:
    assert understood(recognizer, Audio(np.zeros(8_000, np.int16), 16_000)) == ""
