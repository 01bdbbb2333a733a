"""What a session must withstand: too much sound, clients that do not read or fall silent; and what is seldom done."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.live_server import serving
from tests.support.ws_bot import bot, history, until_empty, words
from tests.support.ws_client import WsClient, recording, sound_of, ws_client
from voicebot import config
from voicebot.config import Settings
from voicebot.core.state import Rules
from voicebot.doors.admission import Admission
from voicebot.engines.base import EngineError
from voicebot.engines.chain import FallbackRules
from voicebot.engines.fallback import TextToSpeechChain
from voicebot.options import Options
from voicebot.recording.recorder import Recordings
from voicebot.store.conversation import Conversation
from voicebot.telemetry import Telemetry
from voicebot.transports.recording_decoder import RecordingDecoder
from voicebot.transports.ws import playout
from voicebot.transports.ws.session import Session

LONG = "One two three four five six seven eight nine ten eleven twelve."


def wav(samples: int, rate_hz: int) -> str:
    """Silence, which its header says is at this rate."""
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 2 * samples, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", 2 * samples)  # fmt: skip # noqa: E501
    return base64.b64encode(head + bytes(2 * samples)).decode()


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (recording("wav", 4.0), "too large"),
        (wav(20_000, 1), "its sample rate is 1 Hz; 8000 to 192000 Hz are allowed"),
        (base64.b64encode(bytes(20_000)).decode(), "neither WebM nor WAV nor MP3"),
    ],
)
async def test_an_unacceptable_recording_is_refused_and_the_next_one_is_answered(audio: str, complaint: str) -> None:
    async with bot([["Yes."]], [["x"], ["hello"]], ws_max_audio_mb=0.1) as server, ws_client(server) as client:
        await client.send("speech_start")
        await client.send("speech_end", audio=audio)
        message = (await client.next("error"))["message"]
        assert message.startswith("speech_end: audio: ")
        assert complaint in message
        await client.send("speech_end", audio=recording("wav"))
        assert (await client.next("asr.final", text="hello"))["text"] == "hello"
        assert (await client.next("play_audio"))["text"] == "Yes."


async def test_clear_stops_the_reply_and_empties_the_history() -> None:
    async with bot([[LONG], ["Hello."]], letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        await asyncio.sleep(0.3)
        await client.send("clear")
        await client.next("stop_playback", discard=True)
        await client.next("state", phase="idle")
        assert history(server) == ()
        await client.send("text", text="hi")
        assert (await client.next("play_audio"))["text"] == "Hello."
        assert words(server)[0] == "hi"


async def test_a_telemetry_message_with_the_recogniser_bytes_comes_each_second() -> None:
    async with bot([["Yes."]], [["hello"]]) as server, ws_client(server) as client:
        loop = asyncio.get_running_loop()
        first, begun_s = await client.next("telemetry"), loop.time()
        second = await client.next("telemetry")
        assert loop.time() - begun_s == pytest.approx(1.0, abs=0.3)
        assert set(first) == set(second) == {"event", "stt_bytes"}


async def test_a_client_that_stops_acknowledging_gets_an_error_and_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playout, "STALLED_S", 0.5)
    async with bot([[LONG], ["Hello."]], letter_s=0.01) as server, ws_client(server) as client:
        await client.send("text", text="count")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"], played_ms=0)
        assert "no clip was acknowledged" in (await client.next("error"))["message"]
        await client.next("state", phase="idle")
        await client.send("text", text="hi")
        assert (await client.next("play_audio"))["text"] == "Hello."


class DeafSocket:
    """A client that connected, and then neither reads nor says anything."""

    async def receive(self) -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send_text(self, _: str) -> None:
        await asyncio.Event().wait()

    async def close(self, _: int) -> None: ...


async def test_the_session_of_a_client_that_does_not_read_ends() -> None:
    settings = config.load(media_timeout_s=1)
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    ticket = Admission(settings).enter("192.0.2.1")
    meter, recordings = Telemetry(settings).meter, Recordings(settings)
    deaf = Session(
        cast(WebSocket, DeafSocket()),
        *(
            engines,
            settings,
            ticket,
            partial(meter, "ws"),
            Conversation(),
            Options(engines, settings.choices),
            recordings,
            RecordingDecoder(5_000_000),
        ),
        rate_hz=16_000,
        can_pause=False,
    )
    async with asyncio.timeout(5):
        await deaf.run()
    recordings.close()
    assert {task.get_name() for task in asyncio.all_tasks()} & {"session", "receiving", "transmitting"} == set()


@dataclass
class BrokenVoice(ToneTts):
    async def probe(self) -> None:
        raise EngineError(self.name, "the key is not accepted")


async def test_a_connection_is_refused_with_the_reason_when_the_only_tts_engine_fails() -> None:
    voices = TextToSpeechChain([BrokenVoice()], FallbackRules(rest_s=60))
    engines = replace(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), tts=voices)
    async with serving(engines, config.load()) as server:
        await server.connections.preflight.check()
        async with ws_client(server) as client:
            assert "the key is not accepted" in (await client.next("error"))["message"]
            await client.next("closed")
            with pytest.raises(ConnectionClosed) as closed:
                await client.next("connected")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        await until_empty(server)


async def test_a_resume_may_go_back_to_the_start_of_the_cut_word() -> None:
    """ "four" begins at 552 ms and is cut at 700; the quietest place within 80 ms is taken for its begin."""
    async with bot([[LONG]], [["uh-huh"]], letter_s=0.04, resume_rewind="word") as server, ws_client(server) as client:
        await client.send("text", text="count")
        clips = await clips_to(client, "twelve.")
        await client.send("client_playback_started")
        await asyncio.sleep(0.2)
        await client.send("speech_start")
        await client.next("stop_playback")
        playing = next(n for n in range(len(clips)) if duration_ms(clips[: n + 1]) >= 700)
        cut_ms = 700 - duration_ms(clips[:playing])
        await client.send("clip_played", sequence=clips[playing]["sequence"], played_ms=cut_ms)
        await client.send("speech_end", audio=recording("wav"))
        await client.next("playback_resume")
        rest = await clips_to(client, "twelve.")
        assert rest[0]["text"].startswith("four")
        assert 470 <= duration_ms(clips) - duration_ms(rest) <= 640
        assert sum(len(sound_of(clip)) for clip in rest) == pytest.approx(duration_ms(rest) * 48, abs=50 * len(rest))


async def clips_to(client: WsClient, last_word: str) -> list[dict[str, Any]]:
    """A sentence's clips: one, or more on a busy machine."""
    clips = [await client.next("play_audio")]
    while not clips[-1]["text"].endswith(last_word):
        clips.append(await client.next("play_audio"))
    return clips


def duration_ms(clips: list[dict[str, Any]]) -> int:
    return sum(clip["duration_ms"] for clip in clips)


async def test_announced_speech_that_never_comes_pauses_the_bot_only_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It goes on by itself, says why, and still hears what comes later."""
    usual: Callable[[Settings], Rules] = vars(Settings)["rules"].fget
    quick = property(lambda settings: replace(usual(settings), announced_timeout_s=0.3))
    monkeypatch.setattr(Settings, "rules", quick)
    answers, heard = [[LONG], ["Yes."]], [["x"], ["what is the time"]]
    async with bot(answers, heard, letter_s=0.06) as server, ws_client(server) as client:
        await client.send("text", text="hello")
        await client.next("play_audio")
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.next("verdict", decision="resume", reason="speech was announced and did not come within 0.3 s")
        await client.next("playback_resume")
        await client.send("speech_end", audio=recording("wav"))
        assert (await client.next("asr.final", text="what is the time"))["text"] == "what is the time"
        await client.next("play_audio", text="Yes.")
