"""Loads the code of an operator: the objects and modules that a setting names."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from voicebot.runtime.contained import BrokenOffError

QUOTED = (ImportError, SyntaxError, NameError, AttributeError, KeyError, TypeError)
"""Exceptions whose text consists of names in the code. The text of any other one may hold anything, such as a key."""

BOT = Path(__file__).parents[1]
INSTALLED = (BOT, *(Path(sysconfig.get_paths()[kind]) for kind in ("stdlib", "purelib", "platlib")))
"""The folders of the bot itself, of Python and of installed packages."""


class LoadingError(Exception):
    """The code that a setting names cannot be used. The text begins with the setting, and is safe to show."""


def load_object(reference: str, setting: str) -> object:
    """Returns what `reference` names: `package.module:name`, or `path/file.py:name`.

    Raises LoadingError with the reason. `setting` is the setting that holds the reference, in capitals.
    """
    place, colon, name = reference.strip().rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise LoadingError(f"{setting}: {reference!r} must be package.module:name or path/file.py:name")
    module = load_module(place, setting)
    try:
        found: object = getattr(module, name)
    except AttributeError:
        near = get_close_matches(name, [each for each in vars(module) if not each.startswith("_")], 1)
        cure = f"; did you mean {near[0]!r}?" if near else ""
        raise LoadingError(f"{setting}: {place} has no {name!r}{cure}") from None
    return found


def load_module(place: str, setting: str) -> ModuleType:
    """Imports a module by its name or by the path of its file, once, and returns it.

    Modules are also looked for in the working directory, and a file may import its neighbours. Raises LoadingError
    with the reason; if the module fails, with the line. `setting` is the setting that names it, in capitals.
    """
    if is_path(place):
        file = Path(place).expanduser()
        if not file.is_file():
            raise LoadingError(f"{setting}: There is no file {place!r}")
        return _imported(place, setting, lambda: _from_file(file.resolve()))
    if not re.fullmatch(r"\w+(\.\w+)*", place):
        raise LoadingError(f"{setting}: {place!r} is neither the name of a module nor the path of a .py file")
    return _imported(place, setting, lambda: _by_name(place))


def is_path(place: str) -> bool:
    """Returns True if the place is the path of a file or a folder, and not the name of a module."""
    return "/" in place or "\\" in place or place.endswith(".py")


def why_it_failed(error: BaseException) -> str:
    """Returns why an operator's code failed when it was loaded: the error, its text if that is safe, and the line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} at {error.filename}:{error.lineno}"
    text = type(error).__name__
    if isinstance(error, QUOTED) and str(error):
        text = f"{text}: {error}"
    return f"{text}{_place(error)}"


def where_it_failed(error: BaseException) -> str:
    """Returns the type of an error in an operator's code, and the line. Its text may hold what a user has said."""
    if isinstance(error, BrokenOffError) and error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}{_place(error)}"


def _place(error: BaseException) -> str:
    """Returns the last line of the operator's own code that the error came through, or else of any code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)] or frames
    return f" at {own[-1].filename}:{own[-1].lineno}" if own else ""


def _is_own(filename: str) -> bool:
    """Returns True for a file that is neither a part of the bot, nor of Python, nor of an installed package."""
    path = Path(filename)
    return path.is_file() and not any(path.is_relative_to(folder) for folder in INSTALLED)


def _imported(place: str, setting: str, load: Callable[[], ModuleType]) -> ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:  # boundary: whatever an operator's module does wrong is named to them
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            raise LoadingError(f"{setting}: There is no module {error.name!r}") from None
        raise LoadingError(f"{setting}: {place} cannot be imported: {why_it_failed(error)}") from error


def _by_name(name: str) -> ModuleType:
    _look_in(Path.cwd())
    return importlib.import_module(name)


def _from_file(file: Path) -> ModuleType:
    """Imports a file under a name of its own, so that it hides no other module of its name."""
    name = f"{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    _look_in(file.parent)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _look_in(folder: Path) -> None:
    """Has modules looked for in the folder, after all other places, so that it hides nothing."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
