"""Checks beside the engines: the voice activity detector, the database, and the TURN relay."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from voicebot.agent.tools.guarded import GuardedTool
from voicebot.agent.tools.toolbox import too_many
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.check.advice import REINSTALL
from voicebot.check.results import Finding, Outcome
from voicebot.engines.protocols import Engines, EngineStatus
from voicebot.settings.config import Settings
from voicebot.storage.conversations import DEFAULT_URL
from voicebot.storage.database import Database, StoreError, WrongSchemaError
from voicebot.transports.webrtc.ice.credentials import choose_provider
from voicebot.transports.webrtc.ice.servers import IceServers

logger = logging.getLogger(__name__)

DATABASE_S = 5.0
TURN_MODEL_S = 30.0
"""The end-of-turn model may have to be downloaded first (8.7 MB)."""
RELAY_S = 10.0
"""Longer than the time-outs of a request for credentials and of a probe together."""


def check_vad(engines: Engines, sound: Audio | None, settings: Settings) -> Finding:
    """Checks that the voice activity detector works, and takes some of a voice's sound for speech."""
    name = f"{engines.vad_name} (voice activity)"
    try:
        vad = engines.make_vad()
        samples = np.zeros(vad.window_samples, np.int16) if sound is None else sound.resampled(SPEECH_RATE_HZ).samples
        whole = len(samples) // vad.window_samples * vad.window_samples
        scores = [vad.probability(window) for window in samples[:whole].reshape(-1, vad.window_samples)]
    except Exception as error:  # the check's boundary: whatever is wrong with the package is reported
        logger.debug("the voice activity detector failed", exc_info=error)
        problem = f"unexpected {type(error).__name__}"
        return Finding(name, Outcome.FAILED, problem, REINSTALL, loss="nobody's speech is noticed", vital=True)
    if sound is None:
        return Finding(name, Outcome.OK, "ready, but no voice said anything to it")
    share = float(np.mean([score >= settings.tuning.vad_threshold for score in scores]))
    if share:
        return Finding(name, Outcome.OK, f"it takes {share:.0%} of the sentence for speech")
    return Finding(name, Outcome.WARNING, "it takes nothing of the sentence for speech", REINSTALL)


async def check_turn_model(engines: Engines, sound: Audio | None) -> Finding | None:
    """Lets the end-of-turn model hear a voice. Returns None without a model. The caller closes the engines."""
    model = engines.end_of_turn
    if model is None:
        return None
    await model.start()
    with suppress(TimeoutError):
        async with asyncio.timeout(TURN_MODEL_S):
            await model.settle()
    name = f"{model.status.name} (end of turn)"
    samples = Audio.silence(1.0, SPEECH_RATE_HZ).samples if sound is None else sound.resampled(SPEECH_RATE_HZ).samples
    probability = await model.probability(samples)
    status = model.status
    if probability is None:
        advice = "Check END_OF_TURN_MODEL, or leave it empty."
        return Finding(name, Outcome.WARNING, status.reason or "no answer", advice)
    took = f"it answers in {status.probe_ms} ms"
    if sound is None:
        return Finding(name, Outcome.OK, f"{took}, but no voice said anything to it")
    return Finding(name, Outcome.OK, f"{took}: the sentence is over with a probability of {probability:.0%}")


async def check_database(settings: Settings) -> Finding | None:
    """Checks that conversations can be stored, with a change that touches none. Returns None if none are stored."""
    if not settings.keep_conversations:
        return None
    url = DEFAULT_URL if settings.database_url is None else settings.database_url.get_secret_value()
    database = Database(url)
    name = f"database ({database.kind})"
    if database.missing_file is not None and os.access(database.missing_file.parent, os.W_OK):
        return Finding(name, Outcome.OK, f"the app will create the file {database.missing_file}")
    advice = "Check DATABASE_URL, or set KEEP_CONVERSATIONS=false."
    if settings.database_url is None:
        advice = "Make this folder writable, set DATABASE_URL, or set KEEP_CONVERSATIONS=false."
    try:
        async with asyncio.timeout(DATABASE_S):
            earlier = await database.earlier_version()
            if earlier is not None:  # its server may still run
                return Finding(name, Outcome.OK, f"the app will migrate the schema from version {earlier}")
            await database.take(secrets.token_urlsafe(), "check", time.time())
    except WrongSchemaError as error:
        problem, advice = str(error), "Do that, or set KEEP_CONVERSATIONS=false."
    except StoreError as error:
        problem = str(error)
    except TimeoutError:
        problem = f"no answer within {DATABASE_S:g} s"
    except Exception as error:  # the check's boundary: whatever is wrong with a driver is reported
        logger.debug("the database failed", exc_info=error)
        problem = f"unexpected {type(error).__name__}"
    else:
        return Finding(name, Outcome.OK, "conversations can be stored")
    finally:
        await database.close()
    return Finding(name, Outcome.FAILED, problem, advice, loss="conversations are not stored")


async def check_tool_servers(engines: Engines) -> list[Finding]:
    """Checks that each MCP server works, and counts its tools. The caller closes the engines."""
    servers = engines.tool_servers
    if servers is None:
        return []
    await servers.start()
    await servers.settle()
    return [_finding_of(*each) for each in zip(servers.health, servers.remarks, strict=True)]


def check_size(tools: Sequence[GuardedTool], settings: Settings) -> Finding | None:
    """Returns a warning if the tools may be too many for a model."""
    problem = too_many(tools, settings.tuning.history_max_tokens)
    if not problem:
        return None
    advice = "Leave tools out in MCP_CONFIG or TOOLS, or use only models that can take so many."
    return Finding("tools", Outcome.WARNING, problem, advice)


def _finding_of(server: EngineStatus, remarks: Sequence[str]) -> Finding:
    name = f"{server.name} (MCP server)"
    if server.ready:
        text = "; ".join((f"it has {server.tools} {'tool' if server.tools == 1 else 'tools'}", *remarks))
        return Finding(name, Outcome.WARNING if remarks else Outcome.OK, text, "Check MCP_CONFIG." if remarks else None)
    said = " ".join(remarks)
    said = "".join(char if char.isprintable() else " " for char in said)  # a terminal would obey what a server writes
    text = f"{server.reason or 'not ready'}{f' ({said})' if said else ''}"
    return Finding(name, Outcome.FAILED, text, "Check MCP_CONFIG.", loss=f"it lacks the tools of {server.name}")


async def check_relay(settings: Settings) -> Finding | None:
    """Checks that the TURN relay can be used from here. Returns None if none is needed."""
    provider = choose_provider(settings)
    if provider == "none" and settings.space_id is None:
        return None
    name, advice = f"TURN relay ({provider})", "See TURN in docs/deployment.md."
    servers = IceServers(settings)
    servers.start()
    try:
        async with asyncio.timeout(RELAY_S):
            await servers.wait_until_probed()
        health, notice = servers.health, servers.notice
    finally:
        await servers.close()
    if provider == "none":
        return Finding(name, Outcome.WARNING, notice or "", f"Set one up. {advice}")
    if health["ready"]:
        return Finding(name, Outcome.OK, f"reached by {health['relay']}")
    loss = "sound does not get through networks that need the relay"
    return Finding(name, Outcome.FAILED, str(health["problem"]), f"Check the TURN settings. {advice}", loss=loss)
