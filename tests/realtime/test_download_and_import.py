"""A session over WebRTC with an interruption is downloaded, and imported again."""

from __future__ import annotations

import asyncio
import io
import json
import wave
import zipfile
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.live_server import serving
from tests.support.rtc_bot import is_state, last_heard
from tests.support.rtc_client import RtcClient
from voicebot.audio.sound import FRAME_S, WIRE_RATE_HZ, Audio
from voicebot.recording.timeline import RATE_HZ
from voicebot.recording.transcript_import import read_transcript
from voicebot.settings import config

Wave = npt.NDArray[np.float64]

STORY = "Once upon a time there was a captain who looked at the ships every morning. "
ANSWER = "Four it is. "
MAX_DIFFERENCE_S = 0.020

pytestmark = pytest.mark.alone


def envelope(audio: Audio) -> Wave:
    """Returns the root mean square of each millisecond."""
    step = audio.rate_hz // 1_000
    samples = audio.samples[: len(audio.samples) // step * step].astype(np.float64)
    return np.asarray(np.sqrt(np.mean(samples.reshape(-1, step) ** 2, axis=1)))


def edges(audio: Audio) -> list[float]:
    """Returns the times in seconds at which sound begins and ends. Pauses of less than 60 ms do not count."""
    heard = np.flatnonzero(envelope(audio) > 600)
    found: list[float] = []
    for at, before in zip(heard, [-1_000, *heard], strict=False):
        if at - before > 60:
            found += [before / 1_000, at / 1_000]
    return [*found[1:], float(heard[-1]) / 1_000]


def on_one_clock(frames: list[tuple[float, Audio]], began_s: float) -> Audio:
    """Returns a client's frames, each with the time at which it began, as one sound from `began_s` on.

    On a busy machine some frames are sent or arrive late, and the next ones catch up. A sound card plays them without a
    gap, so each frame is placed by the least delayed of the frames of the following two seconds.
    """
    line = np.zeros(round((frames[-1][0] - began_s + 1) * WIRE_RATE_HZ), np.int16)
    late_s = [at_s - FRAME_S * number for number, (at_s, _) in enumerate(frames)]
    for number, (_, audio) in enumerate(frames):
        start = round((min(late_s[number : number + 100]) + FRAME_S * number - began_s) * WIRE_RATE_HZ)
        if start >= 0:
            line[start : start + len(audio.samples)] = audio.samples
    return Audio(line, WIRE_RATE_HZ)


async def test_an_interrupted_conversation_is_downloaded_as_heard_and_goes_on_after_import() -> None:
    stt = ScriptedStt(scripts=[["what is two plus two"], [""]])
    agent = ScriptedAgent(scripts=[[STORY], [ANSWER], ["Five. "]])
    async with serving(scripted(stt, agent, ToneTts(letter_s=0.05)), config.load()) as server:
        async with RtcClient(server.url) as client, httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            connected = await client.wait_for_message(lambda message: message["type"] == "connected")
            address = f"/recordings/{connected['recording']}.zip"
            client.send({"type": "text", "text": "tell me a story"})
            await client.wait_for_message(
                is_state(lambda view: len(view["chat"]) > 1 and view["chat"][1]["heard"].count(" ") >= 4)
            )
            client.microphone.say(loud(0.8))
            await client.microphone.said()
            after = await client.wait_for_message(
                is_state(lambda view: view["phase"] == "idle" and last_heard(view) == ANSWER.strip())
            )
            client.microphone.say(loud(0.1))
            await client.microphone.said()
            await client.heard.wait_for_silence()
            running = await http.get(address)
            sent = [
                (at_s - FRAME_S, Audio(piece, WIRE_RATE_HZ))
                for at_s, piece in zip(client.microphone.sent_s, client.microphone.sent_sound, strict=True)
            ]
            received = [(frame.arrived_s, frame.audio) for frame in client.heard.frames]
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            ended = await http.get(address)
            assert (await http.head(address)).status_code == 200
            assert (await http.get(f"/recordings/{'A' * 32}.zip")).status_code == 404
            for response in (running, ended):
                assert response.status_code == 200
                assert response.headers["cache-control"] == "no-store"
                assert response.headers["content-disposition"].startswith('attachment; filename="voice-bot-20')
            archive = zipfile.ZipFile(io.BytesIO(ended.content))
            transcript, events = (json.loads(archive.read(name)) for name in ("transcript.json", "events.json"))

            # What the user said, and heard of the answers
            chat = after["chat"]
            assert [said["text"] for said in transcript["messages"]] == [
                "tell me a story", chat[1]["heard"], "what is two plus two", ANSWER.strip(),
            ]  # fmt: skip
            story, question, answer = transcript["messages"][1:]
            assert story["interrupted"]
            assert f"{story['text']} {story['unheard']}" == STORY.strip()
            assert agent.asked[1][1].text == story["text"]
            assert details_of("verdict_given", "decision", events) == ["regenerate"]
            assert details_of("turn_answered", "typed", events) == [True, False]

            # Both channels of the recording agree with what the client sent and received
            left, right = channels(archive.read("conversation.wav"))
            began_s = min(sent[0][0], received[0][0])
            apart_s = compare(edges(left), edges(on_one_clock(sent, began_s)), "left")
            apart_right_s = compare(edges(right), edges(on_one_clock(received, began_s)), "right")
            assert abs(apart_s - apart_right_s) <= MAX_DIFFERENCE_S

            # The times in the transcript agree with the recording
            (said_from, said_to, *_), heard_at = edges(left), edges(right)
            assert abs(question["began_s"] - said_from) < 0.25
            assert abs(question["ended_s"] - said_to) < 0.1
            assert heard_at[0] <= story["began_s"] < story["ended_s"] < said_from + 0.2
            assert said_to < answer["began_s"] < answer["ended_s"] <= heard_at[-1] + 0.05

            # Import
            response = await http.post("/conversations", content=archive.read("transcript.json"))
            view = response.raise_for_status().json()
            assert [said.get("text") or said["heard"] for said in view["chat"]] == [
                said["text"] for said in transcript["messages"]
            ]
            assert view["chat"][1]["interrupted"]
            nonsense = await http.post("/conversations", content=b"nonsense")
            assert nonsense.status_code == 422
            assert nonsense.json()["error"].startswith("This is not a conversation")
            whole = await http.post("/conversations", content=b"PK" + bytes(100))
            assert whole.json()["error"] == "This can't be imported: it is a zip; send the transcript.json in it."
        async with RtcClient(server.url, conversation=view["conversation"]) as client:
            client.send({"type": "text", "text": "and one more?"})
            await client.wait_for_message(is_state(lambda view: last_heard(view) == "Five."))
        assert agent.asked[-1][:-1] == read_transcript(archive.read("transcript.json"))


def details_of(event: str, detail: str, events: Any) -> list[Any]:
    return [each["details"][detail] for each in events["events"] if each["name"] == event]


def channels(wav: bytes) -> tuple[Audio, Audio]:
    with wave.open(io.BytesIO(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert file.getframerate() == RATE_HZ
    return Audio(samples[:, 0].copy(), RATE_HZ), Audio(samples[:, 1].copy(), RATE_HZ)


def compare(recorded: list[float], at_client: list[float], channel: str) -> float:
    """Returns how far the two clocks are apart. All edges must agree on this to within MAX_DIFFERENCE_S."""
    assert len(recorded) == len(at_client), (channel, recorded, at_client)
    apart = [there - here for here, there in zip(recorded, at_client, strict=True)]
    assert max(apart) - min(apart) <= MAX_DIFFERENCE_S, (channel, apart)
    return float(np.median(apart))


async def status_of_announced_import(url: str, length: int) -> int:
    """Returns the status that an import of this length gets before any of its body is sent."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = f"POST /conversations HTTP/1.1\r\nHost: {address.netloc.decode()}\r\nContent-Length: {length}\r\n\r\n"
    writer.write(head.encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


async def test_a_conversation_without_storage_or_recorded_sound_is_downloaded_and_imported() -> None:
    agent = ScriptedAgent(scripts=[["Fine. "], ["Well. "]])
    settings = config.load(keep_conversations=False, recording_minutes=0)
    async with (
        serving(scripted(ScriptedStt(), agent, ToneTts()), settings) as server,
        httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
    ):
        async with RtcClient(server.url) as client:
            connected = await client.wait_for_message(lambda message: message["type"] == "connected")
            client.send({"type": "text", "text": "how are you?"})
            await client.wait_for_message(is_state(lambda view: view["phase"] == "idle" and last_heard(view)))
            download = await http.get(f"/recordings/{connected['recording']}.zip")
            assert "conversation.wav" not in zipfile.ZipFile(io.BytesIO(download.content)).namelist()
            transcript = zipfile.ZipFile(io.BytesIO(download.content)).read("transcript.json")
            name = (await http.post("/conversations", content=transcript)).json()["conversation"]
            seen = len(client.messages)
            client.send({"type": "clear"})
            await client.wait_for_message(
                lambda message: message in client.messages[seen:] and message.get("chat") == []
            )
            emptied = await http.get(f"/recordings/{connected['recording']}.zip")
            assert json.loads(zipfile.ZipFile(io.BytesIO(emptied.content)).read("transcript.json"))["messages"] == []
        assert (await http.get(f"/conversations/{name}")).json()["chat"][-1]["heard"] == "Fine."
        async with RtcClient(server.url, conversation=name) as client:
            client.send({"type": "text", "text": "and now?"})
            await client.wait_for_message(is_state(lambda view: last_heard(view) == "Well."))
        assert [message.text for message in agent.asked[-1]] == ["how are you?", "Fine.", "and now?"]
        assert (await http.delete(f"/conversations/{name}")).status_code == 204
        assert (await http.get(f"/conversations/{name}")).status_code == 404
        assert await status_of_announced_import(server.url, 99_000_000) == 413
