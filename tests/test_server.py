"""What the server says of itself."""

from __future__ import annotations

from typing import Any

from voicebot import config
from voicebot.engines.base import EngineHealth
from voicebot.engines.preflight import Health
from voicebot.server import notice


def test_a_service_that_rests_is_named_as_it_may_be_used_again() -> None:
    def engine(name: str, *, ready: bool = True) -> EngineHealth:
        return EngineHealth(name, ready)

    health = {
        "stt": (engine("pocketsphinx"),),
        "llm": (engine("groq"), engine("openai"), engine("offline")),
        "tts": (engine("gtts", ready=False), engine("espeak")),
    }
    settings = config.load()
    assert notice(health, settings).startswith(
        "What is said here is answered by groq or openai, spoken by gtts, over the internet. "
    )
    embedded = {stage: engines[-1:] for stage, engines in health.items()}
    assert "no service hears you" in notice(embedded, settings)


def test_visitors_are_told_what_is_kept() -> None:
    health: Health = dict.fromkeys(("stt", "llm", "tts"), (EngineHealth("offline", ready=True),))

    def kept(**settings: Any) -> str:
        words, sound = notice(health, config.load(**settings)).split("hears you. ")[1].split(" Sound ")
        assert sound == "is kept until 5 minutes after you hang up."
        return words

    assert kept() == "Words are kept for 30 days or until you begin a new conversation."
    assert kept(retention_days=0.5) == "Words are kept for 0.5 days or until you begin a new conversation."
    assert kept(retention_days=0) == "Words are kept until you begin a new conversation."
    assert kept(keep_conversations=False) == "Words are not kept."
    assert notice(health, config.load(recording_minutes=0)).endswith(" Sound is not recorded.")
