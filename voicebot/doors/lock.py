"""The lock on all doors: one user name and password, as HTTP Basic, which browsers, curl and websockets all speak."""

from __future__ import annotations

import base64
import binascii
import logging
import math
import time
from enum import Enum, auto
from hashlib import sha256
from hmac import compare_digest

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voicebot.config import Settings
from voicebot.doors.address import client_address
from voicebot.doors.rates import AddressBuckets, Clock
from voicebot.doors.refusal import Count, Reason, refuse

logger = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Voice Bot", charset="UTF-8"'}

GUESSES = 10
GUESS_S = 10.0
"""An address may send so many wrong passwords in a row, and one more each so many seconds."""

LOGGED_IN = "voicebot.logged_in"


def is_logged_in(scope: Scope) -> bool:
    """Whether a request that came through an open door may be told everything: there is no lock, or it has the key."""
    return bool(scope.get(LOGGED_IN, True))


class _Login(Enum):
    NONE = auto()
    WRONG = auto()
    RIGHT = auto()
    THROTTLED = auto()


class Lock:
    """ASGI middleware: everything is behind the lock, but `/health` and, if wanted, `/metrics`.

    Wrong passwords are counted by address; one that guesses too often is not listened to for a while, not even with
    the right password, as the difference would tell it. The open doors answer it, but as to a stranger.
    """

    def __init__(self, app: ASGIApp, settings: Settings, count: Count, clock: Clock = time.monotonic) -> None:
        assert settings.app_username is not None
        assert settings.app_password is not None
        self._app = app
        self._count = count
        self._username = _digest(settings.app_username)
        self._password = _digest(settings.app_password.get_secret_value())
        self._open = {"/health", "/metrics"} if settings.metrics_public else {"/health"}
        self._trusted_proxies = settings.trusted_proxies
        self._guesses = AddressBuckets(1 / GUESS_S, GUESSES, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        address = client_address(scope, self._trusted_proxies)
        login = self._login(Headers(scope=scope).get("authorization"), address)
        scope[LOGGED_IN] = login is _Login.RIGHT
        if login is _Login.RIGHT or scope["path"] in self._open:
            await self._app(scope, receive, send)
        elif login is _Login.THROTTLED:
            self._count(Reason.GUESSING)
            retry = {"Retry-After": str(math.ceil(self._guesses.of(address).wait_s))}
            await refuse(scope, receive, send, 429, "Too many wrong passwords. Please wait a little.", retry)
        else:
            reason, message = Reason.NO_LOGIN, "A user name and a password are needed."
            if login is _Login.WRONG:
                reason, message = Reason.WRONG_LOGIN, "The user name or the password is wrong."
            self._count(reason)
            await refuse(scope, receive, send, 401, message, CHALLENGE)

    def _login(self, authorization: str | None, address: str) -> _Login:
        if authorization is None:
            return _Login.NONE
        guesses = self._guesses.of(address)
        if guesses.wait_s:
            return _Login.THROTTLED
        username, password = _basic(authorization)
        # Both are compared, whatever comes of the first
        if compare_digest(_digest(username), self._username) & compare_digest(_digest(password), self._password):
            return _Login.RIGHT
        guesses.take()
        if guesses.wait_s:
            logger.warning("too many wrong passwords from %s", address)
        return _Login.WRONG


def _digest(text: str) -> bytes:
    """Of one length, so that comparing tells nothing of the text's."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _basic(authorization: str) -> tuple[str, str]:
    """User name and password (RFC 7617); both empty if it is not in that form."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        username, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return username, password
