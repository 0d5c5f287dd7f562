"""What a person asked for by number, and is not there: a slip of the pen must not look like nothing to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

NUMBER_MAX: Final = 2**63 - 1
NAMED_MAX: Final = 10
"""How many of the missing are named in an error."""


class Numbered(Protocol):
    """A row that people name by its number."""

    @property
    def id(self) -> int:
        """The number."""


async def missing(
    asked: Iterable[int] | None, there: Callable[[tuple[int, ...]], Awaitable[Iterable[Numbered]]]
) -> str:
    """Return those of the numbers asked for that `there` finds no row of, in words; empty where all are there."""
    wanted = set(asked or ())
    possible = tuple(number for number in wanted if 0 < number <= NUMBER_MAX)
    known = await there(possible) if possible else ()
    return ", ".join(map(str, sorted(wanted - {row.id for row in known})[:NAMED_MAX]))
