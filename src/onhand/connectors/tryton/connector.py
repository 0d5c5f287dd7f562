"""The connector for Tryton: reads items, moves and stock, and tells sales, cancellations and returns, by JSON-RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onhand.connectors.tryton import items, moves, stock
from onhand.connectors.tryton.client import Client
from onhand.connectors.tryton.places import FIELDS, Places
from onhand.connectors.tryton.sales import Sales
from onhand.sdk import (
    AnswerLost,
    Checked,
    Connector,
    Found,
    Link,
    NotClaimed,
    NotTrusted,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    SecretMissing,
    Unauthorised,
    Unreachable,
)
from onhand.sdk.registry import SettingsInvalid

RIGHTS: Final = {
    "product.product": ("read",),
    "stock.location": ("read",),
    "stock.move": ("read",),
    "stock.shipment.out": ("read", "write"),
    "sale.sale": ("read", "write", "create"),
    "sale.line": ("read", "write", "create"),
}
"""What the manifest's claims need of the user's rights."""

FOUND_MAX: Final = 1_000
"""Products that discovery lists; a catalogue is read by the stream `items`."""


class Tryton(Connector):
    """One database of a Tryton."""

    def __init__(self, config: Mapping[str, Any], link: Link) -> None:
        super().__init__(config, link)
        try:
            ZoneInfo(config.get("timezone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise SettingsInvalid(f"{link.endpoint.code}: timezone: {error}.") from error
        self._client = Client(
            link,
            database=config["database"],
            path=config.get("path", "/rpc/"),
            zone=config.get("timezone", "UTC"),
            company=config.get("company"),
        )
        self._overlap_s: int = config.get("overlap_s", 120)
        self._sales = Sales(self._client, config)

    async def check(self) -> Checked:
        """Log in and compare the user's rights with what the manifest claims."""
        try:
            partner = f"Tryton {await self._client.version()}"
            context = await self._client.context()
            rights = await self._client.call("model.ir.model.access.get_access", sorted(RIGHTS))
        except (Unreachable, AnswerLost, NotTrusted) as error:
            return Checked(state="unreachable", detail=error.detail)
        except SecretMissing as error:
            return Checked(state="unauthorised", detail=error.detail)
        except ReadFailed as error:
            refused = isinstance(error.outcome, Unauthorised)
            return Checked(state="unauthorised" if refused else "unreachable", detail=error.detail)
        missing = _missing(rights) + (() if context.get("company") else ("a company of the user's",))
        if missing:
            detail = f"The user lacks: {', '.join(missing)}. The groups Sales and Stock have all of it."
            return Checked(state="under_privileged", detail=detail, missing=missing, partner=partner)
        return Checked(state="ok", partner=partner)

    async def discover(self) -> Sequence[Found]:
        """Return warehouses, units in use, and the first products."""
        known = Places(await self._client.find("stock.location", [["type", "=", "warehouse"]], FIELDS))
        products = await self._client.find(
            "product.product", [["code", "!=", None]], ("code", "name", "default_uom.symbol", "default_uom.rec_name"),
            limit=FOUND_MAX, order=(("code", "ASC"),),
        )  # fmt: skip
        units = {each["default_uom."]["symbol"]: each["default_uom."]["rec_name"] for each in products}
        return [
            *(Found(kind="location", code=code, name=name) for code, name in known.named()),
            *(Found(kind="unit", code=symbol, name=name) for symbol, name in sorted(units.items())),
            *(Found(kind="item", code=each["code"], name=each["name"] or "") for each in products),
        ]

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Return what is new in a stream."""
        if stream == "items":
            return await items.read(self._client, cursor, limit=limit, overlap_s=self._overlap_s)
        if stream == "moves":
            return await moves.read(self._client, cursor, limit=limit, overlap_s=self._overlap_s)
        if stream == "stock":
            return await stock.read(self._client, cursor, limit=limit)
        raise NotClaimed(f"Tryton has no stream {stream!r}.")

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Tell Tryton each command, one after the other."""
        tell = {"order.create": self._sales.create, "order.cancel": self._sales.cancel,
                "return.create": self._sales.take_back}.get(operation)  # fmt: skip
        if tell is None:
            raise NotClaimed(f"Tryton has no operation {operation!r}.")
        outcomes: list[Outcome] = []
        for command in commands:
            try:
                outcomes.append(await tell(command))
            except ReadFailed as error:
                outcomes.append(error.outcome)
        return outcomes


def _missing(rights: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    return tuple(
        f"{right} {model}"
        for model, wanted in RIGHTS.items()
        for right in wanted
        if not rights.get(model, {}).get(right)
    )
