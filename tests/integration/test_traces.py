"""Traces of turns: the data that a collector gets over HTTP, and the bot's independence of the collector's faults."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.otlp_collector import ENVIRONMENT, Collector, collecting, values
from tests.support.steps import taken
from tests.support.ws_client import WsClient, recording, ws_client
from voicebot.dialogue.events import (
    ConversationCleared,
    EngineReported,
    FinalTranscript,
    Input,
    PartialTranscript,
    PlaybackStarted,
    ReplyEnded,
    SentenceReady,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Stage,
    TextTyped,
    TokenReceived,
    ToolCallBegun,
    ToolCallEnded,
)
from voicebot.dialogue.state import Rules, State
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.errors import EngineError
from voicebot.observability.metrics import LABEL_OF_STEP
from voicebot.observability.telemetry import AppTelemetry
from voicebot.observability.traces import Traces
from voicebot.settings import config

STORY = "Xylophones are made of wooden bars of many lengths and of much patience."
SLOW_S = 40
STEPS = list(LABEL_OF_STEP.values())


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name.upper(), str(value))


@asynccontextmanager
async def traced(
    collector: Collector,
    thinks: Sequence[Sequence[str | asyncio.Event | Exception]],
    hears: Sequence[Sequence[str]] = (),
    **settings: Any,
) -> AsyncIterator[tuple[LiveServer, WsClient]]:
    engines = scripted(ScriptedStt(scripts=list(hears)), ScriptedAgent(scripts=list(thinks)), ToneTts(letter_s=0.01))
    settings = {"otel_exporter_otlp_endpoint": collector.url, "preemptive_replies": False} | settings
    async with serving(engines, config.load(**settings)) as server, ws_client(server) as client:
        yield server, client


async def say(client: WsClient) -> None:
    await client.send("speech_start")
    await client.send("speech_end", audio=recording("wav"))


async def listen(client: WsClient) -> None:
    clip = await client.next("play_audio")
    await client.send("clip_played", sequence=clip["sequence"])
    await client.next("state", phase="idle")


async def got(collector: Collector, count: int = 1) -> list[Span]:
    return await asyncio.to_thread(collector.turns, count)


# The content of traces -------------------------------------------------------------------------------------------


async def test_a_spoken_turn_is_traced_with_its_steps_and_without_its_words() -> None:
    began_ns = time.time_ns()
    with collecting() as collector:
        async with traced(collector, [[STORY]], [["zither music"]]) as (_, client):
            name = (await client.next("connected"))["session_id"]
            await say(client)
            await listen(client)
            (turn,) = await got(collector)
        found = values(turn.attributes)
        assert found.pop("voicebot.turn.response_gap") > 0
        assert found == {
            "voicebot.transport": "ws",
            "gen_ai.conversation.id": name,
            "voicebot.turn.input": "spoken",
            "voicebot.turn.outcome": "completed",
            "voicebot.turn.heard": True,
        }
        assert not turn.parent_span_id
        assert began_ns < turn.start_time_unix_nano < turn.end_time_unix_nano < time.time_ns()
        steps = collector.steps(turn)
        assert list(steps) == [*STEPS, "playback"]
        assert {span.trace_id for span in steps.values()} == {turn.trace_id}
        for span in steps.values():
            assert turn.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.end_time_unix_nano <= turn.end_time_unix_nano + 1_000_000
        resource = collector.resources[0]
        assert (resource["service.name"], resource["telemetry.sdk.language"]) == ("voicebot", "python")
        assert collector.paths[0] == "/v1/traces"
        assert {span.name for span in collector.spans} == {"turn", *STEPS, "playback"}, "libraries add no spans"
        for word in (b"ylophone", b"zither", b"127.0.0.1", socket.gethostname().encode()):
            assert word not in collector.raw


async def test_a_typed_turn_has_no_endpointing_or_recognition_steps() -> None:
    with collecting() as collector:
        async with traced(collector, [[STORY]]) as (_, client):
            await client.send("text", text="zither")
            await listen(client)
            (turn,) = await got(collector)
    assert values(turn.attributes)["voicebot.turn.input"] == "typed"
    assert list(collector.steps(turn)) == [*STEPS[2:], "playback"]


async def test_verdicts_are_events_of_the_turn_that_they_judged() -> None:
    hears = [["uh-huh"], ["what about violins"]]
    with collecting() as collector:
        async with traced(collector, [[STORY * 3], ["Fine."]], hears) as (_, client):
            await client.send("text", text="zither")
            await client.next("play_audio")
            await client.send("client_playback_started")
            await client.next("state", phase="speaking")
            for phase in ("speaking", "thinking"):
                await say(client)
                await client.next("state", phase="paused")
                await client.next("state", phase=phase)
            await listen(client)
            first, second = await got(collector, 2)
    assert [event.name for event in first.events] == ["verdict", "verdict"]
    verdicts = [values(event.attributes) for event in first.events]
    assert [each["voicebot.verdict.decision"] for each in verdicts] == ["resume", "regenerate"]
    assert verdicts[0]["voicebot.verdict.rule"] == "backchannel"
    assert set(verdicts[0]) == {"voicebot.verdict.decision", "voicebot.verdict.rule", "voicebot.verdict.wait"}
    assert first.start_time_unix_nano < first.events[0].time_unix_nano < first.events[1].time_unix_nano
    assert values(first.attributes)["voicebot.turn.outcome"] == "interrupted"
    assert values(second.attributes)["voicebot.turn.outcome"] == "completed"
    assert not second.events
    assert first.trace_id != second.trace_id


async def test_a_failed_turn_has_an_error_status_without_the_error_text() -> None:
    with collecting() as collector:
        async with traced(collector, [[EngineError("scripted", "secret reason")]]) as (_, client):
            await client.send("text", text="zither")
            await listen(client)
            (turn,) = await got(collector)
    assert turn.status.code == Status.STATUS_CODE_ERROR
    assert values(turn.attributes)["error.type"] == "_OTHER"
    assert b"secret reason" not in collector.raw


async def test_a_session_that_ends_during_a_reply_still_exports_its_turn() -> None:
    with collecting() as collector:
        async with traced(collector, [[STORY * 3]]) as (_, client):
            await client.send("text", text="zither")
            await client.next("play_audio")
            await client.send("bye")
            (turn,) = await got(collector)
    assert values(turn.attributes)["voicebot.turn.outcome"] == "session_ended"


async def test_a_server_that_closes_during_a_reply_still_exports_the_turn() -> None:
    with collecting() as collector:
        async with traced(collector, [[STORY * 3]]) as (server, client):
            await client.send("text", text="zither")
            await client.next("play_audio")
            await server.application.close()
        (turn,) = await got(collector)
    assert values(turn.attributes)["voicebot.turn.outcome"] == "session_ended"


def spans_of(*inputs: Input, rules: Rules | None = None) -> Collector:
    """Returns the spans of these inputs to the machine, 0.1 s after one another."""
    with collecting() as collector:
        traces = Traces(config.load(otel_exporter_otlp_endpoint=collector.url))
        tracer = traces.trace_session("webrtc", "a-name")
        state = State(rules=rules or Rules(preemptive_replies=False, debounce_s=0))
        for index, each in enumerate(inputs):
            step = taken(state, each, 100 + index / 10)
            tracer.stepped(step)
            state = step.state
        asyncio.run(traces.close())
    return collector


def test_a_turn_names_the_engines_that_served_it() -> None:
    stand_in = EngineReported(Stage.TTS, "espeak", ("gtts: no answer",))
    served = (EngineReported(Stage.STT, "deepgram"), EngineReported(Stage.LLM, "groq"), stand_in)
    collector = spans_of(TextTyped("zither"), *served, TokenReceived(1), ReplyEnded(1))
    (turn,) = collector.turns()
    found = values(turn.attributes)
    assert (found["voicebot.engine.llm"], found["voicebot.engine.tts"]) == ("groq", "espeak")
    assert "voicebot.engine.stt" not in found, "the turn was typed"
    assert b"no answer" not in collector.raw
    assert turn.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(0.5e9, rel=1e-6)


def test_clearing_the_conversation_does_not_lose_the_turn() -> None:
    heard = (TokenReceived(1), SentenceReady(1, 0, "Yes."), PlaybackStarted(1))
    (turn,) = spans_of(TextTyped("zither"), *heard, ConversationCleared(), ReplyEnded(1)).turns()
    assert values(turn.attributes)["voicebot.turn.outcome"] == "interrupted"


def test_an_answer_that_was_taken_back_is_told_from_an_interrupted_one() -> None:
    heard = (TokenReceived(1), SentenceReady(1, 0, "It is ten past four."), PlaybackStarted(1))
    went_on = (SpeechStarted(2), SpeechEnded(2, 1.5), FinalTranscript(2, "in tokyo"), ReplyEnded(1), ReplyEnded(2))
    spoken = (SpeechStarted(1), SpeechEnded(1, 1.5), FinalTranscript(1, "what time is it"), *heard, *went_on)
    turns = spans_of(*spoken, rules=Rules(debounce_s=0, preemptive_replies=False)).turns(2)
    assert [values(turn.attributes)["voicebot.turn.outcome"] for turn in turns] == ["taken_back", "completed"]


def test_an_abandoned_preemptive_reply_makes_no_turn() -> None:
    spoken = (
        SpeechStarted(1),
        SpeechPaused(1, 1),
        PartialTranscript(1, "what time is it", pause=1),
        TokenReceived(1),
        SpeechContinued(1),
        PartialTranscript(1, "what time is it in tokyo"),
        ReplyEnded(1),
        SpeechPaused(1, 2),
        PartialTranscript(1, "what time is it in tokyo", pause=2),
        TokenReceived(2),
        SpeechEnded(1),
        ReplyEnded(2),
    )
    collector = spans_of(*spoken, rules=Rules(debounce_s=0))
    (turn,) = collector.turns()
    assert turn.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(0.4e9, rel=1e-6)
    token = collector.steps(turn)["llm_ttft"]
    assert token.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(0.2e9, rel=1e-6)


CALL = CallRecord("call_1", "order_pizza", '{"address": "Main Street"}')


def test_the_call_of_a_tool_is_part_of_the_turn_in_which_it_began_without_its_words() -> None:
    ended = ToolCallEnded(CALL.id, CallStatus.DONE, "It comes in twenty minutes.")
    collector = spans_of(TextTyped("zither"), ToolCallBegun(1, CALL), TokenReceived(1), ended, ReplyEnded(1))
    (turn,) = collector.turns()
    call = collector.steps(turn)["execute_tool order_pizza"]
    assert call.trace_id == turn.trace_id
    assert values(call.attributes) == {
        "voicebot.transport": "webrtc",
        "gen_ai.conversation.id": "a-name",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "order_pizza",
        "gen_ai.tool.call.id": "call_1",
        "voicebot.call.status": "done",
    }
    assert call.start_time_unix_nano - turn.start_time_unix_nano == pytest.approx(0.1e9, rel=1e-6)
    assert call.end_time_unix_nano - call.start_time_unix_nano == pytest.approx(0.2e9, rel=1e-6)
    for word in (b"Main Street", b"twenty minutes"):
        assert word not in collector.raw


def test_a_call_that_outlasts_its_turn_is_a_part_of_it_and_not_of_the_next() -> None:
    ended = ToolCallEnded(CALL.id, CallStatus.FAILED, "There is no dough.")
    first = (TextTyped("zither"), ToolCallBegun(1, CALL), ReplyEnded(1))
    collector = spans_of(*first, TextTyped("and?"), TokenReceived(2), ended, ReplyEnded(2))
    before, after = collector.turns(2)
    call = collector.steps(before)["execute_tool order_pizza"]
    assert call.end_time_unix_nano - call.start_time_unix_nano == pytest.approx(0.4e9, rel=1e-6)
    assert (call.status.code, values(call.attributes)["error.type"]) == (Status.STATUS_CODE_ERROR, "failed")
    assert "execute_tool order_pizza" not in collector.steps(after)


def test_a_call_that_outlasts_its_session_has_a_span_up_to_the_end_of_the_session() -> None:
    collector = spans_of(TextTyped("zither"), ToolCallBegun(1, CALL), ReplyEnded(1))
    (turn,) = collector.turns()
    call = collector.steps(turn)["execute_tool order_pizza"]
    assert values(call.attributes)["voicebot.call.status"] == "running"
    assert call.status.code == Status.STATUS_CODE_UNSET


# A collector that fails ---------------------------------------------------------------------------------------------


async def outage(
    caplog: pytest.LogCaptureFixture, endpoint: str, until: Callable[[], object], **settings: Any
) -> float:
    """Runs three turns with audio while the collector fails, and returns how long closing takes."""
    caplog.set_level(logging.DEBUG)
    engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[["Fine."]] * 3), ToneTts())
    loaded = config.load(otel_exporter_otlp_endpoint=endpoint, **settings)
    async with serving(engines, loaded) as server, ws_client(server) as client:
        for _ in range(3):
            await client.send("text", text="zither")
            await listen(client)
            await asyncio.to_thread(until)
        started_s = time.monotonic()
        await server.services.telemetry.close()
        took_s = time.monotonic() - started_s
    return took_s


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Returns all that OpenTelemetry has logged."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")]


@pytest.mark.parametrize(("status", "body"), [(500, b""), (400, b"\x00garbage"), (404, b"<html>"), (302, b"")])
async def test_a_collector_that_refuses_is_logged_without_keys(
    caplog: pytest.LogCaptureFixture, status: int, body: bytes
) -> None:
    with collecting() as other, collecting() as collector:
        collector.status, collector.body, collector.location = status, body, f"{other.url}/v1/traces"
        headers = "x-api-key=a-key-of-ours"
        count = iter(range(1, 10))
        took_s = await outage(
            caplog, collector.url, lambda: collector.asked(next(count)), otel_exporter_otlp_headers=headers
        )
    assert took_s < 1
    assert collector.headers[0]["x-api-key"] == "a-key-of-ours"
    assert other.requests == 0, "the key is not logged"
    assert failures(caplog)
    assert all(line.startswith("Failed to export spans batch") for line in failures(caplog))
    assert ("Exceeded 0 redirects" if status == 302 else f"code: {status}") in failures(caplog)[0]
    assert "a-key-of-ours" not in caplog.text


async def test_a_collector_that_never_answers_does_not_delay_closing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")  # Otherwise its thread would go on for 15 s after the test.
    with socket.create_server(("127.0.0.1", 0)) as silent:  # Connections are accepted but never answered.
        port = silent.getsockname()[1]
        assert await outage(caplog, f"http://127.0.0.1:{port}", lambda: time.sleep(0.1)) < 2.0


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Keeps the exports of one test from the next."""
    yield
    for thread in threading.enumerate():
        if thread.name == "last traces" or thread.name.startswith("OtelBatch"):
            thread.join(10)


@contextmanager
def nobody() -> Iterator[int]:
    """Yields a port without a listener."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@contextmanager
def no_http() -> Iterator[int]:
    """Yields a port whose answers are not HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as garbage:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = garbage.accept()
                    with connection:
                        connection.sendall(b"\xff\x00garbage\r\n\r\n")

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        yield garbage.getsockname()[1]
        garbage.shutdown(socket.SHUT_RDWR)
        answering.join()


@pytest.mark.parametrize("broken", [nobody, no_http])
async def test_an_address_without_a_collector_is_logged(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[], AbstractContextManager[int]],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    with broken() as port:
        assert await outage(caplog, f"http://127.0.0.1:{port}", lambda: time.sleep(0.4)) < 1
    assert failures(caplog)
    assert all(line.startswith("Failed to export spans batch") for line in failures(caplog))


async def test_a_recovered_collector_gets_traces_again() -> None:
    with collecting() as collector:
        async with traced(collector, [["Fine."]] * 3) as (_, client):
            for turn, status in enumerate([200, 400, 200], 1):
                collector.status = status
                await client.send("text", text="zither")
                await listen(client)
                await asyncio.to_thread(collector.asked, turn)
            assert len(await got(collector, 2)) == 2


def test_tracing_a_turn_does_not_wait_for_a_slow_collector_and_costs_less_than_5_ms_of_cpu() -> None:
    """The collector does not answer while the test runs."""
    with collecting() as collector:
        collector.delay_s = SLOW_S
        traces = Traces(config.load(otel_exporter_otlp_endpoint=collector.url))
        tracer = traces.trace_session("webrtc", "a-name")
        state, steps = State(rules=Rules(preemptive_replies=False, debounce_s=0)), []
        inputs: list[Input] = [TextTyped("zither"), TokenReceived(1), PlaybackStarted(1), ReplyEnded(1)]
        for index, each in enumerate(inputs):
            steps.append(taken(state, each, index / 10))
            state = steps[-1].state
        began_s, started_s = time.monotonic(), time.thread_time()
        for _ in range(500):
            for step in steps:
                tracer.stepped(step)
            assert time.monotonic() - began_s < SLOW_S / 4, "500 turns take a fraction of a second"
        took_s = time.thread_time() - started_s
        collector.asked(1)
        asyncio.run(traces.close())
    assert took_s / 500 < 0.005


# Settings ---------------------------------------------------------------------------------------------------------


def test_tracing_loads_no_module_and_starts_no_thread_without_an_endpoint() -> None:
    program = (
        "import sys, threading; from voicebot.settings import config;"
        "from voicebot.observability.telemetry import AppTelemetry;"
        "AppTelemetry(config.load()).meter('ws', 'a-name').began();"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'voicebot.observability.traces');"
        "print([name for name in sys.modules if name.startswith(heavy)], threading.active_count())"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["[]", "1"]


async def test_the_trace_settings_are_read_from_an_env_file(tmp_path: Any) -> None:
    with collecting() as collector:
        lines = (
            f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}/",
            "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic%20abc, x-team=voice",
            "OTEL_SERVICE_NAME=front-desk",
        )
        (tmp_path / ".env").write_text("\n".join(lines))
        settings = config.load(_env_file=tmp_path / ".env")
        telemetry = AppTelemetry(settings)
        meter = telemetry.meter("ws", "a-name")
        meter.stepped(taken(State(rules=Rules(preemptive_replies=False, debounce_s=0)), TextTyped("zither"), 1.0))
        meter.ended()
        await telemetry.close()
    assert collector.headers[0]["authorization"] == "Basic abc"
    assert collector.headers[0]["x-team"] == "voice"
    assert collector.resources[0]["service.name"] == "front-desk"
    assert "abc" not in repr(settings)
