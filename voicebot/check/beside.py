"""What the check looks at beside the engines: the voice activity detector, the database, the TURN relay."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Collection

import numpy as np

from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.check.advice import REINSTALL
from voicebot.check.results import Finding, Outcome
from voicebot.check.trials import guarded, sentence_in
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import Engines, Styles
from voicebot.settings.config import Settings
from voicebot.transports.webrtc.ice.services import chosen

logger = logging.getLogger(__name__)

STORE_S = 5.0
RELAY_S = 10.0
"""Longer than the limits that the relay's own steps have, one after the other."""


async def stand_in(settings: Settings, tried: Collection[str]) -> tuple[str, Audio | None]:
    """The embedded voice with the sentence, for recognisers that no other voice speaks to; None if it has failed."""
    from voicebot.engines.tts.espeak import Espeak

    voice = Espeak()
    style = Styles.of(settings.preferences).tts

    async def speak() -> Audio | None:
        await voice.start()
        outputs = [output async for output in voice.synthesize(sentence_in(style.language), style)]
        pieces = [output for output in outputs if isinstance(output, Audio)]
        return Audio.joined(pieces, pieces[0].rate_hz) if pieces else None

    if voice.name in tried:
        return voice.name, None
    try:
        sound = await guarded(voice.name, speak(), STORE_S)
    finally:
        await voice.close()
    return voice.name, None if isinstance(sound, EngineError) else sound


def detector(engines: Engines, sound: Audio | None, settings: Settings) -> Finding:
    """Does the voice activity detector take what a voice said for speech?"""
    name = f"{engines.vad_name} (notices speech)"
    try:
        vad = engines.make_vad()
        if sound is None:
            return Finding(name, Outcome.OK, "ready, but there is no voice to notice")
        samples = sound.resampled(SPEECH_RATE_HZ).samples
        whole = len(samples) // vad.window_samples * vad.window_samples
        windows = samples[:whole].reshape(-1, vad.window_samples)
        share = float(np.mean([vad.probability(window) >= settings.vad_threshold for window in windows]))
    except Exception as error:  # whatever is wrong with the package is to be told, not raised
        logger.debug("the voice activity detector failed", exc_info=error)
        return Finding(
            *(name, Outcome.FAILED, f"unexpected {type(error).__name__}", REINSTALL),
            loss="nobody's speech is noticed",
            vital=True,
        )
    if share:
        return Finding(name, Outcome.OK, f"it takes {share:.0%} of the sentence for speech")
    advice = f"Lower VAD_THRESHOLD, which is {settings.vad_threshold:g}."
    return Finding(name, Outcome.WARNING, "it takes nothing of the sentence for speech", advice)


async def store(settings: Settings) -> Finding | None:
    """Can conversations be kept? Asked with a change that concerns none of them. None if none are to be kept."""
    if not settings.keep_conversations:
        return None
    from voicebot.storage.conversations import DEFAULT_URL
    from voicebot.storage.database import Database, StoreError

    url = DEFAULT_URL if settings.database_url is None else settings.database_url.get_secret_value()
    database = Database(url)
    name = f"database ({database.kind})"
    if database.missing_file is not None and os.access(database.missing_file.parent, os.W_OK):
        return Finding(name, Outcome.OK, f"the app will make the file {database.missing_file}")

    async def ask() -> None:
        try:
            await database.take(secrets.token_urlsafe(), "check", time.time())
        except StoreError as error:
            raise EngineError("database", str(error)) from None
        finally:
            await database.close()

    problem = await guarded("database", ask(), STORE_S)
    if not isinstance(problem, EngineError):
        return Finding(name, Outcome.OK, "conversations can be kept")
    advice = "Check DATABASE_URL, or set KEEP_CONVERSATIONS=false."
    if settings.database_url is None:
        advice = "May this folder be written to? Else set DATABASE_URL, or KEEP_CONVERSATIONS=false."
    return Finding(name, Outcome.FAILED, problem.message, advice, loss="conversations are not kept")


async def relay(settings: Settings) -> Finding | None:
    """Can the TURN relay be used from here? None if there is to be none."""
    provider = chosen(settings)
    if provider == "none" and settings.space_id is None:
        return None
    from voicebot.transports.webrtc.ice.servers import IceServers

    name = f"TURN relay ({provider})"
    servers = IceServers(settings)
    try:
        servers.start()
        async with asyncio.timeout(RELAY_S):
            await servers.settle()
    finally:
        await servers.close()
    health = servers.health
    if provider == "none":
        return Finding(name, Outcome.WARNING, servers.notice or "", "Set one up: see TURN in the README.")
    if health["ready"]:
        return Finding(name, Outcome.OK, f"reached by {health['relay']}")
    return Finding(
        name,
        Outcome.FAILED,
        str(health["problem"]),
        "Check the TURN settings: see TURN in the README.",
        loss="sound has no way through networks that need the relay",
    )
