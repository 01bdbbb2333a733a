"""Dozens of sounds over the bot's speech, through speech detector, recogniser and verdict, without a clock.

Issue 14 names the rates. `tests/realtime/test_interruption_matrix.py` does the same in real time, over WebRTC, with
fewer sounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.sounds import click, cough, noise
from tests.support.speech import spoken
from tests.support.understanding import transcribed
from voicebot.audio.sound import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import SpeechEnded
from voicebot.dialogue.interruption.verdict import Decision, Speech, Verdict, VerdictContext, give_verdict
from voicebot.engines.vad.silero import Silero
from voicebot.session.utterance_segmenter import UtteranceAudio, UtteranceSegmenter

# The tests share fixtures that take seconds to make, so they run in one worker.
pytestmark = pytest.mark.xdist_group("overlaps")

VOICES = ("awb", "kal", "rms", "slt")
"""The voices of flite, none of which is the bot's."""

BACKCHANNELS = (
    *("yeah", "yes", "okay", "right", "i see", "sure", "really", "got it", "go on"),
    *("oh really", "of course", "exactly", "absolutely"),
)
UNCLEAR = {
    *(("yes", "awb"), ("okay", "kal"), ("right", "awb"), ("right", "rms"), ("right", "slt")),
    *(("i see", "kal"), ("of course", "kal"), ("of course", "slt")),
}
"""Phrases that these voices do not say clearly. A second recogniser, PocketSphinx, which may choose from 37 such
phrases and forty other words, takes them for another phrase. It recognises all the others."""
HUMS = {
    "uh-huh": "pau ah hh ah pau",
    "mm-hmm": "pau m hh m m pau",
    "mhm": "pau ah m hh ah m pau",
    "hmm": "pau hh m m m pau",
}
OBEYED = (
    *("stop", "wait", "no", "help me", "hold on", "what time is it", "what is two plus two", "who are you"),
    *("can you repeat that", "tell me a joke", "what do you mean", "why", "how old are you", "stop it", "be quiet"),
)
TALKING = VerdictContext(
    sentence="Every morning she looked at the ships and wondered where they had come from.", words_heard=8
)
CHATTER = (
    "did you see where i put the keys",
    "the water is boiling over in the kitchen",
    "i will be back in about ten minutes",
    "he said that the car needs a new battery",
    "we should leave before the rain begins",
)
FARTHER_DB = -15.0

KNOWN_WRONG = {("uh-huh", "kal")}
"""The wrong one of the sixty clips lasts 0.2 s and is taken for "Stop."; PocketSphinx takes it for "got"."""


def verdicts_over_speech(sound: Audio, usual_dbfs: float | None = None) -> list[Verdict]:
    """Returns the verdict for each utterance that the segmenter finds in this sound, over the bot's speech.

    `usual_dbfs` is the usual level of the user.
    """
    pieces: dict[int, list[Samples]] = {}
    ended: list[SpeechEnded] = []

    listener = UtteranceSegmenter(Silero(), EndpointRules())
    around = Audio.silence(0.8, WIRE_RATE_HZ)
    for event in listener.receive_audio(
        Audio.joined([around, sound.resampled(WIRE_RATE_HZ), around, around], WIRE_RATE_HZ)
    ):
        match event:
            case UtteranceAudio(utterance, Audio(samples)):
                pieces.setdefault(utterance, []).append(samples)
            case SpeechEnded():
                ended.append(event)
            case _:
                pass
    return [_verdict(pieces[each.utterance], each.speech, usual_dbfs) for each in ended]


def _verdict(pieces: Sequence[Samples], speech: Speech, usual_dbfs: float | None) -> Verdict:
    transcript = transcribed(Audio(np.concatenate(pieces), SPEECH_RATE_HZ))
    level_db = None if usual_dbfs is None or speech.level_dbfs is None else speech.level_dbfs - usual_dbfs
    speech = Speech(duration_s=speech.duration_s, level_db=level_db)
    context = VerdictContext(
        TALKING.language,
        TALKING.sentence,
        TALKING.words_heard,
        confidence=transcript.confidence,
        backchannel=transcript.backchannel,
        speech=speech,
    )
    return give_verdict(transcript.text, context, final=True)


def level_dbfs(voice: str) -> float:
    """Returns the level of this voice, by the detector's windows of speech."""
    levels = list[float]()
    vad = Silero()
    sound = spoken("tell me a story about a cat", voice).resampled(SPEECH_RATE_HZ).samples
    size = vad.window_samples
    for start in range(0, len(sound) - size, size):
        window = sound[start : start + size]
        if vad.probability(window) > 0.5:
            levels.append(float(np.mean(np.square(window.astype(np.float64)))))
    return float(10 * np.log10(np.mean(levels) / 32_768**2))


def softer(sound: Audio, level_db: float) -> Audio:
    return Audio((sound.samples * 10 ** (level_db / 20)).astype(np.int16), sound.rate_hz)


def chords(seed: int) -> Audio:
    """Returns some bars of music: a bass and three notes that change."""
    chance = np.random.default_rng(seed)
    time_s = np.arange(round(0.5 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    bars = []
    for _ in range(6):
        root = 110 * 2 ** (chance.integers(0, 12) / 12)
        notes = [root / 2, root, root * 2 ** (4 / 12), root * 2 ** (7 / 12)]
        harmonics = [np.sin(2 * np.pi * note * step * time_s) / step for note in notes for step in (1, 2, 3)]
        bars.append(np.sum(harmonics, axis=0) * np.exp(-2 * time_s) * 1_500)
    return Audio(np.concatenate(bars).astype(np.int16), WIRE_RATE_HZ)


def ringing(seed: int) -> Audio:
    """Returns a telephone's ring: two tones that warble, twice."""
    time_s = np.arange(round(0.8 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    tones = np.where((time_s * 20).astype(int) % 2, np.sin(2 * np.pi * 440 * time_s), np.sin(2 * np.pi * 480 * time_s))
    ring = (tones * (4_000 + 500 * seed)).astype(np.int16)
    return Audio(np.concatenate([ring, np.zeros(round(0.3 * WIRE_RATE_HZ), np.int16), ring]), WIRE_RATE_HZ)


def horn(seed: int) -> Audio:
    """Returns a car's horn: two low tones with many harmonics."""
    time_s = np.arange(round(0.9 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    harmonics = [np.sin(2 * np.pi * (350 + 20 * seed) * step * time_s) / step for step in range(1, 12)]
    harmonics += [np.sin(2 * np.pi * (440 + 20 * seed) * step * time_s) / step for step in range(1, 12)]
    return Audio((np.sum(harmonics, axis=0) * 1_800).astype(np.int16), WIRE_RATE_HZ)


def bark(seed: int) -> Audio:
    """Returns a dog's bark, three times: a short falling tone, rough, with its formants."""
    chance = np.random.default_rng(seed)
    time_s = np.arange(round(0.16 * WIRE_RATE_HZ)) / WIRE_RATE_HZ
    pitch = 2 * np.pi * np.cumsum(520 - 1_500 * time_s) / WIRE_RATE_HZ
    voice = np.sum([np.sin(pitch * step) / step**0.7 for step in range(1, 9)], axis=0)
    rough = voice * (1 + 0.6 * chance.standard_normal(len(time_s))) * np.sin(np.pi * time_s / 0.16) * 4_000
    gap = np.zeros(round(0.2 * WIRE_RATE_HZ))
    return Audio(np.concatenate([rough, gap] * 3).clip(-32_768, 32_767).astype(np.int16), WIRE_RATE_HZ)


def test_backchannels_and_hums_get_the_backchannel_verdict_with_one_known_exception() -> None:
    said = {(text, voice) for text in (*BACKCHANNELS, *HUMS) for voice in VOICES} - UNCLEAR
    assert len(said) == 60
    wrong = {}
    for text, voice in sorted(said):
        verdicts = verdicts_over_speech(spoken(HUMS.get(text, text), voice, phones=text in HUMS))
        if [verdict.rule for verdict in verdicts] != ["backchannel"]:
            wrong[text, voice] = [(verdict.rule, verdict.text) for verdict in verdicts]
    assert wrong.keys() == KNOWN_WRONG, wrong


def test_at_most_one_of_sixty_stop_words_requests_and_questions_fails_to_interrupt() -> None:
    wrong = []
    for text in OBEYED:
        for voice in VOICES:
            verdicts = verdicts_over_speech(spoken(text, voice))
            if [verdict.decision for verdict in verdicts] != [Decision.REGENERATE]:
                wrong.append((text, voice, [(verdict.rule, verdict.text) for verdict in verdicts]))
    assert len(wrong) <= 1, wrong


def test_at_most_three_of_sixty_noises_and_distant_voices_interrupt_the_bot() -> None:
    sounds = {f"cough {seed}": cough(seed) for seed in range(10)}
    sounds |= {f"noise {seed}": noise(1.2, seed) for seed in range(5)}
    sounds |= {f"music {seed}": chords(seed) for seed in range(6)} | {
        f"phone {seed}": ringing(seed) for seed in range(6)
    }
    sounds |= {f"horn {seed}": horn(seed) for seed in range(6)} | {f"dog {seed}": bark(seed) for seed in range(6)}
    sounds |= {"keys": click()}
    usual_dbfs = level_dbfs("rms")
    for voice in VOICES:
        difference_db = usual_dbfs - level_dbfs(voice)
        sounds |= {f"{text} ({voice})": softer(spoken(text, voice), difference_db + FARTHER_DB) for text in CHATTER}
    assert len(sounds) == 60
    wrong = {}
    for name, sound in sounds.items():
        verdicts = verdicts_over_speech(sound, usual_dbfs)
        if any(verdict.decision is Decision.REGENERATE for verdict in verdicts):
            wrong[name] = [(verdict.rule, verdict.text) for verdict in verdicts]
    assert len(wrong) <= 3, wrong
