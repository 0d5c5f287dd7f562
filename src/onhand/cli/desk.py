"""Where a verb does its work: at a running server when one is named, else directly at the database.

Both offer the same calls, those of `onhand.client.AsyncClient`, and answers with the same fields, so that a verb is
written once and its `--json` looks alike.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path  # noqa: F401 - cyclopts resolves the annotations that At inherits in this module
from typing import Annotated, Any, Literal, Protocol

from cyclopts import Parameter

from onhand.cli.options import Where
from onhand.domain.errors import OnhandError, Unavailable

Json = Mapping[str, Any]
Mode = Literal["all", "partial", "backorder"]

ATTEMPTS_MAX = 6
"""A person waits in front of the screen: a few seconds for a node that restarts, then to be told."""


class Desk(Protocol):
    """The calls that verbs make; see `onhand.client.AsyncClient` for what each does."""

    async def availability(
        self, channel: str, skus: Iterable[str], *, explain: bool = False, dates: Sequence[date] = ()
    ) -> Sequence[Any]:
        """Say what a channel can sell now."""

    def balances(
        self,
        *,
        sku: str | None = None,
        location: str | None = None,
        status: str | None = None,
        occurred_as_of: datetime | None = None,
        recorded_as_of: datetime | None = None,
    ) -> AsyncIterator[Any]:
        """Go through balances."""

    def movements(self, *, sku: str | None = None, location: str | None = None) -> AsyncIterator[Any]:
        """Go through movements."""

    async def reserve(
        self,
        *,
        channel: str,
        lines: Sequence[Json],
        request_id: str | None = None,
        mode: Mode = "all",
        expires_in_s: int | None = None,
    ) -> Any:
        """Make a reservation."""

    async def extend(
        self, reservation_id: str, *, expires_in_s: int | None = None, expires_at: datetime | None = None
    ) -> Any:
        """Move its deadline."""

    async def release(self, reservation_id: str) -> Any:
        """Give it up."""

    async def fulfil(self, reservation_id: str, *, lines: Sequence[Json] | None = None) -> Any:
        """Say that it was shipped."""

    async def reservation(self, reservation_id: str) -> Any:
        """Show it."""

    async def reservation_log(self, reservation_id: str) -> Sequence[Any]:
        """Show what happened to it."""

    async def send(self, events: Iterable[Json]) -> Sequence[Any]:
        """Send CloudEvents; one outcome for each."""

    async def feed(
        self,
        *,
        after: str | None = None,
        type: str | None = None,  # noqa: A002 - CloudEvents' name
        source: str | None = None,
    ) -> tuple[Sequence[Any], str]:
        """Read the next part of the feed of events, and its cursor."""

    async def event(self, source: str, event_id: str) -> Any:
        """Show one event with its movements."""

    def quarantine(self, *, state: str | None = "open", reason: str | None = None) -> AsyncIterator[Any]:
        """Go through facts that were set aside."""

    async def quarantined(self, quarantine_id: int) -> Any:
        """Show one fact that was set aside."""

    async def release_quarantine(self, *, ids: Sequence[int] | None = None) -> Sequence[Any]:
        """Try facts again."""

    async def discard_quarantined(self, quarantine_id: int, *, note: str) -> Any:
        """Let a fact go."""

    async def create_key(self, *, client: str, scopes: Sequence[str], expires_at: datetime | None = None) -> Any:
        """Make a key."""

    async def keys(self) -> Sequence[Any]:
        """List all keys."""

    async def rotate_key(self, key_id: int, *, overlap_s: int = 86_400) -> Any:
        """Replace a key."""

    async def revoke_key(self, key_id: int) -> Any:
        """End a key."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class At(Where):
    """Where a verb does its work: a server's URL and key, or a database."""

    url: Annotated[str | None, Parameter(help="A running server. [env: ONHAND_URL]")] = None
    key: Annotated[str | None, Parameter(help="The API key for it. [env: ONHAND_KEY]")] = None

    @property
    def server(self) -> str | None:
        """The server to ask, if any: a flag that names a database wins over the environment's server."""
        if self.url is not None or self.dsn is not None or self.data_dir is not None:
            return self.url
        return os.environ.get("ONHAND_URL") or None

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """Open it for as long as the block runs. Raises OnhandError, also for what a server refuses."""
        if self.server is not None:
            from onhand import client as api  # noqa: PLC0415 - takes a while to import, mostly not needed

            key = self.key or os.environ.get("ONHAND_KEY")
            async with api.AsyncClient(self.server, key=key, attempts_max=ATTEMPTS_MAX) as client:
                try:
                    yield client
                except api.OnhandError as error:
                    raise translated(error) from error
        else:
            from onhand.bootstrap import open_hub  # noqa: PLC0415 - likewise
            from onhand.cli.direct import Direct  # noqa: PLC0415

            async with open_hub(self.settings(), application="onhand command") as hub:
                yield Direct(hub, await hub.keys.without_key(user()))


ANYWHERE = At()
"""What the environment says, no flags given."""


def user() -> str:
    """Who types the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in many containers
        return "unknown"


def translated(error: Exception) -> OnhandError:
    """The error of the client as one of ours, its code kept."""
    from onhand import client as api  # noqa: PLC0415 - imported already when this is called

    if not isinstance(error, api.ApiError):
        return Unavailable(str(error), remedy="Check that the server runs and that --url is right.")
    kind = Unavailable if isinstance(error, api.Unavailable) else OnhandError
    members = {"code": error.code, "title": "The server refused", "done": ""}
    refused: OnhandError = type("Refused", (kind,), members)(error.detail, remedy=error.remedy, **error.facts)
    return refused
