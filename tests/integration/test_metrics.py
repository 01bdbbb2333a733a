"""Metrics count events, are scraped over HTTP, and do not reveal what was said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
from websockets.asyncio.client import connect

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.errors import engine_error
from tests.support.live_server import serving
from tests.support.metrics_page import samples, scraped
from tests.support.rtc_client import RtcClient
from tests.support.ws_client import ws_client
from voicebot.access.refusal import Reason
from voicebot.audio.sound import Audio
from voicebot.dialogue.events import Stage
from voicebot.dialogue.facts import (
    EngineChanged,
    ErrorRaised,
    Fact,
    ReplyCommitted,
    ReplyFinished,
    ToolCallChanged,
    TurnAnswered,
    VerdictGiven,
    WrongStartRepaired,
)
from voicebot.dialogue.interruption.verdict import Decision, Verdict, VerdictContext
from voicebot.dialogue.state import Turn, VerdictRecord
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ToolTag
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import DEFAULT_STYLE, Engines, Style
from voicebot.observability.metrics import LAG_INTERVAL_S, Metrics
from voicebot.settings import config

SPOKEN = Turn(
    1.0, turn_ended_s=1.6, transcript_s=1.4, begun_s=1.1, token_s=1.2, sentence_s=1.3, audio_s=1.4, frame_s=1.7
)
TYPED = Turn(1.0, 1.0, transcript_s=1.0, begun_s=1.0, token_s=1.1, frame_s=1.4)


def counted(*facts: Fact) -> dict[tuple[str, ...], float]:
    metrics = Metrics()
    metrics.count_facts(facts)
    return samples(metrics.exposition())


def test_a_spoken_turn_is_counted_with_its_steps_and_a_typed_one_without() -> None:
    found = counted(TurnAnswered(1, SPOKEN), TurnAnswered(2, TYPED))
    assert found["voicebot_turns_total",] == 2
    assert found["voicebot_response_gap_seconds_count",] == 1
    assert found["voicebot_response_gap_seconds_bucket", "0.8"] == 1
    assert found["voicebot_response_gap_seconds_bucket", "0.6"] == 0
    assert round(found["voicebot_turn_step_seconds_sum", "endpointing"], 3) == 0.6
    assert round(found["voicebot_turn_step_seconds_sum", "playout"], 3) == 0.1


def test_a_verdict_and_the_answer_it_interrupted_are_each_counted_once() -> None:
    record = VerdictRecord(1, Verdict(Decision.REGENERATE, "words", "“secret”", "secret"), VerdictContext(), took_s=0.3)
    finished = ReplyFinished(1, unheard="a time", interrupted=True, cancelled=True, committed=True, started=True)
    found = counted(VerdictGiven(record), finished, replace(finished, reply=2, interrupted=False))
    assert found["voicebot_verdicts_total", "regenerate", "words"] == 1
    assert found["voicebot_verdict_seconds_sum",] == 0.3
    assert found["voicebot_barge_ins_total",] == 1


def test_an_answer_that_was_taken_back_is_no_interruption() -> None:
    finished = ReplyFinished(1, unheard="a time", interrupted=False, cancelled=True, committed=True, started=True)
    found = counted(WrongStartRepaired(1, "Once upon"), finished)
    assert found["voicebot_wrong_starts_total",] == 1
    assert found["voicebot_barge_ins_total",] == 0


def test_preemptive_replies_are_counted_by_outcome_with_the_tokens_of_discarded_ones() -> None:
    ended = ReplyFinished(1, unheard="", interrupted=False, cancelled=True, committed=False, started=False)
    discarded = replace(ended, tokens_discarded=7)
    kept = replace(ended, reply=3, cancelled=False, committed=True, started=True)
    found = counted(
        ended, discarded, ReplyCommitted(3, preemptive=True), kept, ReplyCommitted(4), replace(kept, reply=4)
    )
    assert found["voicebot_preemptive_replies_total", "discarded"] == 2
    assert found["voicebot_preemptive_replies_total", "kept"] == 1
    assert found["voicebot_preemptive_tokens_discarded_total",] == 7


def test_an_engine_fallback_and_an_error_are_counted() -> None:
    first = EngineChanged(Stage.TTS, "gtts", ())
    found = counted(
        first, EngineChanged(Stage.TTS, "espeak", ("gtts: no answer",)), ErrorRaised(engine_error("it failed"))
    )
    assert found["voicebot_engine_fallbacks_total", "espeak", "tts"] == 1
    assert ("voicebot_engine_fallbacks_total", "gtts", "tts") not in found
    assert found["voicebot_errors_total",] == 1


def test_calls_of_tools_are_counted_by_tag_and_status_with_the_time_that_they_took() -> None:
    metrics = Metrics()
    metrics.count_call(ToolTag.PURE, CallStatus.DONE, 0.2)
    metrics.count_call(ToolTag.EFFECTS, CallStatus.FAILED, 3.0)
    asked = CallRecord("call_1", "order", "{}", CallStatus.NOT_CONFIRMED, "no")
    metrics.count_facts([ToolCallChanged(asked), ToolCallChanged(replace(asked, reported=True))])
    metrics.count_facts([ToolCallChanged(replace(asked, status=CallStatus.RUNNING))])
    found = samples(metrics.exposition())
    calls = {labels[1:]: count for labels, count in found.items() if labels[0] == "voicebot_tool_calls_total"}
    assert {labels for labels, count in calls.items() if count} == {
        ("done", "pure"),
        ("failed", "effects"),
        ("not confirmed", "confirm"),
    }
    assert calls["not confirmed", "confirm"] == 1, "that the user was told of it does not count again"
    assert calls["done", "effects"] == 0, "Prometheus sees no increase in a series that begins with 1"
    assert found["voicebot_tool_call_seconds_bucket", "5.0", "effects"] == 1
    assert found["voicebot_tool_call_seconds_bucket", "2.5", "effects"] == 0


def test_counting_an_answered_turn_costs_less_than_a_millisecond() -> None:
    metrics = Metrics()
    started_s = time.thread_time()
    for _ in range(1_000):
        metrics.count_facts((TurnAnswered(1, SPOKEN),))
    assert time.thread_time() - started_s < 1.0


async def test_a_scrape_counts_a_conversation_without_revealing_its_words() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Xylophones are wooden."]]), ToneTts())
    async with serving(engines, config.load()) as server:
        async with ws_client(server) as client:
            await client.send("text", text="zither")
            clip = await client.next("play_audio")
            during = samples((await scraped(server)).content)
            await client.send("clip_played", sequence=clip["sequence"])
            await client.next("state", phase="idle")
        page = await scraped(server)
    assert page.headers["content-type"].startswith("text/plain; version=")
    found = samples(page.content)
    assert during["voicebot_sessions", "ws"] == 1
    assert during["voicebot_engine_ready", "scripted", "llm"] == 1
    assert found["voicebot_turns_total",] == 1
    assert found["voicebot_sessions", "webrtc"] == 0
    assert found["process_resident_memory_bytes",] > 0
    assert "ylophone" not in page.text
    assert "zither" not in page.text


async def test_a_call_of_a_reply_is_counted_by_the_application() -> None:
    async with serving(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), config.load()) as server:
        server.services.running_calls.count_call(ToolTag.EFFECTS, CallStatus.DONE, 0.3)
        found = samples((await scraped(server)).content)
    assert found["voicebot_tool_calls_total", "done", "effects"] == 1


async def test_sessions_are_counted_by_transport_and_stay_counted_when_they_have_ended() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with serving(engines, config.load()) as server:
        async with ws_client(server) as client:
            await client.next("connected")
        async with RtcClient(server.url) as caller:
            await caller.wait_for_message(lambda message: message["type"] == "connected")
        found = samples((await scraped(server)).content)
    assert found["voicebot_sessions_started_total", "ws"] == 1
    assert found["voicebot_sessions_started_total", "webrtc"] == 1


async def test_underruns_on_both_transports_stay_counted_after_their_sessions_end() -> None:
    """The audio comes more slowly than it is played."""
    agent = ScriptedAgent(scripts=[["One two three four five six seven eight."]] * 2)
    engines = scripted(ScriptedStt(), agent, ToneTts(letter_s=0.03, late_s=0.15))
    async with serving(engines, config.load()) as server:
        async with RtcClient(server.url) as caller:
            caller.send({"type": "text", "text": "count"})
            await caller.wait_for_message(
                lambda message: message["type"] == "state" and message["phase"] == "idle" and len(message["chat"]) == 2
            )
        async with ws_client(server) as client:
            await client.send("text", text="count")
            spoken = False
            async for raw in client.socket:
                message = json.loads(raw)
                if message["event"] == "play_audio":
                    spoken = True
                    await client.send("clip_played", sequence=message["sequence"])
                elif spoken and message["event"] == "state" and message["phase"] == "idle":
                    break
        found = samples((await scraped(server)).content)
    assert found["voicebot_underruns_total", "webrtc"] > 5
    assert found["voicebot_underruns_total", "ws"] > 5


async def test_refused_visitors_are_counted_by_the_reason() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    limits = {"max_sessions": 2, "max_sessions_per_address": 1, "offers_per_minute": 3, "max_body_kb": 128}
    settings = config.load(app_username="ann", app_password="sesame", metrics_public=True, **limits)
    right = httpx.BasicAuth("ann", "sesame")
    async with serving(engines, settings) as server:
        url = server.url.replace("http://", "ws://ann:sesame@") + "/ws"
        async with httpx.AsyncClient(trust_env=False, base_url=server.url) as http:
            await http.get("/", auth=("ann", "open barley"))
            await http.get("/")
            await http.post("/preflight", auth=right, headers={"Origin": "https://elsewhere.example"})
            with contextlib.suppress(httpx.TransportError):  # The body is refused before all of it has been sent.
                await http.post("/webrtc/offer", auth=right, content=bytes(200_000))
            await http.post("/webrtc/offer", auth=right, json={"type": "offer"})
            offer = {"type": "offer", "sdp": "nonsense", "webrtc_id": "a-name"}
            assert (await http.post("/webrtc/offer", auth=right, json=offer)).status_code == 400
        async with connect(f"{url}?rate=1", proxy=None) as odd:
            assert "rate" in str(await odd.recv())
        async with connect(url, proxy=None) as inside:
            await inside.recv()
            for _ in range(2):
                async with connect(url, proxy=None) as refused:
                    await refused.recv()
        page = await scraped(server)
    found = {key[1]: value for key, value in samples(page.content).items() if key[0] == "voicebot_refusals_total"}
    assert {reason: count for reason, count in found.items() if count} == {
        "wrong_login": 1,
        "no_login": 1,
        "origin": 1,
        "body": 1,
        "request": 3,
        "address": 1,
        "rate": 1,
    }
    assert set(found) == {reason.value for reason in Reason}
    assert "127.0.0.1" not in page.text


async def test_every_failure_of_an_engine_is_counted() -> None:
    """The count includes a failure that a second try repaired, and those that caused a fallback."""

    class Shaky(ToneTts):
        failures = iter((Fault.SERVER, None, Fault.SERVER, Fault.LIMITED))

        async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Audio]:
            if (fault := next(self.failures)) is not None:
                raise EngineError(self.name, "no: a reason", fault=fault)
            async for piece in super().synthesize(text, style):
                yield piece

    rules = FallbackRules(backoff_s=0.01, rest_s=60)
    tts = TextToSpeechFallbackGroup([Shaky(name="shaky"), ToneTts(name="steady")], rules)
    fixed = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Well."]] * 2), ToneTts())
    engines = Engines(fixed.stt, fixed.agent, tts, fixed.vad_name, fixed.make_vad)
    async with serving(engines, config.load()) as server, ws_client(server) as client:
        for _ in range(2):
            await client.send("text", text="how are you")
            clip = await client.next("play_audio")
            await client.send("clip_played", sequence=clip["sequence"])
            await client.next("state", phase="idle")
        page = await scraped(server)
    found = samples(page.content)
    assert found["voicebot_engine_errors_total", "shaky", "server", "tts"] == 2
    assert found["voicebot_engine_errors_total", "shaky", "limited", "tts"] == 1
    assert found["voicebot_engine_errors_total", "steady", "server", "tts"] == 0
    assert found["voicebot_engine_fallbacks_total", "steady", "tts"] == 1
    assert found["voicebot_engine_fallbacks_total", "shaky", "tts"] == 0
    assert found["voicebot_engine_ready", "shaky", "tts"] == 0
    assert "a reason" not in page.text


async def test_a_blocked_event_loop_is_measured_as_lag() -> None:
    metrics = Metrics()
    timing = asyncio.create_task(metrics.time_loop())
    await asyncio.sleep(0)  # The measurement begins.
    time.sleep(LAG_INTERVAL_S + 0.2)  # noqa: ASYNC251 (the test blocks the loop on purpose)
    async with asyncio.timeout(5):
        while not (found := samples(metrics.exposition()))["voicebot_loop_lag_seconds_count",]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    timing.cancel()
    assert found["voicebot_loop_lag_seconds_count",] == 1
    assert 0.19 < found["voicebot_loop_lag_seconds_sum",] < 2


async def test_metrics_need_the_login_unless_they_are_public() -> None:
    for public, status in ((False, 401), (True, 200)):
        settings = config.load(app_username="ann", app_password="open sesame", metrics_public=public)
        async with serving(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), settings) as server:
            assert (await scraped(server)).status_code == status
            assert (await scraped(server, auth=("ann", "open sesame"))).status_code == 200
