"""Playout by a client of `/ws`: sends it clips ahead of time, and moves the player on as the client plays them.

A clip is the piece of a reply's audio that one `play_audio` message carries.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from voicebot.audio.sound import FRAME_S, FRAME_SAMPLES, WIRE_RATE_HZ
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.session.messages import PlayAudio, PlaybackResume, ServerMessage, StopPlayback
from voicebot.session.player import Player
from voicebot.session.sentence_audio import MAX_OFFSET, AudioSpan
from voicebot.transports.websocket.sound import encode

MAX_UNHEARD_CLIPS = 16
"""How many clips a client may have that it has not played. The client of the backend note would drop further ones."""

MAX_CLIP_SAMPLES = 4 * WIRE_RATE_HZ
MIN_CLIP_SAMPLES = round(0.4 * WIRE_RATE_HZ)
"""The shortest clip of a sentence that is still being synthesized."""

SCARCE_SAMPLES = round(0.8 * WIRE_RATE_HZ)
"""With less than this left to play, the client gets the first part of a sentence that is still being synthesized."""

UNREPORTED_START_S = 1.0
"""If a client does not report that it begins to play, that is assumed this long after the first clip was sent."""

UNREPORTED_END_S = 0.5
"""If a client does not report that it has played everything, that is assumed this long after the end of its clips."""

STALLED_S = 8.0
"""A client that acknowledges clips has stopped playing if it acknowledges none for this long after a clip's end."""

CUT_S = 0.3
"""How long a client that acknowledges clips may take to report how much it has played of a clip that was cut."""

EARLY_S = 0.3
EARLY_SAMPLES = round(EARLY_S * WIRE_RATE_HZ)
"""How much earlier than computed a clip may end at the client, as clocks and buffers differ."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip that was sent. `start` and `end` are positions in the reply, in samples."""

    sequence: int
    start: int
    end: int
    sent_s: float


class PlayingClient(Protocol):
    """The client that plays the clips."""

    def send(self, message: ServerMessage) -> None: ...

    def played(self, most: int) -> None:
        """Moves the player on by one frame, as the client has played up to `most` samples."""
        ...

    def stalled(self) -> None:
        """Gives up the reply: the client acknowledges clips, but has stopped playing."""
        ...


class Playout(Observer):
    """Tracks which clips of the `Player`'s reply the client was sent, and how much of them the user has heard.

    Call `tick` every 20 ms. As an observer of the session it notices when the player was paused, resumed or emptied.
    """

    def __init__(self, player: Player, client: PlayingClient, *, can_pause: bool) -> None:
        self._player, self._client, self._can_pause = player, client, can_pause
        self._reply: int | None = None
        self._clips: deque[_Clip] = deque()
        """The clips that the client has and has not played to the end."""
        self._next = 0
        """The position at which the next clip begins."""
        self._sequence = 0
        self._heard: deque[_Clip] = deque(maxlen=MAX_UNHEARD_CLIPS)
        """Clips of the reply that count as played. The client may still acknowledge them."""
        self._stopped = False
        """The client was sent `stop_playback`, and no `playback_resume` since."""
        self._over = False
        """The client has nothing more to play of this reply."""
        self._stopped_s = 0.0
        """When the client was last sent `stop_playback`."""
        self._anchor, self._anchor_s = 0, 0.0
        """The client began to play the audio after this position at this time or later."""
        self._running = False
        """The client is assumed to be playing."""
        self._start_reported = False
        """The client has reported that it is playing."""
        self._acknowledges = False
        """The client has acknowledged a clip in this session."""
        self._acknowledged = 0
        """The position up to which the client has acknowledged the reply."""
        self._settled = asyncio.Event()
        """Is set once the client, after it was stopped, has reported how far it had played."""
        self._waited_s = 0.0
        """How long the client's report of the end of its clips has been overdue."""
        self._epoch = 0
        """Counts restarts and pauses. A clip whose encoding began before the last one is not sent."""
        self._named_sentence: int | None = None
        """The position at which the sentence of the last clip begins."""
        self._named_words = 0
        """How many words of that sentence are in the texts of the clips so far."""
        self._wake = asyncio.Event()

    @property
    def unheard(self) -> int:
        """How many clips the client has and has not played to the end."""
        return len(self._clips)

    # The server's side --------------------------------------------------------------------------------------------

    def stepped(self, step: SessionStep) -> None:
        if step.changed:
            self.follow()

    def follow(self) -> None:
        """Tells the client if the player has begun another reply, was paused, or was resumed."""
        if self._player.reply != self._reply:
            self._end()
            self._reply = self._player.reply
            self._stopped = self._over = False
            self._acknowledged = 0
            self._restart(0)
        elif self._player.paused and not self._stopped:
            if self._clips:
                self._stop(discard=not self._can_pause)
                self._player.note_silence()
            self._epoch += 1
        elif self._stopped and not self._player.paused:
            self._stopped = False
            self._client.send(PlaybackResume())
            if self._can_pause:
                self._anchor, self._anchor_s = self._player.cursor, time.monotonic()
            else:
                self._restart(self._player.cursor)

    async def cut(self) -> None:
        """Ends the paused reply. If the client acknowledges clips, sets in the player how much of it was heard.

        Audio that the client has not acknowledged within `CUT_S` counts as unheard, as the client may have stopped
        playing long ago.
        """
        if self._player.reply != self._reply:
            return
        self._end()
        if not self._acknowledges:
            return
        if self._clips:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CUT_S):  # Python 3.11's `wait_for` can lose a cancellation
                    await self._settled.wait()
        self._player.set_heard(min(self._acknowledged, self._player.cursor))

    def _end(self) -> None:
        """Ends the reply at the client, which is told to stop if it may still have something to play."""
        if self._clips and not self._over and (not self._stopped or self._can_pause):
            self._stop(discard=True)
        self._over = self._stopped = True

    def _stop(self, *, discard: bool) -> None:
        self._client.send(StopPlayback(discard=discard))
        if not self._stopped:
            self._stopped, self._stopped_s = True, time.monotonic()
            self._settled.clear()

    def _restart(self, position: int) -> None:
        """Starts over with an empty queue at the client: the next clip begins at `position`."""
        self._clips.clear()
        self._heard.clear()
        self._next = self._anchor = position
        self._anchor_s = 0.0
        self._named_sentence = None
        self._running = self._start_reported = False
        self._waited_s = 0.0
        self._epoch += 1

    def tick(self) -> None:
        """Moves the player on by the 20 ms that have passed, if the client is playing."""
        self.follow()
        if self._clips and not self._running and not self._stopped:
            self._running = time.monotonic() - self._clips[0].sent_s > UNREPORTED_START_S
        if not self._clips:
            self._player.note_underrun()
        self._client.played(self._samples_heard() if self._running and not self._player.paused else 0)
        self._forget_heard()
        self.follow()
        self._wake.set()

    def _samples_heard(self) -> int:
        """Returns how many samples count as heard in this tick.

        The end of the clips counts only once the client has reported it. If the client does not acknowledge clips, the
        end also counts when the report is overdue.
        """
        if not self._clips:
            return 0
        end = (self._clips[0] if self._acknowledges else self._clips[-1]).end
        left = end - self._player.cursor
        if left > FRAME_SAMPLES:
            self._waited_s = 0.0
            return FRAME_SAMPLES
        self._waited_s += FRAME_S
        if not self._acknowledges:
            return left if self._waited_s > UNREPORTED_END_S else 0
        if self._waited_s > STALLED_S:
            self._waited_s = 0.0
            self._client.stalled()
        return 0

    def _forget_heard(self) -> None:
        while self._clips and self._clips[0].end <= self._player.cursor:
            self._heard.append(self._clips.popleft())

    # The client's side --------------------------------------------------------------------------------------------

    def started(self) -> None:
        """Takes the client's report that it has begun to play."""
        if self._clips and not self._start_reported and not self._stopped:
            self._running = self._start_reported = True

    def complete(self) -> None:
        """Takes the client's report that it has played all its clips.

        A clip counts as played only if there was time to play it since it was sent. Some clients also report this when
        they are stopped. So after `stop_playback` only clips that were due to end before the stop was sent count.
        """
        self.follow()
        if self._acknowledges:
            return
        until_s = self._stopped_s if self._stopped else time.monotonic()
        free_s = self._anchor_s
        heard: _Clip | None = None
        for clip in self._clips:
            free_s = max(free_s, clip.sent_s) + (clip.end - max(clip.start, self._anchor)) / WIRE_RATE_HZ
            if free_s > until_s + EARLY_S:
                break
            if self._stopped and self._start_reported and clip.end > self._player.cursor + EARLY_SAMPLES:
                break
            heard = clip
        if heard is None:
            return
        self._set_heard(heard.end)
        if not self._stopped or not self._clips:
            self._running = self._start_reported = False

    def acknowledge(self, sequence: int, played_ms: int | None) -> None:
        """Takes the client's report that it has played a clip to the end, or `played_ms` of it.

        Reports about clips that the client does not have are ignored. So is a report that a stopped clip was played to
        the end: some clients send one for clips that they drop.
        """
        self.follow()
        if sequence >= self._sequence:
            return
        self._acknowledges = True
        clip = next((each for each in (*self._heard, *self._clips) if each.sequence == sequence), None)
        if clip is None or (self._stopped and played_ms is None and clip.end > self._player.cursor + EARLY_SAMPLES):
            return
        end = clip.end if played_ms is None else clip.start + played_ms * WIRE_RATE_HZ // 1000
        self._acknowledged = max(self._acknowledged, min(end, clip.end))
        if clip in self._clips:
            self._waited_s = 0.0
            self._set_heard(self._acknowledged)
            self._running = not self._stopped
        if self._stopped and (played_ms is not None or not self._clips):
            self._settled.set()

    def _set_heard(self, position: int) -> None:
        self._player.set_heard(position)
        self._forget_heard()
        self.follow()

    # Clips --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sends clips when the reply's audio arrives and the client has room for them."""
        while True:
            self._wake.clear()
            await self._wake.wait()
            while (span := self._audio_due()) is not None:
                await self._send_clip(span)

    def _audio_due(self) -> AudioSpan | None:
        """Returns the audio from which the next clip is to be made now; None if there is none."""
        self.follow()
        if self._reply is None or self._player.paused or len(self._clips) >= MAX_UNHEARD_CLIPS:
            return None
        span = self._player.audio_from(self._next)
        if span is None:
            return None
        available = len(span.sound) - span.offset
        if span.complete or available >= MAX_CLIP_SAMPLES:
            return span
        scarce = self._next - self._player.cursor < SCARCE_SAMPLES
        return span if scarce and available >= MIN_CLIP_SAMPLES else None

    async def _send_clip(self, span: AudioSpan) -> None:
        samples = span.sound[span.offset :][:MAX_CLIP_SAMPLES]
        epoch = self._epoch
        mp3 = await asyncio.to_thread(encode, samples)
        self.follow()
        if epoch != self._epoch:
            return
        clip = _Clip(self._sequence, self._next, self._next + len(samples), time.monotonic())
        self._clips.append(clip)
        self._sequence, self._next = clip.sequence + 1, clip.end
        sentence = clip.start - span.offset
        first = self._named_words if self._named_sentence == sentence else span.begun(-MAX_OFFSET)
        self._named_sentence, self._named_words = sentence, max(first, span.begun(len(samples)))
        self._client.send(
            PlayAudio(
                audio=base64.b64encode(mp3).decode(),
                sequence=clip.sequence,
                text=" ".join(span.words[first : self._named_words]),
                duration_ms=round(len(samples) * 1000 / WIRE_RATE_HZ),
            )
        )
