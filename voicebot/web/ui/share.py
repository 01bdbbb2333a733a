"""Gradio's public link to this server: a tunnel for HTTP and websockets."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from gradio.networking import setup_tunnel

from voicebot.settings.config import Settings
from voicebot.transports.webrtc.ice.credentials import choose_provider

logger = logging.getLogger(__name__)


class Names(Protocol):
    """The names under which the server answers."""

    def add(self, name: str) -> None: ...


async def open_link(host: str, port: int, settings: Settings, names: Names) -> None:
    """Open it, add its host to the server's names, and say in the log what the link is and what it lacks.

    Without one the bot works on, and the log says why.
    """
    try:
        link = await asyncio.to_thread(setup_tunnel, host, port, secrets.token_urlsafe(32), None, None)
    except (RuntimeError, OSError, ValueError, httpx.HTTPError) as error:
        logger.error("no public link: %s", error)
        return
    names.add(urlsplit(link).hostname or "")
    logger.info("public link: %s", link)
    if settings.app_username is None:
        logger.warning("whoever has the link can talk at your cost: APP_USERNAME and APP_PASSWORD lock it")
    if choose_provider(settings) == "none":
        logger.warning("the tunnel carries no voice beyond your own network: see TURN in docs/deployment.md")
