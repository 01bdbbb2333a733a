"""`/say/…` over real sockets: a person outside speaks into a session, and what the user says reaches that person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.scripted_model import Script, brief, call
from tests.support.ws_client import WsClient, plays_until, recording, ws_client
from voicebot.agent.agent import GraphAgent
from voicebot.agent.conversation import current_conversation
from voicebot.agent.tools import Toolbox, effects
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.state import MAX_TEXTS_TO_SAY
from voicebot.engines.conversation import HandoverEnd
from voicebot.runtime import limits
from voicebot.session.session import Session
from voicebot.settings import config

UNKNOWN = {"error": "say: there is no such invitation (any more)", "code": "request"}


@asynccontextmanager
async def talk(
    hears: Sequence[Sequence[str]] = (), thinks: Sequence[Sequence[str]] = (), **settings: Any
) -> AsyncIterator[tuple[LiveServer, WsClient, ScriptedAgent]]:
    """Runs a server with one session over `/ws`."""
    agent = ScriptedAgent(scripts=list(thinks))
    engines = scripted(ScriptedStt(scripts=list(hears)), agent, ToneTts())
    async with serving(engines, config.load(**settings)) as server, ws_client(server) as client:
        await client.next("connected")
        yield server, client, agent
    assert agent.scripts == []


def session_of(server: LiveServer) -> Session:
    (session,) = server.sessions("ws")
    assert isinstance(session, Session)
    return session


def invite(server: LiveServer) -> str:
    return server.services.invitations.invite(session_of(server).conversation_key)


async def post(url: str, body: Any = None, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.post(url, json={"text": "hello"} if body is None else body, **options)


async def delete(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.delete(url)


async def said(url: str, text: str) -> None:
    answer = await post(url, {"text": text})
    assert (answer.status_code, answer.content) == (202, b"")


async def test_the_words_of_a_person_are_heard_and_remembered_as_the_bots() -> None:
    async with talk(thinks=[["You are welcome."]]) as (server, client, agent):
        url = invite(server)
        assert url.startswith(f"{server.url}/say/")
        await said(url, "Your table is booked.")
        clip = await client.next("play_audio")
        assert clip["text"] == "Your table is booked."
        assert len(clip["audio"]) > 1_000
        await client.send("clip_played", sequence=clip["sequence"])
        await client.next("state", phase="idle")
        await client.send("text", text="thank you")
        await plays_until(client, "state", phase="idle")
        assert agent.asked[-1] == (Message(Role.ASSISTANT, "Your table is booked."), Message(Role.USER, "thank you"))


async def test_a_person_is_interrupted_as_the_bot_is() -> None:
    async with talk(hears=[["for how many people"]], thinks=[["For two."]]) as (server, client, _):
        await said(invite(server), "Your table is booked for eight in the evening.")
        await client.next("play_audio")
        await client.send("speech_start")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="regenerate")
        await plays_until(client, "state", phase="idle")
        history = session_of(server).state.history
        assert [message.role for message in history][-2:] == [Role.USER, Role.ASSISTANT]
        assert history[-2].text == "for how many people"


async def test_several_texts_are_said_in_order_one_reply_each() -> None:
    async with talk() as (server, client, _):
        url = invite(server)
        for text in ("One.", "Two.", "Three."):
            await said(url, text)
        for text in ("One.", "Two.", "Three."):
            clip = await client.next("play_audio")
            assert clip["text"] == text
            await client.send("clip_played", sequence=clip["sequence"])
        await client.next("state", phase="idle")


async def test_what_cannot_be_said_is_refused_with_a_reason() -> None:
    async with talk() as (server, _, _):
        url = invite(server)
        most = config.load().tuning.max_text_chars
        for body, error in (
            ({"text": "x" * (most + 1)}, f"text: {most + 1} characters; {most} are allowed"),
            ({"text": "  "}, "text: it is empty"),
            ({}, "text: Field required"),
            ({"text": 1}, "text: Input should be a valid string"),
            ({"text": "hello", "voice": "mine"}, "voice: Extra inputs are not permitted"),
        ):
            answer = await post(url, body)
            assert (answer.status_code, answer.json()["error"]) == (422, error)
        assert (await post(url, {"text": "x" * limits.SAY_BYTES})).status_code == 413
        assert session_of(server).state.last_reply == 0


async def test_unknown_ended_and_malformed_invitations_look_alike() -> None:
    async with talk() as (server, _, _):
        url = invite(server)
        assert (await delete(url)).status_code == 204
        answers = [await post(each) for each in (url, f"{server.url}/say/{'A' * 32}", f"{server.url}/say/x")]
        assert [(answer.status_code, answer.json()) for answer in answers] == [(404, UNKNOWN)] * 3
        assert len({str(sorted(set(answer.headers) - {"date"})) for answer in answers}) == 1
        assert (await delete(f"{server.url}/say/{'A' * 32}")).status_code == 204


async def test_only_so_many_texts_wait() -> None:
    async with talk() as (server, client, _):
        url = invite(server)
        await said(url, "One.")
        await client.next("play_audio")
        for _ in range(MAX_TEXTS_TO_SAY):
            await said(url, "Again.")
        full = await post(url)
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (429, "rate", "5")


async def test_each_invitation_has_the_rate_of_a_user_who_types() -> None:
    async with talk() as (server, _, _):
        url = invite(server)
        statuses = [(await post(url, {"text": "Hm."})).status_code for _ in range(limits.TEXTS_AT_ONCE + 3)]
        assert statuses[:MAX_TEXTS_TO_SAY] == [202] * MAX_TEXTS_TO_SAY
        assert statuses[-1] == 429


async def test_guesses_are_limited_by_address_and_leave_invitations_alone() -> None:
    async with talk(offers_per_minute=5) as (server, _, _):
        url = invite(server)
        guesses = [await post(f"{server.url}/say/{number}") for number in range(6)]
        assert [guess.status_code for guess in guesses] == [404] * 5 + [429]
        await said(url, "Hello.")
        assert (await delete(f"{server.url}/say/{'A' * 32}")).status_code == 429, "all workers would be asked"
        assert (await delete(url)).status_code == 204


async def test_a_capability_takes_the_place_of_the_login() -> None:
    locked = {"app_username": "ann", "app_password": SecretStr("correct horse")}
    agent = ScriptedAgent()
    async with serving(scripted(ScriptedStt(), agent, ToneTts()), config.load(**locked)) as server:
        assert (await post(f"{server.url}/preflight")).status_code == 401
        assert (await post(f"{server.url}/say/{'A' * 32}")).status_code == 404
        assert (await post(f"{server.url}/say")).status_code == 401
        assert (await post(f"{server.url}/say/", headers={"Origin": "https://evil.example"})).status_code == 403


async def test_the_invitation_survives_a_reload_and_ends_with_a_new_conversation() -> None:
    async with talk(thinks=[["Hello."]]) as (server, client, _):
        await client.send("text", text="hello")
        await plays_until(client, "state", phase="idle")
        url, before = invite(server), session_of(server)
        name = client.came[0]["conversation"]
        assert name not in url
        assert name not in before.conversation_key
        async with ws_client(server, f"?conversation={name}") as again:
            await again.next("connected")
            await before.over.wait()
            assert session_of(server).conversation_key == before.conversation_key
            await said(url, "Welcome back.")
            assert (await again.next("play_audio"))["text"] == "Welcome back."
            await again.send("clear")
            await again.next("state", phase="idle")
            assert (await post(url)).status_code == 404


async def test_a_user_who_is_away_is_not_a_user_who_was_never_there() -> None:
    async with talk() as (server, client, _):
        url = invite(server)
        session = session_of(server)
        await client.socket.close()
        await session.over.wait()
        away = await post(url)
        assert (away.status_code, away.json()["error"]) == (409, "The user is not connected just now.")
        assert away.headers["retry-after"] == "5"


async def test_a_deleted_conversation_has_no_invitations() -> None:
    async with talk(thinks=[["Hello."]]) as (server, client, _):
        await client.send("text", text="hello")
        await plays_until(client, "state", phase="idle")
        url = invite(server)
        assert (await delete(f"{server.url}/conversations/{client.came[0]['conversation']}")).status_code == 204
        assert (await post(url)).status_code == 404


async def test_a_person_takes_over_hears_the_user_and_gives_the_conversation_back() -> None:
    async with talk(thinks=[["I am back."]]) as (server, client, agent):
        handover = server.services.invitations.hand_over(session_of(server).conversation_key)
        await client.send("text", text="is anybody there")
        async with asyncio.timeout(10):
            assert await anext(handover) == Message(Role.USER, "is anybody there")
        await said(handover.say_url, "This is Mia.")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"])
        async with asyncio.timeout(10):
            assert await anext(handover) == Message(Role.ASSISTANT, "This is Mia.")
        assert agent.asked == [], "no model answers while a person does"
        assert (await delete(handover.say_url)).status_code == 204
        assert [message async for message in handover] == []
        assert handover.ended is HandoverEnd.GIVEN_BACK
        await client.send("text", text="bot are you back")
        await plays_until(client, "state", phase="idle")
        assert agent.asked == [
            (
                Message(Role.USER, "is anybody there"),
                Message(Role.ASSISTANT, "This is Mia."),
                Message(Role.USER, "bot are you back"),
            )
        ]


async def test_the_person_hears_where_the_user_interrupted() -> None:
    async with talk() as (server, client, _):
        handover = server.services.invitations.hand_over(session_of(server).conversation_key)
        await said(handover.say_url, "The first sentence is this one. The second one is long and is not heard.")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"])
        await client.next("play_audio")
        await client.send("text", text="stop there what did you say")
        async with asyncio.timeout(10):
            assert await anext(handover) == Message(Role.ASSISTANT, "The first sentence is this one.", interrupted=True)
            assert await anext(handover) == Message(Role.USER, "stop there what did you say")


async def test_a_reload_does_not_bring_the_bot_back_in_place_of_the_person() -> None:
    async with talk() as (server, client, agent):
        handover = server.services.invitations.hand_over(session_of(server).conversation_key)
        await client.send("text", text="is anybody there")
        async with asyncio.timeout(10):
            await anext(handover)
        name = client.came[0]["conversation"]
        await client.socket.close()
        async with ws_client(server, f"?conversation={name}") as again:
            await again.next("connected")
            await again.send("text", text="hello again")
            async with asyncio.timeout(10):
                assert await anext(handover) == Message(Role.USER, "hello again")
        assert agent.asked == []


@effects
async def book() -> str:
    """Book a table."""
    await current_conversation().say("Your table is booked.")
    return "booking"


@effects
def book_from_thread() -> str:
    """Book a table, from a thread."""
    current_conversation().say_from_thread("Your table is booked.")
    return "booking"


@pytest.mark.parametrize("tool", [book, book_from_thread])
async def test_a_tool_has_the_bot_say_something_after_its_own_reply(tool: BaseTool) -> None:
    model = Script(answers=[[call(tool.name)], ["I am booking."], ["You are welcome."]])
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    agent = GraphAgent(model, Toolbox([tool]), "script", prompt=brief)
    async with serving(replace(engines, agent=agent), config.load()) as server, ws_client(server) as client:
        await client.send("text", text="book a table")
        for text in ("I am booking.", "Your table is booked."):
            clip = await client.next("play_audio")
            assert clip["text"] == text
            await client.send("clip_played", sequence=clip["sequence"])
        await client.next("state", phase="idle")
        await client.send("text", text="thank you")
        await plays_until(client, "state", phase="idle")
        assert [each.text for each in model.given[-1]][-3:] == ["I am booking.", "Your table is booked.", "thank you"]


@pytest.mark.parametrize("keep", [True, False])
async def test_conversations_of_two_users_have_different_ids(keep: bool) -> None:
    async with talk(keep_conversations=keep) as (server, _, _), ws_client(server) as other:
        await other.next("connected")
        keys = {session.conversation_key for session in server.sessions("ws") if isinstance(session, Session)}
        assert len(keys) == 2
