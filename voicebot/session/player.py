"""Playout with an exact cursor: play, pause, resume and discard a reply, and know what of it has been heard."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, SILENT_FRAME, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import PlaybackFinished, PlaybackStarted, SentencePlayed, WordsHeard, WordsTakenBack
from voicebot.dialogue.history import words_heard
from voicebot.session.mailbox import Mailbox
from voicebot.session.sentence_audio import AudioSpan, SentenceAudio

FADE_S = 0.008
"""The length of the fade at a pause, a resume and a discard: long enough not to click, too short to be noticed."""

_FADE_IN: npt.NDArray[np.float32] = np.sin(
    np.linspace(0.0, np.pi / 2, round(FADE_S * WIRE_RATE_HZ), endpoint=False, dtype=np.float32)
)

MAX_REWIND_S = 2.0
"""The longest rewind. No word is longer than this, so a longer rewind would mean that the word times are wrong."""


class Player:
    """Plays one reply at a time, 20 ms per call; it plays silence when there is nothing to play.

    Only the reply that was begun last is accepted: audio and requests with another number are ignored, so that an old
    reply can never be heard. What was played is posted as inputs of the machine. All calls must come from one event
    loop.
    """

    def __init__(self, mailbox: Mailbox, prefetch: int = 3, *, rewind_words: bool = False) -> None:
        self._mailbox = mailbox
        self._prefetch = prefetch
        self._rewind_words = rewind_words
        self._reply: int | None = None
        self._sentences: deque[SentenceAudio] = deque()
        self._complete = False
        self._started = False
        self._paused = False
        self._faded = False
        self._tail = np.zeros(0, np.int16)
        self._changed = asyncio.Event()
        self.cursor = 0
        """How many samples of the reply have been given out."""
        self.underruns = 0
        """How many frames in mid-sentence should have carried speech, and had none."""

    # Called by the reply ----------------------------------------------------------------------------------------

    def begin(self, reply: int) -> None:
        """Accepts audio of this reply from now on, and drops what is left of another one."""
        self._drop()
        self._reply = reply
        self.cursor = 0

    def open_sentence(self, reply: int, number: int, text: str) -> None:
        if reply == self._reply:
            self._sentences.append(SentenceAudio(number, text))

    def write(self, reply: int, audio: Audio) -> None:
        """Adds audio to the last opened sentence, at 48 kHz. Raises ValueError for another rate."""
        if audio.rate_hz != WIRE_RATE_HZ:
            raise ValueError(f"the player takes {WIRE_RATE_HZ} Hz, got {audio.rate_hz} Hz")
        if reply == self._reply and len(audio.samples):
            sentence = self._sentences[-1]
            sentence.pieces.append(audio.samples)
            sentence.length += len(audio.samples)

    def time_words(self, reply: int, starts_s: Sequence[float]) -> None:
        """Sets when the words start in the last opened sentence, or in the part of it that another voice speaks.

        Times that do not match its words in number are ignored.
        """
        if reply == self._reply and len(starts_s) == len(self._sentences[-1].words_left):
            self._sentences[-1].starts = tuple(round(start_s * WIRE_RATE_HZ) for start_s in sorted(starts_s))

    def resume_sentence(self, reply: int, word: int) -> None:
        """The voice has broken off: the audio that follows says the last opened sentence from this word on."""
        if reply == self._reply:
            self._sentences[-1].resume_at(word)

    def close_sentence(self, reply: int, *, broken: bool = False) -> None:
        """Ends the audio of the last opened sentence. `broken`: it broke off, and there should have been more."""
        if reply == self._reply:
            self._sentences[-1].closed, self._sentences[-1].broken = True, broken

    def complete(self, reply: int) -> None:
        """Ends the reply's audio. A sentence that is still open was cut by a failure, and ends where its audio ends."""
        if reply == self._reply:
            self._complete = True
            if self._sentences and not self._sentences[-1].closed:
                self._sentences[-1].cut = True

    async def wait_for_capacity(self, reply: int) -> None:
        """Waits until fewer than `prefetch` sentences wait behind the one that is playing."""
        while reply == self._reply and len(self._sentences) > self._prefetch:
            await self._change()

    async def finished(self, reply: int) -> None:
        """Waits until the reply has been played to its end, or dropped."""
        while reply == self._reply:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # Called by the orchestrator ---------------------------------------------------------------------------------

    def pause(self, reply: int) -> None:
        if reply == self._reply:
            self._paused = True

    def resume(self, reply: int) -> None:
        """Goes on with the next sample, or with `rewind_words` at the start of the word that was cut."""
        if reply == self._reply:
            if self._paused and self._faded and self._rewind_words:
                self._rewind()
            self._paused = False

    def _rewind(self) -> None:
        """Goes back to where the cut word began, or to the quietest place near an estimate of that."""
        if not self._sentences:
            return
        sentence = self._sentences[0]
        start = max((round(bound) for bound in sentence.bounds if bound <= sentence.played), default=0)
        back = sentence.played - (start if sentence.starts else sentence.quietest(start))
        if back <= MAX_REWIND_S * WIRE_RATE_HZ:
            sentence.rewind(back)
            self.cursor -= back

    def discard(self, reply: int) -> None:
        """Drops the reply. The words heard are posted first, as the length of the sentence may be known by now."""
        if reply == self._reply:
            if self._sentences and self._started:
                self._post_words(reply, self._sentences[0])
            self._drop()

    def close(self) -> None:
        """Drops everything at the end of the session."""
        self._drop()

    def _drop(self) -> None:
        if self._sentences and self._started and not self._faded:
            self._tail = _faded_out(self._sentences[0].take(len(_FADE_IN)))
        self._reply = None
        self._sentences.clear()
        self._complete = self._started = self._paused = self._faded = False
        self._changed.set()

    # For a client that plays by itself ----------------------------------------------------------------------------

    @property
    def reply(self) -> int | None:
        """The number of the reply that is being played; None if there is none."""
        return self._reply

    @property
    def paused(self) -> bool:
        return self._paused

    def audio_from(self, position: int) -> AudioSpan | None:
        """Returns the audio so far of the sentence at `position`, counted as `cursor`; None if there is none."""
        start = self.cursor - (self._sentences[0].played if self._sentences else 0)
        for sentence in self._sentences:
            if position < start + sentence.length:
                return AudioSpan(
                    np.concatenate(sentence.pieces),
                    position - start,
                    sentence.text.split(),
                    sentence.bounds[:-1],
                    complete=sentence.closed or sentence.cut,
                )
            start += sentence.length
        return None

    def set_heard(self, position: int) -> None:
        """Sets how far the client has played, paused or not. Sentences that were played to the end stay heard."""
        if self._reply is None:
            return
        if position > self.cursor:
            self._take(position - self.cursor)
            self._finish_if_complete()
        elif position < self.cursor and self._sentences:
            self._take_back(self._reply, self._sentences[0], self.cursor - position)

    def _take_back(self, reply: int, sentence: SentenceAudio, count: int) -> None:
        count = min(count, sentence.played)
        sentence.rewind(count)
        self.cursor -= count
        if (words := words_heard(sentence.bounds, sentence.played)) < sentence.words:
            sentence.words = words
            self._mailbox.post(WordsTakenBack(reply, sentence.number, words))

    def note_silence(self) -> None:
        """The client was told to stop, perhaps before the frame that would have faded the reply out."""
        self._faded = self._paused and self._started

    def note_underrun(self) -> None:
        """The client has nothing to play now. In mid-sentence that is an underrun."""
        self.underruns += bool(self._sentences and self._sentences[0].played and not self._paused)

    # Called by the transport ------------------------------------------------------------------------------------

    def next_frame(self, most: int = FRAME_SAMPLES) -> Samples:
        """Returns the next 20 ms: int16 of shape (960,), with at most `most` samples of the reply.

        Each sample of a reply is given out once, in order. With less than a full frame the client has the audio
        already, and the frame only counts how far the client has played.
        """
        if self._reply is None and not len(self._tail):
            return SILENT_FRAME
        frame = np.zeros(FRAME_SAMPLES, np.int16)
        if len(self._tail):
            frame[: len(self._tail)] = self._tail
            self._tail = np.zeros(0, np.int16)
            return frame
        if self._paused:
            if not self._started or self._faded:
                return SILENT_FRAME
            sound = _faded_out(self._take(min(len(_FADE_IN), most)))
            frame[: len(sound)] = sound
            self._faded = True
            return frame
        sound = self._take(most)
        if self._faded and len(sound):
            sound = _faded_in(sound)
            self._faded = False
        frame[: len(sound)] = sound
        self._finish_if_complete()
        return frame

    def _take(self, count: int) -> Samples:
        """Takes up to `count` samples, across sentences if the next one has audio."""
        reply = self._reply
        assert reply is not None
        pieces: list[Samples] = []
        while self._sentences:
            sentence = self._sentences[0]
            sound = sentence.take(count)
            if len(sound):
                pieces.append(sound)
                count -= len(sound)
                self.cursor += len(sound)
                if not self._started:
                    self._started = True
                    self._mailbox.post(PlaybackStarted(reply))
            if sentence.closed and not sentence.waiting:
                if sentence.broken:
                    self._post_words(reply, sentence)
                self._mailbox.post(SentencePlayed(reply, sentence.number, sentence.broken))
            else:
                self._post_words(reply, sentence)
                if not sentence.cut or sentence.waiting:
                    self.underruns += bool(count and sentence.played)
                    break
            self._sentences.popleft()
            self._changed.set()
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def _post_words(self, reply: int, sentence: SentenceAudio) -> None:
        words = words_heard(sentence.bounds, sentence.played)
        if words > sentence.words:
            sentence.words = words
            self._mailbox.post(WordsHeard(reply, sentence.number, words))

    def _finish_if_complete(self) -> None:
        if self._complete and not self._sentences and self._reply is not None:
            reply = self._reply
            self._drop()
            self._mailbox.post(PlaybackFinished(reply))


class FrameClock:
    """Ticks at the multiples of 20 ms of the monotonic clock. It makes up for up to two late ticks, and skips longer
    stalls.

    So all sessions of a process tick together: the event loop wakes up once for all of them, and one after the other
    finds its code in the processor's caches. With 10 talking sessions that takes 11 % less processor time than ticks at
    any time, and the loop is no later.
    """

    def __init__(self) -> None:
        self._next_s: float | None = None

    async def tick(self) -> None:
        """Waits for the next tick."""
        now_s = time.monotonic()
        if self._next_s is None or now_s - self._next_s > 2 * FRAME_S:
            self._next_s = math.ceil(now_s / FRAME_S) * FRAME_S
        await asyncio.sleep(max(0.0, self._next_s - now_s))
        self._next_s += FRAME_S


def _faded_in(samples: Samples) -> Samples:
    return _scaled(samples, np.concatenate([_FADE_IN, np.ones(FRAME_SAMPLES, np.float32)])[: len(samples)])


def _faded_out(samples: Samples) -> Samples:
    """Fades the samples out to silence. They are at most as many as a fade has."""
    steps = np.linspace(0, len(_FADE_IN) - 1, len(samples)).astype(np.intp)
    return _scaled(samples, _FADE_IN[::-1][steps])


def _scaled(samples: Samples, gain: npt.NDArray[np.float32]) -> Samples:
    return np.asarray(np.round(samples * gain), dtype=np.int16)
