"""How many connections a server takes, of all clients and of one address."""

from __future__ import annotations

import pytest

from voicebot.web.connection_places import places_for


def test_the_connection_limit_leaves_open_files_for_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    for soft, hard, sessions, most in ((256, 256, 8, 96), (256, 4_096, 8, 1_000), (256, 256, 1_000, 64)):
        monkeypatch.setattr("resource.getrlimit", lambda _, pair=(soft, hard): pair)
        monkeypatch.setattr("resource.setrlimit", lambda _, pair: asked.append(pair))
        places = places_for(sessions, 0)
        assert (places.most, places.most_each) == (most, most // 2)
        assert places_for(sessions, 1).most_each == most, "behind a proxy all come from its address"
    assert asked == [(4_096, 4_096)] * 2
