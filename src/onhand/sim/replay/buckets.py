"""Lines into documents, documents into buckets of the file's time. A bucket is what may be sent concurrently.

Invoices are not always written in one piece, so a bucket is gathered whole before it is handed on. An invoice that
goes on in a later bucket becomes another part of it, under an id of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from onhand.sim.replay.judging import Line
from onhand.sim.replay.policy import ChannelRule, Policy, compiled


def bucket_of(moment: datetime, policy: Policy) -> int:
    """The number of the bucket that a moment falls into."""
    return int(moment.timestamp()) // (policy.bucket_minutes * 60)


class Document(msgspec.Struct):
    """One invoice, or one part of it: what it orders, what it takes back, what it corrects."""

    invoice: str
    part: int
    at: datetime
    customer: str
    channel: str
    orders: list[Line] = []
    cancels: list[Line] = []
    adjusts: list[Line] = []

    @property
    def name(self) -> str:
        """The invoice's number; later parts carry theirs."""
        return self.invoice if self.part == 1 else f"{self.invoice}~{self.part}"


class Bucket(msgspec.Struct):
    """The documents of one stretch of time."""

    start: datetime
    documents: list[Document]


class Buckets:
    """Gathers buckets. `aside` takes the lines that are none of any document."""

    def __init__(self, policy: Policy, *, aside: list[Line], notes: Counter[str]) -> None:
        self._aside = aside
        self._notes = notes
        self._policy = policy
        self._drop = policy.duplicate_lines == "drop"
        self._channels = _Channels(policy)
        self._parts: Counter[str] = Counter()
        self._beside: dict[str, list[Line]] = {}

    def of(self, lines: Iterable[Line]) -> Iterator[Bucket]:
        """Yield buckets in the order of the file."""
        gathered: list[Line] = []
        current: int | None = None
        for line in lines:
            if line.at is None:
                self._aside.append(line)
                self._beside.setdefault(line.invoice, []).append(line)
                continue
            number = bucket_of(line.at, self._policy)
            if current is not None and number > current and gathered:
                yield self._bucket(gathered)
                gathered = []
            if current is not None and number < current:
                self._notes["out_of_time_order"] += 1
            current = number if current is None else max(current, number)
            gathered.append(line)
        if gathered:
            yield self._bucket(gathered)

    def _bucket(self, lines: list[Line]) -> Bucket:
        by_invoice: dict[str, list[Line]] = {}
        for line in lines:
            by_invoice.setdefault(line.invoice, []).append(line)
        documents = [self._document(invoice, own) for invoice, own in by_invoice.items()]
        self._beside.clear()
        moments = [line.at for line in lines if line.at is not None]
        return Bucket(min(moments), documents)

    def _document(self, invoice: str, lines: list[Line]) -> Document:
        self._parts[invoice] += 1
        part = self._parts[invoice]
        moments = {line.at for line in lines if line.at is not None}
        if part > 1:
            self._notes["invoice_continued_later"] += 1
        if len(moments) > 1:
            self._notes["invoice_with_two_times"] += 1
        document = Document(
            invoice=invoice,
            part=part,
            at=min(moments),
            customer=next((line.customer for line in lines if line.customer), ""),
            channel=self._channels.of([*lines, *self._beside.get(invoice, ())]),
        )
        seen: set[tuple[object, ...]] = set()
        for line in lines:
            same = (line.sku, line.quantity, line.at, line.description, line.price, line.customer, line.country)
            if same in seen:
                self._notes["repeated_line"] += 1
                if self._drop:
                    self._aside.append(line._replace(kind="aside", reason="repeated_line"))
                    continue
            seen.add(same)
            place = {"order": document.orders, "cancel": document.cancels, "adjust": document.adjusts}[line.kind]
            place.append(line)
        return document


class _Channels:
    def __init__(self, policy: Policy) -> None:
        self._default = policy.default_channel
        self._rules = [(rule, compiled(rule.description) if rule.description else None) for rule in policy.channels]

    def of(self, lines: list[Line]) -> str:
        """The channel of an invoice: the first rule that fits it."""
        countries = {line.country.casefold() for line in lines}
        for rule, pattern in self._rules:
            named = not rule.countries or _is_from(rule, countries)
            spoken = pattern is None or any(pattern.search(line.description) for line in lines)
            if named and spoken and (rule.countries or pattern is not None):
                return rule.channel
        return self._default


def _is_from(rule: ChannelRule, countries: set[str]) -> bool:
    return any(country.casefold() in countries for country in rule.countries)
