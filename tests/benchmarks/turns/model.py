"""Smart Turn's answers, which are computed once for each piece of audio and stored."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from voicebot.audio.sound import SPEECH_RATE_HZ, Samples
from voicebot.engines.turn.smart_turn import SmartTurnNetwork

HEARD = 8 * SPEECH_RATE_HZ
"""The model hears no more samples than this."""


class StoredAnswers:
    """The model in `file`. Its answers are stored in the folder for temporary files."""

    def __init__(self, file: Path) -> None:
        self._network = SmartTurnNetwork.load(file)
        name = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        self._store = Path(tempfile.gettempdir()) / "voicebot-turns" / f"model-{name}.json"
        self._known: dict[str, float] = json.loads(self._store.read_text()) if self._store.exists() else {}

    def __call__(self, heard: Samples) -> float:
        heard = heard[-HEARD:]
        key = hashlib.sha256(heard.tobytes()).hexdigest()[:24]
        if key not in self._known:
            self._known[key] = self._network.probability(heard)
        return self._known[key]

    def save(self) -> None:
        self._store.parent.mkdir(parents=True, exist_ok=True)
        self._store.write_text(json.dumps(self._known))
