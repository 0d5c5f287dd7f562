"""P1 and P2: whatever is done to the hub, in whatever order, it agrees with a sheet of paper after every step.

Hypothesis tells the story (facts, counts, promises and every verb on them, time passing, networks coming into force)
through the front door of the hub; `tests.proof.model` keeps the paper; `tests.proof.audit` reads the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from onhand.app.answers import ReservationAnswer
from onhand.app.fulfilment import FulfilLine
from onhand.app.promise_errors import InsufficientStock, ReservationClosed
from onhand.bootstrap import Hub
from onhand.contracts.envelope import Envelope, event
from onhand.domain.errors import InvalidInput
from onhand.domain.reservation import Line, ReservationState
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.ground import NETWORK, applied, apply, ask, client, clocked, item, wait
from tests.proof.model import Hold, Paper, Pool

T = TypeVar("T")

SKUS = ("A", "B", "CARTON", "LOT", "KIT")
STOCKED = ("A", "B", "CARTON", "LOT")
PLACES = ("EAST", "WEST", "SHOP")
SELLS_FROM = {"web": PLACES, "bazaar": ("EAST",), "careful": ("EAST", "WEST")}
PARTS = {"A": 1, "B": 2}
WEEK_S = 7 * 86_400
MACHINES = count(1)

places = st.sampled_from(PLACES)
stocked = st.sampled_from(STOCKED)
few = st.integers(1, 8)


class Hubs(RuleBasedStateMachine):
    """The machine; `runner` and `database` are set by the test, one database for all examples."""

    runner: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.prefix = f"m{next(MACHINES):05}/"
        self.paper = Paper()
        self.facts = 0
        self.first_answers: dict[str, Any] = {}
        self.hub = Hub(self.database)
        self.run(self.begin())

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(doing)

    async def begin(self) -> None:
        self.caller = await client(self.database)
        await apply(self.hub, self.network())
        parts = [{"sku": self.sku(part), "quantity": quantity} for part, quantity in PARTS.items()]
        await applied(self.hub, [
            item(self.sku("A")), item(self.sku("B")),
            item(self.sku("CARTON"), uoms=[{"code": "carton", "factor": 6}]),
            item(self.sku("LOT"), lot_tracked=True),
            item(self.sku("KIT"), kind="kit", components=parts),
        ])  # fmt: skip

    def sku(self, name: str) -> str:
        return self.prefix + name

    def network(self) -> str:
        text = NETWORK.replace(
            "returned: {sellable: false}", f"returned: {{sellable: {'returned' in self.paper.sellable}}}".lower()
        )
        text = text.replace("safety_stock: {default: 2}", f"safety_stock: {{default: {self.paper.safety}}}")
        fences = "".join(
            f"- {{group: web, sku: {self.sku(sku)}, location: {place}, quantity: {quantity}}}\n"
            for (sku, place), quantity in sorted(self.paper.fences.items())
        )
        return text + (f"ring_fences:\n{fences}" if fences else "")

    def tell(self, type_: str, **data: Any) -> None:
        self.facts += 1
        self.run(applied(self.hub, [self.made(type_, data)]))

    def made(self, type_: str, data: dict[str, Any]) -> Envelope:
        # Without a time it happens when the hub hears of it, so that the order of the story is the order of the world.
        return event(id=f"{self.prefix}{self.facts}", source="erp", type=type_, data=data)

    def line(self, sku: str, quantity: int, lot: str) -> list[dict[str, Any]]:
        line = {"sku": self.sku(sku), "quantity": quantity}
        return [line | ({"lot": lot} if sku == "LOT" else {})]

    # --- facts ---

    @rule(sku=stocked, place=places, quantity=st.integers(1, 12), lot=st.sampled_from("xy"))
    def receive(self, sku: str, place: str, quantity: int, lot: str) -> None:
        self.tell("receipt.posted", location=place, lines=self.line(sku, quantity, lot))
        self.paper.move(sku, place, "available", quantity)

    @rule(sku=stocked, place=places, quantity=st.integers(-6, 6).filter(bool), lot=st.sampled_from("xy"))
    def adjust(self, sku: str, place: str, quantity: int, lot: str) -> None:
        self.tell("adjustment.posted", location=place, reason="found", lines=self.line(sku, quantity, lot))
        self.paper.move(sku, place, "available", quantity)
        if quantity < 0:
            self.paper.taken_away.add((sku, place))

    @rule(sku=st.sampled_from(("A", "B", "CARTON")), place=places, quantity=st.integers(0, 12))
    def count(self, sku: str, place: str, quantity: int) -> None:
        self.tell("count.posted", location=place, lines=self.line(sku, quantity, ""))
        if quantity < self.paper.there[sku, place, "available"]:
            self.paper.taken_away.add((sku, place))
        self.paper.there[sku, place, "available"] = quantity

    @rule(sku=stocked, place=places, quantity=few, back=st.booleans(), lot=st.sampled_from("xy"))
    def change_status(self, sku: str, place: str, quantity: int, back: bool, lot: str) -> None:
        start, end = ("returned", "available") if back else ("available", "returned")
        lines = self.line(sku, quantity, lot)
        self.tell("status.changed", location=place, from_status=start, to_status=end, lines=lines)
        self.paper.move(sku, place, start, -quantity)
        self.paper.move(sku, place, end, quantity)
        self.paper.taken_away.add((sku, place))

    # --- promises ---

    @rule(
        wants=st.lists(
            st.tuples(st.sampled_from(SKUS), few, st.sampled_from((None, "EAST", "group"))), min_size=1, max_size=3
        ),
        channel=st.sampled_from(("web", "bazaar", "careful")),
        mode=st.sampled_from(("all", "partial", "backorder")),
        seconds=st.integers(60, 3600),
    )
    def reserve(self, wants: list[tuple[str, int, str | None]], channel: str, mode: str, seconds: int) -> None:
        lines = []
        for number, (sku, quantity, at) in enumerate(wants):
            where: dict[str, Any] = {"location": "EAST"} if at == "EAST" else {"group": "warehouses"} if at else {}
            carton = sku == "CARTON" and quantity > 4
            unit: dict[str, Any] = {"uom": "carton", "quantity": 1} if carton else {"quantity": quantity}
            lines.append(Line(line_id=str(number), sku=self.sku(sku), **unit, **where))
        name = f"{self.prefix}{len(self.first_answers)}"
        request = ask(name, *lines, channel=channel, mode=mode, expires_in_s=seconds)
        free = {(sku, place): self.paper.free((sku, place)) for sku in STOCKED for place in PLACES}
        try:
            answer: Any = self.run(self.reserving(request))
        except InsufficientStock as refused:
            answer = refused
            self.refusal_was_needed(wants, channel, mode, free)
        else:
            self.take(name, answer, channel, self.paper.now + seconds)
            for pool, quantity in self.paper.holds[name].held.items():
                assert quantity <= max(0, free[pool]), "a promise takes no more than was free"
                if channel == "careful" and quantity:
                    self.kept_safety(pool[0], free)
        self.first_answers[name] = (request, answer)

    async def reserving(self, request: Any) -> ReservationAnswer:
        return await self.hub.reserve(self.caller, request)

    def take(self, name: str, answer: ReservationAnswer, channel: str, until: float) -> None:
        hold = Hold(channel, until)
        self.paper.holds[name] = hold
        for line in answer.lines:
            hold.waits[line.sku.removeprefix(self.prefix)] += line.backordered
            assert line.granted + line.backordered <= line.requested
        self.note_claims(name, answer.reservation_id)

    def note_claims(self, name: str, reservation_id: str) -> None:
        """Take the hub's word for where a promise lies; what it lies on is checked against the paper."""
        rows = self.run(self.claims(reservation_id))
        self.paper.holds[name].held.clear()
        for row in rows:
            self.paper.holds[name].held[row["sku"].removeprefix(self.prefix), row["code"]] += row["q"]

    async def claims(self, reservation_id: str) -> Any:
        return await self.database.sql(
            "select i.sku, l.code, sum(c.quantity)::bigint as q from claim c join item i on i.id = c.item_id"
            " join location l on l.id = c.location_id where c.reservation_id = $1 group by 1, 2",
            int(reservation_id.removeprefix("res_")),
        )

    def refusal_was_needed(
        self, wants: list[tuple[str, int, str | None]], channel: str, mode: str, free: dict[Pool, int]
    ) -> None:
        """One plain line that one place could have served, with nothing set aside or kept back, is never refused."""
        ((sku, quantity, at), *more) = wants
        if more or sku in ("KIT", "LOT") or (channel == "careful" and self.paper.safety) or mode == "backorder":
            return
        quantity = 6 if sku == "CARTON" and quantity > 4 else quantity
        places_ = ("EAST",) if at == "EAST" else ("EAST", "WEST") if at else PLACES
        for place in set(places_) & set(SELLS_FROM[channel]):
            if (sku, place) not in self.paper.fences:
                assert free[sku, place] < quantity, f"{quantity} of {sku} at {place} were free and refused"

    def kept_safety(self, sku: str, free: dict[Pool, int]) -> None:
        left = sum(max(0, self.paper.free((sku, place))) for place in SELLS_FROM["careful"])
        assert left >= min(self.paper.safety, sum(max(0, free[sku, p]) for p in SELLS_FROM["careful"]))

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A request is answered as it was first, whatever has become of it since."""
        if not self.first_answers:
            return
        request, first = self.first_answers[data.draw(st.sampled_from(sorted(self.first_answers)))]
        if isinstance(first, InsufficientStock):
            with pytest.raises(InsufficientStock) as again:
                self.run(self.reserving(request))
            assert (again.value.lines, again.value.replayed) == (first.lines, True)
        else:
            answer = self.run(self.reserving(request))
            assert answer.replayed
            assert (answer.reservation_id, answer.lines, answer.expires_at) == (
                first.reservation_id, first.lines, first.expires_at,
            )  # fmt: skip

    def some_hold(self, data: st.DataObject) -> tuple[str, str, bool] | None:
        if not self.paper.holds:
            return None
        name = data.draw(st.sampled_from(sorted(self.paper.holds)))
        return name, self.first_answers[name][1].reservation_id, name in self.paper.live()

    @rule(data=st.data(), seconds=st.integers(60, 3600))
    def extend(self, data: st.DataObject, seconds: int) -> None:
        if some := self.some_hold(data):
            name, number, alive = some
            if self.closed_is_told(alive, self.hub.amend.extend(self.caller, number, expires_in_s=seconds)):
                self.paper.holds[name].until = self.paper.now + seconds

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if some := self.some_hold(data):
            name, number, alive = some
            alive = alive or self.paper.holds[name].state == "released"
            if self.closed_is_told(alive, self.hub.amend.release(self.caller, number)):
                self.paper.holds[name].state = "released"

    @rule(data=st.data(), sku=st.sampled_from(("A", "B", "KIT")), quantity=few)
    def change(self, data: st.DataObject, sku: str, quantity: int) -> None:
        self.replan(data, lambda number: self.hub.amend.change(
            self.caller, number, [Line(line_id="0", sku=self.sku(sku), quantity=quantity)]
        ))  # fmt: skip

    @rule(data=st.data(), channel=st.sampled_from(("web", "bazaar")))
    def transfer(self, data: st.DataObject, channel: str) -> None:
        self.replan(data, lambda number: self.hub.amend.transfer(self.caller, number, channel=channel))

    def replan(self, data: st.DataObject, verb: Any) -> None:
        some = self.some_hold(data)
        if some is None:
            return
        name, number, alive = some
        try:
            changed = self.closed_is_told(alive, verb(number))
        except (InsufficientStock, InvalidInput):
            return  # nothing happened; the invariants say so
        if changed is not None:
            hold = self.paper.holds[name]
            hold.waits.clear()
            for line in changed.lines:
                hold.waits[line.sku.removeprefix(self.prefix)] += line.backordered
            self.note_claims(name, number)

    @rule(data=st.data(), part=st.booleans())
    def fulfil(self, data: st.DataObject, part: bool) -> None:
        some = self.some_hold(data)
        if some is None:
            return
        name, number, alive = some
        hold = self.paper.holds[name]
        before = dict(hold.held)
        lines = [FulfilLine(line_id="0", quantity=1)] if part else None
        alive = alive or (hold.state == "fulfilled" and not part)
        try:
            answer = self.closed_is_told(alive, self.hub.amend.fulfil(self.caller, number, lines=lines))
        except (InvalidInput, ReservationState):
            return  # the line is a kit, or holds nothing
        if answer is None or answer.replayed:
            return
        self.note_claims(name, number)
        for pool, quantity in before.items():
            # Which status the goods left is read off the ledger; all of them are sellable or negative available.
            self.paper.there[(*pool, "available")] -= quantity - hold.held[pool]
        if answer.state == "fulfilled":
            hold.state = "fulfilled"
        self.settle_statuses()

    def settle_statuses(self) -> None:
        """A shipment may leave another sellable status: only the sum of the sellable ones is on paper then."""
        for sku in STOCKED:
            for place in PLACES:
                sellable = {s for s in self.paper.sellable if (sku, place, s) in self.paper.there}
                if len(sellable) > 1:
                    kept = self.run(self.balance(sku, place))
                    assert sum(kept.get(s, 0) for s in sellable) == self.paper.on_hand((sku, place))
                    for status in sellable:
                        self.paper.there[sku, place, status] = kept.get(status, 0)

    async def balance(self, sku: str, place: str) -> dict[str, int]:
        rows = await self.database.sql(
            "select s.code, sum(b.quantity)::bigint as q from balance b join status s on s.id = b.status_id"
            " join item i on i.id = b.item_id join location l on l.id = b.location_id"
            " where i.sku = $1 and l.code = $2 group by 1", self.sku(sku), place,
        )  # fmt: skip
        return {row["code"]: row["q"] for row in rows}

    def closed_is_told(self, alive: bool, verb: Coroutine[Any, Any, ReservationAnswer]) -> ReservationAnswer | None:
        """A verb works on a live promise and on no other."""
        if alive:
            return self.run(verb)
        with pytest.raises(ReservationClosed):
            self.run(verb)
        return None

    # --- time and policy ---

    @rule(seconds=st.integers(1, 3600), sweep=st.booleans())
    def let_time_pass(self, seconds: int, sweep: bool) -> None:
        self.run(wait(self.database, seconds))
        self.paper.now += seconds
        if sweep:
            self.keep_house()

    @rule()
    def keep_house(self) -> None:
        """What has expired is swept, and what waits is served from what there is."""
        self.run(self.sweep())
        for name, hold in self.paper.live().items():
            if any(hold.waits.values()):
                number = self.first_answers[name][1].reservation_id
                answer = self.run(self.hub.reservations.get(number))
                hold.waits.clear()
                for line in answer.lines:
                    hold.waits[line.sku.removeprefix(self.prefix)] += line.backordered
                self.note_claims(name, number)

    async def sweep(self) -> None:
        await self.hub.keep_house()

    @rule(sellable=st.booleans(), safety=st.integers(0, 4), fences=st.dictionaries(
        st.tuples(st.sampled_from(("A", "B", "LOT")), st.sampled_from(("EAST", "WEST"))), few, max_size=3
    ))  # fmt: skip
    def apply_another_network(self, sellable: bool, safety: int, fences: dict[Pool, int]) -> None:
        self.paper.sellable = {"available", "returned"} if sellable else {"available"}
        self.paper.taken_away |= {(sku, place) for sku in STOCKED for place in PLACES}
        self.paper.safety, self.paper.fences = safety, fences
        self.run(apply(self.hub, self.network()))

    # --- what must be true after every step ---

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        assert self.run(contradictions(self.database)) == []

    @invariant()
    def the_pools_are_what_the_paper_says(self) -> None:
        rows = {(r["sku"].removeprefix(self.prefix), r["code"]): r for r in self.run(self.pools())}
        for sku in STOCKED:
            for place in PLACES:
                row = rows.get((sku, place))
                assert (row["on_hand"] if row else 0) == self.paper.on_hand((sku, place)), (sku, place)
                assert (row["live"] if row else 0) == self.paper.held((sku, place)), (sku, place)

    @invariant()
    def no_more_is_promised_than_is_there(self) -> None:
        for sku in STOCKED:
            for place in PLACES:
                if (sku, place) not in self.paper.taken_away:
                    assert self.paper.free((sku, place)) >= 0, (sku, place)

    async def pools(self) -> Any:
        return await self.database.sql(
            "select i.sku, l.code, s.on_hand, coalesce((select sum(c.quantity) from claim c join reservation r"
            "   on r.id = c.reservation_id where c.item_id = s.item_id and c.location_id = s.location_id"
            "   and r.expires_at > clock_timestamp()), 0)::bigint as live"
            " from stock s join item i on i.id = s.item_id join location l on l.id = s.location_id"
            " where i.sku like $1 || '%'",
            self.prefix,
        )

    def teardown(self) -> None:
        """Leave nothing that waits or expires for the next example."""
        for name, hold in self.paper.live().items():
            if name in self.first_answers:
                hold.state = "released"
                self.run(self.hub.amend.release(self.caller, self.first_answers[name][1].reservation_id))
        self.run(self.hub.close())


@pytest.mark.slow
def test_after_every_step_of_every_story_the_hub_agrees_with_the_paper(dsn: str) -> None:
    with asyncio.Runner() as runner:
        opened = clocked(dsn)
        Hubs.runner, Hubs.database = runner, runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                Hubs,
                settings=settings(
                    stateful_step_count=25, suppress_health_check=list(HealthCheck), deadline=None, print_blob=True
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
