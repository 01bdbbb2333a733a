"""The engines that the settings select, and settings that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from voicebot.agent.personas import personas
from voicebot.bootstrap import engines as build
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import Engines
from voicebot.settings import config, destinations
from voicebot.settings.config import SettingsError
from voicebot.settings.registry import Found

KEY = SecretStr("a-key")


def groups(engines: Engines) -> dict[str, list[str]]:
    return {stage: [engine.name for engine in group] for stage, group in EngineHealth(engines).health.items()}


@pytest.mark.parametrize(
    ("settings", "stt", "llm", "tts"),
    [
        ({}, ["moonshine"], ["offline"], ["hibari", "espeak"]),
        (
            {"deepgram_api_key": KEY, "groq_api_key": KEY},
            ["deepgram", "moonshine"],
            ["groq", "offline"],
            ["gtts", "hibari", "espeak"],
        ),
        ({"elevenlabs_api_key": KEY}, ["moonshine"], ["offline"], ["elevenlabs", "hibari", "espeak"]),
        (
            {"openai_base_url": "http://127.0.0.1:11434/v1"},
            ["moonshine"],
            ["openai", "offline"],
            ["hibari", "espeak"],
        ),
        ({"openai_api_key": KEY}, ["moonshine"], ["openai", "offline"], ["gtts", "hibari", "espeak"]),
        (
            {"groq_api_key": KEY, "llm_engine": "openai-realtime,groq,offline", "openai_api_key": KEY},
            ["moonshine"],
            ["openai-realtime", "groq", "offline"],
            ["gtts", "hibari", "espeak"],
        ),
        (
            {"deepgram_api_key": KEY, "stt_engine": "deepgram-rest", "tts_engine": "espeak,gtts"},
            ["deepgram-rest"],
            ["offline"],
            ["espeak", "gtts"],
        ),
        (
            {"deepgram_api_key": KEY, "deepgram_model": "flux-general-en", "stt_engine": "deepgram"},
            ["deepgram"],
            ["offline"],
            ["gtts", "hibari", "espeak"],
        ),
        # In other languages `auto` leaves out engines that do not know them.
        (
            {"language": "hi", "deepgram_api_key": KEY, "groq_api_key": KEY},
            ["deepgram"],
            ["groq"],
            ["gtts", "espeak"],
        ),
    ],
    ids=str,
)
async def test_the_settings_choose_the_engine_group_of_each_stage(
    settings: dict[str, Any], stt: list[str], llm: list[str], tts: list[str]
) -> None:
    engines = build.build(config.load(**settings))
    assert groups(engines) == {"stt": stt, "llm": llm, "tts": tts}
    await engines.close()


@pytest.mark.parametrize(
    ("settings", "found", "llm"),
    [
        ({}, Found(local=True), ["local", "offline"]),
        ({"hf_token": KEY}, Found(), ["offline"]),
        ({"hf_token": KEY}, Found(huggingface=True), ["huggingface", "offline"]),
        # Services with a key of their own come first, and the Hugging Face token last, because it has other uses.
        (
            {"hf_token": KEY, "groq_api_key": KEY, "openai_api_key": KEY},
            Found(local=True, huggingface=True),
            ["groq", "openai", "local", "huggingface", "offline"],
        ),
        # The address of the server that was found is used.
        ({"openai_base_url": "http://127.0.0.1:1234/v1"}, Found(local=True), ["local", "offline"]),
        # A named engine is used whatever was found.
        ({"llm_engine": "local,offline"}, Found(), ["local", "offline"]),
        ({"llm_engine": "huggingface", "hf_token": KEY}, Found(), ["huggingface"]),
        ({"llm_engine": "offline"}, Found(local=True), ["offline"]),
        # A local model knows languages that the embedded model does not know.
        ({"language": "de", "stt_engine": "deepgram", "deepgram_api_key": KEY}, Found(local=True), ["local"]),
    ],
    ids=str,
)
async def test_auto_puts_discovered_models_between_keyed_services_and_the_offline_engine(
    settings: dict[str, Any], found: Found, llm: list[str]
) -> None:
    engines = build.build(config.load(**settings), found)
    assert groups(engines)["llm"] == llm
    await engines.close()


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, None),
        ({"openai_base_url": "http://127.0.0.1:1234/v1"}, "127.0.0.1"),
        ({"openai_base_url": "https://gateway.example/v1"}, "gateway.example"),
    ],
    ids=str,
)
def test_the_host_of_a_service_is_given_only_where_the_operator_chose_it(
    settings: dict[str, Any], host: str | None
) -> None:
    assert destinations.host_of("openai", config.load(**settings)) == host
    assert destinations.host_of("offline", config.load(**settings)) is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"stt_engine": "deepgram"}, "DEEPGRAM_API_KEY: The engine deepgram needs this key"),
        ({"stt_engine": "moonshine,deepgram-rest"}, "DEEPGRAM_API_KEY: The engine deepgram-rest needs this key"),
        ({"llm_engine": "groq"}, "GROQ_API_KEY: The engine groq needs this key"),
        ({"llm_engine": "openai"}, "OPENAI_API_KEY: The engine openai needs this key"),
        ({"llm_engine": "openai-realtime"}, "OPENAI_API_KEY: The engine openai-realtime needs this key"),
        ({"llm_engine": "huggingface"}, "HF_TOKEN: The engine huggingface needs this key"),
        ({"tts_engine": "elevenlabs,espeak"}, "ELEVENLABS_API_KEY: The engine elevenlabs needs this key"),
        ({"persona": "pirate"}, f"PERSONA: There is no persona 'pirate'; there are only {', '.join(personas())}"),
        ({"persona": "no/pirate.md"}, "PERSONA: no/pirate.md: No such file or directory"),
        ({"end_of_turn_model": "no/turn.onnx"}, "END_OF_TURN_MODEL: There is no file 'no/turn.onnx'"),
        (
            {"language": "fr"},
            "LANGUAGE: The engine moonshine (STT_ENGINE) does not know 'fr', only en; "
            "set DEEPGRAM_API_KEY, or leave LANGUAGE at en",
        ),
        (
            {"language": "fr", "deepgram_api_key": KEY},
            "LANGUAGE: The engine offline (LLM_ENGINE) does not know 'fr', only en; "
            "set the key of a model, or run one of your own (docs/engines.md), or leave LANGUAGE at en",
        ),
        (
            {"language": "fr", "deepgram_api_key": KEY, "stt_engine": "deepgram,moonshine"},
            "LANGUAGE: The engine moonshine (STT_ENGINE) does not know 'fr', only en; "
            "choose another engine in STT_ENGINE, or leave LANGUAGE at en",
        ),
        (
            {"language": "fr", "deepgram_api_key": KEY, "groq_api_key": KEY, "tts_engine": "hibari,espeak"},
            "LANGUAGE: The engine hibari (TTS_ENGINE) does not know 'fr', only en; "
            "choose another engine in TTS_ENGINE, or leave LANGUAGE at en",
        ),
    ],
    ids=str,
)
def test_unusable_settings_are_refused_with_one_line_that_names_the_setting(
    settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        build.build(config.load(**settings))
    assert complaint in str(raised.value).splitlines()


def test_there_is_an_end_of_turn_model_only_if_the_settings_name_one(tmp_path: Path) -> None:
    file = tmp_path / "turn.onnx"
    file.write_bytes(b"")
    assert build.build(config.load()).end_of_turn is None
    for named in ("smart-turn", " Smart-Turn ", str(file)):
        engines = build.build(config.load(end_of_turn_model=named))
        assert groups(engines)["end_of_turn"] == ["smart-turn"]
