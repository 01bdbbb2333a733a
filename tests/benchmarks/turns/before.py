"""How an older version of this project judges texts: its rules are asked in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.benchmarks.turns.case import TurnCase
from tests.benchmarks.turns.replay import as_sentence
from voicebot.dialogue.end_of_turn.words import Completeness

_SCRIPT = """
import json, sys
try:
    from voicebot.dialogue.end_of_turn.words import completeness
except ImportError:  # the name of the module until 2026-11-30
    from voicebot.dialogue.end_of_turn.turn_end import completeness
json.dump([completeness(text, language) for text, language in json.load(sys.stdin)], sys.stdout)
"""


def completeness_before(folder: Path, cases: Iterable[TurnCase]) -> Callable[[str, str], Completeness]:
    """Returns the function `completeness` of the version in `folder`, for every part of the cases' words.

    It also knows these texts as sentences.
    """
    texts = {
        (form(" ".join(word for word, _ in case.words[first:last])), case.language)
        for case in cases
        for first in range(len(case.words))
        for last in range(first + 1, len(case.words) + 1)
        for form in (str, as_sentence)
    }
    asked = sorted(texts)
    command = [sys.executable, "-c", _SCRIPT]
    run = subprocess.run(command, cwd=folder, input=json.dumps(asked), capture_output=True, text=True, check=True)
    known = {key: Completeness(found) for key, found in zip(asked, json.loads(run.stdout), strict=True)}
    return lambda text, language: known[text, language]
