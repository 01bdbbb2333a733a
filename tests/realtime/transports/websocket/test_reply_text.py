"""A client gets a reply's text as the model streams it, and the whole text at the end."""

from __future__ import annotations

import asyncio

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.ws_client import ws_client
from voicebot.agent.tools.fillers import Filler
from voicebot.engines.errors import EngineError
from voicebot.languages.prompts import apology
from voicebot.settings import config


async def test_reply_text_is_sent_as_the_model_streams_it_and_whole_at_the_end() -> None:
    more, rest = asyncio.Event(), asyncio.Event()
    agent = ScriptedAgent(
        scripts=[
            ["Hel", more, "lo the", rest, "re. How", " are\n", "you", "?"],
            [Filler("One moment."), "It is five."],
            ["Well", EngineError("scripted", "gone")],
        ]
    )
    options = config.load(preemptive_replies=False)
    async with serving(scripted(ScriptedStt(), agent, ToneTts()), options) as server, ws_client(server) as client:
        await client.send("text", text="hi")
        assert (await client.next("llm.delta"))["text"] == "Hel"
        more.set()
        assert (await client.next("llm.delta"))["text"] == "lo the"
        assert not client.all("play_audio"), "there is no sentence yet"
        rest.set()
        for question, answer in (
            ("", "Hello there. How are you?"),
            ("time", "One moment. It is five."),
            ("and", f"Well {apology('en')}"),
        ):
            if question:
                await client.send("text", text=question)
            final = await client.next("llm.final")
            assert final["text"] == answer
            pieces = [each["text"] for each in client.all("llm.delta") if each["reply"] == final["reply"]]
            assert " ".join("".join(pieces).split()) == answer
            await client.next("state", phase="idle")
