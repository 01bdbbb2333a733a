"""Talk to a bot from the terminal, or put load on it: `python -m voicebot.client URL`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import threading
import wave
from collections.abc import Coroutine
from itertools import chain
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from websockets.exceptions import WebSocketException

from voicebot.audio.sound import SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio
from voicebot.client.caller import Caller, NoOutput, calling
from voicebot.engines.tts.mp3 import decode_mp3
from voicebot.session.messages import AsrFinal, Closed, ErrorMessage, LlmFinal, PlayAudio, ServerMessage, VerdictMessage

T = TypeVar("T")

ANSWER_S = 30.0
"""How long the client waits for an answer."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m voicebot.client", description=__doc__)
    parser.add_argument("url", help="the address of the bot, such as ws://127.0.0.1:7860/ws")
    parser.add_argument("--say", type=Path, help="a WAV file to say; without it lines are read from the keyboard")
    parser.add_argument("--sessions", type=int, default=0, help="the number of callers that put load on the bot")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the load lasts")
    return parser.parse_args()


def sound_device() -> ModuleType | None:
    """Returns the optional package `sounddevice`; None without the package or without a device."""
    try:
        import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]

        sounddevice.check_output_settings()
    except Exception:  # noqa: BLE001 (the errors for no package, no PortAudio and no device have no common base)
        return None
    return sounddevice  # type: ignore[no-any-return,unused-ignore]


class Terminal:
    """Prints the conversation, and plays the bot's sound if there is a device."""

    def __init__(self, device: ModuleType | None) -> None:
        self._device = device

    def show(self, message: ServerMessage) -> None:
        match message:
            case AsrFinal(text=text):
                line = f"you:     {text or '(no words)'}"
            case LlmFinal(text=text):
                line = f"bot:     {text}"
            case VerdictMessage():
                line = f"verdict: {message.decision} ({message.reason}, {message.took_ms} ms)"
            case PlayAudio():
                line = f"clip:    {message.sequence}, {message.duration_ms} ms: {message.text}"
            case ErrorMessage(message=text) | Closed(reason=text):
                line = f"server:  {text}"
            case _:
                return
        sys.stdout.write(line + "\n")

    def play(self, mp3: bytes) -> None:
        if self._device is None:
            return
        if not mp3:
            self._device.stop()
            return
        sound = np.concatenate([piece.samples for piece in decode_mp3(mp3)])
        self._device.play(sound, WIRE_RATE_HZ)


async def talk(url: str, say: Path | None) -> None:
    """Holds one conversation: says the WAV file `say`, or takes the microphone, if any, and the keyboard."""
    device = sound_device()
    async with calling(url, Terminal(device)) as caller:
        if say is not None:
            await say_file(caller, say)
        elif device is not None:
            loop = asyncio.get_running_loop()

            def send_sound(data: np.ndarray[tuple[int, int], np.dtype[np.int16]], *_: object) -> None:
                asyncio.run_coroutine_threadsafe(caller.send_audio(Audio(data[:, 0].copy(), SPEECH_RATE_HZ)), loop)

            with device.InputStream(SPEECH_RATE_HZ, 320, channels=1, dtype="int16", callback=send_sound):
                await type_lines(caller)
        else:
            await type_lines(caller)
        for gap_s in caller.gaps_s:
            sys.stdout.write(f"gap:     {gap_s * 1000:.0f} ms\n")
        await caller.leave()


async def type_lines(caller: Caller) -> None:
    """Sends lines from the keyboard until they end and are answered, or the server ends the session.

    In the second case the thread that reads the keyboard is left waiting.
    """
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read_lines() -> None:
        for line in chain(iter(sys.stdin.readline, ""), [""]):
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read_lines, name="keyboard", daemon=True).start()
    while (line := await unless_over(caller, lines.get())) is not None:
        if not line:
            await until_idle(caller)
            return
        await caller.write(line.strip())


async def unless_over(caller: Caller, work: Coroutine[Any, Any, T]) -> T | None:
    """Returns the result of `work`, or None if the server ends the session first."""
    waiting, over = asyncio.ensure_future(work), asyncio.ensure_future(caller.over.wait())
    try:
        await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()
        over.cancel()


async def say_file(caller: Caller, path: Path) -> None:
    await caller.say(*await asyncio.to_thread(read_wav, path))
    await until_idle(caller)


def read_wav(path: Path) -> tuple[bytes, float]:
    """Returns the content of a WAV file and its duration in seconds. Raises OSError, wave.Error."""
    with wave.open(str(path)) as file:
        return path.read_bytes(), file.getnframes() / file.getframerate()


async def until_idle(caller: Caller) -> None:
    """Waits until the bot has answered, the server has ended the session, or `ANSWER_S` have passed."""
    try:
        async with asyncio.timeout(ANSWER_S):  # Python 3.11's `wait_for` can lose a cancellation
            await unless_over(caller, caller.idle.wait())
    except TimeoutError:
        sys.stdout.write(f"server:  (the answer is not over after {ANSWER_S:g} s)\n")


async def load(url: str, say: Path | None, sessions: int, seconds: float) -> None:
    """Runs many callers at the same time, and prints how long they waited and how often the sound broke off."""

    async def call() -> Caller:
        async with calling(url, NoOutput()) as caller:
            try:
                async with asyncio.timeout(seconds):
                    while not caller.over.is_set():
                        if say is not None:
                            await say_file(caller, say)
                        else:
                            await caller.write("Please tell me a joke.")
                            await until_idle(caller)
            except TimeoutError:
                pass
            return caller

    ended = await asyncio.gather(*(call() for _ in range(sessions)), return_exceptions=True)
    callers = [each for each in ended if isinstance(each, Caller)]
    gaps_ms = sorted(gap_s * 1000 for caller in callers for gap_s in caller.gaps_s)
    sys.stdout.write(f"{len(callers)} of {sessions} sessions, {len(gaps_ms)} answers\n")
    if gaps_ms:
        p95 = gaps_ms[min(len(gaps_ms) - 1, int(len(gaps_ms) * 0.95))]
        sys.stdout.write(f"gap: median {median(gaps_ms):.0f} ms, p95 {p95:.0f} ms\n")
    sys.stdout.write(f"underruns: {sum(caller.underruns for caller in callers)}\n")


def main() -> int:
    options = arguments()
    try:
        if options.sessions:
            asyncio.run(load(options.url, options.say, options.sessions, options.seconds))
        else:
            asyncio.run(talk(options.url, options.say))
    except (OSError, wave.Error, WebSocketException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
