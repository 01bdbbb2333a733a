"""Adjusts aiortc to live conversation: less delay, less work, and a lost peer noticed sooner."""

from __future__ import annotations

import logging
from functools import cache

import aioice.ice
import aiortc

logger = logging.getLogger(__name__)

KNOWN_VERSION = "1.16."

CONSENT_INTERVAL_S = 1
CONSENT_FAILURES = 8
"""How often a peer is asked whether it is still there, and how many times in a row it may be silent for 0.5 s: it is
given up after 12 s (measured: 11). aioice's own 5 s and 6 times make 33. RFC 7675 names 30 s as the longest time and no
shortest; asking often, rather than giving up after fewer silences, keeps a peer whose packets get lost: with 5 % lost
each way, 8 silences in a row come once in 40,000 hours."""


@cache
def apply(version: str = aiortc.__version__) -> bool:
    """Adjusts aiortc for the whole process, before its first connection is made; once, however often it is called.

    - Sound arrives without the jitter buffer's 80 ms, and without a lasting delay after a loss (`jitter_buffer`).
    - Lost sound is concealed; sound has one channel (`opus`), and is decoded and encoded on the event loop.
    - The level in each packet's header is computed by numpy.
    - A peer that has vanished is noticed after 12 s.
    - Malformed SCTP packets do not block the event loop, and its timers do not depend on the time of day
      (`aiortc_limits`).

    Video stays as it is. False, with a warning and nothing changed, if aiortc is not as it is known here.
    """
    if not version.startswith(KNOWN_VERSION):
        logger.warning("aiortc %s is not known (%sx is): left as it is, with more delay", version, KNOWN_VERSION)
        return False
    from voicebot.transports.webrtc import aiortc_limits, aiortc_sound  # not before: they import names of this version

    if missing := [*aiortc_sound.missing(), *aiortc_limits.missing(), *_missing_in_aioice()]:
        logger.warning("aiortc %s has no %s: left as it is, with more delay", version, ", ".join(missing))
        return False
    aiortc_sound.install()
    aiortc_limits.install()
    aioice.ice.CONSENT_INTERVAL = CONSENT_INTERVAL_S
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES
    return True


def _missing_in_aioice() -> list[str]:
    used = aioice.ice.Connection.query_consent.__code__.co_names
    return [name for name in ("CONSENT_INTERVAL", "CONSENT_FAILURES") if name not in used]
