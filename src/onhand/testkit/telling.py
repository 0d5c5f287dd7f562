"""Telling a partner as the hub does, for the checks: ordinary operations and `stock.publish` look the same from here.

A `Thing` is what is told: a command with its idempotency key, or the number that a listing should show. Faults of the
transport become outcomes, as the hub's sender makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from onhand.app.flow_ports import Call, Outgoing
from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Delivered, Outcome, Unauthorised
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.connector import Connector, StockUpdate
from onhand.sdk.manifest import Operation
from onhand.sdk.partner import Listing, NotPlayed
from onhand.sdk.secrets import SecretMissing
from onhand.testkit.check import Broken, NotApplicable
from onhand.testkit.stage import Scene

PUBLISH = "stock.publish"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell. Either `body` counts, or, for a publication, `listing` and `quantity`."""

    key: str
    body: str = ""
    listing: Listing | None = None
    quantity: int = 0
    last_shown: int | None = None

    @property
    def update(self) -> StockUpdate:
        """As a publication says it."""
        assert self.listing is not None
        return StockUpdate(
            listing=self.listing.listing,
            quantity=self.quantity,
            sku=self.listing.sku,
            location=self.listing.location,
            last_shown=self.last_shown,
        )


class Telling:
    """One operation of a connector on a scene."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name
        self.claim: Operation = scene.manifest.operations[name]

    @property
    def publishes(self) -> bool:
        """Whether it is the publication of stock."""
        return self.name == PUBLISH

    async def things(self, count: int, *, first: int = 1) -> list[Thing]:
        """Return so many different things that the partner accepts."""
        if self.publishes:
            found = await self.scene.partner.listings(count)
            return [
                Thing(
                    key=self._key(first + n), listing=each, quantity=100 + first + n, last_shown=await self._shown(each)
                )
                for n, each in enumerate(found)
            ]
        bodies = [self.scene.partner.command(self.name, first + n) for n in range(count)]
        return [Thing(key=self._key(first + n), body=body) for n, body in enumerate(bodies)]

    def poison(self, key: str = "kit-poison") -> Thing:
        """Return something that the partner refuses. Raises NotApplicable where it refuses nothing."""
        self.scene.needs("partly" if self.publishes else "poison")
        try:
            if self.publishes:
                return Thing(key=key, listing=self.scene.partner.unknown_listing(), quantity=1)
            return Thing(key=key, body=self.scene.partner.poison(self.name))
        except NotPlayed as error:
            raise Broken(f"the stand-in must play 'poison' for {self.name}, or say in `without` why not") from error

    async def tell(self, connector: Connector, things: Sequence[Thing], *, verify: bool = False) -> list[Outcome]:
        """Tell things in as many calls as the claimed batch makes of them; one outcome for each."""
        outcomes: list[Outcome] = []
        for start in range(0, len(things), self.claim.batch):
            part = things[start : start + self.claim.batch]
            outcomes += await self._in_one_call(connector, part, verify=verify)
        return outcomes

    async def happened(self, thing: Thing) -> int:
        """Return how often the effect of a thing can be seen; what is still being worked on is finished first."""
        if self.claim.answers_later:
            await self.scene.partner.settle()
        if self.publishes:
            assert thing.listing is not None
            return int(await self.scene.partner.shown(thing.listing) == thing.quantity)
        return await self.scene.partner.happened(self.name, thing.body, thing.key)

    def _key(self, number: int) -> str:
        return f"kit-{self.name.replace('.', '-')}-{number}"

    async def _shown(self, listing: Listing) -> int | None:
        return await self.scene.partner.shown(listing)

    async def _in_one_call(self, connector: Connector, part: Sequence[Thing], *, verify: bool) -> list[Outcome]:
        try:
            if self.publishes:
                found = list(await connector.publish([each.update for each in part], key=part[0].key))
            else:
                found = list(
                    await connector.send(self.name, [outgoing(self.name, each, verify=verify) for each in part])
                )
        except SecretMissing as error:
            found = [Unauthorised(detail=error.detail)]
        except OnhandError as error:
            found = [outcome_of_fault(error)]
        if len(found) not in (1, len(part)):
            raise Broken(f"{self.name}: {len(found)} outcomes for {len(part)} commands")
        return found if len(found) == len(part) else found * len(part)


def outgoing(operation: str, thing: Thing, *, verify: bool = False) -> Outgoing:
    """Return a command as a connector gets it."""
    now = datetime.now(UTC)
    return Outgoing(
        id=1, lane="normal", operation=operation, ordering_key=None, idempotency_key=thing.key, limit_key=None,
        body=thing.body, cause="kit", created_at=now, deadline_at=now + timedelta(days=1), tries=0, attempts=0,
        verify=verify,
    )  # fmt: skip


def tellings(scene: Scene) -> list[Telling]:
    """Return every operation that the manifest claims. Raises NotApplicable where there is none."""
    if not scene.manifest.operations:
        raise NotApplicable("it claims no operation")
    return [Telling(scene, name) for name in scene.manifest.operations]


def all_delivered(outcomes: Sequence[Outcome], what: str) -> None:
    """Raise Broken unless every outcome is Delivered."""
    others = [each for each in outcomes if not isinstance(each, Delivered)]
    if others:
        raise Broken(
            f"{what}: {len(others)} of {len(outcomes)} were not delivered: {others[0].kind}, {others[0].detail}"
        )


class DirectSender:
    """The Sender of `onhand.app.flow_ports` for bodies that are already the partner's, through one connector."""

    def __init__(self, telling: Telling, connector: Connector, things: dict[str, Thing]) -> None:
        self._telling = telling
        self._connector = connector
        self._things = things

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Carry a call's commands, as many in one request as the operation allows."""
        outcomes: list[Outcome] = []
        for start in range(0, len(call.commands), self._telling.claim.batch):
            part = call.commands[start : start + self._telling.claim.batch]
            things = [self._things[each.body] for each in part]
            keyed = [msgspec.structs.replace(t, key=c.idempotency_key) for t, c in zip(things, part, strict=True)]
            verify = any(each.verify for each in part)
            outcomes += await self._telling.tell(self._connector, keyed, verify=verify)
        return outcomes
