"""Between the week and the hub: sends facts and requests, writes down every answer, counts for the view.

Which movements change sellable stock is said here a second time, in a few lines of its own: the checker must not learn
it from the hub.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from onhand.sim import witness
from onhand.sim.api import Api, Reply
from onhand.sim.demo.catalogue import CARTON, FENCES, PLACES, SAFETY
from onhand.sim.demo.tally import Tally
from onhand.sim.demo.warehouse import Warehouse
from onhand.sim.history import Recorder, Stock

AVAILABLE = "available"


class Desk:
    """Sends, records, counts."""

    def __init__(self, api: Api, recorder: Recorder, tally: Tally, warehouse: Warehouse, *, run: str) -> None:
        self.api = api
        self.recorder = recorder
        self.tally = tally
        self.warehouse = warehouse
        warehouse.note = self.note
        self._run = run
        self._ids = itertools.count(1)

    def fact(self, source: str, type_: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
        """A new fact with an id of its own."""
        return {
            "specversion": "1.0", "source": source, "id": f"{self._run}-{next(self._ids)}", "type": type_,
            "time": at.isoformat(), "data": dict(data),
        }  # fmt: skip

    async def state(self, *facts: dict[str, Any], stock: Sequence[Stock] | None = None) -> list[Mapping[str, Any]]:
        """Send facts and return what became of each. `stock` overrides what the facts do by themselves (counts).

        What the eastern warehouse tells by itself takes its own way, and nothing is known of it yet.
        """
        hooked = [fact for fact in facts if self.warehouse.tells(fact)]
        if hooked:
            await self.warehouse.tell(hooked)
        sent = [fact for fact in facts if not self.warehouse.tells(fact)]
        if not sent:
            return []
        reply = await self.api.send_events(sent)
        results: list[Mapping[str, Any]] = reply.body["results"]
        for fact, result in zip(sent, results, strict=True):
            self.note(fact, result["outcome"], reply, stock=stock)
        return results

    def note(
        self, fact: Mapping[str, Any], outcome: str, reply: Reply, *, stock: Sequence[Stock] | None = None
    ) -> None:
        """Write down what became of one fact."""
        self.tally.told(fact["type"], outcome)
        moved = stock_of(fact) if stock is None else stock
        if "reservation_id" not in fact["data"]:  # what leaves for a promise was not free any more
            self.tally.changed(sku for sku, _, _ in moved)
        self.recorder.write(
            witness.fact_entry(fact, outcome, reply, stock=moved, reservation=fact["data"].get("reservation_id"))
        )

    async def reserve(
        self, channel: str, lines: Sequence[Mapping[str, Any]], *, judged: bool = True, request_id: str | None = None,
        **more: Any,
    ) -> Reply:  # fmt: skip
        """Ask for a promise. `judged`: the checker may call a refusal a lost sale, because the policy is simple."""
        request = {
            "request_id": request_id or f"{self._run}-cart-{next(self._ids)}", "channel": channel, "lines": [*lines],
            **more,
        }  # fmt: skip
        reply = await self.api.reserve(request)
        keep = SAFETY[channel] + max((FENCES.get(line["sku"], 0) for line in lines), default=0)
        stated = {**request, "lines": [{**line, "quantity": _base(line)} for line in lines]}
        self.recorder.write(witness.reserve_entry(stated, reply, keep=keep if judged else None, places=PLACES[channel]))
        if reply.status < 300:
            units = sum(line["granted"] for line in reply.body["lines"])
            self.tally.changed(line["sku"] for line in reply.body["lines"] if line["granted"])
            self.tally.promised(channel, reply.body["state"], units)
        else:
            self.tally.promised(channel, "refused", 0)
        return reply

    async def release(self, answer: Mapping[str, Any]) -> Reply:
        """Give a promise back."""
        reservation = answer["reservation_id"]
        key = f"{self._run}-release-{reservation}"
        reply = await self.api.release(reservation, key=key)
        self.tally.changed(line["sku"] for line in answer["lines"] if line["granted"])
        self.recorder.write(witness.release_entry(key, reservation, reply))
        return reply


def stock_of(fact: Mapping[str, Any]) -> list[Stock]:
    """What a fact adds to and takes from sellable places, by the meaning of its type alone."""
    data = fact["data"]
    moves: list[tuple[str, int]] = []
    match fact["type"]:
        case "receipt.posted" | "transfer.received":
            where = data.get("location") or data["to_location"]
            moves = [(where, 1)] if data.get("status", AVAILABLE) == AVAILABLE else []
        case "return.received":
            moves = [(data["location"], 1)] if data.get("status") == AVAILABLE else []
        case "shipment.confirmed" | "transfer.shipped":
            where = data.get("location") or data["from_location"]
            moves = [(where, -1)] if data.get("status", AVAILABLE) == AVAILABLE else []
        case "pick.confirmed":
            moves = [(data["location"], -1)]
        case "adjustment.posted":
            moves = [(data["location"], 1)]
        case "status.changed" | "putaway.confirmed":
            moves = [(data["location"], (data["to_status"] == AVAILABLE) - (data["from_status"] == AVAILABLE))]
        case "kit.assembled":
            parts = [
                (part["sku"], data["location"], -part["quantity"] * data["quantity"]) for part in data["components"]
            ]
            return [(data["sku"], data["location"], data["quantity"]), *parts]
    return [(line["sku"], where, sign * _base(line)) for where, sign in moves for line in data["lines"] if sign]


def _base(line: Mapping[str, Any]) -> int:
    return int(line["quantity"]) * (CARTON if line.get("uom") == "carton" else 1)
