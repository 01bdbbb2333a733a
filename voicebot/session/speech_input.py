"""What one user says: sound from a microphone, or whole utterances, become edges of speech and its words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing

from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, Audio, Samples
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import (
    EngineReported,
    FinalTranscript,
    PartialTranscript,
    SpeechEnded,
    SpeechStarted,
    Stage,
)
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.preferences import Sensitivity
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import EngineSelected, Pause, SpeechToText, Style, Transcriber, VoiceActivityDetector
from voicebot.engines.replay_buffer import ReplayBuffer
from voicebot.runtime.limits import MAX_WAITING_UTTERANCES, UPLOADS_AHEAD, UTTERANCES_AT_ONCE
from voicebot.session.mailbox import Mailbox
from voicebot.session.reply import INTERNAL_ERROR
from voicebot.session.utterance_segmenter import SpeechChange, UtteranceAudio, UtteranceSegmenter

logger = logging.getLogger(__name__)

LAST_WORDS_S = 2.0
"""How long recognisers that nobody waits for may take to end before they are closed."""


class SpeechInput:
    """Posts when speech begins, pauses and ends; and, of utterances that are to be transcribed, the words.

    Its detector of speech is made at the first sound, which waits for it, as many a session sends none.
    """

    def __init__(self, mailbox: Mailbox, rules: EndpointRules) -> None:
        self._mailbox, self._rules = mailbox, rules
        self._segmenter: UtteranceSegmenter | None = None
        self._sensitivity = Sensitivity.BALANCED
        self._unheard: list[Audio] = []
        self._sound_came = asyncio.Event()
        self._transcriber: Transcriber | None = None
        self._transcribing = AsyncExitStack()
        self._recogniser_changing = asyncio.Lock()
        """Held while one recogniser takes over from another: utterances wait for the new one."""
        self._bytes_before = 0
        """What recognisers were given that this session had before."""
        self._sounds: dict[int, ReplayBuffer] = {}
        self._transcriptions: dict[int, asyncio.Task[None]] = {}
        self._recogniser_turns = asyncio.Semaphore(UTTERANCES_AT_ONCE)
        self._transcribed = asyncio.Event()
        """Set when one utterance less waits for its words."""
        self._uploads = 0
        self._announced: int | None = None
        """The utterance that is being spoken and whose sound is to be uploaded."""

    async def listen(self, make_vad: Callable[[], VoiceActivityDetector]) -> None:
        """A detector takes some 100 ms to make: in a thread, as the other sessions' sound must not wait for it."""
        await self._sound_came.wait()
        vad = await asyncio.to_thread(make_vad)
        self._segmenter = UtteranceSegmenter(vad, self._rules)
        self.set_sensitivity(self._sensitivity)
        for audio in self._unheard:
            self._listen(self._segmenter, audio)
        self._unheard.clear()

    async def aclose(self) -> None:
        """No transcription may be under way."""
        self._segmenter = None  # its detector is some megabytes that should not wait for the garbage collector
        await self._transcribing.aclose()

    # Sound --------------------------------------------------------------------------------------------------------

    def receive_audio(self, audio: Audio) -> None:
        """Sound from the user's microphone."""
        if self._segmenter is None:
            self._unheard.append(audio)
            self._sound_came.set()
        else:
            self._listen(self._segmenter, audio)

    def _listen(self, segmenter: UtteranceSegmenter, audio: Audio) -> None:
        for event in segmenter.receive_audio(audio):
            if isinstance(event, UtteranceAudio):
                self._speech_sound(event.utterance, event.sound)
            else:
                self._speech_changed(event)

    def note_playback(self, frame: Samples) -> None:
        """What the user's microphone may hear of us."""
        if self._segmenter is not None:
            self._segmenter.note_playback(frame)

    @property
    def hears_speech(self) -> bool:
        return self._segmenter is not None and self._segmenter.hears_speech

    def set_sensitivity(self, sensitivity: Sensitivity) -> None:
        self._sensitivity = sensitivity
        if self._segmenter is not None:
            self._segmenter.set_thresholds(sensitivity.interruption_thresholds)

    def set_endpointing_delay(self, utterance: int, silence_s: float) -> None:
        if self._segmenter is not None:
            self._segmenter.set_endpointing_delay(utterance, silence_s)

    def speech_began(self) -> None:
        """The client hears the user speak and will upload the whole utterance. Not for sessions that `hear`."""
        if self._announced is None or self._announced not in self._sounds:
            self._uploads += 1
            self._announced = self._uploads
            self._speech_changed(SpeechStarted(self._announced, announced=True))

    def upload(self, audio: Audio | None) -> None:
        """The utterance that `speech_began`, or one that was not announced; None: it gave no sound to speak of."""
        if audio is None and self._announced not in self._sounds:
            return
        self.speech_began()
        utterance, self._announced = self._uploads, None
        self._speech_sound(utterance, Audio.silence(FRAME_S, SPEECH_RATE_HZ) if audio is None else audio)
        duration_s = 0.0 if audio is None else audio.duration_s
        self._speech_changed(SpeechEnded(utterance, speech=Speech(duration_s=duration_s)))
        if audio is None:
            self._mailbox.post(FinalTranscript(utterance, ""))

    def _speech_changed(self, edge: SpeechChange) -> None:
        if isinstance(edge, SpeechStarted):
            self._sounds[edge.utterance] = ReplayBuffer()
        elif isinstance(edge, SpeechEnded) and edge.utterance in self._sounds:
            self._sounds[edge.utterance].end()
        self._mailbox.post(edge)

    def _speech_sound(self, utterance: int, sound: Audio | Pause) -> None:
        if utterance in self._sounds:
            self._sounds[utterance].put(sound)

    # Words --------------------------------------------------------------------------------------------------------

    @property
    def bytes_transcribed(self) -> int:
        """How much sound the recogniser was given."""
        now = 0 if self._transcriber is None else self._transcriber.bytes_sent
        return self._bytes_before + now

    def transcribe_with(self, stt: SpeechToText, style: Style, group: asyncio.TaskGroup) -> None:
        """Have the recogniser transcribe the next utterances in this style. A task of `group` opens a session of it."""
        changing = self._change_recogniser(stt, style, list(self._transcriptions.values()))
        group.create_task(changing, name="change recogniser")

    async def _change_recogniser(
        self, stt: SpeechToText, style: Style, unfinished: Sequence[asyncio.Task[None]]
    ) -> None:
        """The session before is closed."""
        async with self._recogniser_changing:
            if unfinished:  # they end: their words are known, or nobody waits for them
                await asyncio.wait(unfinished, timeout=LAST_WORDS_S)
            self._bytes_before, self._transcriber = self.bytes_transcribed, None
            await self._transcribing.aclose()
            self._transcriber = await self._transcribing.enter_async_context(stt.session(style))

    async def wait_for_upload_capacity(self) -> None:
        """Until so few utterances wait for their words that the next may be uploaded."""
        while len(self._transcriptions) >= UPLOADS_AHEAD:
            self._transcribed.clear()
            await self._transcribed.wait()

    def transcribe(self, utterance: int, group: asyncio.TaskGroup) -> None:
        """As a task of `group`. No more than a few are transcribed at once; the others wait in their order."""
        if len(self._transcriptions) >= MAX_WAITING_UTTERANCES:
            del self._sounds[utterance]
            self._mailbox.post(FinalTranscript(utterance, "", "Too many utterances wait to be recognised."))
            return
        transcription = self._transcribe(utterance, self._sounds[utterance])
        task = group.create_task(transcription, name=f"transcribe {utterance}")
        task.add_done_callback(lambda _: self._forget(utterance))
        self._transcriptions[utterance] = task

    def give_up(self, utterance: int) -> None:
        """Nobody waits for its words any more."""
        if utterance in self._transcriptions:
            self._sounds.pop(utterance, None)
            self._transcriptions[utterance].cancel()

    async def _transcribe(self, utterance: int, sound: ReplayBuffer) -> None:
        """Give the utterance to the recogniser and post what it makes of it: always one final, whatever happens.

        A final that tells of a failure comes when the user has finished: not before can they be asked to say it again.
        """
        async with self._recogniser_turns:
            final = await self._transcribed_by_recogniser(utterance, sound)
        if final.error is not None:
            await sound.wait_for_end()
        self._mailbox.post(final)

    async def _transcribed_by_recogniser(self, utterance: int, sound: ReplayBuffer) -> FinalTranscript:
        """The final transcript; partial ones are posted."""
        text, confidence, backchannel = "", None, ""
        error: str | None = "The speech recogniser ended without a final text."
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
            error = str(failure)
        except Exception:  # the transcription boundary: whatever went wrong ends this utterance, not the session
            logger.exception("transcription failed", extra={"utterance": utterance})
            error = INTERNAL_ERROR
        return FinalTranscript(utterance, text, error, confidence, backchannel)

    def _forget(self, utterance: int) -> None:
        self._sounds.pop(utterance, None)
        del self._transcriptions[utterance]
        self._transcribed.set()
