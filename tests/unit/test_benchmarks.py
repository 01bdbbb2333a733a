"""The instruments of the benchmark: who is told which words, and how received sound is judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from tests.benchmarks.bots import Spoken
from tests.benchmarks.control import Stage
from tests.benchmarks.figures import Figures, p95, table
from tests.benchmarks.heard_audio import Run, Track, runs
from tests.benchmarks.oracle import Delays, Oracle, Word, name_in, tokens
from tests.benchmarks.overlaps import Overlap, judge
from tests.benchmarks.services import OracleRecogniser
from tests.benchmarks.stubs import StubStt
from tests.benchmarks.users import clip, cough
from tests.simulators.deepgram import HeardWord
from tests.support.position_voice import RATE_HZ, voice
from tests.support.rtc_recorder import HeardFrame
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, Audio
from voicebot.engines.protocols import Pause, Transcript


def words(text: str, start_s: float) -> list[Word]:
    return [Word(word, start_s + index) for index, word in enumerate(text.split(), 1)]


def test_the_oracle_gives_each_word_to_one_utterance_after_the_end_of_the_word() -> None:
    oracle = Oracle()
    oracle.announce(words("one two three", 0), "short")
    first = oracle.begin()
    assert first.text(0.5) == ""
    assert first.text(2.0) == "one two"
    assert first.end(2.0) == "one two"
    assert oracle.begin().end(9.0) == "three"
    assert oracle.begin().end(9.0) == ""


def test_the_oracle_forgets_words_that_no_utterance_asked_for() -> None:
    oracle = Oracle()
    oracle.announce(words("not heard", 0), "short")
    oracle.announce(words("heard", 5), "story")
    assert oracle.begin().end(9.0) == "heard"


def test_a_sentence_of_the_stub_agent_names_its_reply() -> None:
    assert len(tokens("short", 3)) == tokens("story", 3).index("now. ") + 1 == 12
    assert name_in("".join(tokens("story", 27))) == name_in("".join(tokens("okay", 27))) == "bravo"


async def test_the_stub_recogniser_gives_a_transcript_at_a_pause_and_at_the_end() -> None:
    stage = Stage()
    now_s = time.monotonic()
    stage.oracle.announce([Word("wait", now_s - 1), Word("please", now_s - 0.5), Word("never", now_s + 60)], "short")

    async def sound() -> AsyncGenerator[Audio | Pause]:
        yield Audio.silence(0.1, 16_000)
        yield Pause(1)
        await asyncio.sleep(0.05)

    answers = [answer async for answer in StubStt(stage, Delays(stt_s=0.01)).transcribe(sound())]
    assert answers == [
        Transcript("wait please", final=False),
        Transcript("wait please", final=False, pause=1),
        Transcript("wait please", final=True),
    ]


async def test_the_simulated_recogniser_finds_the_announced_words_in_loud_sound_only() -> None:
    stage = Stage()
    recogniser = OracleRecogniser(stage.oracle)
    said_s = time.monotonic()
    stage.oracle.announce([Word("two", said_s - 0.2), Word("words", said_s - 0.1), Word("never", said_s + 60)], "short")
    recogniser.receive_audio(np.zeros(1_600, np.int16))
    assert await recogniser.words(0, all_heard=True) == []
    recogniser.receive_audio(np.full(3_200, 9_000, np.int16))
    heard = [HeardWord("two", 1_600, 3_200), HeardWord("words", 3_200, 4_800)]
    assert await recogniser.words(0, all_heard=False) == await recogniser.words(0, all_heard=True) == heard
    assert await recogniser.words(0, all_heard=True) == []


def test_the_onset_and_the_end_of_a_cough_are_found_in_its_sound() -> None:
    sound = cough(1)
    made = clip("cough", Audio.joined([Audio.silence(0.2, RATE_HZ), sound, Audio.silence(0.3, RATE_HZ)], RATE_HZ), ())
    loud_at = np.flatnonzero(np.abs(sound.samples) > 0.02 * 32_768)
    assert made.onset_s == pytest.approx(0.2 + loud_at[0] / RATE_HZ, abs=0.011), "the onset is found in steps of 10 ms"
    assert made.end_s == pytest.approx(0.2 + loud_at[-1] / RATE_HZ, abs=0.03), "the cough fades away"
    assert made.words == ()


# Received sound ---------------------------------------------------------------------------------------------------

SENTENCES = [
    {"start": 0, "count": 10 * RATE_HZ, "text": "story alpha", "began_s": -0.1},
    {"start": 10 * RATE_HZ, "count": 10 * RATE_HZ, "text": "story bravo", "began_s": -0.1},
]


def received(*parts: tuple[int | None, float]) -> list[HeardFrame]:
    """Returns frames of the voice from these positions (None for silence), each for this many seconds."""
    sound = [
        np.zeros(round(length_s * RATE_HZ), np.int16) if start is None else voice(start, round(length_s * RATE_HZ))
        for start, length_s in parts
    ]
    samples = np.concatenate(sound)
    return [
        HeardFrame(Audio(samples[at : at + FRAME_SAMPLES], RATE_HZ), at / FRAME_SAMPLES * FRAME_S)
        for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES)
    ]


def verdict(frames: list[HeardFrame]) -> str:
    spoken = Spoken(clip("cough", cough(1), ()), onset_s=0.8, ended_s=1.2)
    overlap = Overlap("backchannel", spoken, runs(frames, spoken.onset_s), frames[-1].arrived_s)
    return judge(overlap, Track(frames, SENTENCES)).verdict


def test_the_verdict_is_judged_from_the_sound_that_was_received() -> None:
    assert verdict(received((0, 3.0))) == "went on"
    assert verdict(received((0, 1.0), (None, 0.5), (RATE_HZ, 1.5))) == "went on"
    assert verdict(received((0, 1.0), (None, 0.5), (10 * RATE_HZ, 1.5))) == "new reply"
    assert verdict(received((0, 1.0), (None, 2.0))) == "dropped"


def test_long_silence_or_missing_frames_separate_runs_of_the_voice() -> None:
    frames = received((0, 1.0), (None, 0.06), (0, 0.5), (None, 0.2), (0, 0.5))
    late = [HeardFrame(frame.audio, frame.arrived_s + 1.0) for frame in received((0, 0.2))]
    found = runs(frames[:-1] + [HeardFrame(each.audio, each.arrived_s + frames[-1].arrived_s) for each in late])
    assert [(round(run.began_s, 2), round(run.ended_s, 2)) for run in found[:2]] == [(0.0, 1.54), (1.76, 2.22)]
    assert len(found) == 3
    assert isinstance(found[0], Run)


def test_the_table_shows_the_median_the_p95_and_the_counts_of_each_figure() -> None:
    one, other = Figures(), Figures()
    for value in range(1, 21):
        one.add("gap", float(value))
    one.count("obeyed", True)
    one.count("obeyed", False)
    assert p95(one.values["gap"]) == 19
    lines = table(
        "Title", [("gap", "the gap", "ms"), ("obeyed", "obeyed", "of"), ("x", "x", "")], {"a": one, "b": other}
    )
    assert lines[4:] == ["| the gap | 10 / 19 ms (n 20) | – |", "| obeyed | 1 of 2 | – |", ""]
