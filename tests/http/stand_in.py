"""A small, stateful hub in memory, for tests of what HTTP itself does.

Behaviour of the use cases is tested with the real hub; here only their interface counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from onhand.app.answers import (
    Availability,
    BalanceRow,
    EventOutcome,
    EventRow,
    ItemRow,
    KeyRow,
    LineAnswer,
    LineShortfall,
    MovementRow,
    PromiseOnDate,
    QuarantineRow,
    ReservationAnswer,
    ReservationLogEntry,
    Source,
)
from onhand.app.explain import Explanation
from onhand.app.fulfilment import FulfilLine
from onhand.app.identity import SCOPES, Client
from onhand.app.inbox_ports import Put
from onhand.app.inbox_receive import UnknownFeed
from onhand.app.paging import Page
from onhand.app.ports_network import NetworkVersion, VersionLine
from onhand.app.promise_errors import (
    IdempotencyKeyReused,
    InsufficientStock,
    RequestReused,
    ReservationClosed,
    ReservationNotFound,
)
from onhand.app.publish_status import NotPublished
from onhand.app.publish_views import ListingView
from onhand.contracts.cloudevents import encode_structured
from onhand.contracts.envelope import Envelope, fingerprint
from onhand.contracts.registry import packaged
from onhand.domain import reservation
from onhand.domain.errors import InvalidInput, NotFound, Unauthorised
from onhand.domain.kit import UnknownItem
from onhand.domain.network import Channel, Location, Network
from onhand.domain.reservation import Line, Request
from onhand.sdk.connector import WebhookRefused

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
ADMIN_KEY = "ohk_admin_key_for_tests"


class StandIn:
    """The hub. `stock` maps SKU to what is available; `gate`, when set, holds every use case until it opens."""

    def __init__(self, stock: Mapping[str, int] | None = None) -> None:
        self.stock = dict(stock or {"TEA-001": 10})
        self.reserved: dict[tuple[int, str], tuple[bytes, ReservationAnswer | InsufficientStock]] = {}
        self.by_id: dict[str, ReservationAnswer] = {}
        self.events: dict[tuple[str, str], EventRow] = {}
        self.set_aside: dict[int, QuarantineRow] = {}
        self.calls: list[str] = []
        self.gate: asyncio.Event | None = None
        self.is_ready: dict[str, Any] = {"ready": True, "database": "ok"}
        self.keys = _Keys()
        self.amend = _Amend(self)
        self.reservations = _Reservations(self)
        self.availability = _Availability(self)
        self.ledger = _Ledger(self)
        self.catalogue = _Catalogue(self)
        self.quarantine = _Quarantine(self)
        self.networks = _Networks()
        self.publications = _Publications(self)
        self.network = Network(
            locations={"DC": Location(code="DC", kind="warehouse")},
            channels={"web": Channel(code="web", kind="storefront", sells_from=("DC",))},
        )

    async def receive_webhook(self, feed: str, *, path: str, headers: Mapping[str, str], body: bytes) -> list[Put]:
        """Take what is signed with the right word, for the one feed that there is."""
        await self.enter("receive_webhook")
        if feed != "shop-orders":
            raise UnknownFeed(f"No feed {feed[:64]!r} takes webhooks.")
        if headers.get("webhook-signature") != "right":
            raise WebhookRefused("unsigned", "There is no signature.")
        return [Put(1, "stored")]

    async def explain(self, channel: str, sku: str, *, at: datetime | None = None) -> Explanation:
        """No channel here is told numbers."""
        await self.enter("explain")
        raise NotPublished(f"The channel {channel!r} is told no numbers.")

    async def enter(self, name: str) -> None:
        """Note the call, and wait at the gate."""
        self.calls.append(name)
        if self.gate is not None:
            await self.gate.wait()

    async def reserve(self, client: Client, request: Request) -> ReservationAnswer:
        """Grant or refuse, idempotently."""
        await self.enter("reserve")
        key = (client.id, request.request_id)
        print_ = reservation.fingerprint(request)
        if key in self.reserved:
            known, first = self.reserved[key]
            if known != print_:
                raise RequestReused(f"The request id {request.request_id!r} was used before.")
            if isinstance(first, InsufficientStock):
                raise InsufficientStock(first.lines, replayed=True)
            return msgspec.structs.replace(first, replayed=True)
        reservation.check_request(request)
        wanted: dict[str, int] = {}
        for line in request.lines:
            wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
        short = [
            LineShortfall(line_id=line.line_id, sku=line.sku, requested=line.quantity,
                          available=self.stock.get(line.sku, 0), short=wanted[line.sku] - self.stock.get(line.sku, 0))
            for line in request.lines
            if wanted[line.sku] > self.stock.get(line.sku, 0)
        ]  # fmt: skip
        if short:
            refusal = InsufficientStock(short)
            self.reserved[key] = (print_, refusal)
            raise refusal
        for sku, quantity in wanted.items():
            self.stock[sku] -= quantity
        given = self._grant(request)
        self.reserved[key] = (print_, given)
        self.by_id[given.reservation_id] = given
        return given

    def _grant(self, request: Request) -> ReservationAnswer:
        return ReservationAnswer(
            reservation_id=f"res_{len(self.by_id) + 1}",
            request_id=request.request_id,
            channel=request.channel,
            state="granted",
            lines=tuple(
                LineAnswer(line_id=line.line_id, sku=line.sku, requested=line.quantity, granted=line.quantity,
                           sources=(Source(location="DC", quantity=line.quantity),))
                for line in request.lines
            ),
            created_at=NOW,
            expires_at=request.expires_at or NOW + timedelta(seconds=request.expires_in_s or 900),
        )  # fmt: skip

    async def record(self, events: Sequence[Envelope | InvalidInput]) -> list[EventOutcome]:
        """Check contracts, know duplicates, set facts about unknown items aside."""
        await self.enter("record")
        return [self._record(event) for event in events]

    def _record(self, event: Envelope | InvalidInput) -> EventOutcome:
        if not isinstance(event, Envelope):
            return EventOutcome(source="", id="", outcome="rejected", reason=event.code, detail=event.detail)
        try:
            violations = packaged().check(event)
        except InvalidInput as error:
            return EventOutcome(source=event.source, id=event.id, outcome="rejected", reason=error.code,
                                detail=error.detail)  # fmt: skip
        if violations:
            errors = tuple({"pointer": v.pointer, "keyword": v.keyword, "message": v.message} for v in violations)
            return EventOutcome(source=event.source, id=event.id, outcome="rejected", reason="contract_violation",
                                detail="The data breaks the contract.", errors=errors)  # fmt: skip
        key = (event.source, event.id)
        if key in self.events:
            same = msgspec.json.decode(self.events[key].event)["onhandprint"] == fingerprint(event).hex()
            return EventOutcome(source=event.source, id=event.id, outcome="duplicate" if same else "quarantined")
        lines = event.data.get("lines", ()) if isinstance(event.data, dict) else ()
        unknown = next((line["sku"] for line in lines if line["sku"] not in self.stock), None)
        if unknown is not None:
            return self._set_aside(event, unknown)
        for line in lines:
            if event.type == "receipt.posted":
                self.stock[line["sku"]] += line["quantity"]
        self.events[key] = EventRow(
            seq=len(self.events) + 1, source=event.source, id=event.id, type=event.type,
            occurred_at=event.time or NOW, recorded_at=NOW,
            event=msgspec.Raw(msgspec.json.encode({"onhandprint": fingerprint(event).hex()})),
        )  # fmt: skip
        return EventOutcome(source=event.source, id=event.id, outcome="applied")

    def _set_aside(self, event: Envelope, sku: str) -> EventOutcome:
        number = len(self.set_aside) + 1
        self.set_aside[number] = QuarantineRow(
            id=number, source=event.source, event_id=event.id, type=event.type, reason="unknown_item",
            detail=f"There is no item {sku!r}.", facts={"sku": sku}, event=msgspec.Raw(encode_structured(event)),
            received_at=NOW, times=1, state="open",
        )  # fmt: skip
        return EventOutcome(source=event.source, id=event.id, outcome="quarantined", quarantine_id=number,
                            reason="unknown_item", detail=f"There is no item {sku!r}.")  # fmt: skip

    async def ready(self) -> Mapping[str, Any]:
        """What /readyz shows."""
        return self.is_ready


class _Keys:
    def __init__(self) -> None:
        self.clients = {ADMIN_KEY: Client(id=1, name="tests", scopes=frozenset({"admin"}))}
        self.rows: list[KeyRow] = []

    def add(self, secret: str, *scopes: str) -> str:
        """A key with some scopes, for a client of its own."""
        self.clients[secret] = Client(id=len(self.clients) + 1, name=secret, scopes=frozenset(scopes))
        return secret

    async def create(self, *, client: str, scopes: Sequence[str], expires_at: datetime | None) -> tuple[KeyRow, str]:
        number = len(self.rows) + 1
        row = KeyRow(id=number, client=client, prefix="ohk_x", scopes=tuple(scopes), created_at=NOW,
                     expires_at=expires_at)  # fmt: skip
        assert set(scopes) <= set(SCOPES)
        self.rows.append(row)
        secret = f"ohk_secret_number_{number}"
        self.clients[secret] = Client(id=100 + number, name=client, scopes=frozenset(scopes))
        return row, secret

    async def list(self) -> Sequence[KeyRow]:
        return self.rows

    async def rotate(self, key_id: int, *, overlap_s: int) -> tuple[KeyRow, str]:
        row = self._row(key_id)
        return await self.create(client=row.client, scopes=row.scopes, expires_at=NOW + timedelta(seconds=overlap_s))

    async def revoke(self, key_id: int) -> KeyRow:
        row = msgspec.structs.replace(self._row(key_id), revoked_at=NOW)
        self.rows[key_id - 1] = row
        return row

    def _row(self, key_id: int) -> KeyRow:
        if not 1 <= key_id <= len(self.rows):
            raise NotFound(f"There is no key {key_id}.")
        return self.rows[key_id - 1]

    async def authenticate(self, secret: str) -> Client:
        if secret not in self.clients:
            raise Unauthorised("This key is not known.")
        return self.clients[secret]


class _Amend:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub
        self._keys: dict[str, tuple[Any, ReservationAnswer]] = {}

    async def extend(self, client: Client, reservation_id: str, *, expires_at: datetime | None,
                     expires_in_s: int | None, key: str | None) -> ReservationAnswer:  # fmt: skip
        until = expires_at or NOW + timedelta(seconds=expires_in_s or 0)
        return await self._do(reservation_id, key, ("extend", str(until)), expires_at=until)

    async def change(self, client: Client, reservation_id: str, *, lines: tuple[Line, ...],
                     key: str | None) -> ReservationAnswer:  # fmt: skip
        answers = tuple(
            LineAnswer(line_id=line.line_id, sku=line.sku, requested=line.quantity, granted=line.quantity)
            for line in lines
        )
        return await self._do(reservation_id, key, ("change", lines), lines=answers)

    async def transfer(self, client: Client, reservation_id: str, *, channel: str | None, location: str | None,
                       group: str | None, key: str | None) -> ReservationAnswer:  # fmt: skip
        return await self._do(reservation_id, key, ("transfer", channel, location, group), channel=channel or "web")

    async def release(self, client: Client, reservation_id: str, *, key: str | None) -> ReservationAnswer:
        return await self._do(reservation_id, key, ("release",), state="released")

    async def fulfil(self, client: Client, reservation_id: str, *, lines: Sequence[FulfilLine] | None,
                     occurred_at: datetime | None, key: str | None) -> ReservationAnswer:  # fmt: skip
        return await self._do(reservation_id, key, ("fulfil", lines), state="fulfilled")

    async def _do(self, reservation_id: str, key: str | None, asked: Any, **changed: Any) -> ReservationAnswer:
        await self._hub.enter(asked[0])
        if key is not None and key in self._keys:
            known, first = self._keys[key]
            if known != asked:
                raise IdempotencyKeyReused("This key was used before for another call.")
            return msgspec.structs.replace(first, replayed=True)
        held = await self._hub.reservations.get(reservation_id, client=None)
        if held.state != "granted":
            raise ReservationClosed(f"Reservation {reservation_id!r} is {held.state}.", state=held.state)
        given = msgspec.structs.replace(held, **changed)
        self._hub.by_id[reservation_id] = given
        if key is not None:
            self._keys[key] = (asked, given)
        return given


class _Reservations:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def get(self, reservation_id: str, *, client: Client | None) -> ReservationAnswer:
        if reservation_id not in self._hub.by_id:
            raise ReservationNotFound(f"There is no reservation {reservation_id!r}.")
        return self._hub.by_id[reservation_id]

    async def log(self, reservation_id: str, *, client: Client | None) -> Sequence[ReservationLogEntry]:
        held = await self.get(reservation_id, client=client)
        return [ReservationLogEntry(seq=1, verb="create", state=held.state, at=NOW)]

    async def page(self, *, channel: str | None, state: str | None, sku: str | None, client: Client | None,
                   after: str | None, limit: int) -> Page[ReservationAnswer]:  # fmt: skip
        return page_of(list(self._hub.by_id.values()), after, limit)


class _Availability:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def read(self, channel: str, skus: list[str], *, explain: bool, dates: list[date] | None
                   ) -> Sequence[Availability]:  # fmt: skip
        await self._hub.enter("availability")
        stock = self._hub.stock
        return [
            Availability(sku=sku, channel=channel, quantity=stock.get(sku, 0), known=sku in stock,
                         promise=tuple(PromiseOnDate(day=day, quantity=stock.get(sku, 0)) for day in dates or ())
                         or None)
            for sku in skus
        ]  # fmt: skip


class _Publications:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def page(self, *, channel: str | None, sku: str | None, behind: bool, after: str | None, limit: int
                   ) -> Page[ListingView]:  # fmt: skip
        await self._hub.enter("publications")
        return page_of([], after, limit)


class _Ledger:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def balances(self, *, sku: str | None, location: str | None, status: str | None, lot: str | None,
                       owner: str | None, occurred_as_of: datetime | None, recorded_as_of: datetime | None,
                       after: str | None, limit: int) -> Page[BalanceRow]:  # fmt: skip
        await self._hub.enter("balances")
        rows = [
            BalanceRow(sku=name, location="DC", status="available", quantity=quantity)
            for name, quantity in sorted(self._hub.stock.items())
            if sku in {None, name}
        ]
        return page_of(rows, after, limit)

    async def movements(self, *, after: str | None, limit: int, **_: Any) -> Page[MovementRow]:
        await self._hub.enter("movements")
        return page_of([], after, limit)

    async def explain_balance(self, *, after: str | None, limit: int, **_: Any) -> Page[MovementRow]:
        return page_of([], after, limit)

    async def events(self, *, type: str | None, source: str | None, after: str | None, limit: int) -> Page[EventRow]:  # noqa: A002
        rows = [row for row in self._hub.events.values() if type in {None, row.type} and source in {None, row.source}]
        return page_of(rows, after, limit)

    async def event(self, source: str, event_id: str) -> EventRow:
        if (source, event_id) not in self._hub.events:
            raise NotFound("There is no such event.")
        return self._hub.events[source, event_id]


class _Catalogue:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def items(self, *, after: str | None, limit: int, query: str | None) -> Page[ItemRow]:
        return page_of([_item(sku) for sku in sorted(self._hub.stock) if (query or "") in sku], after, limit)

    async def item(self, sku: str) -> ItemRow:
        if sku not in self._hub.stock:
            raise UnknownItem(f"There is no item {sku!r}.", sku=sku)
        return _item(sku)

    async def locations(self) -> list[Location]:
        return list(self._hub.network.locations.values())

    async def channels(self) -> list[Channel]:
        return list(self._hub.network.channels.values())


class _Quarantine:
    def __init__(self, hub: StandIn) -> None:
        self._hub = hub

    async def page(
        self, *, state: str | None, reason: str | None, after: str | None, limit: int, **_: Any
    ) -> Page[QuarantineRow]:
        rows = [row for row in self._hub.set_aside.values() if state in {None, row.state}]
        return page_of([row for row in rows if reason in {None, row.reason}], after, limit)

    async def get(self, quarantine_id: int) -> QuarantineRow:
        if quarantine_id not in self._hub.set_aside:
            raise NotFound(f"There is no fact {quarantine_id} in quarantine.")
        return self._hub.set_aside[quarantine_id]

    async def release(
        self, ids: Sequence[int] | None = None, *, who: str, reason: str | None = None, **_: Any
    ) -> Sequence[EventOutcome]:
        if ids is None:
            rows = self._hub.set_aside.values()
            ids = [row.id for row in rows if row.state == "open" and reason in {None, row.reason}]
        return [await self._end(number, "released", who, None) for number in ids]

    async def discard(self, ids: Sequence[int], *, who: str, note: str) -> list[QuarantineRow]:
        for number in ids:
            await self._end(number, "discarded", who, note)
        return [self._hub.set_aside[number] for number in ids]

    async def _end(self, number: int, state: Any, who: str, note: str | None) -> EventOutcome:
        row = await self.get(number)
        self._hub.set_aside[number] = msgspec.structs.replace(
            row, state=state, resolved_by=who, resolved_at=NOW, note=note
        )
        outcome: Any = "applied" if state == "released" else "discarded"
        return EventOutcome(source=row.source, id=row.event_id, outcome=outcome, quarantine_id=number)


class _Networks:
    def __init__(self) -> None:
        line: dict[str, Any] = {"version": 1, "applied_at": NOW, "applied_by": "t", "message": "", "fingerprint": "00"}
        self.only = NetworkVersion(**line, files={"locations.yaml": ""}, network=Network())
        self.line = VersionLine(**line)

    async def current(self) -> NetworkVersion | None:
        return self.only

    async def versions(self, *, before: int | None, limit: int) -> Sequence[VersionLine]:
        return [self.line] if before is None or before > 1 else []

    async def show(self, number: int) -> NetworkVersion:
        if number != 1:
            raise NotFound(f"There is no network version {number}.")
        return self.only


def page_of(rows: Sequence[Any], after: str | None, limit: int) -> Page[Any]:
    """A page by offset, which is what its cursors hold."""
    if after is not None and not after.isdigit():
        raise InvalidInput("The cursor is not one of ours.", pointer="after")
    start = int(after or 0)
    end = start + limit
    return Page(rows=list(rows[start:end]), next_cursor=str(end) if end < len(rows) else None)


def _item(sku: str) -> ItemRow:
    return ItemRow(sku=sku, name=sku, kind="stock", status="active", base_uom="each", units={"each": 1})
