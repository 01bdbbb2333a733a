"""The request fields that each family of models gets, and those that are omitted after a model has refused them."""

from __future__ import annotations

import pytest
from langchain_openai import ChatOpenAI

from voicebot.engines.llm.models import Models
from voicebot.engines.llm.openai import OpenAI
from voicebot.engines.llm.request_fields import (
    GROQ_FIELDS,
    OPENAI_FIELDS,
    REALTIME_FIELDS,
    FamilyFields,
    RequestFields,
)

OSS, LLAMA, LUNA = "openai/gpt-oss-120b", "llama-3.3-70b-versatile", "gpt-6-luna"


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        (GROQ_FIELDS, OSS, {"reasoning_effort": "low", "include_reasoning": False}),
        (GROQ_FIELDS, "openai/gpt-oss-20b", {"reasoning_effort": "low", "include_reasoning": False}),
        (GROQ_FIELDS, "qwen/qwen3.6-27b", {"reasoning_effort": "none", "reasoning_format": "hidden"}),
        (GROQ_FIELDS, LLAMA, {}),
        (OPENAI_FIELDS, LUNA, {"reasoning_effort": "none", "temperature": None}),
        (OPENAI_FIELDS, "openai/gpt-6.2-sol", {"reasoning_effort": "none", "temperature": None}),
        (OPENAI_FIELDS, "gpt-5.4-mini", {"reasoning_effort": "none", "temperature": None}),
        (OPENAI_FIELDS, "gpt-5-mini-2025-08-07", {"reasoning_effort": "minimal", "temperature": None}),
        (OPENAI_FIELDS, "gpt-5.3-chat-latest", {"temperature": None}),
        (OPENAI_FIELDS, "o4-mini", {"reasoning_effort": "low", "temperature": None}),
        (OPENAI_FIELDS, "gpt-oss:20b", {"reasoning_effort": "low"}),
        (OPENAI_FIELDS, "gpt-4o-mini", {}),
        (OPENAI_FIELDS, "llama3.2", {}),
        (REALTIME_FIELDS, "gpt-realtime-2.1", {"reasoning": {"effort": "low"}}),
        (REALTIME_FIELDS, "gpt-realtime-mini", {}),
    ],
)
def test_reasoning_fields_go_only_to_models_that_take_them(
    fields: FamilyFields, model: str, expected: dict[str, object]
) -> None:
    assert fields.fields_of(model) == expected


def test_a_refusal_that_names_none_of_our_fields_changes_nothing() -> None:
    fields = RequestFields(GROQ_FIELDS)
    body = fields.applied(OSS, {"messages": [], "temperature": 0.7})
    for error in (None, {}, {"error": {"message": "messages.1 is too long"}}, {"error": {"param": "messages"}}, "oops"):
        assert not fields.learn(body, error)
    assert fields.applied(OSS, {"messages": [], "temperature": 0.7}) == body


def test_a_field_that_is_refused_in_every_form_is_given_up() -> None:
    fields = RequestFields(GROQ_FIELDS)
    error = {"error": {"message": "`reasoning_effort` is not supported"}}
    seen = []
    while True:
        body = fields.applied(OSS, {})
        seen.append(body.get("reasoning_effort"))
        if not fields.learn(body, error):
            break
    assert seen == ["low", "none", None]


def test_an_error_that_names_only_unsent_fields_leads_to_no_retry() -> None:
    fields = RequestFields(OPENAI_FIELDS)
    body = fields.applied("own-model", {"temperature": 0.7})
    error = {"error": {"message": "bad request: reasoning_effort, reasoning_format and service_tier are fine"}}
    assert not fields.learn(body, error)


@pytest.mark.parametrize(
    ("address", "asked"), [("http://127.0.0.1:9/v1", False), ("https://eu.api.openai.com/v1/", True)]
)
async def test_only_openai_itself_is_asked_for_the_token_usage(address: str, asked: bool) -> None:
    """Some other servers do not know the field."""
    engine = OpenAI("a-key", base_url=address, models=Models((LUNA,)))
    assert isinstance(engine.model, ChatOpenAI)
    assert engine.model.stream_usage is asked
    await engine.close()
