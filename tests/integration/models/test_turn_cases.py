"""The cases by which the end of a turn is judged, and the bench that plays them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.turns import detector, report, spoken
from tests.benchmarks.turns.case import Kind, Part, TurnCase
from tests.benchmarks.turns.cases import text_cases
from tests.benchmarks.turns.curve import Point, least_cut_offs, least_delay
from tests.benchmarks.turns.decide import ModelBot, RuleBot, fixed_silence, machine, machine_with_memory, three_classes
from tests.benchmarks.turns.edges import inserted, score_edges
from tests.benchmarks.turns.measure import Contestant, measure
from tests.benchmarks.turns.pauses import (
    LONGEST_S,
    ROOM_DBFS,
    SHORTEST_S,
    SPEECH_DBFS,
    TRAILING_S,
    case_of,
    random_pause_s,
)
from tests.benchmarks.turns.recorded import PAIRS, READERS, recorded_cases
from tests.benchmarks.turns.replay import Conditions, Outcome, replay
from tests.benchmarks.turns.sentences import sentences
from tests.benchmarks.turns.spoken import VOICES, say
from tests.benchmarks.turns.users import users_turns
from tests.support.shared import recordings
from tests.support.speech import spoken as flite
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import Command, Input, PartialTranscript

TRIED = ("espeak en-us+m3", "espeak en-gb-scotland+f2", "espeak en-gb-x-rp+m1", "espeak en-us-nyc+f4")
"""Voices that are there wherever the tests run, and quickly made."""

CONDITIONS = Conditions()


@pytest.fixture(autouse=True, scope="module")
def _own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what the cases store out of the benchmark's folder."""
    folder = tmp_path_factory.mktemp("turns")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken, "CACHE", folder / "speech")
        patch.setattr(detector, "CACHE", folder / "detector")
        yield


def pair(voice: str, text: str, count: int, pause_s: float | None = None) -> tuple[TurnCase, TurnCase]:
    """Returns the case of a pause after `count` words, and that of the end of the sentence."""
    speech = say(voice, text)
    return (
        case_of(speech, count, Kind.CUT_SPEECH, Part.DEVELOPMENT, pause_s),
        case_of(speech, len(speech.words), Kind.CUT_SPEECH, Part.DEVELOPMENT),
    )


@pytest.fixture(scope="module")
def cases() -> list[TurnCase]:
    """Some sentences in each voice, each with a pause and with its end."""
    texts = [sentence for sentence in sentences() if sentence.kind is Kind.CUT_SPEECH][:6]
    return [case for voice in TRIED for each in texts for case in pair(voice, each.text, each.bars[0])]


def level_dbfs(case: TurnCase, from_s: float, length_s: float) -> float:
    assert case.audio is not None
    start = round((case.pause_at_s + from_s) * SPEECH_RATE_HZ)
    return Audio(case.audio.samples[start : start + round(length_s * SPEECH_RATE_HZ)], SPEECH_RATE_HZ).level_dbfs


def test_a_voice_is_heard_up_to_each_pause_and_only_room_tone_in_it(cases: list[TurnCase]) -> None:
    for case in cases:
        assert level_dbfs(case, -0.3, 0.25) > SPEECH_DBFS - 15, case.name
        assert ROOM_DBFS[0] - 1 < level_dbfs(case, 0.0, case.pause_s) < ROOM_DBFS[1] + 1, case.name


def test_the_voice_goes_on_after_a_pause_and_not_after_the_end(cases: list[TurnCase]) -> None:
    for case in cases:
        assert case.audio is not None
        if case.over:
            assert case.audio.duration_s == pytest.approx(case.pause_at_s + TRAILING_S)
        else:
            assert level_dbfs(case, case.pause_s, 0.3) > SPEECH_DBFS - 15, case.name


def test_no_cut_clicks(cases: list[TurnCase]) -> None:
    for case in cases:
        assert case.audio is not None
        for edge_s in (case.pause_at_s, case.pause_at_s + case.pause_s):
            edge = round(edge_s * SPEECH_RATE_HZ)
            jumps = np.abs(np.diff(case.audio.samples[edge - 16 : edge + 16].astype(int)))
            assert jumps.max(initial=0) < 0.015 * 32768, case.name


def test_each_word_before_the_pause_ends_before_it(cases: list[TurnCase]) -> None:
    for case in cases:
        ends_s = [end_s for _, end_s in case.words]
        assert ends_s == sorted(ends_s)
        before, _, after = case.name.split(": ")[-1].partition(" | ")
        assert case.said == before
        assert case.over == (not after)
        assert all(end_s > case.pause_at_s + case.pause_s for end_s in ends_s[len(before.split()) :])
        assert case.words[0][0] == case.words[0][0].lower().strip(".,?!")


def test_pauses_last_200_to_1200_ms_and_half_of_them_less_than_500() -> None:
    lengths_s = sorted(random_pause_s(str(number)) for number in range(400))
    assert SHORTEST_S <= lengths_s[0] < 0.21
    assert 1.17 < lengths_s[-1] <= LONGEST_S
    assert lengths_s[200] == pytest.approx(0.49, abs=0.04)


def test_no_speaker_and_no_sentence_is_in_both_parts() -> None:
    texts = {part: {each.text.lower().strip(".?!") for each in sentences() if each.part is part} for part in Part}
    asked = {part: {each.asked for each in sentences() if each.part is part and each.asked} for part in Part}
    assert texts[Part.DEVELOPMENT].isdisjoint(texts[Part.HELD_OUT])
    assert asked[Part.DEVELOPMENT].isdisjoint(asked[Part.HELD_OUT])
    assert set(VOICES[Part.DEVELOPMENT]).isdisjoint(VOICES[Part.HELD_OUT])
    topics, speakers = zip(*((topics, speakers) for topics, (speakers, _) in PAIRS.items()), strict=True)
    assert set(topics[0]).isdisjoint(topics[1])
    assert set(speakers[0]).isdisjoint(speakers[1])
    assert set(READERS.values()) == set(Part)


def test_the_recorded_cases_have_unique_names_and_disjoint_parts() -> None:
    recordings("turn")
    found = list(recorded_cases())
    assert len({case.name for case in found}) == len(found) > 80
    for what in ("speaker", "sentence"):
        parts = [{getattr(case, what) for case in found if case.part is part} for part in Part]
        assert parts[0].isdisjoint(parts[1]), what
    pairs = [case for case in found if case.kind is Kind.TURN_PAIR]
    for case in pairs:
        if not case.over:  # the same words are a whole turn in the short recording
            assert any(other.over and other.said == case.said and other.speaker == case.speaker for other in pairs)


def test_the_edges_of_the_inserted_pauses_tell_nothing(cases: list[TurnCase]) -> None:
    score = score_edges(cases, inserted)
    assert not score.knows_something
    assert abs(score.auc - 0.5) < 0.1
    assert score.cases == len(cases)


@pytest.mark.parametrize("leak", ["digital silence", "a louder room", "a hard cut"])
def test_the_classifier_notices_a_script_that_treats_pauses_differently(cases: list[TurnCase], leak: str) -> None:
    def leaking(case: TurnCase) -> TurnCase:
        assert case.audio is not None
        if case.over:
            return case
        samples = case.audio.samples.copy()
        at, until = (round(s * SPEECH_RATE_HZ) for s in (case.pause_at_s, case.pause_at_s + case.pause_s))
        match leak:
            case "digital silence":
                samples[at:until] = 0
            case "a louder room":
                samples[at:until] *= 2
            case _:  # some of the voice goes on into the pause
                samples[at : at + 80] = samples[at - 1200 : at - 1120]
        return replace(case, audio=Audio(samples, SPEECH_RATE_HZ))

    assert score_edges([leaking(case) for case in cases], inserted).knows_something


def test_flites_words_begin_where_its_phones_do() -> None:
    flite("hello")  # skips the test where flite is missing
    speech = say("flite slt", "Please call my brother in New York.")
    starts = [word.start_s for word in speech.words]
    assert starts == sorted(starts)
    assert [word.text for word in speech.words] == ["Please", "call", "my", "brother", "in", "New", "York."]
    durations = [word.end_s - word.start_s for word in speech.words]
    assert durations[3] > durations[2]  # "brother" is longer than "my"
    assert len(speech.signal) / SPEECH_RATE_HZ > speech.words[-1].end_s > 1.5


# The bench ------------------------------------------------------------------------------------------------------------


def test_a_fixed_silence_ends_a_turn_after_that_silence() -> None:
    pause, end = pair("espeak en-us+m3", "I would like to book a table for four people.", 7, 0.8)
    short = replay(pause, fixed_silence(0.4)(pause), CONDITIONS)
    assert short.cut_off
    assert 0.4 <= short.delay_s < 0.5
    assert not replay(pause, fixed_silence(1.2)(pause), CONDITIONS).cut_off
    over = replay(end, fixed_silence(0.4)(end), CONDITIONS)
    assert not over.cut_off
    assert 0.38 <= over.delay_s < 0.5


def test_no_turn_ends_before_the_words_are_known() -> None:
    _, end = pair("espeak en-us+m3", "I would like to book a table for four people.", 7)
    slow = Conditions(stt_s=0.7, interim=False)
    for bot_of in (fixed_silence(0.3), machine(1.0)):
        assert replay(end, bot_of(end), slow).delay_s > 0.7


def test_a_recogniser_may_write_every_piece_as_a_sentence() -> None:
    pause, _ = pair("espeak en-us+m3", "I would like to book a table for four people.", 7, 0.8)
    heard: list[str] = []

    class Listener(RuleBot):
        def take(self, input: Input, at_s: float) -> Iterable[Command]:
            if isinstance(input, PartialTranscript) and input.pause is not None:
                heard.append(input.text)
            return super().take(input, at_s)

    for sentences_ in (False, True):
        replay(pause, Listener(lambda _: 1.2), replace(CONDITIONS, sentences=sentences_))
    assert heard[-1] == "I would like to book a table."
    assert heard[0] == "i would like to book a table"


def test_the_machine_answers_a_question_sooner_than_half_a_sentence() -> None:
    question, hesitation = (
        pair("espeak en-us+m3", text, count, 1.0)
        for text, count in (("What time is it in Tokyo?", 4), ("I want to um go.", 4))
    )
    asked = replay(question[1], machine(1.0)(question[1]), CONDITIONS)
    assert asked.delay_s < 0.7
    assert not replay(hesitation[0], machine(1.0)(hesitation[0]), CONDITIONS).cut_off
    longer = replay(question[1], machine(2.0)(question[1]), CONDITIONS)
    assert longer.delay_s > 1.3 * asked.delay_s


def test_text_cases_are_judged_by_their_words_alone() -> None:
    open_, whole = (
        next(case for case in text_cases() if case.language == "en" and case.over is over and not case.asked)
        for over in (False, True)
    )
    open_ = replace(open_, pause_s=1.0)
    assert whole.audio is None
    assert not replay(open_, three_classes(1.0)(open_), CONDITIONS).cut_off
    assert replay(open_, fixed_silence(0.5)(open_), CONDITIONS).cut_off
    assert 0.5 < replay(whole, three_classes(1.0)(whole), CONDITIONS).delay_s < 0.8


@pytest.mark.parametrize(("probability", "shortest_s", "longest_s"), [(0.9, 0.29, 0.45), (0.1, 2.9, 3.2)])
def test_a_model_alone_ends_the_turn_at_once_or_after_three_seconds(
    probability: float, shortest_s: float, longest_s: float
) -> None:
    _, end = pair("espeak en-us+m3", "I would like to book a table for four people.", 7)
    heard: list[Samples] = []

    def model(samples: Samples) -> float:
        heard.append(samples)
        return probability

    outcome = replay(end, ModelBot(0.5), replace(CONDITIONS, model=model))
    assert shortest_s < outcome.delay_s < longest_s
    assert end.pause_at_s < len(heard[-1]) / SPEECH_RATE_HZ < end.pause_at_s + 0.3


def test_a_curve_gives_the_best_point_within_a_budget() -> None:
    pause, end = pair("espeak en-us+m3", "I would like to book a table for four people.", 7)

    def point(knob: float, cut_offs: int, delay_s: float) -> Point:
        ended = [Outcome(pause, 0.3 if number < cut_offs else None) for number in range(10)]
        return Point(knob, (*ended, Outcome(end, delay_s), Outcome(end, -0.2)))

    curve = [point(0.5, 4, 0.25), point(1.0, 1, 0.4), point(2.0, 0, 0.9)]
    assert least_cut_offs(curve, 0.45) == curve[1]
    assert least_cut_offs(curve, 0.2) is None
    assert least_delay(curve, 0.1) == curve[1]
    assert least_delay(curve, 0.05) == curve[2]
    assert curve[0].too_soon == 1


def test_the_report_has_a_row_for_each_kind_and_bot(cases: list[TurnCase]) -> None:
    few = [*cases[:4], *[case for case in text_cases() if case.language == "en"][:4]]
    contestants = {
        "this version": Contestant(machine, (0.5, 1.0)),
        "fixed silence": Contestant(fixed_silence, (0.3, 1.3)),
    }
    curves = measure(contestants, few, jobs=1)
    assert curves["fixed silence"][0].cut_off_share >= curves["fixed silence"][1].cut_off_share == 0.0
    lines = [*report.operating_points(curves), *report.points(curves)]
    assert sum(line.startswith("| fixed silence |") for line in lines) == 1
    kinds = list(report.by_kind({name: points[0] for name, points in curves.items()}))
    assert [line.split(" | ")[0] for line in kinds[2:]] == ["| cut speech", "| text", "| all"]
    assert list(report.counts(few))[2] == "| cut speech | 2 / 2 (1, 2) | 0 / 0 (0, 0) |"
    assert len(list(report.edges(cases))) == 5


def test_users_who_often_pause_get_more_time_in_later_turns() -> None:
    speech = say("espeak en-us+m3", "I would like to book a table for four people.")
    counts = (3, 5, 6, 4, 7, 8)
    paused = [case_of(speech, count, Kind.CUT_SPEECH, Part.DEVELOPMENT, 0.45) for count in counts]
    over = case_of(speech, len(speech.words), Kind.CUT_SPEECH, Part.DEVELOPMENT)
    bot_of = machine_with_memory(1.0)
    for case in paused:
        replay(case, bot_of(case), CONDITIONS)
    later = replay(over, bot_of(over), CONDITIONS)
    assert later.delay_s > replay(over, machine(1.0)(over), CONDITIONS).delay_s
    other = replace(over, speaker="somebody else")
    assert replay(other, bot_of(other), CONDITIONS).delay_s < later.delay_s


def test_a_fluent_user_pauses_in_one_of_six_cases_and_a_hesitant_one_in_four() -> None:
    speech = say("espeak en-us+m3", "I would like to book a table for four people.")
    ends = [case_of(speech, len(speech.words), Kind.CUT_SPEECH, Part.DEVELOPMENT)] * 12
    turns = users_turns([case_of(speech, count, Kind.CUT_SPEECH, Part.DEVELOPMENT) for count in range(1, 10)] + ends)
    shares = {}
    for user in sorted({case.speaker for case in turns}):
        own = [case.over for case in turns if case.speaker == user]
        shares[user] = sum(own) / len(own)
    assert shares == {"espeak en-us+m3, fluent": 5 / 6, "espeak en-us+m3, hesitant": 2 / 6}


def test_nothing_of_the_shared_folder_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.turns.recorded.AUDIO", tmp_path)
    assert list(recorded_cases()) == []
