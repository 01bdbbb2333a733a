"""What the sound says about the end of a turn: the direction, the bounds and the words for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.turns.pauses import open_after
from tests.benchmarks.turns.spoken import say
from voicebot.audio.prosody import Prosody, ProsodyMeter
from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence
from voicebot.dialogue.end_of_turn.sound import MOST, sound_evidence

USUAL = Prosody(pitch_st=1.0, level_db=-4.0, syllable_db=5.0, periodicity=0.0, steady_s=0.1)
"""A voice in the middle of a sentence."""


def evidence(prosody: Prosody) -> TurnEvidence:
    found = sound_evidence(prosody)
    assert found is not None
    assert found.source is Source.SOUND
    return found


def test_without_a_voice_there_is_no_evidence() -> None:
    assert sound_evidence(None) is None


@pytest.mark.parametrize(
    ("change", "over"),
    [
        ({"pitch_st": -6.0}, True),
        ({"pitch_st": 6.0}, True),
        ({"level_db": -14.0, "syllable_db": 1.0}, True),
        ({"periodicity": -0.3}, True),
        ({"pitch_st": 0.0}, False),
        ({"level_db": 0.0}, False),
        ({"steady_s": 0.4}, False),
    ],
)
def test_each_cue_speaks_in_its_direction(change: dict[str, float], over: bool) -> None:
    before, after = evidence(USUAL).log_odds, evidence(replace(USUAL, **change)).log_odds
    assert (after > before) is over
    assert after != before


def test_the_reason_names_what_counts_most() -> None:
    assert evidence(replace(USUAL, steady_s=0.5)).reason == "a filled pause (um)"
    assert evidence(replace(USUAL, pitch_st=-6.0, level_db=-6.0)).reason == "the voice leaves its usual pitch"
    assert evidence(replace(USUAL, pitch_st=-3.5, level_db=-18.0)).reason == "the voice dies away"
    assert evidence(replace(USUAL, pitch_st=0.0)).reason == "the voice stays level"


def test_a_level_voice_says_little_against_the_end_of_a_whole_request() -> None:
    level = replace(USUAL, pitch_st=0.0)
    usual, after_request = sound_evidence(level), sound_evidence(level, request=True)
    assert usual is not None
    assert after_request is not None
    assert usual.log_odds < after_request.log_odds < 0
    assert usual.reason == after_request.reason


def test_a_held_sound_and_a_falling_voice_count_as_much_after_a_whole_request() -> None:
    um, usual_um = (sound_evidence(replace(USUAL, steady_s=steady_s), request=True) for steady_s in (0.5, 0.12))
    assert um is not None
    assert usual_um is not None
    assert um.log_odds < usual_um.log_odds - 2
    falling = replace(USUAL, pitch_st=-6.0)
    assert sound_evidence(falling, request=True) == sound_evidence(falling)


def test_the_evidence_is_bounded() -> None:
    extreme = Prosody(pitch_st=-40, level_db=-90, syllable_db=-90, periodicity=-1, steady_s=0)
    assert 0 < evidence(extreme).log_odds <= MOST
    held = Prosody(pitch_st=0, level_db=9, syllable_db=30, periodicity=1, steady_s=9)
    assert evidence(held).log_odds == -MOST


def test_what_could_not_be_measured_says_nothing() -> None:
    usual = evidence(Prosody()).log_odds
    assert abs(usual) < 1


SENTENCES = (
    "The museum opens at nine on every day but Monday.",
    "Please move my appointment to the second week of June.",
    "A friend of mine has bought an old mill near the border.",
    "We could meet in front of the library after the lecture.",
    "My neighbours have planted a row of cherry trees.",
    "I forgot to water the tomatoes before the holidays.",
    "The recipe needs two spoons of honey and a little salt.",
    "Nobody in our office knows how to repair the printer.",
    "The ferry to the island leaves twice an hour in summer.",
    "He painted the fence in the colour of the front door.",
)


def pauses(voice: str) -> Iterator[tuple[bool, float]]:
    """Yields whether the turn is over and what the sound says, for the end of each sentence and a place within it."""
    for text in SENTENCES:
        speech = say(voice, text)
        for count in (random.Random(text).randrange(3, len(speech.words) - 2), len(speech.words)):
            opened = open_after(speech, count, f"{text} {count}")
            meter = ProsodyMeter()
            meter.add(opened.audio.samples[: round((opened.pause_at_s + 0.15) * 16_000)])
            if (prosody := meter.measure()) is not None:
                yield count == len(speech.words), evidence(prosody).log_odds


@pytest.mark.parametrize("voice", ["espeak en-us+f1", "espeak en-us+m6"])
def test_the_ends_of_a_voice_that_the_weights_do_not_know_sound_more_finished_than_other_words(voice: str) -> None:
    found = list(pauses(voice))
    ends = [log_odds for over, log_odds in found if over]
    within = [log_odds for over, log_odds in found if not over]
    assert len(ends) == len(within) == len(SENTENCES)
    assert np.mean(ends) - np.mean(within) > 0.5
    assert np.mean([end > pause for end in ends for pause in within]) > 0.8
