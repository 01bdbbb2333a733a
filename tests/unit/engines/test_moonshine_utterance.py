"""Requests and transcripts of a growing utterance, without a model."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.protocols import Transcript
from voicebot.engines.stt.moonshine.energy import HOP
from voicebot.engines.stt.moonshine.recognition import RecognisedText
from voicebot.engines.stt.moonshine.scheduler import Urgency
from voicebot.engines.stt.moonshine.utterance import MAX_PART, MIN_PART, DecodeRequest, GrowingUtterance


def silence(duration_s: float) -> Samples:
    return np.zeros(round(duration_s * SPEECH_RATE_HZ), np.int16)


def loud(duration_s: float, level: float = 3_000, seed: int = 1) -> Samples:
    noise = np.random.default_rng(seed).normal(0, level, round(duration_s * SPEECH_RATE_HZ))
    return noise.astype(np.int16)


def pending_request(utterance: GrowingUtterance) -> DecodeRequest:
    request = utterance.next_request()
    assert request is not None
    return request


def decoded(utterance: GrowingUtterance, text: str) -> DecodeRequest:
    """Gives this text as the result of the next request."""
    request = pending_request(utterance)
    utterance.add_result(request, RecognisedText(text, 0.9))
    return request


def new_transcript(utterance: GrowingUtterance) -> Transcript:
    transcript = utterance.next_transcript()
    assert transcript is not None
    assert utterance.next_transcript() is None, "a transcript must be returned only once"
    return transcript


def test_an_interim_text_needs_enough_new_sound_and_a_changed_text() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([silence(0.3), loud(0.4)]))
    assert utterance.next_request() is None
    utterance.add_audio(loud(0.2))
    assert decoded(utterance, "hello").urgency is Urgency.INTERIM
    assert new_transcript(utterance).text == "hello"
    utterance.add_audio(loud(0.3))
    assert utterance.next_request() is None
    utterance.add_audio(loud(0.2))
    decoded(utterance, "hello")
    assert utterance.next_transcript() is None, "an unchanged text must not be returned again"


def test_a_pause_needs_no_decoding_if_the_interim_text_has_the_last_word() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([loud(0.8), silence(0.1)]))
    decoded(utterance, "hello there")
    assert new_transcript(utterance).pause is None
    utterance.add_pause(1)
    assert utterance.next_request() is None
    answer = new_transcript(utterance)
    assert (answer.text, answer.pause, answer.final) == ("hello there", 1, False)
    assert answer.confidence == pytest.approx(0.9)


def test_a_transcript_names_the_backchannel_that_a_short_sound_may_have_been() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(loud(0.8))
    request = utterance.next_request()
    assert request is not None
    utterance.add_result(request, RecognisedText("school", 0.6, backchannel="Cool."))
    assert new_transcript(utterance).backchannel == "Cool."


def test_a_pause_is_decoded_if_a_word_came_after_the_interim_text() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(loud(0.8))
    decoded(utterance, "hello")
    assert new_transcript(utterance).text == "hello"
    utterance.add_audio(np.concatenate([loud(0.2), silence(0.1)]))
    utterance.add_pause(1)
    assert utterance.next_transcript() is None
    assert decoded(utterance, "hello there").urgency is Urgency.PAUSE
    assert new_transcript(utterance).pause == 1


def test_the_final_is_the_answer_to_the_last_pause_if_only_silence_followed() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([loud(0.4), silence(0.1)]))
    utterance.add_pause(1)
    decoded(utterance, "stop")
    assert new_transcript(utterance).pause == 1
    utterance.add_audio(silence(0.4))
    utterance.end()
    final = new_transcript(utterance)
    assert (final.text, final.final, final.pause) == ("stop", True, None)


def test_the_final_is_decoded_if_speech_followed_the_pause() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([loud(0.4), silence(0.1)]))
    utterance.add_pause(1)
    decoded(utterance, "stop")
    assert new_transcript(utterance).pause == 1
    utterance.add_audio(np.concatenate([loud(0.3), silence(0.3)]))
    utterance.end()
    assert decoded(utterance, "stop it").urgency is Urgency.FINAL
    assert new_transcript(utterance).text == "stop it"


def test_a_noisy_room_does_not_make_the_final_wait_for_another_decoding() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([loud(0.6, 3_000), loud(0.1, 600, 2)]))
    utterance.add_pause(1)
    decoded(utterance, "stop")
    assert new_transcript(utterance).pause == 1
    utterance.add_audio(loud(0.5, 600, 3))
    utterance.end()
    assert new_transcript(utterance).final


def test_an_unanswered_pause_is_dropped_when_the_speaker_goes_on() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([loud(0.8), silence(0.1)]))
    utterance.add_pause(1)
    utterance.add_audio(loud(0.4))
    request = pending_request(utterance)
    assert request.urgency is Urgency.INTERIM
    assert request.end * HOP > 1.2 * SPEECH_RATE_HZ
    utterance.add_result(request, RecognisedText("hello there", 0.9))
    answer = new_transcript(utterance)
    assert (answer.text, answer.pause, answer.final) == ("hello there", None, False)


def test_silence_has_no_words_and_needs_no_decoding() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(silence(0.5))
    utterance.add_pause(1)
    assert new_transcript(utterance) == Transcript("", final=False, confidence=0.0, pause=1)
    utterance.end()
    assert new_transcript(utterance) == Transcript("", final=True, confidence=0.0)


def test_an_utterance_without_sound_has_a_final_text() -> None:
    utterance = GrowingUtterance()
    utterance.end()
    assert new_transcript(utterance).final


def test_silence_before_and_after_the_speech_is_not_decoded() -> None:
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate([silence(2.0), loud(0.5), silence(2.0)]))
    utterance.end()
    request = pending_request(utterance)
    assert len(utterance.audio_of(request)) == round(0.95 * SPEECH_RATE_HZ)
    assert (request.start, request.end) == (200 - 30, 250 + 15)


def numbered(count: int, each_s: float, gap_s: float) -> list[Samples]:
    """Returns sounds with different sample values, with silence after each."""
    return [
        np.concatenate([np.full(round(each_s * 16_000), 1_000 + n, np.int16), silence(gap_s)]) for n in range(count)
    ]


def all_decoded(utterance: GrowingUtterance, sounds: list[Samples]) -> str:
    """Decodes all requests. Each of `sounds` of which at least half is there becomes one word."""
    while (transcript := utterance.next_transcript()) is None:
        request = pending_request(utterance)
        values, counts = np.unique(utterance.audio_of(request), return_counts=True)
        half = [np.count_nonzero(sound) / 2 for sound in sounds]
        found = [int(v) - 1_000 for v, c in zip(values, counts, strict=True) if v and c > half[int(v) - 1_000]]
        utterance.add_result(request, RecognisedText(" ".join(map(str, found)), 0.9))
    return transcript.text


@pytest.mark.parametrize(("each_s", "gap_s"), [(0.4, 0.1), (2.5, 0.5), (0.9, 0.35)])
def test_a_long_utterance_pushed_at_once_loses_and_doubles_no_word(each_s: float, gap_s: float) -> None:
    sounds = numbered(round(90 / each_s), each_s, gap_s)
    utterance = GrowingUtterance()
    utterance.add_audio(np.concatenate(sounds))
    utterance.end()
    assert all_decoded(utterance, sounds) == " ".join(map(str, range(len(sounds))))


@pytest.mark.parametrize(("each_s", "gap_s"), [(0.4, 0.1), (2.5, 0.5), (0.9, 0.35)])
def test_a_long_utterance_pushed_in_pieces_loses_and_doubles_no_word(each_s: float, gap_s: float) -> None:
    sounds = numbered(round(90 / each_s), each_s, gap_s)
    sound = np.concatenate(sounds)
    utterance = GrowingUtterance()
    text = ""
    longest = 0
    for start in range(0, len(sound), 512):
        utterance.add_audio(sound[start : start + 512])
        request = utterance.next_request()
        if request is not None:
            longest = max(longest, request.end - request.start)
            values, counts = np.unique(utterance.audio_of(request), return_counts=True)
            found = [int(v) - 1_000 for v, c in zip(values, counts, strict=True) if v and c > each_s * 8_000]
            utterance.add_result(request, RecognisedText(" ".join(map(str, found)), 0.9))
        if (transcript := utterance.next_transcript()) is not None:
            text = transcript.text
    assert longest <= MAX_PART
    utterance.end()
    text = all_decoded(utterance, sounds)
    assert text == " ".join(map(str, range(len(sounds))))


def test_a_long_utterance_is_cut_in_a_silence_and_reuses_the_text_of_its_first_part() -> None:
    utterance = GrowingUtterance()
    first_s = MIN_PART / 100 + 1.0
    utterance.add_audio(np.concatenate([np.full(round(first_s * SPEECH_RATE_HZ), 1_000, np.int16), silence(0.2)]))
    utterance.add_pause(1)
    first = decoded(utterance, "the first part")
    assert new_transcript(utterance).pause == 1
    utterance.add_audio(silence(0.3))
    utterance.add_audio(np.full(SPEECH_RATE_HZ, 2_000, np.int16))
    request = pending_request(utterance)
    assert request.part == first.part + 1, "the answer to the pause must end the first part"
    sound = utterance.audio_of(request)
    assert set(sound.tolist()) == {0, 2_000}, "the first part must not be decoded again"
    assert np.count_nonzero(sound) == SPEECH_RATE_HZ, "all of the second part must be decoded"
    utterance.add_result(request, RecognisedText("the second", 0.9))
    assert new_transcript(utterance).text == "the first part the second"
    utterance.add_audio(silence(0.5))
    utterance.end()
    last = pending_request(utterance)
    assert last.part == request.part
    assert set(utterance.audio_of(last).tolist()) == {0, 2_000}, "the first part must not be decoded for the final text"
    utterance.add_result(last, RecognisedText("the second one", 0.9))
    answer = new_transcript(utterance)
    assert (answer.text, answer.final) == ("the first part the second one", True)
