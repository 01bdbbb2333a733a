"""The frames in which a server and its worker processes send each other messages."""

from __future__ import annotations

from voicebot.engines.worker.frames import FrameBuffer, Kind, Message


def test_messages_are_reassembled_from_chunks_of_any_size() -> None:
    messages = [
        Message(Kind.START, {"text": "héllo", "n": 3}),
        Message(Kind.DATA, body=b"\x00" * 50),
        Message(Kind.END),
    ]
    stream = b"".join(message.encoded() for message in messages)
    for size in (1, 2, 7, 1000):
        buffer = FrameBuffer()
        got = []
        for start in range(0, len(stream), size):
            buffer.push(stream[start : start + size])
            got += list(buffer.messages())
        assert got == messages
