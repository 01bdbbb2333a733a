"""The app as a process, and a collector of its traces: a conversation in real time, and an end without a collector."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

from tests.support.app_process import forked_app
from tests.support.otlp_collector import ENVIRONMENT, collecting, values
from tests.support.rtc_client import RtcClient
from tests.support.speech import spoken
from voicebot.observability.metrics import LABEL_OF_STEP


async def test_the_turns_of_a_conversation_are_traced_without_their_words(tmp_path: Path) -> None:
    """By settings in a `.env` file, as a user may write them."""
    with collecting() as collector:
        (tmp_path / ".env").write_text(
            f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\nOTEL_EXPORTER_OTLP_HEADERS=x-api-key=a-key-of-ours\n"
        )
        with forked_app(tmp_path, **ENVIRONMENT) as app:
            began_ns = time.time_ns()
            async with RtcClient(app.url) as client:
                connected = await client.wait_for_message(lambda message: message["type"] == "connected")
                client.send({"type": "text", "text": "tell me a long story"})
                await client.wait_for_message(
                    lambda message: message["type"] == "state" and message["phase"] == "speaking"
                )
                client.microphone.say(spoken("what is ten times three"))
                ruled = await client.wait_for_message(
                    lambda message: message["type"] == "state" and bool(message["verdicts"]), 20
                )
                shown = await client.wait_for_message(
                    lambda message: (
                        message["type"] == "state"
                        and message["phase"] == "idle"
                        and [each["role"] for each in message["chat"]].count("assistant") == 2
                    ),
                    60,
                )
            story, answer = await asyncio.to_thread(collector.turns, 2)
        log = app.log.read_text("utf-8")
    told, answered = values(story.attributes), values(answer.attributes)
    assert (told["voicebot.turn.input"], told["voicebot.turn.outcome"]) == ("typed", "interrupted")
    assert (answered["voicebot.turn.input"], answered["voicebot.turn.outcome"]) == ("spoken", "completed")
    assert told["gen_ai.conversation.id"] == answered["gen_ai.conversation.id"] == connected["session_id"]
    engines = {stage: answered[f"voicebot.engine.{stage}"] for stage in ("stt", "llm", "tts")}
    assert engines == {"stt": "moonshine", "llm": "offline", "tts": "espeak"}
    assert answered["voicebot.transport"] == "webrtc"
    (verdict,) = story.events
    assert values(verdict.attributes)["voicebot.verdict.rule"] == ruled["verdicts"][0]["rule"]
    assert began_ns < story.start_time_unix_nano < verdict.time_unix_nano < story.end_time_unix_nano
    assert story.end_time_unix_nano <= answer.end_time_unix_nano < time.time_ns()

    steps = collector.steps(answer)
    ends_ms = {name: (span.end_time_unix_nano - answer.start_time_unix_nano) / 1e6 for name, span in steps.items()}
    for step in shown["turn"]:
        assert abs(ends_ms[LABEL_OF_STEP[step["name"]]] - step["to_ms"]) < 2, "what the page shows"
    gap_s = answered["voicebot.turn.response_gap"]
    assert abs(ends_ms["playout"] / 1000 - gap_s) < 0.002

    assert collector.headers[0]["x-api-key"] == "a-key-of-ours"
    assert "a-key-of-ours" not in log
    for words in (b"ten times three", b"10 times 3", b"127.0.0.1", b"Once"):
        assert words not in collector.raw


async def test_an_app_that_ends_exports_the_trace_of_its_last_turn(tmp_path: Path) -> None:
    """Which would else have waited for some seconds to be sent."""
    with collecting() as collector:
        with forked_app(tmp_path, otel_exporter_otlp_endpoint=collector.url) as app:
            async with RtcClient(app.url) as client:
                client.send({"type": "text", "text": "tell me a long story"})
                await client.heard.wait_for_sound()
                app.process.send_signal(signal.SIGTERM)
                await client.wait_for_message(lambda message: message["type"] == "closed")
                await asyncio.to_thread(app.process.wait, 10)
        (turn,) = collector.turns(timeout_s=1)
        assert "Traceback" not in app.log.read_text("utf-8")
    assert values(turn.attributes)["voicebot.turn.outcome"] == "session_ended"


async def test_a_silent_collector_does_not_keep_the_app_from_ending(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with forked_app(tmp_path, otel_exporter_otlp_endpoint=endpoint, **ENVIRONMENT) as app:
            async with RtcClient(app.url) as client:
                client.send({"type": "text", "text": "hello"})
                await client.heard.wait_for_sound()
                client.send({"type": "interrupt"})
                await client.heard.wait_for_silence()
            app.process.terminate()
            started_s = time.monotonic()
            await asyncio.to_thread(app.process.wait, 15)
            took_s = time.monotonic() - started_s
        log = app.log.read_text("utf-8")
    assert took_s < 4, "with up to 2 s for the collector"
    assert "Traceback" not in log
