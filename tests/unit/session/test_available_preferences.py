"""Preferences that sessions may choose: only those that can work. An unavailable choice is refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.fake_engines import QUICK, Fake, failure
from voicebot.bootstrap.engines import build
from voicebot.dialogue.preferences import InterruptedHistory, Preferences, Sensitivity
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.session.available_preferences import AvailablePreferences, PreferenceError
from voicebot.session.messages import ClientRequest, ConfigureMessage, ConnectedMessage, MessageError, request
from voicebot.settings import config

KEY = SecretStr("a-key")
CLOUD: dict[str, Any] = {"deepgram_api_key": KEY, "groq_api_key": KEY, "elevenlabs_api_key": KEY}
USUAL = Preferences()


def options_of(**settings: Any) -> AvailablePreferences:
    """Returns the preferences that are available with the engines of these settings, taken to have started."""
    loaded = config.load(**settings)
    engines = build(loaded)
    for group in (engines.stt, engines.agent, engines.tts):
        assert isinstance(group, FallbackGroup)
        for link in group.candidates(group.usual):
            link.started = True
    return AvailablePreferences(engines, loaded.preferences)


@pytest.fixture(scope="module")
def cloud() -> AvailablePreferences:
    return options_of(**CLOUD)


@pytest.fixture(scope="module")
def embedded() -> AvailablePreferences:
    return options_of()


def names(options: list[dict[str, str]]) -> list[str]:
    return [option["value"] for option in options]


def test_the_embedded_engines_offer_only_english_and_the_assistant_persona(embedded: AvailablePreferences) -> None:
    view = embedded.view()
    assert names(view["language"]) == ["en"]
    assert names(view["persona"]) == ["assistant"], "the embedded model has no other persona"
    assert [engine["name"] for engine in view["engines"]["tts"]] == ["hibari", "espeak"]
    assert {"en", "en-us+f3"} <= set(names(view["engines"]["tts"][1]["voices"]["en"]))


def test_cloud_engines_offer_more_languages_personas_and_engines(cloud: AvailablePreferences) -> None:
    view = cloud.view()
    assert {"de", "en", "es", "fr", "hi"} <= set(names(view["language"]))
    assert {"Voice Bot, a friendly assistant", "Robin, who sells for Tidewell"} <= {
        each["label"] for each in view["persona"]
    }
    stt, llm, tts = (view["engines"][stage] for stage in ("stt", "llm", "tts"))
    assert [engine["name"] for engine in (*stt, *llm, *tts)] == [
        *("deepgram", "moonshine", "groq", "offline", "elevenlabs", "gtts", "hibari", "espeak"),
    ]
    assert stt[1]["languages"] == ["en"]
    assert [each["follows_persona"] for each in llm] == [True, False]
    connected = ConnectedMessage(session_id="name", recording="recording", engines={}, options=view, ends_in_s=60)
    assert len(connected.model_dump_json()) < 30_000, "a message of a data channel holds at most 64 kB"


def test_no_engine_is_offered_before_any_has_started() -> None:
    options = AvailablePreferences(build(config.load(**CLOUD)), USUAL)
    assert options.view()["engines"] == {"stt": [], "llm": [], "tts": []}


async def test_an_engine_that_cannot_start_is_not_offered() -> None:
    broken, works = Fake("groq", [["no"]], cannot_start=failure("groq")), Fake("offline", [["Hello."]])
    agent = AgentFallbackGroup([broken, works], QUICK)
    await agent.start()
    options = AvailablePreferences(replace(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), agent=agent), USUAL)
    assert [engine["name"] for engine in options.view()["engines"]["llm"]] == ["offline"]
    with pytest.raises(PreferenceError, match="there is no 'groq' here; there is '', 'offline'"):
        options.changed({"llm": "groq"}, USUAL)
    await agent.close()


def test_every_offered_language_engine_and_voice_can_be_chosen(cloud: AvailablePreferences) -> None:
    view = cloud.view()
    for language in names(view["language"]):
        german = cloud.changed({"language": language}, USUAL)
        assert german == replace(USUAL, language=language)
        for stage, engines in view["engines"].items():
            for engine in engines:
                if language in engine["languages"]:
                    chosen = cloud.changed({stage: engine["name"]}, german)
                    assert getattr(chosen, stage) == engine["name"]
                for voice in names(engine["voices"].get(language, [])):
                    assert cloud.changed({"tts": engine["name"], "voice": voice}, german).voice == voice


def test_a_change_of_language_or_voice_engine_resets_the_choices_that_no_longer_fit(
    cloud: AvailablePreferences,
) -> None:
    british = cloud.changed({"stt": "moonshine", "tts": "espeak", "voice": "en"}, USUAL)
    assert british == Preferences(stt="moonshine", tts="espeak", voice="en")
    assert cloud.changed({"language": "de"}, british) == Preferences(language="de", tts="espeak")
    assert cloud.changed({"tts": "gtts"}, british) == Preferences(stt="moonshine", tts="gtts")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"persona": "pirate"}, "persona: there is no 'pirate' here; there is 'assistant', "),
        ({"llm": "gpt"}, "llm: there is no 'gpt' here; there is '', 'groq', 'offline'"),
        ({"tts": "gtts", "voice": "en"}, "voice: there is no 'en' here; there is '', 'co.uk', 'com.au', 'ca', "),
        ({"language": "de", "stt": "moonshine"}, "stt: there is no 'moonshine' here; there is '', 'deepgram'"),
        ({"language": "xx"}, "language: there is no 'xx' here; there is 'ar', "),
    ],
    ids=str,
)
def test_an_unavailable_choice_is_refused_with_a_list_of_the_available_ones(
    changes: dict[str, str], complaint: str, cloud: AvailablePreferences
) -> None:
    with pytest.raises(PreferenceError) as raised:
        cloud.changed(changes, USUAL)
    assert complaint in str(raised.value)


def test_options_can_be_chosen_for_engines_without_a_fallback_group() -> None:
    options = AvailablePreferences(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), USUAL)
    assert options.changed({"sensitivity": Sensitivity.EASY}, USUAL) == Preferences(sensitivity=Sensitivity.EASY)
    assert names(options.view()["language"]) == ["en"]


# The configure message --------------------------------------------------------------------------------------------


def parsed(**fields: Any) -> ClientRequest:
    return request(json.dumps({"type": "configure", **fields}))


def test_a_configure_message_changes_only_the_choices_that_it_names(cloud: AvailablePreferences) -> None:
    before = Preferences(persona="sales", interrupted_history=InterruptedHistory.MERGE)
    message = parsed(sensitivity="hard", tts="espeak", push_to_talk=True)
    assert isinstance(message, ConfigureMessage)
    assert cloud.changed(message.changes, before) == replace(before, sensitivity=Sensitivity.HARD, tts="espeak")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"sensitivity": "deaf"}, "configure.sensitivity: Input should be 'hard', 'balanced' or 'easy'"),
        ({"endpointing": "500"}, "configure.endpointing: Input should be 'quick', 'balanced' or 'patient'"),
        (
            {"push_to_talk": "perhaps"},
            "configure.push_to_talk: Input should be a valid boolean, unable to interpret input",
        ),
        ({"interrupted_history": 3}, "configure.interrupted_history: Input should be 'heard' or 'merge'"),
        ({"persona": None}, "configure.persona: Input should be a valid string"),
        ({"voice": "x" * 101}, "configure.voice: String should have at most 100 characters"),
        ({"sensitivty": "hard"}, "configure.sensitivty: Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_the_refusal_of_an_invalid_configure_message_names_the_field(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MessageError) as raised:
        parsed(**fields)
    assert str(raised.value) == complaint
