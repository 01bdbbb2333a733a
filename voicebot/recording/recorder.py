"""Records the sessions of this process, and keeps each recording for some minutes after its session."""

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
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.recording.session_log import SessionLog
from voicebot.recording.stereo_recorder import StereoRecorder, StereoSound
from voicebot.recording.timeline import RATE_HZ
from voicebot.settings.config import Settings

logger = logging.getLogger(__name__)

NAME_BYTES = 24
NAME_PATTERN = r"^[A-Za-z0-9_-]{32}$"
"""The form of a recording's name. The name is a secret of its session: whoever knows it can download everything."""

GRACE_S = 300.0
"""How long the recording of an ended session is kept. Of ended sessions, the newest MAX_SESSIONS are kept, of which
each worker has its share."""


@dataclass(frozen=True, slots=True)
class RecordingSnapshot:
    """The state of a recording at one moment, to be packed in a thread. It must be closed."""

    began_at: datetime
    log: SessionLog
    sound: StereoSound | None
    cut_off: bool
    """True if the sound ends before the session, because of the limit or a full disk."""

    def close(self) -> None:
        """Can be called more than once."""
        if self.sound is not None:
            self.sound.close()


class Recorder(Observer):
    """Records one session. All calls come from the event loop that plays the sound, so no method waits.

    The recording begins with the session. It restarts when the conversation is cleared, because the earlier words must
    be forgotten.
    """

    def __init__(self, recordings: Recordings, history: History, calls: tuple[CallRecord, ...], seconds: float) -> None:
        self.name = secrets.token_urlsafe(NAME_BYTES)
        self._recordings, self._limit = recordings, round(seconds * RATE_HZ)
        self._log = SessionLog(State(history=history, calls=calls), time.monotonic())
        self._began_at = datetime.now(UTC)
        self._sound: StereoRecorder | None = None
        self._is_recording = False

    @property
    def began_at(self) -> datetime:
        """The time of day at which the recording began, in UTC."""
        return self._began_at

    def begin(self) -> None:
        """Starts the recording with its session."""
        self._is_recording = True
        self._restart(self._log.state, time.monotonic())
        self._recordings.keep(self)

    def end(self) -> None:
        """Stops the recording with its session. Can be called more than once, and before `begin`."""
        if self._is_recording:
            self._is_recording = False
            self._recordings.drop_later(self)

    def stepped(self, step: SessionStep) -> None:
        if isinstance(step.input, ConversationCleared) and self._is_recording:
            self._restart(step.state, step.at_s)
        else:
            self._log.add_step(step)

    def heard(self, audio: Audio) -> None:
        """Records a piece of audio that has just arrived from the user."""
        if self._sound is not None and self._is_recording:
            self._sound.record_user(audio, self._now())

    def played(self, frame: Samples, ahead: int = 0) -> None:
        """Records audio at 48 kHz that is sent to the user `ahead` samples from now."""
        if self._sound is not None and self._is_recording:
            self._sound.record_bot(Audio(frame, WIRE_RATE_HZ), self._now() + ahead * RATE_HZ // WIRE_RATE_HZ)

    def snapshot(self) -> RecordingSnapshot:
        """Returns the recording up to now, without the sound if that cannot be read."""
        sound, cut_off = None, False
        if self._sound is not None:
            try:
                sound, cut_off = self._sound.snapshot(), self._sound.is_full
            except OSError as error:
                logger.error("the sound of a recording cannot be read: %s", error)
        return RecordingSnapshot(self._began_at, self._log.copy(), sound, cut_off)

    def close(self) -> None:
        """Deletes the sound and stops recording."""
        self._is_recording = False
        if self._sound is not None:
            self._sound.close()
            self._sound = None

    def _restart(self, state: State, at_s: float) -> None:
        if self._sound is not None:
            self._sound.close()
        self._sound = self._new_sound()
        self._log = SessionLog(state, at_s)
        self._began_at = datetime.now(UTC) - timedelta(seconds=time.monotonic() - at_s)

    def _new_sound(self) -> StereoRecorder | None:
        try:
            return StereoRecorder(self._limit) if self._limit else None
        except OSError as error:
            logger.error("no sound is recorded: %s", error)
            return None

    def _now(self) -> int:
        return round((time.monotonic() - self._log.began_s) * RATE_HZ)


class Recordings:
    """The recordings of all current sessions, and of those that have ended within the grace period."""

    def __init__(self, settings: Settings, grace_s: float = GRACE_S, *, max_ended: int | None = None) -> None:
        self._seconds = settings.recording_minutes * 60
        self._max_ended = settings.max_sessions if max_ended is None else max_ended
        self._grace_s = grace_s
        self._recorders: dict[str, Recorder] = {}
        self._ended: dict[str, asyncio.TimerHandle] = {}
        self._none = asyncio.Event()
        """Set while there is no recording."""
        self._none.set()

    def __len__(self) -> int:
        return len(self._recorders)

    async def wait_until_gone(self) -> None:
        """Waits until the last recording is deleted."""
        await self._none.wait()

    def new(self, history: History, calls: tuple[CallRecord, ...] = ()) -> Recorder:
        """Returns a recorder for a session that goes on from this history and these calls."""
        return Recorder(self, history, calls, self._seconds)

    def find(self, name: str) -> Recorder | None:
        return self._recorders.get(name)

    def keep(self, recorder: Recorder) -> None:
        """Keeps a recording until it is dropped."""
        self._recorders[recorder.name] = recorder
        self._none.clear()

    def drop_later(self, recorder: Recorder) -> None:
        """Drops the recording after the grace period, or earlier if too many others have ended."""
        loop = asyncio.get_running_loop()
        self._ended[recorder.name] = loop.call_later(self._grace_s, self.drop, recorder.name)
        if len(self._ended) > self._max_ended:
            self.drop(next(iter(self._ended)))

    def drop(self, name: str) -> None:
        """Deletes a recording if it exists."""
        if (timer := self._ended.pop(name, None)) is not None:
            timer.cancel()
        if (recorder := self._recorders.pop(name, None)) is not None:
            recorder.close()
        if not self._recorders:
            self._none.set()

    def close(self) -> None:
        """Deletes all recordings."""
        for name in list(self._recorders):
            self.drop(name)
