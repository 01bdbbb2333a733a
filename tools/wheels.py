"""Finds out which locked packages have no wheel for a system: `python -m tools.wheels`. Needs the network.

pip looks for the wheels of every package in locks/run.txt, for each system and version of Python. It reads only what
the index says about them and downloads none. The exit status is 1 if a package has no wheel.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.locks import PLATFORMS, Target, applies, locked

PYTHONS = ("3.11", "3.12", "3.13")


def without_wheel(target: Target) -> tuple[list[str], list[str]]:
    """Returns the packages that the bot needs on this system, and those of them that have no wheel there.

    Raises RuntimeError with pip's words if it fails otherwise.
    """
    wanted = [f"{each.name}=={each.version}" for each in locked("run") if applies(each.requirement, target)]
    missing: list[str] = []
    while True:
        ended = _looked_up([each for each in wanted if each not in missing], target)
        if not ended.returncode:
            return wanted, missing
        found = re.search(r"No matching distribution found for (\S+)", ended.stderr)
        if found is None or found[1] in missing:
            raise RuntimeError(ended.stderr)
        missing.append(found[1])


def _looked_up(packages: list[str], target: Target) -> subprocess.CompletedProcess[str]:
    abi = f"cp{target.python.replace('.', '')}"
    options = ["--python-version", target.python, "--implementation", "cp"]
    options += [f"--abi={each}" for each in (abi, "abi3", "none")]
    options += [f"--platform={each}" for each in target.platforms]
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "packages.txt"
        listed.write_text("\n".join(packages), "utf-8")
        # pip looks up packages for other systems only if it is told where to put them, even in a dry run.
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--target", folder, *options]
        command += ["--no-deps", "--only-binary=:all:", "--requirement", str(listed)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.wheels", description=__doc__)
    parser.add_argument("--python", nargs="+", default=PYTHONS, help=f"versions (default: {' '.join(PYTHONS)})")
    parser.add_argument("--system", nargs="+", choices=PLATFORMS, default=list(PLATFORMS), help="default: all")
    options = parser.parse_args()
    complete = True
    for system in options.system:
        for python in options.python:
            wanted, missing = without_wheel(Target(system, python))
            complete &= not missing
            result = f"no wheel for {', '.join(missing)}" if missing else "all have a wheel"
            sys.stdout.write(f"{system:14} Python {python}: {len(wanted)} packages, {result}\n")
            sys.stdout.flush()
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
