"""espeak-ng's voices for the languages of the settings. Each test runs in a process of its own."""

from __future__ import annotations

import pytest

from voicebot.bootstrap import engines as build
from voicebot.engines.protocols import Style
from voicebot.settings import config

KEY = "a-key"


@pytest.mark.parametrize("language", ["en", "no", "zh"])
async def test_espeak_speaks_languages_that_it_lists_under_another_code(language: str) -> None:
    engines = {"stt_engine": "deepgram", "llm_engine": "groq", "tts_engine": "espeak", "deepgram_model": "custom"}
    keys = {"deepgram_api_key": KEY, "groq_api_key": KEY}
    built = build.build(config.load(language=language, **engines, **keys))
    await built.tts.start()
    try:
        assert [piece async for piece in built.tts.synthesize("1 2 3", Style(language))]
    finally:
        await built.close()
