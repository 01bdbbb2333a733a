"""`make bench` lets the same scripted users talk to our bot, FastRTC's and Pipecat's, and prints Markdown tables.

All bots run on the same stub engines, one at a time, each in a process of its own. Our bot runs once more as delivered,
on simulated cloud services without delay. See `--help` for shorter runs.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from tests.benchmarks import answers, bots, losses, overlaps, users, wrong_starts
from tests.benchmarks.bots import Bot, Kind
from tests.benchmarks.figures import Figures, table
from tests.support.rtc_client import OfferRefusedError

KINDS = {"ours": bots.OURS, "fastrtc": bots.FASTRTC, "pipecat": bots.PIPECAT}
SCENARIOS = ("answers", "overlaps", "wrong-starts", "turns", "losses", "no-delays", "services")

FAILURES = (TimeoutError, OSError, httpx.HTTPError, OfferRefusedError)
"""The exceptions that a hanging or failing bot causes here. They end the scenario, with a note."""

ROUND_S = 25.0
"""The time in seconds for each round of a scenario, after which the harness assumes a hang."""

ANSWERS = [
    ("gap", "last sample of the question → first sound of the answer", "ms"),
    ("cut off", "answered before the end", "of"),
    ("discarded", "turns with a reply that was begun and discarded", "of"),
]
OVERLAPS = [
    ("interruption stop", "interruption: onset of speech → bot silent", "ms"),
    ("interruption answer", "interruption: its end → the new answer", "ms"),
    ("backchannel pause", "backchannel, cough, noise: onset → bot silent, where the reply then went on", "ms"),
    ("backchannel resume", "its end → the bot speaks on", "ms"),
    ("lost", "samples lost over a pause (less than 24 count as none)", ""),
    ("repeated", "samples repeated over a pause", ""),
    ("lost, unrounded", "lost less repeated, as measured (±10)", ""),
    ("backchannel stop", "onset → bot silent, where it did not go on", "ms"),
    ("backchannel answer", "its end → another reply", "ms"),
]
VERDICTS = [
    row
    for kind, name in (("backchannel", "backchannel"), ("noise", "cough or noise"), ("interruption", "interruption"))
    for row in (
        (f"{kind}: went on", f"**{name}**: the reply went on", "of"),
        (f"{kind}: new reply", f"{name}: another reply", "of"),
        (f"{kind}: dropped", f"{name}: silence", "of"),
    )
]
WRONG_STARTS = [
    row
    for kind, name in (("first", "the session's first reply"), ("later", "a later reply"))
    for row in (
        (f"{kind} start: stop", f"**{name}**: onset of the words that go on → bot silent", "ms"),
        (f"{kind} start: repaired", "one message with all words, nothing of the first reply", "of"),
        (f"{kind} start: answered", "another reply", "of"),
        (f"{kind} start: answer", "end of the words → the other reply", "ms"),
    )
]
TURNS = [
    row
    for kind, name in (
        ("long", "long sentences"),
        ("hesitation", f"{users.HESITATION_S} s of hesitation"),
        ("ambiguous", f"{users.HESITATION_S} s where the sentence could end"),
    )
    for row in (
        (f"{kind}: answered too soon", f"**{name}**: answered before the end", "of"),
        (f"{kind}: thought too soon", "a reply begun before the end (preemptive ones count)", "of"),
        (f"{kind}: gap", "end → answer, of the others", "ms"),
    )
]
LOSSES = [
    ("no loss: stop", "no loss: onset → silent", "ms"),
    *(
        row
        for share in losses.LOSSES
        for row in (
            (f"{share:.0%} loss: gap", f"**{share:.0%} loss**: end of question → answer", "ms"),
            (f"{share:.0%} loss: stop during", "onset → silent", "ms"),
            (f"{share:.0%} loss: stop after", f"onset → silent, {losses.RECOVERY_S:.0f} s after the loss", "ms"),
        )
    ),
]
NO_DELAYS = [
    ("gap", "last sample of the question → first sound of the answer", "ms"),
    ("part: end of turn", "of it: end of turn", "ms"),
    ("own share", "end of turn → first frame, by the bot's clock", "ms"),
    ("own share and wire", "end of turn → first sound, with the way there and back", "ms"),
]
SERVICES = [
    ("gap", "last sample of the question → first sound of the answer", "ms"),
    ("part: end of turn", "of it: end of turn", "ms"),
    ("part: final text", "meanwhile: user silent → all words known", "ms"),
    ("own share", "**end of turn → first frame, by the bot's clock**", "ms"),
    ("until begun", "of it, if not done before: end of turn → the model is asked", "ms"),
    ("part: first token", "→ first token", "ms"),
    ("part: first sentence", "→ first sentence", "ms"),
    ("part: first audio", "→ first audio", "ms"),
    ("part: first frame", "→ first frame, once the turn is over", "ms"),
    ("own share and wire", "end of turn → first sound, with the way there and back", "ms"),
]
EAGER = {"replies begun at a pause": True, "only at the end of the turn": False}
"""The columns of the table, and the value of the setting PREEMPTIVE_REPLIES for each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The scenarios, and the number of rounds for our bot and for the peers."""

    ours: int
    peers: int
    scenarios: frozenset[str]

    def rounds(self, bot: Bot, divisor: int = 1) -> int:
        """Returns the number of rounds, at least two. Slower measures divide it."""
        return max(2, (self.ours if bot.kind.ours else self.peers) // divisor)


async def attempt(what: str, rounds: int, figures: Figures, work: Awaitable[None]) -> None:
    """Runs a scenario. If it fails, adds a note."""
    started_s = time.monotonic()
    try:
        async with asyncio.timeout(rounds * ROUND_S):
            await work
    except FAILURES as error:
        figures.note(f"{what} ended early: {type(error).__name__} {error}".strip())
    logging.info("%s: %.0f s", what, time.monotonic() - started_s)


async def measure(bot: Bot, figures: Figures, plan: Plan) -> None:
    """Measures all scenarios except the one without delays."""
    name, rounds = bot.kind.name, plan.rounds(bot)
    if "answers" in plan.scenarios:
        await attempt(f"{name}: answers", rounds, figures, answers.measure(bot, figures, users.questions(rounds)))
    if "overlaps" in plan.scenarios:
        backchannels, interruptions = users.backchannels(rounds), users.interruptions(rounds)
        work = overlaps.measure(bot, figures, backchannels, interruptions)
        await attempt(f"{name}: overlaps", 2 * rounds, figures, work)
    if "wrong-starts" in plan.scenarios:
        work = wrong_starts.measure(bot, figures, users.wrong_starts(rounds))
        await attempt(f"{name}: wrong starts", 2 * rounds, figures, work)
    if "turns" in plan.scenarios:
        some = plan.rounds(bot, 2)
        spoken = {
            "long": users.long_turns(some),
            "hesitation": users.hesitations(some),
            "ambiguous": users.ambiguous(some),
        }
        for kind, clips in spoken.items():
            if clips is None:
                figures.note("no long sentences: there is no folder `shared` beside the project")
            else:
                await attempt(f"{name}: {kind}", some, figures, answers.cut_offs(bot, figures, kind, clips))
    if "losses" in plan.scenarios:
        few = plan.rounds(bot, 7)
        work = losses.measure(bot, figures, users.questions(few), users.interruptions(few))
        await attempt(f"{name}: losses", 8 * few, figures, work)


async def measure_no_delays(bot: Bot, figures: Figures, plan: Plan) -> None:
    some = plan.rounds(bot, 2)
    await attempt(f"{bot.kind.name}: no delays", some, figures, answers.measure(bot, figures, users.questions(some)))


async def measure_on_services(bot: Bot, figures: Figures, plan: Plan) -> None:
    rounds = plan.rounds(bot)
    await attempt("services", rounds, figures, answers.measure(bot, figures, users.questions(rounds)))


async def with_bot(
    running: AbstractAsyncContextManager[Bot],
    logs: Path,
    plan: Plan,
    run: Callable[[Bot, Figures, Plan], Awaitable[None]],
) -> Figures:
    figures = Figures()
    try:
        async with running as bot:
            await run(bot, figures, plan)
    except FAILURES as error:
        figures.note(f"not measured: {type(error).__name__} {error}; see {logs}")
    return figures


async def bench(kinds: list[Kind], plan: Plan, logs: Path) -> list[str]:
    delayed, direct, serviced = {}, {}, {}
    for kind in kinds:
        if plan.scenarios - {"no-delays", "services"}:
            delayed[kind.name] = await with_bot(bots.running(kind, logs), logs, plan, measure)
        if "no-delays" in plan.scenarios:
            running = bots.running(kind, logs, no_delays=True)
            direct[kind.name] = await with_bot(running, logs, plan, measure_no_delays)
        if "services" in plan.scenarios and kind is bots.OURS:
            for name, preemptive in EAGER.items():
                folder = logs / f"services-preemptive-{preemptive}".lower()
                folder.mkdir()
                running = bots.running_on_services(folder, preemptive=preemptive)
                serviced[name] = await with_bot(running, folder, plan, measure_on_services)
    lines = ["Median / 95th percentile (n). Stub engines of known delay: the floor of the gap is 625 ms.", ""]
    for title, rows, scenario in (
        ("Answers", [*ANSWERS, *_parts(delayed)], "answers"),
        ("Speech over the bot", OVERLAPS, "overlaps"),
        ("Verdicts", VERDICTS, "overlaps"),
        ("Wrong starts: the user goes on 0.3 to 0.9 s after the bot's first sound", WRONG_STARTS, "wrong-starts"),
        ("End of turn", TURNS, "turns"),
        ("Lost packets", LOSSES, "losses"),
    ):
        if scenario in plan.scenarios:
            lines += table(title, rows, delayed)
    if direct:
        lines += table("Engines without delay", NO_DELAYS, direct)
    if serviced:
        lines += table("Ours on Deepgram, Groq and ElevenLabs, simulated without delay", SERVICES, serviced)
    for figures in (delayed, direct, serviced):
        lines += [f"- {name}: {note}" for name, each in figures.items() for note in each.notes]
    return lines


def _parts(measured: dict[str, Figures]) -> list[tuple[str, str, str]]:
    """Returns the rows for the steps of a turn that our bot reports, in their order."""
    names = {measure: None for figures in measured.values() for measure in figures.values}
    parts = [name for name in names if name.startswith("part: ")]
    return [(name, f"of it (steps overlap): {name.removeprefix('part: ')}", "ms") for name in parts]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=20, help="rounds of each measure (default 20)")
    parser.add_argument(
        "--peer-rounds", type=int, help="rounds of each measure for the peers (default: a third of --rounds)"
    )
    parser.add_argument("--quick", action="store_const", const=3, dest="rounds", help="the same as -n 3")
    parser.add_argument("--bots", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--before",
        type=Path,
        metavar="FOLDER",
        help="a checkout of an older version to measure too",
    )
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), dest="scenarios")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger().setLevel(logging.INFO)
    for chatty in ("httpx", "aioice", "aiortc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The bots end with it, as after Ctrl-C.
    kinds = [KINDS[name] for name in arguments.bots]
    if arguments.before is not None:
        kinds.append(replace(bots.OURS, name="before", folder=arguments.before.resolve()))
    logs = Path(tempfile.mkdtemp(prefix="bench-"))
    lines: list[str] = []
    head = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the start; logs in {logs}."
    if bots.PIPECAT in kinds and not bots.PIPECAT_INSTALLED.exists():
        kinds.remove(bots.PIPECAT)
        lines = ["- Pipecat: not measured, as its environment .venv-pipecat is not there (`make bench` makes it)"]
    peer_rounds = arguments.peer_rounds or max(3, arguments.rounds // 3)
    plan = Plan(arguments.rounds, peer_rounds, frozenset(arguments.scenarios))
    lines = [head, *asyncio.run(bench(kinds, plan, logs)), *lines]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
