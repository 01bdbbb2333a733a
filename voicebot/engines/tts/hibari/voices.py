"""Which voices there are: one comes with the package, the others are downloaded when somebody chooses them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.engines.download import Download, DownloadRules, RemoteFile, cache_folder
from voicebot.engines.tts.hibari import assets
from voicebot.engines.tts.hibari.assets import AssetError
from voicebot.engines.tts.hibari.reading import Phonemes, Piece, Reader, parts_of
from voicebot.engines.tts.hibari.voice import Utterance, Voice
from voicebot.runtime.threads import Threads

logger = logging.getLogger(__name__)

_PEOPLE = {"female": "woman", "male": "man"}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that is loaded, and the way it pronounces English."""

    voice: Voice
    reader: Reader

    def read(self, part: Sequence[Piece]) -> list[Phonemes]:
        return self.reader.read(part)

    def speak(self, phonemes: Phonemes) -> Utterance:
        return self.voice.speak(phonemes)


@dataclass(slots=True)
class _Further:
    """A voice that does not come with the package."""

    label: str
    british: bool
    download: Download
    speaker: Speaker | None = None
    problem: str | None = None
    """Why it could not be loaded."""
    task: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """What to know of it before it is chosen; "" if it is here.

        It does not change as a download gets on, so that a list of voices stays still while somebody reads it.
        """
        if self.speaker is not None:
            return ""
        if problem := self.problem or self.download.error:
            return f"could not be downloaded: {problem}" if self.problem is None else f"cannot be used: {problem}"
        if self.download.running:
            return "is being downloaded"
        return "" if self.download.present else f"is downloaded first, {self.download.file.size / 1e6:.0f} MB"

    @property
    def progress(self) -> str:
        """How much of it has come, while it comes."""
        received, size = self.download.received, self.download.file.size
        return f" ({100 * received // size} % of {size / 1e6:.0f} MB)" if self.download.running else ""


class Voices:
    """The voices of one server. `start` loads the usual one, which comes with the package ("heart"); the others are
    fetched and loaded in the background.

    The package says where the others come from; `folder` is where they are kept, if not where the system keeps what
    can be fetched again.
    """

    def __init__(self, folder: Path | None, rules: DownloadRules | None) -> None:
        self._folder, self._rules = folder, rules
        self._usual: Speaker | None = None
        self._british: Reader | None = None
        self._further: dict[str, _Further] = {}
        self._threads: Threads | None = None

    async def start(self, threads: Threads) -> None:
        """Loads the usual voice, which takes about 0.8 s in a thread. Raises AssetError, or ImportError."""
        if self._usual is None:
            self._threads = threads
            self._usual = await threads.run(_load_usual)
            self._further = self._registered()

    async def close(self) -> None:
        for each in self._further.values():
            if each.task is not None:
                each.task.cancel()
                await asyncio.wait({each.task})
            await each.download.close()
        self._usual, self._further = None, {}

    @property
    def labels(self) -> dict[str, str]:
        """The further voices for people to choose from, each with what to know of it now."""
        return {
            name: f"{each.label} ({each.state})" if each.state else each.label for name, each in self._further.items()
        }

    @property
    def note(self) -> str | None:
        """What is going on with voices that somebody has chosen."""
        busy = {name: each for name, each in self._further.items() if each.task is not None and each.state}
        return "; ".join(f"the voice {name} {each.state}{each.progress}" for name, each in busy.items()) or None

    def want(self, name: str) -> None:
        """Has the voice fetched and loaded in the background, unless it is here or could not be had a moment ago."""
        each = self._further.get(name)
        if each is None or each.speaker is not None or each.problem or (each.task is not None and not each.task.done()):
            return
        each.download.begin()
        if each.download.running or each.download.present:
            each.task = asyncio.create_task(self._prepare(name, each), name=f"voice {name}")

    def speaker(self, name: str) -> Speaker | None:
        """The voice; the usual one if it is not here yet, or if no voice is named. None before `start`."""
        each = self._further.get(name)
        return self._usual if each is None or each.speaker is None else each.speaker

    async def settle(self) -> None:
        """Wait for the voices that are being fetched or loaded."""
        tasks = {each.task for each in self._further.values() if each.task is not None}
        if tasks:
            await asyncio.wait(tasks)

    async def _prepare(self, name: str, each: _Further) -> None:
        await each.download.wait_until_finished()
        if not each.download.present or self._threads is None or self._usual is None:
            return
        try:
            if each.british and self._british is None:
                self._british = await self._threads.run(_load_reader, british=True)
            reader = self._british if each.british and self._british is not None else self._usual.reader
            voice = await self._load(each.download, self._threads)
        except AssetError as error:
            each.problem = str(error)
        except Exception as error:  # noqa: BLE001 - boundary: a model that cannot be loaded must not end anything else
            each.problem = f"loading it failed ({type(error).__name__})"
        else:
            if voice is not None:
                each.speaker = Speaker(voice, reader)
                logger.info("the voice %s can be used", name)
        if each.problem is not None:
            logger.warning("the voice %s cannot be used: %s", name, each.problem)

    @staticmethod
    async def _load(download: Download, threads: Threads) -> Voice | None:
        """The voice; None if its file was damaged and could not be fetched again."""
        try:
            return await threads.run(_load_voice, download.target, download.file.sha256)
        except AssetError:
            logger.warning("%s is damaged and is downloaded again", download.target.name)
        download.target.unlink(missing_ok=True)
        download.begin()
        await download.wait_until_finished()
        return await threads.run(_load_voice, download.target, download.file.sha256) if download.present else None

    def _registered(self) -> dict[str, _Further]:
        """The voices that the package names, with the size and checksum of each file."""
        from hibari.voices import BASE_URL, VOICES

        folder = self._folder or cache_folder() / "hibari"
        return {
            name: _Further(
                _label(name, each),
                each["british"],
                Download(
                    RemoteFile(f"{BASE_URL}{each['file']}", each["bytes"], each["sha256"]),
                    folder / each["file"],
                    self._rules,
                ),
            )
            for name, each in VOICES.items()
            if not each["bundled"]
        }


def _label(name: str, facts: Mapping[str, str]) -> str:
    return f"{name.capitalize()}, {facts['accent']} {_PEOPLE.get(facts['gender'], facts['gender'])}"


def _package() -> Path:
    import hibari

    return Path(hibari.__file__).parent / "assets"


def _load_usual() -> Speaker:
    reader = _load_reader(british=False)
    speaker = Speaker(_load_voice(_package() / assets.MODEL, assets.SHA256[assets.MODEL]), reader)
    for part in parts_of("Good morning."):  # the first run allocates what later ones need
        for phonemes in speaker.read(part):
            list(speaker.speak(phonemes).sound())
    return speaker


def _load_reader(*, british: bool) -> Reader:
    folder = _package()
    assets.check(folder, (*assets.COMMON, *(assets.BRITISH if british else assets.AMERICAN)))
    return Reader((folder / "vocab.json").read_bytes(), british=british)


def _load_voice(path: Path, sha256: str) -> Voice:
    return Voice(assets.checked(path, sha256))
