"""Simulates listen v1 live: results come with the audio, and become final in segments or at the client's request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.simulators.deepgram.live import Live, seconds, text_of
from tests.simulators.deepgram.recognisers import HeardWord
from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ

A_WORD = round(0.3 * RATE_HZ)
"""A word that is not yet recognised may be this long, so a final result does not cover the last samples."""


class NovaLive(Live):
    async def on_open(self, query: dict[str, list[str]]) -> None:
        self._request_id = str(uuid4())
        self._model = query.get("model", ["base"])[0]
        self._interim = query.get("interim_results") == ["true"]
        endpointing = query.get("endpointing", ["10"])[0]
        self._endpointing = None if endpointing == "false" else round(int(endpointing) / 1000 * RATE_HZ)
        self._begun = 0
        """The first sample that no final result covers."""
        self._shown = 0
        self._idle: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._restart_idle_timeout()

    def on_close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    async def on_sound(self) -> None:
        self._restart_idle_timeout()
        if self.heard - self._shown >= self.setting.interim_every_s * RATE_HZ:
            self._shown = self.heard
            await self._send_result()

    async def _send_result(self) -> None:
        """Sends an interim result, or a final one after an endpoint or a full segment."""
        words = await self.recogniser.words(self._begun, all_heard=False)
        end = words[-1].end if words else self.heard - A_WORD
        if self._endpointing is not None and words and self.heard - end >= self._endpointing:
            await self._send_final(words, end, speech_final=True)
        elif self.heard - self._begun >= self.setting.segment_s * RATE_HZ and end > self._begun:
            await self._send_final(words, end)
        elif self._interim:
            await self.tell(self._results(words, self.heard, is_final=False))

    async def on_message(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "KeepAlive":
                self._restart_idle_timeout()
            case "Finalize":
                if self.heard - self._begun > self.setting.least_s * RATE_HZ:
                    words = await self.recogniser.words(self._begun, all_heard=True)
                    await self._send_final(words, self.heard, speech_final=True, from_finalize=True)
            case "CloseStream":
                if self.heard > self._begun:
                    await self._send_final(await self.recogniser.words(self._begun, all_heard=True), self.heard)
                await self.tell(self._metadata())
                await self.leave(1000)
            case other:
                await self.tell({"type": "Error", "variant": "SchemaError", "description": f"unknown {other!r}"})

    def _restart_idle_timeout(self) -> None:
        """Restarts the idle timeout, because the client sent something."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self.setting.idle_timeout_s, self._close_idle)

    def _close_idle(self) -> None:
        reason = "Deepgram did not receive audio data or a text message within the timeout window. See NET-0001"
        self._leaving = asyncio.create_task(self.leave(1011, reason))

    async def _send_final(self, words: Sequence[HeardWord], to: int, **flags: bool) -> None:
        await self.tell(self._results(words, to, is_final=True, **flags))
        self._begun = to

    def _results(
        self,
        words: Sequence[HeardWord],
        to: int,
        *,
        is_final: bool,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> dict[str, Any]:
        alternative = {
            "transcript": text_of(words),
            "confidence": min((word.confidence for word in words), default=0.0),
            "words": [described(word) for word in words],
        }
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": seconds(self._begun),
            "duration": seconds(to - self._begun),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [alternative]},
            "metadata": {
                "request_id": self._request_id,
                "model_info": {"name": self._model, "version": "2026-01-01.0", "arch": "nova"},
                "model_uuid": self._request_id,
            },
        }

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": "0" * 64,
            "created": "2026-01-01T00:00:00Z",
            "duration": seconds(self.heard),
            "channels": 1,
        }


def described(word: HeardWord) -> dict[str, Any]:
    return {
        "word": word.text,
        "punctuated_word": word.text,
        "start": seconds(word.start),
        "end": seconds(word.end),
        "confidence": word.confidence,
    }
