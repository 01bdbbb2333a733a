"""`python -m tests.attacks` (`make attack`) attacks the app on loopback, and reports whether others suffered.

The app runs unlocked and locked, with one honest user on WebRTC and one who uploads over `/ws`. Each attack comes from
addresses of its own, and then from the address of the honest users. On the locked app it runs without the password and,
where that makes a difference, with it. Each run prints a line. The exit code is 1 if a bound of `judge.py` is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.attacks import table
from tests.attacks.attack import Attack, Lock, Place
from tests.attacks.catalogue import ATTACKS
from tests.attacks.honest import described
from tests.attacks.judge import QUIET_MS, Row
from tests.attacks.lag import Lag
from tests.attacks.session_ends import SETTINGS, problems_of_untold_sessions
from tests.attacks.stage import Stage
from tests.attacks.target import NETWORK
from tests.support.app_process import running_app

IDLE_S = 5.0
SESSION_ENDS = "d3-session-ends"

Plan = tuple[Attack, Lock, Place]


def planned(chosen: list[Attack], locked: bool) -> Iterator[Plan]:
    """Yields the runs on one kind of app. Without the password, only guesses at it come from the honest address."""
    for attack in chosen:
        for lock in attack.locks:
            if (lock != "unlocked") == locked:
                places = attack.places if lock == "unlocked" or attack.slow_login else attack.places[:1]
                yield from ((attack, lock, place) for place in places)


async def play(plans: list[Plan], options: argparse.Namespace) -> tuple[list[Row], list[Lag]]:
    """Runs all plans, prints each row when it is measured, and returns the rows and the idle controls."""
    rows: list[Row] = []
    controls: list[Lag] = []
    kinds = sorted({(lock != "unlocked", attack.open_files or 0) for attack, lock, _ in plans})
    for locked, open_files in kinds:
        async with Stage(locked=locked, open_files=open_files or None) as stage:
            controls.append(await stage.idle(IDLE_S))
            limits = f", {open_files} open files" if open_files else ""
            say(f"idle control ({'locked' if locked else 'unlocked'}{limits}): {table.lag(controls[-1])} ms")
            for attack, lock, place in plans:
                if (lock != "unlocked", attack.open_files or 0) == (locked, open_files):
                    rows.append(await stage.play(attack, lock, place, options.seconds))
                    say(table.line(rows[-1]))
                    if options.verbose:
                        say(table.counts(rows[-1]))
    return rows, controls


async def session_ends() -> list[str]:
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder), **SETTINGS) as app:
        try:
            return await problems_of_untold_sessions(app)
        except NETWORK as error:
            return [f"nothing could be measured: {described(error)}"]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def chosen_by(names: list[str]) -> list[Attack]:
    """Returns the attacks whose names contain one of `names`, or all without any. Raises SystemExit."""
    for name in names:
        if not any(name in known for known in (*ATTACKS, SESSION_ENDS)):
            raise SystemExit(f"there is no attack {name}; --list names all")
    return [attack for attack in ATTACKS.values() if not names or any(name in attack.name for name in names)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("names", nargs="*", help="run only the attacks whose names contain one of these (default: all)")
    parser.add_argument("--list", action="store_true", help="list all attacks")
    parser.add_argument("--lock", choices=["unlocked", "locked"], help="attack only this app")
    parser.add_argument("--place", choices=["other", "own"], help="attack only from this place")
    parser.add_argument("--seconds", type=float, help="duration of each attack")
    parser.add_argument("--verbose", action="store_true", help="print the answers that the attacker got, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    options = parser.parse_args()
    chosen = sorted(chosen_by(options.names), key=lambda attack: (int(attack.defect[1:]), attack.name))
    if options.list:
        for attack in chosen:
            say(f"{attack.name:31} {attack.meaning}")
        return 0
    plans = [
        plan
        for locked in (False, True)
        for plan in planned(chosen, locked)
        if options.lock in (None, "locked" if locked else "unlocked") and options.place in (None, plan[2])
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # The app must end with this process.
    began_s = time.monotonic()
    say(f"{len(plans)} rows. {table.UNITS}\n{table.HEAD}")
    rows, controls = asyncio.run(play(plans, options))
    problems: list[str] | None = None
    if not options.names or any(name in SESSION_ENDS for name in options.names):
        problems = asyncio.run(session_ends())
        verdict = "FAILED: " + "; ".join(problems) if problems else "ok"
        say(f"{SESSION_ENDS:31} unreachable sessions end, and other sessions are told that they move: {verdict}")
    failed = [row for row in rows if row.failures]
    quiet = all(control.p95 < QUIET_MS for control in controls)
    say(f"\n{len(rows) - len(failed)} of {len(rows)} rows ok, {(time.monotonic() - began_s) / 60:.1f} minutes")
    if not quiet:
        say(
            f"The machine was not quiet (idle control at p95 not below {QUIET_MS:g} ms): lag says little; run it again."
        )
    if options.json is not None:
        report = {"rows": [table.as_json(row) for row in rows], "quiet": quiet, SESSION_ENDS: problems}
        options.json.write_text(json.dumps(report, indent=1))
    return 1 if failed or problems else 0


if __name__ == "__main__":
    sys.exit(main())
