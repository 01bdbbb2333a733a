"""`make bench-turns` measures when bots take a pause for the end of the user's turn: wrong cut-offs against delay."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.benchmarks.turns import report
from tests.benchmarks.turns.before import completeness_before
from tests.benchmarks.turns.case import Kind, Part
from tests.benchmarks.turns.cases import all_cases, text_cases
from tests.benchmarks.turns.curve import Point
from tests.benchmarks.turns.decide import (
    ModelBot,
    Setup,
    fixed_silence,
    machine,
    machine_with_memory,
    model_alone,
    shifted_machine,
    three_classes,
)
from tests.benchmarks.turns.detector import detected
from tests.benchmarks.turns.measure import Contestant, measure
from tests.benchmarks.turns.model import StoredAnswers
from tests.benchmarks.turns.prompts import prompt_cases
from tests.benchmarks.turns.replay import Conditions, replay
from tests.benchmarks.turns.smart_turn import weights
from tests.benchmarks.turns.users import users_turns
from voicebot.dialogue.end_of_turn.evidence import Source
from voicebot.dialogue.end_of_turn.words import Completeness, completeness
from voicebot.dialogue.preferences import Endpointing

FACTORS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.8, 2.2, 2.7)
"""The positions of the knob of bots with several delays: all are multiplied by it."""
SHIFTS_S = (-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.45, 0.6)
"""A second knob for this version: these times, in seconds, are added to its delays, within the same bounds."""
SILENCES_S = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
QUICK_FACTORS = (0.5, 0.7, 1.0, 1.5)
SHOWN_SILENCES_S = (0.3, 0.5, 0.7)
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)

DELIVERED = 1.0
NEVER = 2.0
"""A threshold that no probability reaches."""

OURS, SHIFTED = "this version", "this version, shifted"
CLASSES, FIXED = "three classes", "fixed silence"
MODEL, WITH_MODEL = "Smart Turn alone", "this version with Smart Turn"


def main() -> None:
    arguments = _arguments()
    conditions = Conditions(
        stt_s=arguments.stt_ms / 1000, interim=not arguments.no_interim, sentences=arguments.sentences
    )
    spoken, texts = list(all_cases()), list(text_cases())
    prompts = [] if arguments.recordings is None else list(prompt_cases(arguments.recordings))
    if arguments.kinds is not None:
        spoken = [case for case in spoken if case.kind in arguments.kinds]
    for case in [*spoken, *prompts]:
        detected(case)
    judge: Callable[[str, str], Completeness] = completeness
    if arguments.before is not None:
        judge = completeness_before(arguments.before, [*spoken, *prompts, *texts])
    factors = QUICK_FACTORS if arguments.quick else FACTORS
    shifts_s = () if arguments.quick else SHIFTS_S
    silences_s = SHOWN_SILENCES_S if arguments.quick else SILENCES_S
    setup = Setup(arguments.endpointing)
    ours = partial(machine, setup=setup)
    contestants = {
        OURS: Contestant(ours, factors, conditions),
        SHIFTED: Contestant(partial(shifted_machine, setup=setup), shifts_s, conditions),
        CLASSES: Contestant(partial(three_classes, completeness_of=judge), factors, conditions),
        FIXED: Contestant(fixed_silence, silences_s, conditions),
    }
    if (file := arguments.smart_turn or weights()) is not None:
        answers = StoredAnswers(file)
        with_model = replace(conditions, model=answers)
        for case in spoken:
            replay(case, ModelBot(NEVER), with_model)
        answers.save()
        contestants[MODEL] = Contestant(model_alone, THRESHOLDS, with_model)
        contestants[WITH_MODEL] = Contestant(ours, factors, with_model)
    ablated = {
        f"{OURS} without {source}": Contestant(
            partial(machine, setup=replace(setup, without=frozenset({source}))), factors, conditions
        )
        for source in (Source if arguments.ablate else ())
    }
    _print(
        f"{len(spoken) + len(prompts)} cases with audio, {len(texts)} without. The recogniser needs "
        f"{arguments.stt_ms} ms{', shows words only at pauses' if arguments.no_interim else ''}"
        f"{', writes whole sentences' if arguments.sentences else ''}; endpointing: {arguments.endpointing}."
    )
    _print("## Cases", "", *report.counts([*spoken, *prompts, *texts]))
    _print("## Do the cuts give the answers away?", "", *report.edges(spoken))
    sets = {str(part): [case for case in spoken if case.part is part] for part in arguments.parts}
    if prompts:
        sets["recorded prompts (development)"] = prompts
    for name, cases in sets.items():
        curves = measure(contestants | ablated, cases, arguments.jobs)
        _print(f"## With audio: {name}", "", *_compared(curves))
        if arguments.errors and name != Part.HELD_OUT:
            _print("Wrong or slow:", "", *report.errors(_at(curves[OURS], DELIVERED)))
    forgetful = replace(setup, without=frozenset({Source.PAUSES}))
    learning = {
        OURS: Contestant(partial(machine_with_memory, setup=setup), factors, conditions),
        f"{OURS} without {Source.PAUSES}": Contestant(
            partial(machine_with_memory, setup=forgetful), factors, conditions
        ),
    }
    for part in arguments.parts:
        turns = users_turns([case for case in spoken if case.part is part])
        curves = measure(learning, turns, arguments.jobs)
        users = len({case.speaker for case in turns})
        _print(f"## {users} users with {len(turns)} turns: {part}", "", *report.operating_points(curves))
        _print(*report.points(curves))
    judged = {name: replace(contestants[name], knobs=(DELIVERED,)) for name in (OURS, CLASSES)}
    for part in arguments.parts:
        curves = measure(judged, [case for case in texts if case.part is part], arguments.jobs)
        _print(f"## Without audio: {part}", "", *report.by_language({name: each[0] for name, each in curves.items()}))


def _compared(curves: report.Curves) -> Iterator[str]:
    yield from report.operating_points(curves)
    delivered = {name: _at(curves[name], DELIVERED) for name in (OURS, CLASSES)}
    delivered |= {f"{1000 * silence_s:.0f} ms": _at(curves[FIXED], silence_s) for silence_s in SHOWN_SILENCES_S}
    yield from ("", "As delivered:", "", *report.by_kind(delivered))
    yield from ("", "The curves:", "", *report.points(curves))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.turns", description=__doc__)
    parser.add_argument("--parts", nargs="+", type=Part, choices=list(Part), default=list(Part))
    parser.add_argument(
        "--kinds", nargs="+", type=Kind, choices=list(Kind), help="only these kinds of cases with audio"
    )
    parser.add_argument("--endpointing", type=Endpointing, choices=list(Endpointing), default=Endpointing.BALANCED)
    parser.add_argument("--stt-ms", type=int, default=100, help="the recogniser's delay")
    parser.add_argument("--no-interim", action="store_true", help="words come only at pauses")
    parser.add_argument("--sentences", action="store_true", help="words come with capitals and full stops")
    parser.add_argument("--ablate", action="store_true", help="measure this version without each source of evidence")
    parser.add_argument(
        "--smart-turn", type=Path, metavar="FILE", help="weights of Smart Turn, other than those that make has fetched"
    )
    parser.add_argument(
        "--before", type=Path, metavar="FOLDER", help="a checkout of an older version, which judges the three classes"
    )
    parser.add_argument(
        "--recordings", type=Path, metavar="FOLDER", help="further recordings for the development part: see prompts.py"
    )
    parser.add_argument(
        "--errors",
        action="store_true",
        help="name the cases that this version gets wrong, of the development part only",
    )
    parser.add_argument("--quick", action="store_true", help="measure fewer points of each curve")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="the number of processes")
    return parser.parse_args()


def _at(curve: Iterable[Point], knob: float) -> Point:
    return next(point for point in curve if point.knob == knob)


def _print(*lines: str) -> None:
    for line in itertools.chain(lines, [""]):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
