"""The app works with the packages of locks/run.txt alone, although the tests have more.

It runs here as if no other package were installed: not those that locks/unused.txt leaves out, and none of the tests'.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import voicebot
from tests.support.app_process import environment, running
from tests.support.paths import PROJECT
from tests.support.rtc_client import RtcClient
from tests.support.speech import spoken
from tools.locks import locked, requirements

NOT_IMPORTED = {"moonshine-voice"}
"""The bot reads the model's files in this package and does not import it."""

WITHOUT = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, NotInstalled())
"""
START = """
import importlib, runpy
for name in sys.argv.pop(1).split(","):
    importlib.import_module(name)
runpy.run_module("voicebot", run_name="__main__", alter_sys=True)
"""
"""Imports the modules that it is given, and then runs the bot. An import that fails ends it."""


def without_other_packages(modules: Iterable[str], *arguments: str) -> list[str]:
    """Returns the command that imports `modules` and runs the bot, with the packages of locks/run.txt only."""
    locked_names = {each.name for each in locked("run")}
    absent = [
        module
        for module, packages in packages_distributions().items()
        if locked_names.isdisjoint(canonicalize_name(each) for each in packages)
    ]
    assert {"numba", "pandas", "pytest", "scipy", "sklearn"} <= set(absent)
    return [sys.executable, "-c", WITHOUT + START, ",".join(absent), ",".join(modules), *arguments]


def modules_of(names: Iterable[str]) -> list[str]:
    """Returns the modules that these packages consist of."""
    wanted = {canonicalize_name(name) for name in names} - NOT_IMPORTED
    return sorted(
        module
        for module, packages in packages_distributions().items()
        if wanted & {canonicalize_name(each) for each in packages} and module.isidentifier()
    )


@pytest.mark.timeout(300)  # it loads some 5,000 modules
@pytest.mark.long
async def test_all_modules_can_be_imported_and_the_bot_hears_answers_and_speaks(tmp_path: Path) -> None:
    asked = requirements((PROJECT / "requirements.txt").read_text("utf-8"))
    required = modules_of(each.name for each in asked)
    own = [each.name for each in pkgutil.walk_packages(voicebot.__path__, "voicebot.") if "__main__" not in each.name]
    assert len(own) > 200
    assert {"deepgram", "gradio", "groq", "openai", "psycopg"} <= set(required)
    command = without_other_packages([*own, *required], "--port", "0")
    variables = environment() | {"PYTHONPATH": str(PROJECT)}
    with running(command, tmp_path, variables) as app:
        async with RtcClient(app.url) as client:
            client.microphone.say(spoken("what is ten times three"))
            await client.wait_for_message(
                lambda message: message["type"] == "state" and "thirty" in str(message["chat"][-1:]).lower(), 30
            )
            await client.heard.wait_for_sound()
            await client.wait_for_message(lambda message: message["type"] == "state" and message["phase"] == "idle", 30)
        assert "Traceback" not in app.log.read_text("utf-8")
