"""What is different on a Hugging Face Space, which is public by nature: the settings that nobody has set."""

from __future__ import annotations

from collections.abc import Mapping

PORT = 7860
"""The one port that a Space shows to the world."""

DEFAULTS: Mapping[str, object] = {
    "gradio_server_name": "0.0.0.0",
    "gradio_server_port": PORT,
    # The edge adds the visitor's address to the right of X-Forwarded-For, and no hop of its own (measured by others:
    # what a visitor had written there came through, to the left)
    "trusted_proxies": 1,
    # Two cores on the free hardware, and strangers who share them
    "max_sessions": 4,
    "session_minutes": 10.0,
    "max_sessions_per_address": 2,
    "minutes_per_day_per_address": 60.0,
    "offers_per_minute": 20,
    "retention_days": 1.0,
}
"""By name of the setting. Hugging Face sets `SPACE_ID` there, which turns them on."""

PAID_KEYS = ("deepgram_api_key", "groq_api_key", "openai_api_key", "elevenlabs_api_key")
"""Settings by which strangers talk at the cost of whoever has the Space."""

PAID_ENGINES = ("huggingface",)
"""Engines that do the same on a key which many have for other things."""

DEFAULTS_WITH_KEYS: Mapping[str, object] = {
    # Groq's free plan is reported to allow 1,000 requests a day (2026), and a turn with a tool takes two. With
    # ElevenLabs Flash at 5 cents for 1,000 characters (reported in 2026) 500 answers of 200 characters cost 5 dollars.
    "turns_per_day": 500,
}
"""These come beside `DEFAULTS` where such a key is set."""
