"""A client of `/ws` loses its connection in the middle of an answer, connects again, and hears the rest."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.engines import ScriptedAgent
from tests.support.live_server import LiveServer
from tests.support.machine_session import bot as said
from tests.support.machine_session import user
from tests.support.waiting import until
from tests.support.ws_bot import bot, history, session, until_heard
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.dialogue.history import History

STORY = ["Once upon a time there was a cat. ", "It lived on a ship. ", "It was grey."]


def agent(server: LiveServer) -> ScriptedAgent:
    made: Any = server.services.engines.agent
    assert isinstance(made, ScriptedAgent)
    return made


async def stored_history(server: LiveServer, name: str) -> History:
    """Waits until no session goes on, and returns what is stored of the conversation."""
    await until(lambda: not server.sessions("ws"))
    record = await server.services.conversations.read(name)
    assert record is not None
    return record.history


async def hear_a_sentence(client: WsClient) -> str:
    """Asks for the story and plays its first sentence. Returns the name of the conversation."""
    name = (await client.next("connected"))["conversation"]
    await client.send("text", text="tell me a story")
    await client.next("llm.final")
    clip = await client.next("play_audio")
    await client.send("clip_played", sequence=clip["sequence"])
    return str(name)


async def test_the_rest_of_an_answer_is_heard_after_the_connection_was_lost() -> None:
    async with bot([STORY]) as server:
        async with ws_client(server) as first:
            name = await hear_a_sentence(first)
            await until_heard(server, len(STORY[0].split()))
        _, heard = (message.text for message in await stored_history(server, name))
        assert heard.startswith(STORY[0].strip())
        async with ws_client(server, f"?conversation={name}") as second:
            await plays_until(second, "state", phase="idle")
            spoken = " ".join(clip["text"] for clip in second.all("play_audio"))
            assert [*heard.split(), *spoken.split()] == "".join(STORY).split()
            assert history(server) == (user("tell me a story"), said("".join(STORY)))
            assert len(agent(server).asked) == 1
        assert await stored_history(server, name) == (user("tell me a story"), said("".join(STORY)))
        async with ws_client(server, f"?conversation={name}") as third:
            await third.next("connected")
            await third.send("text", text="hello")
            await until(lambda: len(agent(server).asked) == 2)
            assert not third.all("play_audio"), "the rest is not said twice"


async def test_an_answer_that_was_not_complete_is_given_again_and_counts_as_one_turn() -> None:
    never = asyncio.Event()
    async with bot([["Once upon a time. ", "There was", never], STORY], turns_per_day=100) as server:
        async with ws_client(server) as first:
            name = (await first.next("connected"))["conversation"]
            await first.send("text", text="tell me a story")
            await first.next("play_audio")
        async with ws_client(server, f"?conversation={name}") as second:
            await plays_until(second, "state", phase="idle")
            spoken = " ".join(clip["text"] for clip in second.all("play_audio"))
            assert spoken.split() == "".join(STORY).split()
            assert [message.role for message in agent(server).asked[1]] == ["user"]
        assert server.services.turns.used == 1


async def test_it_goes_on_for_a_client_that_says_it_comes_back_and_not_for_one_that_hangs_up() -> None:
    async with bot([STORY, STORY]) as server:
        for comes_back, code in ((True, "gone"), (False, "bye")):
            async with ws_client(server) as first:
                name = await hear_a_sentence(first)
                await first.send("bye", comes_back=comes_back)
                await first.next("closed", code=code)
            async with ws_client(server, f"?conversation={name}") as second:
                await second.next("connected")
                assert (session(server).state.unfinished is not None) is comes_back
            await stored_history(server, name)
