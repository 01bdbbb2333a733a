"""The audio of a cloud voice, and the error that ends it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from voicebot.audio.sound import Audio
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import DEFAULT_STYLE, Style

TEXT = "It is ten thirty in the morning in Tokyo."


class Voice(Protocol):
    """A synthesizer at 24 kHz."""

    def synthesize(self, text: str, style: Style) -> AsyncGenerator[Audio]: ...


async def outcome(voice: Voice, text: str = TEXT, style: Style = DEFAULT_STYLE) -> tuple[Audio, EngineError | None]:
    """Returns the audio that arrived, and the error that ended it."""
    heard: list[Audio] = []
    error = None
    try:
        async for piece in voice.synthesize(text, style):
            heard.append(piece)
    except EngineError as failed:
        error = failed
    return Audio.joined(heard, 24_000), error


async def said(voice: Voice, text: str = TEXT, style: Style = DEFAULT_STYLE) -> Audio:
    sound, error = await outcome(voice, text, style)
    if error is not None:
        raise error
    return sound


async def failure(voice: Voice, text: str = TEXT) -> EngineError:
    _, error = await outcome(voice, text)
    assert error is not None
    return error
