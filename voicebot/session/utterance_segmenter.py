"""Cuts microphone audio into utterances, each with the audio from just before its speech was detected."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicebot.audio.echo import ECHO_SCORE, EchoDetector
from voicebot.audio.prosody import ProsodyMeter
from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, Audio, Resampler, Samples, is_silent
from voicebot.dialogue.endpointing import WINDOW_S, Endpointer, EndpointRules, SpeechEvent
from voicebot.dialogue.events import (
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import Endpointing, InterruptionThresholds
from voicebot.engines.protocols import Pause, VoiceActivityDetector

PRE_ROLL_S = 0.3
"""How much audio from before the detected start belongs to an utterance, so that no first syllable is lost."""

FAINT_DB = -26.0
"""A window this much fainter than the utterance so far is silence, whatever the detector reports: Silero's probability
falls only 60 to 130 ms after the voice."""

ECHO_KNOWN_WINDOWS = 16
ECHO_EXPECTED = 1.5
"""Half a second of echo (this many windows) shows an open loudspeaker. The echo scores of later utterances are then
multiplied by `ECHO_EXPECTED`, unless the echo path is known, which makes the score exact."""

ECHO_UNEXPECTED = 0.4
"""A user whose microphone stayed quiet while the bot spoke probably wears headphones. What resembles the bot's voice
then resembles it by chance, and its score as a copy is multiplied by this. Of 444 short utterances in three voices over
a bot without any echo, 78 had a share of `ECHO_FOUND` without it, and 6 with it, all in the bot's own voice. With 0.5
there were 8, and one in fourteen "uh-huh" over another voice. The first echo after the headphones are unplugged still
has such a share if it scores 0.88 or more; the median of echoes scores 1 (`audio/echo/copy.py`)."""

COPIED = 0.75
"""Fewer than one in a hundred other voices resemble a copy of the bot's voice this much."""
ECHO_SUSPECTED = 0.1
ECHO_FOUND = 0.35
GRACE_S = 0.8
"""An utterance with an echo share of `ECHO_FOUND` shows that the echo detector does not know the delay yet. For the
next `GRACE_S` of the bot's voice nothing counts as speech, so that the detector gets enough sound to find it."""
GRACE_WINDOWS = math.ceil(GRACE_S / WINDOW_S)
ECHO_AFTER_S = 0.5
"""This long after the bot's last sound, nothing is held back any more: a silent bot is never deaf."""

LEARNING_S = 0.5
"""The first sound over the bot's voice may be an echo of it, and from 0.2 s of echo in a reverberant room the
recogniser made words that interrupted the bot. So the first sound is collected for this long before it is decided
whether it is an utterance. The bot falls silent before that if the sound does not resemble its voice (`COMPARED_S`).
This happens once in a session, and not at all if the microphone has been quiet while the bot spoke."""
LEARNT_S = 0.16
"""This much sound is enough to recognise a clear echo."""
COMPARED_S = 0.2
"""The length of the sound that shows whether the bot should fall silent, while speech is suspected. It should if the
sound is neither `COPIED` nor explained by the echo path (`ECHO_SCORE`). Of 62 echoes (five voices, two recorded and
three computed rooms, -6 to -20 dB) 1 was taken for the user's voice, and of 36 users 36."""
LEARNING_ON_S = 0.8
"""Sound that partly resembles an echo is collected for this long, as strong reverberation takes longer to learn."""
SOONEST_S = 0.2
"""Sound that comes sooner than this after the bot's first sound is the user speaking on: an echo has to pass two jitter
buffers, a loudspeaker, a microphone and the speech detector."""
STILL_S = 1.0
"""An echo comes within this time of the bot's voice: the longest delay is 0.9 s."""

UNNOTICED_WINDOWS = 4
"""The user may have begun to speak this many windows (0.13 s) before the echo detector noticed another voice."""

POWERS_KEPT = 300
"""How many windows, some 10 s, measure the loudness of a user who speaks on after an utterance was cut."""

SpeechChange = SpeechSuspected | SpeechCleared | SpeechStarted | SpeechPaused | SpeechContinued | SpeechEnded


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """The next audio of an utterance, at 16 kHz, or a mark at a pause."""

    utterance: int
    sound: Audio | Pause


@dataclass(frozen=True, slots=True)
class _PastWindow:
    """A window from before an utterance: whether it was the bot's echo, or speech that was held back."""

    window: Samples
    is_echo: bool
    was_held_back: bool


class UtteranceSegmenter:
    """Follows one stream of microphone audio.

    `receive_audio` returns the changes of speech and the audio of utterances. `note_playback` takes the bot's own
    voice, which begins no utterance and is removed from their audio. The first audio of an utterance follows its
    `SpeechStarted` and holds the pre-roll and the windows in which speech was detected. If a user speaks for too long,
    each utterance begins with the sample after the last one of the utterance before.
    """

    def __init__(self, vad: VoiceActivityDetector, rules: EndpointRules) -> None:
        self._vad = vad
        self._rules = self._over_the_bot = rules
        self._endpointer = Endpointer(rules)
        self._events: list[SpeechChange | UtteranceAudio] = []
        """What `receive_audio` is about to return."""
        self._resamplers: dict[int, Resampler] = {}
        self._left_over: Samples = np.zeros(0, np.int16)
        self._pre_roll = _windows_before(rules)
        self._before: deque[_PastWindow] = deque(maxlen=self._pre_roll + GRACE_WINDOWS)
        """The last windows: the pre-roll, and before it those that were held back."""
        self._utterance = 0
        self._pause = 0
        self._powers: list[float] = []
        """The mean power of each window of this utterance in which somebody spoke."""
        self._known: Speech | None = None
        """The last measurement of this utterance."""
        self._prosody = ProsodyMeter()
        self._echo = EchoDetector()
        self._echo_windows = 0
        """How many windows of this session would have counted as speech if they had not been an echo."""
        self._grace_s = 0.0
        """How much more of the bot's voice must be played before anything over it counts as speech again."""
        self._silent_s = ECHO_AFTER_S
        """The time since the bot's last sound."""
        self._still_s = 0.0
        """How long the bot has spoken in this session before the microphone heard anything like speech."""
        self._learning = True
        """Whether it is still unknown if the bot's voice comes back as an echo."""
        self._stayed_quiet = False
        """Whether the microphone heard nothing like speech during the bot's first `STILL_S`."""
        self._undecided: list[tuple[Samples, float]] = []
        """The windows, each with its speech probability, that wait until that is known."""
        self._newer_windows = 0
        """How many windows have come since the one that is being taken."""
        self._first_sound = Endpointer(rules)
        """Finds out whether the windows that wait may be speech."""
        self._suspects_user = False
        """Whether they may be speech, and not an echo."""

    @property
    def hears_speech(self) -> bool:
        return self._endpointer.speaking or self._endpointer.suspecting or bool(self._undecided)

    def set_endpointing_delay(self, utterance: int, silence_s: float) -> None:
        """Sets the silence that ends the utterance, if it has not ended yet."""
        if utterance == self._utterance:
            self._endpointer.endpointing_delay_s = silence_s

    def speech(self, utterance: int) -> Speech | None:
        """Returns what is known of the sound of an utterance so far; None if it is not the newest one."""
        return self._measured() if utterance == self._utterance and self._powers else None

    def set_thresholds(self, thresholds: InterruptionThresholds) -> None:
        """Sets what counts as speech over the bot's voice from now on."""
        self._over_the_bot = self._rules.over_the_bot(thresholds)
        self._pre_roll = max(_windows_before(self._rules), _windows_before(self._over_the_bot))
        self._before = deque(self._before, maxlen=self._pre_roll + GRACE_WINDOWS)

    def set_endpointing(self, endpointing: Endpointing) -> None:
        """Sets the silence that ends an utterance whose words have not set an endpointing delay."""
        self._rules = self._rules.with_endpointing(endpointing)
        self._over_the_bot = self._over_the_bot.with_endpointing(endpointing)

    def note_playback(self, frame: Samples) -> None:
        """Takes the next 20 ms of the bot's voice at 48 kHz, silence included."""
        self._echo.add_playback(frame)
        if not is_silent(frame):
            self._silent_s = 0.0
            self._grace_s -= FRAME_S
            self._still_s += FRAME_S
        else:
            self._silent_s += FRAME_S

    def press(self) -> list[SpeechChange | UtteranceAudio]:
        """The user presses the talk button. Begins an utterance with the next window, or continues the one under way.

        Returns what that brings about, as `receive_audio` does.
        """
        if self._endpointer.press():
            self._before.clear()
            self._undecided.clear()
            self._suspects_user = False
            self._begin_utterance()
            self._echo.start_cancelling()
        return self._take_events()

    def release(self) -> None:
        """The user lets go of the talk button: the utterance under way ends soon."""
        self._endpointer.release()

    def forget_echo(self) -> None:
        """The microphone was off while the bot spoke: it is unknown again whether the bot's voice comes back."""
        self._still_s, self._learning = 0.0, True

    @property
    def is_open(self) -> bool:
        """Whether the user holds the talk button, or has let go of it so recently that sound may be on its way."""
        return self._endpointer.is_open

    def receive_audio(self, audio: Audio) -> list[SpeechChange | UtteranceAudio]:
        """Takes more microphone audio, of any length and rate. Returns what it brings about, in order."""
        if audio.rate_hz not in self._resamplers:
            self._resamplers = {audio.rate_hz: Resampler(audio.rate_hz, SPEECH_RATE_HZ)}
        speech = self._resamplers[audio.rate_hz].push(audio).samples
        samples = np.concatenate([self._left_over, speech]) if len(self._left_over) else speech
        size = self._vad.window_samples
        whole = len(samples) // size * size
        for start in range(0, whole, size):
            self._hear_window(samples[start : start + size])
        self._left_over = samples[whole:]
        return self._take_events()

    def _take_events(self) -> list[SpeechChange | UtteranceAudio]:
        events, self._events = self._events, []
        return events

    def _hear_window(self, window: Samples) -> None:
        is_echo = self._echo.add_microphone(window) >= ECHO_SCORE
        probability = self._vad.probability(window)
        if self._learning and self._learn(window, probability):
            return
        self._take_window(window, probability, is_echo=is_echo)

    def _learn(self, window: Samples, probability: float) -> bool:
        """Holds a window back while it is unknown whether the bot's voice comes back. Returns False if it need not."""
        if not self._undecided:
            over_the_bot = self._silent_s < ECHO_AFTER_S and not self.hears_speech
            likely = probability >= self._rules.threshold - self._rules.hysteresis
            self._stayed_quiet = self._still_s >= STILL_S
            self._learning = not self._stayed_quiet
            if not (self._learning and over_the_bot and likely and self._still_s >= SOONEST_S):
                return False
            self._first_sound = Endpointer(self._over_the_bot)
        self._undecided.append((window, probability))
        self._suspect(probability)
        heard_s = len(self._undecided) * WINDOW_S
        score = max(self._echo.score(LEARNT_S) or 0.0, self._echo.score(heard_s) or 0.0)
        longest_s = LEARNING_ON_S if score >= ECHO_SUSPECTED else LEARNING_S
        if heard_s >= longest_s or (heard_s >= LEARNT_S and score >= ECHO_SCORE):
            self._learning = False
            if is_echo := score >= ECHO_SCORE or (self._echo.score_as_copy(heard_s) or 0.0) >= COPIED:
                self._grace_s = GRACE_S
            for number, undecided in enumerate(self._undecided, 1):
                self._newer_windows = len(self._undecided) - number
                self._take_window(*undecided, is_echo=is_echo)
            self._undecided.clear()
            if self._suspects_user and not self.hears_speech:
                self._events.append(SpeechCleared())
            self._suspects_user = False
        return True

    def _suspect(self, probability: float) -> None:
        """Lets the bot fall silent when the window that has just come may be the user's, and no echo."""
        event, sound = self._first_sound.push(probability), self._first_sound
        if self._suspects_user:
            if event is SpeechEvent.CLEARED:
                self._suspects_user = False
                self._events.append(SpeechCleared())
        elif sound.suspecting or (sound.speaking and not sound.silence_s):
            self._suspects_user = not self._sounds_like_bot()
            if self._suspects_user:
                self._events.append(SpeechSuspected())

    def _sounds_like_bot(self) -> bool:
        """Returns True if the last tenths of a second resemble the bot's voice."""
        explained, copied = self._echo.score(LEARNT_S), self._echo.score_as_copy(COMPARED_S)
        return (explained or 0.0) >= ECHO_SCORE or (copied or 0.0) >= COPIED

    def _take_window(self, window: Samples, probability: float, *, is_echo: bool) -> None:
        endpointer = self._endpointer
        values = window.astype(np.float32)
        power = float(values @ values) / len(values)
        held_back = self._grace_s > 0 and self._silent_s < ECHO_AFTER_S
        before = _PastWindow(window, is_echo, held_back and not is_echo and probability >= 0.5)
        has_spoken = endpointer.speaking and self._powers  # who holds the talk button may not have spoken yet
        if held_back or (power < self._faint if has_spoken else is_echo):
            self._echo_windows += is_echo and probability >= 0.5
            probability = 0.0
        over_the_bot = not endpointer.speaking and self._silent_s < ECHO_AFTER_S
        endpointer.rules = self._over_the_bot if over_the_bot else self._rules
        goes_on = endpointer.goes_on
        event = endpointer.push(probability)
        if not (endpointer.speaking or event in (SpeechEvent.ENDED, SpeechEvent.RELEASED)):
            self._before.append(before)
            self._note_event(event)
            return
        if event is SpeechEvent.STARTED and not goes_on:
            self._begin_utterance(endpointer.utterance_s + self._newer_windows * WINDOW_S)
            self._before.append(before)
            self._echo.start_cancelling()
            windows = self._windows_of_speech()
            self._add_sound(np.concatenate([each.window for each in windows]), silent=self._count_echo_windows(windows))
            self._before.clear()
        else:
            self._add_sound(window)
        if not endpointer.silence_s:
            self._powers.append(power)
        self._note_event(event)

    def _begin_utterance(self, since_s: float = 0.0) -> None:
        self._utterance += 1
        self._pause = 0
        self._powers.clear()
        self._known = None
        self._prosody.start()
        self._events.append(SpeechStarted(self._utterance, since_s=since_s, held=self._endpointer.held))

    def _windows_of_speech(self) -> list[_PastWindow]:
        """Returns the pre-roll, and any speech before it that was held back, which may have been the user's."""
        windows = list(self._before)
        start = pre_roll = max(0, len(windows) - self._pre_roll)
        while start and windows[start - 1].was_held_back:
            start -= 1
        if start < pre_roll:
            start = max(0, start - UNNOTICED_WINDOWS)  # words begin softly
        return windows[start:]

    def _count_echo_windows(self, windows: Sequence[_PastWindow]) -> int:
        """Returns how many of the first windows hold the bot's voice and nobody else's."""
        if not self._echo.is_cancelling:
            return 0
        others = next((number for number, each in enumerate(windows) if not each.is_echo), 0)
        return max(0, others - UNNOTICED_WINDOWS)

    def _add_sound(self, sound: Samples, *, silent: int = 0) -> None:
        """Adds audio to the utterance without the bot's echo. The first `silent` windows are silenced."""
        if not self._undecided:  # undecided windows are older than what the echo detector heard last
            sound = self._echo.cancel_echo(sound)
        if silent:
            sound = sound.copy()
            sound[: silent * self._vad.window_samples] = 0
        self._prosody.add(sound)
        self._events.append(UtteranceAudio(self._utterance, Audio(sound, SPEECH_RATE_HZ)))

    def _note_event(self, event: SpeechEvent | None) -> None:
        silence_s = self._endpointer.silence_s
        match event:
            case SpeechEvent.SUSPECTED:
                self._echo.start_cancelling()
                self._events.append(SpeechSuspected())
            case SpeechEvent.CLEARED:
                self._echo.stop_cancelling()
                self._events.append(SpeechCleared())
            case SpeechEvent.PAUSED:
                self._pause += 1
                self._events.append(UtteranceAudio(self._utterance, Pause(self._pause)))
                prosody = self._prosody.measure()
                self._events.append(SpeechPaused(self._utterance, self._pause, silence_s, self._speech(), prosody))
            case SpeechEvent.CONTINUED:
                self._events.append(SpeechContinued(self._utterance))
            case SpeechEvent.ENDED | SpeechEvent.RELEASED:
                released = event is SpeechEvent.RELEASED
                self._events.append(SpeechEnded(self._utterance, silence_s, self._speech(), released=released))
                if self._endpointer.goes_on:
                    known = self._powers[-POWERS_KEPT:]
                    self._begin_utterance()  # at once, so that nobody answers in between
                    self._powers += known  # the same voice goes on
                else:
                    self._echo.stop_cancelling()
            case _:
                pass

    def _speech(self) -> Speech:
        speech = self._measured()
        if speech.echo is not None and speech.echo >= ECHO_FOUND:
            self._grace_s = GRACE_S
        return speech

    def _measured(self) -> Speech:
        """Measures the utterance once for each pause, as the silence after it adds nothing."""
        spoken_s = self._endpointer.utterance_s
        if self._known is None or self._known.duration_s != spoken_s:
            echo = self._echo_share(spoken_s + self._endpointer.silence_s)
            self._known = Speech(duration_s=spoken_s, level_dbfs=self._level_dbfs, echo=echo)
        return self._known

    def _echo_share(self, duration_s: float) -> float | None:
        explained, copied = self._echo.score_of_utterance(duration_s), self._echo.score_as_copy(duration_s)
        if copied is not None and self._stayed_quiet and not self._echo_windows:
            copied *= ECHO_UNEXPECTED
        scores = [score for score in (explained, copied) if score is not None]
        if not scores:
            return None
        expected = self._echo_windows >= ECHO_KNOWN_WINDOWS and not self._echo.is_cancelling
        return min(1.0, max(scores) * (ECHO_EXPECTED if expected else 1.0))

    @property
    def _faint(self) -> float:
        return float(np.mean(self._powers)) * 10 ** (FAINT_DB / 10) if self._powers else 0.0

    @property
    def _level_dbfs(self) -> float:
        power = float(np.mean(self._powers)) if self._powers else 0.0
        return 10 * math.log10(power / 32768**2 + 1e-10)


def _windows_before(rules: EndpointRules) -> int:
    return round((PRE_ROLL_S + rules.start_s) / WINDOW_S)
