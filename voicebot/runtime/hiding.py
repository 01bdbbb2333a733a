"""Hides an installed package from others that would load it if they found it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Has every import of the package fail with ImportError meanwhile, as if it were not installed."""
    loaded = sys.modules.get(package)
    sys.modules[package] = cast(ModuleType, None)  # the documented way to forbid an import
    try:
        yield
    finally:
        del sys.modules[package]
        if loaded is not None:
            sys.modules[package] = loaded
