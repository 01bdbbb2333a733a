"""Wrong messages: each is named or left alone, and neither the session nor its neighbours mind."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engines import loud
from tests.support.ws_bot import bot, session
from tests.support.ws_client import recording, ws_client
from voicebot.client.caller import NoOutput, calling
from voicebot.session.messages import MessageError, client_message

TYPES = ["speech_start", "speech_end", "client_playback_started", "client_playback_complete", "clip_played", "nonsense"]
values = st.none() | st.booleans() | st.integers(-5, 40) | st.text(max_size=12) | st.lists(st.integers(), max_size=2)
objects = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | values,
        "audio": values,
        "sequence": values,
        "played_ms": values,
        "text": values,
    },
)
texts = st.text(max_size=40) | objects.map(json.dumps) | objects.map(lambda each: json.dumps(each)[:-3])
frames = texts | st.binary(max_size=33).map(lambda pcm: pcm + b"x" * (len(pcm) % 2 == 0)) | st.just("x" * 70_000)


def wrong_messages(count: int) -> list[str | bytes]:
    found: list[str | bytes] = []

    @given(st.lists(frames, min_size=20, max_size=30))
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def collect(batch: list[str | bytes]) -> None:
        found.extend(batch)

    collect()
    rng = random.Random(1)
    cut = [
        each[: rng.randrange(1, len(each))] for each in rng.choices([each for each in found if len(each) > 1], k=count)
    ]
    mixed = [*found, *cut]
    rng.shuffle(mixed)
    return [each if isinstance(each, str) or len(each) % 2 else each + b"x" for each in mixed]


def must_be_refused(message: str | bytes) -> bool:
    try:
        return isinstance(message, bytes) or client_message(message).type == "speech_end"
    except MessageError:
        return True


SENTENCES = " ".join(f"Sentence number {number} is said by the bot." for number in range(12))


async def test_thousands_of_wrong_messages_are_each_refused_and_disturb_no_other_session() -> None:
    """What is not refused is what the protocol allows at any time; an utterance that it began is ended at last."""
    wrong = wrong_messages(5_000)
    assert len(wrong) >= 5_000
    heard: list[Sequence[Any]] = [["x"]] * len(wrong)
    replies = [[SENTENCES], ["Still here."]]
    async with bot(replies, heard, letter_s=0.015, late_s=0.03) as server:
        address = server.url.replace("http", "ws") + "/ws"
        async with calling(address, NoOutput()) as neighbour:
            await neighbour.write("talk on")
            await asyncio.sleep(0.5)
            tasks, objects = len(asyncio.all_tasks()), things()
            async with ws_client(server) as client:

                async def pour() -> None:
                    for message in wrong:
                        await client.socket.send(message)
                    await client.send("speech_end", audio=recording("wav", 0.1))
                    await client.send("text", text="are you there")

                pouring = asyncio.create_task(pour())
                clip = await client.next("play_audio", timeout_s=30)
                await pouring
                assert clip["text"] == "Still here."
                assert len(client.all("error")) == sum(map(must_be_refused, wrong))
                assert not neighbour.idle.is_set(), "it was being spoken to all the while"
            async with asyncio.timeout(5):
                while server.services.admission.sessions > 1 or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            client.came.clear()
            assert things() - objects < len(wrong) / 5
            await asyncio.wait_for(neighbour.idle.wait(), 20)
            assert neighbour.underruns == 0
            assert session(server).underruns == 0


def things() -> int:
    gc.collect()
    return len(gc.get_objects())


async def test_each_overlong_message_gets_an_error_that_names_its_fault() -> None:
    """They are looked into in a worker process, but the client is told the same as of short ones."""
    long = "x" * 70_000
    async with bot([["Yes."]], [["x"]]) as server, ws_client(server) as client:
        for message, complaint in (
            ({"type": "text", "text": long}, "64000 are allowed"),
            ({"type": "speech_end", "audio": "", "more": [[]] * 50_000}, "too many parts"),
            ({"type": "speech_end", "audio": "", "more": [0] * 50_000}, "too many parts"),
            ({"more": long}, "64000 are allowed"),
            ([long], "must be a JSON object"),
            ({"type": "speech_end", "more": long}, "speech_end.audio"),
            ({"type": "speech_end", "audio": long}, "neither WebM nor WAV nor MP3"),
        ):
            await client.socket.send(json.dumps(message))
            error = await client.next("error")
            assert error["code"] == "message"
            assert complaint in error["message"]
        for raw in ("{" + long, "[" * 900 + long, long.encode() + b"\xff"):
            await client.socket.send(raw, text=True)
            assert "Invalid JSON" in (await client.next("error"))["message"]
        await client.send("speech_end", audio=recording("wav"))
        await client.next("play_audio")


async def test_an_overlong_text_does_not_change_how_a_session_sends_its_sound() -> None:
    async with bot([["Yes."]], [["hello"]]) as server, ws_client(server) as client:
        long = json.dumps({"type": "text", "text": "x" * 70_000})
        await client.socket.send(long)
        assert "64000 are allowed" in (await client.next("error"))["message"]
        await client.socket.send(loud(0.6, 16_000).to_bytes() + bytes(2 * 8_000))
        await client.socket.send(long)
        assert "64000 are allowed" in (await client.next("error"))["message"]
        await client.socket.send(bytes(2 * 8_000))
        assert (await client.next("asr.final"))["text"] == "hello"


async def test_an_overlong_speech_end_without_audio_ends_the_utterance() -> None:
    async with bot([["Yes."]], [["x"]]) as server, ws_client(server) as client:
        await client.send("speech_start")
        await client.next("state", phase="listening")
        await client.socket.send(json.dumps({"type": "speech_end", "more": "x" * 70_000}))
        await client.next("state", phase="idle")


async def test_a_speech_end_without_audio_ends_the_utterance() -> None:
    async with bot([["Yes."]], [["x"]]) as server, ws_client(server) as client:
        await client.send("speech_start")
        await client.next("state", phase="listening")
        await client.send("speech_end")
        assert "speech_end.audio" in (await client.next("error"))["message"]
        await client.send("text", text="are you there")
        await client.next("play_audio")
