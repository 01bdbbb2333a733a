"""The echo detector on the bot's voice after the network, a loudspeaker, a room, a microphone and the network again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame
from av.frame import Frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from tests.support.shared import recording, recordings
from tests.support.speech import spoken
from voicebot.audio.echo import ECHO_SCORE, EchoDetector, detector
from voicebot.audio.sound import FRAME_SAMPLES, SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Samples
from voicebot.transports.webrtc.aiortc_tuning.opus import VoiceDecoder, VoiceEncoder

Sound = npt.NDArray[np.float64]
"""Samples at 16 kHz, with a full scale of 32768."""

WINDOW = 512
WINDOW_S = WINDOW / SPEECH_RATE_HZ

BOT = "The weather in Lisbon is mostly sunny today. You might want to bring a jacket for the evening near the river."
USER = "No wait, please stop, I wanted to know about tomorrow, and I would rather go to Porto."


def speech(text: str, voice: str) -> Sound:
    return spoken(text, voice).resampled(SPEECH_RATE_HZ).samples.astype(np.float64)


def room(t60_s: float, direct: float = 1.0) -> Sound:
    """Returns the room's impulse response: the direct sound, and noise that decays by 60 dB in `t60_s`."""
    time_s = np.arange(round(t60_s * SPEECH_RATE_HZ)) / SPEECH_RATE_HZ
    response = 0.1 * np.random.default_rng(3).standard_normal(len(time_s)) * 10 ** (-3 * time_s / t60_s)
    response[0] = direct
    return response


def over_the_wire(sound: Sound) -> Sound:
    """Returns the sound after coding with Opus."""
    encoder, decoder = VoiceEncoder(), VoiceDecoder()
    samples = Audio(clipped(sound), SPEECH_RATE_HZ).resampled(WIRE_RATE_HZ).samples
    decoded: list[Frame] = []
    for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        frame = AudioFrame.from_ndarray(samples[None, start : start + FRAME_SAMPLES], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = WIRE_RATE_HZ, start, Fraction(1, WIRE_RATE_HZ)
        packets, _ = encoder.encode(frame)
        decoded += [piece for packet in packets for piece in decoder.decode(JitterFrame(packet, start))]
    heard = [piece.to_ndarray()[0] for piece in decoded if isinstance(piece, AudioFrame)]
    wire = Audio(np.concatenate(heard), WIRE_RATE_HZ).resampled(SPEECH_RATE_HZ).samples
    return wire.astype(np.float64)


def clipped(sound: Sound) -> Samples:
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


def rms(sound: Sound) -> float:
    """Returns the root mean square of the loud parts."""
    return float(np.sqrt(np.mean(np.square(sound[np.abs(sound) > 0.05 * np.abs(sound).max()]))))


def at_level(sound: Sound, level: float) -> Sound:
    return sound * level / rms(sound)


def placed(sound: Sound, at_s: float, length: int) -> Sound:
    start = round(at_s * SPEECH_RATE_HZ)
    return np.pad(sound, (start, max(0, length - start - len(sound))))[:length]


@cache
def bot_speech(voice: str = "rms") -> Sound:
    """Returns half a second of silence, 6 s of speech, and 2 s of silence."""
    return np.pad(at_level(speech(BOT, voice), 4000), (SPEECH_RATE_HZ // 2, 2 * SPEECH_RATE_HZ))


@cache
def echo_of(t60_s: float = 0.3, delay_s: float = 0.15, level_db: float = -10.0, voice: str = "rms") -> Sound:
    return echo_in(room(t60_s), bot_speech(voice), delay_s, level_db)


def echo_in(response: Sound, bot: Sound, delay_s: float, level_db: float) -> Sound:
    echo = at_level(fftconvolve(over_the_wire(bot), response), rms(bot) * 10 ** (level_db / 20))
    return placed(echo, delay_s, len(bot))


def scores(
    bot: Sound, microphone: Sound, *, lump: int = 1, echo: EchoDetector | None = None, opus: bool = True
) -> npt.NDArray[np.float64]:
    """Returns a score for each window of the microphone, to whose sound some noise is added. It comes `lump` windows
    at a time."""
    echo = echo or EchoDetector()
    played = Audio(clipped(bot), SPEECH_RATE_HZ).resampled(WIRE_RATE_HZ).samples
    noise = np.random.default_rng(5).normal(0, 15, len(microphone))
    heard = clipped(over_the_wire(microphone + noise) if opus else microphone + noise)
    found = []
    ticks = iter(range(0, len(played) - FRAME_SAMPLES + 1, FRAME_SAMPLES))
    for first in range(0, len(heard) // WINDOW, lump):
        windows = range(first, min(first + lump, len(heard) // WINDOW))
        for start in until(ticks, 3 * windows.stop * WINDOW):
            echo.add_playback(played[start : start + FRAME_SAMPLES])
        found += [echo.add_microphone(heard[window * WINDOW : (window + 1) * WINDOW]) for window in windows]
    return np.array(found)


def until(ticks: Iterator[int], end: int) -> Iterator[int]:
    for start in ticks:
        yield start
        if start + FRAME_SAMPLES >= end:
            return


def loud(sound: Sound, count: int, after_s: float = 0.0) -> npt.NDArray[np.bool_]:
    """Returns which windows contain a voice, without the onset and `after_s` from it."""
    levels = np.sqrt(np.mean(np.square(sound[: count * WINDOW].reshape(-1, WINDOW)), axis=1))
    voice = levels > 0.1 * levels.max()
    voice[: int(np.argmax(voice)) + round(after_s / WINDOW_S)] = False
    return np.asarray(voice & np.roll(voice, 1))


@pytest.mark.parametrize("level_db", [-6, -20])
@pytest.mark.parametrize(("t60_s", "delay_s"), [(0.1, 0.06), (0.3, 0.3), (0.5, 0.5)])
def test_the_bots_echo_is_recognised_within_a_third_of_a_second(t60_s: float, delay_s: float, level_db: float) -> None:
    echo = echo_of(t60_s, delay_s, level_db)
    found = scores(bot_speech(), echo)
    voice = loud(echo, len(found), after_s=0.3)
    assert np.mean(found[voice] >= ECHO_SCORE) > 0.97


@pytest.mark.parametrize("entry", ["rir1.flac", "rir2.flac"])
def test_the_bots_echo_is_recognised_in_a_real_room(entry: str) -> None:
    assert entry in [known["file"] for known in recordings("room-impulse-response")]
    response = recording(entry).samples[: SPEECH_RATE_HZ // 2].astype(np.float64)
    echo = echo_in(response, bot_speech("slt"), 0.15, -14)
    found = scores(bot_speech("slt"), echo)
    assert np.mean(found[loud(echo, len(found), after_s=0.3)] >= ECHO_SCORE) > 0.95


@pytest.mark.parametrize("voice", ["rms", "awb"])
def test_a_user_with_headphones_is_not_taken_for_the_bots_echo(voice: str) -> None:
    """This includes a user who speaks with the bot's own voice."""
    user = placed(at_level(speech(USER, voice), 2000), 0.8, len(bot_speech()))
    found = scores(bot_speech(), user)
    assert np.mean(found[loud(user, len(found))] >= ECHO_SCORE) < 0.01


@pytest.mark.parametrize(("user_db", "share"), [(6, 0.75), (0, 0.5)])
def test_a_user_who_speaks_over_the_echo_is_detected_within_half_a_second(user_db: float, share: float) -> None:
    echo = echo_of()
    user = placed(at_level(speech(USER, "awb"), rms(echo) * 10 ** (user_db / 20)), 2.5, len(echo))
    found = scores(bot_speech(), echo + user)
    voice = loud(user, len(found))
    assert np.mean(found[voice] < ECHO_SCORE) > share
    onset = int(np.argmax(voice))
    below = found[onset : onset + 16] < ECHO_SCORE
    assert max(np.convolve(below, np.ones(3), "valid")) == 3, (
        "three windows in a row in the first half second are the user's"
    )


def test_the_echo_is_recognised_again_after_the_user_has_spoken_over_it() -> None:
    echo = echo_of()
    user = placed(at_level(speech("Wait, wait.", "awb"), 2 * rms(echo)), 2.0, len(echo))
    found = scores(bot_speech(), echo + user)
    voice = loud(echo, len(found))
    voice[: round((2.0 + len(speech("Wait, wait.", "awb")) / SPEECH_RATE_HZ + 0.3) / WINDOW_S)] = False
    assert np.mean(found[voice] >= ECHO_SCORE) > 0.9


def known_to(echo: EchoDetector, user_s: float, *, delayed_s: float = 0.0) -> tuple[float, float]:
    """Returns the scores of the last 0.48 s, after 3.04 s of the bot's echo: as an utterance, and as a copy.

    Either the user speaks for the last `user_s`, or the echo is `delayed_s` later for the last 0.48 s. Both lengths are
    whole windows and whole frames.
    """
    end, last = 19 * 2_560, 3 * 2_560
    heard = echo_of()[: end + last].copy()
    if delayed_s:
        heard[end:] = echo_of()[end - round(delayed_s * SPEECH_RATE_HZ) :][:last]
    if user_s:
        word = at_level(speech("Wait.", "awb"), 2 * rms(heard))
        onset = int(np.argmax(np.abs(word) > 0.1 * np.abs(word).max()))
        user = word[onset:][: round(user_s * SPEECH_RATE_HZ)]
        heard += placed(user, (end + last) / SPEECH_RATE_HZ - user_s, len(heard))
    scores(bot_speech()[:end], heard[:end], echo=echo)
    echo.start_cancelling()
    scores(bot_speech()[end : end + last], heard[end:], echo=echo)
    return echo.score_of_utterance(0.48) or 0.0, echo.score_as_copy(0.48) or 0.0


def test_a_short_word_over_a_loud_echo_is_not_taken_for_echo() -> None:
    score, copied = known_to(EchoDetector(), user_s=0.25)
    assert score < 0.3
    assert copied == 0.0, "the known echo in the sound proves nothing"


def test_a_known_echo_that_comes_with_another_delay_is_recognised_as_a_copy() -> None:
    score, copied = known_to(EchoDetector(), user_s=0.0, delayed_s=0.06)
    assert score < 0.5
    assert copied > 0.9


@pytest.mark.parametrize("step_s", [0.02, -0.02, 0.1])
def test_the_echo_is_recognised_again_within_a_second_after_its_delay_changed(step_s: float) -> None:
    change, step = 3 * SPEECH_RATE_HZ, round(step_s * SPEECH_RATE_HZ)
    echo = np.concatenate([echo_of()[:change], np.roll(echo_of(), step)[change:]])
    found = scores(bot_speech(), echo)
    voice = loud(echo, len(found))
    voice[: round(3.8 / WINDOW_S)] = False
    assert np.mean(found[voice] >= ECHO_SCORE) > 0.95, "0.8 s later the echo is recognised as before"


@pytest.mark.parametrize("t60_s", [0.5, 1.0, 1.5])
def test_reverberation_between_sentences_and_the_next_sentence_are_recognised_as_echo(t60_s: float) -> None:
    """Reverberation longer than the filter was once taken for another speaker, and for an echo with another delay.
    Then the filter lost all that it had learned."""
    pause = np.zeros(round(0.6 * SPEECH_RATE_HZ))
    first = at_level(speech("Our shop opens at nine in the morning on weekdays.", "slt"), 4000)
    second = at_level(speech("On Saturdays we are here from ten to four.", "slt"), 4000)
    bot = np.concatenate([pause, first, pause, second, pause])
    echo = echo_in(room(t60_s, direct=0.3), bot, 0.2, -6)
    found = scores(bot, echo)
    between = loud(echo, len(found), after_s=2.0)
    between[round((len(pause) + len(first) + len(pause) + 0.5 * SPEECH_RATE_HZ) / WINDOW) :] = False
    assert np.mean(found[between] >= ECHO_SCORE) > 0.95, "the first 0.3 s of the second sentence are echo, too"


def test_the_echo_is_recognised_when_microphone_sound_arrives_in_bursts() -> None:
    echo = echo_of()
    found = scores(bot_speech(), echo, lump=4)
    assert np.mean(found[loud(echo, len(found), after_s=0.3)] >= ECHO_SCORE) > 0.97


def test_the_echo_is_recognised_again_after_half_a_second_of_playback_went_missing() -> None:
    echo, bot = echo_of(), bot_speech()
    lost, seconds = 3 * SPEECH_RATE_HZ, SPEECH_RATE_HZ // 2
    found = scores(np.delete(bot, slice(lost, lost + seconds)), echo)
    voice = loud(echo, len(found))
    voice[: round(4.5 / WINDOW_S)] = False
    voice[round((len(bot) - seconds) / WINDOW) :] = False
    assert np.mean(found[voice] >= ECHO_SCORE) > 0.9


@settings(max_examples=20, derandomize=True, deadline=None)
@given(delay_s=st.floats(0.04, 0.6), begin_s=st.floats(0.0, 4.0), level=st.floats(100, 8000), again=st.booleans())
def test_no_sound_counts_as_echo_some_time_after_the_bot_fell_silent(
    delay_s: float, begin_s: float, level: float, again: bool
) -> None:
    """Sound after the bot's silence is the user's, even if it has the bot's words."""
    said = bot_speech()[: 2 * SPEECH_RATE_HZ]
    silence = round((detector.ECHO_TAIL_S + 0.02) * SPEECH_RATE_HZ)
    words = np.roll(bot_speech(), -round(begin_s * SPEECH_RATE_HZ)) if again else speech(USER, "awb")
    after = at_level(words[:SPEECH_RATE_HZ], level)
    bot = np.pad(said, (0, silence + len(after)))
    microphone = placed(0.3 * said, delay_s, len(said) + silence)
    found = scores(bot, np.concatenate([microphone, after]), opus=False)
    assert found.max() > ECHO_SCORE, "the sound was an echo before"
    assert not found[-len(after) // WINDOW + 2 :].any()


def test_sound_no_longer_counts_as_echo_after_the_playback_stream_stops() -> None:
    """`played` is not called any more, but the microphone goes on."""
    echo, bot = echo_of(), bot_speech()
    found = scores(bot[: 3 * SPEECH_RATE_HZ], echo)
    assert found[: round(3 / WINDOW_S)].max() > ECHO_SCORE
    after = found[round(4.5 / WINDOW_S) :]
    assert np.mean(after >= ECHO_SCORE) < 0.02, "one window in the last soft sound may be wrong"


def test_no_spectrum_is_computed_while_the_bot_or_the_microphone_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(sound: Samples) -> None:
        pytest.fail("a spectrum was computed")

    monkeypatch.setattr(detector, "spectra", fail)
    echo = echo_of()
    assert not scores(np.zeros_like(echo), echo).any(), "the bot is silent"
    still = EchoDetector()
    for start in range(0, SPEECH_RATE_HZ, WINDOW):
        still.add_playback(clipped(np.full(FRAME_SAMPLES, 1000.0)))
        assert still.add_microphone(clipped(echo[start : start + WINDOW] * 0)) == 0.0


def test_the_score_over_two_seconds_tells_the_echo_from_the_user() -> None:
    echo = EchoDetector()
    assert echo.score(1.0) is None
    said = echo_of()[: 5 * SPEECH_RATE_HZ]
    scores(bot_speech()[: len(said)], said, echo=echo)
    whole = echo.score(2.0)
    assert whole is not None
    assert whole > ECHO_SCORE
    user = clipped(at_level(speech(USER, "awb"), 2000))
    silence = np.zeros(FRAME_SAMPLES, np.int16)
    for start in range(0, 4 * SPEECH_RATE_HZ, WINDOW):
        echo.add_playback(silence)
        echo.add_playback(silence)
        echo.add_microphone(user[start : start + WINDOW])
    after = echo.score(2.0)
    assert after is not None
    assert after < 0.05
