"""The demo from an empty database to its verdict, and what its view shows on narrow and wide screens and in a pipe."""

from __future__ import annotations

import asyncio
import io
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from rich.console import Console

from onhand.app.example import example_network_files
from onhand.app.network_files import read_network
from onhand.bootstrap import open_hub
from onhand.domain.errors import Unavailable
from onhand.ops.settings import Settings
from onhand.sim.demo import closing
from onhand.sim.demo.convergence import ChannelOutcome, Connected, Difference, judged
from onhand.sim.demo.desk import stock_of
from onhand.sim.demo.partners import partners
from onhand.sim.demo.run import NotAlone, Options, demo
from onhand.sim.demo.tally import PartnerLine, Tally
from onhand.sim.demo.troubles import Troubles
from onhand.sim.demo.view import screen, sparkline
from onhand.sim.partners import partner


@asynccontextmanager
async def unseen(_tally: Tally) -> AsyncIterator[None]:
    yield


def busy() -> Tally:
    tally = Tally()
    tally.day, tally.hour = 3, 12
    tally.nodes = [("node 1", True), ("node 2", False)]
    tally.promised("web", "granted", 3)
    tally.promised("market", "refused", 0)
    tally.told("receipt.posted", "applied")
    tally.flash.stock, tally.flash.sold, tally.flash.killed_after = 500, 200, 180
    tally.tell("node 2 is killed with -9; its buyers ask node 1 again")
    tally.rates.extend([0, 1, 400])
    tally.partners = [
        PartnerLine(name="web shop", state="down", breaker="open", waiting=19, in_flight=0, channel="web", listed=19,
                    in_step=5),
        PartnerLine(name="marketplace", state="slow", breaker="closed", waiting=3, in_flight=1, channel="market",
                    listed=11, in_step=11),
        PartnerLine(name="ERP", state="window", breaker="closed", waiting=1_204, in_flight=0),
        PartnerLine(name="warehouse", state="repeats", breaker="closed", waiting=0, in_flight=0),
    ]  # fmt: skip
    return tally


def drawn(width: int, height: int) -> str:
    out = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    out.print(screen(busy(), width=width, height=height))
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()
    assert max(len(line) for line in shown.splitlines()) <= width
    assert len(shown.splitlines()) <= height
    return shown


@pytest.mark.parametrize(("width", "height"), [(80, 40), (160, 40), (160, 30), (80, 33)])
def test_the_view_fits_its_screen_and_shows_what_matters(width: int, height: int) -> None:
    shown = drawn(width, height)
    for what in ("Thu", "12:00", "✗ node 2", "200 of 500 sold", "a node killed at 180", "web", "1 applied", "kill"):
        assert what in shown


@pytest.mark.parametrize(("width", "height"), [(80, 40), (160, 40), (80, 24)])
def test_the_view_tells_how_each_partner_stands_and_which_numbers_are_behind(width: int, height: int) -> None:
    lines = {line.strip("│ ")[:12].strip(): line for line in drawn(width, height).splitlines()}
    assert lines["web shop"].split("│")[1].split() == ["web", "shop", "down", "open", "19", "5", "of", "19", "14"]
    assert lines["marketplace"].split("│")[1].split()[1:4] == ["slow", "closed", "3"]
    assert "window" in lines["ERP"]
    assert "1,204" in lines["ERP"]


def test_a_sparkline_shows_the_last_values_and_the_quiet_ones_beside_a_peak() -> None:
    assert sparkline([0, 0, 5, 5], 2) == "██"
    assert sparkline([0, 1, 400], 5) == "   ▁█"
    assert sparkline([], 3) == "   "


def test_facts_move_sellable_stock_by_the_meaning_of_their_type() -> None:
    def moved(type_: str, **data: object) -> list[tuple[str, str, int]]:
        return stock_of({"type": type_, "data": data})

    line = [{"sku": "A", "quantity": 2, "uom": "carton"}]
    assert moved("receipt.posted", location="EAST", lines=line) == [("A", "EAST", 24)]
    assert moved("receipt.posted", location="EAST", status="quality_check", lines=line) == []
    assert moved("pick.confirmed", location="EAST", lines=line) == [("A", "EAST", -24)]
    assert moved("shipment.confirmed", location="EAST", status="picked", lines=line) == []
    assert moved("transfer.shipped", from_location="EAST", to_location="WEST", lines=line) == [("A", "EAST", -24)]
    assert moved("transfer.received", to_location="WEST", lines=line) == [("A", "WEST", 24)]
    assert moved("return.received", location="EAST", lines=line) == []
    away = moved("status.changed", location="EAST", from_status="available", to_status="hold", lines=line)
    assert away == [("A", "EAST", -24)]
    assert moved("order.accepted", lines=line) == []


def well() -> Connected:
    channel = ChannelOutcome(
        channel="web", partner="web shop", listings=2, in_step=2, changes=9, told=3, drifts=1, differences=()
    )
    return Connected(
        took_s=1.0, channels=(channel,), breakers_opened={"shop": 1}, troubles=Troubles(), dead=0, twice=(), broken=(),
        webhooks={"facts": 2, "sent": 5, "stored": 2, "repeated": 3}, orders=2, orders_heard=2, to_erp=4, in_erp=4,
    )  # fmt: skip


def test_all_is_well_only_if_every_channel_converged_and_nothing_was_lost_or_done_twice() -> None:
    apart = Difference(listing="MUG-WHITE", desired=4, shown=5)
    (channel,) = well().channels
    assert judged(well()).ok
    for wrong in (
        {"channels": (msgspec.structs.replace(channel, differences=(apart,)),)},
        {"channels": (msgspec.structs.replace(channel, listings=0, in_step=0),)},
        {"orders_heard": 1}, {"orders_heard": 3}, {"in_erp": 3}, {"in_erp": 5}, {"dead": 1},
        {"twice": ("ERP: onhand:1",)}, {"broken": ("ERP: called in its maintenance window",)},
        {"webhooks": {"facts": 2, "sent": 5, "stored": 3, "repeated": 2}}, {"troubles": Troubles(window_calls=1)},
    ):  # fmt: skip
        assert not judged(msgspec.structs.replace(well(), **wrong)).ok, wrong


async def test_the_network_of_the_demo_is_valid_and_its_secrets_are_files_that_only_we_can_read() -> None:
    async with partners(7) as around:
        network = read_network(around.network(window_from=datetime(2026, 11, 27, 23, 30, tzinfo=UTC)))
        assert (network.endpoints["erp-orders"].windows[0].start, network.endpoints["erp-orders"].windows[0].end) == (
            "23:30", "00:30",
        )  # fmt: skip
        assert read_network(around.network()).endpoints["erp-orders"].windows == ()
        assert {feed.mode for feed in network.feeds.values()} == {"poll", "webhook"}
        for endpoint in network.endpoints.values():
            place = Path((endpoint.secret or "").removeprefix("file:"))
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
            assert place.read_text() in {process.credentials for process in around.processes.values()}
    assert not place.exists()


@pytest.mark.slow
async def test_the_demo_refuses_a_database_that_holds_something_already(dsn: str) -> None:
    async with open_hub(Settings(dsn=dsn)) as hub:
        plan = await hub.networks.plan(example_network_files())
        await hub.networks.apply(plan, who="somebody")
    with pytest.raises(NotAlone, match="not the demo's"):
        async with demo(Settings(dsn=dsn), Options(fast=True), shown=unseen):
            raise AssertionError("it went on")
    async with open_hub(Settings(dsn=dsn)) as hub:
        current = await hub.networks.current()
        assert current is not None
        assert (current.version, current.applied_by) == (1, "somebody")


async def test_a_partner_that_is_down_refuses_connections_and_comes_back_with_all_that_it_knew() -> None:
    async with partner("vendure", seed=1) as shop:
        await shop.do("simulate", offer=["MUG"])
        await shop.do("drift", listing="MUG", location=None, quantity=4)
        port = urlsplit(shop.url).port
        await shop.go_down()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await shop.come_back()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        assert await shop.shelves(["MUG", "NOBODY"]) == {"MUG": 4, "NOBODY": None}
        assert (await shop.do("simulate", sell={"MUG": 5}))["order"] is None
        assert (await shop.do("simulate", sell={"MUG": 3}))["order"] is not None
        assert await shop.shown("MUG") == 1


async def test_a_partner_whose_process_has_ended_is_told_from_one_that_answers() -> None:
    async with partner("rest", seed=1) as warehouse:
        assert await warehouse.do("calls") == 0
        await warehouse.stop()
        for _ in range(2):
            with pytest.raises(Unavailable, match="'rest' has ended"):
                await warehouse.do("calls")


@pytest.mark.slow
async def test_a_week_passes_with_a_node_killed_and_exactly_the_stock_of_the_flash_sale_sold(
    tmp_path: Path, dsn: str
) -> None:
    history = tmp_path / "history.jsonl"
    async with demo(Settings(dsn=dsn), Options(fast=True, history=history), shown=unseen) as (outcome, home):
        report = closing.text(outcome, kept=False, data_dir="")
        assert outcome.ok, report
        assert all(node.is_running() for node in home.nodes)
    assert (outcome.flash["sold"], outcome.flash["refused"]) == (60, 540)
    assert outcome.flash["killed_after"] >= 24
    assert outcome.oversold == 0
    assert outcome.history.granted_min == outcome.history.granted_max
    assert outcome.verification.differences == ()
    assert [kept["reason"] for kept in outcome.quarantine] == ["unauthorised_source"]
    assert "60 of 60 sold to 600 buyers" in report
    assert max(len(line) for line in report.splitlines()) <= 80
    converged(outcome.connected)


def converged(connected: Connected) -> None:
    """Hold that every trouble really happened, and came to nothing."""
    assert [(each.channel, each.listings, each.in_step) for each in connected.channels] == [
        ("web", 19, 19), ("market", 11, 11),
    ]  # fmt: skip
    assert all(0 < each.told < each.changes for each in connected.channels)
    troubles = connected.troubles
    assert connected.breakers_opened["shop"] >= 1
    assert 0 < troubles.away_told <= 19 < troubles.away_changes, "each listing is told one number, the newest"
    assert troubles.lost_answers == 4
    assert troubles.repeated > 0
    assert connected.webhooks["sent"] == connected.webhooks["facts"] + troubles.repeated
    assert (troubles.window_calls, troubles.edited) == (0, 1)
    assert troubles.window_waited > 0
    assert connected.orders == connected.orders_heard > 0
    assert connected.to_erp == connected.in_erp > 0
    assert (connected.twice, connected.broken, connected.dead) == ((), (), 0)
