"""The example of a hand-over, in a session over a real socket: a person, a webhook, and what goes wrong with it."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.simulators.http_simulator import HttpSimulator
from tests.simulators.http_wire import Exchange
from tests.support.closed_port import closed_port
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.noted_conversation import NotedConversation, NotedHandover
from tests.support.paths import PROJECT
from tests.support.scripted_model import Script, brief
from tests.support.ws_client import WsClient, recording, ws_client
from voicebot.agent.loading import load_module
from voicebot.agent.own_agent import OwnGraphAgent
from voicebot.agent.own_graph import load_own_graph
from voicebot.agent.tools import Toolbox
from voicebot.engines.conversation import HandoverEnd
from voicebot.settings import config

EXAMPLE = str(PROJECT / "examples" / "handover" / "graph.py")
WISH = "I want to talk to a person"


class Webhook(HttpSimulator):
    """The person's side. Answers 204, or the next of `statuses`; None stands for no answer at all."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.statuses: list[int | None] = []

    async def answer(self, exchange: Exchange) -> None:
        status = self.statuses.pop(0) if self.statuses else 204
        if status is None:
            await asyncio.Event().wait()
            return
        self.events.append(json.loads(exchange.request.body))
        await exchange.respond(status, (), b"")
        self.changed.notify()

    async def next(self, event: str) -> dict[str, Any]:
        """Returns the next event, which must be of this kind."""
        found = await self.changed.until(lambda: self.events.pop(0) if self.events else None, 10, event)
        assert found["event"] == event, found
        return found


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's module, whose settings a test may replace with `monkeypatch`."""
    return load_module(EXAMPLE, "AGENT")


@pytest.fixture
async def webhook(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Webhook]:
    async with Webhook() as webhook:
        monkeypatch.setattr(example, "WEBHOOK", webhook.url)
        yield webhook


@asynccontextmanager
async def talk(
    answers: Sequence[list[Any]] = (), hears: Sequence[Sequence[str]] = ()
) -> AsyncIterator[tuple[LiveServer, WsClient, Script]]:
    """Runs the bot with the example's graph around a scripted model, and a session over `/ws`."""
    model = Script(answers=[list(answer) for answer in answers])
    graph = load_own_graph(f"{EXAMPLE}:make")
    engines = scripted(ScriptedStt(scripts=list(hears)), ScriptedAgent(), ToneTts())
    agent = OwnGraphAgent(graph, model, Toolbox(()), "script", prompt=brief)
    async with serving(replace(engines, agent=agent), config.load()) as server, ws_client(server) as client:
        await client.next("connected")
        yield server, client, model


async def hear(client: WsClient, text: str) -> None:
    """Plays what comes, and returns when all of `text` has come."""
    words = ""
    async with asyncio.timeout(10):
        while words != text:
            clip = await client.next("play_audio", 10)
            assert len(clip["audio"]) > 1_000
            words = f"{words} {clip['text']}".strip()
            assert text.startswith(words), f"{words!r} is said instead of {text!r}"
            await client.send("clip_played", sequence=clip["sequence"])
    await client.next("state", 10, phase="idle")


async def post(url: str, text: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(url, json={"text": text})).status_code == 202


async def delete(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.delete(url)).status_code == 204


def message(role: str, text: str, *, interrupted: bool = False) -> dict[str, Any]:
    return {"role": role, "text": text, "interrupted": interrupted}


async def handed_over(client: WsClient, webhook: Webhook, example: ModuleType) -> str:
    """Lets the user ask for a person, who learns of it. Returns the address to which the person posts."""
    await client.send("text", text=WISH)
    begun = await webhook.next("handover")
    await hear(client, example.COMING)
    assert (await webhook.next("message"))["message"] == message("assistant", example.COMING)
    return str(begun["say_url"])


async def transcript(server: LiveServer, client: WsClient) -> list[tuple[str, str]]:
    """Downloads the recording; returns role and text of each message in it."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{server.url}/recordings/{client.came[0]['recording']}.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("transcript.json"))
        return [(each["role"], each["text"]) for each in json.loads(archive.read(name))["messages"]]


async def test_a_person_takes_over_and_gives_the_conversation_back(example: ModuleType, webhook: Webhook) -> None:
    async with talk(answers=[["Hello."], ["Your parcel comes tomorrow."]]) as (server, client, model):
        await client.send("text", text="hello")
        await hear(client, "Hello.")
        await client.send("text", text=WISH)
        begun = await webhook.next("handover")
        assert begun["transcript"] == [message("user", "hello"), message("assistant", "Hello."), message("user", WISH)]
        assert begun["say_url"].startswith(f"{server.url}/say/")
        await hear(client, example.COMING)
        assert (await webhook.next("message"))["message"] == message("assistant", example.COMING)

        await client.send("text", text="my parcel has not come")
        assert (await webhook.next("message"))["message"] == message("user", "my parcel has not come")
        await post(begun["say_url"], "This is Mia. I will look.")
        await hear(client, "This is Mia. I will look.")
        assert (await webhook.next("message"))["message"] == message("assistant", "This is Mia. I will look.")
        assert len(model.given) == 1, "no model answers while a person does"

        await delete(begun["say_url"])
        assert (await webhook.next("ended"))["reason"] == "given back"
        await hear(client, example.BACK)
        await client.send("text", text="when does it come")
        await hear(client, "Your parcel comes tomorrow.")
        spoken = [
            *("hello", "Hello.", WISH, example.COMING, "my parcel has not come", "This is Mia. I will look."),
            *(example.BACK, "when does it come"),
        ]
        assert [each.text for each in model.given[-1][1:]] == spoken, "the model sees all that was said and heard"
        assert [text for _, text in await transcript(server, client)] == [*spoken, "Your parcel comes tomorrow."]


async def test_the_person_learns_where_the_user_interrupted_them(example: ModuleType, webhook: Webhook) -> None:
    async with talk(hears=[["what about my money"]]) as (_, client, _):
        say_url = await handed_over(client, webhook, example)
        await post(say_url, "Your parcel is lost. We are very sorry, and we will send you another one.")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"])
        await client.next("play_audio")
        await client.send("speech_start")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="regenerate")
        heard = (await webhook.next("message"))["message"]
        assert heard["interrupted"]
        assert heard["text"].startswith("Your parcel is lost.")
        assert not heard["text"].endswith("another one.")
        assert (await webhook.next("message"))["message"] == message("user", "what about my money")


async def test_a_backchannel_does_not_stop_the_person(example: ModuleType, webhook: Webhook) -> None:
    async with talk(hears=[["uh-huh"]]) as (_, client, _):
        say_url = await handed_over(client, webhook, example)
        await post(say_url, "Your parcel comes tomorrow at noon.")
        await client.next("play_audio")
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="resume")
        await client.next("playback_resume")
        rest = await client.next("play_audio")
        await client.send("clip_played", sequence=rest["sequence"])
        told = (await webhook.next("message"))["message"]
        assert told == message("assistant", "Your parcel comes tomorrow at noon.")


async def test_a_desk_that_is_busy_is_named_and_the_bot_goes_on(example: ModuleType, webhook: Webhook) -> None:
    webhook.statuses = [503]
    async with talk(answers=[["I am here."]]) as (_, client, _):
        await client.send("text", text=WISH)
        await hear(client, f"{example.COMING} {example.FAILED.format(reason='everybody is busy')}")
        await client.send("text", text="are you there")
        await hear(client, "I am here.")


async def test_a_webhook_whose_address_is_wrong_is_named(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "WEBHOOK", "http://desk:87OO")
    talk, handover = NotedConversation(), NotedHandover()
    await example.serve(talk, handover)
    assert talk.said == [example.FAILED.format(reason="nobody answers there")]
    assert handover.ended is HandoverEnd.GIVEN_BACK


async def test_whatever_goes_wrong_the_bot_answers_again(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("desk")

    monkeypatch.setattr(example, "post", broken)
    handover = NotedHandover()
    with pytest.raises(KeyError):
        await example.serve(NotedConversation(), handover)
    assert handover.ended is HandoverEnd.GIVEN_BACK


async def test_a_webhook_that_is_not_there_is_named(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = closed_port()
    monkeypatch.setattr(example, "WEBHOOK", f"http://me:hush@127.0.0.1:{port}/desk?key=hush")
    async with talk() as (_, client, _):
        await client.send("text", text=WISH)
        await hear(client, f"{example.COMING} {example.FAILED.format(reason='nobody answers there')}")
    assert f"the webhook at 127.0.0.1:{port} failed: ConnectError" in caplog.messages
    assert "hush" not in caplog.text


async def test_a_webhook_that_hangs_is_named(
    example: ModuleType, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "WEBHOOK_S", 0.2)
    webhook.statuses = [None]
    async with talk() as (_, client, _):
        await client.send("text", text=WISH)
        await hear(client, f"{example.COMING} {example.FAILED.format(reason='nobody answers there')}")


async def test_a_webhook_that_fails_in_the_middle_brings_the_bot_back(example: ModuleType, webhook: Webhook) -> None:
    webhook.statuses = [204, 204, 500]
    async with talk(answers=[["I am here."]]) as (_, client, _):
        say_url = await handed_over(client, webhook, example)
        await client.send("text", text="is anybody there")
        await hear(client, example.FAILED.format(reason="the line does not work"))
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.post(say_url, json={"text": "hello"})).status_code == 404
        await client.send("text", text="bot are you there")
        await hear(client, "I am here.")


async def test_the_bot_comes_back_if_nobody_answers(
    example: ModuleType, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "WAIT_S", 0.3)
    async with talk() as (_, client, _):
        await handed_over(client, webhook, example)
        assert (await webhook.next("ended"))["reason"] == "given back"
        await hear(client, example.NOBODY)


async def test_a_new_conversation_ends_the_handover_without_a_word(example: ModuleType, webhook: Webhook) -> None:
    async with talk(answers=[["Hello."]]) as (_, client, _):
        await handed_over(client, webhook, example)
        await client.send("clear")
        assert (await webhook.next("ended"))["reason"] == "cleared"
        await client.send("text", text="hello")
        await hear(client, "Hello.")
