"""The WebSocket protocol of the guide, and our extensions of it, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from websockets import Origin
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import serving
from tests.support.machine_session import user
from tests.support.ws_bot import bot, history, play, until_empty, until_heard, words
from tests.support.ws_client import WsClient, recording, sound_of, ws_client
from voicebot.access.rates import TOO_MANY_TEXTS
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import DEFAULT_STYLE, Style
from voicebot.runtime import limits
from voicebot.settings import config

HELLO = "Hello there my friend."
LONG = "One two three four five six seven eight nine ten eleven twelve."


async def test_a_conversation_follows_the_event_order_of_the_guide() -> None:
    async with bot([[HELLO]], [["hello bot"]]) as server, ws_client(server) as client:
        connected = await client.next("connected")
        assert connected["message"] == "Connected to Voice Bot Orchestrator", "clients of the protocol may look for it"
        assert connected["engines"] == {"stt": "scripted", "llm": "scripted", "tts": "scripted", "vad": "loudness"}
        assert "persona" in connected["options"]
        await client.send("speech_start")
        await client.next("state", phase="listening")
        await client.send("speech_end", audio=recording("webm"))
        assert (await client.next("asr.final"))["text"] == "hello bot"
        clip = await client.next("play_audio")
        await client.send("client_playback_started")
        assert (clip["text"], clip["sequence"]) == (HELLO, 0)
        assert len(sound_of(clip)) == pytest.approx(len(HELLO) * 480, abs=2)
        await client.next("state", phase="speaking")
        await asyncio.sleep(clip["duration_ms"] / 1000)
        await client.send("client_playback_complete")
        await client.next("state", phase="idle")
        assert words(server) == ["hello bot", HELLO]
        assert client.all("llm.delta")[0]["text"] == client.all("llm.final")[0]["text"] == HELLO
        assert not client.all("stop_playback")


async def test_the_state_follows_the_greeting_even_if_nothing_changes() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    async with serving(engines, config.load(idle_timeout_s=0)) as server, ws_client(server) as client:
        await client.next("connected")
        await client.next("state", phase="idle")
    assert [message["event"] for message in client.came] == ["connected", "state"]


@pytest.mark.parametrize("container", ["wav", "webm", "mp3"])
async def test_recordings_reach_the_recogniser_whole(container: str) -> None:
    stt = ScriptedStt(scripts=[["good day"]])
    engines = scripted(stt, ScriptedAgent(scripts=[["Yes."]]), ToneTts())
    async with serving(engines, config.load(preemptive_replies=False)) as server, ws_client(server) as client:
        await client.send("speech_end", audio=recording(container))
        assert (await client.next("asr.final"))["text"] == "good day"
    (heard,) = stt.heard
    assert heard.duration_s == pytest.approx(0.5, abs=0.06)
    assert heard.level_dbfs == pytest.approx(loud(0.5).level_dbfs, abs=1.5)


async def test_the_server_detects_utterances_in_live_sound() -> None:
    async with bot([["Fine."]], [["how are you", "how are you"]]) as server, ws_client(server, "?rate=8000") as client:
        pcm = loud(0.6, 8_000).to_bytes() + bytes(16_000)
        for start in range(0, len(pcm), 320):
            await client.socket.send(pcm[start : start + 320])
        assert (await client.next("asr.final"))["text"] == "how are you"
        await client.next("play_audio")
        await client.send("speech_start")
        assert "live sound" in (await client.next("error"))["message"]


async def test_only_acknowledged_sentences_enter_the_history() -> None:
    replies = [["First sentence here. Second sentence here. Third sentence here."], ["Well."]]
    async with bot(replies, letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="talk")
        first, second = await client.next("play_audio"), await client.next("play_audio")
        await play(client, first)
        await client.send("client_playback_complete")  # ignored, as this client acknowledges clips
        await until_heard(server, 4)  # the first word of the second sentence
        await client.send("interrupt")
        await client.next("stop_playback", discard=True)
        await client.send("clip_played", sequence=second["sequence"])  # ignored, as the clip was discarded
        await client.next("state", phase="idle")
        assert words(server)[1] == "First sentence here."
        assert history(server)[1].interrupted


async def test_words_that_go_on_with_the_message_take_back_the_answer_that_began() -> None:
    replies, heard = [[LONG], ["It is noon."]], [["what time is it"], ["in tokyo"]]
    async with bot(replies, heard, letter_s=0.04) as server, ws_client(server) as client:
        for _ in heard:
            await client.send("speech_start")
            await client.next("state", phase="listening" if not client.all("play_audio") else "paused")
            await client.send("speech_end", audio=recording("wav"))
            if not client.all("play_audio"):
                await client.next("play_audio")
                await client.send("client_playback_started")
                await until_heard(server, 1)
        await client.next("stop_playback")
        await client.next("verdict", decision="regenerate", rule="continuation")
        clip = await client.next("play_audio")
        assert clip["text"] == "It is noon."
        assert history(server) == (user("what time is it in tokyo"),)
        await play(client, clip)
        await client.next("state", phase="idle")
        assert words(server) == ["what time is it in tokyo", "It is noon."]


async def test_a_reply_ends_without_any_playback_message_from_the_client() -> None:
    async with bot([["Yes."]]) as server, ws_client(server) as client:
        await client.send("text", text="hm")
        await client.next("play_audio")
        await client.next("state", phase="idle")
        assert words(server) == ["hm", "Yes."]


async def test_a_resumed_reply_repeats_and_loses_no_sound() -> None:
    async with bot([[LONG]], [["uh-huh"]], letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="count")
        whole = await client.next("play_audio")
        await client.send("client_playback_started")
        await asyncio.sleep(0.6)  # the client plays; it can't have played 0.7 s much sooner
        await client.send("speech_start")
        await client.next("stop_playback", timeout_s=0.3)
        await client.send("clip_played", sequence=whole["sequence"], played_ms=700)
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="resume")
        await client.next("playback_resume")
        rest = await client.next("play_audio")
        assert whole["duration_ms"] - rest["duration_ms"] == pytest.approx(700, abs=1)
        before, after = sound_of(whole).astype(float), sound_of(rest).astype(float)
        begin = 700 * 48 + 2_000
        assert np.corrcoef(before[begin : begin + 9_600], after[2_000:11_600])[0, 1] > 0.99
        await play(client, rest)
        await client.next("state", phase="idle")
        assert words(server) == ["count", LONG]


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
    """Returns the clips up to this word: one, or more on a busy machine."""
    clips = [await client.next("play_audio")]
    while not clips[-1]["text"].endswith(last_word):
        clips.append(await client.next("play_audio"))
    return clips


def duration_ms(clips: list[dict[str, Any]]) -> int:
    return sum(clip["duration_ms"] for clip in clips)


async def test_a_client_that_can_pause_resumes_without_new_sentence_audio() -> None:
    async with bot([[LONG]], [["uh-huh"]], letter_s=0.03) as server, ws_client(server, "?pause=1") as client:
        await client.send("text", text="count")
        clip = await client.next("play_audio")
        await client.send("client_playback_started")
        await until_heard(server, 2)
        await client.send("speech_start")
        await client.next("stop_playback", discard=False)
        await client.send("speech_end", audio=recording("wav"))
        await client.next("playback_resume")
        await asyncio.sleep(clip["duration_ms"] / 1000 - 0.3)  # the client plays the rest
        await client.send("clip_played", sequence=clip["sequence"])
        await client.next("state", phase="idle")
        assert len(client.all("play_audio")) == 1
        assert words(server) == ["count", LONG]


async def test_an_interruption_cuts_the_reply_and_is_answered() -> None:
    heard = [["what is the weather like in Paris"]]
    async with bot([[LONG], ["Sunny."]], heard, letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        await until_heard(server, 3)
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="regenerate")
        clip = await client.next("play_audio")
        assert clip["text"] == "Sunny."
        await play(client, clip)
        await client.next("state", phase="idle")
        assert len(client.all("stop_playback")) == 1
        said = history(server)
        assert [message.interrupted for message in said] == [False, True, False, False]
        assert LONG.startswith(said[1].text)
        assert 2 <= len(said[1].text.split()) <= 6


async def test_clear_stops_the_reply_and_empties_the_history() -> None:
    async with bot([[LONG], ["Hello."]], letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        await until_heard(server, 2)
        await client.send("clear")
        await client.next("stop_playback", discard=True)
        await client.next("state", phase="idle")
        assert history(server) == ()
        await client.send("text", text="hi")
        assert (await client.next("play_audio"))["text"] == "Hello."
        assert words(server)[0] == "hi"


async def test_no_more_unheard_sentences_are_sent_than_the_window_allows() -> None:
    sentences = " ".join(f"Sentence number {number} is said now." for number in range(24))
    async with bot([[sentences]], tts_prefetch=20) as server, ws_client(server) as client:
        await client.send("text", text="talk")
        clips = [await client.next("play_audio") for _ in range(16)]
        with pytest.raises(TimeoutError):
            await client.next("play_audio", timeout_s=0.4)
    assert [clip["sequence"] for clip in clips] == list(range(16))


async def test_dropped_sentences_are_reported_and_stay_out_of_the_history() -> None:
    sentences = " ".join(f"Sentence number {number} is said now." for number in range(8))
    options: dict[str, Any] = {"tts_queue_max": 2, "tts_overflow": "drop-oldest", "tts_prefetch": 1}
    async with bot([[sentences]], letter_s=0.002, **options) as server, ws_client(server) as client:
        await client.send("text", text="talk")
        while not client.all("state") or client.all("state")[-1]["phase"] != "idle":
            message = await client.next("play_audio" if not client.all("llm.final") else "state")
            if message["event"] == "play_audio":
                await play(client, message)
            for clip in client.all("play_audio"):
                await client.send("clip_played", sequence=clip["sequence"])
        dropped = [message["text"] for message in client.all("tts.dropped")]
        assert dropped
        spoken = " ".join(clip["text"] for clip in client.all("play_audio"))
        assert words(server) == ["talk", spoken]
        assert not any(text in spoken for text in dropped)


async def test_each_word_belongs_to_one_play_audio_message_however_late_its_sound_comes() -> None:
    """The first clips are sent before the sentence's length is known, from which the words' places are computed."""
    for letter_s, late_s in ((0.03, 0.06), (0.1, 0.06), (0.1, 0.15)):
        async with bot([[LONG]], letter_s=letter_s, late_s=late_s) as server, ws_client(server) as client:
            await client.send("text", text="count")
            clips = [await client.next("play_audio")]
            while not clips[-1]["text"].endswith("twelve."):
                await client.send("clip_played", sequence=clips[-1]["sequence"])
                clips.append(await client.next("play_audio"))
            assert len(clips) > 1
            assert " ".join(clip["text"] for clip in clips if clip["text"]) == LONG


async def test_a_short_or_broken_recording_resumes_the_paused_reply() -> None:
    async with bot([[LONG]], [["x"], ["x"]], letter_s=0.04) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        heard = 0
        for audio, complaint in ((recording("wav", 0.1), None), ("AAAA", "neither WebM nor WAV nor MP3")):
            await until_heard(server, heard := heard + 1)
            await client.send("speech_start")
            await client.next("stop_playback")
            await client.send("speech_end", audio=audio)
            if complaint is not None:
                assert complaint in (await client.next("error"))["message"]
            await client.next("playback_resume")
            await client.next("play_audio")
            await client.send("client_playback_started")


async def test_a_session_that_ends_frees_its_place() -> None:
    async with bot(max_sessions=1) as server:
        async with ws_client(server) as first, ws_client(server) as second:
            await first.next("connected")
            assert "places are taken" in (await second.next("closed"))["reason"]
            assert (await server.get("/health"))["sessions"] == 1
            await first.send("bye")
            await first.next("closed")
        async with ws_client(server) as third:
            await third.next("connected")


@pytest.mark.parametrize("rate", ["fast", "-8000", "48001", "000016000999", "000016000" + "0" * 5_000])
async def test_a_connection_with_an_invalid_sample_rate_is_refused(rate: str) -> None:
    async with bot() as server, ws_client(server, f"?rate={rate}") as client:
        assert "rate" in (await client.next("closed"))["reason"]
        assert not client.all("connected")
        await until_empty(server)


@dataclass
class BrokenVoice(ToneTts):
    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        raise EngineError(self.name, "the key is not accepted")


async def test_a_connection_is_refused_with_the_reason_when_the_only_tts_engine_fails() -> None:
    voices = TextToSpeechFallbackGroup([BrokenVoice()], FallbackRules(rest_s=60))
    engines = replace(scripted(ScriptedStt(), ScriptedAgent(), ToneTts()), tts=voices)
    async with serving(engines, config.load()) as server:
        await server.services.health.check()
        async with ws_client(server) as client:
            assert "the key is not accepted" in (await client.next("error"))["message"]
            await client.next("closed")
            with pytest.raises(ConnectionClosed) as closed:
                await client.next("connected")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        await until_empty(server)


async def test_a_telemetry_message_with_the_recogniser_bytes_comes_each_second() -> None:
    stt = ScriptedStt()
    engines = scripted(stt, ScriptedAgent(), ToneTts())
    async with serving(engines, config.load()) as server, ws_client(server) as client:
        loop = asyncio.get_running_loop()
        first, begun_s = await client.next("telemetry"), loop.time()
        stt.bytes_sent = 4_711
        second = await client.next("telemetry")
        assert loop.time() - begun_s == pytest.approx(1.0, abs=0.3)
        assert [first, second] == [{"event": "telemetry", "stt_bytes": count} for count in (0, 4_711)]


async def test_a_websocket_without_login_or_with_a_foreign_origin_is_refused() -> None:
    async with bot(app_username="ann", app_password="open sesame") as server:
        address = f"{server.url.replace('http', 'ws')}/ws"
        own = {"Authorization": f"Basic {base64.b64encode(b'ann:open sesame').decode()}"}
        for headers, origin, status in (({}, None, 401), (own, "https://elsewhere.example", 403)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address, additional_headers=headers, origin=Origin(origin) if origin else None)
            assert refused.value.response.status_code == status
        async with connect(address, additional_headers=own, origin=Origin(server.url)) as socket:
            assert json.loads(await socket.recv())["event"] == "connected"


async def test_excess_messages_get_an_error_and_a_flood_of_messages_ends_the_session() -> None:
    async with bot(messages_per_s=1) as server, ws_client(server) as client:
        for _ in range(6):
            await client.send("client_playback_complete")
        assert "too many messages: 1 a second are allowed" in (await client.next("error"))["message"]
        for _ in range(500):
            await client.send("client_playback_complete")
        assert "Far too many messages" in (await client.next("closed"))["reason"]
        await until_empty(server)


async def test_texts_typed_too_fast_are_refused_with_an_error() -> None:
    """The limit is there because each text is answered, which may cost money."""
    async with bot(turns_per_day=0) as server, ws_client(server) as client:
        for number in range(limits.TEXTS_AT_ONCE + 1):
            await client.send("text", text=f"hello {number}")
        assert (await client.next("error"))["message"] == TOO_MANY_TEXTS
        assert server.sessions("ws")
