"""The player plays every sample once and in order, however often it is paused, and reports which words were heard."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.read_mailbox import ReadMailbox
from voicebot.audio.sound import FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import PlaybackFinished, PlaybackStarted, ReplyInput, SentencePlayed, WordsHeard
from voicebot.session.player import FADE_S, Player

FADE_SAMPLES = round(FADE_S * WIRE_RATE_HZ)


def sound(length: int, start: int = 0) -> Audio:
    """Returns samples that encode their own positions. None of them is zero."""
    return Audio(((np.arange(start, start + length) % 20_000) + 5_000).astype(np.int16), WIRE_RATE_HZ)


class Listener:
    """Takes frames from a player and checks that each continues exactly where the last one stopped."""

    def __init__(self, prefetch: int = 3, *, rewind_words: bool = False) -> None:
        self.posted: list[ReplyInput] = []
        self.player = Player(ReadMailbox(self.posted.append), prefetch, rewind_words=rewind_words)
        self.source = np.zeros(0, np.int16)
        self.faded_frames = 0

    def give(self, reply: int, *sentences: tuple[str, int]) -> None:
        """Gives the player a whole reply: the text of each sentence and its length in samples."""
        self.player.begin(reply)
        self.source = np.zeros(0, np.int16)
        for index, (text, length) in enumerate(sentences):
            self.player.open_sentence(reply, index, text)
            self.write(reply, length)
            self.player.close_sentence(reply)
        self.player.complete(reply)

    def write(self, reply: int, length: int) -> None:
        audio = sound(length, len(self.source))
        self.source = np.concatenate([self.source, audio.samples])
        self.player.write(reply, audio)

    def frame(self) -> Samples:
        before = self.player.cursor
        frame = self.player.next_frame()
        assert frame.shape == (FRAME_SAMPLES,)
        assert frame.dtype == np.int16
        taken = self.player.cursor - before
        expected = self.source[before : before + taken]
        assert not frame[taken:].any(), "there is sound after the last sample"
        if not np.array_equal(frame[:taken], expected):
            self.faded_frames += 1
            assert (frame[:taken] <= expected).all(), "a fade made the sound louder"
            assert (frame[:taken] >= 0).all()
            assert np.array_equal(frame[FADE_SAMPLES:taken], expected[FADE_SAMPLES:]), (
                "the sound differs after the fade"
            )
        return frame

    def play(self) -> int:
        """Plays to the end. Returns the number of frames."""
        frames = 0
        while not any(isinstance(each, PlaybackFinished) for each in self.posted):
            self.frame()
            frames += 1
            assert frames < 1000, "playback does not finish"
        return frames


def test_an_idle_player_gives_silence() -> None:
    listener = Listener()
    assert not listener.frame().any()
    assert listener.posted == []


def test_plays_sentences_without_a_gap_and_reports_each_one() -> None:
    listener = Listener()
    listener.give(1, ("Hello there.", 1500), ("Bye.", 700))
    assert listener.play() == 3
    assert listener.player.cursor == 2200
    assert listener.faded_frames == 0
    kinds = [type(each) for each in listener.posted]
    assert kinds[0] is PlaybackStarted
    assert [each for each in listener.posted if isinstance(each, SentencePlayed)] == [
        SentencePlayed(1, 0),
        SentencePlayed(1, 1),
    ]
    assert listener.posted[-1] == PlaybackFinished(1)


def test_a_pause_fades_out_and_a_resume_continues_at_the_next_sample() -> None:
    listener = Listener()
    listener.give(1, ("A long sentence.", 9600))
    listener.frame()
    listener.player.pause(1)
    fading = listener.frame()
    assert listener.player.cursor == FRAME_SAMPLES + FADE_SAMPLES
    assert fading[0] > 0
    assert fading[FADE_SAMPLES - 1] < 50, "the fade must end in silence, without a click"
    assert np.abs(np.diff(fading[:FADE_SAMPLES].astype(int))).max() < 200
    for _ in range(100):
        assert not listener.frame().any()
    listener.player.resume(1)
    rising = listener.frame()
    assert rising[0] < 50
    assert np.abs(np.diff(rising.astype(int))).max() < 200
    listener.play()
    assert listener.player.cursor == 9600


def test_a_pause_that_ends_before_the_next_frame_does_not_change_the_sound() -> None:
    listener = Listener()
    listener.give(1, ("A long sentence.", 9600))
    listener.frame()
    listener.player.pause(1)
    listener.player.resume(1)
    listener.play()
    assert listener.faded_frames == 0


def test_a_reply_paused_before_its_first_frame_plays_from_its_start_on_resume() -> None:
    listener = Listener()
    listener.give(1, ("Hello.", 2000))
    listener.player.pause(1)
    assert not listener.frame().any()
    assert listener.posted == [], "nothing may be reported before the first frame"
    listener.player.resume(1)
    listener.play()
    assert listener.faded_frames == 0


def test_a_discarded_reply_is_never_heard_again() -> None:
    listener = Listener()
    listener.give(1, ("Hello there, my friend.", 9600))
    listener.frame()
    listener.player.discard(1)
    tail = listener.player.next_frame()
    assert not tail[FADE_SAMPLES:].any(), "only a short fade may be heard"
    listener.player.open_sentence(1, 1, "late")
    listener.player.write(1, sound(5000))
    listener.player.resume(1)
    assert not listener.player.next_frame().any()
    listener.posted.clear()
    listener.give(2, ("New.", 1000))
    listener.player.pause(1)
    listener.play()
    assert {each.reply for each in listener.posted} == {2}


def test_reports_each_word_when_it_has_been_heard() -> None:
    listener = Listener()
    listener.give(1, ("one two three four", 48_000))
    for _ in range(25):
        listener.frame()
    heard = [each.words for each in listener.posted if isinstance(each, WordsHeard)]
    assert heard == [1, 2], "half of the sound must count as half of the words"


def test_a_sentence_cut_by_a_failure_ends_but_is_not_reported_as_played() -> None:
    listener = Listener()
    listener.player.begin(1)
    listener.player.open_sentence(1, 0, "This one is cut off in the middle of its sound")
    listener.write(1, 9600)
    listener.player.complete(1)
    listener.play()
    assert not any(isinstance(each, SentencePlayed) for each in listener.posted)
    words = [each.words for each in listener.posted if isinstance(each, WordsHeard)]
    assert 0 < words[-1] < 10


def test_a_client_without_sound_counts_as_an_underrun_only_in_mid_sentence() -> None:
    listener = Listener()
    listener.player.begin(1)
    listener.player.open_sentence(1, 0, "Slow.")
    listener.player.note_underrun()
    listener.write(1, 2000)
    listener.player.note_underrun()
    assert listener.player.underruns == 0
    listener.player.set_heard(1000)
    listener.player.note_underrun()
    assert listener.player.underruns == 1
    listener.player.pause(1)
    listener.player.note_underrun()
    listener.player.resume(1)
    listener.player.close_sentence(1)
    listener.player.set_heard(2000)
    listener.player.note_underrun()
    assert listener.player.underruns == 1


def test_late_sound_counts_as_underruns_and_is_still_played_whole() -> None:
    listener = Listener()
    listener.player.begin(1)
    listener.player.open_sentence(1, 0, "Slow.")
    listener.write(1, 1000)
    listener.frame()
    assert listener.player.underruns == 0
    listener.frame()
    listener.frame()
    assert listener.player.underruns == 2
    listener.write(1, 1000)
    listener.player.close_sentence(1)
    listener.player.complete(1)
    listener.play()
    assert listener.player.cursor == 2000


def test_sound_at_another_sample_rate_raises_an_error() -> None:
    player = Player(ReadMailbox())
    with pytest.raises(ValueError, match="48000"):
        player.write(1, Audio(np.zeros(10, np.int16), 16_000))


async def test_waits_for_room_until_a_sentence_has_been_played() -> None:
    listener = Listener(prefetch=1)
    listener.give(1, ("One.", 900), ("Two.", 900))
    waiting = asyncio.create_task(listener.player.wait_for_capacity(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    listener.frame()
    await asyncio.wait_for(waiting, 1)


async def test_a_discard_ends_the_wait_for_the_end_of_playback() -> None:
    listener = Listener()
    listener.give(1, ("One.", 9000))
    waiting = asyncio.create_task(listener.player.finished(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    listener.player.discard(1)
    await asyncio.wait_for(waiting, 1)


@pytest.mark.parametrize("times", [(), (0.0, 0.05, 0.1)])
def test_a_resume_with_word_rewind_returns_to_the_start_of_the_cut_word(times: tuple[float, ...]) -> None:
    listener = Listener(rewind_words=True)
    player = listener.player
    listener.give(1, ("One two three.", 7200))
    player.time_words(1, times)
    whole = player.audio_from(0)
    assert whole is not None
    starts = [round(start) for start in whole.starts]
    for _ in range(5):
        listener.frame()
    player.pause(1)
    listener.frame()
    paused_at = player.cursor
    player.resume(1)
    start = max(start for start in starts if start <= paused_at)
    assert abs(player.cursor - start) <= (0 if times else 0.09 * WIRE_RATE_HZ)
    assert player.cursor < paused_at
    before = player.cursor
    frame = player.next_frame()
    assert np.array_equal(frame[FADE_SAMPLES:], listener.source[before + FADE_SAMPLES : before + FRAME_SAMPLES])


def test_a_rewind_does_not_report_a_word_as_heard_twice() -> None:
    listener = Listener(rewind_words=True)
    listener.give(1, ("One two three.", 9600))
    for _ in range(20):
        listener.player.pause(1)
        listener.player.next_frame()
        listener.player.resume(1)
        for _ in range(3):
            listener.player.next_frame()
    while not isinstance(listener.posted[-1], PlaybackFinished):
        listener.player.next_frame()
    counts = [each.words for each in listener.posted if isinstance(each, WordsHeard)]
    assert counts == sorted(set(counts)), "a word was reported twice"


def test_word_times_from_the_engine_decide_which_words_were_heard() -> None:
    listener = Listener()
    player = listener.player
    player.begin(1)
    player.open_sentence(1, 0, "Wait, extraordinary.")
    player.time_words(1, (0.0, 0.1))
    listener.write(1, 9600)
    player.close_sentence(1)
    for _ in range(4):
        listener.frame()
    assert [each.words for each in listener.posted if isinstance(each, WordsHeard)] == [1], (
        "the sentence was cut at 50 ms"
    )
    for _ in range(3):
        listener.frame()
    assert [each.words for each in listener.posted if isinstance(each, WordsHeard)] == [1]
    listener.frame()
    assert [each.words for each in listener.posted if isinstance(each, WordsHeard)] == [1, 2]


def test_word_times_of_the_wrong_count_or_of_another_reply_are_ignored() -> None:
    listener = Listener()
    player = listener.player
    listener.give(1, ("One two three.", 9600))
    untimed = player.audio_from(0)
    player.time_words(1, (0.0, 0.1))
    player.time_words(2, (0.0, 0.1, 0.2))
    timed = player.audio_from(0)
    assert untimed is not None
    assert timed is not None
    assert timed.starts == untimed.starts


def test_a_discard_reports_more_words_heard_once_the_sentence_length_is_known() -> None:
    """Before its end is known, a sentence is taken to be longer than it is, and too few words count as heard."""
    listener = Listener()
    player = listener.player
    player.begin(1)
    player.open_sentence(1, 0, "A sentence that is said much faster than usual, all of it.")
    listener.write(1, 4800)
    for _ in range(5):
        listener.frame()
    assert [each for each in listener.posted if isinstance(each, SentencePlayed)] == []
    words = [each.words for each in listener.posted if isinstance(each, WordsHeard)]
    player.pause(1)
    listener.write(1, 960)
    player.close_sentence(1)
    player.discard(1)
    counts = [each.words for each in listener.posted if isinstance(each, WordsHeard)]
    assert counts[-1] > (words[-1] if words else 0)


ACTIONS = st.lists(
    st.one_of(
        st.sampled_from(["frame", "frame", "pause", "resume", "close"]),
        st.integers(1, 3000),
    ),
    max_size=80,
)


@given(ACTIONS)
@settings(max_examples=600)
def test_every_sample_is_played_once_whatever_pauses_and_delays_occur(actions: list[str | int]) -> None:
    """Audio may come early or late, in sentences of any length, with pauses anywhere."""
    listener = Listener()
    player = listener.player
    player.begin(1)
    sentence, is_open = 0, False
    for action in actions:
        match action:
            case "frame":
                listener.frame()
            case "pause":
                player.pause(1)
            case "resume":
                player.resume(1)
            case "close":
                if is_open:
                    player.close_sentence(1)
                    is_open = False
            case int():
                if not is_open:
                    player.open_sentence(1, sentence, f"Sentence number {sentence}.")
                    sentence, is_open = sentence + 1, True
                listener.write(1, action)
    if is_open:
        player.close_sentence(1)
    player.complete(1)
    player.resume(1)
    listener.play()
    assert player.cursor == len(listener.source)
    assert [each.sentence for each in listener.posted if isinstance(each, SentencePlayed)] == list(range(sentence))
