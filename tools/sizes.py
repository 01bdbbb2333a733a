"""Measures what the installed packages take on disk: `python -m tools.sizes [--image FOLDER]`.

It lists the largest packages of the environment that runs it. With `--image` it measures the Docker image without
Docker: it carries out the steps of the Dockerfile in a new folder, in which each absolute path begins, and prints how
much each step adds. It leaves out the base image and the users. This needs the network and Python 3.11.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MB = 1e6


def on_disk(*paths: Path) -> int:
    """Returns the bytes that these files and folders take on disk. Links, and what is not there, take none."""
    total = 0
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            total += on_disk(*path.iterdir())
        elif path.is_file() and not path.is_symlink():
            total += path.stat().st_blocks * 512
    return total


def largest(count: int) -> Iterator[str]:
    """Yields a table of the largest installed packages, with the files that Python has compiled, and the total."""
    sizes = {f"{each.name} {each.version}": _size(each) for each in distributions()}
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:count]:
        yield f"{size / MB:8.1f} MB  {name}"
    yield f"{sum(sizes.values()) / MB:8.1f} MB  all {len(sizes)} packages"


def _size(package: Distribution) -> int:
    return on_disk(*{Path(str(package.locate_file(file))) for file in package.files or ()})


def image(folder: Path) -> Iterator[str]:
    """Carries out the Dockerfile's steps in the folder, and yields how much each of them adds."""
    text = re.sub(r"\\\n\s*", "", (PROJECT / "Dockerfile").read_text("utf-8"))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "usr" / "local")], check=True)
    work, before, total = folder, on_disk(folder), 0
    stage = ""
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage, total = rest.partition(" AS ")[2] or "image", 0
        elif word == "WORKDIR":
            work = folder / rest.strip("/")
            work.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(rest, work, folder)
        elif word == "RUN" and not rest.startswith("useradd"):
            _run(rest, work, folder)
        if word in {"COPY", "RUN"}:
            now = on_disk(folder)
            yield f"{(now - before) / MB:8.1f} MB  {stage}: {word} {rest[:90]}"
            total += now - before
            before = now
    yield f"{total / MB:8.1f} MB  {stage}: all steps"


def _copy(rest: str, work: Path, folder: Path) -> None:
    """Copies files of the project or of the other stage."""
    *sources, target = rest.split()
    into = folder / target.strip("/") if target.startswith("/") else work / target
    if sources[0].startswith("--from="):
        sources = [str(each) for each in (folder / sources[1].strip("/")).iterdir()]
    for source in sources:
        origin = PROJECT / source
        destination = into / origin.name if into.is_dir() or len(sources) > 1 else into
        if origin.is_dir():
            shutil.copytree(origin, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(origin, destination)


def _run(command: str, work: Path, folder: Path) -> None:
    inside = re.sub(r"(?<=\s)/(?=\w)", f"{folder}/", command)
    hidden = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONPATH", "VIRTUAL_ENV"}
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    variables["PIP_QUIET"] = "1"
    variables["PATH"] = f"{folder / 'usr' / 'local' / 'bin'}:{variables['PATH']}"
    subprocess.run(["sh", "-ec", inside], cwd=work, env=variables, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sizes", description=__doc__)
    parser.add_argument("--image", type=Path, metavar="FOLDER", help="a new folder, which afterwards holds the image")
    parser.add_argument("--count", type=int, default=12, help="how many packages to list (default: 12)")
    options = parser.parse_args()
    if options.image is None:
        lines = largest(options.count)
    elif options.image.exists():
        parser.error(f"{options.image} exists already")
    else:
        lines = image(options.image.resolve())
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
