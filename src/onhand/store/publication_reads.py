"""Publications as people see and switch them, and what explains them.

The adapter behind `onhand.app.publish_status` and `onhand.app.explain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from onhand.app.answers import AvailabilityTerm, MovementRow
from onhand.app.explain import Fenced, Held, Present, Step, Try
from onhand.app.publish_numbers import explained
from onhand.app.publish_ports import Listing
from onhand.app.publish_views import ChannelEvent, Summary
from onhand.domain.fallback import FRESH
from onhand.domain.network import Network
from onhand.store.directory import Directory
from onhand.store.postgres.driver import Database, Row
from onhand.store.publication import listing_of
from onhand.store.publication_numbers import STAGE, Stocks

_S = TypeVar("_S", bound=msgspec.Struct)
_TERMS: Final = msgspec.json.Decoder(tuple[AvailabilityTerm, ...])
_COUNTED: Final = (
    "listed", "in_step", "behind", "waiting", "queued", "awaiting", "unlisted", "failed", "drifts", "oldest_at",
    "p50_ms", "p99_ms",
)  # fmt: skip


class PostgresPublicationReads:
    """The PublicationReads of `onhand.app.publish_status` and the ExplainStore of `onhand.app.explain`."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory
        self._stocks = Stocks(directory)

    async def network(self) -> Network:
        """Return the network in force."""
        return (await self._directory.situation()).network

    async def now(self) -> datetime:
        """Return the shared clock."""
        at: datetime = await self._database.fetchval("flow.clock")
        return at

    async def summaries(self, channels: Sequence[str], *, since: datetime) -> dict[str, Summary]:
        """Return what is known of each channel as a whole."""
        ids = {self._directory.channels[code]: code for code in channels}
        counted = {
            row["channel_id"]: {name: row[name] for name in _COUNTED}
            for row in await self._database.fetch("publication.summary", None, list(ids), since)
        }
        states = {row["channel_id"]: row for row in await self._database.fetch("publication.channels", list(ids))}
        found = {}
        for number, code in ids.items():
            state = states.get(number)
            more = (
                {name: state[name] for name in ("paused_at", "paused_by", "pause_reason")}
                | {"stage": STAGE.decode(state["stage"])}
                if state is not None
                else {}
            )
            found[code] = Summary(**counted[number], **more)
        return found

    async def events(self, channel: str, *, n: int) -> Sequence[ChannelEvent]:
        """Return the newest things that happened to a channel."""
        rows = await self._database.fetch("publication.events", [self._directory.channels[channel]], n)
        return [ChannelEvent(at=r["at"], who=r["who"], what=r["what"], detail=r["detail"]) for r in rows]

    async def differences(self, channels: Sequence[str], *, n: int) -> Sequence[Listing]:
        """Return listings that do not show what they should, the dearest risk first."""
        ids = [self._directory.channels[code] for code in channels]
        return [listing_of(row) for row in await self._database.fetch("publication.differences", ids, n)]

    async def page(
        self, *, channel: str | None, sku: str | None, behind: bool, after: tuple[int, int, int], n: int
    ) -> Sequence[Listing]:
        """Return up to `n` listings after a key."""
        rows = await self._database.fetch("publication.page", channel, sku, behind, *after, n)
        return [listing_of(row) for row in rows]

    async def tell(self, channel: str, skus: Sequence[str] | None, *, who: str) -> int:
        """Make listings due now, whatever holds them back; how many."""
        wanted = None if skus is None else list(skus)
        return len(await self._database.fetch("publication.now", self._directory.channels[channel], wanted, who))

    async def pause(self, channel: str, *, who: str, reason: str) -> bool:
        """Tell nothing any more, and call off what waits; False when it was paused already."""
        number = self._directory.channels[channel]
        await self._database.execute("publication.ensure_channels", [number])
        async with self._database.transaction() as session:
            done = await session.fetchval("publication.pause", number, who, reason) is not None
            waiting = [row["id"] for row in await session.fetch("publication.call_off", number)]
            if waiting:
                await session.fetchval("flow.discard", None, waiting, who, f"{channel} is paused")
        return done

    async def resume(self, channel: str, *, who: str, reason: str) -> bool:
        """Tell again; False when it was not paused."""
        number = self._directory.channels[channel]
        return await self._database.fetchval("publication.resume", number, who, reason) is not None

    async def present(self, channel: str, sku: str) -> Present | None:
        """Return what stands at this moment; None for an unknown item."""
        found = await self._stocks.of(self._database, [channel], [sku])
        item, declared = found.items.get(sku), found.network.channel(channel)
        if item is None or declared is None or declared.publish is None:
            return None
        number = self._directory.channels[channel]
        states = await self._database.fetch("publication.channels", [number])
        stage = STAGE.decode(states[0]["stage"]) if states else FRESH
        rows = [listing_of(row) for row in await self._database.fetch("publication.of_item", item.id, number)]
        stock = found.stocks[channel]
        return Present(
            now=found.now,
            version=found.version,
            category=item.category,
            stage=stage,
            parts=[part.sku for part in item.components],
            rows=[row for row in rows if row.state != "off"],
            numbers={
                row.location_id: explained(
                    stock, item, declared.publish, stage, location_id=row.location_id, per_h=row.per_h
                )
                for row in rows
            },
        )

    async def held(self, channel: str, skus: Sequence[str]) -> tuple[Sequence[Held], Sequence[Fenced]]:
        """Return what is reserved and set aside of these items where the channel sells from."""
        places = [self._directory.locations[place.code] for place in self._directory.network.locations_of(channel)]
        held = await self._database.fetch("publication.held", list(skus), places)
        fenced = await self._database.fetch("publication.fences", list(skus), places)
        return [_struct(Held, row) for row in held], [_struct(Fenced, row) for row in fenced]

    async def history(self, channel: str, sku: str, *, upto: datetime | None, n: int) -> Sequence[Step]:
        """Return the newest steps up to a moment, the newest first."""
        item = await self._database.fetchval("ledger.item_id", sku)
        rows = await self._database.fetch("publication.history", item, self._directory.channels[channel], upto, n)
        codes = self._directory.location_codes
        return [
            Step(
                at=row["at"],
                what=row["what"],
                quantity=row["quantity"],
                location=codes.get(row["location_id"]),
                available=row["available"],
                network_version=row["network"] if row["terms"] is not None else None,
                fallback=FRESH if row["stage"] is None else STAGE.decode(row["stage"]),
                command=row["command_id"],
                lag_ms=row["lag_ms"],
                terms=() if row["terms"] is None else _TERMS.decode(row["terms"]),
                detail=row["detail"],
            )
            for row in rows
        ]

    async def tries(self, commands: Sequence[int]) -> Sequence[Try]:
        """Return the attempts of these commands, the newest first."""
        rows = await self._database.fetch("publication.tries", list(commands)) if commands else []
        return [
            Try(
                command=row["command_id"],
                number=row["number"],
                at=row["at"],
                took_ms=row["took_ms"],
                kind=row["kind"],
                request=row["body"],
                status=row["status"],
                detail=row["detail"],
                answer=row["answer"],
            )
            for row in rows
        ]

    async def movements(self, skus: Sequence[str], *, upto: datetime | None, n: int) -> Sequence[MovementRow]:
        """Return the newest movements of items known by a moment, the newest first."""
        rows = await self._database.fetch("publication.movements", list(skus), upto, n)
        return [_struct(MovementRow, row) for row in rows]


def _struct(cls: type[_S], row: Row) -> _S:
    return cls(**{name: row[name] for name in cls.__struct_fields__})
