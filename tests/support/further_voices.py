"""A file host on this machine that serves hibari's further voices instead of the host that the package names."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from hibari import voices

from tests.simulators.files import FileHost


@asynccontextmanager
async def host_of_voices() -> AsyncIterator[FileHost]:
    """Serves the package's own model under the name of every further voice, because the real files are not here.

    Changes the sizes, checksums and address that the package has registered for the voices accordingly.
    """
    model = (Path(voices.__file__).parent / "assets" / "hibari.onnx").read_bytes()
    registered = {name: dict(each) for name, each in voices.VOICES.items()}
    for each in registered.values():
        if not each["bundled"]:
            each |= {"bytes": len(model), "sha256": hashlib.sha256(model).hexdigest()}
    files = {f"/{each['file']}": model for each in registered.values() if not each["bundled"]}
    async with FileHost(files) as host:
        with patch.object(voices, "VOICES", registered), patch.object(voices, "BASE_URL", f"{host.url}/"):
            yield host
