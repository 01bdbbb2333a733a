"""Whatever a session has to tell, the client gets as much of it as it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.session.messages import TelemetryMessage
from voicebot.transports.webrtc.data_channel import encoded, message_of

SMALLEST = 16_384


def state(*texts: str) -> dict[str, Any]:
    return view(State(history=tuple(Message(Role.USER, text) for text in texts)))


def fitted(message: dict[str, Any], max_bytes: int = SMALLEST) -> dict[str, Any]:
    text = encoded(message, max_bytes)
    assert text is not None
    assert len(text.encode()) <= max_bytes
    read: dict[str, Any] = json.loads(text)
    return read


def test_a_message_that_fits_is_sent_unchanged() -> None:
    message = state("one", "two")
    assert fitted(message) == json.loads(json.dumps(message))


def test_a_long_conversation_drops_its_oldest_messages_and_counts_them() -> None:
    message = state(*(f"{number} " + "\U0001f600" * 190 for number in range(60)))
    shown = fitted(message)
    assert 5 < len(shown["chat"]) < len(message["chat"])
    assert shown["chat"] == message["chat"][-len(shown["chat"]) :]
    assert shown["older"] + len(shown["chat"]) == 60


@pytest.mark.parametrize("text", ["x" * 100_000, "\x01" * 100_000, "\U0001f600" * 100_000, '"' * 100_000])
def test_a_text_that_is_too_long_is_cut_to_its_end(text: str) -> None:
    (shown,) = fitted(state(text + " the end"))["chat"]
    assert shown["text"].startswith("…")
    assert shown["text"].endswith(" the end")


def test_a_long_error_and_a_long_verdict_are_cut_and_a_long_verdict_case_is_left_out() -> None:
    error = {"code": "engine", "message": "e" * 50_000}
    message = state("hello") | {"error": error, "verdicts": [{"case": "c" * 50_000, "text": "t" * 50_000}]}
    shown = fitted(message)
    assert shown["error"]["message"].startswith("…e")
    assert "case" not in shown["verdicts"][0]
    assert shown["verdicts"][0]["text"].endswith("t")


def test_half_a_surrogate_pair_is_replaced_and_a_whole_pair_stays() -> None:
    assert fitted({"type": "error", "message": "\ud83d \U0001f600 \ude00"})["message"] == "\ufffd \U0001f600 \ufffd"


def test_a_message_that_cannot_be_shortened_is_not_sent() -> None:
    assert encoded(message_of(TelemetryMessage(stt_bytes=1)), 10) is None
