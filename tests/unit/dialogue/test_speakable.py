"""Written text as it is spoken."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebot.languages.loader import language_of
from voicebot.speech_text.sentences import SentenceBatcher
from voicebot.speech_text.speakable import EMOJI, named, spoken

ENGLISH = language_of("en").spoken_forms


def speech(text: str, language: str = "en") -> str:
    batcher = SentenceBatcher(max_chars=10_000, language=language, first_clause_chars=0)
    return " ".join(batch.speech for batch in batcher.push(text) + batcher.finish())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("## The **big** news", "The big news"),
        ("- *one* and __two__ and ~~three~~ and ***four***", "one and two and three and four"),
        ("**Bold over. Two sentences** here", "Bold over. Two sentences here"),
        ("> quoted\n>more", "quoted more"),
        ("Call `get_user()` or snake_case.", "Call get user() or snake case."),
        ("See [the docs](https://docs.example.org/a_b) now.", "See the docs now."),
        ("See [the docs][1], ![a cat](cat.png) or [](https://a.com).", "See the docs, a cat or a dot com."),
        ("Go to https://www.example.com/a/b.html?x=1#y.", "Go to example dot com."),
        ("(www.example.co.uk/x) or <http://localhost:8000/>!", "(example dot co dot uk) or localhost!"),
        ("[https://example.com](https://example.com)", "example dot com"),
        ("Write to jane.doe@example.com, please.", "Write to jane dot doe at example dot com, please."),
        ("As shown[1][2] here.[^3]", "As shown here."),
        ("| City | Degrees |\n|---|:-:|\n| Oslo | -5 |", "City, Degrees, Oslo, -5,"),
        ("|a|b|", "a, b"),
        ("Yes 😊👍🏽, 1️⃣ is best 👨‍👩‍👧 🇫🇷.", "Yes, 1 is best."),
        ("File → Save, a->b", "File, Save, a, b"),
        ("It is 35°C, $5.50 & 50 % off: 3 * 4 = 12, 3*4 too.", "It is 35°C, $5.50 & 50 % off: 3 × 4 = 12, 3×4 too."),
        ("One — two – three - four", "One — two – three - four"),
        ("No!!!!!!!! Really??", "No!!! Really??"),
        ("Wait ... what . . . yes", "Wait... what yes"),
        ("One<br>two <b>three</b>", "One two three"),
        ("Zero\u200bwidth, nul\x00, lone \ud800surrogate", "Zerowidth, nul, lone surrogate"),
        ("क्‍ष और नमस्ते।", "क्‍ष और नमस्ते।"),
        ("Use ```x = 1``` inline.", "Use x = 1 inline."),
    ],
)  # fmt: skip
def test_markup_and_symbols_become_speakable_text(written: str, said: str) -> None:
    assert speech(written) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es", "ejemplo punto es El código está en la pantalla."),
        ("fr", "ejemplo point es Le code est à l'écran."),
        ("de-AT", "ejemplo Punkt es Der Code steht auf dem Bildschirm."),
        ("xx", "ejemplo dot es The code is on the screen."),
    ],
)
def test_added_words_are_in_the_language_of_the_reply(language: str, said: str) -> None:
    assert speech("https://ejemplo.es/a\n```\nx = 1\n```", language) == said


def test_no_letter_or_digit_counts_as_an_emoji() -> None:
    emoji = re.compile(f"[{EMOJI}]")
    assert not [char for char in map(chr, range(sys.maxunicode + 1)) if emoji.match(char) and char.isalnum()]


@settings(max_examples=400)
@given(st.text(st.characters(exclude_categories=()), max_size=60), st.booleans(), st.booleans())
def test_any_text_can_be_spoken_or_named(text: str, is_code: bool, first_of_line: bool) -> None:
    for said in (spoken(text, ENGLISH, is_code=is_code, first_of_line=first_of_line), named(text)):
        said.encode()
        assert said == " ".join(said.split())
    assert named(text)
