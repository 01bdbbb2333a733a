"""The rules of Groq's and OpenAI's models: the fields that a chat request may have, and the tokens allowed a minute.

Written from console.groq.com/docs/reasoning and /docs/rate-limits, and from reports of users of OpenAI's chat
completions: pipecat issue 4043, livekit/agents pull request 7169, litellm pull request 34569, agentjido/req_llm issue
772 (reasoning that is sent back). A model that is not listed here accepts everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

GROQ_PREFIX = "/openai/v1"

REASONING_FIELDS = ("reasoning_effort", "reasoning_format", "include_reasoning")
DAY_S = 86_400


def refusal(path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the error (status 400) with which the model refuses a request, or None."""
    for number, message in enumerate(body["messages"]):
        for name in ("reasoning", "reasoning_content"):
            if name in message:
                return _error(f"'messages.{number}' : property '{name}' is unsupported")
    return _groq_refusal(body) if path.startswith(GROQ_PREFIX) else _openai_refusal(body)


def _groq_refusal(body: Mapping[str, Any]) -> dict[str, Any] | None:
    model = body["model"]
    if "gpt-oss" in model:
        if "reasoning_format" in body:
            return _error("`reasoning_format` is not supported with this model")
        if body.get("reasoning_effort", "medium") not in ("low", "medium", "high"):
            return _error("`reasoning_effort` must be one of `low`, `medium`, or `high`")
    elif "qwen3" in model:
        if body.get("reasoning_effort", "default") not in ("none", "default"):
            return _error("`reasoning_effort` must be one of `none` or `default`")
        if "include_reasoning" in body and "reasoning_format" in body:
            return _error("`include_reasoning` and `reasoning_format` can't both be given")
    elif model.startswith("llama"):
        for name in REASONING_FIELDS:
            if name in body:
                return _error(f"`{name}` is not supported with this model")
    return None


def _openai_refusal(body: Mapping[str, Any]) -> dict[str, Any] | None:
    model = body["model"]
    if not model.startswith(("gpt-5.", "gpt-6", "gpt-4")):
        return None
    for name in ("reasoning_format", "include_reasoning"):
        if name in body:
            return _error(f"Unrecognized request argument supplied: {name}", name)
    if model.startswith("gpt-4"):
        return _error("Unrecognized request argument", "reasoning_effort") if "reasoning_effort" in body else None
    if body.get("temperature", 1) != 1:
        message = "Unsupported value: 'temperature' does not support 0.7 with this model."
        return _error(message, "temperature", "unsupported_value")
    if body.get("tools") and body.get("reasoning_effort") != "none":
        message = (
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
        )
        return _error(message, "reasoning_effort")
    return None


def _error(message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Estimates a request's tokens: those of English text of its length, and those of the Harmony format."""
    text = json.dumps([body["messages"], body.get("tools") or []])
    return len(text) // 4 + 60


@dataclass
class TokenLimit:
    """A limit on tokens a minute and requests a day, both of which refill continuously."""

    tokens_a_minute: int
    requests_a_day: int = 1_000
    clock: Callable[[], float] = time.monotonic
    refused: int = 0
    """The number of requests that exceeded the limit."""
    _used: dict[str, float] = field(default_factory=lambda: {"tokens": 0.0, "requests": 0.0})
    _at_s: float | None = None

    def admit(self, tokens: int) -> float | None:
        """Takes the tokens of a request, or returns the seconds until there would be enough of them."""
        self._refill()
        over = self._used["tokens"] + tokens - self.tokens_a_minute
        if over > 0:
            self.refused += 1
            return over * 60 / self.tokens_a_minute
        self._used["tokens"] += tokens
        self._used["requests"] += 1
        return None

    def spend(self, tokens: int) -> None:
        """Takes the tokens of an answer, which count towards the limit too."""
        self._refill()
        self._used["tokens"] += tokens

    @property
    def headers(self) -> dict[str, str]:
        self._refill()
        found: dict[str, str] = {}
        for what, limit, whole_s in self._limits:
            used = self._used[what]
            found[f"x-ratelimit-limit-{what}"] = str(limit)
            found[f"x-ratelimit-remaining-{what}"] = str(max(0, int(limit - used)))
            found[f"x-ratelimit-reset-{what}"] = _span(used / limit * whole_s)
        return found

    @property
    def _limits(self) -> tuple[tuple[str, int, int], ...]:
        """Returns the name of each limit, its size, and the seconds in which it refills."""
        return ("tokens", self.tokens_a_minute, 60), ("requests", self.requests_a_day, DAY_S)

    def _refill(self) -> None:
        now_s = self.clock()
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        self._at_s = now_s
        for what, limit, whole_s in self._limits:
            self._used[what] = max(0.0, self._used[what] - passed_s / whole_s * limit)


def _span(seconds: float) -> str:
    """Formats a duration as Groq does: "2m59.56s", "7.66s"."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.2f}s" if minutes else f"{rest:.2f}s"
