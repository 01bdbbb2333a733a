"""The two clients of `/ws` hold the same conversation with the app."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from tests.realtime.examples.conftest import EXAMPLES, Run

CLIENTS = ["websocket_client.py", "websocket_client.mjs"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_asks_aloud_hums_over_the_answer_and_interrupts_it(
    client: str, url: str, run: Run, wav: Callable[[str], Path], tmp_path: Path
) -> None:
    ws = url.replace("http", "ws", 1) + "/ws"
    printed = run(client, ws, wav("tell me a long story"), wav("uh-huh"), "What time is it in Tokyo?")
    question, hum = re.findall(r"asr\.final\b.*", printed)
    assert "long story" in question.lower()
    assert "uh" in hum.lower()
    (verdict,) = re.findall(r"^verdict\b.*(?:\n .*)*", printed, re.MULTILINE)
    assert "resume" in verdict
    assert "only shows that you are listening" in verdict
    before, after = printed.split(verdict)
    assert said(before).startswith("Far out where")
    story, _, answer = said(after).partition("It's ")
    assert story.strip(), "the story went on after the hum"
    assert re.search(r"in Tokyo, on \w+day\.$", answer)
    assert "You hung up." in printed.splitlines()[-1]
    assert duration_s(tmp_path / "heard.mp3") > 4


def duration_s(mp3: Path) -> float:
    """Returns the duration of the clips in the file, one after the other. Players skip their headers."""
    with av.open(mp3) as file:
        return float(sum((packet.duration or 0) * packet.time_base for packet in file.demux(audio=0)))


def said(printed: str) -> str:
    """Returns the words of the clips that were played to the end."""
    return " ".join(filter(None, re.findall(r"^bot: (.*)$", printed, re.MULTILINE)))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_has_at_most_40_lines_of_code(client: str) -> None:
    text = re.sub(r'\A""".*?"""', "", (EXAMPLES / client).read_text("utf-8"), flags=re.DOTALL)
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(("#", "//"))]
    assert len(code) <= 40
