"""The limits of a session over WebRTC: what its client is told, and that its place is free again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.engines import ScriptedAgent, ToneTts
from tests.support.rtc_bot import Json, answered, quick
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.waiting import until
from voicebot.access.rates import TOO_MANY_TEXTS
from voicebot.dialogue.machine import NOBODY_THERE
from voicebot.languages.prompts import goodbye, still_there
from voicebot.runtime import limits


def is_closed(message: Json) -> bool:
    return bool(message["type"] == "closed")


async def test_sessions_per_address_are_limited_and_a_closed_session_frees_its_place() -> None:
    async with quick(max_sessions_per_address=1) as server:
        async with RtcClient(server.url):
            with pytest.raises(OfferRefusedError, match=r"429 .*You have 1 sessions open"):
                async with RtcClient(server.url):
                    pass
        await until(lambda: server.services.admission.sessions == 0)
        async with RtcClient(server.url):
            assert server.services.admission.sessions == 1


async def test_a_newer_session_in_a_conversation_ends_the_older_one_and_takes_its_place() -> None:
    agent = ScriptedAgent(scripts=[["Hello."]])
    async with quick(agent, max_sessions_per_address=1) as server, RtcClient(server.url) as older:
        connected = await older.wait_for_message(lambda message: message["type"] == "connected")
        assert 29 * 60 < connected["ends_in_s"] <= 30 * 60
        older.send({"type": "text", "text": "hello"})
        await older.wait_for_message(answered(1))
        async with RtcClient(server.url, conversation=connected["conversation"]) as newer:
            assert (await older.wait_for_message(is_closed))["code"] == "elsewhere"
            state = await newer.wait_for_message(lambda message: message["type"] == "state")
            assert [each["role"] for each in state["chat"]] == ["user", "assistant"]
            await until(lambda: len(server.sessions("webrtc")) == server.services.admission.sessions == 1)


async def test_failed_offers_take_no_place_and_are_rate_limited() -> None:
    async with quick(offers_per_minute=3) as server:
        bad = {"sdp": "m=audio m=application nonsense", "type": "offer", "webrtc_id": "x"}
        statuses = [(await server.post("/webrtc/offer", bad)).status_code for _ in range(3)]
        assert statuses == [400] * 3
        assert server.services.admission.sessions == 0
        refused = await server.post("/webrtc/offer", bad)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 20


async def test_a_session_ends_when_its_address_has_used_up_its_daily_minutes() -> None:
    async with quick(minutes_per_day_per_address=0.01) as server:
        async with RtcClient(server.url) as client:
            closed = await client.wait_for_message(is_closed)
            assert "used the 0.01 minutes" in closed["reason"]
            assert closed["code"] == "day"
        with pytest.raises(OfferRefusedError, match=r"429 .*Come back tomorrow"):
            async with RtcClient(server.url):
                pass


async def test_excess_messages_get_an_error_and_a_flood_of_messages_ends_the_session() -> None:
    async with quick(ScriptedAgent(scripts=[["Hello."]]), messages_per_s=1) as server, RtcClient(server.url) as client:
        client.send({"type": "text", "text": "hello"})
        await client.wait_for_message(answered(1))
        for _ in range(6):
            client.send({"type": "dispute", "verdict": 1, "disputed": True})
        error = await client.wait_for_message(lambda message: message["type"] == "error")
        assert "too many messages: 1 a second are allowed" in error["message"]
        assert not any(is_closed(message) for message in client.messages)
        for _ in range(60):
            client.channel.send(json.dumps({"type": "clear"}))
        closed = await client.wait_for_message(is_closed)
        assert "too many messages" in closed["reason"]
        await client.wait_for_state("closed")


async def test_an_idle_user_is_asked_for_and_the_session_then_ends_with_a_reason() -> None:
    async with quick(idle_timeout_s=0.2, idle_goodbye_s=1) as server, RtcClient(server.url) as client:
        closed = await client.wait_for_message(is_closed, 15)
        assert (closed["code"], closed["reason"]) == ("idle", NOBODY_THERE)
        state = await client.wait_for_message(answered(2))
        assert [each["heard"] for each in state["chat"]] == [still_there("en"), goodbye("en")]
        await until(lambda: server.services.admission.sessions == 0)


async def test_the_client_is_notified_of_each_sentence_that_is_dropped_unspoken() -> None:
    """Sentences of 0.1 s come while the first is being spoken: one waits, and none for longer than the next takes."""
    sentences = " ".join(f"Sentence number {number} is said now." for number in range(6))
    options: dict[str, Any] = {"tts_queue_max": 1, "tts_overflow": "drop-oldest", "tts_prefetch": 1}
    agent = ScriptedAgent(scripts=[[sentences]])
    async with quick(agent, ToneTts(letter_s=0.003), **options) as server, RtcClient(server.url) as client:
        client.send({"type": "text", "text": "talk"})
        state = await client.wait_for_message(answered(1))
        told = [message["text"] for message in client.messages if message["type"] == "tts.dropped"]
        assert told
        assert not any(text in state["chat"][-1]["heard"] for text in told)
        assert all(text in state["chat"][-1]["heard"] or text in told for text in sentences_of(sentences))


def sentences_of(text: str) -> list[str]:
    return [f"{each.rstrip('.')}." for each in text.split(". ")]


async def test_texts_typed_too_fast_are_refused_with_an_error() -> None:
    async with quick(messages_per_s=1_000) as server, RtcClient(server.url) as client:
        for number in range(limits.TEXTS_AT_ONCE + 1):
            client.send({"type": "text", "text": f"hello {number}"})
        error = await client.wait_for_message(lambda message: message["type"] == "error")
        assert error["message"] == TOO_MANY_TEXTS
        assert not any(is_closed(message) for message in client.messages)
