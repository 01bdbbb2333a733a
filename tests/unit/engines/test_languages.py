"""The languages that the engines report, which may depend on the model."""

from __future__ import annotations

import pytest

from voicebot.engines.protocols import SpeechToText
from voicebot.engines.stt.deepgram import Deepgram
from voicebot.engines.tts.elevenlabs import ElevenLabs
from voicebot.engines.tts.espeak import Espeak

KEY = "a-key"


@pytest.mark.parametrize(
    ("model", "has", "lacks"),
    [
        ("nova-3", {"en", "es", "de", "fr", "hi", "ja"}, {"xx"}),
        ("nova-2", {"en", "zh", "th"}, {"he", "xx"}),
        ("nova-3-medical", {"en"}, {"es"}),
        ("flux-general-en", {"en"}, {"es"}),
        ("flux-general-multi", {"en", "nl", "hi"}, {"sv"}),
    ],
)
def test_each_deepgram_model_reports_the_languages_it_supports(model: str, has: set[str], lacks: set[str]) -> None:
    engine: SpeechToText = Deepgram(KEY, model=model)
    assert has <= engine.languages
    assert not lacks & engine.languages


def test_each_elevenlabs_model_reports_the_languages_it_supports() -> None:
    flash = ElevenLabs(KEY).languages
    assert {"en", "es", "hi", "de", "fr", "hu"} <= flash
    assert "fa" not in flash
    assert "hu" not in ElevenLabs(KEY, model="eleven_multilingual_v2").languages
    assert ElevenLabs(KEY, model="eleven_flash_v2").languages == {"en"}
    assert "fa" in ElevenLabs(KEY, model="eleven_v3").languages
    assert len(flash) == 31
    assert len(ElevenLabs(KEY, model="eleven_v3").languages) == 72


def test_espeaks_languages_include_english_spanish_hindi_german_and_french() -> None:
    assert {"en", "es", "hi", "de", "fr"} <= Espeak().languages
