"""What a check is: a numbered sentence about every connector, the harm that it guards against, and when it applies.

A check is an async function that raises `Broken` with what it saw. One that has nothing to look at raises
`NotApplicable` with the reason; one whose ground is not built yet raises `NotYet`. Both are reported and counted.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from onhand.domain.errors import OnhandError
from onhand.sdk.manifest import Manifest

if TYPE_CHECKING:
    from onhand.testkit.stage import Stage

COUNT: Final = 42
"""How many checks there are; a test holds the table to it."""


class Broken(AssertionError):
    """A connector does not do what the check's sentence says."""


class NotApplicable(Exception):
    """The connector does not claim what this check is about, or its partner has nothing of the kind."""


class NotYet(Exception):
    """The hub's side of what this check needs is not there yet."""


@dataclass(frozen=True, slots=True)
class Check:
    """One of the numbered checks."""

    id: str
    sentence: str
    guards: str
    """The pain that it prevents, or the promise behind it."""
    run: Callable[[Stage], Awaitable[None]]
    when: Callable[[Manifest], str]
    """Gives the reason why it does not apply to what a manifest claims; empty where it does."""
    limit_s: float = 60.0


CHECKS: dict[str, Check] = {}
"""Every check by its number, once `onhand.testkit.suite` is imported."""

Body = Callable[["Stage"], Awaitable[None]]


def check(
    number: int, *, guards: str, when: Callable[[Manifest], str] | None = None, limit_s: float = 60.0
) -> Callable[[Body], Body]:
    """Enter a function into the table of checks; the first line of its docstring is the check's sentence."""

    def enter(run: Body) -> Body:
        name = f"K{number:02d}"
        assert name not in CHECKS, name
        sentence = (run.__doc__ or "").partition("\n")[0]
        CHECKS[name] = Check(name, sentence, guards, run, when or _always, limit_s)
        return run

    return enter


def expect(holds: object, *, but: str) -> None:
    """Raise Broken, saying what was seen, unless something holds."""
    if not holds:
        raise Broken(but)


class no_accident:  # noqa: N801 - used like the function it stands for
    """Turn whatever is no error of Onhand's own kind into Broken: a stumble is a finding, not a crash."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, OnhandError | Broken | NotApplicable | NotYet):
            return
        place = traceback.extract_tb(trace)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        raise Broken(f"{self._what}: {type(error).__name__}: {error} ({where})") from error


def _always(_manifest: Manifest) -> str:
    return ""


def reads(manifest: Manifest) -> str:
    """For checks of reading: it must claim a stream that is polled or comes as files."""
    return "" if polled(manifest) else "it claims no stream that is read"


def hears(manifest: Manifest) -> str:
    """For checks of webhooks."""
    return "" if heard(manifest) else "it claims no stream of webhooks"


def tells(manifest: Manifest) -> str:
    """For checks of telling: it must claim an operation."""
    return "" if manifest.operations else "it claims no operation"


def publishes(manifest: Manifest) -> str:
    """For checks of publications: it must claim `stock.publish`."""
    return "" if "stock.publish" in manifest.operations else "it does not publish stock"


def maps(manifest: Manifest) -> str:
    """For checks of mappings: it must claim a stream."""
    return "" if manifest.streams else "it claims no stream"


def talks(manifest: Manifest) -> str:
    """For checks that need any request at all to the partner."""
    return "" if manifest.streams or manifest.operations or manifest.check else "it claims nothing that asks a partner"


def polled(manifest: Manifest) -> list[str]:
    """Return the streams that are read."""
    return [name for name, stream in manifest.streams.items() if {"poll", "file"} & set(stream.modes)]


def heard(manifest: Manifest) -> list[str]:
    """Return the streams that arrive as webhooks."""
    return [name for name, stream in manifest.streams.items() if "webhook" in stream.modes]
