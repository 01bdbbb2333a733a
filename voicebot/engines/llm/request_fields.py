"""What a chat request says beside the conversation, by the model's family: each takes other fields, and refuses others.

Sources: console.groq.com/docs/reasoning ("GPT-OSS models": `reasoning_effort` low, medium or high and
`include_reasoning`, but no `reasoning_format`; Qwen 3: effort none); for GPT-5 and GPT-6 pipecat issue 4043, litellm
pull request 34569 and livekit/agents pull request 7169 (tools in chat completions only with effort "none", which must
be said, and no temperature). A voice bot wants quick answers: the least reasoning that a model allows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

Fields = Mapping[str, Any]
"""Fields by name; None takes the field out of the request."""

NO_REASONING: Fields = {"reasoning_effort": "none", "temperature": None}


class ModelFields(Protocol):
    """Knows which fields the requests to a model need."""

    def fields_of(self, model: str) -> Fields: ...


class FamilyFields:
    """The fields of each family of models. A pattern for the beginning of their names tells a family's models."""

    def __init__(self, *families: tuple[str, Fields]) -> None:
        self._families = families

    def fields_of(self, model: str) -> Fields:
        """Returns the fields of the first family that the model belongs to; none if it belongs to none.

        Gateways put the maker before the model's name ("openai/gpt-6-luna"), which is not looked at.
        """
        name = model.rpartition("/")[2].lower()
        return next((fields for pattern, fields in self._families if re.match(pattern, name)), {})


GROQ_FIELDS = FamilyFields(
    (r"gpt-oss", {"reasoning_effort": "low", "include_reasoning": False}),
    (r"qwen-?3", {"reasoning_effort": "none", "reasoning_format": "hidden"}),
)

OPENAI_FIELDS = FamilyFields(
    # On servers of one's own, such as Ollama and vLLM, which put its reasoning into a field of its own.
    (r"gpt-oss", {"reasoning_effort": "low"}),
    (r"gpt-\d+(\.\d+)?-chat", {"temperature": None}),
    # The first GPT-5 knows no "none".
    (r"gpt-5(-mini|-nano)?(-\d{4}-\d\d-\d\d)?$", {"reasoning_effort": "minimal", "temperature": None}),
    (r"gpt-([6-9]|\d\d)", NO_REASONING),
    (r"gpt-5\.\d", NO_REASONING),
    (r"o[1-9](-|$)", {"reasoning_effort": "low", "temperature": None}),
)

_INSTEAD: Mapping[str, tuple[Any, ...]] = {
    # OpenAI's models that reason unasked demand "none" beside tools; other services know no effort at all.
    "reasoning_effort": ("none", None),
    "reasoning_format": (None,),
    "include_reasoning": (None,),
    "temperature": (None,),
    "service_tier": (None,),
}
"""The fields that a request can do without, and what is tried in place of a value that a service refuses."""


REALTIME_FIELDS = FamilyFields((r"gpt-realtime-[2-9]", {"reasoning": {"effort": "low"}}))
"""The fields of a Realtime session: only from the second generation on do these models reason."""


class RequestFields:
    """The fields for each model, corrected by what its service has refused."""

    def __init__(self, usual: ModelFields) -> None:
        self._usual = usual
        self._learned: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self._refused: defaultdict[str, set[tuple[str, Any]]] = defaultdict(set)

    def applied(self, model: str, body: Fields) -> dict[str, Any]:
        """The body of a request to the model."""
        whole = {**body, **self._usual.fields_of(model), **self._learned[model], "model": model}
        return {name: value for name, value in whole.items() if value is not None}

    def learn(self, body: Fields, error: object) -> bool:
        """The service did not accept a request (400). Returns whether the next one will be another because of that.

        `error` is the answer's body. It names the field in its `param`, or in its text, of which nothing else is read.
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
    """Whether an error is about this field. It may quote the whole request, so only what was `sent` is looked for.

    The exception is an effort of "none" that a service misses.
    """
    inner = error.get("error", error) if isinstance(error, dict) else None
    if not isinstance(inner, dict):
        return False
    if inner.get("param"):
        return bool(inner["param"] == field)
    message = str(inner.get("message"))
    return re.search(rf"\b{field}\b", message) is not None and (sent or "'none'" in message)
