"""What a client is told of a reply's text: as the model streams it, and whole."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.ws_client import ws_client
from voicebot import config
from voicebot.core.reply_state import Reply
from voicebot.core.sayings import apology
from voicebot.core.state import State
from voicebot.engines.base import EngineError
from voicebot.tools.fillers import Filler
from voicebot.transports.ws.narrator import Narrator
from voicebot.transports.ws.protocol import LlmDelta, LlmFinal, ServerMessage


async def test_reply_text_is_sent_as_the_model_streams_it_and_whole_at_the_end() -> None:
    more, rest = asyncio.Event(), asyncio.Event()
    agent = ScriptedAgent(
        scripts=[
            ["Hel", more, "lo the", rest, "re. How", " are\n", "you", "?"],
            [Filler("One moment."), "It is five."],
            ["Well", EngineError("scripted", "gone")],
        ]
    )
    options = config.load(eager_replies=False)
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


async def test_the_text_of_a_preemptive_reply_is_sent_only_once_the_reply_is_wanted() -> None:
    told: list[ServerMessage] = []
    narrator = Narrator(told.append)

    def texts() -> list[str]:
        return [each.text for each in told if isinstance(each, LlmDelta | LlmFinal)]

    narrator.tell(State(reply=Reply(1, eager=True)))
    narrator.stream(1, "For ")
    narrator.stream(1, "nothing.")
    await asyncio.sleep(0)
    narrator.tell(State(reply=Reply(1, eager=True, cancelled=True)))
    narrator.tell(State(reply=Reply(2, eager=True)))
    narrator.stream(2, "Good ")
    await asyncio.sleep(0)
    assert texts() == []
    narrator.tell(State(reply=Reply(2)))
    assert texts() == ["Good "]
    narrator.stream(2, "d")
    narrator.stream(2, "ay.")
    await asyncio.sleep(0)
    assert texts() == ["Good ", "day."]
    narrator.tell(State(reply=Reply(2, sentences=("Good day.",), text_ended=True)))
    narrator.tell(State(reply=Reply(2, sentences=("Good day.",), text_ended=True, started=True)))
    assert texts() == ["Good ", "day.", "Good day."]


@pytest.mark.parametrize("state", [State(reply=Reply(1, cancelled=True)), State()])
async def test_a_reply_that_was_cut_sends_no_further_text(state: State) -> None:
    told: list[ServerMessage] = []
    narrator = Narrator(told.append)
    narrator.tell(State(reply=Reply(1)))
    narrator.stream(1, "Good ")
    narrator.tell(state)
    narrator.stream(1, "day.")
    await asyncio.sleep(0)
    assert not [each for each in told if isinstance(each, LlmFinal | LlmDelta)]
