"""Where sentences end: the golden rules of sentence segmentation, and typical answers of a voice bot."""

from __future__ import annotations

import json

import pytest

from tests.support.shared import SHARED
from voicebot.speech_text.sentences import SentenceBatcher, sentences

GOLDEN_RULES = SHARED / "text" / "golden_rules.json"


def golden_cases(language: str) -> list[tuple[str, list[str]]]:
    if not GOLDEN_RULES.exists():
        pytest.skip(f"the file of the golden rules is not beside the project ({GOLDEN_RULES})")
    cases = json.loads(GOLDEN_RULES.read_text(encoding="utf-8"))["cases"][language]
    return [(case["text"], case["sentences"]) for case in cases]


def streamed(text: str, token_chars: int, language: str) -> list[str]:
    batcher = SentenceBatcher(max_chars=10_000, language=language, first_clause_chars=0)
    tokens = (text[start : start + token_chars] for start in range(0, len(text), token_chars))
    released = [batch.text for token in tokens for batch in batcher.push(token)]
    return released + [batch.text for batch in batcher.finish()]


OWN_CASES = [
    "Good morning, Ada.|My cat is called Tom.",
    "Where are my keys?|They are on the table.",
    "Here it comes!|I can hear it.",
    "The painter is called Anna B. Lindqvist.",
    "Read the note on p. 17 first.",
    "Did Tom and co. bring a cake?",
    "He works for Miller, Stone & Co. in the harbour.",
    "Ask Tom and co.|They have seen it.",
    "She left Miller, Stone & Co.|It was sold last week.",
    "You can climb Mt. Elgon in four days.",
    "St. Peter's School is on 9th st. by the river.",
    "This is Tom King Jr.'s guitar.",
    "We flew to the U.S.A. in spring.",
    "She comes from the U.K.|Where were you born?",
    "He moved to the U.S.|What about her?",
    "He writes about the U.S. Senate and its rules.",
    "They stayed in the U.S. for two months.",
    "At 7 a.m. Mrs. Hall opens the shop.|She closes it at 5 P.M.|Mrs. Hall then walks home.",
    "The ticket costs $12.50 at the door.",
    "The ticket costs $12.50.|It is cheaper online.",
    "He plays chess (He won a cup as a boy.) in the old library.",
    "Write to Ada.Stone@mail.example.org.|She answers quickly.",
    "The page is: https://www.shop.42.example/list/new_items.html.|Have a look.",
    "He whispered, 'It is late.' and left.",
    'He whispered, "It is late." and left.',
    'He whispered, "It is late."|He put on his coat.',
    "Great!!|You have won.",
    "What??|Say that again.",
    "Really!?|Are you sure?",
    "Really?!|Are you sure?",
    "1.) Boil the water|2.) Add the rice",
    "1.) Boil the water.|2.) Add the rice.",
    "1) Boil the water|2) Add the rice",
    "1) Boil the water.|2) Add the rice.",
    "1. Boil the water|2. Add the rice",
    "1. Boil the water.|2. Add the rice.",
    "• 4. Boil the water|• 5. Add the rice",
    "⁃4. Boil the water|⁃5. Add the rice",
    "a. Boil the water|b. Add the rice|c. Wait ten minutes",
    "The part is listed under N°. 4.711.08.|Order it there.",
    "She used to work at Yahoo! in the sales team.",
    "The winners are you and I.|Have you met Carl I. Meyer?",
    "She wrote that “in the end all of it will be forgotten. . . .”",
    '"Smith [...] compares the sea with a mirror [...]" (Jones 12).',
    "Dots that end a sentence are written with a space before each of them . . . .|Then comes the next one.",
    "I only wanted to help....|He shut the door.",
    "I thought ... well, maybe...see . . . it is this, you know . . . I forgot it.",
    "The old road . . . was never used again.|. . . Nobody missed it. . . .",
]
"""One case of our own for each of the 48 English golden rules, in their order. `|` separates the sentences."""

HINDI_CASE = "आज मौसम बहुत अच्छा है।|शायद हम पार्क में जाएँगे, या फिर घर पर रहेंगे।"


@pytest.mark.parametrize("token_chars", [1, 2, 3, 4, 7, 10_000])
@pytest.mark.parametrize(("language", "case"), [*(("en", case) for case in OWN_CASES), ("hi", HINDI_CASE)])
def test_sentences_end_as_the_golden_rules_say_for_any_token_size(language: str, case: str, token_chars: int) -> None:
    expected = case.split("|")
    text = " ".join(expected)
    assert sentences(text, language) == expected
    assert streamed(text, token_chars, language) == expected


@pytest.mark.parametrize("token_chars", [1, 2, 3, 4, 7, 10_000])
@pytest.mark.parametrize(("language", "count"), [("en", 48), ("hi", 1)])
def test_the_published_cases_of_the_golden_rules_hold_where_their_file_is_at_hand(
    language: str, count: int, token_chars: int
) -> None:
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
