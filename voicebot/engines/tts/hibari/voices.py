"""The voices of hibari: one comes with the package, the others are downloaded when somebody chooses them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.engines.download import Download, DownloadRules, RemoteFile, cache_folder
from voicebot.engines.tts.hibari import assets
from voicebot.engines.tts.hibari.assets import AssetError
from voicebot.engines.tts.hibari.phonemes import Phonemes, Phonemizer, TextPiece, split_into_parts
from voicebot.engines.tts.hibari.voice import AcousticModel, SpokenPart
from voicebot.runtime.threads import Threads

logger = logging.getLogger(__name__)

_PEOPLE = {"female": "woman", "male": "man"}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice that is loaded, and the pronunciation of its accent."""

    model: AcousticModel
    phonemizer: Phonemizer

    def phonemize(self, part: Sequence[TextPiece]) -> list[Phonemes]:
        return self.phonemizer.phonemize(part)

    def speak(self, phonemes: Phonemes) -> SpokenPart:
        return self.model.speak(phonemes)


@dataclass(slots=True)
class _DownloadedVoice:
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
        """What a user should know before choosing the voice; "" if it can speak.

        The text does not change during a download, so that a list of voices does not move while somebody reads it.
        """
        if self.speaker is not None:
            return ""
        if self.problem is not None:
            return f"cannot be used: {self.problem}"
        if self.download.error:
            return f"could not be downloaded: {self.download.error}"
        if self.download.running:
            return "is being downloaded"
        return "" if self.download.present else f"is downloaded first, {self.download.file.size / 1e6:.0f} MB"

    @property
    def progress(self) -> str:
        """The received part of a running download."""
        received, size = self.download.received, self.download.file.size
        return f" ({100 * received // size} % of {size / 1e6:.0f} MB)" if self.download.running else ""


class Voices:
    """The voices of one server. `start` loads the usual one ("heart"), which comes with the package.

    The others are downloaded and loaded in the background, from where the package says, into `folder` (by default the
    system's folder for caches).
    """

    def __init__(self, folder: Path | None, rules: DownloadRules | None) -> None:
        self._folder, self._rules = folder, rules
        self._usual: Speaker | None = None
        self._british: Phonemizer | None = None
        self._others: dict[str, _DownloadedVoice] = {}
        self._threads: Threads | None = None

    async def start(self, threads: Threads) -> None:
        """Loads the usual voice, which takes about 0.8 s in a thread. Raises AssetError or ImportError."""
        if self._usual is None:
            self._threads = threads
            self._usual = await threads.run(_load_usual)
            self._others = self._registered()

    async def close(self) -> None:
        for voice in self._others.values():
            if voice.task is not None:
                voice.task.cancel()
                await asyncio.wait({voice.task})
            await voice.download.close()
        self._usual, self._others = None, {}

    @property
    def labels(self) -> dict[str, str]:
        """The other voices for users to choose from, each with its present state."""
        return {
            name: f"{voice.label} ({voice.state})" if voice.state else voice.label
            for name, voice in self._others.items()
        }

    @property
    def note(self) -> str | None:
        """The chosen voices that cannot speak yet, with the reasons; None if there are none."""
        busy = {name: voice for name, voice in self._others.items() if voice.task is not None and voice.state}
        return "; ".join(f"the voice {name} {voice.state}{voice.progress}" for name, voice in busy.items()) or None

    def fetch(self, name: str) -> None:
        """Downloads and loads a voice in the background, unless it is here, on its way, or has failed a moment ago."""
        voice = self._others.get(name)
        if voice is None or voice.speaker is not None or voice.problem:
            return
        if voice.task is not None and not voice.task.done():
            return
        voice.download.begin()
        if voice.download.running or voice.download.present:
            voice.task = asyncio.create_task(self._prepare(name, voice), name=f"voice {name}")

    def speaker(self, name: str) -> Speaker | None:
        """Returns the voice, or the usual one if that one cannot speak yet or none is named. None before `start`."""
        voice = self._others.get(name)
        return self._usual if voice is None or voice.speaker is None else voice.speaker

    async def settle(self) -> None:
        """Waits for the voices that are being downloaded or loaded."""
        tasks = {voice.task for voice in self._others.values() if voice.task is not None}
        if tasks:
            await asyncio.wait(tasks)

    async def _prepare(self, name: str, voice: _DownloadedVoice) -> None:
        await voice.download.wait_until_finished()
        if not voice.download.present or self._threads is None or self._usual is None:
            return
        try:
            if voice.british and self._british is None:
                self._british = await self._threads.run(_load_phonemizer, british=True)
            phonemizer = self._british if voice.british and self._british is not None else self._usual.phonemizer
            model = await self._load(voice.download, self._threads)
        except AssetError as error:
            voice.problem = str(error)
        except Exception as error:  # noqa: BLE001 - boundary: a model that cannot be loaded must not end anything else
            voice.problem = f"loading it failed ({type(error).__name__})"
        else:
            if model is not None:
                voice.speaker = Speaker(model, phonemizer)
                logger.info("the voice %s can be used", name)
        if voice.problem is not None:
            logger.warning("the voice %s cannot be used: %s", name, voice.problem)

    @staticmethod
    async def _load(download: Download, threads: Threads) -> AcousticModel | None:
        """Loads a voice. Returns None if its file was damaged and could not be downloaded again."""
        try:
            return await threads.run(_load_model, download.target, download.file.sha256)
        except AssetError:
            logger.warning("%s is damaged and is downloaded again", download.target.name)
        download.target.unlink(missing_ok=True)
        download.begin()
        await download.wait_until_finished()
        return await threads.run(_load_model, download.target, download.file.sha256) if download.present else None

    def _registered(self) -> dict[str, _DownloadedVoice]:
        """Returns the voices that the package names but does not contain, with the size and checksum of each file."""
        from hibari.voices import BASE_URL, VOICES

        folder = self._folder or cache_folder() / "hibari"
        return {
            name: _DownloadedVoice(
                _label(name, facts),
                facts["british"],
                Download(
                    RemoteFile(f"{BASE_URL}{facts['file']}", facts["bytes"], facts["sha256"]),
                    folder / facts["file"],
                    self._rules,
                ),
            )
            for name, facts in VOICES.items()
            if not facts["bundled"]
        }


def _label(name: str, facts: Mapping[str, str]) -> str:
    return f"{name.capitalize()}, {facts['accent']} {_PEOPLE.get(facts['gender'], facts['gender'])}"


def _package() -> Path:
    import hibari

    return Path(hibari.__file__).parent / "assets"


def _load_usual() -> Speaker:
    phonemizer = _load_phonemizer(british=False)
    speaker = Speaker(_load_model(_package() / assets.MODEL, assets.SHA256[assets.MODEL]), phonemizer)
    for part in split_into_parts("Good morning."):  # the first run allocates what later ones need
        for phonemes in speaker.phonemize(part):
            list(speaker.speak(phonemes).sound())
    return speaker


def _load_phonemizer(*, british: bool) -> Phonemizer:
    folder = _package()
    assets.check_files(folder, (*assets.COMMON, *(assets.BRITISH if british else assets.AMERICAN)))
    return Phonemizer((folder / "vocab.json").read_bytes(), british=british)


def _load_model(path: Path, sha256: str) -> AcousticModel:
    return AcousticModel(assets.read_checked(path, sha256))
