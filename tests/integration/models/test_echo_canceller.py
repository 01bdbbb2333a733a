"""The echo canceller removes the bot's voice from what a user says over it near a loudspeaker."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.over_echo import SILENCE, Ear, bot, frames, said_over
from tests.support.room import synthetic_response
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.audio.echo.spectra import HOP
from voicebot.audio.sound import SPEECH_RATE_HZ, WIRE_RATE_HZ, Samples

ROOM = synthetic_response()
QUESTION = "what is ten times three"


def user(text: str = QUESTION) -> Samples:
    return spoken(text).resampled(WIRE_RATE_HZ).samples


def power_db(sound: Samples, lowest_hz: float = 60, highest_hz: float = 7_800) -> float:
    spectrum = np.fft.rfft(sound * np.hanning(len(sound)))
    hz = np.fft.rfftfreq(len(sound), 1 / SPEECH_RATE_HZ)
    return float(10 * np.log10(np.mean(np.abs(spectrum[(hz > lowest_hz) & (hz < highest_hz)]) ** 2) + 1e-3))


@pytest.mark.parametrize("level_db", [-6, -14, -20])
def test_the_echo_is_removed_and_the_users_voice_is_left(level_db: float) -> None:
    ear = Ear(ROOM, level_db)
    for frame in bot()[:250]:
        ear.receive_audio(frame, SILENCE)
    ear.echo.start_cancelling()
    heard, _ = ear.last(30, HOP)
    assert power_db(ear.echo.cancel_echo(heard)) < power_db(heard) - 8, "nobody else speaks"
    for frame, voice in zip(bot()[250:300], frames(user()), strict=False):
        ear.receive_audio(frame, voice)
    heard, own = ear.last(30, HOP)
    assert power_db(ear.echo.cancel_echo(heard) - own) < power_db(heard - own) - 6, "both speak"


@pytest.mark.parametrize(("lowest_hz", "highest_hz"), [(60, 190), (200, 3_900), (4_000, 7_500)])
def test_the_echo_is_removed_at_all_frequencies_that_the_recogniser_uses(lowest_hz: int, highest_hz: int) -> None:
    ear = Ear(ROOM, -6)
    for frame in bot()[:250]:
        ear.receive_audio(frame, SILENCE)
    ear.echo.start_cancelling()
    heard, _ = ear.last(40, HOP)
    left = ear.echo.cancel_echo(heard)
    assert power_db(left, lowest_hz, highest_hz) < power_db(heard, lowest_hz, highest_hz) - 5


def test_a_short_word_over_a_loud_echo_is_not_scored_as_echo() -> None:
    """The presence of the known echo in the sound, as expected, proves nothing."""
    ear = Ear(ROOM, -10)
    for frame in bot()[:200]:
        ear.receive_audio(frame, SILENCE)
    ear.echo.start_cancelling()
    word = frames(user("wait"))[10:20]
    for frame, voice in zip(bot()[200:220], [SILENCE] * 10 + word, strict=True):
        ear.receive_audio(frame, voice)
    whole, utterance, copied = ear.echo.score(0.4), ear.echo.score_of_utterance(0.4), ear.echo.score_as_copy(0.4)
    assert whole is not None
    assert utterance is not None
    assert whole > 0.4
    assert utterance < 0.25
    assert copied == 0.0


def test_a_known_echo_that_comes_later_than_before_is_recognised_as_a_copy() -> None:
    ear = Ear(ROOM, -10)
    for frame in bot()[:200]:
        ear.receive_audio(frame, SILENCE)
    ear.loudspeaker.delay(3)
    for frame in bot()[200:206]:
        ear.receive_audio(frame, SILENCE)
    ear.echo.start_cancelling()
    for frame in bot()[206:220]:
        ear.receive_audio(frame, SILENCE)
    score, copied = ear.echo.score(0.25), ear.echo.score_as_copy(0.25)
    assert score is not None
    assert copied is not None
    assert score < 0.5
    assert copied > 0.9


def test_a_users_voice_after_the_bots_last_sound_is_left_unchanged() -> None:
    """The user's voice was once taken for an echo with another delay, and reduced long after the bot's last sound."""
    ear = Ear(ROOM, -20)
    for frame in bot()[:150]:
        ear.receive_audio(frame, SILENCE)
    ear.echo.start_cancelling()
    for voice in frames(user("what is two plus two, tell me at once")):
        ear.receive_audio(SILENCE, voice)
    heard, _ = ear.last(15, HOP)
    assert np.array_equal(ear.echo.cancel_echo(heard), heard)


@pytest.mark.parametrize("level_db", [-120, -14])
def test_sound_is_left_unchanged_without_an_echo_or_before_the_echo_is_learned(level_db: float) -> None:
    ear = Ear(ROOM, level_db)
    for number, (frame, voice) in enumerate(zip(bot(), frames(user()), strict=False)):
        if number == 10:
            ear.echo.start_cancelling()
        ear.receive_audio(frame, voice)
        if number > 10:
            heard, _ = ear.last(1)
            assert ear.echo.cancel_echo(heard) is heard


@pytest.mark.parametrize("level_db", [-6, -14, -20])
@pytest.mark.parametrize("at_s", [2.9, 4.1, 5.5, 6.9])
def test_a_question_over_the_echo_is_transcribed_from_its_first_word(at_s: float, level_db: float) -> None:
    assert words(said_over(user(), at_s, ROOM, level_db)) == words(QUESTION)
