"""Sentences from a stream: the same for every chunking, with no text lost, too long or too late."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from voicebot.languages.loader import language_of
from voicebot.speech_text.sentences import LEAST_MAX_CHARS, SentenceBatch, SentenceBatcher, sentences
from voicebot.speech_text.speakable import has_words

LANGUAGES = ["en", "es", "fr", "de", "hi", "xx"]

PIECES = [
    *["Hello", "there", "I", "you and I.", "The", "it", "They", "Mr.", "Dr", "U.S.", "a.m.", "e.g.", "co.", "No."],
    *[" ", " ", " ", " ", "\n", "\n\n", "\t", ". ", "! ", "? ", ", ", "; ", ": ", ".", "!", "?", "...", " . . . "],
    *['"', "'", "“", "”", "(", ")", "[", "]", "¿", "¡", "*", "**", "_", "`", "```", "```python\n", "# ", "- ", "• "],
    *["1.", "2.", "1) ", "2) ", "a. ", "b. ", "3.14", "$5", "35°C", "[1]", "](", "https://www.a.com/a.b", "a@b.co"],
    *["नमस्ते", "।", "你好", "。", "，", "؟", "😊", "👍🏽", "\ufe0f", "\u200d", "\u0301", "<br>", "\\", "~~", "etc."],
    *["B", "p.", "…", " — ", "|", "> ", "->", "x" * 50],
]  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=200),
)


def batches(tokens: Iterable[str], batcher: SentenceBatcher) -> list[SentenceBatch]:
    return [*(batch for token in tokens for batch in batcher.push(token)), *batcher.finish()]


def texts(
    tokens: Iterable[str], *, max_chars: int = 10_000, language: str = "en", first_clause_chars: int = 0
) -> list[str]:
    return [batch.text for batch in batches(tokens, SentenceBatcher(max_chars, language, first_clause_chars))]


def without_space(text: str) -> str:
    return "".join(text.split())


def released_by(text: str, token_chars: int, batcher: SentenceBatcher) -> Iterator[tuple[int, SentenceBatch]]:
    """Yields each batch with the number of characters after which it was released."""
    for start in range(0, len(text), token_chars):
        token = text[start : start + token_chars]
        for batch in batcher.push(token):
            yield start + len(token), batch


def test_a_code_block_is_one_batch_and_is_not_read_aloud() -> None:
    code = '```python\nprint("Hi. There")\n\nx = 1\n```'
    made = batches(f"Try this:\n\n{code}\n\nThat is all.", SentenceBatcher())
    assert made == [
        SentenceBatch("Try this:", "Try this:"),
        SentenceBatch(code, "The code is on the screen."),
        SentenceBatch("That is all.", "That is all."),
    ]


# --- times of release ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "released_at"),
    [
        ("Hello there. How are you", "Hello there. H"),
        ("Is it so? 😊 Yes", "Is it so? 😊 Y"),
        ("That was it\n\n**Next** one", "That was it\n\n**N"),
        ("I live in the U.S. How are you", "I live in the U.S. How "),
        ("नमस्ते। आप", "नमस्ते। आ"),
        ("```\nx\n``` So", "```\nx\n``` S"),
    ],
)
def test_a_sentence_is_released_as_soon_as_the_next_one_has_begun(text: str, released_at: str) -> None:
    (chars, _), *_ = released_by(text, 1, SentenceBatcher(first_clause_chars=0))
    assert text[:chars] == released_at


def test_the_first_clause_is_released_early_once_enough_text_follows() -> None:
    text = "To be perfectly honest with you, I would wait until tomorrow, or perhaps even longer. Goodbye."
    batcher = SentenceBatcher(first_clause_chars=24)
    ((chars, first),) = released_by(text[:60], 1, batcher)
    assert first.text == "To be perfectly honest with you,"
    assert text[:chars] == "To be perfectly honest with you, I would wait u"
    rest = [batch.text for batch in batcher.push(text[60:]) + batcher.finish()]
    assert rest == ["I would wait until tomorrow, or perhaps even longer.", "Goodbye."]


@pytest.mark.parametrize(
    "text",
    [
        "Yes, I would wait until tomorrow.",
        "That is all that I can do for you, sir.",
        "Short. But then, on the other hand, I would rather not go there.",
    ],
)
def test_a_short_clause_or_one_with_little_after_it_is_not_released_early(text: str) -> None:
    assert texts([text], first_clause_chars=24) == sentences(text)


def test_a_long_sentence_is_released_in_parts_before_its_end() -> None:
    released = list(released_by("and on " * 100, 4, SentenceBatcher(max_chars=70)))
    assert [len(batch.text) for _, batch in released][:2] == [69, 69]
    assert released[0][0] <= 80


# --- release on request -------------------------------------------------------------------------------------------


def held_after(text: str) -> SentenceBatcher:
    """Returns a batcher that has been given the text and releases no clause early."""
    batcher = SentenceBatcher(first_clause_chars=0)
    batcher.push(text)
    return batcher


def test_finish_sentence_releases_a_whole_sentence_at_once() -> None:
    batcher = held_after("Hello there. How are you?")
    assert batcher.held.strip() == "How are you?"
    assert batcher.finish_sentence() == [SentenceBatch("How are you?", "How are you?")]
    assert batcher.held == ""
    assert batches([" I am", " fine."], batcher) == [SentenceBatch("I am fine.", "I am fine.")]


@pytest.mark.parametrize("text", ["", " \n", "How are", "How are you? I", "It is 3.", "I met Dr.", "Look at `a."])
def test_finish_sentence_releases_no_text_that_may_go_on(text: str) -> None:
    batcher = held_after(text)
    held = batcher.held
    assert batcher.finish_sentence() == []
    assert batcher.held == held


def test_no_clause_is_released_early_after_finish_sentence() -> None:
    batcher = SentenceBatcher(first_clause_chars=5)
    batcher.push("Hello there.")
    assert [batch.text for batch in batcher.finish_sentence()] == ["Hello there."]
    assert batcher.push(" If you ask me, I would rather wait until tomorrow") == []


def test_finish_words_releases_the_whole_words_of_an_unfinished_sentence() -> None:
    batcher = held_after("Yes. I would rather wa")
    assert batcher.finish_words() == [SentenceBatch("I would rather", "I would rather")]
    assert batcher.held == "wa"
    assert batches(["it, if you ask me, until tomorrow."], batcher) == [
        SentenceBatch("wait, if you ask me, until tomorrow.", "wait, if you ask me, until tomorrow.")
    ]


@pytest.mark.parametrize("text", ["", "Ye", "— ye", "\n\n"])
def test_finish_words_releases_nothing_without_a_whole_word(text: str) -> None:
    batcher = held_after(text)
    assert batcher.finish_words() == []
    assert batcher.held == text


def test_finish_words_also_releases_a_sentence_completed_by_the_release() -> None:
    batcher = held_after("It is `foo bar。x")
    assert [batch.text for batch in batcher.finish_words()] == ["It is `foo", "bar。"]
    assert batcher.held == "x"


# --- properties of every text -------------------------------------------------------------------------------------


@settings(max_examples=400)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(0, 200), max_size=30),
    max_chars=st.sampled_from([LEAST_MAX_CHARS, 60, 300]),
    language=st.sampled_from(LANGUAGES),
    first_clause_chars=st.sampled_from([0, 5, 24]),
)
def test_batches_and_their_release_do_not_depend_on_the_chunking(
    text: str, cuts: list[int], max_chars: int, language: str, first_clause_chars: int
) -> None:
    by_char = SentenceBatcher(max_chars, language, first_clause_chars)
    by_token = SentenceBatcher(max_chars, language, first_clause_chars)
    released_char: list[SentenceBatch] = []
    released_token: list[SentenceBatch] = []
    edges = [0, *sorted({cut for cut in cuts if cut < len(text)}), len(text)]
    for start, end in pairwise(edges):
        released_token += by_token.push(text[start:end])
        for char in text[start:end]:
            released_char += by_char.push(char)
        assert released_token == released_char
    assert released_token + by_token.finish() == released_char + by_char.finish()


@settings(max_examples=400)
@given(text=TEXTS, max_chars=st.sampled_from([LEAST_MAX_CHARS, 41, 60, 300]), language=st.sampled_from(LANGUAGES))
def test_no_text_is_lost_and_every_batch_can_be_spoken(text: str, max_chars: int, language: str) -> None:
    made = batches([text], SentenceBatcher(max_chars, language, 24))
    assert without_space("".join(batch.text for batch in made)) == without_space(text)
    for batch in made:
        assert batch.text == batch.text.strip()
        assert len(batch.speech) <= max_chars
        assert has_words(batch.speech)
        assert "\n" not in batch.speech
        batch.speech.encode()


@settings(max_examples=400)
@given(
    tokens=st.lists(
        st.tuples(TEXTS | st.sampled_from(PIECES), st.sampled_from(["push", "finish_sentence", "finish_words"])),
        max_size=12,
    ),
    language=st.sampled_from(LANGUAGES),
)
@example([("```\nfoo bar。x", "finish_words")], "en")
def test_early_release_loses_no_text(tokens: list[tuple[str, str]], language: str) -> None:
    batcher = SentenceBatcher(60, language, 24)
    made: list[SentenceBatch] = []
    for token, then in tokens:
        made += batcher.push(token)
        if then == "finish_sentence":
            made += batcher.finish_sentence()
        elif then == "finish_words":
            made += batcher.finish_words()
    made += batcher.finish()
    written = without_space("".join(token for token, _ in tokens))
    assert without_space("".join(batch.text for batch in made)) == written


@settings(max_examples=200)
@given(text=TEXTS, language=st.sampled_from(LANGUAGES))
def test_batches_without_limits_are_whole_sentences(text: str, language: str) -> None:
    assert without_space("".join(sentences(text, language))) == without_space(text)
    made = texts([text], language=language)
    joined = iter(sentences(text, language))
    for batch in made:  # a sentence of nothing but markup joins its neighbour
        collected = next(joined)
        while without_space(collected) != without_space(batch):
            collected += next(joined)


# --- long sentences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We looked at every single one of them, and then, since it was late, we went home.",
         "We looked at every single one of them, and then,|since it was late, we went home."),
        ("We looked at every single one of them and then we went home on the last train",
         "We looked at every single one of them|and then we went home on the last train"),
        ("We looked at every single one of these many houses without any plan",
         "We looked at every single one of these many houses|without any plan"),
        ("Look " + "x" * 120 + " here", "Look|" + "x" * 50 + "|" + "x" * 50 + "|" + "x" * 20 + " here"),
        ("今天天气很好" * 5 + "，" + "我们去公园散步" * 4, "今天天气很好" * 5 + "，|" + "我们去公园散步" * 4),
    ],
)  # fmt: skip
def test_a_sentence_that_is_too_long_is_cut_at_the_best_place(text: str, expected: str) -> None:
    assert texts([text], max_chars=50) == expected.split("|")


def test_a_letter_is_never_cut_from_its_combining_marks() -> None:
    assert texts(["कि" * 60], max_chars=41, language="hi") == ["कि" * 20] * 3


def test_an_address_that_cannot_be_cut_ends_in_an_ellipsis_in_speech_only() -> None:
    address = "https://" + "very-" * 20 + "long.example/"
    (made,) = batches([address], SentenceBatcher(max_chars=40))
    assert made.text == address
    assert made.speech == "very-very-very-very-very-very-very-very…"


def test_the_sentence_spoken_for_code_fits_into_the_smallest_batch() -> None:
    assert all(len(language_of(code).spoken_forms.code) <= LEAST_MAX_CHARS for code in LANGUAGES)
    with pytest.raises(ValueError, match="40 characters"):
        SentenceBatcher(max_chars=LEAST_MAX_CHARS - 1)


# --- text without words -------------------------------------------------------------------------------------------


def test_markup_and_emoji_without_words_join_the_neighbouring_sentence() -> None:
    assert batches("😊\n\nHi!\n\n---\n\nBye. 👋", SentenceBatcher()) == [
        SentenceBatch("😊\n\nHi!", "Hi!"),
        SentenceBatch("---\n\nBye. 👋", "Bye."),
    ]


def test_emoji_before_a_long_sentence_make_no_batch_of_their_own() -> None:
    made = batches(["😊 " * 20 + "— " + "word " * 20], SentenceBatcher(max_chars=LEAST_MAX_CHARS))
    assert [batch.speech for batch in made] == [" ".join(["word"] * count) for count in (8, 8, 4)]


@pytest.mark.parametrize(
    ("reply", "speech"),
    [("👍🏽", "thumbs up sign"), ("?!", "question mark, exclamation mark"), ("\u200b", "symbol"), ("<br>", "br")],
)
def test_a_reply_without_words_is_spoken_as_the_names_of_its_symbols(reply: str, speech: str) -> None:
    assert batches([reply], SentenceBatcher()) == [SentenceBatch(reply, speech)]


def test_an_empty_reply_gives_no_batch_and_the_batcher_can_be_used_again() -> None:
    batcher = SentenceBatcher()
    assert batches(["", " \n"], batcher) == []
    assert batches(["Half a sen"], batcher) == [SentenceBatch("Half a sen", "Half a sen")]
    assert batches(["Another."], batcher) == [SentenceBatch("Another.", "Another.")]


# --- processor time -----------------------------------------------------------------------------------------------


def cpu_s(text: str, token_chars: int) -> float:
    start = time.process_time()
    batches((text[i : i + token_chars] for i in range(0, len(text), token_chars)), SentenceBatcher())
    return time.process_time() - start


def test_an_answer_of_2000_characters_costs_less_than_20_ms() -> None:
    answer = ("Well, Dr. Smith said it is 3.5 km away, e.g. by bus. **You** can walk, too! Is that all right? " * 25)[
        :2000
    ]
    traced = 2 if sys.gettrace() else 1  # measuring coverage slows down each line
    assert min(cpu_s(answer, 4) for _ in range(5)) < 0.020 * traced


@pytest.mark.parametrize("unit", ["x", "😊", "😊 ", "`", "。", "\n", ". ", "a.", "(", "[1]", "a, ", "```\n"])
def test_the_cost_grows_in_proportion_to_the_text(unit: str) -> None:
    """A text 8 times as long costs about 8 times as much. Scanning it whole for each token would cost 64 times."""
    short, long = (f"A {unit * (chars // len(unit))} end" for chars in (2_500, 20_000))
    assert min(cpu_s(long, 4) for _ in range(2)) < 24 * max(min(cpu_s(short, 4) for _ in range(3)), 0.002)
