"""The fields of a chat request beside the conversation. Families of models need different ones, and refuse others.

Sources: console.groq.com/docs/reasoning ("GPT-OSS models": `reasoning_effort` low, medium or high and
`include_reasoning`, but no `reasoning_format`; Qwen 3: effort none); for GPT-5 and GPT-6 pipecat issue 4043, litellm
pull request 34569 and livekit/agents pull request 7169 (tools in chat completions only with effort "none", which must
be said, and no temperature). A voice bot needs quick answers, so each model reasons as little as it allows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

Fields = Mapping[str, Any]
"""Fields by name; the value None removes a field from the request."""

NO_REASONING: Fields = {"reasoning_effort": "none", "temperature": None}


class ModelFields(Protocol):
    """Knows which fields the requests to a model need."""

    def fields_of(self, model: str) -> Fields: ...


class FamilyFields:
    """The fields of families of models. Each family has a pattern that the beginning of its models' names matches."""

    def __init__(self, *families: tuple[str, Fields]) -> None:
        self._families = families

    def fields_of(self, model: str) -> Fields:
        """Returns the fields of the first family that the model belongs to, or none.

        The maker, which gateways put before a model's name ("openai/gpt-6-luna"), is ignored.
        """
        name = model.rpartition("/")[2].lower()
        return next((fields for pattern, fields in self._families if re.match(pattern, name)), {})


GROQ_FIELDS = FamilyFields(
    (r"gpt-oss", {"reasoning_effort": "low", "include_reasoning": False}),
    (r"qwen-?3", {"reasoning_effort": "none", "reasoning_format": "hidden"}),
)

OPENAI_FIELDS = FamilyFields(
    # Runs on servers such as Ollama and vLLM, which send its reasoning in a separate field.
    (r"gpt-oss", {"reasoning_effort": "low"}),
    (r"gpt-\d+(\.\d+)?-chat", {"temperature": None}),
    # The first GPT-5 does not accept "none".
    (r"gpt-5(-mini|-nano)?(-\d{4}-\d\d-\d\d)?$", {"reasoning_effort": "minimal", "temperature": None}),
    (r"gpt-([6-9]|\d\d)", NO_REASONING),
    (r"gpt-5\.\d", NO_REASONING),
    (r"o[1-9](-|$)", {"reasoning_effort": "low", "temperature": None}),
)

_INSTEAD: Mapping[str, tuple[Any, ...]] = {
    # OpenAI's models that reason by default demand "none" beside tools; other services have no such field.
    "reasoning_effort": ("none", None),
    "reasoning_format": (None,),
    "include_reasoning": (None,),
    "temperature": (None,),
    "service_tier": (None,),
}
"""The optional fields of a request, and the values that are tried in place of one that a service refuses."""


REALTIME_FIELDS = FamilyFields((r"gpt-realtime-[2-9]", {"reasoning": {"effort": "low"}}))
"""The fields of a Realtime session. These models reason from the second generation on."""


class RequestFields:
    """The fields for each model, corrected after its service has refused some."""

    def __init__(self, usual: ModelFields) -> None:
        self._usual = usual
        self._learned: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._refused: defaultdict[str, set[tuple[str, Any]]] = defaultdict(set)

    def applied(self, model: str, body: Fields) -> dict[str, Any]:
        """Returns the body of a request to the model."""
        whole = {**body, **self._usual.fields_of(model), **self._learned[model], "model": model}
        return {name: value for name, value in whole.items() if value is not None}

    def learn(self, body: Fields, error: object) -> bool:
        """Learns from a request that the service refused (400). Returns True if the next one will differ.

        `error` is the body of the answer. It names the refused field in `param` or in its message.
        """
        model = body["model"]
        for name, instead in _INSTEAD.items():
            if not _names(error, name, sent=name in body):
                continue
            self._refused[model].add((name, body.get(name)))
            for value in instead:
                if (name, value) not in self._refused[model]:
                    self._learned[model][name] = value
                    return True
        return False


def _names(error: object, field: str, *, sent: bool) -> bool:
    """Returns True if an error is about this field.

    The message may quote the whole request, so a field must have been `sent`, unless the service demands an effort of
    "none".
    """
    inner = error.get("error", error) if isinstance(error, dict) else None
    if not isinstance(inner, dict):
        return False
    if inner.get("param"):
        return bool(inner["param"] == field)
    message = str(inner.get("message"))
    return re.search(rf"\b{field}\b", message) is not None and (sent or "'none'" in message)
