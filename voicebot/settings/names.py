"""Finds names in the environment and in `.env` that look like misspelt settings. It never reads their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import cache
from itertools import accumulate

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from voicebot.settings.config import SETTINGS, Settings

OTHER_NAMES: Mapping[str, str] = {
    "TURN_PASSWORD": "TURN_CREDENTIAL",
    "TURN_SERVER": "TURN_URL",
    "STUN_SERVER": "STUN_URL",
    "VAD_STOP_MS": "ENDPOINTING",
}
"""Common wrong names of settings that the comparison of letters does not find. Former names of settings go here too."""

SHARED = {"OTEL", "HF", "SPACE", "GRADIO", "CLOUDFLARE", "OLLAMA", "HUGGINGFACE"}
"""First words that variables of other programs have too. A name with an added word is taken for one of those."""

MINOR = {"API", "BASE", "SERVER", "MAX", "ID", "NAME", "S", "MS", "SECONDS", "MINUTES", "KB", "MB"}
"""Words that people easily forget or add."""

SAME = ({"KEY", "TOKEN"}, {"API", "BASE"}, {"PASSWORD", "PASSWD"})
"""Words that people confuse with each other."""

NEAR, FAR, NEVER = 1, 2, 3
"""The costs of differences.

NEAR: a slip in a word, or a minor word that is missing. FAR: another word that is missing, or a minor word that was
added. NEVER: the names are too different.
"""


OUR_FAMILIES = ("STT", "LLM", "TTS", "VAD")
"""First words that only our settings have. A name in `.env` that begins with one of them is meant to be a setting."""


def misspelt() -> list[str]:
    """Returns a message for each name that is probably a misspelt setting, in alphabetical order."""
    environment = EnvSettingsSource(Settings).env_vars
    file = DotEnvSettingsSource(Settings).env_vars
    return [
        *_messages(environment, "the environment", in_file=False),
        *_messages(file, str(Settings.model_config.get("env_file")), in_file=True),
    ]


def _messages(names: Iterable[str], place: str, *, in_file: bool) -> list[str]:
    messages = []
    for name in sorted({name.upper() for name in names if _is_name(name)}):
        meant = likely_setting(name)
        if meant is not None:
            messages.append(f"{name} in {place} is not a setting; did you mean {meant}?")
        elif in_file and name.split("_")[0] in OUR_FAMILIES and name not in _settings():
            messages.append(f"{name} in {place} is not a setting; .env.example lists all settings")
    return messages


def _is_name(text: str) -> bool:
    """Returns True if the text can be a variable's name. A line of `.env` without `=` may be something else: a key."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,60}", text) is not None


def likely_setting(name: str) -> str | None:
    """Returns the setting that a name most probably means, in any case of letters.

    Returns None if the name is a setting, or resembles none enough.
    """
    name, settings = name.upper(), _settings()
    if name in settings or name[-1:].isdigit():  # `GROQ_API_KEY_2` is a second key that somebody keeps there
        return None
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    near = [(difference, each) for each in settings if (difference := _difference(name, each)) < NEVER]
    ranked = [(difference, -SequenceMatcher(None, name, each).ratio(), each) for difference, each in near]
    return min(ranked)[-1] if ranked else None


def _settings() -> list[str]:
    return [setting.upper() for setting in SETTINGS]


def _difference(name: str, setting: str) -> int:
    """Returns the cost of the difference between a name and a setting, up to NEVER. Underscores cost nothing."""
    found, meant = _words(name), _words(setting)
    letters, wanted = "".join(found), "".join(meant)
    if letters == wanted:
        return 0
    divided_otherwise = len(found) == 1 or len(found) != len(meant)
    if divided_otherwise and len(wanted) >= 7 and _one_slip(letters, wanted):
        return NEAR
    first = NEVER if len(found) < 2 else _step(found[0], meant[0])
    if first == NEVER or (first == NEAR and found[0] in MINOR):
        return NEVER
    # The edit distance between the two lists of words.
    row = list(accumulate((NEAR if word in MINOR else FAR for word in meant[1:]), initial=first))
    for word in found[1:]:
        added = FAR if word in MINOR and meant[0] not in SHARED else NEVER
        next_row = [row[0] + added]
        for at, other in enumerate(meant[1:]):
            forgotten = NEAR if other in MINOR else FAR
            next_row.append(min(row[at] + _step(word, other), row[at + 1] + added, next_row[at] + forgotten))
        row = next_row
    return min(NEVER, row[-1])


def _step(word: str, other: str) -> int:
    """Returns the cost of the difference between two words: 0, NEAR or NEVER."""
    if word == other:
        return 0
    if any({word, other} <= same for same in SAME) or word[:-1] + "IES" == other or other[:-1] + "IES" == word:
        return NEAR
    abbreviated = len(word) >= 3 and other.startswith(word)
    return NEAR if abbreviated or _one_slip(word, other) else NEVER


def _one_slip(word: str, other: str) -> bool:
    """Returns True if one letter was added, left out or replaced, or two neighbouring letters were swapped."""
    if abs(len(word) - len(other)) > 1:
        return False
    differing = (at for at, (letter, wanted) in enumerate(zip(word, other, strict=False)) if letter != wanted)
    same = next(differing, min(len(word), len(other)))
    rest, expected = word[same:], other[same:]
    swapped = rest[:2] == expected[1::-1] and rest[2:] == expected[2:]
    return swapped or rest[1:] == expected[1:] or rest[1:] == expected or rest == expected[1:]


@cache
def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z0-9]+", name)
