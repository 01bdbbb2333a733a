"""The model of a service that is used, and what is known of each model."""

from __future__ import annotations

from datetime import date

from voicebot.engines.llm.models import ListedModel, Models

OSS, LLAMA = "openai/gpt-oss-120b", "llama-3.3-70b-versatile"


def test_uses_the_first_preferred_model_that_the_service_lists() -> None:
    models = Models((OSS, LLAMA))
    assert models.current == OSS, "the preferred model is used until the service has listed its models"
    assert models.choose([ListedModel(LLAMA), ListedModel("other")])
    assert models.current == LLAMA
    assert models.choose([ListedModel(LLAMA), ListedModel(OSS)])
    assert models.current == OSS
    assert not models.choose([ListedModel("other"), ListedModel("another")])
    assert models.current == OSS
    assert models.listed == ("other", "another"), "the models that the service lists must be known"


def test_an_ollama_model_name_matches_without_its_tag() -> None:
    models = Models(("llama3.2", "other"))
    assert models.choose([ListedModel("other:latest"), ListedModel("llama3.2:latest")])
    assert models.current == "llama3.2"


def test_a_lost_model_is_not_used_until_it_is_listed_again() -> None:
    models = Models((OSS, LLAMA))
    assert models.lose(OSS)
    assert models.current == LLAMA
    assert not models.lose(LLAMA)
    assert models.choose([ListedModel(OSS)])
    assert models.current == OSS


def test_each_model_has_its_own_rate_limit() -> None:
    models = Models((OSS, LLAMA))
    models.limits.observe({"x-ratelimit-limit-tokens": "8000", "x-ratelimit-remaining-tokens": "0"})
    models.lose(OSS)
    assert models.limits.tokens_a_minute is None


def test_an_announced_shutdown_of_the_current_model_becomes_a_warning() -> None:
    models = Models((OSS, LLAMA))
    models.choose([ListedModel(OSS), ListedModel(LLAMA, date(2026, 8, 16))])
    assert models.warning is None
    models.lose(OSS)
    assert models.warning == "its shutdown is announced for 2026-08-16"
