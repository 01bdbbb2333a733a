"""`python -m tests.simulators` prints the command that starts the app, and names the faults that are on."""

from __future__ import annotations

import pytest

from tests.simulators.__main__ import instructions, plan
from tests.simulators.faults import Fault, Faults


def test_the_printed_command_starts_the_app_in_the_environment_of_the_project() -> None:
    assert instructions({"GROQ_API_KEY": "any", "NO_PROXY": "127.0.0.1"}, ["# A remark"]) == (
        "GROQ_API_KEY=any \\\nNO_PROXY=127.0.0.1 \\\n.venv/bin/python app.py\n\n# A remark\n"
    )


def test_a_fault_on_the_command_line_is_on_and_is_told() -> None:
    services = {"groq": Faults(), "elevenlabs": Faults()}
    assert plan([], services) == []
    assert plan(["elevenlabs=500"], services) == ["# Fault: every request to elevenlabs meets the fault 500"]
    failing = services["elevenlabs"].next()
    assert failing is not None
    assert failing.fault is Fault.SERVER_ERROR
    assert services["groq"].next() is None


@pytest.mark.parametrize("requested", ["nobody=500", "groq=tired", "groq"])
def test_a_wrong_fault_is_refused_with_the_services_and_the_faults(requested: str) -> None:
    with pytest.raises(ValueError, match=r"SERVICE is groq; FAULT is refuse, 401,"):
        plan([requested], {"groq": Faults()})
