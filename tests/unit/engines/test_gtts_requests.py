"""A text is split for Google Translate's voice, which takes at most 100 characters at a time."""

from __future__ import annotations

from voicebot.engines.tts.gtts import split_text

LONG = (
    "Far out where the land ends, there stood a small lighthouse, and in it lived a keeper called Ada. "
    'Every evening she asked the sea: "Will you be calm tonight?" And the sea, which was slow, '
    "took its time; it rolled in, and out, and in again, before it gave an answer."
)


def test_a_text_is_split_at_the_ends_of_clauses_where_possible() -> None:
    assert [len(part) for part in split_text(LONG)] == [98, 90, 77]
    assert split_text("Well, " + "word " * 30) == ["Well, ", "word " * 30]
    assert split_text(f"{'a' * 99}. {'b' * 50}, {'c' * 30}. Yes.") == [f"{'a' * 99}. ", f"{'b' * 50}, {'c' * 30}. Yes."]
    assert split_text(f'He said: "{"a" * 90}?" “—” …') == ["He said: ", f'"{"a" * 90}?" “—” …']
    assert split_text("。" * 3) == []
