"""The larger English model, base-en. It is downloaded in the background while tiny-en is in use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.engines.download import DownloadError, DownloadRules, RemoteFile, cache_folder, fetch, is_right
from voicebot.engines.stt.moonshine.model import DECODER, ENCODER, ENGINE, TOKENS, Model

logger = logging.getLogger(__name__)

NAME = "base-en"

_RETRY_S = 600.0
"""The wait after a failed download."""

_BASE_URL = "https://download.moonshine.ai/model/base-en/quantized/base-en"

BASE_EN = (
    RemoteFile(f"{_BASE_URL}/{ENCODER.name}", 31_326_816, crc32c="+MATVw=="),
    RemoteFile(f"{_BASE_URL}/{DECODER.name}", 109_424_400, crc32c="71VpRQ=="),
    RemoteFile(f"{_BASE_URL}/{TOKENS.name}", 249_974, crc32c="B7s10Q=="),
)
"""Sizes and checksums are those built into moonshine-voice 0.1.0 (`moonshine_get_stt_dependencies`). CRC32C finds
damage but no forgery; only HTTPS protects against that."""


class LargerModel:
    """The larger model and its download."""

    def __init__(
        self,
        files: Sequence[RemoteFile] = BASE_EN,
        folder: Path | None = None,
        rules: DownloadRules | None = None,
    ) -> None:
        self._files, self._rules = files, rules
        self._folder = cache_folder() / f"moonshine-{NAME}" if folder is None else folder
        self._received = dict.fromkeys((file.url for file in files), 0)
        self.state: str | None = f"{NAME} has not been looked for yet"
        """Why the model is not in use; None once it is."""

    async def load(self) -> Model:
        """Returns the model once its download has succeeded. Raises EngineError if it can't be used here."""
        while True:
            try:
                for file in self._files:
                    await self._fetch(file)
            except DownloadError as error:
                self.state = f"{NAME} could not be downloaded: {error}"
                logger.warning("%s: %s; tiny-en is used until then", ENGINE, self.state)
                await asyncio.sleep(_RETRY_S)
                continue
            model = await asyncio.to_thread(Model.open, self._folder)
            self.state = None
            logger.info("%s: %s is in use", ENGINE, NAME)
            return model

    async def _fetch(self, file: RemoteFile) -> None:
        target = self._target(file)
        if await asyncio.to_thread(_is_there, target, file):
            return
        await fetch(file, target, _FileProgress(self, file), self._rules)

    def advance(self, file: RemoteFile, received: int) -> None:
        """Notes how many bytes of one file have come. Logs each further tenth of all files."""
        before = self._percent
        self._received[file.url] = received
        percent = self._percent
        self.state = f"{NAME} is being downloaded: {percent} % of {self._size / 1e6:.0f} MB"
        if percent // 10 > before // 10:
            logger.info("%s: %s", ENGINE, self.state)

    @property
    def _size(self) -> int:
        return sum(file.size for file in self._files)

    @property
    def _percent(self) -> int:
        return 100 * sum(self._received.values()) // self._size

    def _target(self, file: RemoteFile) -> Path:
        return self._folder / file.url.rsplit("/", 1)[1]


@dataclass(frozen=True, slots=True)
class _FileProgress:
    """Reports the progress of one file to the model."""

    model: LargerModel
    file: RemoteFile

    def advance(self, received: int) -> None:
        self.model.advance(self.file, received)


def _is_there(target: Path, file: RemoteFile) -> bool:
    """Returns whether the right file is there. Removes a wrong one."""
    try:
        if is_right(target, file):
            return True
        target.unlink()
    except OSError:
        pass
    return False
