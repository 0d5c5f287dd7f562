"""The connector of the marketplace: feeds out, orders in by slow polling and quick webhooks, answers back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from onhand.connectors.bazaar import webhooks
from onhand.connectors.bazaar.cursor import read_cursor, read_on
from onhand.connectors.bazaar.documents import (
    Accepted,
    Feed,
    Hook,
    Listings,
    Me,
    Order,
    Orders,
    outcome_of_row,
    read,
    told_of,
)
from onhand.sdk import (
    AddressRefused,
    Answer,
    AnswerLost,
    Arrival,
    Checked,
    Connector,
    Delivered,
    Found,
    Message,
    NotClaimed,
    NotTrusted,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    Rejected,
    SecretMissing,
    Shown,
    StockUpdate,
    Ticket,
    Unauthorised,
    Unknown,
    Unreachable,
    WebhookRefused,
)

SCOPES: Final = ("orders.read", "orders.write", "listings.read", "listings.write")
"""What the token must allow for all that the manifest claims."""

PAGE_MAX: Final = 50
"""Orders or listings in one answer."""

QUERY_CHARACTERS_MAX: Final = 6_000
"""Names of listings in one address: servers refuse addresses of more than eight thousand characters."""

DISCOVERED_MAX: Final = 1_000

_ACTIONS: Final = {
    "order.acknowledge": "acknowledgement",
    "order.ship": "shipments",
    "order.cancel": "cancellations",
}


class BazaarConnector(Connector):
    """One seller at the marketplace."""

    async def check(self) -> Checked:
        """Ask who we are and what the token allows."""
        try:
            answer = await self._call("GET", "v1/me")
            me = read(answer, Me, self.outcome(answer))
        except (NotTrusted, AddressRefused, SecretMissing) as fault:
            return Checked(state="unauthorised", detail=fault.detail)
        except (Unreachable, AnswerLost) as fault:
            return Checked(state="unreachable", detail=fault.detail)
        except ReadFailed as failed:
            known = isinstance(failed.outcome, Unauthorised)
            return Checked(state="unauthorised" if known else "unreachable", detail=failed.detail)
        missing = tuple(scope for scope in SCOPES if scope not in me.scopes)
        if missing:
            detail = f"the token lacks {', '.join(missing)}"
            return Checked(state="under_privileged", detail=detail, missing=missing, partner=me.product)
        return Checked(state="ok", partner=me.product)

    async def discover(self) -> Sequence[Found]:
        """Return the seller's listings."""
        found: list[Found] = []
        cursor: str | None = ""
        while cursor is not None and len(found) < DISCOVERED_MAX:
            answer = await self._call("GET", "v1/listings", query={"after": cursor, "limit": str(PAGE_MAX)})
            page = read(answer, Listings, self.outcome(answer))
            found += [
                Found(kind="item", code=each.id, name=each.title, facts={"sku": each.sku}) for each in page.listings
            ]
            cursor = page.next
        return found

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Return orders in the order in which they changed; one call."""
        if stream != "orders":
            raise NotClaimed(f"This connector reads no stream {stream!r}.")
        at = read_cursor(cursor, begin=self._begin())
        query = {"limit": str(min(limit, PAGE_MAX))}
        if at.since is not None:
            query |= {"since": at.since.isoformat(), "after": at.after}
        answer = await self._call("GET", "v1/orders", query=query)
        page = read(answer, Orders, self.outcome(answer))
        try:
            orders = [msgspec.json.decode(raw, type=Order) for raw in page.orders]
        except (msgspec.DecodeError, UnicodeError):
            raise ReadFailed(Unknown(status=answer.status, detail="an order without id, version or time")) from None
        messages = tuple(_message(order, raw) for order, raw in zip(orders, page.orders, strict=True))
        more = page.more and bool(orders)
        cursor = read_on(at, orders, more=more, overlap_s=self._overlap_s, now=self.link.now())
        return Page(messages=messages, cursor=cursor, more=more)

    @property
    def _overlap_s(self) -> int:
        return int(self.config.get("overlap_s", 600))

    def _begin(self) -> datetime | None:
        since = self.config.get("orders_since")
        return None if since is None else datetime.fromisoformat(since)

    def arrived(self, stream: str, arrival: Arrival) -> Sequence[Message]:
        """Return the order that a webhook tells; its key is that of the same change when it is polled."""
        if stream != "orders":
            raise NotClaimed(f"This connector hears of no stream {stream!r}.")
        key = self.link.secret_fields().get("signing_key", "").encode()
        if not key:
            raise SecretMissing("The secret has no signing_key, by which webhooks are told from forgeries.")
        webhooks.check(key, arrival, tolerance_s=int(self.config.get("webhook_tolerance_s", 300)))
        try:
            hook = msgspec.json.decode(arrival.body, type=Hook)
            order = msgspec.json.decode(hook.order, type=Order)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise WebhookRefused("malformed", "The webhook tells of no order.") from None
        return (_message(order, hook.order),)

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Tell the marketplace something about an order; the key goes along, and a repetition does nothing."""
        if operation not in _ACTIONS:
            raise NotClaimed(f"This connector has no operation {operation!r}.")
        return [await self._tell(_ACTIONS[operation], command) for command in commands]

    async def _tell(self, action: str, command: Outgoing) -> Outcome:
        try:
            body = msgspec.json.decode(command.body, type=dict[str, Any])
            order = body.pop("order")
        except (msgspec.DecodeError, UnicodeError, KeyError):
            return Rejected(reason="the body names no order", field="order")
        if not isinstance(order, str) or not order:
            return Rejected(reason="the body names no order", field="order")
        path = f"v1/orders/{quote(order, safe='')}/{action}"
        return self.outcome(await self._call("POST", path, json=body, key=command.idempotency_key))

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        """Hand over a feed; its id is the ticket.

        The marketplace refuses another body under a known key. A later try may carry newer numbers, so its key is made
        of ours and the body: the same numbers are one feed, newer ones are another.
        """
        newest = {update.listing: update.quantity for update in updates}
        rows = [{"listing": listing, "quantity": quantity} for listing, quantity in newest.items()]
        body = msgspec.json.encode({"reference": key, "updates": rows})
        digest = hashlib.sha256(key.encode() + b"\0" + body).hexdigest()
        answer = await self._call("POST", "v1/feeds", body=body, key=digest)
        outcome = self.outcome(answer)
        if not isinstance(outcome, Delivered):
            return [outcome]
        try:
            accepted = read(answer, Accepted, outcome)
        except ReadFailed as failed:
            return [failed.outcome]
        return [Delivered(status=answer.status, detail="accepted", answer=accepted.feed, told=outcome.told)] * len(
            updates
        )

    async def ticket(self, ticket: str) -> Ticket:
        """Tell what became of each listing of a feed, once the marketplace has looked at it."""
        answer = await self._call("GET", f"v1/feeds/{quote(ticket, safe='')}")
        feed = read(answer, Feed, self.outcome(answer))
        if feed.status != "done":
            return Ticket(done=False, retry_after_s=max(1.0, feed.ready_in_s))
        now = self.link.now()
        return Ticket(done=True, results={row.listing: outcome_of_row(row, now) for row in feed.results})

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        """Return what the marketplace shows; a change is seen there only after a while."""
        shown: dict[str, int] = {}
        for ids in _queries([listing for listing, _ in listings]):
            answer = await self._call("GET", "v1/listings", query={"ids": ids})
            page = read(answer, Listings, self.outcome(answer))
            shown |= {each.id: each.quantity for each in page.listings}
        return [Shown(listing=listing, location=place, quantity=shown.get(listing)) for listing, place in listings]

    def outcome(self, answer: Answer) -> Outcome:
        """Return what an answer stands for: 409 says that the order's state forbids it, which no waiting mends."""
        found = super().outcome(answer)
        if answer.status == 409:
            found = Rejected(status=409, reason=found.detail, detail=found.detail)
        if isinstance(found, Delivered) and not _is_document(answer):
            found = Unknown(status=answer.status, detail=f"{answer.status}, and no document that we know")
        told = told_of(answer)
        return found if told is None else msgspec.structs.replace(found, told=told)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: object = None,
        key: str = "",
    ) -> Answer:
        headers = {
            "authorization": f"Bearer {self.link.secret_fields().get('token', '')}",
            "x-bazaar-seller": str(self.config["seller"]),
        }
        if body:
            headers["content-type"] = "application/json"
        if key:
            headers["idempotency-key"] = key
        return await self.link.call(method, path, query=query, headers=headers, body=body, json=json)


def _queries(listings: Sequence[str]) -> Iterator[str]:
    """Give the names of listings for as few addresses as take them."""
    part: list[str] = []
    length = 0
    for listing in listings:
        name = quote(listing, safe="")
        encoded = len(quote(name)) + 3  # what stands in the address, the comma before it included
        if part and (len(part) == PAGE_MAX or length + encoded > QUERY_CHARACTERS_MAX):
            yield ",".join(part)
            part, length = [], 0
        part.append(name)
        length += encoded
    if part:
        yield ",".join(part)


def _message(order: Order, raw: msgspec.Raw) -> Message:
    return Message(key=f"{order.id}/{order.version}", body=bytes(raw), occurred_at=order.updated_at)


def _is_document(answer: Answer) -> bool:
    try:
        msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return not answer.cut
