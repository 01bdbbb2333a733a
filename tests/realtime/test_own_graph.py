"""An operator's compiled graph, loaded from a file, in a conversation over WebRTC."""

from __future__ import annotations

from pathlib import Path

from tests.support.live_server import serving
from tests.support.rtc_bot import answered, is_state, last_heard
from tests.support.rtc_client import RtcClient
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.bootstrap import engines as build
from voicebot.settings import config

GRAPH = """
from langgraph.graph import START, MessagesState, StateGraph

from voicebot.engines.llm.offline import OfflineModel

model = OfflineModel()


async def classify(state: MessagesState):
    await model.ainvoke([("user", "hello")])  # what a router asks is not spoken


async def answer(state: MessagesState):
    return {"messages": [await model.ainvoke(state["messages"])]}


graph = StateGraph(MessagesState)
graph.add_sequence([classify, answer])
graph.add_edge(START, "classify")
storyteller = graph.compile()
"""


async def test_a_compiled_graph_answers_aloud_and_is_interrupted_by_speech(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GRAPH, "utf-8")
    settings = config.load(agent=f"{tmp_path / 'mine.py'}:storyteller")
    async with serving(build.build(settings), settings) as server, RtcClient(server.url) as client:
        connected = await client.wait_for_message(lambda message: message["type"] == "connected")
        assert connected["engines"]["llm"] == "mine"
        client.send({"type": "text", "text": "tell me a long story"})
        await client.wait_for_message(is_state(lambda state: len(last_heard(state).split()) > 5), 20)
        client.microphone.say(spoken("uh-huh"))
        await client.wait_for_message(is_state(lambda state: state["phase"] == "paused"))
        resumed = await client.wait_for_message(is_state(lambda state: bool(state["verdicts"])), 30)
        assert resumed["verdicts"][0]["decision"] == "resume"
        client.microphone.say(spoken("what is your name"))
        state = await client.wait_for_message(answered(2), 60)
        story, question, answer = state["chat"][-3:]
        assert story["interrupted"]
        assert words(question["text"]) == words("what is your name")
        assert answer["heard"]
        assert "hello" not in story["heard"].lower(), "the router is not spoken"
        (engine,) = (await server.get("/health"))["stages"]["llm"]
        assert (engine["name"], engine["graph"], engine["ready"]) == ("mine", "mine", True)
