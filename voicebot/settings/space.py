"""The defaults of settings on a Hugging Face Space, which differ from the usual ones because a Space is public."""

from __future__ import annotations

from collections.abc import Mapping

PORT = 7860
"""The only port of a Space that is reachable from outside."""

DEFAULTS: Mapping[str, object] = {
    "gradio_server_name": "0.0.0.0",
    "gradio_server_port": PORT,
    # Hugging Face's proxy appends the visitor's address to X-Forwarded-For, and no hop of its own. (Reported by others:
    # what a visitor had written into the header came through, to the left of it.)
    "trusted_proxies": 1,
    # The free hardware has two cores, which strangers share.
    "max_sessions": 4,
    "session_minutes": 10.0,
    "max_sessions_per_address": 2,
    "minutes_per_day_per_address": 60.0,
    "offers_per_minute": 20,
    "retention_days": 1.0,
}
"""The defaults by name of the setting. They apply where `SPACE_ID` is set, which Hugging Face does on a Space."""

DEFAULTS_WITH_KEYS: Mapping[str, object] = {
    # Groq's free plan is reported to allow 1,000 requests a day (2026), and a turn with a tool takes two. With
    # ElevenLabs Flash at 5 cents for 1,000 characters (reported in 2026) 500 answers of 200 characters cost 5 dollars.
    "turns_per_day": 500,
}
"""Further defaults on a Space with a key of `PAID_KEYS`, or an engine of `PAID_ENGINES` (`settings/registry.py`)."""
