"""The command: it tries the engines stage by stage, and writes each part of the report as soon as it is known."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NoReturn, Protocol

from voicebot.agent.tools import ToolSource
from voicebot.bootstrap.discovery import discover
from voicebot.bootstrap.engines import build, toolbox
from voicebot.check import report
from voicebot.check.findings import (
    check_database,
    check_relay,
    check_size,
    check_tool_servers,
    check_turn_model,
    check_vad,
)
from voicebot.check.results import CheckedStage, Outcome, Trial
from voicebot.check.trials import QUESTION, TrialLimits, Trials, sentence_in
from voicebot.engines.protocols import Engines
from voicebot.settings import config, logs
from voicebot.settings.config import Settings

INTERRUPTED = 130
"""The exit status after Ctrl-C, as in shells."""

CLOSE_S = 5.0
"""The engines have this long to close."""


class LineWriter(Protocol):
    """Takes the report, line by line."""

    def write_line(self, line: str) -> None: ...


class StandardOutput:
    """Standard output, on which no key and none of the `hidden` values is shown. Each line is written at once."""

    def __init__(self, hidden: Sequence[str] = ()) -> None:
        self._hidden = hidden

    def write_line(self, line: str) -> None:
        sys.stdout.write(f"{report.redacted(line, self._hidden)}\n")
        sys.stdout.flush()


def run(remarks: Sequence[str] = ()) -> NoReturn:
    """Runs the check, writes the report to standard output, and exits with the status of `report.verdict`.

    `remarks` are notes on the settings. Raises SettingsError if the settings can't be used.
    """
    try:
        status = _run(remarks)
    except KeyboardInterrupt:
        StandardOutput().write_line("\nStopped.")
        status = INTERRUPTED
    # Everything is closed, but the system may still look up a host's name in a thread, for half a minute if no name
    # server answers. An ordinary exit would wait for that.
    os._exit(status)


async def check(settings: Settings, engines: Engines, output: LineWriter, limits: TrialLimits | None = None) -> int:
    """Checks engines that are not started, and closes them. Returns the exit status."""
    trials = Trials(engines, settings, TrialLimits() if limits is None else limits)
    results: dict[CheckedStage, Sequence[Trial]] = {}
    sentence = sentence_in(settings.language)

    def write_stage(stage: CheckedStage, intent: str) -> None:
        _write_all(report.stage_lines(stage, intent, results[stage], settings, sentence), output)

    _write_all([*report.chain_lines(settings, trials.names), *report.unused_keys(settings, trials.names)], output)
    async with _closed(engines), asyncio.TaskGroup() as group:
        relay = group.create_task(check_relay(settings))
        servers = group.create_task(check_tool_servers(engines))
        await trials.prepare()

        results[CheckedStage.SPEAK] = spoken = await trials.speak()
        write_stage(CheckedStage.SPEAK, f'each voice says "{sentence}"')

        voice = next((trial for trial in spoken if trial.sound and report.outcome_of(trial) is Outcome.OK), None)
        sound = None if voice is None else voice.sound
        if voice is None or sound is None:
            results[CheckedStage.HEAR] = trials.skip_hearing("ready, but not tried: there is no voice to hear")
            write_stage(CheckedStage.HEAR, "no voice works")
        else:
            results[CheckedStage.HEAR] = await trials.hear(sound)
            write_stage(CheckedStage.HEAR, f"each recogniser hears what {voice.engine} said")

        results[CheckedStage.ANSWER] = await trials.answer()
        write_stage(CheckedStage.ANSWER, f'each model is asked "{QUESTION}"')

        optional = [await check_turn_model(engines, sound), await check_database(settings), await relay]
        findings = [check_vad(engines, sound, settings), *filter(None, optional), *await servers]
        if settings.tools or engines.tool_servers is not None:
            source = engines.tool_servers if isinstance(engines.tool_servers, ToolSource) else None
            tools = toolbox(settings, source).tools
            _write_all(report.tool_lines(tools), output)
            findings += filter(None, [check_size(tools, settings)])
        _write_all(report.finding_lines(findings), output)
    text, status = report.verdict(results, findings)
    output.write_line(f"\n{text}")
    return status


def _run(remarks: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack letters that are heard or answered
    plain = StandardOutput()
    _write_all(report.heading(), plain)
    origins, file = config.origins(), config.settings_file()
    proxies = {f"{scheme.upper()}_PROXY": url for scheme, url in urllib.request.getproxies().items()}
    try:
        settings = config.load()
    except config.SettingsError:
        _write_all(report.settings_lines(origins, file, None, proxies), plain)
        raise
    output = StandardOutput(report.secrets(settings))
    found = discover(settings)
    notes = [f"  note: {remark}" for remark in (*remarks, *found.remarks)]
    _write_all([*report.settings_lines(origins, file, settings, proxies), *notes], output)
    logs.set_up("DEBUG" if settings.log_level == "DEBUG" else "CRITICAL")  # the report says everything that matters
    engines = build(settings, found)
    return asyncio.Runner().run(check(settings, engines, output))


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
