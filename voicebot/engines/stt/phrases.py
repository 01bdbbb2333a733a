"""The phrases the embedded recogniser expects (phrases.txt), as a trigram language model."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from math import log10

_TOKEN = re.compile(r"[()\[\]|]|<\w+>|[^\s()\[\]|<>]+")
_EXAMPLES = 200
"""Sentences made of each line: enough that each city and each number is among them a few times."""
_UNSEEN = 0.1
"""The share of probability left for word orders that no line has."""


def sentences() -> list[list[str]]:
    """Words of sentences that the lines of phrases.txt allow: as many of each line, always the same ones."""
    lists: dict[str, list[str]] = defaultdict(list)
    lines = []
    for line in files(__package__).joinpath("phrases.txt").read_text("utf-8").splitlines():
        name, equals, choices = line.partition(" = ")
        if equals:
            lists[name].append(choices)
        elif line and not line.startswith("#"):
            lines.append(line)
    classes = {name: "|".join(choices) for name, choices in lists.items()}
    chance = random.Random(1)
    return [list(_chosen(line, classes, chance)) for line in lines for _ in range(_EXAMPLES)]


def _chosen(pattern: str, classes: Mapping[str, str], chance: random.Random) -> Iterator[str]:
    """The words of one sentence of the pattern, every alternative being as likely as the next."""
    for part in chance.choice(_alternatives(_TOKEN.findall(pattern))):
        if part.startswith("<"):
            yield from _chosen(classes[part[1:-1]], classes, chance)
        elif part[0] in "([":
            if part[0] == "(" or chance.random() < 0.5:
                yield from _chosen(part[1:-1], classes, chance)
        else:
            yield part


def _alternatives(tokens: Iterable[str]) -> list[list[str]]:
    """The tokens cut at each "|" of the top level; what stands in brackets becomes one part."""
    alternatives: list[list[str]] = [[]]
    inner: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token in "([") - (token in ")]")
        if depth or token in ")]":
            inner.append(token)
            if not depth:
                alternatives[-1].append(f"{inner[0]}{' '.join(inner[1:-1])}{inner[-1]}")
                inner = []
        elif token == "|":
            alternatives.append([])
        else:
            alternatives[-1].append(token)
    return alternatives


def arpa(texts: Iterable[list[str]]) -> str:
    """A back-off trigram model of the texts in ARPA format, with a fixed share for what was not seen."""
    counts: tuple[Counter[tuple[str, ...]], ...] = (Counter(), Counter(), Counter())
    for text in texts:
        words = ("<s>", *text, "</s>")
        for size, counter in enumerate(counts, 1):
            counter.update(words[start : start + size] for start in range(len(words) - size + 1))
    total = sum(counts[0].values())
    contexts: list[Counter[tuple[str, ...]]] = [Counter({(): total}), Counter(), Counter()]
    for size in (1, 2):
        for gram, count in counts[size].items():
            contexts[size][gram[:-1]] += count
    probability = {
        gram: (1 - _UNSEEN) * count / contexts[len(gram) - 1][gram[:-1]]
        for counter in counts
        for gram, count in counter.items()
    }
    seen: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for gram in (*counts[1], *counts[2]):
        seen[gram[:-1]] += probability[gram[1:]]
    sections = []
    for size, counter in enumerate(counts, 1):
        rows = []
        for gram in sorted(counter):
            row = f"{log10(probability[gram]):.4f} {' '.join(gram)}"
            rows.append(row if size == 3 else f"{row} {log10(_UNSEEN / max(1 - seen[gram], _UNSEEN)):.4f}")
        sections.append(f"\\{size}-grams:\n" + "\n".join(rows))
    sizes = "\n".join(f"ngram {size}={len(counter)}" for size, counter in enumerate(counts, 1))
    return f"\\data\\\n{sizes}\n\n" + "\n\n".join(sections) + "\n\n\\end\\\n"
