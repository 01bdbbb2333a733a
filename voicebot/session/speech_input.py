"""Speech input of a session: turns microphone audio, or uploaded utterances, into changes of speech and transcripts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from enum import Enum, auto

from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    EngineReported,
    FinalTranscript,
    PartialTranscript,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Stage,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import Preferences
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import (
    EndOfTurnModel,
    EngineSelected,
    Pause,
    SpeechToText,
    Style,
    Transcriber,
    VoiceActivityDetector,
)
from voicebot.engines.replay_buffer import ReplayBuffer
from voicebot.runtime.limits import MAX_WAITING_UTTERANCES, UPLOADS_AHEAD, UTTERANCES_AT_ONCE
from voicebot.session.mailbox import Mailbox
from voicebot.session.reply import INTERNAL_ERROR
from voicebot.session.turn_question import HEARD_S, TurnQuestion
from voicebot.session.utterance_segmenter import SpeechChange, UtteranceAudio, UtteranceSegmenter

logger = logging.getLogger(__name__)

NO_FINAL_TEXT = ErrorReport(ErrorCode.ENGINE, "The speech recogniser ended without a final text.")
TOO_MANY_UTTERANCES = ErrorReport(ErrorCode.UNAVAILABLE, "Too many utterances wait to be recognised.")

RECOGNISER_CLOSING_S = 2.0
"""How long transcriptions may take to end before their recogniser is closed in favour of another one."""


class TalkButton(Enum):
    """What the user does with the talk button."""

    PRESSED = auto()
    RELEASED = auto()


class SpeechInput:
    """Posts when speech begins, pauses and ends, and the words of each utterance that the machine wants transcribed.

    The voice activity detector is made when the first audio comes, as many sessions never send any.
    """

    def __init__(self, mailbox: Mailbox, rules: EndpointRules, end_of_turn_model: EndOfTurnModel | None = None) -> None:
        self._mailbox, self._rules = mailbox, rules
        self._turn_question = None if end_of_turn_model is None else TurnQuestion(end_of_turn_model, mailbox)
        self._segmenter: UtteranceSegmenter | None = None
        self._preferences = Preferences()
        self._push_to_talk = self._pressed = False
        self._early: list[Audio | TalkButton] = []
        self._sound_came = asyncio.Event()
        self._transcriber: Transcriber | None = None
        self._transcribing = AsyncExitStack()
        self._recogniser_changing = asyncio.Lock()
        """Held while one recogniser replaces another: transcriptions wait for the new one."""
        self._bytes_before = 0
        """How much audio the session's earlier recognisers were given."""
        self._sounds: dict[int, ReplayBuffer] = {}
        self._transcriptions: dict[int, asyncio.Task[None]] = {}
        self._recogniser_turns = asyncio.Semaphore(UTTERANCES_AT_ONCE)
        self._transcribed = asyncio.Event()
        """Set when a transcription has ended."""
        self._uploads = 0
        self._announced: int | None = None
        """The number of the utterance that the client has announced and not uploaded yet."""

    async def listen(self, make_vad: Callable[[], VoiceActivityDetector]) -> None:
        """Makes the detector when the first audio has come, and handles what came before it was ready.

        Making a detector takes some 100 ms, so it is done in a thread: other sessions' audio must not wait for it.
        """
        await self._sound_came.wait()
        vad = await asyncio.to_thread(make_vad)
        self._segmenter = UtteranceSegmenter(vad, self._rules)
        self.set_preferences(self._preferences)
        for each in self._early:
            self._segment(self._segmenter, each)
        self._early.clear()

    async def aclose(self) -> None:
        """Closes the recogniser. No transcription may be under way."""
        self._segmenter = None  # frees some megabytes at once, without waiting for the garbage collector
        if self._turn_question is not None:
            await self._turn_question.aclose()
        await self._transcribing.aclose()

    # Sound --------------------------------------------------------------------------------------------------------

    def receive_audio(self, audio: Audio) -> None:
        """Takes live audio from the user's microphone."""
        if self._segmenter is None:
            self._early.append(audio)
            self._sound_came.set()
        else:
            self._segment(self._segmenter, audio)

    @property
    def push_to_talk(self) -> bool:
        """Whether live audio counts only while the user holds the talk button."""
        return self._push_to_talk

    def set_push_to_talk(self, on: bool) -> None:
        """Switches push-to-talk on or off, at once. A change lets go of the talk button: what is being said ends."""
        if on == self._push_to_talk:
            return
        self._push_to_talk = on
        self.set_talk_button(pressed=False)
        if not on and self._segmenter is not None:
            self._segmenter.forget_echo()

    def set_talk_button(self, *, pressed: bool) -> None:
        """The user presses the talk button, or lets go of it."""
        self._pressed = pressed
        button = TalkButton.PRESSED if pressed else TalkButton.RELEASED
        if self._segmenter is None:
            self._early.append(button)
            self._sound_came.set()
        else:
            self._segment(self._segmenter, button)

    @property
    def is_deaf(self) -> bool:
        """Whether live audio does not count now, because of push-to-talk."""
        return self._push_to_talk and not self._pressed and not (self._segmenter and self._segmenter.is_open)

    def _segment(self, segmenter: UtteranceSegmenter, input: Audio | TalkButton) -> None:
        events: list[SpeechChange | UtteranceAudio] = []
        match input:
            case Audio():
                events = segmenter.receive_audio(input)
            case TalkButton.PRESSED:
                events = segmenter.press()
            case TalkButton.RELEASED:
                segmenter.release()
        for event in events:
            if isinstance(event, UtteranceAudio):
                self._add_sound(event.utterance, event.sound)
            else:
                self._post_change(event)

    def note_playback(self, frame: Samples) -> None:
        """Takes a frame that is being played, as the user's microphone may pick it up."""
        if self._segmenter is not None:
            self._segmenter.note_playback(frame)

    @property
    def hears_speech(self) -> bool:
        return self._segmenter is not None and self._segmenter.hears_speech

    def set_preferences(self, preferences: Preferences) -> None:
        """Sets what counts as speech over the bot, and how soon a silence ends an utterance."""
        self._preferences = preferences
        if self._segmenter is not None:
            self._segmenter.set_thresholds(preferences.sensitivity.interruption_thresholds)
            self._segmenter.set_endpointing(preferences.endpointing)

    def set_endpointing_delay(self, utterance: int, silence_s: float) -> None:
        if self._segmenter is not None:
            self._segmenter.set_endpointing_delay(utterance, silence_s)

    def begin_announced_utterance(self) -> None:
        """The client reports that the user speaks, and will upload the whole utterance.

        A session either uploads utterances or receives live audio.
        """
        if self._announced is None or self._announced not in self._sounds:
            self._uploads += 1
            self._announced = self._uploads
            self._post_change(SpeechStarted(self._announced, announced=True))

    def upload(self, audio: Audio | None) -> None:
        """Takes the audio of a whole utterance, announced or not; None if the announced one has no usable audio."""
        if audio is None and self._announced not in self._sounds:
            return
        self.begin_announced_utterance()
        utterance, self._announced = self._uploads, None
        self._add_sound(utterance, Audio.silence(FRAME_S, SPEECH_RATE_HZ) if audio is None else audio)
        duration_s = 0.0 if audio is None else audio.duration_s
        self._post_change(SpeechEnded(utterance, speech=Speech(duration_s=duration_s)))
        if audio is None:
            self._mailbox.post(FinalTranscript(utterance, ""))

    def _post_change(self, change: SpeechChange) -> None:
        if isinstance(change, SpeechStarted):
            self._sounds[change.utterance] = ReplayBuffer()
        elif isinstance(change, SpeechEnded) and change.utterance in self._sounds:
            self._sounds[change.utterance].end()
        self._mailbox.post(change)
        if self._turn_question is not None:
            self._ask_turn_model(self._turn_question, change)

    def _ask_turn_model(self, question: TurnQuestion, change: SpeechChange) -> None:
        """Asks the end-of-turn model about a pause that begins, and drops the question when the pause is over."""
        match change:
            case SpeechPaused(utterance=utterance, pause=pause) if utterance in self._sounds:
                question.ask(utterance, pause, self._sounds[utterance].newest(HEARD_S))
            case SpeechContinued() | SpeechEnded():
                question.drop()
            case _:
                pass

    def _add_sound(self, utterance: int, sound: Audio | Pause) -> None:
        if utterance in self._sounds:
            self._sounds[utterance].put(sound)

    # Words --------------------------------------------------------------------------------------------------------

    @property
    def bytes_transcribed(self) -> int:
        """How many bytes of audio the recognisers of this session were given."""
        now = 0 if self._transcriber is None else self._transcriber.bytes_sent
        return self._bytes_before + now

    def transcribe_with(self, stt: SpeechToText, style: Style, group: asyncio.TaskGroup) -> None:
        """Has `stt` transcribe the next utterances in this style. A task of `group` changes the recogniser."""
        changing = self._change_recogniser(stt, style, list(self._transcriptions.values()))
        group.create_task(changing, name="change recogniser")

    async def _change_recogniser(
        self, stt: SpeechToText, style: Style, unfinished: Sequence[asyncio.Task[None]]
    ) -> None:
        """Closes the recogniser in use, once its transcriptions have ended, and opens the new one."""
        async with self._recogniser_changing:
            if unfinished:  # they will end: their words are known, or nobody waits for them
                await asyncio.wait(unfinished, timeout=RECOGNISER_CLOSING_S)
            self._bytes_before, self._transcriber = self.bytes_transcribed, None
            await self._transcribing.aclose()
            self._transcriber = await self._transcribing.enter_async_context(stt.session(style))

    async def wait_for_upload_capacity(self) -> None:
        """Waits until few enough utterances are being transcribed for the next one to be uploaded."""
        while len(self._transcriptions) >= UPLOADS_AHEAD:
            self._transcribed.clear()
            await self._transcribed.wait()

    def transcribe(self, utterance: int, group: asyncio.TaskGroup) -> None:
        """Starts a task of `group` that transcribes the utterance. Only a few run at once; the others wait in order."""
        if len(self._transcriptions) >= MAX_WAITING_UTTERANCES:
            del self._sounds[utterance]
            self._mailbox.post(FinalTranscript(utterance, "", TOO_MANY_UTTERANCES))
            return
        transcription = self._transcribe(utterance, self._sounds[utterance])
        task = group.create_task(transcription, name=f"transcribe {utterance}")
        task.add_done_callback(lambda _: self._forget(utterance))
        self._transcriptions[utterance] = task

    def cancel_transcription(self, utterance: int) -> None:
        """Cancels the transcription of an utterance whose words are no longer needed."""
        if utterance in self._transcriptions:
            self._sounds.pop(utterance, None)
            self._transcriptions[utterance].cancel()

    async def _transcribe(self, utterance: int, sound: ReplayBuffer) -> None:
        """Transcribes an utterance, and posts exactly one final transcript, whatever happens.

        A final that reports a failure is posted only when the user has finished, and can be asked to repeat.
        """
        async with self._recogniser_turns:
            final = await self._transcribed_by_recogniser(utterance, sound)
        if final.error is not None:
            await sound.wait_for_end()
        self._mailbox.post(final)

    async def _transcribed_by_recogniser(self, utterance: int, sound: ReplayBuffer) -> FinalTranscript:
        """Posts the interim transcripts of an utterance and returns the final one."""
        text, confidence, backchannel = "", None, ""
        error: ErrorReport | None = NO_FINAL_TEXT
        try:
            async with self._recogniser_changing:
                transcriber = self._transcriber
            assert transcriber is not None
            async with aclosing(transcriber.transcribe(sound)) as transcripts:
                async for transcript in transcripts:
                    if isinstance(transcript, EngineSelected):
                        self._mailbox.post(EngineReported(Stage.STT, transcript.engine, transcript.reasons))
                        continue
                    text, confidence = transcript.text, transcript.confidence
                    backchannel = transcript.backchannel
                    if transcript.final:
                        error = None
                        break
                    speech = None if self._segmenter is None else self._segmenter.speech(utterance)
                    self._mailbox.post(
                        PartialTranscript(
                            utterance, text, transcript.pause, confidence, transcript.turn_over, speech, backchannel
                        )
                    )
        except EngineError as failure:
            logger.warning("transcription failed", extra={"utterance": utterance, "error": str(failure)})
            error = failure.report
        except Exception:  # the transcription boundary: whatever went wrong ends this utterance, not the session
            logger.exception("transcription failed", extra={"utterance": utterance})
            error = INTERNAL_ERROR
        return FinalTranscript(utterance, text, error, confidence, backchannel)

    def _forget(self, utterance: int) -> None:
        self._sounds.pop(utterance, None)
        del self._transcriptions[utterance]
        self._transcribed.set()
