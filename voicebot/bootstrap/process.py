"""What a process that serves runs, alone or as one of several workers: from the settings to the end of the server."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass

from voicebot.bootstrap.discovery import discover, with_costs
from voicebot.bootstrap.engines import build, check
from voicebot.runtime.hiding import hidden
from voicebot.settings import config, logs
from voicebot.settings import names as setting_names
from voicebot.settings.config import Settings
from voicebot.settings.registry import Found
from voicebot.workers.link import SupervisorLink
from voicebot.workers.place import WorkerPlace


@dataclass(frozen=True, slots=True)
class Prepared:
    """The settings, and what was found of the services that they leave open."""

    settings: Settings
    found: Found


def prepare(host: str | None) -> Prepared:
    """Reads and checks the settings, and looks for the engines that they leave open. Raises SettingsError.

    `host` replaces the address on which the server listens.
    """
    settings = config.load()
    logs.set_up(settings.log_level)
    found = discover(settings)
    check(settings, found)
    for message in (*setting_names.misspelt(), *found.remarks):
        logging.getLogger("voicebot").warning("%s", message)
    return Prepared(_completed(settings, host, found), found)


def prepare_worker(host: str | None, found: Found, place: WorkerPlace) -> Prepared:
    """Reads the settings, which the supervisor has checked, and uses what it has found. Raises SettingsError."""
    settings = config.load()
    logs.set_up(settings.log_level, place.number)
    return Prepared(_completed(settings, host, found), found)


def _completed(settings: Settings, host: str | None, found: Found) -> Settings:
    settings = with_costs(settings, found)
    return settings.model_copy(update={"gradio_server_name": host or settings.gradio_server_name})


def run(
    prepared: Prepared,
    listener: socket.socket,
    *,
    share: bool = False,
    place: WorkerPlace | None = None,
    link: SupervisorLink | None = None,
) -> None:
    """Serves until the process is asked to end. A worker has a place and a link to its supervisor.

    Raises SettingsError, EngineError or OSError if the server can't start.
    """
    if place is not None:
        place.share_metrics()
    # Loading the packages takes seconds, so the settings and the port are checked before.
    engines = build(prepared.settings, prepared.found)
    with hidden("mcp"):  # Gradio would load it, which takes 0.3 s of CPU
        from voicebot.bootstrap.application import application
        from voicebot.web import server

    app = application(prepared.settings, engines, place)
    asyncio.run(server.serve(app, listener, share=share, link=link))
