"""Someone in front of the page: does what people do, sees what they see, and minds what must not happen."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import soundfile
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, Request, expect

from tests.support.speech import spoken
from voicebot.audio.sound import WIRE_RATE_HZ, Audio

MICROPHONE = Path(__file__).with_name("microphone.js")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    # No name leads anywhere: not even a connection made ahead of time leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

VOICE = "rms"
"""The embedded recogniser understands all that it says here to the word."""

ANSWER_S = 30.0
"""How long an answer may take, to its last word, on a busy machine."""


def chromium_path() -> str:
    """Debian's browser. Raises SystemExit if it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    return path


async def launched(
    playwright: Playwright, chromium: str, folder: Path, says: Audio | None, *, microphone: bool
) -> Browser:
    """A browser with a microphone that hears `says` once, or only silence."""
    file = folder / "microphone.wav"
    sound = says or Audio.silence(1.0, WIRE_RATE_HZ)
    soundfile.write(file, sound.resampled(WIRE_RATE_HZ).samples, WIRE_RATE_HZ)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={file}%noloop"]
    if microphone:
        flags.append("--use-fake-ui-for-media-stream")
    return await playwright.chromium.launch(executable_path=chromium, args=flags)


async def given_a_voice(context: BrowserContext) -> BrowserContext:
    """Its pages' microphone hears what `Visitor.says`, instead of the browser's own."""
    await context.add_init_script(path=MICROPHONE)
    return context


class Visitor:
    """A context manager that opens the page, and at the end fails if it logged an error or asked another host."""

    page: Page

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._context = context
        self._url = url
        self._complaints: list[str] = []
        self._expected: list[str] = []
        self._due: list[str] = []

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._context.close()
        if error is None:
            assert self._complaints == [], self._complaints
            assert self._due == [], f"did not come: {self._due}"

    async def open(self) -> None:
        """A new tab with the page in it, ready for use."""
        self.page = await self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._complaints.append(f"uncaught: {error}"))
        self.page.on("dialog", lambda dialog: self._complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._requested)
        await self.page.goto(self._url)
        await self.ready()

    async def ready(self) -> None:
        """Waits until the page has drawn the server's engines. A failure says what the browser complained about."""
        engine = self.page.locator("[data-part=tts] .vb-engine")
        try:
            await expect(engine).to_have_text(re.compile(r"\w"), timeout=20_000)
        except AssertionError as failure:
            raise AssertionError(f"the page is not ready; the browser says {self._complaints}") from failure

    def may_fail(self, error: str) -> None:
        """The console may tell of such an error."""
        self._expected.append(error)

    def must_fail(self, error: str) -> None:
        """The console must tell of such an error once, and not twice."""
        self._due.append(error)

    def _console(self, message: ConsoleMessage) -> None:
        due = [each for each in self._due if message.type == "error" and each in message.text]
        if due:
            self._due.remove(due[0])
        elif message.type == "error" and not any(each in message.text for each in self._expected):
            self._complaints.append(f"console: {message.text}")

    def _requested(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != urlsplit(self._url).hostname:
            self._complaints.append(f"asked another host: {request.url}")

    # What they see ------------------------------------------------------------------------------------------------

    @property
    def talk_button(self) -> Locator:
        return self.page.locator("#vb-talk-button")

    @property
    def messages(self) -> Locator:
        return self.page.locator("#vb-chat .vb-message")

    @property
    def questions(self) -> Locator:
        """What the user said, as far as it is certain."""
        return self.page.locator("#vb-chat .vb-user:not(.vb-interim) .vb-words")

    @property
    def answers(self) -> Locator:
        return self.page.locator("#vb-chat .vb-assistant")

    @property
    def verdicts(self) -> Locator:
        """The verdicts, the newest first."""
        return self.page.locator("#vb-verdicts .vb-verdict")

    @property
    def problem(self) -> Locator:
        return self.page.locator("#vb-problem [role=alert]")

    async def sees(self, *states: str, timeout_s: float = ANSWER_S) -> None:
        """Until the talk control shows one of these states."""
        pattern = re.compile(f"^({'|'.join(states)})$")
        await expect(self.page.locator("#vb-talk")).to_have_attribute("data-state", pattern, timeout=timeout_s * 1000)

    async def hears_answer(self, number: int) -> str:
        """Waits until the answer of this number (from 1) has been spoken to its end; gives its words."""
        await expect(self.answers).to_have_count(number, timeout=ANSWER_S * 1000)
        await self.sees("listening", "ready")
        return await self.answers.nth(number - 1).locator(".vb-words").inner_text()

    async def hears_words(self, count: int) -> None:
        """Until so many words of the last answer were heard."""
        await self.sees_that(
            f"document.querySelector('.vb-assistant:last-child .vb-heard')?.textContent.split(' ').length >= {count}"
        )

    async def words(self, which: str) -> list[str]:
        """The `heard` or `unheard` words of the last answer."""
        return (await self.answers.last.locator(f".vb-{which}").inner_text()).split()

    async def focused(self) -> str:
        """What the keyboard acts on: its text, or its tag if it has none."""
        script = "document.activeElement.textContent.trim() || document.activeElement.tagName"
        return str(await self.page.evaluate(script))

    async def in_session(self, script: str, argument: Any = None) -> Any:
        """The value of a JavaScript function of the page's session and the argument."""
        main = "import(document.querySelector('script[src$=\"/main.js\"]').src)"
        return await self.page.evaluate(f"async (it) => ({script})(await (await {main}).session, it)", argument)

    async def is_shown(self, message: dict[str, Any]) -> None:
        """The page receives this message, and from the first call on nothing that the bot still sends."""
        receive = "Object.getPrototypeOf(session).receive.call(session, it)"
        await self.in_session(f"(session, it) => {{ session.receive = () => {{}}; {receive}; }}", message)

    async def sees_that(self, script: str) -> None:
        """Until the JavaScript expression holds."""
        await self.page.wait_for_function(script, timeout=ANSWER_S * 1000)

    # What they do -------------------------------------------------------------------------------------------------

    async def types(self, text: str) -> None:
        box = self.page.get_by_label("Type instead of speaking")
        await box.fill(text)
        await box.press("Enter")
        await expect(box).to_have_value("")

    async def says(self, text: str, voice: str = VOICE) -> None:
        """Begins to say it into the microphone that `given_a_voice` gives."""
        sound = spoken(text, voice).resampled(WIRE_RATE_HZ)
        await self.page.evaluate("pcm => void microphone.say(pcm)", base64.b64encode(sound.to_bytes()).decode())

    async def presses(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()


async def sessions(url: str, wanted: int, timeout_s: float = 5.0) -> None:
    """Until the server has so many sessions, as its /health says."""
    await until(lambda: httpx.get(f"{url}/health", trust_env=False).json()["sessions"] == wanted, timeout_s)


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """For what only polling can tell: the state of another process."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.1)
