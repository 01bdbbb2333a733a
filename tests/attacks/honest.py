"""Honest users: one who talks over WebRTC, one who uploads over `/ws`, and newcomers."""

from __future__ import annotations

import asyncio
import io
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Self

import httpx
import soundfile
from websockets.asyncio.client import connect
from websockets.protocol import State

from tests.attacks.peer import Login, Peer, authorization
from tests.attacks.target import NETWORK
from tests.support.speech import spoken
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio
from voicebot.client.caller import Caller
from voicebot.session.messages import Closed, PlayAudio, ServerMessage

HONEST = "127.0.0.1"
"""The honest users' address when the attack comes from another one."""

CONNECT_S = 8.0
ANSWER_S = 12.0
"""The time that an honest user waits for the first sound of an answer, on a busy machine."""
FIRST_ANSWER_S = 40.0
"""The same time for a newly started app, before any attack."""
IDLE_S = 15.0
"""The time that the previous answer may take to end."""

QUESTION = "what is ten times three"
"""The question, spoken or typed, which has a short answer."""


@cache
def question() -> Audio | None:
    """Returns the question as speech, or None without a synthesizer; the question is typed then."""
    return spoken(QUESTION).resampled(SPEECH_RATE_HZ) if shutil.which("flite") else None


@cache
def question_file() -> bytes:
    sound, file = question(), io.BytesIO()
    assert sound is not None
    soundfile.write(file, sound.samples, sound.rate_hz, format="WAV")
    return file.getvalue()


class User(ABC):
    """A session of an honest user."""

    name: str

    @abstractmethod
    async def connect(self, stack: AsyncExitStack) -> Self:
        """Connects. Raises the errors of the network and the app."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """True while the session goes on."""

    @property
    @abstractmethod
    def close_code(self) -> str | None:
        """The code with which the app ended the session, if it did."""

    @abstractmethod
    async def ask(self, *, typed: bool = False, patience_s: float = ANSWER_S) -> float:
        """Asks, and returns the seconds until the spoken answer begins. Raises TimeoutError."""


class Talker(User):
    """Talks over WebRTC, with a microphone."""

    def __init__(
        self, url: str, address: str, login: Login | None, name: str = "webrtc", patience_s: float = CONNECT_S
    ) -> None:
        self.name = name
        self._peer = Peer(url, address=address, login=login, connect_timeout_s=patience_s)

    async def connect(self, stack: AsyncExitStack) -> Self:
        await stack.enter_async_context(self._peer)
        return self

    @property
    def is_connected(self) -> bool:
        return self._peer.state == "connected"

    @property
    def close_code(self) -> str | None:
        return next((str(each["code"]) for each in self._peer.messages if each["type"] == "closed"), None)

    async def ask(self, *, typed: bool = False, patience_s: float = ANSWER_S) -> float:
        await self._peer.wait_for_phase("idle", IDLE_S)
        sound = question()
        if typed or sound is None:
            ended_s = time.monotonic()
            self._peer.send({"type": "text", "text": QUESTION})
        else:
            self._peer.microphone.say(sound)
            ended_s = await self._peer.microphone.said()
        return await self._peer.heard.wait_for_sound(patience_s, after_s=ended_s) - ended_s

    async def leave(self) -> None:
        """Ends the session with a goodbye."""
        if self.is_connected:
            self._peer.send({"type": "bye"})
            await self._peer.wait_for_state("closed", 5)


class Uploader(User):
    """Uploads recordings of whole utterances over `/ws`, and plays the clips as the terminal client does."""

    def __init__(self, url: str, address: str, login: Login | None, name: str = "ws") -> None:
        self.name = name
        self._url, self._address, self._login = url, address, login
        self._clip: asyncio.Future[float] | None = None
        self._closed: str | None = None
        self._caller: Caller

    async def connect(self, stack: AsyncExitStack) -> Self:
        self._socket = await stack.enter_async_context(
            connect(
                self._url.replace("http", "ws", 1) + "/ws",
                proxy=None,
                max_size=None,
                open_timeout=CONNECT_S,
                close_timeout=2,
                local_addr=(self._address, 0),
                additional_headers=authorization(self._login),
            )
        )
        self._caller = Caller(self._socket, self)
        running = asyncio.create_task(self._caller.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        return self

    @property
    def is_connected(self) -> bool:
        return self._socket.state is State.OPEN

    @property
    def close_code(self) -> str | None:
        return self._closed

    async def ask(self, *, typed: bool = False, patience_s: float = ANSWER_S) -> float:
        self._clip = asyncio.get_running_loop().create_future()
        sound = question()
        if typed or sound is None:
            await self._caller.write(QUESTION)
        else:
            await self._caller.say(question_file(), sound.duration_s)
        ended_s = time.monotonic()
        async with asyncio.timeout(patience_s):
            return await self._clip - ended_s

    def show(self, message: ServerMessage) -> None:
        if isinstance(message, PlayAudio) and self._clip is not None and not self._clip.done():
            self._clip.set_result(time.monotonic())
        elif isinstance(message, Closed):
            self._closed = str(message.code)

    def play(self, mp3: bytes) -> None:
        """Plays nothing, because nobody listens."""


@asynccontextmanager
async def honest_users(
    url: str, address: str, login: Login | None, *, typed: bool = False
) -> AsyncIterator[list[User]]:
    """Connects one user of each kind, and waits until each has had an answer."""
    async with AsyncExitStack() as stack:
        users: list[User] = [Talker(url, address, login), Uploader(url, address, login)]
        for user in users:
            await user.connect(stack)
        await asyncio.gather(*(user.ask(typed=typed, patience_s=FIRST_ANSWER_S) for user in users))
        yield users


async def warm_up(url: str, address: str, login: Login | None) -> None:
    """Requests what the app may load on first use only: the page, and an import."""
    said = [{"role": "user", "text": "hello"}]
    transcript = {"format": "voicebot.transcript", "version": 1, "messages": said}
    transport = httpx.AsyncHTTPTransport(local_address=address)
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=authorization(login)) as http:
        (await http.get("/")).raise_for_status()
        (await http.post("/conversations", json=transcript)).raise_for_status()


async def ask_problem(user: User, *, typed: bool = False) -> str | None:
    """Asks a question. Returns a description of the problem, or None."""
    if not user.is_connected:
        return f"its session was ended ({user.close_code or 'without a message'})"
    try:
        await user.ask(typed=typed)
    except NETWORK as error:
        return f"got no answer ({described(error)})"
    return None


async def newcomer_problem(url: str, address: str, login: Login | None, patience_s: float = CONNECT_S) -> str | None:
    """Connects a new user, who asks one question and leaves. Returns a description of the problem, or None."""
    try:
        async with asyncio.timeout(2 * patience_s + ANSWER_S), AsyncExitStack() as stack:
            user = await Talker(url, address, login, "newcomer", patience_s).connect(stack)
            await user.ask(typed=True)
            await user.leave()
    except NETWORK as error:
        return described(error)
    return None


def described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")[:200]
