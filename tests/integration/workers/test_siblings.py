"""A worker that cannot reach another one takes it for dead only if that one is the cause."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from voicebot.workers.place import WorkerPlace
from voicebot.workers.siblings import SiblingError, Siblings


async def test_a_process_without_free_file_descriptors_takes_no_sibling_for_dead(tmp_path: Path) -> None:
    place = WorkerPlace(tmp_path, 0, 2)
    gone = place.process_socket(1)
    with pytest.raises(SiblingError) as dead:
        await Siblings(place).ask(gone, "GET", "/load")
    assert not dead.value.slow
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(SiblingError) as unknown:
            await Siblings(place).ask(gone, "GET", "/load")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert unknown.value.slow
