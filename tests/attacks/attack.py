"""What an attack is: a coroutine with a name, the defect it once showed, and where it makes sense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, get_args

from tests.attacks.target import Target

Run = Callable[[Target], Awaitable[None]]
Place = Literal["other", "own"]
"""Whether it comes from addresses of its own or from the one that the honest users have."""
PLACES: tuple[Place, ...] = get_args(Place)
Lock = Literal["unlocked", "locked", "with password"]
"""How the app is locked, and whether the attacker has the password."""

SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Attack:
    """`addresses`: how many it comes from, where it does not come from the honest users' own. `locks`: where it makes
    sense. `open_files`: the limit that the app must be started under. `room`: whether a newcomer must be let in while
    it goes on. `asks`: whether an honest user must be answered meanwhile, too. `slow_login`: whether newcomers may be
    kept waiting, as their address guesses passwords. `in_suite`: whether a second of it shows its effect, and no other
    attack of the suite shows the same. `prepare` is called before it begins: what takes long to make is not to be made
    on the attack's time.
    """

    name: str
    defect: str
    run: Run
    addresses: int = 1
    seconds: float = SECONDS
    places: tuple[Place, ...] = PLACES
    locks: tuple[Lock, ...] = ("unlocked", "locked")
    open_files: int | None = None
    room: bool = True
    asks: bool = False
    slow_login: bool = False
    in_suite: bool = True
    prepare: Callable[[], object] | None = None

    @property
    def meaning(self) -> str:
        """The first paragraph of its docstring, in one line."""
        return " ".join((self.run.__doc__ or "").split("\n\n")[0].split())


ATTACKS: dict[str, Attack] = {}
"""All that have been imported, by name: see `catalogue`."""

EVERYWHERE: tuple[Lock, ...] = ("unlocked", "locked", "with password")


def attack(
    defect: str,
    *,
    addresses: int = 1,
    seconds: float = SECONDS,
    places: tuple[Place, ...] = PLACES,
    locks: tuple[Lock, ...] = ("unlocked", "locked"),
    open_files: int | None = None,
    room: bool = True,
    asks: bool = False,
    slow_login: bool = False,
    in_suite: bool = True,
    prepare: Callable[[], object] | None = None,
) -> Callable[[Run], Run]:
    """Registers a coroutine under the defect's number and its own name: `d99-long-paths`."""

    def register(run: Run) -> Run:
        name = f"{defect.lower()}-{run.__name__.replace('_', '-')}"
        assert name not in ATTACKS, f"there are two attacks {name}"
        ATTACKS[name] = Attack(
            name, defect, run, addresses, seconds, places, locks, open_files, room, asks, slow_login, in_suite, prepare
        )
        return run

    return register
