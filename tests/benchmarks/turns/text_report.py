"""How well words and question tell the end of a turn, on the text-only cases.

`python -m tests.benchmarks.turns.text_report` prints a table by part and language.
With `--rules` it prints, for the development cases, how often each rule was right, and the figures that follow.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.benchmarks.turns.texts import TurnText, turn_texts
from voicebot.dialogue.end_of_turn.evidence import RuleTally
from voicebot.dialogue.end_of_turn.question import QuestionRule, judge_answer, question_evidence
from voicebot.dialogue.end_of_turn.words import (
    STRONGEST,
    Completeness,
    WordRule,
    completeness,
    judge_words,
    word_evidence,
)

PARTS = ("development", "held out")
Score = Callable[[TurnText], float]

_WIDTH = 1.5
"""The standard deviation of the log-odds that are expected of a rule before its cases are seen, for `fit`. It keeps a
rule with few cases near 0."""
SET = {WordRule.NO_WORDS: 0.0, WordRule.HESITATION: -STRONGEST}
"""Log-odds that no count decides."""
_LEVELS = {Completeness.COMPLETE: 1.0, Completeness.UNKNOWN: 0.0, Completeness.INCOMPLETE: -1.0}


@dataclass(frozen=True, slots=True)
class Result:
    """How a score judges some cases."""

    over: int
    unfinished: int
    right: float
    """The share of cases with the right sign. A score of 0 is not right."""
    opposite: float
    auc: float
    """The probability that a whole turn has a higher score than an unfinished one."""


def classes(case: TurnText) -> float:
    """Returns 1, 0 or -1 for a complete, an unknown or an incomplete text."""
    return _LEVELS[completeness(case.text, case.language)]


def words(case: TurnText) -> float:
    return word_evidence(case.text, case.language).log_odds


def words_and_question(case: TurnText) -> float:
    question = question_evidence(case.asked, case.text, case.language)
    return words(case) + (question.log_odds if question else 0.0)


SCORES: dict[str, Score] = {"three classes": classes, "words": words, "words and question": words_and_question}


def result(cases: Iterable[TurnText], score: Score) -> Result:
    """Judges the cases. Raises ZeroDivisionError unless there are cases of both labels."""
    scores: dict[bool, list[float]] = {True: [], False: []}
    for case in cases:
        scores[case.over].append(score(case))
    over, unfinished = scores[True], scores[False]
    count = len(over) + len(unfinished)
    right = sum(each > 0 for each in over) + sum(each < 0 for each in unfinished)
    opposite = sum(each < 0 for each in over) + sum(each > 0 for each in unfinished)
    wins = sum((one > other) + 0.5 * (one == other) for one in over for other in unfinished)
    return Result(len(over), len(unfinished), right / count, opposite / count, wins / (len(over) * len(unfinished)))


def word_tallies(cases: Iterable[TurnText]) -> dict[WordRule, RuleTally]:
    """Counts the turns that each rule for words judges, where the bot had asked nothing. Returns the figures of the
    rules that follow."""
    counts = Counter(
        (judge_words(case.text, case.language).rule, case.over)
        for case in cases
        if case.part == "development" and not case.asked
    )
    totals = Counter(over for _, over in counts.elements())
    tallies = {}
    for rule in WordRule:
        over, unfinished = counts[rule, True], counts[rule, False]
        likelier = math.log((over + 1) / (unfinished + 1) * (totals[False] + 2) / (totals[True] + 2))
        bounded = round(max(-STRONGEST, min(STRONGEST, likelier)), 2)
        tallies[rule] = RuleTally(SET.get(rule, bounded), over, unfinished)
    return tallies


def question_tallies(cases: Iterable[TurnText]) -> dict[QuestionRule, RuleTally]:
    """Fits the log-odds of each rule for answers. Returns them with the counts of whole and unfinished answers."""
    judged: dict[QuestionRule, list[tuple[float, bool]]] = defaultdict(list)
    for case in cases:
        found = judge_answer(case.asked, case.text, case.language) if case.part == "development" else None
        if found is not None:
            judged[found[0]].append((words(case), case.over))
    tallies = {}
    for rule in QuestionRule:
        over = sum(over for _, over in judged[rule])
        tallies[rule] = RuleTally(round(fit(judged[rule]), 1), over, len(judged[rule]) - over)
    return tallies


def fit(judged: list[tuple[float, bool]]) -> float:
    """Returns the log-odds which, added to those of the words, make the labels likeliest (by bisection)."""
    low, high = -6.0, 6.0
    for _ in range(40):
        middle = (low + high) / 2
        slope = sum(over - 1 / (1 + math.exp(-words - middle)) for words, over in judged) - middle / _WIDTH**2
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2


def table(cases: list[TurnText]) -> Iterator[str]:
    """Yields the rows of a Markdown table: right, opposite and AUC by part, language and score."""
    yield "| part | language | whole, unfinished | " + " | ".join(SCORES) + " |"
    yield "|---" * (3 + len(SCORES)) + "|"
    languages = sorted({case.language for case in cases})
    for part in PARTS:
        for language in [*languages, "all"]:
            chosen = [case for case in cases if case.part == part and language in (case.language, "all")]
            results = [result(chosen, score) for score in SCORES.values()]
            cells = [f"{100 * each.right:.1f} %, {100 * each.opposite:.1f} %, {each.auc:.3f}" for each in results]
            yield f"| {part} | {language} | {results[0].over}, {results[0].unfinished} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", action="store_true", help="print the figures of each rule")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cases = turn_texts()
    if parser.parse_args().rules:
        for rule, tally in [*word_tallies(cases).items(), *question_tallies(cases).items()]:
            figures = f"{tally.log_odds}, {tally.over}, {tally.unfinished}"
            logging.info("%s.%s: RuleTally(%s)", type(rule).__name__, rule.name, figures)
        return
    logging.info("Right sign, opposite sign, AUC:\n")
    logging.info("\n".join(table(cases)))


if __name__ == "__main__":
    main()
