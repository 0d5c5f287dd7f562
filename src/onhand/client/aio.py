"""The client for programs with an event loop. `sync.py` gives every call of it to programs without one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, Self, TypeVar

import msgspec

from onhand.client import limits, models
from onhand.client.batching import parts
from onhand.client.errors import EventsRejected, NotUnderstood
from onhand.client.transport import Transport, segment

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
Json = Mapping[str, Any]
Mode = Literal["all", "partial", "backorder"]

BATCH = "application/cloudevents-batch+json"


class AsyncClient:
    """Calls one Onhand. Every call repeats itself safely until it has an answer or its attempts are used up.

    Use it as `async with AsyncClient(url, key=...) as onhand:`, or call `close` at the end. All calls raise
    `onhand.client.ApiError` (by kind) when the server refuses and `ConnectionLost` when no answer comes.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = limits.TIMEOUT_S,
        attempts_max: int = limits.ATTEMPTS_MAX,
        connections_max: int = limits.CONNECTIONS_MAX,
    ) -> None:
        self._transport = Transport(
            url, key=key, timeout_s=timeout_s, attempts_max=attempts_max, connections_max=connections_max
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    # --- promises ---------------------------------------------------------------------------------------------

    async def reserve(  # noqa: PLR0913  (the members of the request, as the API names them)
        self,
        *,
        channel: str,
        lines: Sequence[Json],
        request_id: str | None = None,
        mode: Mode = "all",
        expires_in_s: int | None = None,
        expires_at: datetime | None = None,
        commitment: Literal["cart", "order"] | None = None,
        ship_to: Json | None = None,
        ship_date: date | None = None,
        min_remaining_life_days: int | None = None,
        ship_complete: bool | None = None,
    ) -> models.Reservation:
        """Make a reservation. Each line has `sku` and `quantity`, and may have what the API knows besides.

        Without a `request_id` one is made up, which protects this call against its own repetitions; give your order's
        number to be protected against repetitions of your own. Raises InsufficientStock, RequestIdReused.
        """
        body = {
            "request_id": request_id or new_id(),
            "channel": channel,
            "lines": list(lines),
            "mode": mode,
            "expires_in_s": expires_in_s,
            "expires_at": expires_at,
            "commitment": commitment,
            "ship_to": ship_to,
            "ship_date": ship_date,
            "min_remaining_life_days": min_remaining_life_days,
            "ship_complete": ship_complete,
        }
        return await self._post("/v1/reservations", body, models.Reservation)

    async def extend(
        self,
        reservation_id: str,
        *,
        expires_in_s: int | None = None,
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> models.Reservation:
        """Move the deadline. Raises ReservationClosed, NotFound."""
        return await self._verb(reservation_id, "extend", {"expires_in_s": expires_in_s, "expires_at": expires_at}, key)

    async def change(self, reservation_id: str, *, lines: Sequence[Json], key: str | None = None) -> models.Reservation:
        """Hold other lines instead; the old ones stand when that is refused. Raises InsufficientStock."""
        return await self._verb(reservation_id, "change", {"lines": list(lines)}, key)

    async def transfer(
        self,
        reservation_id: str,
        *,
        channel: str | None = None,
        location: str | None = None,
        group: str | None = None,
        key: str | None = None,
    ) -> models.Reservation:
        """Hand it to another channel, or hold it at another place. Raises InsufficientStock."""
        body = {"channel": channel, "location": location, "group": group}
        return await self._verb(reservation_id, "transfer", body, key)

    async def release(self, reservation_id: str, *, key: str | None = None) -> models.Reservation:
        """Give it up."""
        return await self._verb(reservation_id, "release", {}, key)

    async def fulfil(
        self,
        reservation_id: str,
        *,
        lines: Sequence[Json] | None = None,
        occurred_at: datetime | None = None,
        key: str | None = None,
    ) -> models.Reservation:
        """Say that it was shipped: all of it, or `lines` of `line_id` and `quantity`."""
        return await self._verb(reservation_id, "fulfil", {"lines": lines, "occurred_at": occurred_at}, key)

    async def reservation(self, reservation_id: str) -> models.Reservation:
        """Show a reservation as it stands. Raises NotFound."""
        return await self._get(f"/v1/reservations/{segment(reservation_id)}", models.Reservation)

    async def reservation_log(self, reservation_id: str) -> list[models.ReservationLogEntry]:
        """Show what happened to it. Raises NotFound."""
        return await self._rows(f"/v1/reservations/{segment(reservation_id)}/log", models.ReservationLogEntry)

    def reservations(
        self, *, channel: str | None = None, state: str | None = None, sku: str | None = None
    ) -> AsyncIterator[models.Reservation]:
        """Go through reservations, the newest first."""
        return self._pages("/v1/reservations", models.Reservation, channel=channel, state=state, sku=sku)

    # --- facts ------------------------------------------------------------------------------------------------

    async def send(self, events: Iterable[Json]) -> list[models.EventOutcome]:
        """Send CloudEvents, any number, in parts; one outcome for each, in order.

        Rejected events are told among the outcomes, not raised. When a later part fails, the earlier ones are done:
        sending all of it again is safe.
        """
        outcomes: list[models.EventOutcome] = []
        for part in parts(events):
            outcomes += await self._send_part(part)
        return outcomes

    def events(self, *, type: str | None = None, source: str | None = None) -> AsyncIterator[models.Event]:  # noqa: A002
        """Go through accepted events, in the order in which they became known, to the present end."""
        return self._pages("/v1/events", models.Event, type=type, source=source)

    async def feed(
        self,
        *,
        after: str | None = None,
        type: str | None = None,  # noqa: A002
        source: str | None = None,
    ) -> tuple[list[models.Event], str]:
        """Read the next part of the feed of events, and the cursor to come back with. `after` "end" is its end."""
        pairs = _pairs({"after": after, "type": type, "source": source, "limit": limits.PAGE_ROWS})
        page = _decoded(await self._transport.send("GET", "/v1/events", query=pairs), _FeedPage)
        return page.rows, page.next

    async def event(self, source: str, event_id: str) -> models.Event:
        """Show one event with its movements. Raises NotFound."""
        return await self._get("/v1/events/one", models.Event, source=source, id=event_id)

    # --- stock ------------------------------------------------------------------------------------------------

    async def availability(
        self, channel: str, skus: Iterable[str], *, explain: bool = False, dates: Sequence[date] = ()
    ) -> list[models.Availability]:
        """Say what a channel can sell now: one row for each SKU, in order; any number of SKUs."""
        wanted = list(skus)
        rows: list[models.Availability] = []
        for start in range(0, len(wanted), limits.SKUS_PER_CALL):
            part = wanted[start : start + limits.SKUS_PER_CALL]
            body = {"channel": channel, "skus": part, "explain": explain, "dates": list(dates)}
            answer = await self._send_json("POST", "/v1/availability", body)
            rows += _rows_of(answer, models.Availability)
        return rows

    def balances(
        self,
        *,
        sku: str | None = None,
        location: str | None = None,
        status: str | None = None,
        occurred_as_of: datetime | None = None,
        recorded_as_of: datetime | None = None,
    ) -> AsyncIterator[models.Balance]:
        """Go through balances, now or as of an earlier moment."""
        return self._pages(
            "/v1/balances", models.Balance, sku=sku, location=location, status=status,
            occurred_as_of=occurred_as_of, recorded_as_of=recorded_as_of,
        )  # fmt: skip

    def movements(self, *, sku: str | None = None, location: str | None = None) -> AsyncIterator[models.Movement]:
        """Go through movements, in the order in which they were recorded."""
        return self._pages("/v1/movements", models.Movement, sku=sku, location=location)

    def items(self, *, query: str | None = None) -> AsyncIterator[models.Item]:
        """Go through items."""
        return self._pages("/v1/items", models.Item, query=query)

    async def item(self, sku: str) -> models.Item:
        """Show one item. Raises NotFound."""
        return await self._get(f"/v1/items/{segment(sku)}", models.Item)

    async def locations(self) -> list[dict[str, Any]]:
        """List the locations of the network in force."""
        return list((await self._read("/v1/locations"))["rows"])

    async def channels(self) -> list[dict[str, Any]]:
        """List the channels of the network in force."""
        return list((await self._read("/v1/channels"))["rows"])

    async def network(self) -> dict[str, Any]:
        """Show the network in force. Raises NotFound before the first."""
        return await self._read("/v1/network")

    # --- quarantine and keys ----------------------------------------------------------------------------------

    def quarantine(self, *, state: str | None = "open", reason: str | None = None
                   ) -> AsyncIterator[models.QuarantinedFact]:  # fmt: skip
        """Go through facts that were set aside."""
        return self._pages("/v1/quarantine", models.QuarantinedFact, state=state, reason=reason)

    async def quarantined(self, quarantine_id: int) -> models.QuarantinedFact:
        """Show one fact that was set aside. Raises NotFound."""
        return await self._get(f"/v1/quarantine/{segment(quarantine_id)}", models.QuarantinedFact)

    async def release_quarantine(
        self, *, ids: Sequence[int] | None = None, reason: str | None = None
    ) -> list[models.EventOutcome]:
        """Try facts again: these, or the oldest 1,000 open ones of a reason."""
        answer = await self._send_json("POST", "/v1/quarantine/release", {"ids": ids, "reason": reason})
        return _rows_of(answer, models.EventOutcome, member="results")

    async def discard_quarantined(self, quarantine_id: int, *, note: str) -> models.QuarantinedFact:
        """Let a fact go, for the reason in `note`."""
        path = f"/v1/quarantine/{segment(quarantine_id)}/discard"
        return await self._post(path, {"note": note}, models.QuarantinedFact)

    async def create_key(
        self, *, client: str, scopes: Sequence[str], expires_at: datetime | None = None
    ) -> models.NewKey:
        """Make a key. Not repeated by itself once it may have been made: a second key would lie about unseen."""
        body = {"client": client, "scopes": list(scopes), "expires_at": expires_at}
        return await self._post("/v1/keys", body, models.NewKey, repeatable=False)

    async def keys(self) -> list[models.Key]:
        """List all keys."""
        return await self._rows("/v1/keys", models.Key)

    async def rotate_key(self, key_id: int, *, overlap_s: int = 86_400) -> models.NewKey:
        """Replace a key; the old one works on for a while. Not repeated by itself, as `create_key`."""
        path = f"/v1/keys/{segment(key_id)}/rotate"
        return await self._post(path, {"overlap_s": overlap_s}, models.NewKey, repeatable=False)

    async def revoke_key(self, key_id: int) -> models.Key:
        """End a key."""
        return await self._post(f"/v1/keys/{segment(key_id)}/revoke", {}, models.Key)

    async def ready(self) -> dict[str, Any]:
        """Show whether the node can serve. Raises Unavailable while it cannot."""
        return await self._read("/readyz")

    # --- how calls are made -------------------------------------------------------------------------------------

    async def _verb(self, reservation_id: str, verb: str, body: Json, key: str | None) -> models.Reservation:
        path = f"/v1/reservations/{segment(reservation_id)}/{verb}"
        return await self._post(path, body, models.Reservation, headers={"Idempotency-Key": f'"{key or new_id()}"'})

    async def _send_part(self, part: bytes) -> list[models.EventOutcome]:
        headers = {"Content-Type": BATCH}
        try:
            answer = await self._transport.send("POST", "/v1/events", body=part, headers=headers)
        except EventsRejected as rejected:
            return rejected.results
        return _rows_of(answer, models.EventOutcome, member="results")

    async def _post(
        self, path: str, body: Json, model: type[M], *, headers: Json | None = None, repeatable: bool = True
    ) -> M:
        answer = await self._send_json("POST", path, body, headers=headers, repeatable=repeatable)
        return _decoded(answer, model)

    async def _send_json(
        self, method: str, path: str, body: Json, *, headers: Json | None = None, repeatable: bool = True
    ) -> bytes:
        present = {name: value for name, value in body.items() if value is not None}
        return await self._transport.send(
            method,
            path,
            body=msgspec.json.encode(present),
            headers={"Content-Type": "application/json", **(headers or {})},
            repeatable=repeatable,
        )

    async def _get(self, path: str, model: type[M], **query: object) -> M:
        return _decoded(await self._transport.send("GET", path, query=_pairs(query)), model)

    async def _read(self, path: str) -> dict[str, Any]:
        return _decoded(await self._transport.send("GET", path), dict[str, Any])

    async def _rows(self, path: str, model: type[M]) -> list[M]:
        return _rows_of(await self._transport.send("GET", path), model)

    async def _pages(self, path: str, model: type[M], **query: object) -> AsyncIterator[M]:
        after: str | None = None
        while True:
            pairs = _pairs({**query, "limit": limits.PAGE_ROWS, "after": after})
            answer = await self._transport.send("GET", path, query=pairs)
            page = _decoded(answer, _Page)
            rows = _decoded(page.rows, list[model])  # type: ignore[valid-type]
            for row in rows:
                yield row
            # A feed's cursor stays where it is at its end, so an empty page ends this loop too.
            if page.next is None or not rows:
                return
            after = page.next


class _Page(msgspec.Struct):
    """A page of rows, and where the next one begins."""

    rows: msgspec.Raw
    next: str | None = None


class _FeedPage(msgspec.Struct):
    """A part of the feed; it always has an end to come back to."""

    rows: list[models.Event]
    next: str


def new_id() -> str:
    """An id that nobody else makes up."""
    return uuid.uuid4().hex


def _pairs(query: Mapping[str, object]) -> list[tuple[str, str]]:
    return [
        (name, value.isoformat() if isinstance(value, datetime) else str(value))
        for name, value in query.items()
        if value is not None
    ]


def _rows_of(answer: bytes, model: type[M], *, member: str = "rows") -> list[M]:
    rows = _decoded(answer, dict[str, msgspec.Raw]).get(member, msgspec.Raw())
    return _decoded(rows, list[model])  # type: ignore[valid-type]


def _decoded(answer: bytes | msgspec.Raw, model: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=model)
    except ValueError as error:  # msgspec's errors, and that of text that is not UTF-8
        raise NotUnderstood(f"The answer is none of Onhand's: {error}. Check the address.") from error
