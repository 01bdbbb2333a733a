"""Playback messages after `stop_playback`, without acknowledgements of clips: nothing that was cut counts as heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.ws_bot import bot, history, until_empty, words
from tests.support.ws_client import WsClient, recording, sound_of, ws_client

LONG = "One two three four five six seven eight nine ten eleven twelve."
"""1.9 s long at 30 ms a letter."""

HEARD = [["what is the weather like in Paris"]]


def with_and_without_pause(case: Callable[[str], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Runs a test with a client that cannot pause and one that can, at the same time, each with a bot of its own."""

    async def both() -> None:
        await asyncio.gather(*(case(query) for query in ("", "?pause=1")))

    both.__doc__ = case.__doc__
    return both


async def begin_reply(client: WsClient, *, delay_s: float = 0.9, reported: bool = True) -> dict[str, Any]:
    """Asks for a reply of one clip and returns the clip. If `reported`, says after `delay_s` that playback has begun.

    When the reply is cut 1.1 s later, the clip was sent long enough ago to have been played whole. The waits in these
    tests stand for what the client plays meanwhile, as the server can only go by the time that has passed.
    """
    await client.send("text", text="count")
    clip = await client.next("play_audio")
    if reported:
        await asyncio.sleep(delay_s)
        await client.send("client_playback_started")
    return clip


@with_and_without_pause
async def test_an_interrupted_reply_counts_as_heard_up_to_the_cut(query: str) -> None:
    async with bot([[LONG]], letter_s=0.03) as server, ws_client(server, query) as client:
        await begin_reply(client)
        await asyncio.sleep(1.1)
        await client.send("interrupt")
        await client.next("stop_playback", discard=True)
        await client.send("client_playback_complete")
        await client.next("state", phase="idle")
        assert LONG.startswith(words(server)[1])
        assert 3 <= len(words(server)[1].split()) <= 8
        assert history(server)[1].interrupted


@with_and_without_pause
async def test_a_reply_without_a_playback_start_counts_as_heard_only_as_far_as_time_allows(query: str) -> None:
    """The client says that playback is complete long after it was stopped."""
    async with bot([[LONG]], [["uh-huh"]], letter_s=0.03) as server, ws_client(server, query) as client:
        await begin_reply(client, reported=False)
        await asyncio.sleep(1.3)
        await client.send("speech_start")
        await client.next("stop_playback")
        await asyncio.sleep(1.0)
        await client.send("client_playback_complete")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("playback_resume")
        await client.send("interrupt")
        await client.next("state", phase="idle")
        said = words(server)[1]
        assert LONG.startswith(said)
        assert len(said.split()) <= 8
        assert history(server)[1].interrupted


@with_and_without_pause
async def test_a_paused_reply_resumes_where_it_was_cut(query: str) -> None:
    """The client says that its playback is complete as soon as it has stopped."""
    async with bot([[LONG]], [["uh-huh"]], letter_s=0.03) as server, ws_client(server, query) as client:
        clip = await begin_reply(client)
        await asyncio.sleep(1.1)
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.send("client_playback_complete")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="resume")
        await client.next("playback_resume")
        if query:
            left_s = clip["duration_ms"] / 1000 - 1.1
        else:
            rest = await client.next("play_audio")
            await client.send("client_playback_started")
            left_s = len(sound_of(rest)) / 48_000
            assert left_s == pytest.approx(clip["duration_ms"] / 1000 - 1.1, abs=0.25)
        await asyncio.sleep(left_s)
        await client.send("client_playback_complete")
        await client.next("state", phase="idle")
        assert words(server) == ["count", LONG]


@with_and_without_pause
async def test_a_playback_complete_that_follows_a_resume_does_not_make_the_whole_reply_heard(query: str) -> None:
    async with bot([[LONG], ["Well."]], [["uh-huh"]], letter_s=0.03) as server, ws_client(server, query) as client:
        await begin_reply(client)
        await asyncio.sleep(1.1)
        await client.send("speech_start")
        await client.next("stop_playback")
        await asyncio.sleep(1.2)
        await client.send("speech_end", audio=recording("wav"))
        await client.next("playback_resume")
        if not query:
            await client.next("play_audio")
        await client.send("client_playback_complete")
        await client.send("interrupt")
        await client.next("state", phase="idle")
        assert LONG.startswith(words(server)[1])
        assert len(words(server)[1].split()) <= 8
        assert history(server)[1].interrupted


async def test_an_interruption_leaves_only_the_heard_part_of_the_reply_in_the_history() -> None:
    async with bot([[LONG], ["Sunny."]], HEARD, letter_s=0.03) as server, ws_client(server) as client:
        await begin_reply(client)
        await asyncio.sleep(1.1)
        await client.send("speech_start")
        await client.next("stop_playback")
        await client.send("client_playback_complete")
        await client.send("speech_end", audio=recording("wav"))
        await client.next("verdict", decision="regenerate")
        assert (await client.next("play_audio"))["text"] == "Sunny."
        cut = history(server)[1]
        assert cut.interrupted
        assert LONG.startswith(cut.text)
        assert 1 <= len(cut.text.split()) <= 8


async def test_a_playback_complete_that_crosses_a_stop_makes_the_whole_reply_heard() -> None:
    """The client has played everything when the stop, which is under way, reaches it."""

    async def case(reported: bool) -> None:
        async with bot([[LONG]], letter_s=0.03) as server:
            async with ws_client(server) as client:
                clip = await begin_reply(client, delay_s=0.0, reported=reported)
                await asyncio.sleep(clip["duration_ms"] / 1000)
                await client.send("speech_start")
                await client.send("client_playback_complete")
                await client.send("speech_end", audio=recording("wav", 0.1))
                await client.next("state", phase="idle")
                assert words(server) == ["count", LONG]
                assert not history(server)[1].interrupted
            await until_empty(server)

    await asyncio.gather(case(reported=True), case(reported=False))
