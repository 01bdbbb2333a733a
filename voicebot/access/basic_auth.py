"""The login: one user name and password, as HTTP Basic, which browsers, curl and websockets all support.

Starlette and FastAPI have no limit on wrong passwords, and FastAPI's HTTPBasic does not cover websockets.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from enum import Enum, auto
from hashlib import sha256
from hmac import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.access.address import client_address, forwarded_values
from voicebot.access.fair_queue import FairQueue, QueueFullError
from voicebot.access.places import GuessCounter
from voicebot.access.rates import AddressBuckets, TokenBucket
from voicebot.access.refusal import Reason, RefusalCounter, refuse
from voicebot.runtime import limits
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Basic realm="Voice Bot", charset="UTF-8"'}

COOKIE = "voicebot-known"

OPEN_FOLDER = "/say/"
"""Below this path the capability of an invitation follows. It takes the place of the login."""

_LOGGED_IN = "voicebot.logged_in"


def is_logged_in(scope: Scope) -> bool:
    """Returns whether a request to an open path may see everything: it is logged in, or there is no login."""
    return bool(scope.get(_LOGGED_IN, True))


class _Login(Enum):
    NONE = auto()
    WRONG = auto()
    RIGHT = auto()
    QUEUE_FULL = auto()
    GONE = auto()
    """The client left while it waited."""


class BasicAuth:
    """ASGI middleware that asks for the password on every path but `/health`, `/ready`, `/say/…` and, with
    METRICS_PUBLIC, `/metrics`. The path of a `/say/…` request contains a secret of its own, which allows less than
    the password does (`session.invitations`).

    Wrong passwords are counted by address. After too many from one address, every further password from there waits in
    a queue before it is compared. The right one waits too, so that the delay tells nothing. It is not refused, so that
    others behind the same address can still log in. All addresses share the queue, and have to use it once all of them
    together have sent too many wrong passwords. That allows six guesses a second, half a million a day, from any
    number of addresses (`limits.TURN_S`, `limits.ALL_GUESSES_S`).

    A browser that has logged in before has a cookie and its own count of wrong passwords, so that others at its address
    do not slow it down. The cookie alone lets nobody in.

    Requests to open paths never wait. Where their password would have to wait, they count as not logged in.

    With `shared`, wrong passwords are counted in all processes together: a process learns of the others' guesses at
    each wrong password that it gets itself. Each of the `processes` has a queue, and they have the same rate together.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        counter: RefusalCounter,
        shared: GuessCounter | None = None,
        processes: int = 1,
    ) -> None:
        assert settings.app_username is not None
        assert settings.app_password is not None
        self._app = app
        self._counter = counter
        self._username = _digest(settings.app_username)
        self._password = _digest(settings.app_password.get_secret_value())
        self._open_paths = {"/health", "/ready"} | ({"/metrics"} if settings.metrics_public else set())
        self._trusted_proxies = settings.trusted_proxies
        self._browsers = KnownBrowsers(settings)
        self._browser_guesses = AddressBuckets(1 / limits.GUESS_S, limits.GUESSES)
        self._address_guesses = AddressBuckets(1 / limits.GUESS_S, limits.GUESSES)
        self._all_guesses = TokenBucket(1 / limits.ALL_GUESSES_S, limits.ALL_GUESSES)
        self._shared = shared
        self._queue = FairQueue(limits.TURN_S * processes, limits.WAITING_LOGINS, limits.WAITING_LOGINS_EACH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        browser = self._browsers.find(scope)
        receiver = _Receiver(receive)
        login = await self._login(scope, receiver, browser)
        scope[_LOGGED_IN] = login is _Login.RIGHT
        if login is _Login.RIGHT and browser is None:
            send = _with_cookie(send, self._browsers.new_cookie(scope))
        if login is _Login.GONE:
            return
        if login is _Login.RIGHT or self._is_open(scope["path"]):
            await self._app(scope, receiver, send)
        elif login is _Login.QUEUE_FULL:
            self._counter.count_refusal(Reason.GUESSING)
            message = "Too many people are logging in. Please try again in a moment."
            await refuse(scope, receiver, send, 429, message, {"Retry-After": "5"})
        else:
            reason, message = Reason.NO_LOGIN, "A user name and a password are needed."
            if login is _Login.WRONG:
                reason, message = Reason.WRONG_LOGIN, "The user name or the password is wrong."
            self._counter.count_refusal(reason)
            await refuse(scope, receiver, send, 401, message, CHALLENGE)

    async def _login(self, scope: Scope, receiver: _Receiver, browser: str | None) -> _Login:
        login = _parse_basic(Headers(scope=scope).get("authorization", ""))
        if login is None:
            return _Login.NONE
        address = client_address(scope, self._trusted_proxies)
        if browser is not None and not self._browser_guesses.of(browser).wait_s:
            guesses = [self._browser_guesses.of(browser)]
            counts = {f"browser {browser}": limits.GUESS_S}
        else:
            guesses = [self._address_guesses.of(address), self._all_guesses]
            counts = {f"address {address}": limits.GUESS_S, "all": limits.ALL_GUESSES_S}
            if any(bucket.wait_s for bucket in guesses):
                if self._is_open(scope["path"]):
                    return _Login.NONE
                try:
                    if not await receiver.wait_for_turn(self._queue.enter(address)):
                        return _Login.GONE
                except QueueFullError:
                    return _Login.QUEUE_FULL
                return _Login.RIGHT if self._is_right(*login) else _Login.WRONG
        if self._is_right(*login):
            return _Login.RIGHT
        for bucket in guesses:
            bucket.take()
        if self._shared is not None:
            for bucket, (name, token_s) in zip(guesses, counts.items(), strict=True):
                missing = await self._shared.count_guess(name, token_s)
                if missing is not None:
                    bucket.miss(missing)
        if guesses[0].wait_s:
            logger.warning("too many wrong passwords from %s: further ones have to wait", address)
        return _Login.WRONG

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path.startswith(OPEN_FOLDER)

    def _is_right(self, username: str, password: str) -> bool:
        # `&` compares both, so that the time tells nothing about which one is wrong.
        return compare_digest(_digest(username), self._username) & compare_digest(_digest(password), self._password)


class KnownBrowsers:
    """Gives a browser that has logged in a signed cookie, and recognises it, also after a restart.

    The key of the signature is derived from the password, so that a new password or user name makes all cookies
    invalid. It is derived slowly (scrypt), so that a stolen cookie hardly helps to guess the password.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.app_username is not None
        assert settings.app_password is not None
        password = settings.app_password.get_secret_value().encode("utf-8", "surrogatepass")
        salt = b"voicebot known browsers\0" + settings.app_username.encode("utf-8", "surrogatepass")
        self._key = hashlib.scrypt(password, salt=salt, n=2**14, r=8, p=1)
        self._trusted_proxies = settings.trusted_proxies
        self._on_space = settings.space_id is not None

    def find(self, scope: Scope) -> str | None:
        """Returns the name in a request's cookie; None without a cookie that this server has signed."""
        for line in Headers(scope=scope).getlist("cookie"):
            name, _, signature = cookie_parser(line).get(COOKIE, "").partition(".")
            if hmac.compare_digest(signature.encode(), self._sign(name).encode()):
                return name
        return None

    def new_cookie(self, scope: Scope) -> str:
        """Returns the `Set-Cookie` header for a browser that has just logged in, with a new name."""
        name = secrets.token_urlsafe(16)
        attributes = [f"{COOKIE}={name}.{self._sign(name)}", "Path=/", "HttpOnly"]
        attributes.append(f"Max-Age={limits.KNOWN_DAYS * 86_400}")
        if self._on_space:
            # Hugging Face shows the page in a frame, to which browsers send no other cookies.
            attributes += ["SameSite=None", "Secure", "Partitioned"]
        else:
            attributes += ["SameSite=Lax", *(["Secure"] if self._is_https(scope) else [])]
        return "; ".join(attributes)

    def _is_https(self, scope: Scope) -> bool:
        forwarded = forwarded_values(scope, "x-forwarded-proto", self._trusted_proxies)
        return scope["scheme"] in ("https", "wss") or "https" in [each.lower() for each in forwarded]

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


class _Receiver:
    """A request's `receive` that notices when the client leaves while it waits for its turn."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received: list[Message] = []

    async def __call__(self) -> Message:
        return self._received.pop(0) if self._received else await self._receive()

    async def wait_for_turn(self, turn: asyncio.Future[bool]) -> bool:
        """Returns False if the client leaves before its turn."""
        leaving = asyncio.create_task(self._wait_until_client_leaves())
        try:
            await asyncio.wait((turn, leaving), return_when=asyncio.FIRST_COMPLETED)
            return turn.done()
        finally:
            turn.cancel()
            leaving.cancel()
            await asyncio.wait([leaving])

    async def _wait_until_client_leaves(self) -> None:
        """Reads at most one piece of the body while it waits."""
        while True:
            message = await self._receive()
            self._received.append(message)
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                return
            if message.get("more_body", False):
                await asyncio.Event().wait()


def _with_cookie(send: Send, cookie: str) -> Send:
    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).append("Set-Cookie", cookie)
        await send(message)

    return send_with_cookie


def _digest(text: str) -> bytes:
    """Returns a hash of fixed length, so that a comparison tells nothing about the text's length."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _parse_basic(authorization: str) -> tuple[str, str] | None:
    """Returns user name and password (RFC 7617). Returns None for a malformed header, which is no guess."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (username, password) if colon else None
