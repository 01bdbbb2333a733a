"""Access control: who may connect, from where, how often and for how long.

The same rules hold for the page, for WebRTC and for `/ws`.
"""

from __future__ import annotations

from starlette.applications import Starlette

from voicebot.access.basic_auth import BasicAuth
from voicebot.access.places import GuessCounter
from voicebot.access.refusal import RefusalCounter
from voicebot.access.request_checks import BodyLimit, HostCheck, KnownRoutes, OriginCheck, OwnNames, needs_host_check
from voicebot.access.response_headers import CrossOrigin, SecureHeaders
from voicebot.settings.config import Settings


def guard(
    app: Starlette,
    settings: Settings,
    counter: RefusalCounter,
    shared: GuessCounter | None = None,
    processes: int = 1,
) -> OwnNames:
    """Adds the middleware that protects all routes. Returns the server's names, which may grow while it runs.

    `shared` counts wrong passwords in all processes together, and `processes` is the number of workers.

    From the outside in, a request passes the response headers, the host check, CORS, the login, the origin check, the
    list of routes and the body limit.
    """
    app.add_middleware(BodyLimit, max_bytes=settings.tuning.max_body_kb * 1024, counter=counter)
    app.add_middleware(KnownRoutes, routes=app.routes)
    app.add_middleware(OriginCheck, settings=settings, counter=counter)
    if settings.app_username is not None:
        app.add_middleware(BasicAuth, settings=settings, counter=counter, shared=shared, processes=processes)
    app.add_middleware(CrossOrigin, settings=settings)
    names = OwnNames(settings)
    if needs_host_check(settings):
        app.add_middleware(HostCheck, names=names, counter=counter)
    app.add_middleware(SecureHeaders, settings=settings)
    return names
