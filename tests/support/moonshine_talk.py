"""Passes utterances to the embedded recogniser as a session does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing

from voicebot.audio.sound import Audio
from voicebot.engines.protocols import Pause, Transcript
from voicebot.engines.stt.moonshine import Moonshine


async def pieces(audio: Audio, pace: float = 0.0) -> AsyncIterator[Audio]:
    """Yields the audio with the silence before and after it that an utterance has.

    `pace` 1 yields it as fast as it is spoken, 0 as fast as it is taken.
    """
    sound = Audio.joined([Audio.silence(0.3, 16_000), audio.resampled(16_000), Audio.silence(0.5, 16_000)], 16_000)
    for start in range(0, len(sound.samples), 512):
        await asyncio.sleep(0.032 * pace)
        yield Audio(sound.samples[start : start + 512], 16_000)


async def transcribing(engine: Moonshine, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
    """Yields the transcripts of one utterance, from a recogniser session of its own."""
    async with engine.session() as session, aclosing(session.transcribe(audio)) as transcripts:
        async for transcript in transcripts:
            yield transcript


async def heard(engine: Moonshine, audio: Audio) -> str:
    """Returns the text of the final transcript."""
    *_, final = [each async for each in transcribing(engine, pieces(audio))]
    return final.text
