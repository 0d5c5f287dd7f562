"""A snapshot leaves no location out when another one is closed between its pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from onhand.connectors.tryton import stock

AT = datetime(2026, 3, 1, tzinfo=UTC)


def house(n: int, code: str) -> list[dict[str, Any]]:
    """A warehouse with two storages of its own, both in the zone `storage`."""
    base = n * 100
    around = {"storage_location.": None, "input_location.": None, "output_location.": None, "active": True}
    rows = [{"id": base, "code": code, "name": code, "type": "warehouse", "left": base, "right": base + 99, **around}]
    rows += [
        {"id": base + i, "code": f"{code}{i}", "name": "", "type": "storage", "left": base + 10 * i,
         "right": base + 10 * i + 1, **around}
        for i in (1, 2)
    ]  # fmt: skip
    return rows


class Client:
    def __init__(self) -> None:
        self.locations = [*house(1, "A"), *house(2, "B")]

    def now(self) -> datetime:
        return AT

    async def find(self, model: str, _domain: Any, _fields: Any, **context: Any) -> list[dict[str, Any]]:
        if model == "stock.location":
            return self.locations
        if model == "stock.move":
            return [{"write_date": AT}]
        (place,) = context["locations"]
        return [{"id": 1, "code": f"SKU-{place}", "quantity": 5, "default_uom.": {"symbol": "u"}}]


async def test_a_warehouse_that_is_closed_between_two_pages_takes_no_other_with_it() -> None:
    client = Client()
    named: list[str] = []
    cursor, first = None, True
    while True:
        page = await stock.read(client, cursor, limit=1)  # type: ignore[arg-type]
        named += [line["sku"] for m in page.messages for line in json.loads(m.body)["lines"]]
        cursor = page.cursor
        if first:
            client.locations = house(2, "B")  # A is closed
            first = False
        if not page.more:
            break
    assert {"SKU-201", "SKU-202"} <= set(named), f"the snapshot is called whole and names only {named}"
