"""What each line of the file means, by the policy: an order's line, goods that come back, a correction, or no goods.

Pure: a record in, a judged line out. Each record gets exactly one verdict, and what is set aside says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from onhand.sim.replay import values
from onhand.sim.replay.policy import UNSPECIFIED, Policy, compiled
from onhand.sim.replay.source import Raw
from onhand.sim.replay.values import DateOrder, Unreadable

Kind = Literal["order", "cancel", "adjust", "aside"]

CODE_LENGTH_MAX: Final = 200
"""As long as a SKU may be."""

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
"""Order books are kept for decades. What is older is a slip, or a zero that a spreadsheet took for a day."""


class Line(NamedTuple):
    """A judged line. `quantity` is signed as in the file; `reason` stands for corrections and lines set aside."""

    kind: Kind
    number: int
    invoice: str = ""
    sku: str = ""
    quantity: int = 0
    at: datetime | None = None
    customer: str = ""
    country: str = ""
    description: str = ""
    price: str = ""
    reason: str = ""


class Judge:
    """The policy, ready to be asked half a million times.

    `notes` counts what was odd about lines without stopping them. `spellings` maps a code without case to the spelling
    that stands for it; None takes codes as they are.
    """

    def __init__(self, policy: Policy, *, order: DateOrder, spellings: Mapping[str, str] | None = None) -> None:
        self.notes: Counter[str] = Counter()
        self._policy = policy
        self._order: DateOrder = order
        self._spellings = spellings
        self._now = datetime.now(UTC)
        self._aside = [(compiled(rule.invoice), rule.reason) for rule in policy.invoices_set_aside]
        self._non_items = [
            (rule.reason, compiled(rule.code) if rule.code else None, compiled(rule.description or ""))
            for rule in policy.non_items
        ]
        self._reasons = [(rule.reason, compiled(rule.text)) for rule in policy.reasons]
        self.reason_of = lru_cache(maxsize=4096)(self._reason_of)
        self.non_item = lru_cache(maxsize=65_536)(self._non_item)

    def judge(self, raw: Raw) -> Line:
        """The verdict on one record."""
        try:
            return self._judge(raw)
        except Unreadable as reason:
            return Line(
                "aside", raw.number, values.code(raw.invoice), raw.sku, country=raw.country,
                description=raw.description, reason=str(reason),
            )  # fmt: skip

    def spelling(self, sku: str) -> str:
        """The code under which an item is known."""
        if self._spellings is None:
            return sku
        return self._spellings.get(sku.casefold(), sku)

    def _judge(self, raw: Raw) -> Line:
        if raw.broken:
            raise Unreadable(raw.broken)
        invoice, sku = values.code(raw.invoice), values.code(raw.sku)
        if values.blank(invoice):
            raise Unreadable("missing_invoice")
        for pattern, reason in self._aside:
            if pattern.fullmatch(invoice):
                raise Unreadable(reason)
        if values.blank(sku):
            raise Unreadable("missing_code")
        if len(sku) > CODE_LENGTH_MAX or len(invoice) > CODE_LENGTH_MAX:
            raise Unreadable("code_too_long")
        not_goods = self.non_item(sku, raw.description)
        if not_goods:
            raise Unreadable(f"non_item:{not_goods}")
        quantity = values.quantity(raw.quantity, limit=self._policy.quantity_max)
        at = values.moment(raw.time, order=self._order, zone=self._policy.zone)
        if not EARLIEST <= at <= self._now:
            raise Unreadable("impossible_time")
        kind, reason = self._kind(raw, invoice, quantity)
        self._note(raw, sku)
        customer = "" if values.blank(raw.customer) else values.code(raw.customer)
        return Line(
            kind, raw.number, invoice, self.spelling(sku), quantity, at, customer, raw.country, raw.description,
            raw.price, reason,
        )  # fmt: skip

    def _kind(self, raw: Raw, invoice: str, quantity: int) -> tuple[Kind, str]:
        if self._policy.is_cancellation.fullmatch(invoice):
            if quantity > 0:
                raise Unreadable("positive_on_cancellation")
            return "cancel", ""
        if quantity < 0:
            return "adjust", self.reason_of(raw.description)
        if self._policy.gains_without_price and values.blank(raw.customer) and not values.price(raw.price):
            reason = self.reason_of(raw.description)
            if values.blank(raw.description) or (reason != UNSPECIFIED and not _looks_like_goods(raw.description)):
                return "adjust", reason
        return "order", ""

    def _note(self, raw: Raw, sku: str) -> None:
        if values.blank(raw.customer):
            self.notes["no_customer"] += 1
        cost = values.price(raw.price)
        if not cost:
            self.notes["no_price"] += 1
        elif cost < 0:
            self.notes["negative_price"] += 1
        if self._spellings is not None and self.spelling(sku) != sku:
            self.notes["sku_spelling_folded"] += 1
        if "\ufffd" in raw.description:
            self.notes["undecodable_characters"] += 1

    def _reason_of(self, description: str) -> str:
        for reason, pattern in self._reasons:
            if pattern.search(description):
                return reason
        return UNSPECIFIED

    def _non_item(self, sku: str, description: str) -> str:
        for reason, code, text in self._non_items:
            if (code is None or code.fullmatch(sku)) and text.search(description):
                return reason
        return ""


def _looks_like_goods(description: str) -> bool:
    """Catalogue texts are written in capitals, remarks are not."""
    letters = [c for c in description if c.isalpha()]
    return bool(letters) and sum(c.isupper() for c in letters) > len(letters) * 0.8
