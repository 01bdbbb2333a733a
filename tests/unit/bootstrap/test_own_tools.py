"""What `--check` says of own tools."""

from __future__ import annotations

import pytest

from voicebot.check import report
from voicebot.check.results import CheckedStage
from voicebot.settings import config


@pytest.mark.parametrize(
    ("tools", "chain", "noted"),
    [
        ("tests.support.kitchen:bake", ["offline"], True),
        ("tests.support.kitchen:bake", ["groq", "offline"], False),
        ("", ["offline"], False),
    ],
)
def test_the_check_says_when_no_model_calls_own_tools(tools: str, chain: list[str], noted: bool) -> None:
    lines = report.chain_lines(config.load(tools=tools), {CheckedStage.ANSWER: chain})
    assert any("calls your TOOLS only by their names" in line for line in lines) is noted
