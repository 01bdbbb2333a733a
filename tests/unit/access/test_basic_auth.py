"""Wrong passwords: they slow down whoever guesses, and keep nobody out who knows the right one."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.refusals import Refusals
from voicebot.access.basic_auth import COOKIE, BasicAuth, is_logged_in
from voicebot.access.refusal import Reason
from voicebot.runtime import limits
from voicebot.settings import config

PASSWORD = "correct horse"
LOGIN: dict[str, Any] = {"app_username": "ann", "app_password": SecretStr(PASSWORD)}
OFFICE, HOME = "192.0.2.66", "192.0.2.1"
RIGHT, WRONG = f"ann:{PASSWORD}", "ann:mule"


async def turn(seconds: float) -> None:
    """The loop's own clock goes on by so much, and all that can go on then does."""
    await asyncio.sleep(seconds)
    await settle()


async def settle() -> None:
    """Until all that can go on without the clock has."""
    for _ in range(20):
        await asyncio.sleep(0)


class Door:
    """A lock, and what it let in."""

    def __init__(self, **settings: Any) -> None:
        self.refused = Refusals()
        self.as_owner: list[bool] = []
        self.cookies: list[str] = []
        self.reopen(**settings)

    def reopen(self, **settings: Any) -> None:
        """As after a restart."""
        settings = LOGIN | settings
        self.lock = BasicAuth(self._app, config.load(**settings), self.refused)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.as_owner.append(is_logged_in(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def knock(
        self,
        login: str | None,
        address: str = OFFICE,
        cookie: str = "",
        path: str = "/",
        scheme: str = "http",
        leaves: asyncio.Event | None = None,
        **more: str,
    ) -> asyncio.Task[int]:
        """A request, whose result is the status of its answer; 0 if it got none."""
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
            await self.lock(scope, receive, send)
            return statuses[0] if statuses else 0

        return asyncio.create_task(ask())

    async def guess(self, times: int, **options: Any) -> None:
        for _ in range(times):
            assert await self.knock(WRONG, **options) == 401

    async def cookie(self, **options: Any) -> str:
        """Of a browser that logs in."""
        assert await self.knock(RIGHT, address=HOME, **options) == 200
        return self.cookies[-1].split(";")[0]


async def test_too_many_wrong_passwords_make_every_new_login_from_that_address_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    door = Door()
    await door.guess(limits.GUESSES)
    wrong, right = door.knock(WRONG), door.knock(RIGHT)
    await settle()
    assert not wrong.done()
    assert not right.done(), "how long it takes tells nothing"
    assert await door.knock(RIGHT, address=HOME) == 200, "others do not wait"
    assert await door.knock(None) == 401
    await turn(limits.TURN_S)
    assert wrong.done()
    assert not right.done()
    await turn(limits.TURN_S)
    assert (await wrong, await right) == (401, 200)
    assert OFFICE in caplog.text
    assert PASSWORD not in caplog.text
    assert "mule" not in caplog.text


async def test_a_login_no_longer_waits_once_the_guess_limit_refills() -> None:
    door = Door()
    await door.guess(limits.GUESSES)
    await turn(limits.GUESS_S)
    assert await door.knock(RIGHT) == 200


@pytest.mark.parametrize(
    "header", ["Bearer x", "Bearer " + "y" * 400, "Digest a=b", "Basic", "Basic !!!", "Basic YW5u", ""]
)
async def test_an_authorization_header_without_a_login_does_not_count_as_a_guess(header: str) -> None:
    door = Door()
    for _ in range(limits.GUESSES * 3):
        assert await door.knock(None, authorization=header) == 401
    assert await door.knock(RIGHT) == 200
    assert door.refused == {Reason.NO_LOGIN: limits.GUESSES * 3}


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_browser_that_logged_in_before_does_not_wait_behind_guesses_from_its_address(restarted: bool) -> None:
    door = Door()
    cookie = await door.cookie()
    if restarted:
        door.reopen()
    await door.guess(limits.GUESSES)
    flood = [door.knock(WRONG) for _ in range(50)]
    await settle()
    assert await door.knock(RIGHT, cookie=cookie) == 200
    assert len(door.cookies) == 1, "it has one already"
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
    door = Door()
    for cookie in (forged, await door.cookie()):
        assert await door.knock(None, cookie=cookie) == 401
        assert await door.knock(WRONG, cookie=cookie, address="192.0.2.9") == 401
    await door.guess(limits.GUESSES)
    waiting = door.knock(RIGHT, cookie=forged)
    await settle()
    assert not waiting.done()
    await turn(limits.TURN_S)
    assert await waiting == 200


async def test_a_changed_password_or_user_name_voids_all_cookies() -> None:
    door = Door()
    cookie = await door.cookie()
    for login in ({"app_password": SecretStr("other")}, {"app_username": "bob"}):
        door.reopen(**login)
        await door.guess(limits.GUESSES)
        waiting = door.knock("x:y", cookie=cookie)
        await settle()
        assert not waiting.done()
        waiting.cancel()
        await settle()


async def test_wrong_passwords_with_a_stolen_cookie_are_limited_too() -> None:
    door = Door()
    cookie = await door.cookie()
    await door.guess(limits.GUESSES, cookie=cookie)
    assert await door.knock(RIGHT) == 200, "its guesses do not count for the address"
    await door.guess(limits.GUESSES, cookie=cookie)
    waiting = door.knock(RIGHT, cookie=cookie)
    await settle()
    assert not waiting.done()
    await turn(limits.TURN_S)
    assert await waiting == 200


async def test_the_health_endpoint_never_waits_and_cannot_be_used_to_guess_passwords() -> None:
    door = Door()
    assert await door.knock(RIGHT, path="/health") == 200
    await door.guess(limits.GUESSES)
    assert await door.knock(RIGHT, path="/health") == 200
    assert door.as_owner == [True, False]
    door.reopen()
    for _ in range(limits.GUESSES):
        assert await door.knock(WRONG, path="/health") == 200
    assert door.as_owner[-1] is False
    waiting = door.knock(RIGHT)
    await settle()
    assert not waiting.done(), "it is no way round"
    await turn(limits.TURN_S)
    assert await waiting == 200


async def test_many_addresses_that_guess_together_share_one_rate_limit() -> None:
    door = Door()
    judged = 0

    async def guesser(address: str) -> None:
        nonlocal judged
        while True:
            await door.knock(WRONG, address=address)
            judged += 1

    guessers = [asyncio.create_task(guesser(f"10.0.{n // 200}.{n % 200}")) for n in range(150)]
    await turn(0.1)
    minutes = 3
    await turn(60 * minutes)
    most = limits.ALL_GUESSES + 60 * minutes * (1 / limits.ALL_GUESSES_S + 1 / limits.TURN_S)
    assert judged <= most + len(guessers)
    assert judged >= 60 * minutes / limits.TURN_S * 0.9, "nobody is refused for it"
    honest = door.knock(RIGHT, address=HOME)
    await settle()
    await turn(limits.TURN_S * (len(guessers) + 1))
    assert await honest == 200, "the addresses take turns"
    for each in guessers:
        each.cancel()
    await settle()


async def test_a_flood_of_guesses_from_one_address_does_not_hold_up_logins_from_another() -> None:
    door = Door()
    await door.guess(limits.GUESSES)
    await door.guess(limits.GUESSES, address=HOME)
    flood = [door.knock(WRONG) for _ in range(100)]
    await settle()
    other = door.knock(RIGHT, address=HOME)
    await settle()
    await turn(limits.TURN_S * 2)
    assert await other == 200
    for each in flood:
        each.cancel()
    await settle()


async def test_a_client_that_disconnects_gives_up_its_place_in_the_login_queue() -> None:
    door = Door()
    await door.guess(limits.GUESSES)
    leaves = asyncio.Event()
    gone = [door.knock(WRONG, leaves=leaves) for _ in range(limits.WAITING_LOGINS_EACH)]
    await settle()
    assert await door.knock(RIGHT) == 429, "all places to wait are taken"
    assert door.refused[Reason.GUESSING] == 1
    leaves.set()
    assert await asyncio.gather(*gone) == [0] * len(gone)
    right = door.knock(RIGHT)
    await settle()
    await turn(limits.TURN_S)
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
    door = Door(**settings)
    await door.cookie(**request_)
    await door.cookie(**request_)
    first, second = (cookie.split("; ") for cookie in door.cookies)
    assert has <= set(first)
    assert not lacks & set(first)
    assert first[0] != second[0], "each browser has a name of its own"
    assert PASSWORD not in door.cookies[0]
