"""What a client plays by itself: clips go out ahead of the player, which follows as they are heard."""

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

WINDOW = 16
"""Clips that may be unheard: more the backend note's client would drop."""

MAX_CLIP = 4 * WIRE_RATE_HZ
MIN_CLIP = round(0.4 * WIRE_RATE_HZ)
SCARCE = round(0.8 * WIRE_RATE_HZ)
"""With so little left to play, the client is given part of a sentence whose sound is still coming in."""

UNTOLD_START_S = 1.0
"""A client that does not say when it begins to play is taken to begin so long after the first clip has been sent."""

UNTOLD_END_S = 0.5
"""And to be done so long after the clips should have ended."""

STALLED_S = 8.0
"""A client that acknowledges clips, and has not acknowledged one so long after its end, does not play any more."""

CUT_S = 0.3
"""So long a client that acknowledges clips may take to say how much it had played of the one that was cut for good."""

EARLY_S = 0.3
EARLY = round(EARLY_S * WIRE_RATE_HZ)
"""A clip can't have been played sooner after it was sent than it is long; clocks and buffers allow for this much."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip on its way or at the client; positions count the reply's samples."""

    sequence: int
    start: int
    end: int
    sent_s: float


class PlayingClient(Protocol):
    """The client that plays the clips."""

    def send(self, message: ServerMessage) -> None: ...

    def played(self, most: int) -> None:
        """It is taken to have played so many samples."""
        ...

    def stalled(self) -> None:
        """It acknowledges clips, and does not play any more."""
        ...


class Playout(Observer):
    """The client's side of a `Player`: what it was sent and how much of that has been heard.

    `tick` is to be called each 20 ms. As an observer it sees when the player may have been paused, resumed or emptied.
    """

    def __init__(self, player: Player, client: PlayingClient, *, can_pause: bool) -> None:
        self._player, self._client, self._can_pause = player, client, can_pause
        self._reply: int | None = None
        self._clips: deque[_Clip] = deque()
        self._next = 0
        """Where the next clip begins."""
        self._sequence = 0
        self._heard: deque[_Clip] = deque(maxlen=WINDOW)
        """Clips of the reply that were taken to be played, and may be acknowledged late."""
        self._stopped = self._over = False
        """The client was told to stop, and may be told to go on; or it was told that the reply is over."""
        self._stopped_s = 0.0
        """When it was told so last."""
        self._anchor, self._anchor_s = 0, 0.0
        """The client can't have played what comes after this position of the reply sooner than from this time on."""
        self._running = self._told = False
        """The client is taken to be playing; it has said so."""
        self._acknowledges = False
        self._acknowledged = 0
        """So much of the reply was."""
        self._settled = asyncio.Event()
        """Since it was told to stop the client has said how far it had come."""
        self._waited_s = 0.0
        self._epoch = 0
        """What was being encoded in an earlier one is not to be sent."""
        self._naming: int | None = None
        """Where the sentence begins that is being given in clips; so many of its words were in them."""
        self._named = 0
        self._wake = asyncio.Event()

    @property
    def unheard(self) -> int:
        """Clips the client has and has not played."""
        return len(self._clips)

    # The server's side --------------------------------------------------------------------------------------------

    def stepped(self, step: SessionStep) -> None:
        if step.changed:
            self.follow()

    def follow(self) -> None:
        """Tell the client what became of the player."""
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
        """The paused reply is over. Of one who acknowledges clips the player learns how much of it was heard.

        What is not acknowledged by then was not heard: the client may have stopped to play long ago.
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
        """Of this reply the client has nothing more to play."""
        if self._clips and not self._over and (not self._stopped or self._can_pause):
            self._stop(discard=True)
        self._over = self._stopped = True

    def _stop(self, *, discard: bool) -> None:
        self._client.send(StopPlayback(discard=discard))
        if not self._stopped:
            self._stopped, self._stopped_s = True, time.monotonic()
            self._settled.clear()

    def _restart(self, position: int) -> None:
        self._clips.clear()
        self._heard.clear()
        self._next = self._anchor = position
        self._anchor_s = 0.0
        self._naming = None
        self._running = self._told = False
        self._waited_s = 0.0
        self._epoch += 1

    def tick(self) -> None:
        """20 ms have gone by."""
        self.follow()
        now_s = time.monotonic()
        if self._clips and not self._running and not self._stopped and now_s - self._clips[0].sent_s > UNTOLD_START_S:
            self._running = True
        if not self._clips:
            self._player.note_underrun()
        self._client.played(self._allowed() if self._running and not self._player.paused else 0)
        self._forget_heard()
        self.follow()
        self._wake.set()

    def _allowed(self) -> int:
        """So many samples may count as heard at this tick. The end of a clip must be told, or be overdue."""
        if not self._clips:
            return 0
        end = (self._clips[0] if self._acknowledges else self._clips[-1]).end
        left = end - self._player.cursor
        if left > FRAME_SAMPLES:
            self._waited_s = 0.0
            return FRAME_SAMPLES
        self._waited_s += FRAME_S
        if not self._acknowledges:
            return left if self._waited_s > UNTOLD_END_S else 0
        if self._waited_s > STALLED_S:
            self._waited_s = 0.0
            self._client.stalled()
        return 0

    def _forget_heard(self) -> None:
        while self._clips and self._clips[0].end <= self._player.cursor:
            self._heard.append(self._clips.popleft())

    # The client's side --------------------------------------------------------------------------------------------

    def started(self) -> None:
        """The client has begun to play."""
        if self._clips and not self._told and not self._stopped:
            self._running = self._told = True

    def complete(self) -> None:
        """The client has played all that it has. What was sent a moment ago it can't have had.

        After `stop_playback` this tells only of what was played before: players say it of sound that was stopped, too.
        It is true if the message and the stop have crossed, and then the clips were due to end when the stop was sent.
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
            if self._stopped and self._told and clip.end > self._player.cursor + EARLY:
                break
            heard = clip
        if heard is None:
            return
        self._heard_to(heard.end)
        if not self._stopped or not self._clips:
            self._running = self._told = False

    def acknowledge(self, sequence: int, played_ms: int | None) -> None:
        """A clip was played, or so much of it. Of clips that the client should not have nothing is believed.

        Nor that one was played whole which was stopped before: players say so of what they drop.
        """
        self.follow()
        if sequence >= self._sequence:
            return
        self._acknowledges = True
        clip = next((each for each in (*self._heard, *self._clips) if each.sequence == sequence), None)
        if clip is None or (self._stopped and played_ms is None and clip.end > self._player.cursor + EARLY):
            return
        end = clip.end if played_ms is None else clip.start + played_ms * WIRE_RATE_HZ // 1000
        self._acknowledged = max(self._acknowledged, min(end, clip.end))
        if clip in self._clips:
            self._waited_s = 0.0
            self._heard_to(self._acknowledged)
            self._running = not self._stopped
        if self._stopped and (played_ms is not None or not self._clips):
            self._settled.set()

    def _heard_to(self, position: int) -> None:
        self._player.set_heard(position)
        self._forget_heard()
        self.follow()

    # Clips --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send clips, as the reply's sound comes and the client has room for them."""
        while True:
            self._wake.clear()
            await self._wake.wait()
            while (span := self._due()) is not None:
                await self._give(span)

    def _due(self) -> AudioSpan | None:
        """The sound of which a clip should be made now."""
        self.follow()
        if self._reply is None or self._player.paused or len(self._clips) >= WINDOW:
            return None
        span = self._player.audio_from(self._next)
        if span is None:
            return None
        there = len(span.sound) - span.offset
        if span.complete or there >= MAX_CLIP:
            return span
        scarce = self._next - self._player.cursor < SCARCE
        return span if scarce and there >= MIN_CLIP else None

    async def _give(self, span: AudioSpan) -> None:
        samples = span.sound[span.offset :][:MAX_CLIP]
        epoch = self._epoch
        mp3 = await asyncio.to_thread(encode, samples)
        self.follow()
        if epoch != self._epoch:
            return
        clip = _Clip(self._sequence, self._next, self._next + len(samples), time.monotonic())
        self._clips.append(clip)
        self._sequence, self._next = clip.sequence + 1, clip.end
        sentence = clip.start - span.offset
        first = self._named if self._naming == sentence else span.begun(-MAX_OFFSET)
        self._naming, self._named = sentence, max(first, span.begun(len(samples)))
        self._client.send(
            PlayAudio(
                audio=base64.b64encode(mp3).decode(),
                sequence=clip.sequence,
                text=" ".join(span.words[first : self._named]),
                duration_ms=round(len(samples) * 1000 / WIRE_RATE_HZ),
            )
        )
