"""From the settings to engines: one function a stage; an engine's package is imported only when it is chosen."""

from __future__ import annotations

from voicebot.config import Settings, SettingsError
from voicebot.engines.base import Agent, Engine, Engines, SpeechToText, TextToSpeech, VoiceActivityDetector


def build(settings: Settings) -> Engines:
    """The engines that the settings ask for, not started. Raises SettingsError if one lacks the language."""
    engines = Engines(
        stt=speech_to_text(settings),
        agent=agent(settings),
        tts=text_to_speech(settings),
        vad_name="silero",
        make_vad=voice_activity_detector,
    )
    stages: dict[str, Engine] = {"STT_ENGINE": engines.stt, "LLM_ENGINE": engines.agent, "TTS_ENGINE": engines.tts}
    for variable, engine in stages.items():
        if settings.language not in engine.languages:
            known = ", ".join(sorted(engine.languages))
            raise SettingsError(
                f"LANGUAGE: {engine.name} ({variable}) does not know {settings.language!r}; it knows {known}"
            )
    return engines


def speech_to_text(settings: Settings) -> SpeechToText:
    match settings.stt_engine:
        case "auto" | "pocketsphinx":
            from voicebot.engines.stt.pocketsphinx import PocketSphinx

            return PocketSphinx(workers=settings.stt_workers)


def agent(settings: Settings) -> Agent:
    from voicebot.agent import GraphAgent
    from voicebot.personas import persona, personas
    from voicebot.tools import toolbox

    if settings.persona not in personas():
        raise SettingsError(f"PERSONA: there is no {settings.persona!r}; there is {', '.join(personas())}")
    match settings.llm_engine:
        case "auto" | "offline":
            from voicebot.engines.llm.offline import Offline

            return GraphAgent(Offline(), toolbox(), persona(settings.persona), "offline")


def text_to_speech(settings: Settings) -> TextToSpeech:
    match settings.tts_engine:
        case "auto" | "espeak":
            from voicebot.engines.tts.espeak import Espeak

            return Espeak(settings.espeak_voice or ("en-us" if settings.language == "en" else settings.language))


def voice_activity_detector() -> VoiceActivityDetector:
    from voicebot.engines.vad.silero import Silero

    return Silero()
