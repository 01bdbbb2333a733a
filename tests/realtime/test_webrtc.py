"""Conversations with the real server over WebRTC, with the embedded engines or with scripted ones."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import LiveServer, serving
from tests.support.rtc_bot import answered, is_state, last_heard, quick
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.speech import spoken
from tests.support.understanding import words
from tests.support.waiting import until
from voicebot.audio.sound import Audio
from voicebot.bootstrap import engines as build
from voicebot.settings import config
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.transports.webrtc.aiortc_tuning import sound_path
from voicebot.transports.webrtc.data_channel import MAX_MESSAGE_CHARS


@pytest.fixture
async def embedded() -> AsyncIterator[LiveServer]:
    settings = config.load()
    async with serving(build.build(settings), settings) as server:
        yield server


async def test_faults_of_the_telemetry_and_the_recorder_leave_the_conversation_intact(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("voicebot.session.session.TelemetryMessage", fails)
    monkeypatch.setattr("voicebot.recording.recorder.Recorder.heard", fails)
    agent = ScriptedAgent(scripts=[["Fine."]])
    settings = config.load()
    engines = scripted(ScriptedStt(scripts=[["hello"]]), agent, ToneTts())
    async with serving(engines, settings) as server, RtcClient(server.url) as client:
        await client.wait_for_message(lambda message: message["type"] == "connected")
        client.microphone.say(loud(1.0))
        await client.heard.wait_for_sound()
        await client.wait_for_message(answered(1))
    faults = [record.getMessage() for record in caplog.records if "further faults" in record.getMessage()]
    assert sorted(line.split()[0] for line in faults) == ["housekeeping", "recording"]


# Talking ----------------------------------------------------------------------------------------------------------


async def test_two_spoken_questions_in_a_row_are_answered_aloud(embedded: LiveServer) -> None:
    async with RtcClient(embedded.url) as client:
        await client.wait_for_message(lambda message: message["type"] == "connected")
        for count, (question, word) in enumerate([("what time is it in london", "London"), ("tell me a joke", "")], 1):
            client.microphone.say(spoken(question))
            ended_s = await client.microphone.said()
            await client.heard.wait_for_sound(30, after_s=ended_s)
            state = await client.wait_for_message(answered(count), 60)
            asked, answer = state["chat"][-2:]
            assert words(asked["text"]) == words(question)
            assert word in answer["heard"]
            assert not answer["interrupted"]
            assert [stage["name"] for stage in state["turn"]][-1] == "first frame"
        assert client.heard.recorded().level_dbfs > -40
        assert state["medians"]["response gap"] > 0
        health = await embedded.get("/health")
        assert health["sessions"] == 1
        assert health["underruns"] == 0


async def test_typed_text_is_answered_aloud(embedded: LiveServer) -> None:
    async with RtcClient(embedded.url) as client:
        client.send({"type": "text", "text": "what's 12 * 7?"})
        await client.heard.wait_for_sound()
        state = await client.wait_for_message(answered(1), 30)
        assert "84" in state["chat"][-1]["heard"] or "eighty-four" in state["chat"][-1]["heard"]


async def test_a_reply_can_be_interrupted_by_speaking(embedded: LiveServer) -> None:
    async with RtcClient(embedded.url) as client:
        client.send({"type": "text", "text": "tell me a long story"})
        await client.wait_for_message(is_state(lambda state: len(last_heard(state).split()) > 5), 20)
        client.microphone.say(spoken("what is ten times three"))
        await client.wait_for_message(is_state(lambda state: state["phase"] == "paused"))
        state = await client.wait_for_message(answered(2), 60)
        story, question, answer = state["chat"][-3:]
        assert story["interrupted"]
        assert words(question["text"]) == words("what is ten times three")
        assert "thirty" in answer["heard"].lower()
        assert state["verdicts"][0]["decision"] == "regenerate"


# With scripted engines --------------------------------------------------------------------------------------------


async def test_a_client_connects_in_less_than_a_second() -> None:
    async with quick() as server:
        took_s = []
        for _ in range(3):
            async with RtcClient(server.url) as client:
                took_s.append(client.connect_s)
        assert sorted(took_s)[1] < 1.0, took_s


async def test_pause_and_resume_lose_no_sound_on_the_wire() -> None:
    stt = ScriptedStt(scripts=[["uh-huh"]])
    agent = ScriptedAgent(scripts=[["A sentence that takes its time to be said."]])
    async with (
        serving(scripted(stt, agent, ToneTts(letter_s=0.05)), config.load()) as server,
        RtcClient(server.url) as client,
    ):
        client.send({"type": "text", "text": "go"})
        await client.heard.wait_for_sound()
        client.microphone.say(loud(0.4))
        await client.wait_for_message(is_state(lambda state: state["phase"] == "paused"))
        state = await client.wait_for_message(answered(1), 20)
        assert not state["chat"][-1]["interrupted"]
        tone = client.heard.recorded().samples
        sounding_s = (abs(tone.astype(int)) > 300).sum() / 48_000
        expected_s = 42 * 0.05 * 0.94  # a sine is below 300 of 8000 for a share of its time
        assert sounding_s == pytest.approx(expected_s, rel=0.06)


async def test_sound_still_reaches_the_client_after_repeated_emit_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.transports.webrtc.connection.EMIT_S", 0.05)
    async with (
        quick(ScriptedAgent(scripts=[["A sentence of some length."]])) as server,
        RtcClient(server.url) as client,
    ):
        await asyncio.sleep(0.3)
        client.send({"type": "text", "text": "go"})
        await client.wait_for_message(answered(1))
        assert client.heard.recorded().level_dbfs > -40


@pytest.fixture
def untuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound goes through aiortc's and FastRTC's queues, as if this version of aiortc were unknown."""
    assert aiortc_tuning.apply()
    monkeypatch.setattr(sound_path, "SoundSource", type(None))
    monkeypatch.setattr(aiortc_tuning, "apply", lambda: False)


@pytest.mark.usefixtures("untuned")
async def test_without_the_tuning_of_aiortc_the_bot_answers_and_no_more_than_two_frames_wait_for_the_wire() -> None:
    agent = ScriptedAgent(scripts=[["A sentence of some length."]])
    engines = scripted(ScriptedStt(scripts=[["hello"]]), agent, ToneTts())
    async with serving(engines, config.load()) as server, RtcClient(server.url) as client:
        await client.wait_for_message(lambda message: message["type"] == "connected")
        client.microphone.say(loud(1.0))
        await client.heard.wait_for_sound()
        (peer,) = server.webrtc.peers
        waiting = []
        for _ in range(100):
            waiting.append(peer.connection.frames_waiting)
            await asyncio.sleep(0.003)
        assert 0 < max(waiting) <= 2, waiting


BAD_MESSAGES = (
    ("no json", "Invalid JSON"),
    ("{}", "type"),
    ('{"type": "dance"}', "dance"),
    ('{"type": "text"}', "text"),
    ('{"type": "text", "text": 7}', "string"),
    ('{"type": "text", "text": "' + "x" * 3000 + '"}', "3000 characters; 2000"),
    ("[" * 5000, "JSON"),
    ("x" * (MAX_MESSAGE_CHARS + 1), "allowed"),
)


async def test_a_bad_message_gets_an_error_that_names_it_and_the_session_goes_on() -> None:
    agent = ScriptedAgent(scripts=[["Fine."]] * len(BAD_MESSAGES))
    async with quick(agent) as server, RtcClient(server.url) as client:
        for number, (message, complaint) in enumerate(BAD_MESSAGES, 1):
            client.messages.clear()
            client.channel.send(message)
            error = await client.wait_for_message(lambda each: each["type"] == "error")
            assert complaint in error["message"]
            assert len(error["message"]) < 300
            client.send({"type": "text", "text": "hello"})
            await client.wait_for_message(answered(number))


BAD_OFFERS: tuple[tuple[Any, int, str], ...] = (
    ({}, 422, "sdp"),
    ({"sdp": "", "type": "offer", "webrtc_id": "x"}, 422, "sdp"),
    ({"sdp": "v=0", "type": "answer", "webrtc_id": "x"}, 422, "type"),
    ({"sdp": "v=0", "type": "offer", "webrtc_id": "x"}, 400, "sdp"),
    ({"sdp": "v=0\r\nm=audio 9 x\r\nm=application 9 y", "type": "offer", "webrtc_id": "x"}, 400, "sdp"),
    ("text", 422, ""),
)


async def test_a_bad_offer_is_refused_with_its_reason() -> None:
    async with quick() as server:
        for body, status, complaint in BAD_OFFERS:
            response = await server.post("/webrtc/offer", body)
            assert response.status_code == status
            assert complaint in response.json()["error"]
            assert (await server.get("/health"))["sessions"] == 0
            assert server.webrtc.peers == set()


async def test_offers_over_the_session_limit_are_refused_until_a_session_ends() -> None:
    async with quick(max_sessions=1) as server:
        async with RtcClient(server.url) as first:
            with pytest.raises(OfferRefusedError, match=r"503 .*All 1 places are taken"):
                async with RtcClient(server.url):
                    pass
            first.send({"type": "bye"})
            await until(lambda: not server.webrtc.peers)
        async with RtcClient(server.url):
            pass


async def test_the_time_limit_ends_the_session_and_is_given_as_the_reason() -> None:
    async with quick(session_minutes=0.02) as server, RtcClient(server.url) as client:
        closed = await client.wait_for_message(lambda message: message["type"] == "closed")
        assert "time limit" in closed["reason"]
        await until(lambda: not server.sessions("webrtc"))


async def test_a_network_lost_in_mid_speech_ends_the_utterance() -> None:
    engines = scripted(ScriptedStt(scripts=[["what time"]]), ScriptedAgent(scripts=[["Ten."]]), ToneTts())
    async with serving(engines, config.load()) as server, RtcClient(server.url) as client:
        client.microphone.say(loud(20))
        await client.wait_for_message(is_state(lambda state: state["phase"] == "listening"))
        client.link.drop_next(10_000)
        await client.heard.wait_for_sound(5)


async def test_a_session_ends_when_no_sound_comes_from_its_client() -> None:
    async with quick(media_timeout_s=1) as server, RtcClient(server.url) as client:
        client.link.drop_next(10_000)
        await until(lambda: not server.sessions("webrtc"))


# Nothing stays behind ---------------------------------------------------------------------------------------------


async def test_thirty_connections_leave_nothing_behind(embedded: LiveServer) -> None:
    process = psutil.Process()

    async def visit(leave: Callable[[RtcClient], None]) -> None:
        async with RtcClient(embedded.url) as client:
            client.send({"type": "text", "text": "hello"})
            await client.heard.wait_for_sound()
            leave(client)
        await until(lambda: not embedded.webrtc.peers and not embedded.sessions("webrtc"))

    def hang_up(client: RtcClient) -> None:
        client.send({"type": "bye"})

    def vanish(client: RtcClient) -> None:
        """Does nothing: the connection just ends, as when the tab is closed."""

    for number in range(5):  # after five visits, caches and pools have their final size
        await visit(hang_up if number % 2 else vanish)
    await until(lambda: len(asyncio.all_tasks()) < 20)
    gc.collect()
    tasks, threads, children = len(asyncio.all_tasks()), threading.active_count(), len(process.children())
    embedded.services.recordings.close()  # closes the recordings of the last sessions, which are kept for a download
    files = process.num_fds()
    for number in range(30):
        await visit(hang_up if number % 2 else vanish)
    gc.collect()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert threading.active_count() <= threads + 2, "the recogniser and the synthesizer may each start a second thread"
    assert len(process.children()) == children
    embedded.services.recordings.close()
    assert process.num_fds() <= files + 2
    assert embedded.webrtc.peers == set()
    assert embedded.sessions("webrtc") == []


async def test_silence_from_the_microphone_starts_no_turn(embedded: LiveServer) -> None:
    async with RtcClient(embedded.url) as client:
        await client.wait_for_message(lambda message: message["type"] == "state")
        client.microphone.say(Audio.silence(1.0, 48_000))
        await client.microphone.said()
        states = [message for message in client.messages if message["type"] == "state"]
        assert {state["phase"] for state in states} == {"idle"}
        client.send({"type": "text", "text": "hello"})
        state = await client.wait_for_message(answered(1), 20)
        assert [message["text"] for message in state["chat"] if message["role"] == "user"] == ["hello"]
