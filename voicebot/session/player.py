"""Paced playout with an exact cursor: play, pause, resume, discard; and what of a reply has been heard."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import PlaybackFinished, PlaybackStarted, SentencePlayed, WordsHeard, WordsTakenBack
from voicebot.dialogue.history import words_heard
from voicebot.session.mailbox import Mailbox
from voicebot.session.sentence_audio import AudioSpan, SentenceAudio

FADE_S = 0.008
"""Length of the fade at a pause, a resume and a discard: long enough not to click, too short to be noticed."""

_FADE_IN: npt.NDArray[np.float32] = np.sin(
    np.linspace(0.0, np.pi / 2, round(FADE_S * WIRE_RATE_HZ), endpoint=False, dtype=np.float32)
)

MAX_REWIND_S = 2.0
"""No word is longer: further back the times must be wrong."""


class Player:
    """Plays one reply at a time, 20 ms at a call, silence when there is nothing to play.

    Only the reply that was begun last is accepted: sound and requests of any other number fall on deaf ears, so an
    old reply can never be heard. What was played is posted as the machine's inputs. All calls come from one event loop.
    """

    def __init__(self, mailbox: Mailbox, prefetch: int = 3, *, rewind_words: bool = False) -> None:
        self._mailbox = mailbox
        self._prefetch = prefetch
        self._rewind_words = rewind_words
        self._reply: int | None = None
        self._clips: deque[SentenceAudio] = deque()
        self._complete = False
        self._started = False
        self._paused = False
        self._faded = False
        self._tail = np.zeros(0, np.int16)
        self._changed = asyncio.Event()
        self.cursor = 0
        """Samples of the reply that have been given to the wire."""
        self.underruns = 0
        """Frames that should have carried speech, in mid-sentence, but had none."""

    # What the reply gives ---------------------------------------------------------------------------------------

    def begin(self, reply: int) -> None:
        """Take sound of this reply from now on. What was left of another one is dropped."""
        self._drop()
        self._reply = reply
        self.cursor = 0

    def open_sentence(self, reply: int, sentence: int, text: str) -> None:
        if reply == self._reply:
            self._clips.append(SentenceAudio(sentence, text))

    def write(self, reply: int, audio: Audio) -> None:
        """More sound of the sentence opened last, at 48 kHz."""
        if audio.rate_hz != WIRE_RATE_HZ:
            raise ValueError(f"the player takes {WIRE_RATE_HZ} Hz, got {audio.rate_hz} Hz")
        if reply == self._reply and len(audio.samples):
            clip = self._clips[-1]
            clip.pieces.append(audio.samples)
            clip.length += len(audio.samples)

    def time_words(self, reply: int, starts_s: Sequence[float]) -> None:
        """When the words start in the sentence opened last, or in the part of it that was resumed last.

        Times that can't belong to its words are not believed.
        """
        if reply == self._reply and len(starts_s) == len(self._clips[-1].words_left):
            self._clips[-1].starts = tuple(round(start_s * WIRE_RATE_HZ) for start_s in sorted(starts_s))

    def resume_sentence(self, reply: int, word: int) -> None:
        """The voice has broken off: the sound that follows says the sentence opened last from this word on."""
        if reply == self._reply:
            self._clips[-1].resume_at(word)

    def close_sentence(self, reply: int, *, broken: bool = False) -> None:
        """No more of the sentence opened last will come; if it is `broken`, there should have been more."""
        if reply == self._reply:
            self._clips[-1].closed, self._clips[-1].broken = True, broken

    def complete(self, reply: int) -> None:
        """No more will come. A sentence that is still open was cut by a failure: it ends where its sound ends."""
        if reply == self._reply:
            self._complete = True
            if self._clips and not self._clips[-1].closed:
                self._clips[-1].cut = True

    async def room(self, reply: int) -> None:
        """Wait until fewer than `prefetch` sentences wait behind the one that is playing."""
        while reply == self._reply and len(self._clips) > self._prefetch:
            await self._change()

    async def finished(self, reply: int) -> None:
        """Wait until the reply has been played to its end, or dropped."""
        while reply == self._reply:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # What the machine wants -------------------------------------------------------------------------------------

    def pause(self, reply: int) -> None:
        if reply == self._reply:
            self._paused = True

    def resume(self, reply: int) -> None:
        """Go on with the next sample; with `rewind_words`, with the start of the word that was cut."""
        if reply == self._reply:
            if self._paused and self._faded and self._rewind_words:
                self._rewind()
            self._paused = False

    def _rewind(self) -> None:
        """To where the word began in which the pause fell, or rather to the quietest place around there."""
        if not self._clips:
            return
        clip = self._clips[0]
        start = max((round(bound) for bound in clip.bounds if bound <= clip.played), default=0)
        back = clip.played - (start if clip.starts else clip.quietest(start))
        if back <= MAX_REWIND_S * WIRE_RATE_HZ:
            clip.rewind(back)
            self.cursor -= back

    def discard(self, reply: int) -> None:
        """Fall silent for good. The words heard are posted first: the sentence's length may be known by now."""
        if reply == self._reply:
            if self._clips and self._started:
                self._post_words(reply, self._clips[0])
            self._drop()

    def close(self) -> None:
        """The session is over."""
        self._drop()

    def _drop(self) -> None:
        if self._clips and self._started and not self._faded:
            self._tail = _faded_out(self._clips[0].take(len(_FADE_IN)))
        self._reply = None
        self._clips.clear()
        self._complete = self._started = self._paused = self._faded = False
        self._changed.set()

    # What a client holds that plays by itself ---------------------------------------------------------------------

    @property
    def reply(self) -> int | None:
        """The reply that is being played."""
        return self._reply

    @property
    def paused(self) -> bool:
        return self._paused

    def ahead(self, position: int) -> AudioSpan | None:
        """The sound that there is of the sentence in which `position` lies, from there on; counted as `cursor` is."""
        start = self.cursor - (self._clips[0].played if self._clips else 0)
        for clip in self._clips:
            if position < start + clip.length:
                return AudioSpan(
                    np.concatenate(clip.pieces),
                    position - start,
                    clip.text.split(),
                    clip.bounds[:-1],
                    whole=clip.closed or clip.cut,
                )
            start += clip.length
        return None

    def heard_to(self, position: int) -> None:
        """All before `position` was heard and no more, whether it is paused or not. Sentences done stay heard."""
        if self._reply is None:
            return
        if position > self.cursor:
            self._take(position - self.cursor)
            self._account()
        elif position < self.cursor and self._clips:
            self._take_back(self._reply, self._clips[0], self.cursor - position)

    def _take_back(self, reply: int, clip: SentenceAudio, count: int) -> None:
        count = min(count, clip.played)
        clip.rewind(count)
        self.cursor -= count
        if (words := words_heard(clip.bounds, clip.played)) < clip.words:
            clip.words = words
            self._mailbox.post(WordsTakenBack(reply, clip.sentence, words))

    def fell_silent(self) -> None:
        """Whoever plays it elsewhere was told to stop, perhaps before the frame that would have faded it out."""
        self._faded = self._paused and self._started

    def miss(self) -> None:
        """Whoever plays it elsewhere has nothing to play now: an underrun, if that is in mid-sentence."""
        self.underruns += bool(self._clips and self._clips[0].played and not self._paused)

    # What the wire takes ----------------------------------------------------------------------------------------

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """The next 20 ms: int16 of shape (960,), with `most` samples of sound. Each of a reply is given once, in order.

        With less than a frame the sound is elsewhere already, and this only follows how far it has been heard.
        """
        frame = np.zeros(FRAME_SAMPLES, np.int16)
        if len(self._tail):
            frame[: len(self._tail)] = self._tail
            self._tail = np.zeros(0, np.int16)
            return frame
        if self._reply is None:
            return frame
        if self._paused:
            if self._started and not self._faded:
                sound = _faded_out(self._take(min(len(_FADE_IN), most)))
                frame[: len(sound)] = sound
                self._faded = True
            return frame
        sound = self._take(most)
        if self._faded and len(sound):
            sound = _faded_in(sound)
            self._faded = False
        frame[: len(sound)] = sound
        self._account()
        return frame

    def _take(self, count: int) -> Samples:
        """Up to `count` samples, across the border of sentences where the next one is there."""
        reply = self._reply
        assert reply is not None
        pieces: list[Samples] = []
        while self._clips:
            clip = self._clips[0]
            sound = clip.take(count)
            if len(sound):
                pieces.append(sound)
                count -= len(sound)
                self.cursor += len(sound)
                if not self._started:
                    self._started = True
                    self._mailbox.post(PlaybackStarted(reply))
            if clip.closed and not clip.waiting:
                if clip.broken:
                    self._post_words(reply, clip)
                self._mailbox.post(SentencePlayed(reply, clip.sentence, clip.broken))
            else:
                self._post_words(reply, clip)
                if not clip.cut or clip.waiting:
                    self.underruns += bool(count and clip.played)
                    break
            self._clips.popleft()
            self._changed.set()
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def _post_words(self, reply: int, clip: SentenceAudio) -> None:
        words = words_heard(clip.bounds, clip.played)
        if words > clip.words:
            clip.words = words
            self._mailbox.post(WordsHeard(reply, clip.sentence, words))

    def _account(self) -> None:
        if self._complete and not self._clips and self._reply is not None:
            reply = self._reply
            self._drop()
            self._mailbox.post(PlaybackFinished(reply))


class FrameClock:
    """A tick each 20 ms of the monotonic clock. Up to two late ticks are made up for; longer stalls are left behind."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    async def tick(self) -> None:
        now_s = time.monotonic()
        if self._next_s is None or now_s - self._next_s > 2 * FRAME_S:
            self._next_s = now_s
        await asyncio.sleep(max(0.0, self._next_s - now_s))
        self._next_s += FRAME_S


def _faded_in(samples: Samples) -> Samples:
    return _scaled(samples, np.concatenate([_FADE_IN, np.ones(FRAME_SAMPLES, np.float32)])[: len(samples)])


def _faded_out(samples: Samples) -> Samples:
    """All of it under a falling gain that ends at nothing; at most as long as the fade."""
    steps = np.linspace(0, len(_FADE_IN) - 1, len(samples)).astype(np.intp)
    return _scaled(samples, _FADE_IN[::-1][steps])


def _scaled(samples: Samples, gain: npt.NDArray[np.float32]) -> Samples:
    return np.asarray(np.round(samples * gain), dtype=np.int16)
