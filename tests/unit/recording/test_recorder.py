"""The time for which the recording of an ended session is kept."""

from __future__ import annotations

import asyncio

from voicebot.dialogue.state import State
from voicebot.recording.recorder import Recordings
from voicebot.settings import config


async def test_ended_recordings_are_dropped_after_a_grace_period_or_when_there_are_too_many() -> None:
    recordings = Recordings(config.load(max_sessions=2), grace_s=0.05)
    ended = [recordings.new(State().history) for _ in range(3)]
    for recorder in ended:
        recorder.begin()
        recorder.end()
        recorder.end()
    assert [recordings.find(each.name) is None for each in ended] == [True, False, False]
    live = recordings.new(())
    live.begin()
    await asyncio.sleep(0.1)
    assert [recordings.find(each.name) for each in ended] == [None, None, None]
    assert recordings.find(live.name) is live
    recordings.close()
    assert live.snapshot().sound is None
