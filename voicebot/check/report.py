"""The text of the report: plain lines for a terminal, which can be pasted into a bug report."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import SecretStr

import voicebot
from voicebot.agent.tools.guarded import GuardedTool
from voicebot.agent.tools.policy import DEFAULT_LIMIT_S
from voicebot.check.advice import advice, reason
from voicebot.check.results import CheckedStage, Finding, Outcome, Trial
from voicebot.settings.config import Origin, Settings
from voicebot.settings.registry import ALL, AUTO, LOCAL, PAID_KEYS, SERVICES

PACKAGES = ("fastrtc", "gradio", "aiortc", "langgraph", "groq", "openai", "deepgram-sdk", "httpx", "websockets")
"""The versions of these packages matter most when something does not work."""

PERSONAL = frozenset({"APP_USERNAME", "TURN_USERNAME", "CLOUDFLARE_TURN_KEY_ID", "SPACE_ID", "SPACE_HOST"})
"""These settings are no keys, but private: the report only says that they are set."""

FAINT_DBFS = -60.0
"""A weaker sound can't be heard."""

MAX_TEXT_CHARS = 160

MIN_SECRET_CHARS = 8
"""A shorter one, such as the password "bot", may be part of other words, and is not hidden."""

_KEY = re.compile(r"\b(?:sk|gsk|hf|xai|pk)[-_][A-Za-z0-9_-]{8,}|\b[0-9a-fA-F]{32,}\b")
"""Text that looks like a key is hidden everywhere: a key may be in the wrong setting."""

_INDENT = " " * 10

TITLES: Mapping[CheckedStage, str] = {
    CheckedStage.SPEAK: "Speaking",
    CheckedStage.HEAR: "Hearing",
    CheckedStage.ANSWER: "Answering",
}
VERBS: Mapping[CheckedStage, str] = {
    CheckedStage.SPEAK: "speak",
    CheckedStage.HEAR: "hear",
    CheckedStage.ANSWER: "answer",
}


def secrets(settings: Settings) -> list[str]:
    """Returns the values that must not be shown."""
    values = [value for _, value in settings if isinstance(value, SecretStr)]
    return [secret for value in values if len(secret := value.get_secret_value()) >= MIN_SECRET_CHARS]


def redacted(text: str, hidden: Iterable[str]) -> str:
    """Returns the text without keys and without `hidden` values."""
    for each in sorted(hidden, key=len, reverse=True):
        text = text.replace(each, "***")
    return _KEY.sub("***", text)


def heading() -> list[str]:
    """Returns the versions of the bot, of Python and of the packages."""
    versions = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    bot = f"Voice Bot {voicebot.__version__}, Python {platform.python_version()}, {platform.platform()}"
    return [bot, ", ".join(versions)]


def settings_lines(
    origins: Mapping[str, Origin], file: Path | None, settings: Settings | None, proxies: Mapping[str, str]
) -> list[str]:
    """Lists the settings that are set, and where. Values are shown only if `settings` is given."""
    where = f"{_short(file)}, unless the environment has them" if file is not None else "the environment"
    missing = "" if file is not None else f"; there is no file .env in {_short(Path.cwd())}"
    lines = ["", f"Settings, from {where}{missing}"]
    keys = list(dict.fromkeys(service.key.upper() for service in SERVICES.values() if service.key is not None))
    width = max(map(len, (*keys, *origins)))
    lines += [f"  {name:<{width}}  {_key_state(origins.get(name))}" for name in keys]
    for name, origin in origins.items():
        if name not in keys and not origin.blank:
            value = "set" if settings is None else _shown(name, getattr(settings, name.lower()))
            lines.append(f"  {name:<{width}}  {value} {_place(origin)}")
    for name, url in proxies.items():
        lines.append(f"  {name:<{width}}  {_without_login(url)} (environment)")
    return lines


def unused_keys(settings: Settings, names: Mapping[CheckedStage, Sequence[str]]) -> list[str]:
    """Lists keys of services that no engine uses."""
    used = {SERVICES[name].key for chain in names.values() for name in chain if name in SERVICES}
    lines = []
    for key in PAID_KEYS:
        if getattr(settings, key) is None or key in used:
            continue
        engines = [name for name, service in SERVICES.items() if service.key == key]
        lines.append(f"  note: {key.upper()} is set, but these engines do not use it; {' or '.join(engines)} would.")
    return lines


def chain_lines(settings: Settings, names: Mapping[CheckedStage, Sequence[str]]) -> list[str]:
    """Lists the engines in the order in which the bot tries them."""
    lines = ["", "Engines, in the order in which they are tried"]
    for stage, chain in names.items():
        if stage is CheckedStage.ANSWER and settings.agent is not None and not {*chain} & ALL.keys():
            stage_name, note = "AGENT", " (a compiled graph, which has its own model)"
        else:
            stage_name, note = stage, " (auto)" if AUTO in getattr(settings, stage.lower()) else ""
        lines.append(f"  {stage_name:<10}  {', '.join(chain)}{note}")
    if settings.agent is not None and {*names[CheckedStage.ANSWER]} & ALL.keys():
        lines.append(f"  {'AGENT':<10}  {settings.agent} answers with each of these models")
    models = [ALL[name] for name in names[CheckedStage.ANSWER] if name in ALL]
    if settings.tools and models and not any(model.follows_persona for model in models):
        lines.append(
            '  note: the embedded model calls your TOOLS only by their names ("use the tool NAME"); for a model that'
            " decides by itself set the key of one, or run one of your own (docs/engines.md)."
        )
    return lines


def tool_lines(tools: Iterable[GuardedTool]) -> list[str]:
    """Lists the tools that the model may call, each with its tag."""
    lines = ["", "Tools"]
    for tool in tools:
        tag, limit_s = tool.policy.tag, tool.policy.limit_s
        own = f", at most {limit_s:g} s" if limit_s != DEFAULT_LIMIT_S else ""
        lines.append(f"  {tag:<8}{tool.name}{own}")
        lines += [f"{_INDENT}asks: {question}" for question in tool.policy.questions.values()]
    return lines


def stage_lines(
    stage: CheckedStage, intent: str, trials: Sequence[Trial], settings: Settings, said: str = ""
) -> list[str]:
    """Lists one stage's results. `intent` says what the engines do; `said` is what a recogniser should hear."""
    lines = ["", f"{TITLES[stage]} ({stage}): {intent}"]
    for trial in trials:
        is_last = trial is trials[-1]
        lines.append(f"  {outcome_of(trial):<8}{_named(trial)}: {_result(trial, stage, settings)}")
        lines += [f"{_INDENT}{line}" for line in _remarks(trial, stage, settings, said, is_last=is_last)]
    return lines


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    lines = ["", "Beside the engines"]
    for finding in findings:
        lines.append(f"  {finding.outcome:<8}{finding.name}: {finding.text}")
        if finding.advice is not None:
            lines.append(f"{_INDENT}What to do: {finding.advice}")
    return lines


def outcome_of(trial: Trial) -> Outcome:
    if trial.error is not None:
        return Outcome.FAILED
    silent = trial.sound is not None and trial.sound.level_dbfs < FAINT_DBFS
    unheard = trial.sound is None and not trial.text
    return Outcome.WARNING if silent or unheard else Outcome.OK


def verdict(results: Mapping[CheckedStage, Sequence[Trial]], findings: Sequence[Finding]) -> tuple[str, int]:
    """Returns the last line and the exit status: 0 if everything that is configured works, else 1."""
    broken = [finding for finding in findings if finding.outcome is Outcome.FAILED and finding.loss]
    vital = [finding.loss for finding in broken if finding.vital]
    vital += [f"nothing can {VERBS[stage]}" for stage, trials in results.items() if not _working(trials)]
    if vital:
        return f"The bot can't work: {'; '.join(filter(None, vital))}.", 1
    losses = [loss for stage, trials in results.items() for loss in _losses(stage, trials)]
    losses += [finding.loss for finding in broken if finding.loss]
    if losses:
        return f"The bot works, but not everything that is configured does: {'; '.join(losses)}.", 1
    tried = [trial for trials in results.values() for trial in trials]
    text = "Everything that is configured works."
    if not any(trial.engine in SERVICES for trial in tried) and {trial.engine for trial in tried} <= ALL.keys():
        model = " and the local model" if any(trial.engine == LOCAL for trial in tried) else ""
        embedded = f"the bot hears, answers and speaks with its embedded engines{model}"
        text = f"Everything works. No service is configured: {embedded}."
    outcomes = {*map(outcome_of, tried), *(finding.outcome for finding in findings)}
    return f"{text} See the warnings above." if Outcome.WARNING in outcomes else text, 0


def _working(trials: Sequence[Trial]) -> list[str]:
    return [trial.engine for trial in trials if trial.error is None]


def _losses(stage: CheckedStage, trials: Sequence[Trial]) -> Iterator[str]:
    """Returns the consequences of failed engines for a stage in which another engine works."""
    names, working = [trial.engine for trial in trials], _working(trials)
    first = names.index(working[0])
    if replaced := names[:first]:
        yield f"{working[0]} has to {VERBS[stage]} in place of {' and '.join(replaced)}"
    if behind := [name for name in names[first:] if name not in working]:
        yield f"{' and '.join(behind)} can't stand in for {working[0]}"


def _named(trial: Trial) -> str:
    return trial.engine if trial.model is None else f"{trial.engine} ({trial.model})"


def _result(trial: Trial, stage: CheckedStage, settings: Settings) -> str:
    """Returns the result of the engine's turn in words."""
    if trial.error is not None:
        return reason(trial, settings)
    if trial.skipped is not None:
        return trial.skipped
    assert trial.total_s is not None
    if stage is CheckedStage.HEAR:
        return f"final text {_time(trial.total_s)} after the end"
    first = "nothing came" if trial.first_s is None else _time(trial.first_s)
    if trial.sound is None:
        return f"first word after {first}, all after {_time(trial.total_s)}"
    return f"first sound after {first}, all {trial.sound.duration_s:.1f} s of it after {_time(trial.total_s)}"


def _remarks(trial: Trial, stage: CheckedStage, settings: Settings, said: str, *, is_last: bool) -> list[str]:
    """Returns further lines on an engine's result."""
    if trial.error is not None:
        return [f"What to do: {advice(trial, stage, settings)}"]
    if trial.skipped is not None:
        return []
    remarks = []
    if trial.text:
        remarks.append(f'"{_cut(trial.text)}"')
    elif stage is CheckedStage.HEAR:
        remarks.append("It heard no words.")
    elif stage is CheckedStage.ANSWER and settings.agent is not None:
        remarks.append(
            "It said nothing. A node that answers adds an AIMessage to `messages`; a plain text is a user's."
        )
    elif stage is CheckedStage.ANSWER:
        remarks.append("It said nothing.")
    elif outcome_of(trial) is Outcome.WARNING:
        remarks.append("There is nothing to hear in its sound.")
    if stage is CheckedStage.HEAR and _words(trial.text) != _words(said):
        remarks.append(f'The voice said: "{said}"')
    waited_s = trial.total_s if stage is CheckedStage.HEAR else trial.first_s
    limit_s = settings.tuning.first_output_timeout_s
    if waited_s is not None and waited_s > limit_s and not is_last and trial.engine != LOCAL:
        remarks.append(f"That is longer than {limit_s:g} s, after which the bot asks the next engine.")
    return remarks


def _time(time_s: float) -> str:
    return f"{time_s * 1000:.0f} ms" if time_s < 1 else f"{time_s:.2f} s"


def _key_state(origin: Origin | None) -> str:
    if origin is None:
        return "not set"
    if origin.blank:
        hidden = ", so that the one in .env does not count" if origin.hides_file else ""
        return f"empty {_place(origin)}{hidden}"
    hidden = ", not the one in .env" if origin.hides_file else ""
    return f"set {_place(origin)}{hidden}"


def _place(origin: Origin) -> str:
    return "(.env)" if origin.in_file else "(environment)"


def _shown(name: str, value: object) -> str:
    if isinstance(value, SecretStr) or name in PERSONAL:
        return "set"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Enum):
        return str(value.value)
    return _without_login(value) if isinstance(value, str) and "://" in value else str(value)


def _without_login(url: str) -> str:
    """Returns a URL without user name, password and query, which may hold secrets."""
    login, at, rest = url.partition("?")[0].rpartition("@")
    scheme = login[: login.find("://") + 3] if "://" in login else ""
    return f"{scheme}***@{rest}" if at else rest


def _short(path: Path) -> str:
    """Returns the path without the name of the user."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}..."


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
