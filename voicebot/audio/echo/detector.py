"""Detects the echo of the playback in the microphone signal, and tells it from the user's voice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

import numpy as np

from voicebot.audio.echo.canceller import EchoCanceller
from voicebot.audio.echo.copy import copy_score
from voicebot.audio.echo.delay import LAGS, DelaySearch, exact_delay
from voicebot.audio.echo.path import EARLY, EchoPath
from voicebot.audio.echo.sample_history import SampleHistory
from voicebot.audio.echo.spectra import BIN_COUNT, FRAME, HOP, SPEECH_BINS, Powers, Spectra, power, spectra
from voicebot.audio.sound import FRAME_S, SILENT_FRAME, SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Resampler, Samples

ECHO_SCORE = 0.5
"""From this score on, the microphone signal counts as echo."""

SCORE_HOPS = 8
"""The running score covers the last 0.13 s."""

EXPLAINED_BELOW, UNEXPLAINED_FROM = 0.4, 0.8
"""Thresholds for the residual power of a band relative to its microphone power. Below the first the band is explained
by the echo, from the second on it is not, and in between it is partly."""

BAND_BINS = 5
LEVEL_POWER = 0.3
"""A band is 156 Hz wide, and its weight is its power to this exponent, so that a voice counts in every band in which it
is louder than the echo. A user 6 dB below the echo was noticed in 54 % of the windows; weighting by power gave 31 %."""

FIRST_LAG = -6
"""The delay search begins at -0.1 s. A delay is negative if the first microphone samples arrived late."""

NOISE_RISE = 1.01
"""The noise floor of each band is its minimum level, which may rise by 2.7 dB per second."""

LOST_SCORE = 0.35
"""Below this score the delay is searched."""

REVIEW_WINDOWS = 8
"""The delay is reviewed after this many windows (0.26 s) while the echo is well explained."""

DELAY_TOLERANCE = 12
"""Delays that differ by no more samples than this are the same."""

ECHO_TAIL_S = 1.3
"""From this time after the bot's last sound on, nothing counts as echo: the longest delay of 0.9 s, and 0.4 s of
reverberation."""

LONGEST_COPY_S = 1.2
"""A longer sound is not compared as a copy, because the running score has adapted by then."""
LONGEST_DELAY_S = 0.9

MAX_SKEW_HOPS = 16
"""If the sample counts of the two streams drift apart by 0.26 s, audio was lost and the delay has changed."""

DITHER = 4
"""A played frame is silent if no sample exceeds this amplitude. Resamplers turn silence into noise of 1 or 2."""

QUIET_AMPLITUDE = 16.0
"""A window with a lower mean amplitude, about -64 dBFS, contains no voice."""

LEARNED_FRAMES = 24
"""The number of past frames (0.4 s) that a new filter adapts to at once."""

LOUD_FRAME_SHARE = 0.5
"""Stretches of an utterance whose weight is below this share of the loudest one's are not scored."""
JUDGED_FRAMES, BETTER_BY = 12, 0.15
"""A new path replaces an older one if its score over the last 0.19 s (12 frames) is higher by 0.15."""

VERIFIED_S = 1.0
"""A path is verified if its score over this time before a possible start of speech is at least `ECHO_SCORE`. Then the
delay search rests while somebody speaks. Measured on two phrases over a bot at 4 places of its story, in 2 rooms, at -6
to -20 dB: 8 of 48 were transcribed without an error while their first syllables could mislead the search, 22 while the
search rested, and 41 without any echo."""
VERIFIED_SHARE = 0.4
"""The share of these frames that must contain sound: a user's first syllable alone verifies nothing."""

Shares = list[tuple[float, float]]
"""A pair for each frame: the weight of the bands that the echo explains, and the weight of all bands."""

_SILENCE = np.zeros(round(FRAME_S * SPEECH_RATE_HZ), np.int16)
_BANDS = np.arange(0, SPEECH_BINS.stop - SPEECH_BINS.start, BAND_BINS)
_BAND_POWER = 0.375 * FRAME**2 / 2 / len(_BANDS)
"""The power of a band for samples with a mean square of 1 that are spread evenly over all bands. 0.375 is the power of
a Hann window."""


class EchoDetector:
    """Compares the playback of one session with its microphone signal.

    It estimates the delay by coherence, predicts the echo from the playback by an adaptive filter, and attributes the
    part that the prediction does not explain to somebody else. Scores are 0 (no echo) to 1 (only echo). Time is counted
    in samples; no clock is read.
    """

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ)
        self._played, self._heard = SampleHistory(), SampleHistory()
        self._silence_s = ECHO_TAIL_S
        """How long the playback has been silent."""
        self._played_spectra: Spectra = np.zeros((2 * LAGS, BIN_COUNT), np.complex64)
        """The spectra of the last played frames, newest first, for the delay search."""
        self._played_spectra_hop = 0
        """The hop of the playback at which the newest of these frames ends."""
        self._shares: deque[tuple[float, float]] = deque(maxlen=round(10 * SPEECH_RATE_HZ / HOP))
        """The shares of the frames of the last 10 s."""
        self._level: Powers = np.zeros(len(_BANDS), np.float32)
        """The smoothed power of each band."""
        self._noise: Powers = np.full(len(_BANDS), np.inf, np.float32)
        """The noise floor of each band."""
        self._skew: int | None = None
        """How many more hops were played than were received from the microphone."""
        self._path: EchoPath | None = None
        self._is_path_verified = False
        """The score of the path was high when it was last reviewed (`_verify_path`)."""
        self.is_cancelling = False
        """Somebody may speak, and the echo path is known. Its delay is not searched meanwhile, because a voice would
        mislead the search."""
        self._canceller = EchoCanceller()
        self._search: DelaySearch | None = None
        """The running delay search, while the echo is not explained."""
        self._gain = 0.0
        """The power of the echo relative to the playback, from the last delay search."""
        self._windows_since_review = 0

    def add_playback(self, frame: Samples) -> None:
        """Adds the next 20 ms of playback, silence included: int16 of shape (960,) at 48 kHz."""
        heard = frame is not SILENT_FRAME and (frame.max() > DITHER or frame.min() < -DITHER)
        self._silence_s = 0.0 if heard else self._silence_s + FRAME_S
        if self._silence_s > ECHO_TAIL_S:
            self._played.add(_SILENCE)
        else:
            self._played.add(self._resampler.push(Audio(frame, WIRE_RATE_HZ)).samples)

    def add_microphone(self, window: Samples) -> float:
        """Adds the next 32 ms of the microphone, int16 of shape (512,) at 16 kHz, and returns the running score."""
        self._heard.add(window)
        skew = (self._played.count - self._heard.count) // HOP
        if self._skew is None or abs(skew - self._skew) > MAX_SKEW_HOPS:
            self._skew = skew
        loud = bool(np.abs(window).mean() > QUIET_AMPLITUDE)
        if self._silence_s < ECHO_TAIL_S and loud:
            self._analyse_window()
        else:
            self._shares.extend([(0.0, _approximate_weight(window) if loud else 0.0)] * 2)
        return 0.0 if self._silence_s >= ECHO_TAIL_S else self._recent_score(SCORE_HOPS) or 0.0

    def score(self, duration_s: float) -> float | None:
        """Returns the score of the last `duration_s`, at most 10 s; None if there was no sound."""
        return self._recent_score(round(duration_s * SPEECH_RATE_HZ / HOP))

    def score_of_utterance(self, duration_s: float) -> float | None:
        """Returns the score of an utterance that has just ended.

        If the echo path was known when it began (`start_cancelling`), this is the score of its 0.19 s that the echo
        explains least. A short word over a loud echo is outweighed by that echo in the mean over the utterance.
        """
        if not self.is_cancelling:
            return self.score(duration_s)
        recent = np.array(list(islice(reversed(self._shares), round(duration_s * SPEECH_RATE_HZ / HOP))), ndmin=2)
        if len(recent) <= JUDGED_FRAMES:
            return self.score(duration_s)
        explained, whole = (np.convolve(column, np.ones(JUDGED_FRAMES), "valid") for column in recent.T)
        loud = whole > whole.max() * LOUD_FRAME_SHARE
        return float((explained[loud] / whole[loud]).min()) if loud.any() else None

    def start_cancelling(self) -> None:
        """Makes `cancel_echo` effective from now on if the echo path is known. To be called when somebody may speak."""
        if self.is_cancelling:
            return
        self._verify_path()
        self.is_cancelling = self._is_path_verified
        if self._path is not None:
            self._path.take_snapshot()

    def stop_cancelling(self) -> None:
        """Ends the cancellation and resumes the delay search. To be called when nobody speaks any more."""
        self.is_cancelling = False

    def cancel_echo(self, sound: Samples) -> Samples:
        """Returns the last windows of the microphone, `sound`, without the echo.

        If the echo path was unknown at `start_cancelling`, `sound` is returned as it is. Otherwise the result lags by
        one hop (16 ms), because the last frame is complete only with the next window.
        """
        if not self.is_cancelling:
            return sound
        end = self._heard.count - HOP
        return self._canceller.cancel_echo(self._heard.until(end, len(sound)), end)

    def score_as_copy(self, duration_s: float) -> float | None:
        """Returns the likelihood, 0 to 1, that all of the last `duration_s` is a copy of the playback.

        The sound is compared with the playback and, if the path is verified, with the predicted echo. If the path was
        verified when the sound began (`start_cancelling`), only a copy with another delay counts: at the known delay
        the running score is exact.

        Returns None if the bot has been silent for too long, or if `duration_s` is longer than `LONGEST_COPY_S`.
        """
        if self._silence_s >= ECHO_TAIL_S + duration_s or duration_s > LONGEST_COPY_S or self._skew is None:
            return None
        length, end = round(duration_s * SPEECH_RATE_HZ), self._heard.count
        earliest, latest = round(LONGEST_DELAY_S * SPEECH_RATE_HZ), round(0.1 * SPEECH_RATE_HZ)
        hops = (length + earliest + latest) // HOP
        played = self._played.until(end + self._skew * HOP + latest, hops * HOP)
        heard = self._heard.until(end, length)
        if self._path is None or not self._is_path_verified:
            return copy_score(heard, played)[0]
        score, start = copy_score(heard, self._path.predict_echo(played))
        if not self.is_cancelling:
            return max(score, copy_score(heard, played)[0])
        delay = hops * HOP - length - latest - start + EARLY * HOP
        return 0.0 if abs(delay - self._path.delay) <= DELAY_TOLERANCE else score

    def _recent_score(self, hops: int) -> float | None:
        return _score_of(islice(reversed(self._shares), hops))

    def _analyse_window(self) -> None:
        end = self._heard.count
        frames = spectra(self._heard.until(end, FRAME + HOP))
        for level in _band_powers(frames):
            self._level += 0.3 * (level - self._level)
            self._noise = np.minimum(NOISE_RISE * self._noise, self._level)
        self._track_echo(frames, end)
        if self.is_cancelling or power(frames[-1, SPEECH_BINS]).sum() < 4 * self._noise.sum():
            return
        if (self._recent_score(SCORE_HOPS) or 0.0) < LOST_SCORE:
            self._search_delay(frames[-1])
            return
        self._search = None
        self._windows_since_review += 1
        if self._path is not None and self._windows_since_review >= REVIEW_WINDOWS:
            self._verify_path()
            self._update_path(self._path.delay, self._gain)

    def _track_echo(self, frames: Spectra, end: int) -> None:
        """Keeps the predicted echo and the shares of these frames, of which the last one ends at `end`."""
        shares, echoes = self._explained_shares(self._path, frames, end)
        self._shares.extend(shares)
        self._canceller.keep_prediction(end, echoes)

    def _explained_shares(self, path: EchoPath | None, frames: Spectra, end: int) -> tuple[Shares, Spectra]:
        """Returns for each frame the weight that the path explains and the total weight, and the predicted echo."""
        residual, late = (frames, None) if path is None else path.residual(frames, end)
        background = self._noise if late is None else self._noise + _band_sums(late)
        heard = np.maximum(_band_powers(frames) - 2 * self._noise, 0)
        residual_share = np.maximum(_band_powers(residual) - 2 * background, 0) / (heard + 1)
        weights = heard**LEVEL_POWER
        explained = weights * np.clip((UNEXPLAINED_FROM - residual_share) / (UNEXPLAINED_FROM - EXPLAINED_BELOW), 0, 1)
        shares = list(zip(explained.sum(axis=1).tolist(), weights.sum(axis=1).tolist(), strict=True))
        return shares, frames - residual

    def played_until(self, end: int, frames: int, delay: int) -> Samples:
        """Implements `PlayedSound`. The streams must be aligned (`_skew` is known)."""
        assert self._skew is not None
        return self._played.until(end + self._skew * HOP - delay, FRAME + (frames - 1) * HOP)

    def _verify_path(self) -> None:
        """Updates `_is_path_verified` from the recent score, unless there was too little sound."""
        recent = list(islice(reversed(self._shares), round(VERIFIED_S * SPEECH_RATE_HZ / HOP)))
        if sum(whole > 0 for _, whole in recent) >= VERIFIED_SHARE * len(recent):
            self._is_path_verified = (_score_of(recent) or 0.0) >= ECHO_SCORE

    def _search_delay(self, frame: Spectra) -> None:
        assert self._skew is not None
        if self._search is None:
            self._search = DelaySearch()
        newest = self._played.count // HOP
        new = min(newest - self._played_spectra_hop, len(self._played_spectra))
        if new:
            self._played_spectra[new:] = self._played_spectra[: len(self._played_spectra) - new]
            self._played_spectra[:new] = spectra(self._played.until(newest * HOP, FRAME + (new - 1) * HOP))[::-1]
            self._played_spectra_hop = newest
        first = newest - (self._heard.count // HOP + self._skew) + FIRST_LAG
        rows = np.pad(self._played_spectra[max(first, 0) : first + LAGS], ((max(-first, 0), 0), (0, 0)))
        if len(rows) == LAGS and (found := self._search.push(frame, rows)) is not None:
            lag, gain = found
            self._search = None
            self._update_path((lag + FIRST_LAG) * HOP, gain)

    def _update_path(self, near: int, gain: float) -> None:
        """Refines a delay that is known to 24 ms, and replaces the path if the delay has changed.

        Another delay than before is accepted only if a path that has just adapted with it has a higher score. The
        adapted filter would be lost, and late reverberation resembles an echo of any delay.
        """
        self._windows_since_review = 0
        known = None if self._path is None else self._path.delay
        end = self._heard.count
        heard, played = self._heard.until(end, LEARNED_FRAMES * HOP), self.played_until(end, LEARNED_FRAMES - 1, near)
        delay = near + exact_delay(heard, played, known=near == known)
        if known is not None and abs(delay - known) <= DELAY_TOLERANCE:
            return
        path = EchoPath(delay, gain, self)
        frames = spectra(self._heard.until(end, FRAME + (LEARNED_FRAMES - 1) * HOP))
        shares, echoes = self._explained_shares(path, frames, end)
        least = max(ECHO_SCORE, (self._recent_score(JUDGED_FRAMES) or 0.0) + BETTER_BY)
        if known is not None and (_score_of(shares[-JUDGED_FRAMES:]) or 0.0) < least:
            return
        self._path, self._gain, self._is_path_verified = path, gain, False
        for _ in range(min(LEARNED_FRAMES, len(self._shares))):
            self._shares.pop()
        self._shares.extend(shares)
        self._canceller.keep_prediction(end, echoes)


def _score_of(shares: Iterable[tuple[float, float]]) -> float | None:
    explained = total = 0.0
    for part, whole in shares:
        explained += part
        total += whole
    return explained / total if total else None


def _band_powers(frames: Spectra) -> Powers:
    return _band_sums(power(frames))


def _band_sums(powers: Powers) -> Powers:
    """Returns the power in each band from the power in each bin."""
    return np.add.reduceat(powers[:, SPEECH_BINS], _BANDS, axis=1)


def _approximate_weight(window: Samples) -> float:
    """Returns approximately the total weight of a frame, without computing its spectrum."""
    mean_square = float(np.square(window, dtype=np.float32).mean())
    return float(len(_BANDS) * (_BAND_POWER * mean_square) ** LEVEL_POWER)
