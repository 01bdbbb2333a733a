"""The history holds only what the user heard of a reply, however the reply ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.ws_bot import bot, history, play, session, until_empty, words
from tests.support.ws_client import WsClient, recording, sound_of, ws_client
from voicebot.dialogue.history import first_words
from voicebot.transports.websocket import playout

FIRST, SECOND = "One two three four.", "Five six seven eight nine ten eleven twelve."


async def play_first_and_stall(client: WsClient) -> dict[str, Any]:
    """Plays and acknowledges the first clip, and then nothing for 0.5 s. Returns the second clip."""
    await client.send("text", text="count")
    first, second = await client.next("play_audio"), await client.next("play_audio")
    await client.send("client_playback_started")
    await play(client, first)
    await asyncio.sleep(0.5)
    return second


async def test_a_stalled_client_counts_as_having_heard_only_acknowledged_sentences() -> None:
    async with bot([[f"{FIRST} {SECOND}"]] * 2, letter_s=0.03) as server:
        for query in ("", "?pause=1"):
            async with ws_client(server, query) as client:
                await play_first_and_stall(client)
                await client.send("interrupt")
                await client.next("stop_playback", discard=True)
                await client.next("state", phase="idle")
                assert words(server) == ["count", FIRST]
                assert history(server)[1].interrupted
            await until_empty(server)


async def test_the_client_reports_to_the_word_what_was_heard_of_the_cut_sentence() -> None:
    """At 30 ms a letter half of "seven" ends at 352 ms and half of "nine" at 689 ms; the server reckons with 500 ms."""
    async with bot([[f"{FIRST} {SECOND}"]] * 4, letter_s=0.03) as server:
        for played_ms, heard in ((0, 0), (345, 2), (680, 4), (99_999, 8)):
            async with ws_client(server) as client:
                second = await play_first_and_stall(client)
                await client.send("interrupt")
                await client.next("stop_playback", discard=True)
                await client.send("clip_played", sequence=second["sequence"], played_ms=played_ms)
                await client.next("state", phase="idle")
                assert words(server) == ["count", f"{FIRST} {first_words(SECOND, heard)}".strip()]
            await until_empty(server)


async def test_the_next_reply_waits_for_the_clients_playback_report_only_up_to_a_limit() -> None:
    async with bot([[SECOND], ["Well."]], letter_s=0.03) as server, ws_client(server) as client:
        await client.send("text", text="count")
        clip = await client.next("play_audio")
        await client.send("clip_played", sequence=clip["sequence"], played_ms=0)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        await client.send("text", text="and")
        await client.next("stop_playback")
        await client.next("play_audio")
        assert playout.CUT_S <= loop.time() - begun_s < playout.CUT_S + 0.4
        assert words(server)[0] == "count and", "nothing was heard"


async def test_a_client_that_plays_late_is_sent_all_unplayed_sound_again_on_resume() -> None:
    """The server reckons with 500 ms of the second clip, the client has played 200 ms of it."""
    async with bot([[f"{FIRST} {SECOND}"]], [["uh-huh"]], letter_s=0.03) as server, ws_client(server) as client:
        second = await play_first_and_stall(client)
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.send("clip_played", sequence=second["sequence"], played_ms=200)
        await client.send("speech_end", audio=recording("wav"))
        await client.next("playback_resume")
        rest = await client.next("play_audio")
        assert second["duration_ms"] - rest["duration_ms"] == pytest.approx(200, abs=1)
        assert len(sound_of(rest)) == pytest.approx(len(sound_of(second)) - 200 * 48, abs=2)
        await play(client, rest)
        await client.next("state", phase="idle")
        assert words(server) == ["count", f"{FIRST} {SECOND}"]


async def test_an_interruption_without_a_playback_report_leaves_only_acknowledged_words() -> None:
    heard = [["what is the weather like in Paris"]]
    async with bot([[f"{FIRST} {SECOND}"], ["Sunny."]], heard, letter_s=0.03) as server, ws_client(server) as client:
        await play_first_and_stall(client)
        await client.send("speech_start")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="regenerate")
        await client.next("play_audio")
        assert words(server)[:2] == ["count", FIRST]


async def test_a_late_first_acknowledgement_decides_what_was_heard() -> None:
    """The server went on by the clock, as it could not know that clips would be acknowledged."""
    sentences = "One two. Three four five six seven eight nine."
    async with bot([[sentences]], letter_s=0.03) as server, ws_client(server) as client:
        await client.send("text", text="count")
        first = await client.next("play_audio")
        await client.next("play_audio")
        await client.send("client_playback_started")
        await asyncio.sleep(first["duration_ms"] / 1000 + 0.6)
        await client.send("clip_played", sequence=first["sequence"])
        await client.send("interrupt")
        await client.next("state", phase="idle")
        assert words(server) == ["count", "One two."]


async def test_a_client_that_stops_acknowledging_loses_its_reply_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert playout.STALLED_S == 8
    monkeypatch.setattr(playout, "STALLED_S", 0.5)
    replies = [[f"{FIRST} {SECOND}"], ["Still here."]]
    async with bot(replies, letter_s=0.02) as server, ws_client(server) as client:
        await play_first_and_stall(client)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        assert "acknowledged no clip" in (await client.next("error"))["message"]
        assert loop.time() - begun_s == pytest.approx(len(SECOND) * 0.02 - 0.5 + 0.5, abs=0.2)
        await client.next("stop_playback", discard=True)
        await client.next("state", phase="idle")
        assert words(server) == ["count", FIRST]
        assert session(server).state.error is None
        await client.send("text", text="hello")
        clip = await client.next("play_audio")
        await play(client, clip)
        await client.next("state", phase="idle")
        assert words(server) == ["count", FIRST, "hello", "Still here."]


async def test_a_client_of_the_guide_without_acknowledgements_never_counts_as_stalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(playout, "STALLED_S", 0.1)
    async with bot([[SECOND]], letter_s=0.02) as server, ws_client(server) as client:
        await client.send("text", text="count")
        await client.next("play_audio")
        await client.send("client_playback_started")
        await client.next("state", phase="speaking")
        await client.next("state", phase="idle")
        assert words(server) == ["count", SECOND]
        assert not client.all("error")
