"""What clients are told of errors: a code for programs, the same over every transport."""

from __future__ import annotations

import pytest

from tests.support.errors import engine_error
from voicebot.dialogue.errors import ErrorCode
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view
from voicebot.engines.errors import EngineError, Fault

CODES = {
    Fault.DENIED: "credentials",
    Fault.UNPAID: "credentials",
    Fault.UNREACHABLE: "unavailable",
    Fault.SERVER: "unavailable",
    Fault.TIMEOUT: "unavailable",
    Fault.LIMITED: "unavailable",
    Fault.REJECTED: "engine",
    Fault.MISSING: "engine",
    Fault.BROKEN: "engine",
    Fault.UNSUITABLE: "engine",
}


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_an_engine_has_an_error_code(fault: Fault) -> None:
    report = EngineError("groq", "it failed", fault=fault).report
    assert (report.code, report.message) == (CODES[fault], "groq: it failed")


def test_the_view_gives_the_code_and_the_message_of_an_error() -> None:
    assert view(State(error=engine_error("espeak: it died")))["error"] == {
        "code": ErrorCode.ENGINE,
        "message": "espeak: it died",
    }
