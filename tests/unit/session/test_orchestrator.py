"""A session with scripted engines: what is heard, asked and said, and that the session leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from tests.support.engines import AtPause, ScriptedAgent, ScriptedStt, ToneTts, loud, scripted
from tests.support.errors import engine_error
from tests.support.orchestrated import PATIENCE_S, Session, idle, running
from tests.support.steps import Watcher
from tests.support.turn_models import ScriptedTurnModel
from voicebot.agent.tools.fillers import Filler
from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio
from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.events import InterruptPressed, ReplyEnded, TextTyped
from voicebot.dialogue.facts import ConversationEnded
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.machine import NOBODY_THERE
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.preferences import Endpointing
from voicebot.dialogue.state import IdleStage, Phase, State
from voicebot.engines.conversation import ConversationError
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import SpeechToTextFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Transcript
from voicebot.languages.prompts import apology, ask_again, goodbye, still_there
from voicebot.session.observers import Observers
from voicebot.session.orchestrator import Orchestrator
from voicebot.session.player import FADE_S
from voicebot.session.sentence_audio import LETTERS_PER_S, MAX_OFFSET
from voicebot.settings import config


async def test_a_spoken_question_is_transcribed_and_answered_aloud() -> None:
    async with running(
        hears=[["what", "what time is it"]], thinks=[["It is ", "ten. ", "Good ", "morning."]]
    ) as session:
        session.say()
        await session.until(lambda state: state.phase is Phase.SPEAKING)
        await session.until(idle)
        assert session.history == ["what time is it", "It is ten. Good morning."]
        assert session.tts.said == ["It is ten.", "Good morning."]
        assert any(utterance.text == "what" for state in session.states for utterance in state.utterances)
        assert session.stt.heard[0].duration_s == pytest.approx(0.4 + DELAYS[Endpointing.BALANCED].even_s, abs=0.1)


async def test_the_answer_of_the_end_of_turn_model_reaches_the_state_before_the_turn_ends() -> None:
    model = ScriptedTurnModel([0.9])
    async with running(hears=[["what time is it"]], thinks=[["It is ten."]], end_of_turn_model=model) as session:
        session.bot.speech_input.receive_audio(loud(0.4))
        session.bot.speech_input.receive_audio(Audio.silence(0.2, 48_000))
        await session.until(lambda state: any(each.model_probability == 0.9 for each in state.utterances))
        session.bot.speech_input.receive_audio(Audio.silence(1.6, 48_000))
        await session.until(idle)
        assert session.history == ["what time is it", "It is ten."]


async def test_two_sentences_are_synthesised_ahead_of_the_one_to_be_played() -> None:
    async with running(
        thinks=[["First one here. ", "Second one here. ", "Third one here. ", "Fourth. ", "Fifth."]]
    ) as session:
        session.playing.clear()
        session.bot.mailbox.post(TextTyped("hello"))
        await session.until(lambda state: state.reply and state.reply.text_ended)
        await session.until(lambda state: state.reply and state.reply.synthesized == 3)
        assert len(session.tts.said) == 3, "the sentence that would play and two more are synthesised"
        session.playing.set()
        await session.until(idle)
        assert len(session.tts.said) == 5


async def test_an_interruption_keeps_only_the_words_heard_in_the_history_and_is_answered() -> None:
    story = "Once upon a time there was a very curious cat that wanted to see the sea."
    async with running(
        hears=[["what is two plus two"]], thinks=[[story, " And then"], ["Four."]], tts=ToneTts(letter_s=0.1)
    ) as session:
        session.bot.mailbox.post(TextTyped("tell me a story"))
        await session.until(lambda state: state.reply and state.reply.words >= 3)
        session.say()
        await session.until(lambda state: state.phase is Phase.PAUSED)
        paused_at = session.bot.player.cursor
        await session.until(lambda state: state.last_reply == 2)
        await session.until(idle)
        first, second, third, fourth = session.bot.state.history
        assert second.interrupted
        assert story.startswith(second.text)
        assert 3 <= len(second.text.split()) < len(story.split())
        assert (third.text, fourth.text) == ("what is two plus two", "Four.")
        assert session.agent.asked[1] == (first, second, third), "the agent must know exactly what was heard"
        assert session.agent.closed == 2
        assert paused_at > 0


async def test_the_reply_resumes_at_the_next_sample_after_a_backchannel_without_a_new_request() -> None:
    sentence = "A sentence that takes some time to say."
    async with running(hears=[["uh-huh"]], thinks=[[sentence]]) as session:
        player = session.bot.player
        session.bot.mailbox.post(TextTyped("go"))
        await session.until(lambda state: state.phase is Phase.SPEAKING)
        session.bot.speech_input.receive_audio(loud(0.4))
        await session.until(lambda state: state.phase is Phase.PAUSED)
        session.playing.clear()
        player.next_frame()  # The sound fades out in this frame, unless the clock has already taken it.
        paused_at = player.cursor
        assert not player.next_frame().any()
        session.bot.speech_input.receive_audio(Audio.silence(1.6, 48_000))
        await session.until(lambda state: state.phase is Phase.SPEAKING)
        left = player.audio_from(paused_at)
        assert left is not None
        frame = player.next_frame()
        assert player.cursor == paused_at + FRAME_SAMPLES
        fade = round(FADE_S * WIRE_RATE_HZ)
        assert np.array_equal(frame[fade:], left.sound[left.offset + fade : left.offset + FRAME_SAMPLES])
        session.playing.set()
        await session.until(idle)
        assert player.cursor == pytest.approx(len(sentence) * session.tts.letter_s * WIRE_RATE_HZ, abs=FRAME_SAMPLES)
        assert session.history == ["go", sentence]
        assert len(session.agent.asked) == 1


class CountingAgent(ScriptedAgent):
    """Counts how many of its requests are open at the same time."""

    most_open = 0

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
    ) -> AsyncGenerator[str]:
        self.most_open = max(self.most_open, len(self.asked) + 1 - self.closed)
        async with aclosing(super().reply(history, wanted, deadline)) as tokens:
            async for token in tokens:
                yield token


async def test_text_typed_before_the_reply_sounds_joins_the_question_once_the_first_request_is_closed() -> None:
    never = asyncio.Event()
    agent = CountingAgent(scripts=[["Let me ", never], ["Sure."]])
    async with running(engines=(ScriptedStt(), agent, ToneTts())) as session:
        session.bot.mailbox.post(TextTyped("first"))
        await session.until(lambda state: state.reply and state.reply.tokens)
        session.bot.mailbox.post(TextTyped("second"))
        await session.until(idle)
        assert session.history == ["first second", "Sure."]
        assert agent.closed == 2
        assert agent.most_open == 1


async def test_words_spoken_while_the_bot_thinks_join_the_question() -> None:
    thinking = asyncio.Event()
    async with running(hears=[["and also this"]], thinks=[[thinking], ["Both."]]) as session:
        session.bot.mailbox.post(TextTyped("this"))
        await session.until(lambda state: state.phase is Phase.THINKING)
        session.say()
        await session.until(idle)
        assert session.history == ["this and also this", "Both."]


# Pauses of the user -----------------------------------------------------------------------------------------------


async def test_a_preemptive_reply_is_ready_but_unheard_until_the_turn_ends() -> None:
    async with running(hears=[[AtPause("what time is it"), "unused"]], thinks=[["It is ten."]]) as session:
        for audio in (loud(0.4), Audio.silence(0.2, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        state = await session.until(lambda state: state.reply and state.reply.synthesized)
        assert state.speaking, "the utterance must still be open"
        assert state.history == ()
        await asyncio.sleep(0.1)  # virtual time, in which no sound may be played
        assert session.bot.player.cursor == 0
        session.bot.speech_input.receive_audio(Audio.silence(1.6, 48_000))
        await session.until(idle)
        assert session.history == ["what time is it", "It is ten."]
        assert len(session.agent.asked) == 1


async def test_a_preemptive_reply_is_cancelled_when_the_user_speaks_on() -> None:
    longer = "what time is it in tokyo"
    hears: list[str | AtPause] = [AtPause("what time is it"), AtPause(longer), longer]
    never = asyncio.Event()
    async with running(hears=[hears], thinks=[[never], ["It is ten there."]]) as session:
        for audio in (loud(0.4), Audio.silence(0.15, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        await session.until(lambda state: state.last_reply == 1)
        for audio in (loud(0.4), Audio.silence(1.6, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        await session.until(idle)
        assert session.history == ["what time is it in tokyo", "It is ten there."]
        assert session.agent.closed == 2, "the first request must be closed, too"


async def test_a_conversation_kept_from_a_discarded_reply_says_nothing_and_waits_for_nothing() -> None:
    class KeepingAgent(ScriptedAgent):
        kept: asyncio.Task[None] | None = None

        def reply(
            self, history: History, wanted: asyncio.Event, deadline: Any = None, **others: Any
        ) -> AsyncGenerator[str]:
            if self.kept is None:
                self.kept = asyncio.create_task(others["calls"].conversation.say("later"))
            return super().reply(history, wanted, deadline, **others)

    longer = "what time is it in tokyo"
    stt = ScriptedStt(scripts=[[AtPause("what time is it"), AtPause(longer), longer]])
    agent = KeepingAgent(scripts=[[asyncio.Event()], ["It is ten there."]])
    async with running(engines=(stt, agent, ToneTts())) as session:
        for audio in (loud(0.4), Audio.silence(0.15, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        await session.until(lambda state: state.last_reply == 1)
        for audio in (loud(0.4), Audio.silence(1.6, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        await session.until(idle)
        assert session.history == ["what time is it in tokyo", "It is ten there."]
        assert agent.kept is not None
        with pytest.raises(ConversationError, match="discarded"):
            await asyncio.wait_for(agent.kept, 1)


async def test_the_reply_resumes_at_the_pause_after_a_backchannel_before_the_utterance_ends() -> None:
    async with running(hears=[[AtPause("uh-huh"), "unused"]], thinks=[["A sentence that takes some time."]]) as session:
        session.bot.mailbox.post(TextTyped("go"))
        await session.until(lambda state: state.phase is Phase.SPEAKING)
        session.playing.clear()
        for audio in (loud(0.4), Audio.silence(0.15, 48_000)):
            session.bot.speech_input.receive_audio(audio)
        state = await session.until(lambda state: state.verdicts)
        assert state.phase is Phase.SPEAKING
        assert state.speaking, "the utterance must not have ended yet"
        session.bot.speech_input.receive_audio(Audio.silence(1.6, 48_000))
        session.playing.set()
        await session.until(idle)
        assert len(session.bot.state.verdicts) == 1


async def test_the_bot_asks_again_without_the_agent_after_speech_without_words() -> None:
    async with running(hears=[[""]]) as session:
        session.say(0.8)
        await session.until(idle)
        assert session.history == [ask_again("en")]
        assert " ".join(session.tts.said) == ask_again("en")


def talks(reply: int, state: State) -> bool:
    return state.reply is not None and state.reply.number == reply and state.reply.words >= 2


def begun(reply: int, state: State) -> bool:
    return state.last_reply == reply


async def test_each_of_five_interruptions_in_a_row_starts_a_new_reply() -> None:
    questions = [f"what about number {number}" for number in range(5)]
    story = "Once upon a time there was a very curious cat that wanted to see the sea."
    async with running(
        hears=[[AtPause(question), question] for question in questions],
        thinks=[[story]] * 5 + [["The end."]],
        tts=ToneTts(letter_s=0.2),  # slow enough to be interrupted on a busy machine, too
    ) as session:
        session.bot.mailbox.post(TextTyped("go"))
        for number in range(5):
            await session.until(partial(talks, number + 1))
            session.say()
            await session.until(partial(begun, number + 2))
        await session.until(idle)
        users = [message.text for message in session.bot.state.history if message.role is Role.USER]
        assert users == ["go", *questions]
        assert session.history[-1] == "The end."
        assert session.agent.closed == 6


async def test_resume_rewind_moves_playback_back_before_the_reply_resumes() -> None:
    """With `RESUME_REWIND=word`, playback resumes at the start of the word in which it was paused."""
    async with running(
        hears=[["uh-huh"]],
        thinks=[["Extraordinarily unmistakable considerations matter."]],
        tts=ToneTts(letter_s=0.05),
        resume_rewind="word",
    ) as session:
        player = session.bot.player
        session.bot.mailbox.post(TextTyped("go"))
        await session.until(lambda state: state.reply and state.reply.words == 2)
        for _ in range(6):  # The pause falls 120 ms into the second word, which is further than MAX_OFFSET.
            player.next_frame()
        session.bot.speech_input.receive_audio(loud(0.4))
        await session.until(lambda state: state.phase is Phase.PAUSED)
        session.playing.clear()
        player.next_frame()  # The sound fades out in this frame, unless the clock has already taken it.
        paused_at = player.cursor
        whole = player.audio_from(0)
        assert whole is not None
        word_starts_at = whole.starts[1]
        assert word_starts_at + MAX_OFFSET < paused_at < whole.starts[2]
        session.bot.speech_input.receive_audio(Audio.silence(1.6, 48_000))
        await session.until(lambda state: state.verdicts)
        resumed_at = player.cursor
        assert resumed_at == pytest.approx(word_starts_at, abs=MAX_OFFSET)
        frame, fade = player.next_frame(), round(FADE_S * WIRE_RATE_HZ)
        assert np.array_equal(frame[fade:], whole.sound[resumed_at + fade : resumed_at + FRAME_SAMPLES])
        session.playing.set()
        await session.until(idle)


async def test_a_filler_is_spoken_before_the_answer_arrives() -> None:
    answer = asyncio.Event()
    async with running(thinks=[[Filler("One moment, please."), answer, " It is ten."]]) as session:
        session.bot.mailbox.post(TextTyped("what time is it"))
        await session.until(lambda state: state.live and state.live.heard == "One moment, please.")
        answer.set()
        await session.until(idle)
        assert session.history == ["what time is it", "One moment, please. It is ten."]
        assert session.tts.said == ["One moment, please.", "It is ten."]


# Failures ---------------------------------------------------------------------------------------------------------


async def test_the_apology_is_in_the_language_of_the_conversation() -> None:
    async with running(thinks=[[EngineError("groq", "it broke")]], language="de") as session:
        session.bot.mailbox.post(TextTyped("hallo"))
        await session.until(idle)
        assert session.history == ["hallo", apology("de")]
        assert apology("de") != apology("en")


async def test_a_recogniser_that_fails_in_mid_utterance_hears_the_whole_utterance_again() -> None:
    """The recogniser gets the utterance once more from its start, together with the words that the user then adds."""
    dies = ScriptedStt(
        scripts=[[EngineError("scripted", "it died"), "never"], ["what is the time", "what is the time"]]
    )
    group, stt = SpeechToTextFallbackGroup([dies], FallbackRules(backoff_s=0.01)), ScriptedStt()
    await group.start()
    with patch.object(stt, "session", group.session):
        async with running(engines=(stt, ScriptedAgent(scripts=[["It is five."]]), ToneTts())) as session:
            await say_in_two_pieces(session)
            await session.until(lambda state: idle(state) and state.history)
            assert session.history == ["what is the time", "It is five."]
    assert 0.8 <= dies.heard[0].duration_s <= 1.8


async def say_in_two_pieces(session: Session) -> None:
    """Lets the recogniser hear the beginning before the user says the rest."""
    session.bot.speech_input.receive_audio(loud(0.4))
    await session.until(lambda state: state.speaking)
    await asyncio.sleep(0.05)
    session.say(0.4)
    session.bot.speech_input.receive_audio(Audio.silence(0.4, 48_000))


async def test_the_bot_asks_again_when_the_recogniser_fails_without_a_transcript() -> None:
    async with running(hears=[[EngineError("scripted", "it died"), "x"], ["hello"]], thinks=[["Hi."]]) as session:
        await say_in_two_pieces(session)
        state = await session.until(lambda state: idle(state) and state.history)
        assert session.history == [ask_again("en")]
        assert state.error == engine_error("scripted: it died")
        session.say(0.8)
        await session.until(lambda state: len(state.history) == 3 and idle(state))
        assert session.history[1:] == ["hello", "Hi."]


async def test_the_bot_speaks_an_apology_when_the_agent_fails() -> None:
    async with running(thinks=[["Well, ", EngineError("groq", "it broke")], ["Better."]]) as session:
        session.bot.mailbox.post(TextTyped("hello"))
        state = await session.until(idle)
        assert session.history == ["hello", f"Well, {apology('en')}"]
        assert state.error == engine_error("groq: it broke")
        session.bot.mailbox.post(TextTyped("again"))
        await session.until(lambda state: len(state.history) == 4)
        assert session.bot.state.error is None


async def test_the_reply_goes_on_with_the_next_sentence_when_the_voice_breaks_off() -> None:
    tts = ToneTts(letter_s=1 / LETTERS_PER_S, failing=frozenset({"Second sentence breaks."}))
    async with running(thinks=[["First is fine. ", "Second sentence breaks. ", "Third."]], tts=tts) as session:
        session.bot.mailbox.post(TextTyped("hello"))
        state = await session.until(idle)
        assert state.error == engine_error("scripted: the voice broke")
        assert session.history[-1] == "First is fine. Second sentence Third.", (
            "about half of the second sentence was heard"
        )
        assert not state.history[-1].interrupted


async def test_the_reply_ends_after_the_last_sentence_heard_when_the_voice_gives_no_sound() -> None:
    tts = ToneTts(silent=frozenset({"Second sentence fails."}))
    async with running(thinks=[["First is fine. ", "Second sentence fails. ", "Third."]], tts=tts) as session:
        session.bot.mailbox.post(TextTyped("hello"))
        state = await session.until(idle)
        assert state.error == engine_error("scripted: there is no voice")
        assert session.history[-1] == "First is fine."
        assert state.history[-1].interrupted


async def test_a_bug_in_a_reply_does_not_end_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async with running(thinks=[[ZeroDivisionError("oops")], ["Fine."]]) as session:
        session.bot.mailbox.post(TextTyped("hello"))
        await session.until(lambda state: state.error)
        assert "oops" not in str(session.bot.state.error), "details belong only in the log"
        session.bot.mailbox.post(TextTyped("again"))
        await session.until(lambda state: state.is_idle and state.last_reply == 2)
        assert session.history[-1] == "Fine."
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


async def test_the_partial_transcript_of_a_failed_recogniser_is_answered_and_its_error_shown() -> None:
    async with running(hears=[["what time", EngineError("deepgram", "it broke")]], thinks=[["Ten."]]) as session:
        session.say()
        await session.until(lambda state: state.error == engine_error("deepgram: it broke"))
        await session.until(idle)
        assert session.history == ["what time", "Ten."]


async def test_a_bug_in_a_recogniser_does_not_end_the_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Buggy(ScriptedStt):
        async def transcribe(self, audio: object) -> AsyncGenerator[Transcript]:
            raise ZeroDivisionError("oops")
            yield Transcript("", final=True)

    monkeypatch.setattr("tests.unit.session.test_orchestrator.ScriptedStt", Buggy)
    async with running(thinks=[["Fine."]]) as session:
        session.say()
        await session.until(lambda state: state.error)
        assert "oops" not in str(session.bot.state.error)
        session.bot.mailbox.post(TextTyped("hello"))
        await session.until(idle)
        assert session.history[-1] == "Fine."
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


async def test_a_recogniser_that_never_answers_does_not_block_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(ScriptedStt):
        async def transcribe(self, audio: object) -> AsyncGenerator[Transcript]:
            await asyncio.Event().wait()
            yield Transcript("", final=True)

    monkeypatch.setattr("tests.unit.session.test_orchestrator.ScriptedStt", Mute)
    async with running(thinks=[["A sentence."], ["Yes."]]) as session:
        session.playing.clear()
        session.bot.mailbox.post(TextTyped("go"))
        await session.until(lambda state: state.phase is Phase.THINKING)
        session.say()
        await session.until(lambda state: state.phase is Phase.HELD)
        session.playing.set()
        await session.until(idle)
        await session.until(lambda state: not state.utterances)
        session.bot.mailbox.post(TextTyped("still there?"))
        await session.until(lambda state: len(state.history) == 4)


async def test_a_request_that_ignores_its_cancellation_does_not_block_the_next_reply(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()

    class Stubborn(ScriptedAgent):
        async def reply(
            self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
        ) -> AsyncGenerator[str]:
            if len(history) == 1:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await released.wait()
                    raise
            yield "Done."

    monkeypatch.setattr("voicebot.session.orchestrator.CANCEL_TIMEOUT_S", 0.1)
    async with running(engines=(ScriptedStt(), Stubborn(), ToneTts())) as session:
        session.bot.mailbox.post(TextTyped("one"))
        await session.until(lambda state: state.phase is Phase.THINKING)
        session.bot.mailbox.post(InterruptPressed())
        await session.until(lambda state: state.is_idle)
        session.bot.mailbox.post(TextTyped("two"))
        await session.until(lambda state: state.history and state.history[-1].text == "Done.")
        assert session.bot.state.history[-1] == Message(Role.ASSISTANT, "Done.")
        released.set()
    assert "does not stop" in caplog.text


class RemotePlayer:
    """Counts how often it is told to cut a reply."""

    cuts = 0

    async def cut(self) -> None:
        self.cuts += 1


async def test_a_reply_that_ends_by_itself_as_it_is_cancelled_does_not_touch_the_next_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    remote, next_began = RemotePlayer(), asyncio.Event()

    def observe(step: SessionStep) -> None:
        if step.state.last_reply == 2:
            next_began.set()

    agent = ScriptedAgent(scripts=[[asyncio.Event()], [asyncio.Event()]])
    engines = scripted(ScriptedStt(), agent, ToneTts())
    bot = Orchestrator(engines, config.load(), Watcher(observe), remote_player=remote)
    running = asyncio.create_task(bot.run())
    bot.mailbox.post(TextTyped("first"))
    async with asyncio.timeout(PATIENCE_S):
        while bot.player.reply != 1:  # noqa: ASYNC110 (the player has no event)
            await asyncio.sleep(0)
        for input in (InterruptPressed(), ReplyEnded(1), TextTyped("second")):  # all in one round of the event loop
            bot.mailbox.post(input)
        await next_began.wait()
        await asyncio.sleep(0.1)  # no event shows that the second reply was not touched
    assert bot.player.reply == 2
    assert not bot.player.paused
    assert remote.cuts == 0
    running.cancel()
    await asyncio.wait([running])
    assert "does not stop" not in caplog.text


async def test_the_bot_asks_whether_a_silent_user_is_still_there_and_then_ends_the_session() -> None:
    async with running(idle_timeout_s=0.2, idle_goodbye_s=1) as session:
        await session.until(lambda state: state.idle_stage is IdleStage.PROMPTED and state.is_idle and state.history)
        assert session.history == [still_there("en")]
        assert session.ended == []
        await session.until(lambda state: state.idle_stage is IdleStage.ENDED)
        assert session.history == [still_there("en"), goodbye("en")]
        assert session.ended == [ConversationEnded(NOBODY_THERE)]
        assert " ".join(session.tts.said) == f"{still_there('en')} {goodbye('en')}"


async def test_a_user_who_answers_the_idle_question_keeps_the_session() -> None:
    async with running(hears=[["yes"]], thinks=[["Good."]], idle_timeout_s=0.2, idle_goodbye_s=30) as session:
        await session.until(lambda state: state.idle_stage is IdleStage.PROMPTED and state.is_idle and state.history)
        session.say()
        await session.until(lambda state: state.is_idle and len(state.history) > 2)
        assert session.history[:3] == [still_there("en"), "yes", "Good."]
        assert session.ended == []


# Observers --------------------------------------------------------------------------------------------------------


class FailingObserver(Observer):
    """Raises an error whatever it is told."""

    def began(self) -> None:
        raise OSError("a fault")

    def stepped(self, step: SessionStep) -> None:
        raise OSError("a fault")

    def underran(self, frames: int) -> None:
        raise OSError("a fault")

    def ended(self) -> None:
        raise OSError("a fault")


async def test_observers_that_raise_errors_do_not_stop_the_conversation(caplog: pytest.LogCaptureFixture) -> None:
    answered = asyncio.Event()

    def observe(step: SessionStep) -> None:
        if step.state.is_idle and len(step.state.history) == 4:
            answered.set()

    agent = ScriptedAgent(scripts=[["One. "], ["Two. "]])
    bot = Orchestrator(
        scripted(ScriptedStt(), agent, ToneTts()),
        config.load(),
        Observers(failing=FailingObserver(), watching=Watcher(observe)),
    )

    async def play() -> None:
        while True:
            bot.speech_input.note_playback(bot.player.next_frame())
            await asyncio.sleep(FRAME_S / 10)

    async with asyncio.timeout(PATIENCE_S):
        tasks = [asyncio.create_task(bot.run()), asyncio.create_task(play())]
        bot.mailbox.post(TextTyped("first"))
        while len(bot.state.history) < 2 or not bot.state.is_idle:  # noqa: ASYNC110 (the observer that would report it fails)
            await asyncio.sleep(0.01)
        bot.mailbox.post(TextTyped("second"))
        await answered.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    places = [
        record.getMessage().split(" failed")[0] for record in caplog.records if record.name == "voicebot.runtime.faults"
    ]
    assert sorted(set(places)) == sorted(places), "each place is logged only once"
    assert places.count("failing") == 1
