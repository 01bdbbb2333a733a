"""A sound card without hardware: PulseAudio with a microphone that tests speak into and a loudspeaker they hear."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from voicebot.audio.sound import WIRE_RATE_HZ, Audio, Samples

START_S = 20.0

LEAD_S = 1.0

SILENT_WITHIN_S = 10.0
QUIET_SAMPLES = WIRE_RATE_HZ // 2
QUIET = 300
"""Samples up to this are no speech: 40 dB below full scale."""

FORMAT = ("--raw", "--format=s16le", "--channels=1", f"--rate={WIRE_RATE_HZ}")

# The monitor of a sink is what was played into it. Programs take no monitor for a microphone, hence the last source.
DEVICES = f"""
load-module module-native-protocol-unix socket={{socket}} auth-anonymous=1
load-module module-null-sink sink_name=loudspeaker rate={WIRE_RATE_HZ} channels=2
load-module module-null-sink sink_name=room rate={WIRE_RATE_HZ} channels=1
load-module module-remap-source source_name=microphone master=room.monitor
set-default-sink loudspeaker
set-default-source microphone
"""


class SoundCard:
    """The microphone and the loudspeaker of the programs that are started with its `environment`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        self._folder = folder
        self._programs: list[subprocess.Popen[bytes]] = []

    def say(self, sound: Audio) -> None:
        """Begins to play the sound into the microphone, `LEAD_S` after a program has begun to use it."""
        deadline_s = time.monotonic() + START_S
        while b"microphone" not in self._running_sources():
            assert time.monotonic() < deadline_s, "no program uses the microphone"
            time.sleep(0.05)
        file = self._folder / f"said-{len(self._programs)}.raw"
        lead = Audio.silence(LEAD_S, WIRE_RATE_HZ)
        file.write_bytes(Audio.joined([lead, sound.resampled(WIRE_RATE_HZ)], WIRE_RATE_HZ).to_bytes())
        self._start("pacat", "--device=room", file)

    def _running_sources(self) -> bytes:
        command = ["pactl", "list", "short", "sources"]
        listed = subprocess.run(command, env=os.environ | self.environment, capture_output=True, check=True).stdout
        return b"".join(line for line in listed.splitlines() if line.endswith(b"RUNNING"))

    @contextmanager
    def recorded(self) -> Iterator[list[Audio]]:
        """Records the loudspeaker until it is silent after the block. The list holds the recording after the block."""
        file = self._folder / f"heard-{len(self._programs)}.raw"
        recorder = self._start("parec", "--device=loudspeaker.monitor", file, "--latency-msec=20")
        heard: list[Audio] = []
        try:
            yield heard
            deadline_s = time.monotonic() + SILENT_WITHIN_S
            while time.monotonic() < deadline_s and np.abs(_samples(file)[-QUIET_SAMPLES:]).max() > QUIET:
                time.sleep(0.1)
        finally:
            recorder.terminate()
            recorder.wait()
        heard.append(Audio(_samples(file), WIRE_RATE_HZ))

    def _start(self, program: str, device: str, file: Path, *options: str) -> subprocess.Popen[bytes]:
        started = subprocess.Popen([program, *FORMAT, *options, device, str(file)], env=os.environ | self.environment)
        self._programs.append(started)
        return started

    def close(self) -> None:
        for program in self._programs:
            program.terminate()
            program.wait()


def _samples(file: Path) -> Samples:
    pcm = file.read_bytes()
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], np.int16)


@contextmanager
def running_sound_card() -> Iterator[SoundCard]:
    """Skips the test where PulseAudio is absent, unless the suite must be whole."""
    if shutil.which("pulseaudio") is None or shutil.which("pacat") is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("PulseAudio is missing: apt-get install pulseaudio pulseaudio-utils")
        pytest.skip("PulseAudio is not installed (apt-get install pulseaudio pulseaudio-utils)")
    with tempfile.TemporaryDirectory(prefix="voicebot-sound-") as name:
        folder = Path(name)
        socket, script = folder / "socket", folder / "devices.pa"
        script.write_text(DEVICES.format(socket=socket))
        options = ("--daemonize=no", "--fail", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no")
        server = subprocess.Popen(
            ["pulseaudio", "-n", f"--file={script}", *options, "--high-priority=no", "--log-level=error"],
            env=os.environ | {"HOME": name, "XDG_RUNTIME_DIR": name},
        )
        card = SoundCard(folder, {"PULSE_SERVER": f"unix:{socket}"})
        try:
            _wait_until_ready(server, card.environment)
            yield card
        finally:
            card.close()
            server.terminate()
            server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    """Raises ChildProcessError if the server ends or is not ready in time."""
    deadline_s = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline_s:
        asked = subprocess.run(["pactl", "info"], env=os.environ | environment, capture_output=True, check=False)
        if b"Default Source: microphone" in asked.stdout:
            return
        time.sleep(0.05)
    raise ChildProcessError("PulseAudio did not start")
