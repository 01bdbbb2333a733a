"""The personas that the package holds."""

from __future__ import annotations

import pytest

from voicebot.personas import persona, personas


def test_the_assistant_is_there_and_speaks() -> None:
    assert "assistant" in personas()
    assert "spoken" in persona("assistant")


@pytest.mark.parametrize("name", ["nobody", "", "../agent", "__init__"])
def test_what_is_not_there_is_named_with_what_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no persona .* only .*assistant"):
        persona(name)
