"""The stand-in of the marketplace over HTTP, with the parts that the conformance suite asks for.

Limits are off until a test or the simulator sets them: `calls` (shared with all sellers of the application),
`orders_rate` (a bucket for polling), `cap` (edits of a listing a day). Exceeding the shared calls answers 429 with
Retry-After, and so does polling; what our own calls alone exceeded, and edits beyond the cap, stand in `broken`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec
from aiohttp import web

from onhand.connectors.bazaar import webhooks
from onhand.connectors.bazaar.fake_dialect import SCOPES, SELLER, Dialect, Request
from onhand.connectors.bazaar.fake_limits import CallLimits
from onhand.connectors.bazaar.fake_market import Market
from onhand.sdk.connector import Arrival
from onhand.sdk.fake import FakePartner
from onhand.sdk.partner import ArrivalKind, Listing, Part

_DONE = {"order.acknowledge": "acknowledged", "order.ship": "shipped", "order.cancel": "cancelled"}


class Fake(FakePartner):
    """The marketplace. `market` is its state."""

    without: ClassVar[dict[Part, str]] = {}

    def __init__(
        self,
        *,
        seed: int = 0,
        secret: str = "",
        rate: tuple[int, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        calls: tuple[int, float] | None = None,
        orders_rate: tuple[float, int] | None = None,
        cap: int = 250,
    ) -> None:
        """`calls`: number and seconds for the whole application; `orders_rate`: per second and burst for polling."""
        super().__init__(seed=seed, secret=secret, rate=rate, clock=clock)
        self.market = Market(wall=wall, seed=seed, cap=cap)
        # The suite puts another clock in place of this one later.
        limits = CallLimits(lambda: self._clock(), self.broken, calls=calls, orders_rate=orders_rate)  # noqa: PLW0108
        self.dialect = Dialect(self.market, limits)
        self._rotations = 0
        self._hooks = 0
        self._last_hook: Arrival | None = None

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Do what the marketplace does with a request."""
        path = request.raw_path.partition("?")[0]
        parts = [unquote(part) for part in path.split("/")[2:]]
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.dialect.token = self._token()
        reply = self.dialect.answer(Request(request.method, path, parts, request.query, headers), body)
        return web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json"
        )

    def others_call(self, times: int) -> None:
        """Let other sellers of the same application make calls."""
        self.dialect.limits.others_call(times)

    def settings(self) -> dict[str, Any]:
        """Return what an endpoint says."""
        return {"seller": SELLER, "overlap_s": 600}

    def _token(self) -> str:
        return f"{self.secret}-token-{self._rotations}"

    def _signing_key(self) -> str:
        return f"{self.secret}-signing-{self._rotations}"

    def credentials(self) -> str:
        """Return the secret as it lies at its place."""
        return msgspec.json.encode({"signing_key": self._signing_key(), "token": self._token()}).decode()

    async def rotate_secret(self) -> None:
        """Know the old token no longer."""
        self._rotations += 1

    async def under_privilege(self, on: bool = True) -> None:
        """Let the token read, and write nothing."""
        self.dialect.scopes = [scope for scope in SCOPES if not (on and scope.endswith(".write"))]

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Let so many people buy."""
        del stream
        return [_key(self.market.order()) for _ in range(count)]

    async def change(self, stream: str) -> str:
        """Let the first buyer want more."""
        del stream
        order = next(iter(self.market.orders.values()))
        self.market.change(order)
        return _key(order)

    async def late(self, stream: str) -> str:
        """Show only now an order that was placed two minutes ago."""
        del stream
        return _key(self.market.order(updated_at=self.market.wall() - timedelta(seconds=120)))

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of all orders as they are now."""
        del stream
        return [_key(order) for order in self.market.orders.values()]

    def webhook(self, stream: str, kind: ArrivalKind, *, now: datetime) -> Arrival:
        """Return a webhook about a new order."""
        if kind == "replayed" and self._last_hook is not None:
            return self._last_hook
        self._hooks += 1
        body = msgspec.json.encode({"event": "order.updated", "id": f"H-{self._hooks}", "order": self.market.order()})
        if kind == "malformed":
            body = b'{"event": "order.updated", "order": 1}'
        at = now - timedelta(days=1) if kind == "stale" else now
        timestamp = str(int(at.timestamp()))
        signature = webhooks.sign(self._signing_key().encode() + (b"x" if kind == "bad" else b""), timestamp, body)
        headers = {webhooks.TIME: timestamp, webhooks.SIGNATURE: signature, "content-type": "application/json"}
        if kind == "unsigned":
            del headers[webhooks.SIGNATURE]
        arrival = Arrival(path=f"/v1/inbox/{stream}", headers=headers, body=body, received_at=now)
        self._last_hook = arrival if kind == "good" else self._last_hook
        return arrival

    def command(self, operation: str, number: int) -> str:
        """Return the body of a command about an order of its own."""
        order = f"B-K{operation.partition('.')[2]}-{number}"
        if order not in self.market.orders:
            made = self.market.order()
            del self.market.orders[made["id"]]
            self.market.orders[order] = {**made, "id": order}
        line = self.market.orders[order]["placed"]["lines"][0]
        body: dict[str, Any] = {"order": order}
        if operation == "order.ship":
            body |= {"carrier": "post", "tracking": f"T{number}", "lines": [_line(line)]}
        if operation == "order.cancel":
            body |= {"reason": "no stock", "lines": [_line(line)]}
        return msgspec.json.encode(body).decode()

    def poison(self, operation: str) -> str:
        """Return a command about no pieces at all."""
        del operation
        order = self.market.order()["id"]
        return msgspec.json.encode({"order": order, "lines": [{"line": "1", "quantity": 0}]}).decode()

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how often an order was acknowledged, shipped or cancelled."""
        del key
        return self.market.effects[_DONE[operation], msgspec.json.decode(body)["order"]]

    async def listings(self, count: int) -> Sequence[Listing]:
        """Return so many listings."""
        found = [self.market.list_item(f"L-{number:05}", f"A-{number}") for number in range(1, count + 1)]
        return [Listing(listing=each.id, sku=each.sku) for each in found]

    def unknown_listing(self) -> Listing:
        """Return a listing that nobody made."""
        return Listing(listing="L-none", sku="A-none")

    async def shown(self, listing: Listing) -> int | None:
        """Return what buyers see in the end."""
        await self.settle()
        found = self.market.listings.get(listing.listing)
        return None if found is None or not found.history else found.quantity

    async def drift(self, listing: Listing, quantity: int) -> None:
        """Let somebody edit a listing at the marketplace."""
        self.market.listings[listing.listing].history.append((self.market.wall(), quantity))
        self.market.let_time_pass()

    async def settle(self) -> None:
        """Look at every feed now, and let every read-back show it."""
        self.market.work(everything=True)
        self.market.let_time_pass()

    async def simulate(
        self, *, offer: Mapping[str, str] | None = None, buy: Mapping[str, int] | None = None,
        feed_takes_s: float | None = None, lag_s: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Let the simulation list items (listing: SKU), buy, and be quicker; return the order and what was done so far.

        `told` are numbers that were applied, `orders` those placed, `twice` what was done more than once to an order.
        """
        market = self.market
        for listing, sku in (offer or {}).items():
            market.list_item(listing, sku)
        market.feed_takes_s = market.feed_takes_s if feed_takes_s is None else feed_takes_s
        market.lag_s = market.lag_s if lag_s is None else lag_s
        order = market.order(lines=list(buy.items())) if buy else None
        return {
            "order": order and order["id"],
            "told": sum(count for (what, _), count in market.effects.items() if what == "applied"),
            "orders": len(market.orders),
            "twice": [
                f"{id_} {what}" for (what, id_), count in market.effects.items() if what != "applied" and count > 1
            ],
        }


def _key(order: Mapping[str, Any]) -> str:
    return f"{order['id']}/{order['version']}"


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"line": line["line"], "quantity": line["quantity"]}
