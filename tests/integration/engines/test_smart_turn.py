"""The end-of-turn model Smart Turn, with a tiny ONNX file in its place: loading, downloading, answers and faults."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.simulators.faults import Fault, Planned
from tests.simulators.files import FileHost
from tests.support.engines import loud
from tests.support.turn_models import tiny_answer, tiny_model
from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.dialogue.errors import ErrorCode
from voicebot.engines.download import DownloadRules, RemoteFile
from voicebot.engines.turn import smart_turn
from voicebot.engines.turn.smart_turn import MOST_WAITING, SLOW_IN_A_ROW, WEIGHTS, SmartTurn, SmartTurnNetwork

RULES = DownloadRules(connect_s=5.0, stall_s=2.0, tries=2, pause_s=0.01)
QUESTION = loud(1.0, SPEECH_RATE_HZ).samples


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.onnx"
    path.write_bytes(tiny_model())
    return path


@asynccontextmanager
async def started(model: SmartTurn) -> AsyncIterator[SmartTurn]:
    await model.start()
    try:
        yield model
    finally:
        await model.close()


async def until_reason(model: SmartTurn, part: str) -> None:
    async with asyncio.timeout(10):
        while part not in (model.status.reason or ""):  # noqa: ASYNC110 (the change has no event)
            await asyncio.sleep(0.01)


async def test_the_network_hears_the_spectrogram_of_the_question(file: Path) -> None:
    rng = np.random.default_rng(1)
    sounds = [QUESTION, (rng.standard_normal(200_000) * 3_000).astype(np.int16), np.zeros(0, np.int16)]
    async with started(SmartTurn(file)) as model:
        assert (model.status.ready, model.status.reason) == (True, None)
        answers = [await model.probability(sound) for sound in sounds]
        assert answers == pytest.approx([tiny_answer(sound) for sound in sounds], abs=1e-4)
        assert len({round(answer or 0.0, 3) for answer in answers}) == 3
        assert model.status.probe_ms is not None


async def test_a_missing_file_and_one_that_is_no_model_are_reported_and_leave_the_bot_without_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, other = tmp_path / "damaged.onnx", tmp_path / "other.onnx"
    damaged.write_bytes(tiny_model()[:60])
    other.write_bytes(tiny_model("waveform"))
    for file, reason in (
        (tmp_path / "absent.onnx", "its file can't be read (No such file or directory)"),
        (damaged, "onnxruntime can't use its file"),
        (other, "onnxruntime can't use its file"),
    ):
        async with started(SmartTurn(file)) as model:
            assert not model.status.ready
            assert reason in (model.status.reason or "")
            assert await model.probability(QUESTION) is None
        assert reason in caplog.text


async def test_answers_that_are_no_probabilities_are_refused_when_the_model_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "no_sigmoid.onnx"
    file.write_bytes(tiny_model(activation="Identity"))  # silence has a mean of -1.5
    async with started(SmartTurn(file)) as model:
        assert model.status.reason == "its answer is no probability"


async def test_a_model_that_was_closed_can_be_started_again(file: Path) -> None:
    model = SmartTurn(file)
    async with started(model):
        assert await model.probability(QUESTION) is not None
    assert await model.probability(QUESTION) is None
    async with started(model):
        assert await model.probability(QUESTION) is not None


# Download -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def host() -> AsyncIterator[FileHost]:
    async with FileHost({"/tiny.onnx": tiny_model()}) as running:
        yield running


def remote(host: FileHost, content: bytes | None = None) -> RemoteFile:
    content = tiny_model() if content is None else content
    return RemoteFile(f"{host.url}/tiny.onnx", len(content), sha256=hashlib.sha256(content).hexdigest())


def downloaded(host: FileHost, folder: Path) -> SmartTurn:
    return SmartTurn(weights=remote(host), folder=folder, rules=RULES)


async def test_the_weights_are_downloaded_once_and_used_again_after_a_restart(host: FileHost, tmp_path: Path) -> None:
    for _ in range(2):
        async with started(downloaded(host, tmp_path)) as model:
            await asyncio.wait_for(model.settle(), 10)
            assert await model.probability(QUESTION) == pytest.approx(tiny_answer(QUESTION), abs=1e-4)
        assert len(host.requests) == 1


async def test_nobody_waits_for_the_download(host: FileHost, tmp_path: Path) -> None:
    host.faults.plan(Planned(Fault.HANG))
    async with started(downloaded(host, tmp_path)) as model:
        assert await model.probability(QUESTION) is None
        assert model.status.reason == "it is being downloaded"
        assert model.status.code is ErrorCode.UNAVAILABLE


async def test_a_file_with_another_checksum_is_not_used(
    host: FileHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = bytearray(tiny_model())
    changed[-1] ^= 1
    host.files["/tiny.onnx"] = bytes(changed)
    async with started(downloaded(host, tmp_path)) as model:
        await asyncio.wait_for(model.settle(), 10)
        assert model.status.reason == "it could not be downloaded: the downloaded file is not the expected one"
        assert await model.probability(QUESTION) is None
    assert "could not be downloaded" in caplog.text


async def test_a_damaged_download_is_replaced(host: FileHost, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"\0" * len(tiny_model()))
    async with started(downloaded(host, tmp_path)) as model:
        await asyncio.wait_for(model.settle(), 10)
        assert model.status.ready


def test_the_weights_are_pinned_to_a_revision_and_a_checksum() -> None:
    assert len(WEIGHTS.sha256) == 64
    assert "/resolve/main/" not in WEIGHTS.url


# Questions at the same time, slow and failing models ------------------------------------------------------------------


class StandIn:
    """A network that gives one answer for each release of `let`, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun: list[Samples] = []
        self.at_once = self.most_at_once = 0
        self.let = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.error = error

    def probability(self, samples: Samples) -> float:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.append(samples)
        self.entered.release()
        assert self.let.acquire(timeout=10)
        self.at_once -= 1
        if self.error is not None:
            raise self.error
        return 0.75


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(SmartTurnNetwork, "load", lambda _: stand_in)
    return stand_in


def asked(model: SmartTurn, number: int) -> asyncio.Task[float | None]:
    return asyncio.create_task(model.probability(np.full(10, number, np.int16)))


async def until_begun(network: StandIn) -> None:
    assert await asyncio.to_thread(network.entered.acquire, timeout=10)


async def test_the_questions_of_several_sessions_are_answered_one_at_a_time_and_in_order(network: StandIn) -> None:
    async with started(SmartTurn(Path())) as model:
        questions = [asked(model, number) for number in range(MOST_WAITING)]
        await until_begun(network)
        network.let.release(MOST_WAITING)
        assert await asyncio.gather(*questions) == [0.75] * MOST_WAITING
        assert [int(samples[0]) for samples in network.begun] == list(range(MOST_WAITING))
        assert network.most_at_once == 1


async def test_a_question_gets_no_answer_while_too_many_others_wait(network: StandIn) -> None:
    async with started(SmartTurn(Path())) as model:
        questions = [asked(model, number) for number in range(MOST_WAITING)]
        await until_begun(network)
        assert await model.probability(QUESTION) is None
        network.let.release(MOST_WAITING)
        await asyncio.gather(*questions)
        network.let.release()
        assert await model.probability(QUESTION) == 0.75
        assert len(network.begun) == MOST_WAITING + 1


async def test_a_cancelled_question_that_waits_is_dropped_and_makes_room_for_another_one(network: StandIn) -> None:
    async with started(SmartTurn(Path())) as model:
        first, *others = [asked(model, number) for number in range(MOST_WAITING)]
        await until_begun(network)
        for question in others:
            question.cancel()
        await asyncio.wait(others)
        newest = asked(model, 9)
        network.let.release(MOST_WAITING)
        assert await first == await newest == 0.75
        assert [int(samples[0]) for samples in network.begun] == [0, 9]


async def test_a_cancelled_question_under_way_ends_at_once_and_the_loop_does_not_wait_for_the_thread(
    network: StandIn,
) -> None:
    async with started(SmartTurn(Path())) as model:
        question = asked(model, 0)
        await until_begun(network)
        question.cancel()
        await asyncio.wait({question})
        assert question.cancelled()
        assert network.at_once == 1, "the thread still works"
        network.let.release(MOST_WAITING)


async def test_a_failing_model_is_reported_once_and_left_out(
    network: StandIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_turn, "REST_S", 0.0)  # it is tried again at once
    network.error = ValueError("a secret")
    network.let.release(MOST_WAITING)
    async with started(SmartTurn(Path())) as model:
        for _ in range(3):
            assert await model.probability(QUESTION) is None
        assert len(network.begun) == 3
        assert caplog.text.count("smart-turn: it failed (ValueError); turns end without it meanwhile") == 1
        assert "a secret" not in caplog.text
        assert model.status.reason == "it failed (ValueError)"
        network.error = None
        assert await model.probability(QUESTION) == 0.75
        assert model.status.reason is None


async def test_a_model_that_has_failed_rests(network: StandIn) -> None:
    network.error = ValueError()
    network.let.release(MOST_WAITING)
    async with started(SmartTurn(Path())) as model:
        for _ in range(3):
            assert await model.probability(QUESTION) is None
        assert len(network.begun) == 1
        assert not model.status.ready


async def test_a_model_that_is_slow_several_times_in_a_row_is_left_out_even_if_nobody_waits_for_its_answers(
    network: StandIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_turn, "SLOW_S", -1.0)
    async with started(SmartTurn(Path())) as model:
        for number in range(SLOW_IN_A_ROW):
            assert model.status.ready
            question = asked(model, number)
            await until_begun(network)
            question.cancel()
            await asyncio.wait({question})
            network.let.release()
        await until_reason(model, "3 times in a row")
        assert await model.probability(QUESTION) is None
        assert len(network.begun) == SLOW_IN_A_ROW
        assert model.status.code is ErrorCode.UNAVAILABLE
        assert caplog.text.count("times in a row") == 1


async def test_a_slow_answer_now_and_then_is_no_reason_to_leave_the_model_out(
    network: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.let.release(6)
    async with started(SmartTurn(Path())) as model:
        for slow_s in (-1.0, -1.0, 10.0, -1.0, -1.0, 10.0):
            monkeypatch.setattr(smart_turn, "SLOW_S", slow_s)
            assert await model.probability(QUESTION) == 0.75
        assert model.status.ready


async def test_closing_drops_the_questions_that_wait(network: StandIn) -> None:
    model = SmartTurn(Path())
    await model.start()
    questions = [asked(model, number) for number in range(2)]
    await until_begun(network)
    closing = asyncio.create_task(model.close())
    await asyncio.wait({questions[1]})
    network.let.release(MOST_WAITING)
    await closing
    assert len(network.begun) == 1
