"""Passes the sound of a client of `/ws` to its session: live sound, or recordings of whole utterances."""

from __future__ import annotations

import asyncio

from voicebot.audio.sound import Audio
from voicebot.runtime import limits
from voicebot.session.messages import MessageError
from voicebot.session.session import Session
from voicebot.transports.websocket.budget import SoundBudget
from voicebot.transports.websocket.recording_decoder import DecodedRecording, RecordingDecoder

SHORTEST_S = 0.2
"""A shorter recording contains no word."""


class IncomingSound:
    """Passes sound to a session no faster than a person can have spoken it.

    The client of a session sends either live sound, at `rate_hz`, or recordings.
    """

    def __init__(self, session: Session, decoder: RecordingDecoder, rate_hz: int) -> None:
        self._session, self._decoder, self._rate_hz = session, decoder, rate_hz
        self._live_budget = SoundBudget(limits.LIVE_BURST_S, limits.LIVE_PACE)
        self._upload_budget = SoundBudget(limits.UPLOAD_BURST_S)
        self._uploads = self._decodes = False
        self.held_back = False
        """True while sound waits because it has arrived too fast."""

    @property
    def _is_live(self) -> bool:
        return self._session.heard_s is not None

    def announce_live_sound(self) -> None:
        """Tells the session that more live sound has arrived, which `receive_audio` passes on later."""
        if self._is_live:
            self._session.sound_comes()

    async def receive_audio(self, pcm: bytes) -> None:
        """Passes live sound on in small pieces, so that other sessions are served in between. Raises MessageError."""
        await self._keep_to(self._live_budget)
        problem = self._problem_with(pcm)
        audio = Audio.from_bytes(b"" if problem else pcm, self._rate_hz)
        self._live_budget.spend(max(0.0, limits.LIVE_FRAME_S - audio.duration_s))
        if problem is not None:
            raise MessageError(f"binary: {problem}")
        size = round(limits.LIVE_PIECE_S * self._rate_hz)
        for start in range(0, len(audio.samples), size):
            await self._keep_to(self._live_budget)
            piece = Audio(audio.samples[start : start + size], self._rate_hz)
            self._live_budget.spend(piece.duration_s)
            self._session.receive_audio(piece)
            await asyncio.sleep(0)

    def _problem_with(self, pcm: bytes) -> str | None:
        if self._uploads:
            return "this session uploads its utterances (speech_end); it can't send live sound too"
        if len(pcm) > limits.WS_TEXT_BYTES:
            return f"the frame has {len(pcm)} bytes; {limits.WS_TEXT_BYTES} are allowed"
        if len(pcm) % 2:
            return f"16-bit samples need an even number of bytes, not {len(pcm)}"
        return None

    def begin_utterance(self) -> None:
        """Tells the session that the user begins an utterance, of which a recording follows. Raises MessageError."""
        self._require_uploads("speech_start")
        self._session.speech_input.begin_announced_utterance()

    async def upload(self, data: bytes) -> None:
        """Passes on a recording in base64. A recording with an error also ends the utterance. Raises MessageError."""
        self._require_uploads("speech_end")
        await self._upload(data, in_message=False)

    async def upload_message(self, data: bytes) -> None:
        """Passes on the recording in a message that is longer than other messages may be. Raises MessageError."""
        if self._is_live:  # a session with live sound may not send recordings either
            raise MessageError(f"the message has {len(data)} bytes; {limits.WS_TEXT_BYTES} are allowed with live sound")
        self._start_decoder()
        await self._upload(data, in_message=True)

    def require_live(self, message_type: str) -> None:
        """Raises MessageError if the session uploads recordings, and cannot send live sound too."""
        if self._uploads:
            raise MessageError(f"{message_type}: this session uploads its utterances (speech_end)")

    def fail_upload(self) -> None:
        """Ends the utterance, because the message with its recording cannot be read."""
        if self._uploads:
            self._session.speech_input.upload(None)

    def close(self) -> None:
        """Ends the use of the decoder. Call it when the session has ended."""
        if self._decodes:
            self._decoder.remove_session()

    def _require_uploads(self, message_type: str) -> None:
        """Raises MessageError if the session sends live sound. Otherwise it sends only recordings from now on."""
        if self._is_live:
            raise MessageError(
                f"{message_type}: this session sends live sound, in which the server hears speech by itself"
            )
        self._uploads = True
        self._start_decoder()

    def _start_decoder(self) -> None:
        if not self._decodes:
            self._decodes = True
            self._decoder.add_session()

    async def _upload(self, data: bytes, *, in_message: bool) -> None:
        await self._keep_to(self._upload_budget)
        await self._session.speech_input.wait_for_upload_capacity()
        decode = self._decoder.decode_message if in_message else self._decoder.decode_base64
        decoded = DecodedRecording()
        try:
            decoded = await decode(data)
        finally:
            self._pass_on(decoded)
        if decoded.in_message:
            raise MessageError(decoded.error)
        if decoded.error:
            raise MessageError(f"speech_end: audio: {decoded.error}")

    def _pass_on(self, decoded: DecodedRecording) -> None:
        """Charges the recording to the budget, and ends the utterance with its audio, if it has any."""
        audio = decoded.audio
        length_s = 0.0 if audio is None else audio.duration_s
        self._upload_budget.spend(max(length_s, decoded.cost_s * limits.UPLOAD_COST_S))
        if audio is not None:
            self._session.record(audio)
        if not decoded.in_message or decoded.type == "speech_end":
            self._uploads = True
            self._session.speech_input.upload(audio if length_s >= SHORTEST_S else None)

    async def _keep_to(self, budget: SoundBudget) -> None:
        """Waits until the budget allows more sound. Meanwhile the client can interrupt and acknowledge clips."""
        if (wait_s := budget.wait_s) > 0:
            self.held_back = True
            try:
                await asyncio.sleep(wait_s)
            finally:
                self.held_back = False
