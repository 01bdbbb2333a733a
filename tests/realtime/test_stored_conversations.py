"""Stored conversations outlive the app: it is killed in the middle of a reply, and another process continues them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from tests.support.app_process import App, forked_app
from tests.support.postgres import Postgres
from tests.support.rtc_client import RtcClient
from tests.support.ws_client import WsClient

QUESTION = "Tell me a long story"


@asynccontextmanager
async def talking(app: App, query: str = "") -> AsyncIterator[WsClient]:
    async with connect(f"{app.url.replace('http', 'ws', 1)}/ws{query}", max_size=None, proxy=None) as socket:
        yield WsClient(socket)


MOST_WORDS_PER_S = 5
"""The bot says about three words a second."""


async def play_beginning(app: App, client: WsClient) -> tuple[str, float]:
    """Asks for a story and plays it until some of its words are stored.

    Returns the conversation's name, and the monotonic time at which the story began to play.
    """
    name = (await client.next("connected"))["conversation"]
    await client.send("text", text=QUESTION)
    await client.next("play_audio", 15)
    begun_s = time.monotonic()
    await client.send("client_playback_started")
    async with asyncio.timeout(15):
        while not heard_in(await asyncio.to_thread(stored_messages, app, name)):  # noqa: ASYNC110 (polled over HTTP)
            await asyncio.sleep(0.2)
    return str(name), begun_s


def request(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, trust_env=False, **options)


def stored_messages(app: App, name: str) -> list[dict[str, object]]:
    """Returns the messages of the stored conversation, or none if it is not stored yet."""
    response = request("GET", f"{app.url}/conversations/{name}")
    return [] if response.status_code == 404 else list(response.raise_for_status().json()["chat"])


def heard_in(messages: list[dict[str, object]]) -> str:
    return str(messages[1]["heard"]) if len(messages) > 1 else ""


async def test_a_conversation_goes_on_after_the_app_is_killed_in_mid_reply(tmp_path: Path) -> None:
    with forked_app(tmp_path) as app:
        assert app.health()["store"] == {"kind": "sqlite", "ready": True, "reason": None}
        async with talking(app) as client:
            name, begun_s = await play_beginning(app, client)
            app.process.kill()
            played_s = time.monotonic() - begun_s
    with forked_app(tmp_path) as app:
        question, answer = stored_messages(app, name)
        assert question["text"] == QUESTION
        heard = str(answer["heard"])
        assert 0 < len(heard.split()) <= 2 + MOST_WORDS_PER_S * played_s
        assert answer["interrupted"]
        async with RtcClient(app.url, conversation=name) as client:
            connected = await client.wait_for_message(lambda message: message["type"] == "connected")
            assert connected["conversation"] == name
            shown = await client.wait_for_message(lambda message: message["type"] == "state")
            assert [each["role"] for each in shown["chat"]] == ["user", "assistant"]
            client.send({"type": "text", "text": "hello"})
            await client.wait_for_message(lambda message: len(message.get("chat", [])) >= 3)


async def test_another_replica_continues_and_deletes_a_stored_conversation(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.new_database("replicas")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with forked_app(tmp_path / "a", database_url=url) as one, forked_app(tmp_path / "b", database_url=url) as other:
        async with talking(one) as client:
            name, _ = await play_beginning(one, client)
            async with talking(other, f"?conversation={name}") as again:
                assert (await again.next("connected"))["conversation"] == name
                assert [each["role"] for each in stored_messages(other, name)] == ["user", "assistant"]
                foreign = {"Origin": "https://elsewhere.example"}
                address = f"{other.url}/conversations/{name}"
                assert request("DELETE", address, headers=foreign).status_code == 403
                assert request("DELETE", address).status_code == 204
                assert request("DELETE", address).status_code == 204
                assert request("GET", address).status_code == 404
                bad = request("DELETE", f"{other.url}/conversations/short")
                assert bad.status_code == 422
                assert bad.json()["error"].startswith("conversation: ")


async def test_an_app_that_stores_no_conversations_leaves_no_file_and_still_requires_login(tmp_path: Path) -> None:
    with forked_app(tmp_path, keep_conversations=False, app_username="ann", app_password="hush") as app:
        address = f"{app.url}/conversations/{'A' * 32}"
        assert request("DELETE", address, auth=("ann", "wrong")).status_code == 401
        assert request("DELETE", address, auth=("ann", "hush")).status_code == 204
    assert os.listdir(tmp_path) == ["app.log"]
