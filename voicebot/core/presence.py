"""Is the user still there? One who says nothing for long is asked, then said goodbye to, and the session ends."""

from __future__ import annotations

from voicebot.core.draft import Draft
from voicebot.core.events import EndCause, EndSession, Timer
from voicebot.core.sayings import goodbye, still_there
from voicebot.core.state import Presence

NOBODY_THERE = "Nothing was said or typed for a while."


class Attendance(Draft):
    """The part of a step that minds whether anybody is there.

    Only what the user means counts: words, typing, the buttons. Noise and the bot's own echo don't, or a session in a
    noisy room would never end.
    """

    def _word_fell(self) -> None:
        """The silence begins anew."""
        self._set(last_word_s=self.at_s)

    def _notice_user(self) -> None:
        self._set(presence=Presence.THERE)
        self._word_fell()
        self._stop(Timer.IDLE)

    def _settle_presence(self) -> None:
        """While the session is idle the user is waited for; when the goodbye is over, the session is."""
        state, rules = self.state, self.state.rules
        if not state.is_idle:
            self._stop(Timer.IDLE)
        elif state.refused is not None:
            self._stop(Timer.IDLE)
            if state.presence is not Presence.GONE:
                self._set(presence=Presence.GONE)
                self.commands.append(EndSession(state.refused, EndCause.DAY))
        elif state.presence is Presence.LEFT:
            self._set(presence=Presence.GONE)
            self.commands.append(EndSession(NOBODY_THERE))
        elif rules.idle_timeout_s and state.presence is not Presence.GONE and Timer.IDLE not in dict(state.timers):
            patience_s = rules.idle_goodbye_s if state.presence is Presence.ASKED else rules.idle_timeout_s
            self._start(Timer.IDLE, max(0.0, state.last_word_s + patience_s - self.at_s))

    def _miss_user(self) -> None:
        """The silence has lasted for too long."""
        asked = self.state.presence is Presence.ASKED
        self._set(presence=Presence.LEFT if asked else Presence.ASKED)
        self._say((goodbye if asked else still_there)(self.state.rules.language))
