"""The command: it puts the engines to work, stage by stage, and writes what came of it as it comes."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NoReturn, Protocol

from voicebot.audio.sound import Audio
from voicebot.bootstrap.discovery import discover
from voicebot.bootstrap.engines import build
from voicebot.check import report
from voicebot.check.beside import detector, relay, stand_in, store
from voicebot.check.results import CheckedStage, Outcome, Trial
from voicebot.check.trials import QUESTION, Limits, Trials, sentence_in
from voicebot.engines.protocols import Engines
from voicebot.settings import config, logs
from voicebot.settings.config import Settings

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""

CLOSE_S = 5.0
"""How long the engines may take to end."""


class LineWriter(Protocol):
    """Takes the report, line by line."""

    def write_line(self, line: str) -> None: ...


class StandardOutput:
    """The terminal, or the file to which the output goes, which gets each line at once."""

    def write_line(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class RedactedOutput(StandardOutput):
    """Standard output, on which no key and none of the `hidden` values is shown."""

    def __init__(self, hidden: Sequence[str]) -> None:
        self._hidden = hidden

    def write_line(self, line: str) -> None:
        super().write_line(report.redacted(line, self._hidden))


def run(remarks: Sequence[str] = ()) -> NoReturn:
    """Check, write the report to standard output, and exit with the status that `report.verdict` describes.

    `remarks` are what else there is to say of the settings. Raises SettingsError if they can't be used.
    """
    try:
        status = _run(remarks)
    except KeyboardInterrupt:
        StandardOutput().write_line("\nStopped.")
        status = INTERRUPTED
    # Nothing is open any more, but the system may still look up a host's name in a thread: half a minute if no name
    # server answers. An ordinary exit would wait for that.
    os._exit(status)


async def check(settings: Settings, engines: Engines, output: LineWriter, limits: Limits | None = None) -> int:
    """Check engines that are not started, and close them. Gives the exit status."""
    trials = Trials(engines, settings, Limits() if limits is None else limits)
    results: dict[CheckedStage, Sequence[Trial]] = {}

    def tell(stage: CheckedStage, intent: str) -> None:
        _write_all(report.stage_lines(stage, intent, results[stage], settings, sentence), output)

    _write_all([*report.chain_lines(settings, trials.names), *report.unused(settings, trials.names)], output)
    sentence = sentence_in(settings.language)
    async with _closed(engines), asyncio.TaskGroup() as group:
        relaying = group.create_task(relay(settings))
        await trials.prepare()

        results[CheckedStage.SPEAK] = await trials.speak()
        tell(CheckedStage.SPEAK, f'each voice says "{sentence}"')

        voice, sound = await _best_voice(results[CheckedStage.SPEAK], settings)
        if sound is None:
            results[CheckedStage.HEAR] = trials.unheard("ready, but not tried: there is no voice to hear")
            tell(CheckedStage.HEAR, "no voice works")
        else:
            results[CheckedStage.HEAR] = await trials.receive_audio(sound)
            tell(CheckedStage.HEAR, f"each recogniser hears what {voice} said")

        results[CheckedStage.ANSWER] = await trials.answer()
        tell(CheckedStage.ANSWER, f'each model is asked "{QUESTION}"')

        findings = [detector(engines, sound, settings), *filter(None, [await store(settings), await relaying])]
        _write_all(report.finding_lines(findings), output)
    text, status = report.verdict(results, findings)
    output.write_line(f"\n{text}")
    return status


def _run(remarks: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal need not know all letters that are heard or answered
    plain = StandardOutput()
    _write_all(report.heading(), plain)
    origins, file = config.origins(), config.settings_file()
    proxies = {f"{scheme.upper()}_PROXY": url for scheme, url in urllib.request.getproxies().items()}
    try:
        settings = config.load()
    except config.SettingsError:
        _write_all(report.settings_lines(origins, file, None, proxies), plain)
        raise
    output = RedactedOutput(report.secrets(settings))
    found = discover(settings)
    notes = [f"  note: {remark}" for remark in (*remarks, *found.remarks)]
    _write_all([*report.settings_lines(origins, file, settings, proxies), *notes], output)
    logs.set_up("DEBUG" if settings.log_level == "DEBUG" else "CRITICAL")  # the report tells all that matters
    return asyncio.Runner().run(check(settings, build(settings, found), output))


async def _best_voice(spoken: Sequence[Trial], settings: Settings) -> tuple[str, Audio | None]:
    """The sound of the first voice that works, else that of the embedded one if it is not among them."""
    for trial in spoken:
        if trial.sound is not None and report.status_of(trial) is Outcome.OK:
            return trial.engine, trial.sound
    return await stand_in(settings, {trial.engine for trial in spoken})


@asynccontextmanager
async def _closed(engines: Engines) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await engines.close()


def _write_all(lines: Iterable[str], output: LineWriter) -> None:
    for line in lines:
        output.write_line(line)
