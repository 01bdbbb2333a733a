"""The history: merging messages, counting heard words, and the limit on length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicebot.dialogue.history import (
    History,
    Message,
    Role,
    first_words,
    heard,
    merged,
    said,
    word_shares,
    words_heard,
)
from voicebot.runtime.limits import MAX_MESSAGE_CHARS

USER_ASKED = (Message(Role.USER, "How are you doing?"),)


def test_the_users_words_after_an_answer_are_a_separate_message() -> None:
    history = said(heard(USER_ASKED, "Fine."), "And now?")
    assert [message.text for message in history] == ["How are you doing?", "Fine.", "And now?"]


def test_words_after_an_unanswered_question_join_its_message() -> None:
    assert said(USER_ASKED, " What are  you doing? ") == (Message(Role.USER, "How are you doing? What are you doing?"),)


def test_words_after_an_unanswered_question_are_a_separate_message_without_merging() -> None:
    assert len(said(USER_ASKED, "What are you doing?", merge=False)) == 2


def test_empty_text_leaves_the_history_unchanged() -> None:
    assert said(USER_ASKED, "  ") is USER_ASKED
    assert heard(USER_ASKED, " ", interrupted=True) is USER_ASKED


def test_merging_texts_leaves_single_spaces_between_words() -> None:
    assert merged(["Hello", " I want to ", "", "book a flight\n"]) == "Hello I want to book a flight"


def test_the_number_of_words_heard_is_estimated_from_their_letters() -> None:
    text = "I understand everything"
    bounds = word_shares(text)
    assert [words_heard(bounds, share) for share in (0.0, 0.05, 0.3, 0.5, 0.8, 1.0)] == [0, 1, 1, 2, 3, 3]


TEXTS = st.text(st.sampled_from("ab c.\n"), max_size=40)


@given(TEXTS, st.floats(0, 1), st.floats(0, 1))
def test_more_playback_never_means_fewer_words_heard(text: str, one: float, other: float) -> None:
    less, more = sorted((one, other))
    bounds = word_shares(text)
    assert words_heard(bounds, less) <= words_heard(bounds, more)
    assert words_heard(bounds, 0.0) == 0
    assert first_words(text, words_heard(bounds, 1.0)) == merged([text])


@given(st.lists(st.tuples(st.booleans(), TEXTS)))
def test_editing_the_history_loses_no_words_and_changes_only_the_last_message(edits: list[tuple[bool, str]]) -> None:
    history: tuple[Message, ...] = ()
    for by_user, text in edits:
        before = history
        history = said(history, text) if by_user else heard(history, text)
        assert history[: len(before) - 1] == before[: len(before) - 1], "only the last message may change"
    words = [word for _, text in edits for word in text.split()]
    assert " ".join(message.text for message in history).split() == words
    assert all(message.text for message in history)


def test_an_unanswered_message_stays_within_the_length_limit_and_no_text_is_lost() -> None:
    """The message is rebuilt for each text that is added. Without a limit, a client could make that ever slower."""
    history: History = ()
    texts = [f"text {number} " + "x" * 1_980 for number in range(100)]
    for text in texts:
        history = said(history, text)
    assert max(len(message.text) for message in history) <= MAX_MESSAGE_CHARS
    assert " ".join(message.text for message in history) == " ".join(texts)
