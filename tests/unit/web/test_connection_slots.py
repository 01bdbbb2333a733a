"""The number of connections that a server accepts, in total and from one address."""

from __future__ import annotations

import pytest

from voicebot.web.connection_slots import connection_slots_for


def test_the_connection_limit_leaves_open_files_for_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    for soft, hard, sessions, most in ((256, 256, 8, 96), (256, 4_096, 8, 1_000), (256, 256, 1_000, 64)):
        monkeypatch.setattr("resource.getrlimit", lambda _, pair=(soft, hard): pair)
        monkeypatch.setattr("resource.setrlimit", lambda _, pair: asked.append(pair))
        slots = connection_slots_for(sessions, 0)
        assert (slots.maximum, slots.maximum_per_address) == (most, most // 2)
        assert connection_slots_for(sessions, 1).maximum_per_address == most, (
            "behind a proxy all connections come from one address"
        )
    assert asked == [(4_096, 4_096)] * 2
