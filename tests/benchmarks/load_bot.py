"""Our app on stub engines for many users who all ask the same question. It also reports its event loop's lag."""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import logging
import pstats
import time
from pathlib import Path

from fastapi import FastAPI

from tests.benchmarks import control, our_bot
from tests.benchmarks.lag import Lag
from tests.benchmarks.oracle import CROWD_QUESTION, Delays, Oracle, Utterance, Word

NOTICED_S = 0.1
"""The time from the onset of speech to the begin of the utterance: `Tuning.vad_start_s`."""


class Crowd(Oracle):
    """An oracle for which every utterance is the question."""

    def begin(self) -> Utterance:
        onset_s = time.monotonic() - NOTICED_S
        return Oracle(words=[Word(text, onset_s + ends_s) for text, ends_s in CROWD_QUESTION]).begin()


async def serve() -> None:
    lag = Lag()
    watching = asyncio.create_task(lag.watch())

    def routes(app: FastAPI) -> None:
        @app.get("/bench/lag")
        async def worst() -> dict[str, float]:
            return lag.take()

    try:
        await our_bot.serve(control.Stage(oracle=Crowd(mode="talk")), Delays(), routes)
    finally:
        watching.cancel()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", type=Path, help="file for a profile of the time spent in each function")
    profile = parser.parse_args().profile
    logging.basicConfig(level=logging.WARNING)
    if profile is None:
        asyncio.run(serve())
        return
    profiler = cProfile.Profile()
    try:
        profiler.runcall(asyncio.run, serve())
    finally:
        with profile.open("w") as file:
            stats = pstats.Stats(profiler, stream=file).strip_dirs().sort_stats("tottime")
            stats.print_stats(60)
            stats.print_callers(30)


if __name__ == "__main__":
    main()
