"""Laws that every plan obeys, in worlds that nobody would think of."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from onhand.domain.availability import Ats, Fence, Pool, ats, free, sellable
from onhand.domain.claiming import decide_claims
from onhand.domain.item import Component, Item
from onhand.domain.kit import kit_ats
from onhand.domain.lot import LotPool, eligible, eligible_free, last_unfit_day
from onhand.domain.planning import LineOutcome, Plan, Planned, Shortfall, plan, plan_batch
from onhand.domain.quantity import Units
from onhand.domain.reservation import Request
from onhand.domain.snapshot import Seller, Snapshot, free_by_pool, unconsumed_by_fence
from onhand.domain.sourcing import Site
from tests.domain.promise_worlds import OTHER_GROUP, TODAY, WEB_GROUP, ask, world

PLAIN = Item(id=1, sku="PLAIN", units=Units("each", {"pack": 3}), selling_uom="pack")
LOTS = Item(id=2, sku="LOTS", lot_tracked=True)
KIT = Item(id=3, sku="KIT", kind="kit", components=(Component("PLAIN", 2), Component("LOTS", 1)))
SERVICE = Item(id=4, sku="SERVICE", kind="service")
ITEMS = {item.sku: item for item in (PLAIN, LOTS, KIT, SERVICE)}
STOCKED = (PLAIN, LOTS, KIT)

SMALL = st.integers(0, 12)
UNFIT = last_unfit_day(ship_date=TODAY)


class Scene(msgspec.Struct, frozen=True):
    """A snapshot and the rows that it was made from, so that laws can be checked against the rows."""

    pools: tuple[Pool, ...]
    fences: tuple[Fence, ...]
    snapshot: Snapshot

    @property
    def seller(self) -> Seller:
        return self.snapshot.sellers["web"]

    def number(self, item: Item) -> int:
        """The number that the channel shows for an item, worked out by `ats` and `kit_ats` from the rows."""
        if item.kind == "kit":
            parts = [(self._sellable(ITEMS[part.sku]), part.quantity) for part in item.components]
            return kit_ats(parts, self._sellable(item), selling_unit=self.seller.unit(item))[0]
        return self.ats(item, selling_unit=self.seller.unit(item)).quantity

    def ats(self, item: Item, *, selling_unit: int = 1) -> Ats:
        here = {pool.location_id: pool for pool in self.pools if pool.item_id == item.id}
        return ats(
            [here[site.id] for site in self.seller.standing],
            [fence for fence in self.fences if fence.item_id == item.id],
            group=self.seller.group_id,
            safety=self.seller.safety.get(item.id, 0),
            selling_unit=selling_unit,
            lot_limits=self._lot_limits(item) if item.lot_tracked else None,
        )

    def _sellable(self, item: Item) -> dict[int, int]:
        return sellable(self.ats(item).terms, self.seller.safety.get(item.id, 0))

    def _lot_limits(self, item: Item) -> dict[int, int]:
        return {
            site.id: eligible_free(self.snapshot.lots.get((item.id, site.id), ()), UNFIT) for site in self.seller.sites
        }


@st.composite
def scenes(draw: st.DrawFn, /, **seller: Any) -> Scene:
    sites = tuple(Site(n, f"L{n}", priority=draw(st.integers(1, 3))) for n in range(1, draw(st.integers(1, 4)) + 1))
    pools: list[Pool] = []
    fences: list[Fence] = []
    lots: dict[tuple[int, int], tuple[LotPool, ...]] = {}
    for item in STOCKED:
        for site in sites:
            groups = draw(st.sets(st.sampled_from([WEB_GROUP, OTHER_GROUP])))
            here = [Fence(item.id, site.id, group, draw(SMALL), draw(st.integers(0, 3))) for group in sorted(groups)]
            fences += here
            fenced = sum(fence.unconsumed for fence in here)
            pools.append(Pool(item.id, site.id, draw(st.integers(-2, 20)), draw(st.integers(0, 4)), 0, fenced))
        if item.lot_tracked:
            lots |= {(item.id, site.id): draw(lots_at(site)) for site in sites}
    fields: dict[str, Any] = {
        "group_id": draw(st.sampled_from([0, WEB_GROUP])),
        "safety": draw(st.dictionaries(st.sampled_from([item.id for item in STOCKED]), st.integers(0, 9))),
        "sourcing": draw(st.sampled_from([("single_location", "priority"), ("priority",), ("cost", "priority")])),
        "floor_to_selling_unit": draw(st.booleans()),
    }
    snapshot = Snapshot(
        items=ITEMS,
        sellers={"web": Seller(code="web", sites=sites, **{**fields, **seller})},
        free=free_by_pool(pools),
        unconsumed=unconsumed_by_fence(fences),
        lots=lots,
        groups={"some": tuple(site.id for site in sites[:2])},
        today=TODAY,
    )
    return Scene(tuple(pools), tuple(fences), snapshot)


@st.composite
def lots_at(draw: st.DrawFn, site: Site) -> tuple[LotPool, ...]:
    expiries = draw(st.lists(st.one_of(st.none(), st.integers(-2, 4)), max_size=3))
    return tuple(
        LotPool(
            100 * n + site.id, f"LOT{n}", None if life is None else TODAY + datetime.timedelta(days=life), draw(SMALL)
        )
        for n, life in enumerate(expiries, start=1)
    )


@st.composite
def lines(draw: st.DrawFn) -> tuple[Any, ...]:
    sku = draw(st.sampled_from(sorted(ITEMS)))
    quantity = 3 * draw(st.integers(1, 5)) if sku == "PLAIN" else draw(st.integers(1, 9))
    further = draw(st.sampled_from([{}, {}, {}, {"location": "L1"}, {"group": "some"}, {"min_expiry": TODAY}]))
    return (sku, quantity, further)


@st.composite
def requests(draw: st.DrawFn, /, **fixed: Any) -> Request:
    fields: dict[str, Any] = {
        "mode": draw(st.sampled_from(["all", "partial", "backorder"])),
        "commitment": draw(st.sampled_from(["cart", "order"])),
        "ship_complete": draw(st.booleans()),
    }
    return ask(*draw(st.lists(lines(), min_size=1, max_size=4)), **{**fields, **fixed})


def plans(answers: list[Planned]) -> list[Plan]:
    return [answer for answer in answers if isinstance(answer, Plan)]


def lots_of(snapshot: Snapshot) -> dict[tuple[int, int, int], int]:
    return {(*key, lot.lot_id): lot.free for key, found in snapshot.lots.items() for lot in found}


SPLITS = st.sampled_from([None, 1, 2])


@given(st.data(), SPLITS)
def test_every_plan_of_a_batch_stands_by_the_reference_rule_for_claims(
    data: st.DataObject, max_splits: int | None
) -> None:
    scene = data.draw(scenes(max_splits=max_splits))
    answers = plan_batch(scene.snapshot, data.draw(st.lists(requests(), max_size=6)))
    claims = [answer.claims for answer in plans(answers)]
    numbers = dict(scene.snapshot.free), dict(scene.snapshot.unconsumed)
    assert all(decide_claims(*numbers, claims, lots_of(scene.snapshot)))


@given(scenes(), st.lists(requests(), max_size=6))
def test_no_location_ever_promises_more_than_it_has(scene: Scene, asked: list[Request]) -> None:
    taken: dict[tuple[int, int], int] = {}
    for answer in plans(plan_batch(scene.snapshot, asked)):
        for claim in answer.claims:
            key = (claim.item_id, claim.location_id)
            taken[key] = taken.get(key, 0) + claim.quantity
    for pool in scene.pools:
        left = pool.on_hand - pool.reserved - pool.allocated
        assert taken.get((pool.item_id, pool.location_id), 0) <= max(0, left)


@given(scenes(), st.lists(requests(), max_size=6))
def test_what_is_fenced_for_others_is_still_there_afterwards(scene: Scene, asked: list[Request]) -> None:
    taken = {(pool.item_id, pool.location_id): 0 for pool in scene.pools}
    for answer in plans(plan_batch(scene.snapshot, asked)):
        for claim in answer.claims:
            taken[claim.item_id, claim.location_id] += claim.quantity
    own = scene.seller.group_id
    for pool in scene.pools:
        key = (pool.item_id, pool.location_id)
        others = sum(
            f.unconsumed for f in scene.fences if (f.item_id, f.location_id) == key and (f.group_id != own or not own)
        )
        before = free(pool) + pool.fenced
        assert before - taken[key] >= min(before, others)


@given(scenes(), st.lists(requests(commitment="cart"), max_size=6))
def test_carts_never_touch_the_safety_stock(scene: Scene, asked: list[Request]) -> None:
    taken = {item.id: 0 for item in STOCKED}
    for answer in plans(plan_batch(scene.snapshot, asked)):
        for claim in answer.claims:
            taken[claim.item_id] += claim.quantity
    for item in STOCKED:
        before = sum(term.reach for term in scene.ats(item).terms)
        assert before - taken[item.id] >= min(before, scene.seller.safety.get(item.id, 0))


@given(scenes(), st.sampled_from(STOCKED))
def test_the_number_shown_is_the_largest_quantity_that_a_cart_is_granted(scene: Scene, item: Item) -> None:
    number, unit = scene.number(item), scene.seller.unit(item)
    if number:
        assert isinstance(plan(scene.snapshot, ask((item.sku, number))), Plan)
    beyond = plan(scene.snapshot, ask((item.sku, number + unit)))
    assert isinstance(beyond, Shortfall)
    assert beyond.lines[0].available == number


@given(scenes(), st.lists(requests(), max_size=8))
def test_the_short_way_gives_the_same_answers_as_the_general_way(scene: Scene, asked: list[Request]) -> None:
    singles = [msgspec.structs.replace(request, lines=request.lines[:1]) for request in asked]
    for batch in (asked, singles):
        short = plan_batch(scene.snapshot, batch)
        general = plan_batch(scene.snapshot, batch, shortcuts=False)
        assert [repr(answer) for answer in short] == [repr(answer) for answer in general]


@given(scenes(), requests(ship_complete=False))
def test_partial_grants_at_least_what_all_grants(scene: Scene, request: Request) -> None:
    whole = plan(scene.snapshot, msgspec.structs.replace(request, mode="all"))
    partial = plan(scene.snapshot, msgspec.structs.replace(request, mode="partial"))
    if isinstance(whole, Plan):
        assert partial == whole


@given(scenes(), requests(mode="backorder"))
def test_granted_and_backordered_add_up_to_what_was_asked(scene: Scene, request: Request) -> None:
    answer = plan(scene.snapshot, request)
    assert isinstance(answer, Plan)
    assert all(line.granted + line.backordered == line.requested for line in answer.lines)


def shown_of(line: LineOutcome, location: str | None = None) -> tuple[int, Counter[str]]:
    """Return what a line's sources show: of its own item, and of the parts that a kit is gathered from (2 and 1)."""
    sources = [source for source in line.sources if location in (None, source.location)]
    gathered: Counter[str] = Counter()
    for source in sources:
        if source.sku is not None:
            gathered[source.sku] += source.quantity
    return sum(source.quantity for source in sources if source.sku is None), gathered


@given(scenes(), requests())
def test_sources_add_up_to_the_grant_and_claims_are_never_empty(scene: Scene, request: Request) -> None:
    answer = plan(scene.snapshot, request)
    if isinstance(answer, Plan):
        assert all(claim.quantity > 0 for claim in answer.claims)
        for line in answer.lines:
            ready, gathered = shown_of(line)
            assert ready + gathered[LOTS.sku] == (0 if line.sku == "SERVICE" else line.granted)
            assert gathered[PLAIN.sku] == 2 * gathered[LOTS.sku]
            assert line.sku == "KIT" or not gathered.total()
            assert line.granted % scene.seller.unit(ITEMS[line.sku]) == 0


@given(scenes(), requests())
def test_a_kit_s_parts_leave_each_location_in_whole_sets(scene: Scene, request: Request) -> None:
    answer = plan(scene.snapshot, request)
    for index, line in enumerate(answer.lines if isinstance(answer, Plan) else ()):
        if line.sku != "KIT" or not isinstance(answer, Plan):
            continue
        for site in scene.seller.sites:
            here = [c for c in answer.claims if (c.line, c.location_id) == (index, site.id)]
            count = {item.id: sum(c.quantity for c in here if c.item_id == item.id) for item in STOCKED}
            assert (count[PLAIN.id], count[PLAIN.id]) == (2 * count[LOTS.id], 2 * count[LOTS.id])
            ready, gathered = shown_of(line, site.code)
            assert (ready, gathered[PLAIN.sku], gathered[LOTS.sku]) == (count[KIT.id], count[PLAIN.id], count[LOTS.id])


@given(scenes(), requests())
def test_every_lot_that_is_claimed_is_still_good(scene: Scene, request: Request) -> None:
    answer = plan(scene.snapshot, request)
    if isinstance(answer, Plan):
        by_id = {lot.lot_id: lot for found in scene.snapshot.lots.values() for lot in found}
        for claim in answer.claims:
            assert (claim.lot_id != 0) == (claim.item_id == LOTS.id)
            assert not claim.lot_id or eligible(by_id[claim.lot_id], UNFIT)


@given(scenes(), requests(), st.permutations(range(12)))
def test_the_order_in_which_the_rows_were_read_makes_no_difference(
    scene: Scene, request: Request, order: list[int]
) -> None:
    rows = list(scene.snapshot.free.items())
    mixed = dict(rows[n] for n in order if n < len(rows))
    rest = {key: value for key, value in rows if key not in mixed}
    lots = {key: tuple(reversed(found)) for key, found in scene.snapshot.lots.items()}
    shuffled = msgspec.structs.replace(scene.snapshot, free={**mixed, **rest}, lots=lots)
    assert plan(shuffled, request) == plan(scene.snapshot, request)


@given(scenes(), requests(mode="partial", ship_complete=False))
def test_planning_leaves_the_snapshot_as_it_was(scene: Scene, request: Request) -> None:
    before = dict(scene.snapshot.free), dict(scene.snapshot.unconsumed)
    plan(scene.snapshot, request)
    assert (scene.snapshot.free, scene.snapshot.unconsumed) == before


@given(st.integers(0, 20), st.lists(st.integers(1, 6), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_lines_of_one_sku_get_the_same_in_total_in_any_order(stock: int, wants: list[int], random: Any) -> None:
    snapshot = world({"A": {"EAST": stock, "WEST": 3}})
    mixed = list(wants)
    random.shuffle(mixed)
    totals = []
    for each in (wants, mixed):
        answer = plan(snapshot, ask(*[("A", n) for n in each], mode="backorder"))
        assert isinstance(answer, Plan)
        totals.append(sum(line.granted for line in answer.lines))
    assert totals[0] == totals[1] == min(stock + 3, sum(wants))


@given(scenes(), requests(), st.integers(0, 11), st.integers(1, 9))
def test_more_stock_on_a_row_never_turns_a_granted_single_line_into_a_refusal(
    scene: Scene, request: Request, row: int, more: int
) -> None:
    single = msgspec.structs.replace(request, lines=request.lines[:1], mode="all")
    key = sorted(scene.snapshot.free)[row % len(scene.snapshot.free)]
    richer = {**scene.snapshot.free, key: scene.snapshot.free[key] + more}
    if isinstance(plan(scene.snapshot, single), Plan):
        assert isinstance(plan(msgspec.structs.replace(scene.snapshot, free=richer), single), Plan)
