"""Defines an attack: a coroutine with a name, the number of the defect it once showed, and the apps it applies to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, get_args

from tests.attacks.target import Target

Run = Callable[[Target], Awaitable[None]]
Place = Literal["other", "own"]
"""Whether the attack comes from addresses of its own ("other") or from the honest users' address ("own")."""
PLACES: tuple[Place, ...] = get_args(Place)
Lock = Literal["unlocked", "locked", "with password"]
"""Whether the app is locked, and whether the attacker has the password."""

SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack and its settings.

    `addresses`: the number of addresses it comes from, unless it comes from the honest users' own.

    `locks`: the kinds of app to which it applies.

    `open_files`: the limit on open files under which the app must be started.

    `admits_newcomers`: whether a newcomer must be let in during the attack.

    `asks_question`: whether an honest user must also get an answer during the attack.

    `slow_login`: whether newcomers may have to wait, because their address guesses passwords.

    `in_suite`: whether the test suite runs it. It does if a second shows the effect, and no other attack of the suite
    shows the same.

    `prepare`: is called before the attack begins, to make what takes long outside the measured time.
    """

    name: str
    defect: str
    run: Run
    addresses: int = 1
    seconds: float = SECONDS
    places: tuple[Place, ...] = PLACES
    locks: tuple[Lock, ...] = ("unlocked", "locked")
    open_files: int | None = None
    admits_newcomers: bool = True
    asks_question: bool = False
    slow_login: bool = False
    in_suite: bool = True
    prepare: Callable[[], object] | None = None

    @property
    def meaning(self) -> str:
        """The first paragraph of the coroutine's docstring, as one line."""
        return " ".join((self.run.__doc__ or "").split("\n\n")[0].split())


ATTACKS: dict[str, Attack] = {}
"""All imported attacks by name (see `catalogue`)."""

EVERYWHERE: tuple[Lock, ...] = ("unlocked", "locked", "with password")


def attack(
    defect: str,
    *,
    addresses: int = 1,
    seconds: float = SECONDS,
    places: tuple[Place, ...] = PLACES,
    locks: tuple[Lock, ...] = ("unlocked", "locked"),
    open_files: int | None = None,
    admits_newcomers: bool = True,
    asks_question: bool = False,
    slow_login: bool = False,
    in_suite: bool = True,
    prepare: Callable[[], object] | None = None,
) -> Callable[[Run], Run]:
    """Registers a coroutine as an attack, named after the defect and itself: `d99-long-paths`."""

    def register(run: Run) -> Run:
        name = f"{defect.lower()}-{run.__name__.replace('_', '-')}"
        assert name not in ATTACKS, f"two attacks have the name {name}"
        ATTACKS[name] = Attack(
            name,
            defect,
            run,
            addresses,
            seconds,
            places,
            locks,
            open_files,
            admits_newcomers,
            asks_question,
            slow_login,
            in_suite,
            prepare,
        )
        return run

    return register
