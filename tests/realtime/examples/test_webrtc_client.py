"""The WebRTC client asks the app aloud, hears the answer, and interrupts another one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from tests.realtime.examples.conftest import Run
from tests.support.understanding import understood
from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Samples


def test_the_client_asks_aloud_and_records_the_answer(
    url: str, run: Run, wav: Callable[[str], Path], tmp_path: Path
) -> None:
    printed = run("webrtc_client.py", url, wav("what is ten times three"))
    assert re.findall(r"^state: (.*)$", printed, re.MULTILINE)[0] == "idle"
    assert "state: speaking" in printed
    (question,) = re.findall(r"^you: (.*)$", printed, re.MULTILINE)
    (answer,) = re.findall(r"^bot: (.*)$", printed, re.MULTILINE)
    assert "ten times three" in question.lower()
    assert "thirty" in answer.lower()
    assert printed.endswith("closed You hung up.\n")
    assert "30" in understood(recorded(tmp_path / "heard.wav")) or "thirty" in understood(
        recorded(tmp_path / "heard.wav")
    )


def test_the_client_interrupts_the_answer_over_the_data_channel(url: str, run: Run) -> None:
    printed = run("webrtc_client.py", url, "Tell me a long story.", "--interrupt-after", "2")
    (story,) = re.findall(r"^bot: (.*)$", printed, re.MULTILINE)
    assert 3 <= len(story.split()) <= 30, "what was heard in two seconds, not the whole story"
    assert printed.endswith("closed You hung up.\n")


def recorded(path: Path) -> Audio:
    resampler = av.AudioResampler("s16", "mono", WIRE_RATE_HZ)
    pieces: list[Samples] = []
    with av.open(path) as file:
        for frame in file.decode(audio=0):
            pieces += [each.to_ndarray()[0] for each in resampler.resample(frame)]
    return Audio(np.concatenate(pieces), WIRE_RATE_HZ)
