"""Reads the locks, the files in `locks/` that name each package with its version and the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

LOCKS = Path(__file__).resolve().parents[1] / "locks"


@dataclass(frozen=True, slots=True)
class Target:
    """A system with a version of Python on it."""

    system: str
    python: str
    """For example 3.12."""

    @property
    def platforms(self) -> list[str]:
        """Returns pip's names for the platform, newest first."""
        return PLATFORMS[self.system]

    @property
    def environment(self) -> dict[str, str]:
        """Returns the values of the environment markers."""
        sys_platform, platform_system, os_name, machine = _MARKERS[self.system]
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": platform_system,
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": sys_platform,
        }


def _manylinux(machine: str) -> list[str]:
    return [*(f"manylinux_2_{minor}_{machine}" for minor in range(35, 4, -1)), f"manylinux2014_{machine}"]


PLATFORMS: Mapping[str, list[str]] = {
    "Linux x86_64": [*_manylinux("x86_64"), "manylinux2010_x86_64", "manylinux1_x86_64"],
    "Linux aarch64": _manylinux("aarch64"),
    "macOS arm64": ["macosx_15_0_arm64"],
    "macOS x86_64": ["macosx_15_0_x86_64"],
    "Windows AMD64": ["win_amd64"],
}
"""The systems: those of Debian 12 and Ubuntu 22.04 (glibc 2.35), macOS 15 and Windows."""

_MARKERS: Mapping[str, tuple[str, str, str, str]] = {
    "Linux x86_64": ("linux", "Linux", "posix", "x86_64"),
    "Linux aarch64": ("linux", "Linux", "posix", "aarch64"),
    "macOS arm64": ("darwin", "Darwin", "posix", "arm64"),
    "macOS x86_64": ("darwin", "Darwin", "posix", "x86_64"),
    "Windows AMD64": ("win32", "Windows", "nt", "AMD64"),
}


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One version of a package in a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> NormalizedName:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version:
        (pin,) = self.requirement.specifier
        return Version(pin.version)


def requirements(text: str) -> list[Requirement]:
    """Returns the requirements of a requirements file, which may have comments but no options."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def locked(name: str) -> list[LockedPackage]:
    """Returns the packages of `locks/NAME.txt`."""
    text = (LOCKS / f"{name}.txt").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [
        LockedPackage(
            Requirement(line.partition("--hash")[0].strip()), tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
        )
        for line in lines
    ]


def applies(requirement: Requirement, target: Target) -> bool:
    """Returns whether the requirement's marker is true there, with no extra chosen."""
    return requirement.marker is None or requirement.marker.evaluate({**target.environment, "extra": ""})
