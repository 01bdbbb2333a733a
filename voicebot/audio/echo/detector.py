"""Tells the bot's own voice in the microphone's sound from the user's, by what was played."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

import numpy as np

from voicebot.audio.echo.canceller import EchoCanceller
from voicebot.audio.echo.copy import copy_score
from voicebot.audio.echo.delay import LAGS, DelaySearch, exact_delay
from voicebot.audio.echo.path import EARLY, EchoPath
from voicebot.audio.echo.spectra import BIN_COUNT, COMPARED, FRAME, HOP, Powers, Spectra, power, spectra
from voicebot.audio.echo.track import Track
from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Resampler, Samples

ECHO_SCORE = 0.5
"""From this score on what is heard is the bot."""

SCORE_HOPS = 8
"""`heard` looks back 0.13 s."""

EXPLAINED, UNEXPLAINED = 0.4, 0.8
"""A band counts in full while its residual has less of its power than the first, not at all from the second on."""

BAND_BINS = 5
LEVEL_POWER = 0.3
"""A band is 156 Hz wide and weighs its power's 0.3rd power, so that a voice counts wherever it is the louder one: a
user 6 dB below the echo was noticed in 54 % of the windows, with plain power in 31 %."""

FIRST_LAG = -6
"""Delays are looked for from -0.1 s on: below 0 if the microphone's first sound was late."""

NOISE_RISE = 1.01
"""Noise is the least level of each band; it is let rise by 2.7 dB a second."""

LOST = 0.35
"""Below this score the delay is looked for."""

REVIEW_WINDOWS = 8
"""How often the delay is looked at again while all is well: each 0.26 s."""

SLACK_SAMPLES = 12

AFTERMATH_S = 1.3
"""So long after the bot's last sound there is no echo any more, whatever the filter thinks: the longest delay, 0.9 s,
and 0.4 s of reverberation."""

LONGEST_COPY_S = 1.2
LONGEST_DELAY_S = 0.9

SKEW_HOPS = 16
"""When the streams' counts have come apart by 0.26 s sound was lost, and the delay is not what it was."""

DITHER = 4
"""A frame that was played with no sample above this is silence; resamplers leave noise of 1 or 2 in it."""

QUIET = 16.0
"""Mean amplitude (about -64 dBFS) below which a window holds nobody's voice."""

REPLAYED = 24
"""Frames, 0.4 s, that a new filter learns from at once."""

LOUD_SHARE = 0.5
"""Softer stretches of an utterance are not asked for who they were."""
JUDGED, BETTER = 12, 0.15
"""A new path takes an older one's place if it explains so much more of the last 0.19 s."""

PROVEN_S = 1.0
"""A path that explains so much of the sound up to when somebody may have begun to speak is the echo's own. Measured on
two phrases spoken over a bot at 4 places of its story, in 2 rooms, at -6 to -20 dB: 8 of 48 were understood to the
word when their first syllables could lead the search astray, 22 with the path held, and 41 without the echo."""
PROOF = 0.4
"""So much of that there must have been something to hear: a user's first syllable alone proves nothing."""

Shares = list[tuple[float, float]]
"""Of each frame how much is explained, and of how much."""

_SILENCE = np.zeros(round(FRAME_S * SPEECH_RATE_HZ), np.int16)
_BANDS = np.arange(0, COMPARED.stop - COMPARED.start, BAND_BINS)
_BAND_POWER = 0.375 * FRAME**2 / 2 / len(_BANDS)
"""A band's share of a frame's power for a mean square of 1, if all were in the bands (0.375 is a Hann window's)."""


class EchoDetector:
    """Follows what one session's bot plays and what its microphone hears.

    The delay between them is found by coherence, the echo is then predicted from what was played, and what the
    prediction does not explain is somebody else. Only the order of the calls and their samples count, no clock.
    """

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ)
        self._played, self._heard = Track(), Track()
        self._silence_s = AFTERMATH_S
        self._grid: Spectra = np.zeros((2 * LAGS, BIN_COUNT), np.complex64)
        self._grid_hop = 0
        self._shares: deque[tuple[float, float]] = deque(maxlen=round(10 * SPEECH_RATE_HZ / HOP))
        self._level: Powers = np.zeros(len(_BANDS), np.float32)
        self._noise: Powers = np.full(len(_BANDS), np.inf, np.float32)
        self._skew: int | None = None
        self._path: EchoPath | None = None
        self._proven = False
        """The path has explained what was heard, and nothing has spoken against it since."""
        self.held = False
        """The path is known, and stays as it is while somebody speaks, as a voice leads the search astray."""
        self._canceller = EchoCanceller()
        self._search: DelaySearch | None = None
        self._gain = 0.0
        self._reviewed = 0

    def played(self, frame: Samples) -> None:
        """The next 20 ms given to the wire: 48 kHz, int16 of shape (960,), silence included."""
        self._silence_s = 0.0 if frame.max() > DITHER or frame.min() < -DITHER else self._silence_s + FRAME_S
        if self._silence_s > AFTERMATH_S:
            self._played.add(_SILENCE)
        else:
            self._played.add(self._resampler.push(Audio(frame, WIRE_RATE_HZ)).samples)

    def heard(self, window: Samples) -> float:
        """The next 32 ms of the microphone: 16 kHz, int16 of shape (512,).

        Returns how much of the sound of the last 0.13 s is the bot's own: 0 to 1.
        """
        self._heard.add(window)
        skew = (self._played.count - self._heard.count) // HOP
        if self._skew is None or abs(skew - self._skew) > SKEW_HOPS:
            self._skew = skew
        loud = bool(np.abs(window).mean() > QUIET)
        if self._silence_s < AFTERMATH_S and loud:
            self._hear()
        else:
            self._shares.extend([(0.0, _weight(window) if loud else 0.0)] * 2)
        return 0.0 if self._silence_s >= AFTERMATH_S else self._share(SCORE_HOPS) or 0.0

    def score(self, duration_s: float) -> float | None:
        """The same over the last `duration_s`, at most 10 s; None if there was nothing to hear."""
        return self._share(round(duration_s * SPEECH_RATE_HZ / HOP))

    def score_of_utterance(self, duration_s: float) -> float | None:
        """The same of somebody's utterance that has just ended.

        If the echo was known when it began (`hold`), this is the score of that 0.2 s of it that is explained least: of
        a short word over a loud echo most of the sound is the echo, but not all.
        """
        if not self.held:
            return self.score(duration_s)
        recent = np.array(list(islice(reversed(self._shares), round(duration_s * SPEECH_RATE_HZ / HOP))), ndmin=2)
        if len(recent) <= JUDGED:
            return self.score(duration_s)
        explained, whole = (np.convolve(column, np.ones(JUDGED), "valid") for column in recent.T)
        loud = whole > whole.max() * LOUD_SHARE
        return float((explained[loud] / whole[loud]).min()) if loud.any() else None

    def hold(self) -> None:
        """Somebody may have begun to speak: if the echo is known by now, `without_echo` takes it off from here on."""
        if self.held:
            return
        self._prove()
        self.held = self._proven
        if self._path is not None:
            self._path.remember()

    def let_go(self) -> None:
        """Nobody speaks any more."""
        self.held = False

    def without_echo(self, sound: Samples) -> Samples:
        """The last windows heard; without the bot's voice if its echo was known at `hold`, and then 16 ms (HOP) late,
        as a frame ends only in the next window."""
        if not self.held:
            return sound
        end = self._heard.count - HOP
        return self._canceller.without_echo(self._heard.until(end, len(sound)), end)

    def copied(self, duration_s: float) -> float | None:
        """How surely all of the last `duration_s`, now that it is over, is a copy of what was played: 0 to 1.

        A path that is proven is compared with its echo, too. If it was proven when the sound began (`hold`), a copy
        counts only if its delay is another: if it comes as expected, the running score knows what else was heard.
        None if the bot has been silent for too long, or the sound is so long that the running score must know.
        """
        if self._silence_s >= AFTERMATH_S + duration_s or duration_s > LONGEST_COPY_S or self._skew is None:
            return None
        length, end = round(duration_s * SPEECH_RATE_HZ), self._heard.count
        earliest, latest = round(LONGEST_DELAY_S * SPEECH_RATE_HZ), round(0.1 * SPEECH_RATE_HZ)
        hops = (length + earliest + latest) // HOP
        played = self._played.until(end + self._skew * HOP + latest, hops * HOP)
        heard = self._heard.until(end, length)
        if self._path is None or not self._proven:
            return copy_score(heard, played)[0]
        score, start = copy_score(heard, self._path.echo(played))
        if not self.held:
            return max(score, copy_score(heard, played)[0])
        delay = hops * HOP - length - latest - start + EARLY * HOP
        return 0.0 if abs(delay - self._path.delay) <= SLACK_SAMPLES else score

    def _share(self, hops: int) -> float | None:
        return _share(islice(reversed(self._shares), hops))

    def _hear(self) -> None:
        end = self._heard.count
        frames = spectra(self._heard.until(end, FRAME + HOP))
        for level in _band_powers(frames):
            self._level += 0.3 * (level - self._level)
            self._noise = np.minimum(NOISE_RISE * self._noise, self._level)
        self._explain(frames, end)
        if self.held or power(frames[-1, COMPARED]).sum() < 4 * self._noise.sum():
            return
        if (self._share(SCORE_HOPS) or 0.0) < LOST:
            self._seek(frames[-1])
            return
        self._search = None
        self._reviewed += 1
        if self._path is not None and self._reviewed >= REVIEW_WINDOWS:
            self._prove()
            self._follow(self._path.delay, self._gain)

    def _explain(self, frames: Spectra, end: int) -> None:
        """Accounts for frames of the microphone; `end` is where the last of them ends."""
        shares, echoes = self._accounted(self._path, frames, end)
        self._shares.extend(shares)
        self._canceller.predicted(end, echoes)

    def _accounted(self, path: EchoPath | None, frames: Spectra, end: int) -> tuple[Shares, Spectra]:
        """How much of each frame the path explains, and of how much; and the echo that it predicts in them."""
        residual, late = (frames, None) if path is None else path.residual(frames, end)
        nobodys = self._noise if late is None else self._noise + _sums(late)
        heard = np.maximum(_band_powers(frames) - 2 * self._noise, 0)
        rest = np.maximum(_band_powers(residual) - 2 * nobodys, 0) / (heard + 1)
        weights = heard**LEVEL_POWER
        explained = weights * np.clip((UNEXPLAINED - rest) / (UNEXPLAINED - EXPLAINED), 0, 1)
        shares = list(zip(explained.sum(axis=1).tolist(), weights.sum(axis=1).tolist(), strict=True))
        return shares, frames - residual

    def played_until(self, end: int, frames: int, delay: int) -> Samples:
        """See PlayedSound. To be called once the bot's sound and the microphone's are lined up."""
        assert self._skew is not None
        return self._played.until(end + self._skew * HOP - delay, FRAME + (frames - 1) * HOP)

    def _prove(self) -> None:
        """Finds out whether the path is the echo's own. While there is too little to hear, it stays as it was."""
        recent = list(islice(reversed(self._shares), round(PROVEN_S * SPEECH_RATE_HZ / HOP)))
        if sum(whole > 0 for _, whole in recent) >= PROOF * len(recent):
            self._proven = (_share(recent) or 0.0) >= ECHO_SCORE

    def _seek(self, frame: Spectra) -> None:
        assert self._skew is not None
        if self._search is None:
            self._search = DelaySearch()
        newest = self._played.count // HOP
        new = min(newest - self._grid_hop, len(self._grid))
        if new:
            self._grid[new:] = self._grid[: len(self._grid) - new]
            self._grid[:new] = spectra(self._played.until(newest * HOP, FRAME + (new - 1) * HOP))[::-1]
            self._grid_hop = newest
        first = newest - (self._heard.count // HOP + self._skew) + FIRST_LAG
        rows = np.pad(self._grid[max(first, 0) : first + LAGS], ((max(-first, 0), 0), (0, 0)))
        if len(rows) == LAGS and (found := self._search.push(frame, rows)) is not None:
            lag, gain = found
            self._search = None
            self._follow((lag + FIRST_LAG) * HOP, gain)

    def _follow(self, near: int, gain: float) -> None:
        """Sets the delay, now known to 24 ms, exactly.

        Another delay than before is believed only if a path that has just been learned with it explains the last sound
        better: reverberation alone looks like an echo of any delay, and what has been learned is worth a lot.
        """
        self._reviewed = 0
        known = None if self._path is None else self._path.delay
        end = self._heard.count
        heard, played = self._heard.until(end, REPLAYED * HOP), self.played_until(end, REPLAYED - 1, near)
        delay = near + exact_delay(heard, played, known=near == known)
        if known is not None and abs(delay - known) <= SLACK_SAMPLES:
            return
        path = EchoPath(delay, gain, self)
        shares, echoes = self._accounted(path, spectra(self._heard.until(end, FRAME + (REPLAYED - 1) * HOP)), end)
        least = max(ECHO_SCORE, (self._share(JUDGED) or 0.0) + BETTER)
        if known is not None and (_share(shares[-JUDGED:]) or 0.0) < least:
            return
        self._path, self._gain, self._proven = path, gain, False
        for _ in range(min(REPLAYED, len(self._shares))):
            self._shares.pop()
        self._shares.extend(shares)
        self._canceller.predicted(end, echoes)


def _share(shares: Iterable[tuple[float, float]]) -> float | None:
    explained = total = 0.0
    for part, whole in shares:
        explained += part
        total += whole
    return explained / total if total else None


def _band_powers(frames: Spectra) -> Powers:
    return _sums(power(frames))


def _sums(powers: Powers) -> Powers:
    """The power in each band, of powers in each bin."""
    return np.add.reduceat(powers[:, COMPARED], _BANDS, axis=1)


def _weight(window: Samples) -> float:
    """What a frame weighs, about, without its spectrum."""
    mean_square = float(np.square(window, dtype=np.float32).mean())
    return float(len(_BANDS) * (_BAND_POWER * mean_square) ** LEVEL_POWER)
