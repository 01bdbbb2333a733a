"""Imports all attacks. The import is slow (Gradio, aiortc), so attackers are forked from a process that has done it."""

from __future__ import annotations

from tests.attacks import (
    data_channel,
    floods,
    gradio_routes,
    hosts,
    imports,
    live_sound,
    offers,
    passwords,
    rtp,
    sockets,
    sound_files,
)
from tests.attacks.attack import ATTACKS

MODULES = (
    *(sound_files, gradio_routes, rtp, live_sound, imports, sockets, passwords, offers, data_channel, hosts, floods),
)

__all__ = ["ATTACKS", "MODULES"]
