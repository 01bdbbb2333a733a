"""The recorder or the store fails: the conversation goes on, and the fault is logged once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.engines import loud
from tests.support.ws_bot import bot, play, words
from tests.support.ws_client import recording, ws_client
from voicebot.recording.recorder import Recorder
from voicebot.storage.conversation import StoredConversation


def fails(*_: Any, **__: Any) -> None:
    raise RuntimeError("the disk is on fire")


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (Recorder, "begin"),
        (Recorder, "heard"),
        (Recorder, "played"),
        (Recorder, "stepped"),
        (Recorder, "end"),
        (StoredConversation, "keep"),
    ],
)
@pytest.mark.parametrize("live", [True, False])
async def test_a_fault_of_the_recorder_or_the_store_leaves_the_session_intact(
    owner: type, method: str, live: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(owner, method, fails)
    async with bot([["Good day to you."], ["Well."]], [["hello"], ["and now"]]) as server, ws_client(server) as client:
        for number, text in enumerate(("hello", "and now")):
            if live:
                pcm = loud(0.6, 16_000).to_bytes() + bytes(2 * 16_000)
                for start in range(0, len(pcm), 640):
                    await client.socket.send(pcm[start : start + 640])
            else:
                await client.send("speech_end", audio=recording("webm"))
            assert (await client.next("asr.final"))["text"] == text
            await play(client, await client.next("play_audio"))
            await client.next("state", phase="idle")
            assert len(words(server)) == 2 * number + 2
        await client.send("bye")
        await client.next("closed", code="bye")
    records = [each for each in caplog.records if "further faults of this session" in each.getMessage()]
    assert len(records) == 1
    assert records[0].exc_info is not None
