"""Parsing the messages of `/ws`."""

from __future__ import annotations

import pytest

from voicebot.session.messages import MessageError, client_message


def test_a_wrong_message_raises_an_error_that_names_its_fault() -> None:
    for raw, complaint in (
        ("", "Invalid JSON"),
        ("[]", "object"),
        ("{}", "type"),
        ('{"type":"text"}', "text.text: Field required"),
        ('{"type":"clip_played","sequence":-1}', "clip_played.sequence"),
    ):
        with pytest.raises(MessageError) as raised:
            client_message(raw)
        assert complaint in str(raised.value)
