"""What one worker answers for another: offers, recordings, invitations, whether a session lives, the health of all."""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.attacks.peer import offered_sdp
from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_workers import LiveWorker, workers
from tests.support.metrics_page import samples
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.transcripts import transcript
from tests.support.waiting import until
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.dialogue.history import Message, Role
from voicebot.engines.protocols import Engines
from voicebot.session.services import AppServices
from voicebot.session.session import Session
from voicebot.settings import config
from voicebot.web import forwarding
from voicebot.workers.siblings import ANSWER_S, Siblings

OPEN: dict[str, Any] = {"max_sessions_per_address": 0, "offers_per_minute": 200}


def quick(*answers: list[str]) -> Engines:
    return scripted(ScriptedStt(), ScriptedAgent(scripts=list(answers)), ToneTts())


@asynccontextmanager
async def three(**settings: Any) -> AsyncIterator[list[LiveWorker]]:
    async with workers([quick(), quick(["Well, well."]), quick()], config.load(**(OPEN | settings))) as found:
        yield found


async def ask(method: str, worker: LiveWorker, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        return await http.request(method, worker.url + path, **options)


def sessions(found: list[LiveWorker]) -> list[int]:
    return [worker.services.admission.sessions for worker in found]


def refusals(worker: LiveWorker) -> dict[str, float]:
    page = samples(worker.services.telemetry.metrics.exposition())
    counts = {key[1]: value for key, value in page.items() if key[0] == "voicebot_refusals_total"}
    return {reason: count for reason, count in counts.items() if count}


async def begun(stack: AsyncExitStack, url: str) -> RtcClient:
    """Returns a client whose session has begun, so that its place is taken."""
    client = await stack.enter_async_context(RtcClient(url))
    await client.wait_for_message(lambda message: message["type"] == "connected")
    return client


async def test_the_worker_with_the_fewest_sessions_answers_an_offer() -> None:
    async with three(max_sessions=3) as found, AsyncExitStack() as stack:
        first, second, third = found
        await begun(stack, first.url)
        assert sessions(found) == [1, 0, 0], "a tie stays where it is"
        caller = await begun(stack, first.url)
        assert sorted(sessions(found)) == [0, 1, 1]
        caller.send({"type": "bye"})
        await caller.wait_for_message(lambda message: message["type"] == "closed")
        await until(lambda: sum(sessions(found)) == 1)
        await second.vanish()
        await begun(stack, first.url)
        assert sessions(found) == [1, 0, 1], "a dead worker is passed over"
        await begun(stack, first.url)
        assert sessions(found) == [2, 0, 1]
        with pytest.raises(OfferRefusedError, match="All 3 places are taken") as refused:
            await stack.enter_async_context(RtcClient(third.url))
        assert refused.value.status == 503
        assert [refusals(worker) for worker in found] == [{}, {}, {"full": 1}], "the worker that was asked counts once"


async def test_an_offer_goes_to_the_worker_that_has_its_conversation() -> None:
    async with (
        three() as found,
        talked(found[1]) as (client, connected),
        RtcClient(found[0].url, conversation=connected["conversation"]) as caller,
    ):
        again = await caller.wait_for_message(lambda message: message["type"] == "connected")
        assert again["conversation"] == connected["conversation"]
        assert (await client.next("closed"))["code"] == "elsewhere"
        assert len(found[1].server.sessions("webrtc")) == 1


async def test_a_sibling_refuses_an_offer_as_this_worker_would() -> None:
    async with three(offers_per_minute=2) as found, AsyncExitStack() as stack:
        await stack.enter_async_context(RtcClient(found[0].url))
        offer = {"type": "offer", "sdp": "nonsense", "webrtc_id": "a-name"}
        wrong = await ask("POST", found[0], "/webrtc/offer", json=offer)
        assert (wrong.status_code, wrong.json()["code"]) == (400, "request")
        assert wrong.json()["error"].startswith("sdp: ")
        for _ in range(6):
            answer = await ask("POST", found[0], "/webrtc/offer", json=offer)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate")
        assert int(answer.headers["retry-after"]) > 0
        assert "voicebot-refusal" not in answer.headers
        assert sum(sum(refusals(worker).values()) for worker in found) == 7


async def test_an_address_that_connects_too_often_makes_no_worker_ask_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with three(offers_per_minute=2) as found:
        offer = {"type": "offer", "sdp": "nonsense", "webrtc_id": "a-name", "conversation": "A" * 32}
        statuses = [(await ask("POST", found[0], "/webrtc/offer", json=offer)).status_code for _ in range(2)]
        assert statuses == [400, 400]
        asked: list[str] = []

        async def find(_: Siblings, method: str, path: str) -> None:
            asked.append(f"{method} {path}")

        monkeypatch.setattr(Siblings, "find", find)
        refused = await ask("POST", found[0], "/webrtc/offer", json=offer)
        assert (refused.status_code, refused.json()["code"], asked) == (429, "rate", [])


@pytest.mark.parametrize("load_s", [0.0, 60.0], ids=["stopped before", "stopped meanwhile"])
async def test_a_stopped_worker_delays_an_offer_a_little_and_gets_none(
    monkeypatch: pytest.MonkeyPatch, load_s: float
) -> None:
    """The second worker is stopped before the offer comes, or just after it has told that it has no session."""
    monkeypatch.setattr(forwarding, "LOAD_S", load_s)
    async with three() as found, AsyncExitStack() as stack:
        await begun(stack, found[0].url)
        async with found[1].stopped():
            began_s = time.monotonic()
            await begun(stack, found[0].url)
            took_s = time.monotonic() - began_s
            assert sessions(found) == [1, 0, 1]
            assert took_s < 2 * ANSWER_S + 3
        assert found[1].services.admission.pending == 0, "it leaves the offer alone that it finds when it goes on"


async def test_an_offer_that_nobody_waits_for_any_more_takes_no_conversation_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sender gives the offer up while a slow engine keeps the worker from answering."""
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(_: AppServices) -> None:
        asked.set()
        await goes_on.wait()

    sdp = await offered_sdp()
    async with three() as (asked_worker, holder, _), talked(holder) as (_, connected):
        monkeypatch.setattr(AppServices, "must_be_able_to_answer", slow)
        offer = {"type": "offer", "sdp": sdp, "webrtc_id": "a-name", "conversation": connected["conversation"]}
        path = asked_worker.place.process_socket(os.getpid())
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as sibling:
            offering = asyncio.create_task(sibling.post("/webrtc/offer", json=offer))
            await asked.wait()
            offering.cancel()
            await asyncio.wait([offering])
        assert asked_worker.services.admission.pending == 1
        goes_on.set()
        await until(lambda: not asked_worker.services.admission.pending)
        assert sessions([asked_worker, holder]) == [0, 1]


def session_of(worker: LiveWorker) -> Session:
    """Returns the worker's only session over `/ws`."""
    (session,) = worker.server.sessions("ws")
    assert isinstance(session, Session)
    return session


@asynccontextmanager
async def talked(worker: LiveWorker) -> AsyncIterator[tuple[WsClient, dict[str, Any]]]:
    """Runs a session over `/ws` with one answer."""
    async with ws_client(worker.server) as client:
        connected = await client.next("connected")
        await client.send("text", text="and now")
        await plays_until(client, "state", phase="idle")
        yield client, connected


async def test_a_recording_is_downloaded_and_deleted_through_any_worker() -> None:
    async with three() as found:
        async with talked(found[1]) as (_, connected):
            path = f"/recordings/{connected['recording']}.zip"
            here, there = await ask("HEAD", found[1], path), await ask("HEAD", found[2], path)
            assert here.status_code == there.status_code == 200
            for name in ("content-type", "content-disposition", "cache-control"):
                assert here.headers[name] == there.headers[name]
        download = await ask("GET", found[0], path)
        assert download.headers["content-disposition"] == here.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(download.content)) as archive:
            words = [message["text"] for message in json.loads(archive.read("transcript.json"))["messages"]]
            assert words == ["and now", "Well, well."]
            assert len(archive.read("conversation.wav")) > 5_000
        async with found[1].stopped():
            assert (await ask("HEAD", found[2], path)).status_code == 503, "the stopped worker may have it"
        assert (await ask("DELETE", found[0], path)).status_code == 204
        for worker in found[:2]:
            gone = await ask("GET", worker, path)
            assert (gone.status_code, gone.json()["code"]) == (404, "request")


async def test_downloads_through_several_workers_count_once_each_where_the_client_asks() -> None:
    async with three(offers_per_minute=3) as found:
        path = f"/recordings/{'A' * 32}.zip"
        statuses = [(await ask("HEAD", found[0], path)).status_code for _ in range(4)]
        assert statuses == [404, 404, 404, 429]
        assert (await ask("HEAD", found[1], path)).status_code == 404


async def test_a_person_outside_speaks_through_any_worker() -> None:
    async with three() as found, talked(found[1]) as (client, _):
        path = f"/say/{found[1].services.invitations.invite(session_of(found[1]).conversation_key).rpartition('/')[2]}"
        assert (await ask("POST", found[2], path, json={"text": "Your table is booked."})).status_code == 202
        assert (await client.next("play_audio"))["text"] == "Your table is booked."
        empty = await ask("POST", found[0], path, json={"text": " "})
        assert (empty.status_code, empty.json()) == (422, {"error": "text: it is empty", "code": "request"})
        assert (await ask("DELETE", found[0], path)).status_code == 204
        for worker in found:
            ended = await ask("POST", worker, path, json={"text": "Hello?"})
            assert (ended.status_code, ended.json()["code"]) == (404, "request")


async def test_many_guesses_at_once_make_no_worker_ask_the_others_more_often_than_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with three(offers_per_minute=3) as found, talked(found[1]):
        asked: list[str] = []
        find = Siblings.find

        async def counted(self: Siblings, method: str, path: str, **more: Any) -> Any:
            asked.append(path)
            return await find(self, method, path, **more)

        monkeypatch.setattr(Siblings, "find", counted)
        guess, text = f"/say/{'A' * 32}", {"text": "Hello?"}
        answers = await asyncio.gather(*(ask("POST", found[0], guess, json=text) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [404] * 3 + [429] * 9
        assert len(asked) == 3
        invited = found[1].services.invitations.invite(session_of(found[1]).conversation_key).rpartition("/")[2]
        said = [await ask("POST", found[2], f"/say/{invited}", json=text) for _ in range(4)]
        assert [each.status_code for each in said] == [202] * 4, "texts that are said are no guesses"


async def test_a_person_who_has_taken_over_goes_on_when_the_user_comes_back_to_another_worker() -> None:
    async with workers([quick(["Well, well."]), quick(["I am the bot."])], config.load(**OPEN)) as (first, second):
        async with talked(first) as (client, connected):
            conversation = connected["conversation"]
            key = session_of(first).conversation_key
            handover = first.services.invitations.hand_over(key)
            path = f"/say/{handover.say_url.rpartition('/')[2]}"
        async with ws_client(second.server, f"?conversation={conversation}") as client:
            await client.next("connected")
            session = session_of(second)
            await until(lambda: session.state.handed_over)
            await client.send("text", text="are you there")
            assert await anext(handover) == Message(Role.USER, "are you there")
            said = await ask("POST", second, path, json={"text": "Yes, I am Mia."})
            assert said.status_code == 202
            await plays_until(client, "state", phase="idle")
            assert await anext(handover) == Message(Role.ASSISTANT, "Yes, I am Mia.")
            await until(lambda: not first.services.invitations.has_session(key))
            handover.end()
            await until(lambda: not session.state.handed_over)
            await client.send("text", text="and now")
            assert (await client.next("play_audio"))["text"] == "I am the bot."
            first.services.invitations.hand_over(key)
            await until(lambda: session.state.handed_over)
            await first.vanish()
            await client.send("text", text="hello?")
            await until(lambda: not session.state.handed_over)


async def test_an_invitation_ends_with_its_conversation_in_another_worker() -> None:
    async with workers([quick(["Well, well."]), quick()], config.load(**OPEN)) as (first, second):
        async with talked(first) as (client, connected):
            conversation = connected["conversation"]
            invitations, key = first.services.invitations, session_of(first).conversation_key
            url = invitations.invite(key)
        async with ws_client(second.server, f"?conversation={conversation}") as client:
            await client.next("connected")
            await until(lambda: not invitations.has_session(key))
            await client.send("clear")
            await until(lambda: not invitations.know(key))
            path = f"/say/{url.rpartition('/')[2]}"
            assert (await ask("POST", first, path, json={"text": "Hello?"})).status_code == 404


async def test_whether_a_session_goes_on_is_known_through_any_worker() -> None:
    async with three() as found:
        async with talked(found[1]) as (_, connected):
            path = f"/webrtc/sessions/{connected['session_id']}"
            assert [(await ask("GET", worker, path)).status_code for worker in found] == [204] * 3
            async with found[1].stopped():
                assert (await ask("GET", found[0], path)).status_code == 503, "nobody can tell"
            await found[1].vanish()
            assert (await ask("GET", found[2], path)).status_code == 404, "it ended with its worker"
        await until(lambda: found[1].services.admission.sessions == 0)
        assert (await ask("GET", found[1], path)).status_code == 404
        assert (await ask("GET", found[1], "/webrtc/sessions/x")).status_code == 422


async def test_the_health_of_one_worker_names_all_of_them() -> None:
    async with three() as found, talked(found[1]), AsyncExitStack() as stack:
        await stack.enter_async_context(RtcClient(found[2].url))
        health = (await ask("GET", found[0], "/health")).json()
        assert health["sessions"] == 2
        assert [(each["worker"], each["status"], each["sessions"]) for each in health["workers"]] == [
            (0, "ready", 0),
            (1, "ready", 1),
            (2, "ready", 1),
        ]


async def test_an_offer_goes_to_the_worker_that_has_the_import_in_memory() -> None:
    """Where conversations are not kept, the worker that takes an import is the only one that knows it."""
    async with three(keep_conversations=False) as found:
        imported = await ask("POST", found[1], "/conversations", content=transcript())
        async with RtcClient(found[0].url, conversation=imported.json()["conversation"]) as client:
            shown = await client.wait_for_message(lambda message: bool(message.get("chat")))
            assert shown["chat"][0]["text"] == "hello"
