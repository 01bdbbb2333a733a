"""Stand-ins for the end-of-turn model: a tiny ONNX file of its shape, and a scripted model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from voicebot.audio.sound import Samples
from voicebot.engines.protocols import EngineStatus
from voicebot.engines.turn.log_mel import log_mel


def tiny_model(input_name: str = "input_features", activation: str = "Sigmoid") -> bytes:
    """Returns an ONNX file that takes what Smart Turn takes, and whose answer is `activation(mean of the input)`."""
    attributes = [_text(1, "axes") + _number(20, 7) + _number(8, 1) + _number(8, 2)]
    mean = _text(1, input_name) + _text(2, "mean") + _text(4, "ReduceMean") + b"".join(_part(5, a) for a in attributes)
    answer = _text(1, "mean") + _text(2, "logits") + _text(4, activation)
    graph = _part(1, mean) + _part(1, answer) + _text(2, "tiny")
    graph += _part(11, _tensor(input_name, (1, 80, 800))) + _part(12, _tensor("logits", (1, 1, 1)))
    return _number(1, 8) + _part(7, graph) + _part(8, _text(1, "") + _number(2, 13))


def tiny_answer(samples: Samples) -> float:
    """Returns what `tiny_model` answers."""
    return float(1 / (1 + np.exp(-log_mel(samples).mean(dtype=np.float64))))


@dataclass
class ScriptedTurnModel:
    """Answers each question with the next probability, once it is `let`."""

    answers: list[float | None] = field(default_factory=list)
    heard: list[Samples] = field(default_factory=list)
    dropped: int = 0
    let: asyncio.Event = field(default_factory=asyncio.Event)
    status: EngineStatus = field(default=EngineStatus("scripted", ready=True))

    def __post_init__(self) -> None:
        self.let.set()

    async def start(self) -> None: ...

    async def settle(self) -> None: ...

    async def close(self) -> None: ...

    async def probability(self, samples: Samples) -> float | None:
        self.heard.append(samples)
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.dropped += 1
            raise
        return self.answers.pop(0)


# Fields of protocol buffers, as ONNX files consist of them: a number and a kind, then the value ----------------------


def _varint(value: int) -> bytes:
    more = value >> 7
    return bytes([value & 0x7F | 0x80]) + _varint(more) if more else bytes([value])


def _number(field_number: int, value: int) -> bytes:
    return _varint(field_number << 3) + _varint(value)


def _part(field_number: int, content: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(content)) + content


def _text(field_number: int, text: str) -> bytes:
    return _part(field_number, text.encode())


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    """Returns the description of a float tensor."""
    dimensions = b"".join(_part(1, _number(1, size)) for size in shape)
    return _text(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, dimensions)))
