"""Adapts aiortc 1.16 and aioice 0.13 to live conversation, where their public interfaces do not suffice.

- `jitter_buffer`: sound arrives without 80 ms of delay, and without a lasting delay after a lost packet
  (github.com/aiortc/aiortc/issues/543 and 775).
- `opus`: one channel, less delay, and concealment of lost packets.
- `sound_path`: decoding and encoding on the event loop instead of in threads, and sound levels by numpy.
- `direct_sound`: sound goes from the socket to the session, and back, without tasks and queues in between.
- `peer_limits`: limits on what a peer may send. Some malformed SCTP packets are rejected by aiortc itself since
  github.com/aiortc/aiortc/pull/1424.
- `peer_closing`: closing in bounded time (github.com/aiortc/aiortc/issues/283 and 1104).

Only this package uses private members of aiortc. It first checks that they exist, and changes nothing if one is
missing.
"""

from __future__ import annotations

import logging
from functools import cache

import aioice.ice
import aiortc

logger = logging.getLogger(__name__)

KNOWN_VERSION = "1.16."

CONSENT_INTERVAL_S = 1
CONSENT_FAILURES = 8
"""A peer is asked every second whether it is still there. It is given up when 8 answers in a row take more than 0.5 s,
which is after about 12 s (measured: 11). With aioice's own values, 5 s and 6 failures, it is after 33 s. RFC 7675
allows 30 s at most and names no minimum. The peer is asked often, so that 8 failures can be allowed: with 5 % of the
packets lost each way, 8 failures in a row come once in 40,000 hours."""


@cache
def apply(version: str = aiortc.__version__) -> bool:
    """Adapts aiortc for the whole process, before its first connection. Only the first call has an effect.

    Video is not changed. If aiortc is not the version known here, logs a warning, changes nothing and returns False.
    """
    if not version.startswith(KNOWN_VERSION):
        logger.warning("aiortc %s is not known (%sx is) and is not adapted, which adds delay", version, KNOWN_VERSION)
        return False
    from voicebot.transports.webrtc.aiortc_tuning import (
        direct_sound,
        peer_limits,
        sound_path,
    )  # they import names of this version

    if missing := [*sound_path.missing(), *direct_sound.missing(), *peer_limits.missing(), *_missing_in_aioice()]:
        logger.warning("aiortc %s has no %s and is not adapted, which adds delay", version, ", ".join(missing))
        return False
    sound_path.install()
    peer_limits.install()
    aioice.ice.CONSENT_INTERVAL = CONSENT_INTERVAL_S
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES
    return True


def _missing_in_aioice() -> list[str]:
    used = aioice.ice.Connection.query_consent.__code__.co_names
    return [name for name in ("CONSENT_INTERVAL", "CONSENT_FAILURES") if name not in used]
