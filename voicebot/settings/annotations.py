"""What the documents say about a setting beyond its type, its default and its docstring."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Stands at the first setting of a group. The group contains all settings up to the next one with a group."""

    title: str
    text: str = ""
    """What the settings have in common."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number, as it is written after the number."""

    name: str


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a setting takes, where its type does not show them."""

    text: str
