"""Simulates listen v2 live (Flux), which has turns. The service detects their ends, or the client forces them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.simulators.deepgram.live import Live, seconds, text_of
from tests.simulators.deepgram.recognisers import HeardWord
from voicebot.audio.sound import SPEECH_RATE_HZ as RATE_HZ

UPDATE_S = 0.25
EAGER_SILENCE_S = 0.12
"""Silence after a word at which the turn may be over (EagerEndOfTurn)."""
END_SILENCE_S = 0.45
"""Silence at which the turn is over (EndOfTurn)."""


class FluxLive(Live):
    async def on_open(self, query: dict[str, list[str]]) -> None:
        self._request_id = str(uuid4())
        self._sequence = 0
        self._turn = 0
        self._begun = 0
        """The sample at which the current turn begins."""
        self._words: Sequence[HeardWord] = ()
        self._active = self._eager = False
        self._updated = 0
        self._thresholds = {
            "eager_eot_threshold": query.get("eager_eot_threshold", [None])[0],
            "eot_threshold": query.get("eot_threshold", ["0.7"])[0],
            "eot_timeout_ms": query.get("eot_timeout_ms", ["5000"])[0],
        }
        await self._tell({"type": "Connected"})

    async def on_sound(self) -> None:
        words = await self.recogniser.words(self._begun, all_heard=False)
        new, self._words = len(words) > len(self._words), words
        silence_s = (self.heard - max(words[-1].end, self.loud_to)) / RATE_HZ if words else 0.0
        if new and not self._active:
            self._active = True
            await self._send_turn_info("StartOfTurn")
        elif new and self._eager:
            self._eager = False
            await self._send_turn_info("TurnResumed")
        elif self._active and silence_s >= int(self._thresholds["eot_timeout_ms"] or 0) / 1000:
            await self._end("timeout")
        elif self._active and self.setting.ends_turns and silence_s >= END_SILENCE_S:
            await self._end("model")
        elif self._is_eager_end(silence_s):
            self._eager = True
            await self._send_turn_info("EagerEndOfTurn")
        elif self.heard - self._updated >= UPDATE_S * RATE_HZ:
            await self._send_turn_info("Update")

    def _is_eager_end(self, silence_s: float) -> bool:
        wanted = self._thresholds["eager_eot_threshold"] is not None and self.setting.ends_turns
        return wanted and self._active and not self._eager and silence_s >= EAGER_SILENCE_S

    async def on_message(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "ForceEndTurn" if self.setting.can_force:
                if not self.setting.ignores_force:
                    await self._force_end()
            case "Configure":
                self._thresholds |= message.get("thresholds") or {}
                await self._tell({"type": "ConfigureSuccess", "thresholds": self._thresholds, "keyterms": []})
            case "CloseStream":
                await self._send_turn_info("Update")
                await self.leave(1000)
            case other:
                description = f"{other} is not enabled on this deployment"
                await self._tell({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": description})
                await self.leave(1008)

    async def leave(self, code: int, reason: str = "") -> None:
        """Sends the error before it closes the connection."""
        if code == 1011:
            await self._tell({"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": reason})
        await super().leave(code, reason)

    async def _force_end(self) -> None:
        """Ends the turn with the words that have been transcribed."""
        self._words = await self.recogniser.words(self._begun, all_heard=True)
        if self._words:
            await self._end("manual")
        else:
            code = "FORCE_END_TURN_NO_ACTIVE_TURN"
            await self._tell({"type": "Warning", "code": code, "description": "there is no turn to end"})

    async def _end(self, trigger: str) -> None:
        await self._send_turn_info("EndOfTurn", trigger=trigger)
        self._turn += 1
        self._begun = self.heard
        self._words = ()
        self._active = self._eager = False

    async def _send_turn_info(self, event: str, **more: str) -> None:
        self._updated = self.heard
        confidence = {"EndOfTurn": 0.8, "EagerEndOfTurn": 0.5}.get(event, 0.1)
        info = {
            "event": event,
            "turn_index": self._turn,
            "audio_window_start": seconds(self._begun),
            "audio_window_end": seconds(self.heard),
            "transcript": text_of(self._words),
            "words": [self._described(word) for word in self._words],
            "end_of_turn_confidence": confidence,
        }
        await self._tell({"type": "TurnInfo", **info, **more})

    def _described(self, word: HeardWord) -> dict[str, Any]:
        times = {"start": seconds(word.start), "end": seconds(word.end)} if self.setting.word_times else {}
        return {"word": word.text, "confidence": word.confidence, **times}

    async def _tell(self, message: dict[str, Any]) -> None:
        await self.tell({**message, "request_id": self._request_id, "sequence_id": self._sequence})
        self._sequence += 1
