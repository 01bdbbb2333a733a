"""What of a reply's text a client is told, and when."""

from __future__ import annotations

import asyncio

import pytest

from voicebot.core.reply_state import Reply
from voicebot.core.state import State
from voicebot.transports.ws.narrator import Narrator
from voicebot.transports.ws.protocol import LlmDelta, LlmFinal, ServerMessage


async def test_the_text_of_a_preemptive_reply_is_sent_only_once_the_reply_is_wanted() -> None:
    told: list[ServerMessage] = []
    narrator = Narrator(told.append)

    def texts() -> list[str]:
        return [each.text for each in told if isinstance(each, LlmDelta | LlmFinal)]

    narrator.tell(State(reply=Reply(1, eager=True)))
    narrator.stream(1, "For ")
    narrator.stream(1, "nothing.")
    await asyncio.sleep(0)
    narrator.tell(State(reply=Reply(1, eager=True, cancelled=True)))
    narrator.tell(State(reply=Reply(2, eager=True)))
    narrator.stream(2, "Good ")
    await asyncio.sleep(0)
    assert texts() == []
    narrator.tell(State(reply=Reply(2)))
    assert texts() == ["Good "]
    narrator.stream(2, "d")
    narrator.stream(2, "ay.")
    await asyncio.sleep(0)
    assert texts() == ["Good ", "day."]
    narrator.tell(State(reply=Reply(2, sentences=("Good day.",), text_ended=True)))
    narrator.tell(State(reply=Reply(2, sentences=("Good day.",), text_ended=True, started=True)))
    assert texts() == ["Good ", "day.", "Good day."]


@pytest.mark.parametrize("state", [State(reply=Reply(1, cancelled=True)), State()])
async def test_a_reply_that_was_cut_sends_no_further_text(state: State) -> None:
    told: list[ServerMessage] = []
    narrator = Narrator(told.append)
    narrator.tell(State(reply=Reply(1)))
    narrator.stream(1, "Good ")
    narrator.tell(state)
    narrator.stream(1, "day.")
    await asyncio.sleep(0)
    assert not [each for each in told if isinstance(each, LlmFinal | LlmDelta)]
