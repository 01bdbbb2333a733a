"""The doors: who may come in, from where, how often and for how long. The same for the page, WebRTC and websockets."""

from __future__ import annotations

from starlette.applications import Starlette

from voicebot.access.body import BodyLimit
from voicebot.access.cross_origin import CrossOrigin
from voicebot.access.headers import SecureHeaders
from voicebot.access.host import HostCheck, OwnNames, needs_host_check
from voicebot.access.lock import Lock
from voicebot.access.origin import OriginCheck
from voicebot.access.refusal import RefusalCounter
from voicebot.access.routes import KnownRoutes
from voicebot.settings.config import Settings


def guard(app: Starlette, settings: Settings, counter: RefusalCounter) -> OwnNames:
    """Put everything that must hold for all routes around them; `counter` counts each that is refused.

    Returns the names by which the server may be called; more may be added while it runs.

    From the outside in: headers, the server's own names, what other sites may read, the lock, the origin, the list of
    routes, the length.
    """
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_kb * 1024, counter=counter)
    app.add_middleware(KnownRoutes, routes=app.routes)
    app.add_middleware(OriginCheck, settings=settings, counter=counter)
    if settings.app_username is not None:
        app.add_middleware(Lock, settings=settings, counter=counter)
    app.add_middleware(CrossOrigin, settings=settings)
    names = OwnNames(settings)
    if needs_host_check(settings):
        app.add_middleware(HostCheck, names=names, counter=counter)
    app.add_middleware(SecureHeaders, settings=settings)
    return names
