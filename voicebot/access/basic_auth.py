"""The lock on all doors: one user name and password, as HTTP Basic, which browsers, curl and websockets all speak."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from enum import Enum, auto
from hashlib import sha256
from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.access.address import client_address
from voicebot.access.known_browser import KnownBrowsers
from voicebot.access.rates import AddressBuckets, TokenBucket
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.access.turnstile import FullError, Turnstile
from voicebot.runtime import limits
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Voice Bot", charset="UTF-8"'}

LOGGED_IN = "voicebot.logged_in"


def is_logged_in(scope: Scope) -> bool:
    """Whether a request that came through an open door may be told everything: there is no lock, or it has the key."""
    return bool(scope.get(LOGGED_IN, True))


class _Login(Enum):
    NONE = auto()
    WRONG = auto()
    RIGHT = auto()
    NO_TURN = auto()
    GONE = auto()
    """The client has left while it waited."""


class BasicAuth:
    """ASGI middleware: everything is behind the lock, but `/health` and, if wanted, `/metrics`.

    Wrong passwords are counted by address. Where too many came from one, every further password from there has to wait
    for its turn before it is compared, the right one as well, so that nobody learns anything from how long it takes.
    It is not refused: others behind the same address can still log in. All addresses share the turns, and have to wait
    too once all together have sent too many. That allows six guesses a second at most, half a million a day, from
    however many addresses (`limits.TURN_S`, `limits.ALL_GUESSES_S`).

    A browser that has logged in before has a cookie and its own count of wrong passwords: what others at its address
    do does not slow it. The cookie opens nothing without the password.

    The open doors never wait: where a password would have to, they answer as to a stranger.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        counter: RefusalCounter,
    ) -> None:
        assert settings.app_username is not None
        assert settings.app_password is not None
        self._app = app
        self._counter = counter
        self._username = _digest(settings.app_username)
        self._password = _digest(settings.app_password.get_secret_value())
        self._open = {"/health", "/metrics"} if settings.metrics_public else {"/health"}
        self._trusted_proxies = settings.trusted_proxies
        self._browsers = KnownBrowsers(settings)
        self._guesses_of_browsers = AddressBuckets(1 / limits.GUESS_S, limits.GUESSES)
        self._guesses_of_addresses = AddressBuckets(1 / limits.GUESS_S, limits.GUESSES)
        self._all_guesses = TokenBucket(1 / limits.ALL_GUESSES_S, limits.ALL_GUESSES)
        self._turnstile = Turnstile(limits.TURN_S, limits.WAITING_LOGINS, limits.WAITING_LOGINS_EACH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        browser = self._browsers.find(scope)
        waiting = _Receiver(receive)
        login = await self._login(scope, waiting, browser)
        scope[LOGGED_IN] = login is _Login.RIGHT
        if login is _Login.RIGHT and browser is None:
            send = _introducing(send, self._browsers.introduce(scope))
        if login is _Login.GONE:
            return
        if login is _Login.RIGHT or scope["path"] in self._open:
            await self._app(scope, waiting, send)
        elif login is _Login.NO_TURN:
            self._counter.count_refusal(Reason.GUESSING)
            message = "Too many people are logging in. Please try again in a moment."
            await refuse(scope, waiting, send, 429, message, {"Retry-After": "5"})
        else:
            reason, message = Reason.NO_LOGIN, "A user name and a password are needed."
            if login is _Login.WRONG:
                reason, message = Reason.WRONG_LOGIN, "The user name or the password is wrong."
            self._counter.count_refusal(reason)
            await refuse(scope, waiting, send, 401, message, CHALLENGE)

    async def _login(self, scope: Scope, waiting: _Receiver, browser: str | None) -> _Login:
        login = _basic(Headers(scope=scope).get("authorization", ""))
        if login is None:
            return _Login.NONE
        address = client_address(scope, self._trusted_proxies)
        if browser is not None and not self._guesses_of_browsers.of(browser).wait_s:
            counts = [self._guesses_of_browsers.of(browser)]
        else:
            counts = [self._guesses_of_addresses.of(address), self._all_guesses]
            if any(each.wait_s for each in counts):
                if scope["path"] in self._open:
                    return _Login.NONE
                try:
                    if not await waiting.until(self._turnstile.enter(address)):
                        return _Login.GONE
                except FullError:
                    return _Login.NO_TURN
                return _Login.RIGHT if self._is_right(*login) else _Login.WRONG
        if self._is_right(*login):
            return _Login.RIGHT
        for each in counts:
            each.take()
        if counts[0].wait_s:
            logger.warning("too many wrong passwords from %s: further ones wait for their turn", address)
        return _Login.WRONG

    def _is_right(self, username: str, password: str) -> bool:
        # Both are compared, whatever comes of the first
        return compare_digest(_digest(username), self._username) & compare_digest(_digest(password), self._password)


class _Receiver:
    """A request's `receive`, by which one learns that the client leaves while it is kept waiting."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._came: list[Message] = []

    async def __call__(self) -> Message:
        return self._came.pop(0) if self._came else await self._receive()

    async def until(self, turn: asyncio.Future[bool]) -> bool:
        """Wait for `turn`; False if the client has left before."""
        leaving = asyncio.create_task(self._leaves())
        try:
            await asyncio.wait((turn, leaving), return_when=asyncio.FIRST_COMPLETED)
            return turn.done()
        finally:
            turn.cancel()
            leaving.cancel()
            await asyncio.wait([leaving])

    async def _leaves(self) -> None:
        """Returns when the client has left. More of its body than one piece is not taken in meanwhile."""
        while True:
            message = await self._receive()
            self._came.append(message)
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                return
            if message.get("more_body", False):
                await asyncio.Event().wait()


def _introducing(send: Send, cookie: str) -> Send:
    async def introduce(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return introduce


def _digest(text: str) -> bytes:
    """Of one length, so that comparing tells nothing of the text's."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _basic(authorization: str) -> tuple[str, str] | None:
    """User name and password (RFC 7617); None if it is not in that form, and so no guess."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if colon else None
