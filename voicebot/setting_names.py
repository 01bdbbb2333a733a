"""Names in the environment and in `.env` that look like misspelt settings. Values are never looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from voicebot.config import Settings


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OTHERS = _words(
    # Read by the SDKs of OpenAI and Groq and by langchain
    "OPENAI_ADMIN_KEY OPENAI_API_BASE OPENAI_API_TYPE OPENAI_API_VERSION OPENAI_CUSTOM_HEADERS OPENAI_LOG "
    "OPENAI_ORGANIZATION OPENAI_ORG_ID OPENAI_PROJECT_ID OPENAI_PROXY OPENAI_WEBHOOK_SECRET "
    "GROQ_API_BASE GROQ_LOG GROQ_PROXY "
    # Read by Twilio's SDKs
    "TWILIO_API_KEY TWILIO_API_SECRET"
)
"""Variables of other programs that resemble a setting of ours."""

OTHERS_FAMILIES = ("OTEL", "GRADIO", "HF", "SPACE", "SPACES")
"""First words that we share with programs that have dozens of variables each: there, only one slip is looked for."""

OUR_FAMILIES = ("STT", "LLM", "TTS", "VAD")
"""First words that nobody else uses in our `.env`: what begins with them is meant for us, whatever it resembles."""

FREE_WORDS = _words("API ID NAME")
"""Words that people add or leave out."""

KINDS = {
    **dict.fromkeys(_words("KEY KEYS TOKEN SECRET"), "credential"),
    **dict.fromkeys(_words("BASE URL URI ENDPOINT ADDRESS"), "address"),
    **dict.fromkeys(_words("MS S SEC SECS SECOND SECONDS MIN MINS MINUTE MINUTES HOURS DAYS KB MB CHARS"), "unit"),
}
"""Words that people leave out or take for another one of the same kind."""


def misspelt() -> list[str]:
    """A message for each name that is probably a misspelt setting, in alphabetical order; without values."""
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
            messages.append(f"{name} in {place} is not a setting; .env.example lists all that are")
    return messages


def _is_name(text: str) -> bool:
    """Whether it can be a variable's name. In a line of `.env` without `=` something else may stand there: a key."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,60}", text) is not None


def likely_setting(name: str) -> str | None:
    """The setting that is most probably meant by `name`; None if it is a setting, or resembles none.

    Case does not matter, as it does not where settings are read.
    """
    name = name.upper()
    settings = _settings()
    if name in settings or name in OTHERS:
        return None
    shared = name.split("_")[0] in OTHERS_FAMILIES
    slips, best = min((_slips(name, setting), setting) for setting in settings)
    if slips <= (1 if shared or len(best) < 11 else 2):
        return best
    if shared:
        return None
    alike = (setting for setting in settings if _differ_in_kind_words(name, setting))
    return min(alike, key=lambda setting: _distance(name, setting), default=None)


def _settings() -> list[str]:
    return [setting.upper() for setting in Settings.model_fields]


def _differ_in_kind_words(name: str, setting: str) -> bool:
    """Whether both have the same words but for units and the like: VAD_STOP or VAD_STOP_S for VAD_STOP_MS."""
    words, other_words = (re.split("[_-]", each) for each in (name, setting))
    stem, other_stem = (
        [word for word in each if word not in KINDS and word not in FREE_WORDS] for each in (words, other_words)
    )
    kinds, other_kinds = ({KINDS[word] for word in each if word in KINDS} for each in (words, other_words))
    return bool(stem) and len(words) > 1 and stem == other_stem and kinds <= other_kinds


def _slips(name: str, setting: str) -> int:
    """How many letters were left out, added, changed or swapped with their neighbour; one more for lost underscores."""
    letters, other_letters = (re.sub("[_-]", "", each) for each in (name, setting))
    separated_alike = len(re.findall("[_-]", name.strip("_-"))) == setting.count("_")
    if (least := abs(len(letters) - len(other_letters))) > 2:
        return least
    return _distance(letters, other_letters) + (not separated_alike)


def _distance(one: str, other: str) -> int:
    """The optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        following = [i]
        for j, match in enumerate(other, 1):
            cost = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (char != match))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == match:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        before, row = row, following
    return row[-1]
