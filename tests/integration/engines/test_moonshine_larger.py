"""The larger model is downloaded while tiny-en is in use. The local server offers tiny-en's files as the larger one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import google_crc32c
import pytest

from tests.simulators.faults import Fault, Planned
from tests.simulators.files import FileHost
from tests.support.moonshine_talk import heard
from tests.support.speech import spoken
from tests.support.understanding import words
from voicebot.engines.download import DownloadError, DownloadRules, RemoteFile
from voicebot.engines.stt.moonshine import Moonshine
from voicebot.engines.stt.moonshine import larger as larger_module
from voicebot.engines.stt.moonshine.larger import BASE_EN, LargerModel
from voicebot.engines.stt.moonshine.model import DECODER, ENCODER, TOKENS, wheel_folder

FILES = (ENCODER.name, DECODER.name, TOKENS.name)
RULES = DownloadRules(connect_s=5.0, stall_s=2.0, tries=3, pause_s=0.01)


@pytest.fixture
async def host() -> AsyncIterator[FileHost]:
    async with FileHost({f"/{name}": (wheel_folder() / name).read_bytes() for name in FILES}) as running:
        yield running


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode("ascii")


def remote(host: FileHost) -> list[RemoteFile]:
    contents = [(name, (wheel_folder() / name).read_bytes()) for name in FILES]
    return [RemoteFile(f"{host.url}/{name}", len(content), crc32c=crc32c(content)) for name, content in contents]


@asynccontextmanager
async def engine_with(larger: LargerModel) -> AsyncIterator[Moonshine]:
    engine = Moonshine(larger)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def until_in_use(engine: Moonshine) -> None:
    async with asyncio.timeout(60):
        while engine.model != "base-en":  # noqa: ASYNC110 (the change has no event)
            await asyncio.sleep(0.02)


async def test_the_larger_model_is_downloaded_used_and_reused_after_a_restart(
    host: FileHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with engine_with(LargerModel(remote(host), tmp_path / "base", RULES)) as engine:
        assert engine.model == "tiny-en", "the download delays nobody"
        await until_in_use(engine)
        assert words(await heard(engine, spoken("tell me a joke"))) == words("tell me a joke")
        assert engine.warning is None
    assert "moonshine: base-en is being downloaded: 9" in caplog.text, "the log shows the progress"
    assert len(host.requests) == len(FILES)

    async with engine_with(LargerModel(remote(host), tmp_path / "base", RULES)) as engine:
        await until_in_use(engine)
    assert len(host.requests) == len(FILES), "no file is downloaded twice"


async def test_a_file_with_another_checksum_is_not_used(host: FileHost, tmp_path: Path) -> None:
    content = bytearray(host.files[f"/{DECODER.name}"])
    content[1_000] ^= 1
    host.files[f"/{DECODER.name}"] = bytes(content)
    async with engine_with(LargerModel(remote(host), tmp_path, RULES)) as engine:
        async with asyncio.timeout(60):
            while "could not be downloaded" not in (engine.warning or ""):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert engine.warning == "base-en could not be downloaded: the downloaded file is not the expected one"
        assert engine.model == "tiny-en"
        assert not (tmp_path / DECODER.name).exists()
        assert words(await heard(engine, spoken("tell me a joke"))) == words("tell me a joke")


async def test_a_downloaded_file_that_was_damaged_is_downloaded_again(host: FileHost, tmp_path: Path) -> None:
    async with engine_with(LargerModel(remote(host), tmp_path, RULES)) as engine:
        await until_in_use(engine)
    damaged = bytearray((tmp_path / ENCODER.name).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / ENCODER.name).write_bytes(damaged)
    async with engine_with(LargerModel(remote(host), tmp_path, RULES)) as engine:
        await until_in_use(engine)
    assert (tmp_path / ENCODER.name).read_bytes() == host.files[f"/{ENCODER.name}"]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.STALL])
async def test_a_download_that_breaks_off_or_stalls_is_resumed(fault: Fault, host: FileHost, tmp_path: Path) -> None:
    host.faults.plan(Planned(fault))
    rules = DownloadRules(connect_s=5.0, stall_s=0.5, tries=3, pause_s=0.01)
    async with engine_with(LargerModel(remote(host), tmp_path, rules)) as engine:
        assert words(await heard(engine, spoken("tell me a joke"))) == words("tell me a joke"), (
            "the download delays nobody"
        )
        await until_in_use(engine)
    assert len(host.requests) == len(FILES) + 1
    assert host.requests[1].headers["range"].startswith("bytes=")


async def test_a_failed_download_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = [RemoteFile("http://127.0.0.1:9/encoder_model.ort", 10, crc32c="AAAAAA==")]
    monkeypatch.setattr(larger_module, "_RETRY_S", 0.01)
    tried, thrice = 0, asyncio.Event()

    async def fetch(*_: object) -> None:
        nonlocal tried
        tried += 1
        if tried == 3:
            thrice.set()
        raise DownloadError("no connection")

    monkeypatch.setattr(larger_module, "fetch", fetch)
    async with engine_with(LargerModel(nowhere, tmp_path, RULES)) as engine, asyncio.timeout(20):
        await thrice.wait()
        assert engine.warning == "base-en could not be downloaded: no connection"
        assert engine.model == "tiny-en"


def test_sizes_and_checksums_of_base_en_are_pinned() -> None:
    assert sum(file.size for file in BASE_EN) == 141_001_190
    assert all(file.crc32c and file.url.startswith("https://") for file in BASE_EN)
    tokens = (wheel_folder() / TOKENS.name).read_bytes()
    assert (BASE_EN[-1].size, BASE_EN[-1].crc32c) == (len(tokens), crc32c(tokens)), "both models have the same tokens"
