"""A language is added by one file: here Esperanto, which the package does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from voicebot.agent.personas import system_prompt
from voicebot.agent.tools.fillers import Fillers
from voicebot.check.trials import sentence_in
from voicebot.dialogue.end_of_turn.words import Completeness, completeness
from voicebot.dialogue.interruption.verdict import Decision, VerdictContext, give_verdict
from voicebot.dialogue.preferences import Preferences
from voicebot.engines.tts.espeak import usual_voice
from voicebot.engines.tts.gtts import Gtts
from voicebot.languages import loader
from voicebot.languages.gazetteer import place_named
from voicebot.languages.loader import languages, user_labels
from voicebot.languages.prompts import apology, ask_again, no_answers_left
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.speech_text.sentences import SentenceBatcher, sentences

ESPERANTO = """
name = "Esperanto"
fillers = ["Momenton, mi petas."]
check_sentence = "Kiu tago estas hodiaŭ?"
user_labels = "Uzanto"

[prompts]
ask_again = "Pardonu, mi ne komprenis. Ĉu vi povas ripeti?"
apology = "Pardonu, io misfunkciis."
still_there = "Ĉu vi ankoraŭ estas tie?"
goodbye = "Ĝis revido!"
no_answers_left = "Hodiaŭ mi donis ĉiujn respondojn. Mi revenos post {time}."
under_an_hour = "malpli ol horo"
hours = "ĉirkaŭ {hours} horoj"

[spoken_forms]
code = "La kodo estas sur la ekrano."
dot = "punkto"
at = "ĉe"

[lexicon]
agreement = "jes ja, certe, mi komprenas"
reaction = "ĉu vere"
stop = "haltu, sufiĉe"
request = "diru al mi"

[end_of_turn]
hesitations = "nu"
dangling = "kaj, la, en"
question_words = "kio, kiu, kie"
question_verbs = "estas"

[segmentation]
titles = "prof"
abbreviations = "ktp"

[voices]
espeak = "eo+f3"
gtts_accents = { pl = "Polish" }

[places.names]
"America/New_York" = "Nov-Jorko"
"""

CONTEXT = VerdictContext(language="eo", sentence="La vetero hodiaŭ estas bela kaj varma.", words_heard=4)


@pytest.fixture
def esperanto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Adds one more file to the package's language files."""
    for file in loader.FOLDER.iterdir():
        if file.name.endswith(".toml"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "eo.toml").write_text(ESPERANTO, "utf-8")
    monkeypatch.setattr(loader, "FOLDER", tmp_path)
    languages.cache_clear()
    yield
    languages.cache_clear()


WITH_THE_FILE = pytest.mark.usefixtures("esperanto")


def test_without_the_file_the_words_mean_nothing() -> None:
    assert give_verdict("mi komprenas", CONTEXT, final=True).decision is Decision.REGENERATE
    assert completeness("mi loĝas en la", "eo") is not Completeness.INCOMPLETE
    assert len(sentences("Prof. Zamenhof venis. Li sidiĝis.", "eo")) == 3
    assert ask_again("eo") == ask_again("en")


@WITH_THE_FILE
@pytest.mark.parametrize(
    ("text", "decision", "answer"),
    [
        ("mi komprenas", Decision.RESUME, True),
        ("jes ja, certe", Decision.RESUME, True),
        ("ĉu vere", Decision.RESUME, True),
        ("okay", Decision.RESUME, True),
        ("haltu", Decision.REGENERATE, False),
        ("diru al mi la horon", Decision.REGENERATE, True),
    ],
)
def test_a_verdict_goes_by_the_lexicon_of_the_file(text: str, decision: Decision, answer: bool) -> None:
    verdict = give_verdict(text, CONTEXT, final=True)
    assert (verdict.decision, verdict.answer) == (decision, answer)


@WITH_THE_FILE
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mi loĝas en la", Completeness.INCOMPLETE),
        ("mi pensas nu", Completeness.INCOMPLETE),
        ("kie estas lernejo", Completeness.COMPLETE),
        ("mi ŝatas muzikon", Completeness.UNKNOWN),
    ],
)
def test_the_end_of_a_turn_goes_by_the_words_of_the_file(text: str, expected: Completeness) -> None:
    assert completeness(text, "eo") is expected


@WITH_THE_FILE
def test_sentences_are_cut_and_spoken_by_the_rules_of_the_file() -> None:
    assert sentences("Prof. Zamenhof venis. Li sidiĝis.", "eo") == ["Prof. Zamenhof venis.", "Li sidiĝis."]
    batcher = SentenceBatcher(language="eo")
    (batch,) = [*batcher.push("Vidu https://example.com nun."), *batcher.finish()]
    assert batch.speech == "Vidu example punkto com nun."


@WITH_THE_FILE
async def test_prompts_and_fillers_are_those_of_the_file() -> None:
    assert ask_again("eo").startswith("Pardonu, mi ne komprenis.")
    assert apology("eo") == "Pardonu, io misfunkciis."
    assert no_answers_left("eo", 7_200).endswith("post ĉirkaŭ 2 horoj.")
    assert sentence_in("eo") == "Kiu tago estas hodiaŭ?"
    wanted = asyncio.Event()
    wanted.set()
    async with aclosing(Fillers("eo", 0.0, wanted).while_working()) as fillers:
        assert await anext(fillers) == "Momenton, mi petas."


@WITH_THE_FILE
def test_the_language_is_offered_by_its_name_and_named_to_the_model() -> None:
    both = frozenset({"en", "eo"})
    engines = scripted(ScriptedStt(languages=both), ScriptedAgent(languages=both), ToneTts(languages=both))
    offered = AvailablePreferences(engines, Preferences()).view()["language"]
    assert [(each["value"], each["label"]) for each in offered] == [("en", "English"), ("eo", "Esperanto")]
    assert "Answer in Esperanto" in system_prompt("Be brief.", "eo")
    assert "Uzanto" in user_labels()


@WITH_THE_FILE
def test_voices_and_names_of_places_are_those_of_the_file() -> None:
    assert usual_voice("eo") == "eo+f3"
    assert Gtts().voices("eo") == {"pl": "Polish"}
    place = place_named("nov-jorko")
    assert place is not None
    assert (place.name, place.zone) == ("Nov-Jorko", "America/New_York")
