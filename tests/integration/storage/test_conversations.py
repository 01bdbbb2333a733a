"""A conversation continues in the next session, on this server and on others, over SQLite and Postgres."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.machine_session import Session, bot, speaking, user
from tests.support.manual_clock import Clock
from tests.support.replica import goes_on, replica, state, stored_history, talk
from voicebot.dialogue.events import (
    FinalTranscript,
    PlaybackFinished,
    ReplyEnded,
    SentencePlayed,
    SpeechEnded,
    SpeechStarted,
    Timer,
    WordsHeard,
)
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.reply_state import UnfinishedReply
from voicebot.dialogue.state import State
from voicebot.storage.conversations import GOES_ON_S, is_id

ONE, TWO = "tell me a joke", "A horse walks into a bar."
LONG_AGO_S = 1_000_000.0
DAY_S = 86_400.0


async def test_another_server_continues_a_conversation_where_its_session_ended(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        first = await here.open(None)
        assert first.id is not None
        assert is_id(first.id)
        first.keep(state(ONE, TWO, telling="Another one for you.", words=2), at_once=True)
        first.end()
        assert first.writer is not None
        await first.writer
        again = await there.open(first.id)
        assert again.id == first.id
        assert again.notice is None
        assert again.history == (*talk(ONE, TWO), Message(Role.ASSISTANT, "Another one", interrupted=True))


async def test_another_server_gets_what_was_left_unsaid_unless_that_was_long_ago(url: str) -> None:
    clock = Clock(LONG_AGO_S)
    session = speaking("Once upon a time.", "There was a cat.")
    session.post(WordsHeard(1, 0, 2))
    rest = UnfinishedReply("a time. There was a cat.", begun=True)
    async with replica(url, clock) as here, replica(url, clock) as there:
        first = await here.open(None)
        assert first.id is not None
        await goes_on(first, session.state)
        clock.now_s += GOES_ON_S - 1
        again = await there.open(first.id)
        assert again.unfinished == rest
        again.end()  # its client never connected
        third = await there.open(first.id)
        assert third.unfinished == rest
        await goes_on(third, State(history=third.history, unfinished=third.unfinished))
        clock.now_s += GOES_ON_S + 1
        late = await here.open(first.id)
        assert late.unfinished is None
        assert [message.text for message in late.history[-1:]] == ["Once upon"]


async def test_nothing_is_left_of_a_reply_that_has_ended_or_must_be_given_again(url: str) -> None:
    session = Session()
    session.ask(ONE)
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, session.state)
        again = await here.open(conversation.id)
        assert again.unfinished == UnfinishedReply(counted=True)
        session.answer(TWO)
        session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
        await goes_on(again, session.state)
        last = await here.open(conversation.id)
        assert (last.history, last.unfinished) == (talk(ONE, TWO), None)


async def test_the_stored_conversation_follows_every_change_and_is_empty_once_cleared(url: str) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        assert conversation.id is not None
        for turns in ([ONE], [ONE, TWO, "no"], [ONE, TWO, "no wait"], [ONE], []):
            await goes_on(conversation, state(*turns))
            assert await stored_history(here, conversation.id) == talk(*turns)
        await goes_on(conversation, state("anew"))
        assert await stored_history(here, conversation.id) == talk("anew")


async def test_what_was_heard_of_a_wrong_start_is_deleted_when_the_user_goes_on(url: str) -> None:
    session = Session()
    async with replica(url) as here:
        conversation = await here.open(None)
        assert conversation.id is not None
        session.ask("what time is it")
        session.answer("It is ten past four.")
        session.post(WordsHeard(1, 0, 2))
        await goes_on(conversation, session.state)
        assert await stored_history(here, conversation.id) == (user("what time is it"), bot("It is", interrupted=True))
        session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "in tokyo"))
        await goes_on(conversation, session.state)
        assert await stored_history(here, conversation.id) == (user("what time is it in tokyo"),)
        session.post(ReplyEnded(1))
        session.time_out(Timer.DEBOUNCE)
        await goes_on(conversation, session.state)
        assert await stored_history(here, conversation.id) == (user("what time is it in tokyo"),)


async def test_a_session_without_messages_stores_no_conversation(url: str) -> None:
    async with replica(url) as here:
        silent = await here.open(None)
        assert silent.id is not None
        await goes_on(silent, State())
        assert await here.read(silent.id) is None


async def test_an_older_session_cannot_change_a_conversation_that_a_newer_one_has_opened(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        older = await here.open(None)
        assert older.id is not None
        await goes_on(older, state(ONE, TWO))
        newer = await there.open(older.id)
        await goes_on(older, state(ONE, TWO, "lost"))
        await goes_on(older, state(ONE, TWO, "lost", "too"))
        assert await stored_history(there, older.id) == talk(ONE, TWO)
        await goes_on(newer, state(ONE, TWO, "goes on"))
        assert await stored_history(here, older.id) == talk(ONE, TWO, "goes on")


async def test_a_newer_session_gets_the_words_just_heard_in_the_older_one_on_its_server(url: str) -> None:
    async with replica(url) as here:
        older = await here.open(None)
        await goes_on(older, state(ONE))
        older.keep(state(ONE, telling=TWO, words=3), at_once=True)
        newer = await here.open(older.id)
        assert newer.history == (*talk(ONE), Message(Role.ASSISTANT, "A horse walks", interrupted=True))


async def test_a_deleted_conversation_stays_deleted_while_its_session_goes_on(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        live = await here.open(None)
        assert live.id is not None
        await goes_on(live, state(ONE, TWO))
        await there.delete(live.id)
        await goes_on(live, state(ONE, TWO, "and", "more"))
        assert await here.read(live.id) is None
        await there.delete(live.id)


async def test_a_conversation_deleted_before_its_first_message_is_never_stored(url: str) -> None:
    async with replica(url) as here:
        live = await here.open(None)
        assert live.id is not None
        await here.delete(live.id)
        await goes_on(live, state(ONE))
        assert await here.read(live.id) is None


async def test_an_unknown_id_starts_an_empty_conversation_with_another_id(url: str) -> None:
    async with replica(url) as here:
        for unknown in ("A" * 32, "'; DROP TABLE conversations; --", "", "\N{PILE OF POO}", "x" * 10_000):
            conversation = await here.open(unknown)
            assert conversation.id != unknown
            assert conversation.history == ()
            assert conversation.notice is None


async def test_conversation_ids_are_unique_and_too_long_to_guess(url: str) -> None:
    async with replica(url) as here:
        names = {(await here.open(None)).id for _ in range(100)}
    assert len(names) == 100
    assert all(name is not None and len(name) >= 128 / 6 for name in names)


async def test_conversations_expire_after_their_retention_unless_used_since(url: str) -> None:
    now_s = LONG_AGO_S
    async with replica(url, lambda: now_s) as here:
        old, used = await here.open(None), await here.open(None)
        assert old.id is not None
        await goes_on(old, state(ONE))
        await goes_on(used, state(ONE))
        now_s += 29 * DAY_S
        await here.open(used.id)
        now_s += 2 * DAY_S
        async with replica(url, lambda: now_s, retention_days=0) as forever:
            assert await stored_history(forever, old.id) == talk(ONE)
        async with replica(url, lambda: now_s, retention_days=30) as there:
            assert await there.read(old.id) is None
            assert used.id is not None
            assert await stored_history(there, used.id) == talk(ONE)


async def test_servers_that_start_at_once_on_an_empty_database_are_all_ready(url: str) -> None:
    async def start_and_keep() -> None:
        async with replica(url) as here:
            assert here.health.ready, here.health.reason
            await goes_on(await here.open(None), state(ONE))
            assert here.health.ready, here.health.reason

    await asyncio.gather(*(start_and_keep() for _ in range(4)))


async def test_sessions_that_write_at_once_each_store_their_own_conversation(url: str) -> None:
    async with replica(url) as here, replica(url) as there:

        async def session(number: int) -> tuple[str | None, History]:
            conversation = await (here if number % 2 else there).open(None)
            turns: list[str] = []
            for turn in range(6):
                turns.append(f"{number} says {turn}")
                await goes_on(conversation, state(*turns))
            return conversation.id, talk(*turns)

        for id, history in await asyncio.gather(*(session(number) for number in range(10))):
            assert id is not None
            assert await stored_history(here, id) == history


async def test_two_sessions_writing_one_conversation_at_once_store_only_the_newer_ones_messages(url: str) -> None:
    async with replica(url) as here, replica(url) as there:
        older = await here.open(None)
        assert older.id is not None
        await goes_on(older, state(ONE))
        newer = await there.open(older.id)
        for count in range(5):
            await asyncio.gather(
                goes_on(older, state(ONE, *["old"] * count)), goes_on(newer, state(ONE, *["new"] * count))
            )
        assert await stored_history(here, older.id) == talk(ONE, *["new"] * 4)


@pytest.mark.parametrize(
    ("text", "comes_back"),
    [
        ("\0 nul \0", "\N{REPLACEMENT CHARACTER} nul \N{REPLACEMENT CHARACTER}"),
        ("half \ud83d a pair", "half ? a pair"),
        ("\N{PILE OF POO}\N{ZERO WIDTH JOINER} नमस्ते \u202e", None),
        ("'; DROP TABLE messages; -- %s :x \\", None),
        ("word " * 200_000 + "end", None),
    ],
    ids=["nul", "surrogate", "emoji", "sql", "megabyte"],
)
async def test_any_text_is_stored_with_only_invalid_characters_replaced(
    url: str, text: str, comes_back: str | None
) -> None:
    async with replica(url) as here:
        conversation = await here.open(None)
        await goes_on(conversation, state(text, "yes"))
        again = await here.open(conversation.id)
        assert again.history == talk(comes_back or text, "yes")


async def test_the_last_words_of_all_sessions_are_written_before_the_server_ends(url: str) -> None:
    async with replica(url) as here:
        live = [await here.open(None) for _ in range(5)]
        for conversation in live:
            conversation.keep(state(ONE, telling=TWO, words=2), at_once=True)
    async with replica(url) as there:
        for conversation in live:
            assert conversation.id is not None
            history = await stored_history(there, conversation.id)
            assert history is not None
            assert history[-1].text == "A horse"
