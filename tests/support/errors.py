"""Errors for tests."""

from __future__ import annotations

from voicebot.dialogue.errors import ErrorCode, ErrorReport


def engine_error(message: str) -> ErrorReport:
    """An engine failed and says this."""
    return ErrorReport(ErrorCode.ENGINE, message)
