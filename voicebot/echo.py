"""Is it the bot's own voice that comes back through the user's microphone? Told from what was played."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from voicebot.core.audio import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio, Resampler, Samples

ECHO_SCORE = 0.5
"""From this score on the sound is the bot's own."""

HOP = 256
FRAME = 512
"""Spectra are taken of 32 ms every 16 ms (at 16 kHz)."""

BINS = slice(6, 126)
"""190 to 3,900 Hz: what small loudspeakers give and voices have."""

BAND_BINS = 5
"""Shares are taken in bands of 156 Hz, each weighted by the `WEIGHT_POWER`th power of its level, so that a voice counts
in the bands where the other one is silent."""

WEIGHT_POWER = 0.3

FIRST_LAG, LAGS = -6, 64
"""Delays looked for: -0.1 to 0.9 s (below 0 if the first of the microphone's sound came in late)."""

EARLY, TAPS = 1, 16
"""The room's answer: from 32 ms before to 220 ms after the delay found."""

MAX_SILENT_TICKS = 65
"""1.3 s after the bot has fallen silent there is no echo any more, whatever the filter thinks."""

MAX_SKEW_HOPS = 16
"""The two streams' counts may drift apart by this much (256 ms) before the delay is sought anew."""

QUIET = 16.0
"""Below this amplitude (rms, -66 dBFS) a microphone's window is not looked at."""

SCORE_HOPS = 8
TRACE=0
HI=1.0
LO=0.0
FL=6144
PH=0.7
FINE=1.5
EVERY=8
GS=1.0
D=.85
PN=.001
SB=.9
PROM=.08
STAB=3

Spectra = npt.NDArray[np.complex64]
Powers = npt.NDArray[np.float32]

_BIN_COUNT = BINS.stop - BINS.start
_HANN = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)


class EchoDetector:
    """Tells the bot's own voice in the microphone's sound from the user's.
    """

    def __init__(self) -> None:
        self._resampler = Resampler(WIRE_RATE_HZ, SPEECH_RATE_HZ)
        self._to_play: Samples = np.zeros(FRAME - HOP, np.int16)
        self._last_heard: Samples = np.zeros(FRAME - HOP, np.int16)
        self._mic_sound = np.zeros(8192, np.int16)
        self._sound = np.zeros(36000, np.int16)
        self._spectra = np.zeros((160, _BIN_COUNT), np.complex64)
        self._mic: deque[Spectra | None] = deque(maxlen=24)
        self._shares: deque[tuple[float, float]] = deque(maxlen=256)
        self._played_hops = 0
        self._played_count = 0
        self._heard_hops = 0
        self._skew: int | None = None
        self._silent_ticks = MAX_SILENT_TICKS
        self._level = np.zeros(_BIN_COUNT // BAND_BINS, np.float32)
        self._noise = np.full(_BIN_COUNT // BAND_BINS, np.inf, np.float32)
        self._forget()

    def played(self, frame: Samples) -> None:
        self._silent_ticks = 0 if frame.any() else self._silent_ticks + 1
        sound = self._resampler.push(Audio(frame, WIRE_RATE_HZ)).samples
        self._to_play = np.concatenate([self._to_play, sound])
        n = len(sound)
        if n:
            self._sound[:-n] = self._sound[n:]
            self._sound[-n:] = sound
            self._played_count += n
        while len(self._to_play) >= FRAME:
            if self._silent_ticks <= 250:
                self._spectra[1:] = self._spectra[:-1]
                self._spectra[0] = _spectrum(self._to_play[:FRAME])
            self._to_play = self._to_play[HOP:]
            self._played_hops += 1

    def heard(self, window: Samples) -> float:
        skew = self._played_hops - self._heard_hops
        if self._skew is None or abs(skew - self._skew) > MAX_SKEW_HOPS:
            self._skew = skew
            self._forget()
        sound = np.concatenate([self._last_heard, window])
        self._last_heard = sound[FRAME:]
        self._mic_sound[:-512] = self._mic_sound[512:]
        self._mic_sound[-512:] = window
        active = self._silent_ticks < MAX_SILENT_TICKS and np.abs(window).mean() > QUIET
        for start in (0, HOP):
            self._heard_hops += 1
            if active:
                mic = _spectrum(sound[start : start + FRAME])
                self._mic.append(mic)
                self._account(mic, self._residual(mic, 0))
            else:
                self._mic.append(None)
                self._shares.append((0.0, 0.0))
        if active:
            self._search(mic)
        return self._share(SCORE_HOPS) or 0.0

    def score(self, duration_s: float) -> float | None:
        return self._share(round(duration_s * SPEECH_RATE_HZ / HOP))

    def _share(self, hops: int) -> float | None:
        if self._silent_ticks >= MAX_SILENT_TICKS:
            return None
        n = len(self._shares)
        ex = tot = 0.0
        for k in range(max(0, n - hops), n):
            a, b = self._shares[k]
            ex += a
            tot += b
        return ex / tot if tot else None

    def _forget(self) -> None:
        self._delay: int | None = None
        self._restart_search()

    def _restart_search(self) -> None:
        self._cross = np.zeros((LAGS, _BIN_COUNT//2), np.complex64)
        self._power = np.zeros((LAGS, _BIN_COUNT//2), np.float32)
        self._mic_power = np.zeros(_BIN_COUNT//2, np.float32)
        self._candidate, self._agreed = 0, 0
        self._searching = False

    def _follow(self, delay: int, gain: float) -> None:
        self._delay = delay
        self._gain = gain
        self._since = 0
        self._x = np.zeros((TAPS, _BIN_COUNT), np.complex64)
        self._filter = np.zeros((TAPS, _BIN_COUNT), np.complex64)
        self._doubt = np.repeat((gain * D ** np.arange(TAPS))[:, None], _BIN_COUNT, 1).astype(np.float32)
        self._error = np.full(_BIN_COUNT, np.nan, np.float32)

    def _rows(self, lag: int, count: int, ago: int) -> Spectra:
        assert self._skew is not None
        newest = self._played_hops - self._heard_hops - self._skew + lag + ago
        if newest >= 0 and newest + count <= len(self._spectra):
            return self._spectra[newest : newest + count]
        rows = np.zeros((count, _BIN_COUNT), np.complex64)
        lo, hi = max(newest, 0), min(newest + count, len(self._spectra))
        if hi>lo: rows[lo - newest : hi - newest] = self._spectra[lo:hi]
        return rows

    def _fine(self, delay):
        n = FL
        end = max(0, self._played_count - HOP * (self._heard_hops + self._skew) + delay)
        stop = len(self._sound) - end
        x = self._sound[stop - n : stop]
        y = self._mic_sound[-n:]
        c = np.fft.rfft(y, 2 * n) * np.fft.rfft(x, 2 * n).conj()
        lo, hi = BINS.start * 2 * n // FRAME, BINS.stop * 2 * n // FRAME
        c[:lo] = 0; c[hi:] = 0
        c /= np.abs(c)**PH + 1e-3
        c = np.fft.irfft(c)
        R = 384
        c = np.abs(np.concatenate([c[-R:], c[:R + 1]]))
        best = int(c.argmax())
        if self._delay is not None:
            now = self._delay - delay + R
            if 0 <= now <= 2 * R and c[best] < FINE * c[max(0, now - 12) : now + 13].max():
                return self._delay
        return delay + best - R

    def _align(self, coarse, gain, prom=0):
        delay = self._fine(coarse)
        if self._delay is not None and abs(delay - self._delay) <= 12:
            return
        if TRACE: print('follow', self._heard_hops*.016, coarse, delay, round(float(prom),2))
        self._follow(delay, gain)
        n = len(self._mic)
        for k in range(TAPS):
            self._x[k] = self._row(n + k)
        for _ in range(n):
            self._shares.pop()
        for ago in range(n - 1, -1, -1):
            old = self._mic[n - 1 - ago]
            if old is None: self._shares.append((0.0, 0.0))
            else: self._account(old, self._residual(old, ago))

    def _row(self, ago):
        """played spectrum EARLY hops after the delay"""
        end = self._played_count - HOP * (self._heard_hops + self._skew) + self._delay - EARLY * HOP + ago * HOP  # samples before the newest
        stop = len(self._sound) - end
        if end < 0 or stop < FRAME:
            return np.zeros(_BIN_COUNT, np.complex64)
        return _spectrum(self._sound[stop - FRAME : stop])

    def _residual(self, mic: Spectra, ago: int) -> Spectra:
        if self._delay is None:
            return mic
        self._x[1:] = self._x[:-1]
        self._x[0] = self._row(ago)
        x = self._x
        residual = mic - (self._filter * x).sum(0)
        power = _power(x)
        e2 = _power(residual)
        self._error = np.where(np.isnan(self._error), e2, SB * self._error + (1-SB) * e2)
        if power.sum()<1e7: return residual
        step = self._doubt / ((self._doubt * power).sum(0) + self._error + 1e3)
        self._filter += step * x.conj() * residual
        self._doubt *= 1 - step * power
        self._doubt += PN * _power(self._filter) + 1e-7
        return residual

    def _account(self, mic: Spectra, residual: Spectra) -> None:
        m = np.add.reduceat(_power(mic), _BANDS)
        e = np.add.reduceat(_power(residual), _BANDS)
        self._level += 0.3 * (m - self._level)
        self._noise = np.minimum(self._noise * 1.01, self._level)
        m = np.maximum(m - 2 * self._noise, 0)
        e = np.maximum(e - 2 * self._noise, 0)
        w = m**WEIGHT_POWER
        self._shares.append((float((w * np.clip((HI - e / (m + 1)) / (HI - LO), 0, 1)).sum()), float(w.sum())))

    def _search(self, mic: Spectra) -> None:
        if _power(mic).sum() < 4 * self._noise.sum():
            return
        sc = self._share(10)
        if sc is not None and sc > 0.35:
            if self._searching: self._restart_search()
            self._since += 1
            if self._since >= EVERY:
                self._since = 0
                self._align(self._delay, self._gain)
            return
        self._searching = True
        h = _BIN_COUNT // 2
        x = self._rows(FIRST_LAG, LAGS, 0)[:, :h]
        mic = mic[:h]
        a = 5 / 6
        self._cross *= a
        self._cross += mic * x.conj()
        self._power *= a
        self._power += _power(x)
        self._mic_power *= a
        self._mic_power += _power(mic)
        q = self._mic_power
        c = _power(self._cross) / (self._power * q + 1e-3 * self._power.mean() * q.mean() + 1)
        wt = q**0.3
        c = c @ (wt / wt.sum())
        best = int(c.argmax())
        prom = c[best] - np.median(c)
        self._agreed = self._agreed + 1 if abs(best - self._candidate) <= 1 and prom > PROM else 0
        self._candidate = best
        if self._agreed >= STAB or (prom > 0.3 and self._agreed >= 1):
            self._align((best + FIRST_LAG) * HOP, float(GS * q.sum() / (self._power[best].sum() + 1)), float(prom))
            self._restart_search()


_BANDS = np.arange(0, _BIN_COUNT, BAND_BINS)


def _spectrum(samples: Samples) -> Spectra:
    return np.fft.rfft(samples * _HANN)[BINS].astype(np.complex64)


def _power(values: Spectra) -> Powers:
    return values.real**2 + values.imag**2
