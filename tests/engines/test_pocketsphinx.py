from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import numpy as np
import psutil
import pytest

from tests.support.shared import recording, recordings
from tests.support.speech import spoken
from voicebot.core.audio import Audio
from voicebot.engines.base import EngineError, Transcript
from voicebot.engines.stt.pocketsphinx import PocketSphinx
from voicebot.engines.stt.utterance import speech_bounds


@pytest.fixture
async def engine() -> AsyncIterator[PocketSphinx]:
    engine = PocketSphinx(workers=2)
    await engine.start()
    yield engine
    await engine.close()


async def pieces(audio: Audio, pace: float = 0.0) -> AsyncIterator[Audio]:
    """With the silence before and after it that an utterance has; `pace` 1 is as fast as it is spoken."""
    sound = Audio.joined([Audio.silence(0.3, 16_000), audio.resampled(16_000), Audio.silence(0.5, 16_000)], 16_000)
    for start in range(0, len(sound.samples), 512):
        await asyncio.sleep(0.032 * pace)
        yield Audio(sound.samples[start : start + 512], 16_000)


async def transcripts(engine: PocketSphinx, audio: Audio, pace: float = 0.0) -> list[Transcript]:
    return [each async for each in engine.transcribe(pieces(audio, pace))]


async def heard(engine: PocketSphinx, audio: Audio) -> str:
    *_, final = await transcripts(engine, audio)
    return final.text


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def errors(said: list[str], understood: list[str]) -> int:
    """Word errors: insertions, deletions and substitutions (Levenshtein)."""
    row = list(range(len(understood) + 1))
    for number, word in enumerate(said, 1):
        above, row[0] = row[0], number
        for place, other in enumerate(understood, 1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (word != other))
    return row[-1]


@pytest.mark.parametrize("question", ["what time is it in tokyo", "what is two plus two", "tell me a joke"])
async def test_questions_the_offline_model_answers(engine: PocketSphinx, question: str) -> None:
    assert await heard(engine, spoken(question)) == question


async def test_partials_come_while_the_user_speaks_and_one_final_last(engine: PocketSphinx) -> None:
    came = await transcripts(engine, spoken("can you please tell me what time it is in tokyo"), pace=1.0)
    assert [each.final for each in came] == [False] * (len(came) - 1) + [True]
    assert len(came) >= 4
    assert "tokyo" in came[-1].text


async def test_a_long_utterance_is_decoded_as_it_comes(engine: PocketSphinx) -> None:
    said = "i would like to know what time it is in tokyo and after that please tell me a very long story about a cat"
    understood = await heard(engine, spoken(said))
    assert errors(words(said), words(understood)) <= 8, understood


async def test_recorded_speech_is_understood(engine: PocketSphinx) -> None:
    entries = recordings("turn")[::4]
    texts = await asyncio.gather(*(heard(engine, recording(entry["file"])) for entry in entries))
    said = [words(entry["text"]) for entry in entries]
    wrong = sum(errors(true, words(text)) for true, text in zip(said, texts, strict=True))
    assert wrong / sum(map(len, said)) < 0.12


async def test_silence_has_no_words(engine: PocketSphinx) -> None:
    assert await heard(engine, Audio.silence(1.0, 16_000)) == ""
    assert await heard(engine, Audio(np.zeros(0, np.int16), 16_000)) == ""


async def test_more_speakers_than_workers_all_get_their_words(engine: PocketSphinx) -> None:
    texts = await asyncio.gather(*(heard(engine, spoken("tell me a joke")) for _ in range(5)))
    assert texts == ["tell me a joke"] * 5


async def test_giving_up_an_utterance_frees_the_worker(engine: PocketSphinx) -> None:
    for _ in range(4):
        given_up = engine.transcribe(pieces(spoken("can you please tell me what time it is in tokyo")))
        await anext(given_up)
        await given_up.aclose()
    assert await heard(engine, spoken("tell me a joke")) == "tell me a joke"


async def test_a_killed_recogniser_fails_one_utterance_and_comes_back(engine: PocketSphinx) -> None:
    listening = engine.transcribe(pieces(spoken("can you please tell me what time it is in tokyo"), pace=1.0))
    await anext(listening)
    for child in psutil.Process().children():
        child.kill()
    psutil.wait_procs(psutil.Process().children(), timeout=5)
    with pytest.raises(EngineError, match="pocketsphinx"):
        async for _ in listening:
            pass
    assert await heard(engine, spoken("tell me a joke")) == "tell me a joke"


def test_the_bounds_of_speech() -> None:
    loud = np.full(1600, 8000, np.int16)
    quiet = np.zeros(8000, np.int16)
    assert speech_bounds(np.concatenate([quiet, loud, quiet])) == (8000 - 2400, 9600 + 2400)
    assert speech_bounds(quiet) == (0, 0)
    assert speech_bounds(np.zeros(0, np.int16)) == (0, 0)
