from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing

import numpy as np
import psutil
import pytest
import pytest_asyncio

from tests.support.shared import recording, recordings
from tests.support.speech import spoken
from voicebot.core.audio import Audio
from voicebot.engines.base import EngineError, Pause, Transcript
from voicebot.engines.stt.confidence import FLOOR, confidence, spectral_change
from voicebot.engines.stt.pocketsphinx import PocketSphinx
from voicebot.engines.stt.recognizer import Recognizer
from voicebot.engines.stt.utterance import Utterance, speech_bounds

in_one_loop = pytest.mark.asyncio(loop_scope="module")
"""Loading the models takes a second: one engine serves all tests."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[PocketSphinx]:
    engine = PocketSphinx(workers=1)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def chord() -> Audio:
    """One second of three tones, each with its harmonics: sounds like words to a recogniser."""
    time = np.arange(16_000) / 16_000
    tones = [np.sin(2 * np.pi * tone * k * time) / k for tone in (110, 139, 165) for k in range(1, 9)]
    return Audio((1_000 * np.sum(tones, axis=0)).astype(np.int16), 16_000)


async def pieces(audio: Audio, pace: float = 0.0) -> AsyncIterator[Audio]:
    """With the silence before and after it that an utterance has; `pace` 1 is as fast as it is spoken."""
    sound = Audio.joined([Audio.silence(0.3, 16_000), audio.resampled(16_000), Audio.silence(0.5, 16_000)], 16_000)
    for start in range(0, len(sound.samples), 512):
        await asyncio.sleep(0.032 * pace)
        yield Audio(sound.samples[start : start + 512], 16_000)


async def transcribing(engine: PocketSphinx, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
    async with engine.session() as session, aclosing(session.transcribe(audio)) as transcripts:
        async for transcript in transcripts:
            yield transcript


async def transcripts(engine: PocketSphinx, audio: Audio, pace: float = 0.0) -> list[Transcript]:
    return [each async for each in transcribing(engine, pieces(audio, pace))]


async def heard(engine: PocketSphinx, audio: Audio) -> str:
    *_, final = await transcripts(engine, audio)
    return final.text


async def with_pause(before: Audio, told: asyncio.Event, after: Audio | None = None) -> AsyncIterator[Audio | Pause]:
    """Speech, a pause, then nothing until it has been answered, and perhaps more speech."""
    yield Audio.joined([before.resampled(16_000), Audio.silence(0.1, 16_000)], 16_000)
    yield Pause(1)
    yield Audio.silence(0.2, 16_000)
    async with asyncio.timeout(20):
        await told.wait()
    if after is not None:
        yield after.resampled(16_000)
    yield Audio.silence(0.3, 16_000)


async def told_at_the_pause(
    engine: PocketSphinx, before: Audio, after: Audio | None = None
) -> tuple[Transcript, Transcript]:
    """The answer to the pause, and the final."""
    told = asyncio.Event()
    answers: list[Transcript] = []
    async for transcript in transcribing(engine, with_pause(before, told, after)):
        if transcript.pause is not None or transcript.final:
            answers.append(transcript)
            told.set()
    answer, final = answers
    assert (answer.pause, answer.final, final.pause, final.final) == (1, False, None, True)
    return answer, final


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
@in_one_loop
async def test_questions_the_offline_model_answers(engine: PocketSphinx, question: str) -> None:
    assert await heard(engine, spoken(question)) == question


@in_one_loop
async def test_partials_come_while_the_user_speaks_and_one_final_last(engine: PocketSphinx) -> None:
    came = await transcripts(engine, spoken("can you please tell me what time it is in tokyo"), pace=1.0)
    assert [each.final for each in came] == [False] * (len(came) - 1) + [True]
    assert len(came) >= 4
    assert "tokyo" in came[-1].text


@in_one_loop
async def test_a_long_utterance_is_decoded_as_it_comes(engine: PocketSphinx) -> None:
    said = "i would like to know what time it is in tokyo and after that please tell me a very long story about a cat"
    understood = await heard(engine, spoken(said))
    assert errors(words(said), words(understood)) <= 8, understood


@in_one_loop
async def test_recorded_speech_is_understood(engine: PocketSphinx) -> None:
    entries = recordings("turn")[::4]
    texts = [await heard(engine, recording(entry["file"])) for entry in entries]
    said = [words(entry["text"]) for entry in entries]
    wrong = sum(errors(true, words(text)) for true, text in zip(said, texts, strict=True))
    assert wrong / sum(map(len, said)) < 0.12


@in_one_loop
async def test_silence_has_no_words(engine: PocketSphinx) -> None:
    assert await heard(engine, Audio.silence(1.0, 16_000)) == ""
    assert await heard(engine, Audio(np.zeros(0, np.int16), 16_000)) == ""


@pytest.mark.parametrize("reply", ["stop", "yes", "okay", "go ahead"])
@in_one_loop
async def test_a_short_reply_is_told_at_the_pause_and_is_the_final(engine: PocketSphinx, reply: str) -> None:
    answer, final = await told_at_the_pause(engine, spoken(reply))
    assert answer.text == final.text == reply
    assert answer.confidence == final.confidence
    assert answer.confidence is not None
    assert answer.confidence > FLOOR


@in_one_loop
async def test_what_follows_a_pause_is_in_the_final(engine: PocketSphinx) -> None:
    answer, final = await told_at_the_pause(engine, spoken("what time is it"), after=spoken("in tokyo"))
    assert answer.text == "what time is it"
    assert {"time", "tokyo"} <= set(words(final.text)), final


@in_one_loop
async def test_a_long_utterance_is_told_at_its_pause(engine: PocketSphinx) -> None:
    said = "i would like to know what time it is in tokyo and after that please tell me a story"
    answer, final = await told_at_the_pause(engine, spoken(said), after=spoken("tell me a joke"))
    assert errors(words(said), words(answer.text)) <= 4, answer
    assert final.text.startswith(answer.text)
    assert "joke" in final.text


@in_one_loop
async def test_a_pause_without_words_is_answered(engine: PocketSphinx) -> None:
    for sound in (Audio.silence(0.5, 16_000), chord()):
        answer, final = await told_at_the_pause(engine, sound)
        assert (answer.text, final.text) == ("", "")


def test_a_pause_that_has_ended_is_passed_over(recognizer: Recognizer) -> None:
    story = spoken("tell me a long story").resampled(16_000).samples
    quiet = np.zeros(4_800, np.int16)
    utterance = Utterance(recognizer)
    for number, sound in enumerate((story[:8_000], story[8_000:]), 1):
        utterance.push(sound.tobytes())
        utterance.pause(number)
    utterance.push(quiet.tobytes())
    answer = utterance.work()
    assert answer is not None
    assert (answer.text, answer.pause) == ("tell me a long story", 2)
    utterance.push(quiet.tobytes())
    assert utterance.work() is None


def test_a_stop_inside_speech_is_no_pause(recognizer: Recognizer) -> None:
    joke = spoken("tell me a joke").resampled(16_000).samples
    utterance = Utterance(recognizer)
    utterance.push(joke[:6_000].tobytes())
    utterance.pause(1)
    utterance.push(joke[6_000:9_000].tobytes())
    answer = utterance.work()
    assert answer is None or answer.pause is None


def test_a_pause_is_noticed_in_a_noisy_room(recognizer: Recognizer) -> None:
    speech = Audio.joined([Audio.silence(0.3, 16_000), spoken("stop").resampled(16_000)], 16_000).samples
    sound = np.concatenate([speech, np.zeros(4_800, np.int16)]).astype(np.float32)
    loudness = float(np.sqrt(np.mean(np.square(sound))))
    noisy = (sound + np.random.default_rng(1).normal(0, loudness / 8, len(sound))).astype(np.int16)
    utterance = Utterance(recognizer)
    utterance.push(noisy[: len(speech) + 1_600].tobytes())
    utterance.pause(1)
    utterance.push(noisy[len(speech) + 1_600 :].tobytes())
    answer = utterance.work()
    assert answer is not None
    assert answer.pause == 1


@in_one_loop
async def test_noise_has_no_words(engine: PocketSphinx) -> None:
    rng = np.random.default_rng(1)
    hiss = Audio(rng.normal(0, 1_500, 16_000).astype(np.int16), 16_000)
    assert [await heard(engine, sound) for sound in (hiss, chord())] == ["", ""]


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_speech_is_told_from_noise(voice: str) -> None:
    spoken_well = [confidence(spoken(reply, voice).resampled(16_000).samples) for reply in ("stop", "yes", "go ahead")]
    assert min(spoken_well) > 0.5 > FLOOR > confidence(chord().samples)


def test_too_short_a_sound_tells_nothing() -> None:
    click = np.zeros(1_600, np.int16)
    click[800:840] = 20_000
    assert spectral_change(click) is None
    assert confidence(click) == 0.5
    assert spectral_change(np.zeros(0, np.int16)) is None


@in_one_loop
async def test_more_speakers_than_workers_all_get_their_words(engine: PocketSphinx) -> None:
    texts = await asyncio.gather(*(heard(engine, spoken("tell me a joke")) for _ in range(5)))
    assert texts == ["tell me a joke"] * 5


@in_one_loop
async def test_giving_up_an_utterance_frees_the_worker(engine: PocketSphinx) -> None:
    for _ in range(4):
        given_up = transcribing(engine, pieces(spoken("can you please tell me what time it is in tokyo")))
        await anext(given_up)
        await given_up.aclose()
    assert await heard(engine, spoken("tell me a joke")) == "tell me a joke"


@in_one_loop
async def test_a_killed_recogniser_fails_one_utterance_and_comes_back(engine: PocketSphinx) -> None:
    listening = transcribing(engine, pieces(spoken("can you please tell me what time it is in tokyo"), pace=1.0))
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


def test_work_without_new_sound_is_harmless(recognizer: Recognizer) -> None:
    """As between the answer to a pause and the sound that follows it: PocketSphinx fails on an empty piece."""
    utterance = Utterance(recognizer)
    utterance.push(spoken("what time is it in tokyo").resampled(16_000).to_bytes())
    first = utterance.work()
    assert first is not None
    assert utterance.work() is None
    assert recognizer.feed(np.zeros(0, np.int16))
    utterance.abandon()
