"""Errors for tests."""

from __future__ import annotations

from voicebot.dialogue.errors import ErrorCode, ErrorReport


def engine_error(message: str) -> ErrorReport:
    """Returns the error report of an engine that failed with this message."""
    return ErrorReport(ErrorCode.ENGINE, message)
