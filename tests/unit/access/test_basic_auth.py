"""Wrong passwords slow down the address that guesses, but keep out nobody who knows the right password."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.refusals import Refusals
from tests.support.shared_places import SharedInMemory
from voicebot.access.basic_auth import COOKIE, BasicAuth, is_logged_in
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.settings import config

PASSWORD = "correct horse"
LOGIN: dict[str, Any] = {"app_username": "ann", "app_password": SecretStr(PASSWORD)}
OFFICE, HOME = "192.0.2.66", "192.0.2.1"
RIGHT, WRONG = f"ann:{PASSWORD}", "ann:mule"


async def pass_time(seconds: float) -> None:
    """Advances the clock of the event loop by this time and runs all tasks that can then run."""
    await asyncio.sleep(seconds)
    await settle()


async def settle() -> None:
    """Runs all tasks that can run without the clock."""
    for _ in range(20):
        await asyncio.sleep(0)


class ProtectedServer:
    """A server that requires a login, and records of the requests that got through."""

    def __init__(self, shared: SharedInMemory | None = None, processes: int = 1, **settings: Any) -> None:
        self._shared, self._processes = shared, processes
        self.refused = Refusals()
        self.as_owner: list[bool] = []
        self.cookies: list[str] = []
        self.restart(**settings)

    def restart(self, **settings: Any) -> None:
        """Creates the login check anew, as a restart of the server does."""
        settings = LOGIN | settings
        self.auth = BasicAuth(self._app, config.load(**settings), self.refused, self._shared, self._processes)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.as_owner.append(is_logged_in(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def request(
        self,
        login: str | None,
        address: str = OFFICE,
        cookie: str = "",
        path: str = "/",
        scheme: str = "http",
        leaves: asyncio.Event | None = None,
        **more: str,
    ) -> asyncio.Task[int]:
        """Starts a request. The task returns the status of the response, or 0 if there is none."""
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
        if login is not None:
            headers.append((b"authorization", b"Basic " + base64.b64encode(login.encode())))
        if cookie:
            headers.append((b"cookie", f"a=b; {cookie}; c=d".encode()))
        scope = {"type": "http", "path": path, "headers": headers, "client": (address, 1), "scheme": scheme}
        statuses: list[int] = []
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                self.cookies += [value.decode() for name, value in message["headers"] if name.lower() == b"set-cookie"]

        async def ask() -> int:
            await self.auth(scope, receive, send)
            return statuses[0] if statuses else 0

        return asyncio.create_task(ask())

    async def guess(self, times: int, **options: Any) -> None:
        for _ in range(times):
            assert await self.request(WRONG, **options) == 401

    async def cookie(self, **options: Any) -> str:
        """Logs a browser in and returns its cookie."""
        assert await self.request(RIGHT, address=HOME, **options) == 200
        return self.cookies[-1].split(";")[0]


async def test_too_many_wrong_passwords_make_every_new_login_from_that_address_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = ProtectedServer()
    await server.guess(limits.GUESSES)
    wrong, right = server.request(WRONG), server.request(RIGHT)
    await settle()
    assert not wrong.done()
    assert not right.done(), "the time of the response must not reveal whether the password is right"
    assert await server.request(RIGHT, address=HOME) == 200, "other addresses must not wait"
    assert await server.request(None) == 401
    await pass_time(limits.TURN_S)
    assert wrong.done()
    assert not right.done()
    await pass_time(limits.TURN_S)
    assert (await wrong, await right) == (401, 200)
    assert OFFICE in caplog.text
    assert PASSWORD not in caplog.text
    assert "mule" not in caplog.text


async def test_a_login_no_longer_waits_once_the_guess_limit_refills() -> None:
    server = ProtectedServer()
    await server.guess(limits.GUESSES)
    await pass_time(limits.GUESS_S)
    assert await server.request(RIGHT) == 200


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer " + "y" * 400, "Digest a=b", "Basic", "Basic !!!", "Basic YW5u", ""]
)
async def test_an_authorization_header_without_a_login_does_not_count_as_a_guess(header: str) -> None:
    server = ProtectedServer()
    for _ in range(limits.GUESSES * 3):
        assert await server.request(None, authorization=header) == 401
    assert await server.request(RIGHT) == 200
    assert server.refused == {Reason.NO_LOGIN: limits.GUESSES * 3}


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_browser_that_logged_in_before_does_not_wait_behind_guesses_from_its_address(restarted: bool) -> None:
    server = ProtectedServer()
    cookie = await server.cookie()
    if restarted:
        server.restart()
    await server.guess(limits.GUESSES)
    flood = [server.request(WRONG) for _ in range(50)]
    await settle()
    assert await server.request(RIGHT, cookie=cookie) == 200
    assert len(server.cookies) == 1, "a browser with a cookie must get no second one"
    for each in flood:
        each.cancel()
    await settle()


@pytest.mark.parametrize(
    "forged",
    [
        f"{COOKIE}=",
        f"{COOKIE}=.",
        f"{COOKIE}=name.{'0' * 64}",
        f"{COOKIE}=\u2603.\u2603",
        "other=cookie",
    ],
)
async def test_a_cookie_replaces_no_password_and_a_forged_cookie_avoids_no_wait(forged: str) -> None:
    server = ProtectedServer()
    for cookie in (forged, await server.cookie()):
        assert await server.request(None, cookie=cookie) == 401
        assert await server.request(WRONG, cookie=cookie, address="192.0.2.9") == 401
    await server.guess(limits.GUESSES)
    waiting = server.request(RIGHT, cookie=forged)
    await settle()
    assert not waiting.done()
    await pass_time(limits.TURN_S)
    assert await waiting == 200


async def test_a_changed_password_or_user_name_voids_all_cookies() -> None:
    server = ProtectedServer()
    cookie = await server.cookie()
    for login in ({"app_password": SecretStr("other")}, {"app_username": "bob"}):
        server.restart(**login)
        await server.guess(limits.GUESSES)
        waiting = server.request("x:y", cookie=cookie)
        await settle()
        assert not waiting.done()
        waiting.cancel()
        await settle()


async def test_wrong_passwords_with_a_stolen_cookie_are_limited_too() -> None:
    server = ProtectedServer()
    cookie = await server.cookie()
    await server.guess(limits.GUESSES, cookie=cookie)
    assert await server.request(RIGHT) == 200, "guesses with the cookie must not count for the address"
    await server.guess(limits.GUESSES, cookie=cookie)
    waiting = server.request(RIGHT, cookie=cookie)
    await settle()
    assert not waiting.done()
    await pass_time(limits.TURN_S)
    assert await waiting == 200


async def test_the_health_endpoint_never_waits_and_cannot_be_used_to_guess_passwords() -> None:
    server = ProtectedServer()
    assert await server.request(RIGHT, path="/health") == 200
    await server.guess(limits.GUESSES)
    assert await server.request(RIGHT, path="/health") == 200
    assert server.as_owner == [True, False]
    server.restart()
    for _ in range(limits.GUESSES):
        assert await server.request(WRONG, path="/health") == 200
    assert server.as_owner[-1] is False
    waiting = server.request(RIGHT)
    await settle()
    assert not waiting.done(), "the health endpoint must be no way around the limit"
    await pass_time(limits.TURN_S)
    assert await waiting == 200


async def test_many_addresses_that_guess_together_share_one_rate_limit() -> None:
    server = ProtectedServer()
    judged = 0

    async def guesser(address: str) -> None:
        nonlocal judged
        while True:
            await server.request(WRONG, address=address)
            judged += 1

    guessers = [asyncio.create_task(guesser(f"10.0.{n // 200}.{n % 200}")) for n in range(150)]
    await pass_time(0.1)
    minutes = 3
    await pass_time(60 * minutes)
    most = limits.ALL_GUESSES + 60 * minutes * (1 / limits.ALL_GUESSES_S + 1 / limits.TURN_S)
    assert judged <= most + len(guessers)
    assert judged >= 60 * minutes / limits.TURN_S * 0.9, "guesses must be judged at the full rate of the limit"
    honest = server.request(RIGHT, address=HOME)
    await settle()
    await pass_time(limits.TURN_S * (len(guessers) + 1))
    assert await honest == 200, "the addresses must take turns"
    for each in guessers:
        each.cancel()
    await settle()


async def test_a_flood_of_guesses_from_one_address_does_not_hold_up_logins_from_another() -> None:
    server = ProtectedServer()
    await server.guess(limits.GUESSES)
    await server.guess(limits.GUESSES, address=HOME)
    flood = [server.request(WRONG) for _ in range(100)]
    await settle()
    other = server.request(RIGHT, address=HOME)
    await settle()
    await pass_time(limits.TURN_S * 2)
    assert await other == 200
    for each in flood:
        each.cancel()
    await settle()


async def test_a_client_that_disconnects_gives_up_its_place_in_the_login_queue() -> None:
    server = ProtectedServer()
    await server.guess(limits.GUESSES)
    leaves = asyncio.Event()
    gone = [server.request(WRONG, leaves=leaves) for _ in range(limits.WAITING_LOGINS_EACH)]
    await settle()
    assert await server.request(RIGHT) == 429, "the queue must be full"
    assert server.refused[Reason.GUESSING] == 1
    leaves.set()
    assert await asyncio.gather(*gone) == [0] * len(gone)
    right = server.request(RIGHT)
    await settle()
    await pass_time(limits.TURN_S)
    assert await right == 200


@pytest.mark.parametrize(
    ("settings", "request_", "has", "lacks"),
    [
        ({}, {}, {"HttpOnly", "SameSite=Lax", "Path=/"}, {"Secure"}),
        ({}, {"scheme": "https"}, {"Secure", "SameSite=Lax"}, set()),
        ({}, {"x_forwarded_proto": "https"}, set(), {"Secure"}),
        ({"trusted_proxies": 1}, {"x_forwarded_proto": "https"}, {"Secure"}, set()),
        ({"space_id": "me/bot"}, {}, {"Secure", "SameSite=None", "HttpOnly"}, {"SameSite=Lax"}),
    ],
)
async def test_the_login_cookie_fits_the_connection_and_holds_no_password(
    settings: dict[str, Any], request_: dict[str, str], has: set[str], lacks: set[str]
) -> None:
    server = ProtectedServer(**settings)
    await server.cookie(**request_)
    await server.cookie(**request_)
    first, second = (cookie.split("; ") for cookie in server.cookies)
    assert has <= set(first)
    assert not lacks & set(first)
    assert first[0] != second[0], "each browser must get a cookie of its own"
    assert PASSWORD not in server.cookies[0]


async def test_wrong_passwords_count_in_all_processes_together_and_the_processes_share_one_rate() -> None:
    shared = SharedInMemory()
    first, second = ProtectedServer(shared, 2), ProtectedServer(shared, 2)
    await first.guess(limits.GUESSES)
    assert await second.request(RIGHT) == 200, "it has seen no guess yet"
    await second.guess(1)
    waiting = second.request(RIGHT)
    await pass_time(limits.TURN_S)
    assert not waiting.done(), "two processes that let one pass in each interval would allow twice as many guesses"
    await pass_time(limits.TURN_S)
    assert await waiting == 200
    assert await second.request(RIGHT, address=HOME) == 200
    await pass_time(limits.GUESS_S)
    waiting = second.request(RIGHT)
    await settle()
    assert not waiting.done(), "eleven guesses were made, so a second token has to come back"


async def test_a_process_counts_wrong_passwords_alone_while_the_database_is_away() -> None:
    server = ProtectedServer(SharedInMemory(away=True), 2)
    await server.guess(limits.GUESSES)
    waiting = server.request(RIGHT)
    await settle()
    assert not waiting.done()
