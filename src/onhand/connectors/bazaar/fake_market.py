"""The marketplace itself, behind the stand-in's HTTP: listings, feeds, caps, holds, orders, and what was done to them.

It promises what real ones do, and no more: a feed that is accepted is not yet applied, a number that is applied may be
another (clamped to the listing's maximum, in silence), and what is read back may be a minute old. It keeps count of
every effect, so that a test can say how often something happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

CLOCK_ZONE = "America/Los_Angeles"
"""Where its midnight is."""


@dataclass(slots=True)
class Listing:
    """Something on sale. `history` are its numbers with the instants since which they stand."""

    id: str
    sku: str
    title: str
    maximum: int
    on_hold: bool = False
    history: list[tuple[datetime, int]] = field(default_factory=list)
    edits: Counter[date] = field(default_factory=Counter)

    @property
    def quantity(self) -> int:
        """The number that buyers see in the end."""
        return self.history[-1][1] if self.history else 0

    def seen_at(self, instant: datetime) -> int:
        """The number as it stood then."""
        return next((number for since, number in reversed(self.history) if since <= instant), 0)


@dataclass(slots=True)
class Feed:
    """A batch of numbers that was accepted, with its verdicts once it has been looked at."""

    id: str
    updates: list[tuple[str, int]]
    ready_at: datetime
    verdicts: list[dict[str, Any]]
    done: bool = False


@dataclass(slots=True)
class Market:
    """All that one seller has at the marketplace."""

    wall: Callable[[], datetime]
    seed: int = 0
    cap: int = 250
    feed_takes_s: float = 1_800.0
    lag_s: float = 60.0
    listings: dict[str, Listing] = field(default_factory=dict)
    feeds: dict[str, Feed] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden_until: dict[str, datetime] = field(default_factory=dict)
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    over_cap: list[str] = field(default_factory=list)
    _last: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - figures for a stage, no secrets

    # --------------------------------------------------------------------------------------------------------- listings

    def list_item(self, listing: str, sku: str, *, maximum: int = 999_999, title: str = "") -> Listing:
        """Put something on sale."""
        return self.listings.setdefault(listing, Listing(listing, sku, title or f"Thing {sku}", maximum))

    def today(self) -> date:
        """The day by its own clock."""
        return self.wall().astimezone(ZoneInfo(CLOCK_ZONE)).date()

    def midnight(self) -> datetime:
        """The instant at which its next day begins."""
        zone = ZoneInfo(CLOCK_ZONE)
        return datetime.combine(self.today() + timedelta(days=1), datetime.min.time(), zone).astimezone(UTC)

    def accept(self, updates: Sequence[tuple[str, int]]) -> Feed:
        """Take a feed. What counts for the caps is the day on which it is taken."""
        ready_at = self.wall() + timedelta(seconds=self.feed_takes_s)
        feed = Feed(f"F-{len(self.feeds) + 1:06}", list(updates), ready_at, [self._admitted(id_) for id_, _ in updates])
        self.feeds[feed.id] = feed
        return feed

    def _admitted(self, listing: str) -> dict[str, Any]:
        found = self.listings.get(listing)
        if found is None:
            return {"listing": listing, "status": "rejected", "reason": "unknown_listing"}
        if found.edits[self.today()] >= self.cap:
            self.over_cap.append(f"{listing} was edited more than {self.cap} times on {self.today()}")
            retry_at = self.midnight().isoformat()
            return {"listing": listing, "status": "rejected", "reason": "daily_cap", "retry_at": retry_at}
        found.edits[self.today()] += 1
        return {"listing": listing, "status": "applied"}

    def work(self, *, everything: bool = False) -> None:
        """Apply the feeds whose time has come, in the order in which they were taken."""
        now = self.wall()
        for feed in self.feeds.values():
            if feed.done or not (everything or feed.ready_at <= now):
                continue
            feed.done = True
            for (id_, quantity), verdict in zip(feed.updates, feed.verdicts, strict=True):
                if verdict["status"] == "applied":
                    self._apply(self.listings[id_], quantity, verdict, now if everything else feed.ready_at)

    def _apply(self, listing: Listing, quantity: int, verdict: dict[str, Any], at: datetime) -> None:
        if listing.on_hold:
            verdict |= {"status": "rejected", "reason": "price_hold"}
            return
        # Nobody is told that the number was cut to the listing's maximum.
        listing.history.append((at, min(quantity, listing.maximum)))
        self.effects["applied", listing.id] += 1

    def seen(self, listing: Listing) -> int:
        """The number as a read-back shows it: as it was a while ago."""
        return listing.seen_at(self.wall() - timedelta(seconds=self.lag_s))

    def let_time_pass(self) -> None:
        """Let every read-back show what stands now."""
        for listing in self.listings.values():
            listing.history = [(datetime(2000, 1, 1, tzinfo=UTC), listing.quantity)] if listing.history else []

    # ----------------------------------------------------------------------------------------------------------- orders

    def order(self, *, lines: Sequence[tuple[str, int]] = (), updated_at: datetime | None = None) -> dict[str, Any]:
        """Let somebody buy."""
        number = len(self.orders) + 1
        chosen = lines or [(f"TEA-{self._random.randrange(1, 40):03}", self._random.randrange(1, 4))]
        body = [
            {
                "line": str(n),
                "sku": sku,
                "quantity": count,
                "unit_price": f"{self._random.randrange(99, 4_999) / 100:.2f}",
            }
            for n, (sku, count) in enumerate(chosen, 1)
        ]
        at = updated_at or self._tick()
        order = {
            "id": f"B-{100_000 + number}", "version": 1, "status": "new", "updated_at": at.isoformat(),
            "buyer": {"code": f"buyer-{self._random.randrange(1_000)}"},
            "placed": {
                "at": at.isoformat(), "currency": "EUR", "deliver_by": (at + timedelta(days=4)).date().isoformat(),
                "lines": body,
                "ship_to": {
                    "name": "A. Example", "street": ["High Street 1"], "postal_code": "12345", "city": "Exampleton",
                    "country": "DE",
                },
            },
            "lines": [dict(line) for line in body], "changed_at": None, "cancellations": [],
        }  # fmt: skip
        self.orders[str(order["id"])] = order
        return order

    def touch(self, order: dict[str, Any]) -> None:
        """Give an order its next version."""
        order["version"] += 1
        order["updated_at"] = self._tick().isoformat()

    def change(self, order: dict[str, Any]) -> None:
        """Let the buyer want one more of the first line."""
        self.touch(order)
        order["lines"][0]["quantity"] += 1
        order["changed_at"] = order["updated_at"]

    def page(self, since: datetime | None, after: str, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Return orders in the order of their changes, and whether there are more."""
        now = self.wall()
        shown = [order for order in self.orders.values() if self.hidden_until.get(order["id"], now) <= now]
        ordered = sorted(shown, key=lambda order: (datetime.fromisoformat(order["updated_at"]), order["id"]))
        rest = [
            order for order in ordered
            if since is None or (datetime.fromisoformat(order["updated_at"]), order["id"]) > (since, after)
        ]  # fmt: skip
        return rest[:limit], len(rest) > limit

    def acknowledge(self, order: dict[str, Any], _body: Mapping[str, Any]) -> str:
        """Note that the seller has it; return why not."""
        if order["status"] == "cancelled":
            return "the order is cancelled"
        if order["status"] == "new":
            order["status"] = "acknowledged"
            self.touch(order)
        self.effects["acknowledged", order["id"]] += 1
        return ""

    def ship(self, order: dict[str, Any], body: Mapping[str, Any]) -> str:
        """Note a shipment; return why not."""
        if order["status"] == "cancelled":
            return "the order is cancelled"
        order["status"] = "shipped"
        order.setdefault("shipments", []).append({"carrier": body.get("carrier"), "tracking": body.get("tracking")})
        self.touch(order)
        self.effects["shipped", order["id"]] += 1
        return ""

    def cancel(self, order: dict[str, Any], body: Mapping[str, Any]) -> str:
        """Cancel lines, all of them where none is named; return why not."""
        if order["status"] == "shipped":
            return "the order is shipped"
        wanted = {line["line"]: line["quantity"] for line in body.get("lines") or order["lines"]}
        gone = [{**line, "quantity": wanted[line["line"]]} for line in order["lines"] if line["line"] in wanted]
        self.touch(order)
        number = len(order["cancellations"]) + 1
        reason = str(body.get("reason") or "no stock")
        order["cancellations"].append({"number": number, "at": order["updated_at"], "reason": reason, "lines": gone})
        for line in order["lines"]:
            line["quantity"] = max(0, line["quantity"] - wanted.get(line["line"], 0))
        order["lines"] = [line for line in order["lines"] if line["quantity"]]
        order["status"] = order["status"] if order["lines"] else "cancelled"
        self.effects["cancelled", order["id"]] += 1
        return ""

    def _tick(self) -> datetime:
        """Return the time, later than any it has told."""
        self._last = max(self._last + timedelta(milliseconds=1), self.wall())
        return self._last
