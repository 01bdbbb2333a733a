"""One session's recorder, and all those of this process: a recording outlives its session by some minutes."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import ConversationCleared
from voicebot.dialogue.history import History
from voicebot.dialogue.observer import Observer, SessionStep
from voicebot.dialogue.state import State
from voicebot.recording.journal import Journal
from voicebot.recording.lane import RATE_HZ
from voicebot.recording.tape import Sound, Tape
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

NAME_BYTES = 24
NAME_PATTERN = r"^[A-Za-z0-9_-]{32}$"
"""What a recording's name looks like: a secret of its session, as who knows it may hear all."""

GRACE_S = 300.0
"""So long after its end a session can still be taken along. Of more than MAX_SESSIONS that have ended the oldest go."""


@dataclass(frozen=True, slots=True)
class Take:
    """A session as it was at one moment, to be packed in a thread. It must be closed."""

    began_at: datetime
    journal: Journal
    sound: Sound | None
    cut_off: bool
    """The sound is as long as it may be, or the disk was full, and more was to come."""

    def close(self) -> None:
        """May come twice."""
        if self.sound is not None:
            self.sound.close()


class Recorder(Observer):
    """One session's. All calls come from the event loop that plays the sound: nothing here waits.

    Times are those of the monotonic clock; the recording's seconds and samples count from `begin`, or from when the
    conversation was last cleared, as what was said before that is to be forgotten.
    """

    def __init__(self, recordings: Recordings, history: History, seconds: float) -> None:
        self.name = secrets.token_urlsafe(NAME_BYTES)
        self._recordings, self._limit = recordings, round(seconds * RATE_HZ)
        self._journal = Journal(State(history=history), time.monotonic())
        self._began_at = datetime.now(UTC)
        self._tape: Tape | None = None
        self._live = False

    @property
    def began_at(self) -> datetime:
        """UTC."""
        return self._began_at

    def begin(self) -> None:
        """The session has begun."""
        self._live = True
        self._restart(self._journal.state, time.monotonic())
        self._recordings.keep(self)

    def end(self) -> None:
        """It is over. May come twice, or before `begin`."""
        if self._live:
            self._live = False
            self._recordings.ended(self)

    def stepped(self, step: SessionStep) -> None:
        if isinstance(step.input, ConversationCleared) and self._live:
            self._restart(step.state, step.at_s)
        else:
            self._journal.stepped(step)

    def heard(self, audio: Audio) -> None:
        """Sound has come from the user."""
        if self._tape is not None and self._live:
            self._tape.heard(audio, self._now())

    def played(self, frame: Samples, ahead: int = 0) -> None:
        """Sound at 48 kHz goes out to the user, `ahead` samples from now."""
        if self._tape is not None and self._live:
            self._tape.played(Audio(frame, WIRE_RATE_HZ), self._now() + ahead * RATE_HZ // WIRE_RATE_HZ)

    def take(self) -> Take:
        """What there is up to now."""
        sound = self._sound()
        return Take(self._began_at, self._journal.copy(), sound, self._tape is not None and self._tape.full)

    def close(self) -> None:
        """Nothing of it is left."""
        self._live = False
        if self._tape is not None:
            self._tape.close()
            self._tape = None

    def _sound(self) -> Sound | None:
        try:
            return None if self._tape is None else self._tape.sound()
        except OSError as error:
            logger.error("a recording can't be read: %s", error)
            return None

    def _restart(self, state: State, at_s: float) -> None:
        if self._tape is not None:
            self._tape.close()
        self._tape = self._new_tape()
        self._journal = Journal(state, at_s)
        self._began_at = datetime.now(UTC) - timedelta(seconds=time.monotonic() - at_s)

    def _new_tape(self) -> Tape | None:
        try:
            return Tape(self._limit) if self._limit else None
        except OSError as error:
            logger.error("no sound is recorded: %s", error)
            return None

    def _now(self) -> int:
        return round((time.monotonic() - self._journal.began_s) * RATE_HZ)


class Recordings:
    """Those of the sessions that go on, and of those that ended not long ago."""

    def __init__(self, settings: Settings, grace_s: float = GRACE_S) -> None:
        self._seconds = settings.recording_minutes * 60
        self._most_ended = settings.max_sessions
        self._grace_s = grace_s
        self._kept: dict[str, Recorder] = {}
        self._ended: dict[str, asyncio.TimerHandle] = {}

    def new(self, history: History) -> Recorder:
        """For a session that goes on from there."""
        return Recorder(self, history, self._seconds)

    def find(self, name: str) -> Recorder | None:
        return self._kept.get(name)

    def keep(self, recorder: Recorder) -> None:
        self._kept[recorder.name] = recorder

    def ended(self, recorder: Recorder) -> None:
        """It is kept for a while."""
        loop = asyncio.get_running_loop()
        self._ended[recorder.name] = loop.call_later(self._grace_s, self.drop, recorder.name)
        if len(self._ended) > self._most_ended:
            self.drop(next(iter(self._ended)))

    def close(self) -> None:
        """Nothing of any is left."""
        for name in list(self._kept):
            self.drop(name)

    def drop(self, name: str) -> None:
        """Nothing of it is left."""
        if (timer := self._ended.pop(name, None)) is not None:
            timer.cancel()
        if (recorder := self._kept.pop(name, None)) is not None:
            recorder.close()
