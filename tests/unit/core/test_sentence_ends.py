"""Where sentences end: the golden rules, and what is said to a voice bot."""

from __future__ import annotations

import json

import pytest

from tests.support.shared import SHARED
from voicebot.core.sentences import SentenceBatcher, sentences

GOLDEN_RULES = SHARED / "text" / "golden_rules.json"


def golden_cases(language: str) -> list[tuple[str, list[str]]]:
    if not GOLDEN_RULES.exists():
        pytest.skip(f"the golden rules are not beside the project ({GOLDEN_RULES})")
    cases = json.loads(GOLDEN_RULES.read_text(encoding="utf-8"))["cases"][language]
    return [(case["text"], case["sentences"]) for case in cases]


def streamed(text: str, token_chars: int, language: str) -> list[str]:
    batcher = SentenceBatcher(max_chars=10_000, language=language, first_clause_chars=0)
    tokens = (text[start : start + token_chars] for start in range(0, len(text), token_chars))
    released = [batch.text for token in tokens for batch in batcher.push(token)]
    return released + [batch.text for batch in batcher.finish()]


@pytest.mark.parametrize("token_chars", [1, 2, 3, 4, 7, 10_000])
@pytest.mark.parametrize(("language", "count"), [("en", 48), ("hi", 1)])
def test_all_golden_rules_hold_for_any_token_size(language: str, count: int, token_chars: int) -> None:
    cases = golden_cases(language)
    assert len(cases) == count
    for text, expected in cases:
        assert sentences(text, language) == expected
        assert streamed(text, token_chars, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Pi is 3.14159.|It never ends.|Really?|Yes!"),
        ("en", "No.|I can't do that.|See No. 5 on p. 12.|Thanks."),
        ("en", "Dr. Smith and J. R. R. Tolkien met at 5 p.m. on Jan. 5.|They talked.|They left at 6 p.m.|Mary stayed."),
        ("en", "It is 6 p.m. EST.|Or 3 p.m. Pacific Time.|At 7 p.m. Mary left."),
        ("en", "That is vitamin C.|It is healthy.|Use fruit, e.g. Spanish oranges, nuts etc.|Then rest."),
        ("en", "Look at https://a.example/b.html?x=1.|It helps.|Or write to jo.doe@a.example.|Bye."),
        ("en", 'He said "Stop."|She did not.|"Why?" she asked.|"I know," he said.'),
        ("en", "Well... maybe not.|Hmm...|Let me think… all right.|Go on."),
        ("en", "hello there.|how are you?|i am fine, e.g. today."),
        ("en", "Great! 😊|How are you? 👋🏽 ✨|Fine."),
        ("en", "It was shown before.[1][2]|Later too [3].|Done."),
        ("en", "Run `echo Hi. There` now.|Then stop."),
        ("en", "That is all.|It ends with `"),
        ("en", "Here is how:|• open it|• close it.|1. Wait.|2. Go.|Good."),
        ("es", "¿Cómo estás?|¡Muy bien!|El Sr. Pérez llegó a las 5 p.m. con la Dra. Gil.|Luego se fue."),
        ("fr", "Bonjour !|M. Dupont habite av. Foch à Paris.|Ça va ?|Oui, p. ex. Marie."),
        ("de", "Am 3. Oktober kam Dr. Maier, z. B. mit dem Zug.|Er ist 42.|Das ist gut, d.h. nicht schlecht."),
        ("hi", "नमस्ते।|डॉ. शर्मा आए हैं।|आप कैसे हैं?|मैं ठीक हूँ।"),
        ("zh", "今天天气很好。|我们走吧！|你呢？|好。"),
        ("ar", "كيف حالك؟|أنا بخير."),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(language: str, text: str) -> None:
    expected = text.split("|")
    assert sentences(text.replace("|", "" if language == "zh" else " "), language) == expected


def test_a_line_break_ends_a_sentence_unless_the_text_merely_wraps() -> None:
    text = "# The plan\nfirst of all\nwe wait\n\nthen this\n- one\n- two\n| a | b |\n|---|---|\n| c | d |\nEnd"
    assert sentences(text) == [
        "# The plan",
        "first of all\nwe wait",
        "then this",
        "- one",
        "- two",
        "| a | b |",
        "|---|---|\n| c | d |",
        "End",
    ]


def test_a_list_number_stays_with_the_text_on_the_next_line() -> None:
    assert sentences("1.\nWait here.\n2.\nGo home.") == ["1.\nWait here.", "2.\nGo home."]
