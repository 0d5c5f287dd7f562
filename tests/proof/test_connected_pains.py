"""What users of other systems suffer from where systems are connected, each by its own sentence: here it must not be.

The whole hub is at work, with stand-ins of real partners around it. The sentences and the reports behind them are those
of the pains that were collected before the first line was written; those of promises and facts are in `test_pains`.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from onhand.app.answers import ReservationAnswer
from onhand.app.flow_ports import Command
from onhand.app.inbox import Filter
from onhand.connectors.rest.fake import Fake as Rest
from onhand.ops.metrics import REGISTRY
from onhand.sdk.fake import FakePartner
from onhand.store.postgres.driver import Database
from tests.proof.audit import contradictions
from tests.proof.connected import Place, place
from tests.proof.ground import applied, ask, client, receipt
from tests.proof.matrix_partners import Connected, Holding


def gauge(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def told(partner: Connected) -> list[tuple[str, int]]:
    """The numbers that a REST partner was told, in their order."""
    fake = partner.partner
    assert isinstance(fake, FakePartner)
    calls = [json.loads(each.body) for each in fake.heard if each.path == "/listings"]
    return [(line["listing"], line["quantity"]) for call in calls for line in call["lines"]]


async def write(at: Place, endpoint: str, count: int, *, first: int = 1, **fields: Any) -> list[tuple[str, str]]:
    """Write commands; return body and key of each."""
    written = []
    for number in range(first, first + count):
        operation, body = at.around[endpoint].command(number)
        key = f"{endpoint}-{number}"
        await at.hub.outbox.write(
            [Command(endpoint=endpoint, operation=operation, body=body, idempotency_key=key, **fields)]
        )
        written.append((body, key))
    return written


async def happened(at: Place, endpoint: str, commands: list[tuple[str, str]]) -> list[int]:
    return [await at.around[endpoint].happened(body, key) for body, key in commands]


async def test_stock_events_are_not_sent_or_for_the_wrong_record(dsn: str, tmp_path: Path) -> None:
    """saleor#19449, #11637: whatever changes a number tells it, to those whose number it is, and to nobody else."""

    def apart(content: dict[str, Any]) -> None:
        content["channels"]["far"]["sells_from"] = ["central"]

    async with place(dsn, tmp_path, {"near": "rest", "far": "rest"}) as at:
        near, far = at.around["near"], at.around["far"]
        await at.apply(apart)
        await at.stocked(10)
        await applied(at.hub, [receipt("X1", 4, id_="far", location="central")])
        await at.settle(rounds=2)
        assert (await near.shows(), await far.shows()) == ([10, 10], [4, 0])
        for each in (near, far):
            assert isinstance(each.partner, FakePartner)
            each.partner.heard.clear()
        caller = await client(at.database)
        promise = await at.hub.reserve(caller, ask("q", ("X1", 3), channel="near", expires_in_s=600))
        assert isinstance(promise, ReservationAnswer)
        await at.settle(rounds=2)
        await at.hub.amend.release(caller, promise.reservation_id)
        await at.settle(rounds=2)
        await at.shipped("X2", 1, id_="s")
        await at.settle(rounds=2)
        one, two = (each.listing for each in near.listings)
        assert told(near) == [(one, 7), (one, 10), (two, 9)]
        assert told(far) == []


class Late(Rest):
    """A partner that takes in the numbers of one call so late that nobody waits for it any more."""

    held: asyncio.Event | None = None
    began: asyncio.Event
    ended: asyncio.Event

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Do the work, once late."""
        if self.held is None or request.method != "PUT":
            return await super().answer(request, body)
        wait, self.held = self.held, None
        self.began.set()
        await wait.wait()
        done = await super().answer(request, body)
        self.ended.set()
        return done


async def test_an_older_quantity_overwrites_a_newer_one_on_the_channel(dsn: str, tmp_path: Path) -> None:
    """openlinker#2617: the older call takes effect last, at the partner itself; that is found and put right."""
    async with place(dsn, tmp_path, {"shop": "rest"}, besides=Late) as at:
        shop = at.around["shop"]
        fake = shop.partner
        assert isinstance(fake, Late)
        await at.apply(lambda content: content["endpoints"]["shop"].update(timeout_s=0.3))
        await at.stocked(10)
        await at.settle(rounds=2)
        fake.held = go = asyncio.Event()
        fake.began, fake.ended = asyncio.Event(), asyncio.Event()
        await at.shipped("X1", 4, id_="s1")
        await at.node.send()
        assert fake.began.is_set()
        await at.shipped("X1", 3, id_="s2")
        for _ in range(10):
            await at.forward(61)
            await at.node.send()
            if await shop.shows() == [3, 10]:
                break
        assert await shop.shows() == [3, 10]
        go.set()
        await asyncio.wait_for(fake.ended.wait(), 30)
        assert await shop.shows() == [6, 10], "the older number has the last word there, or this proves nothing"
        await at.settle(rounds=20)
        assert await shop.shows() == [3, 10]
        (status,) = await at.hub.publications.status()
        assert (status.behind, status.in_step) == (0, 2)


async def test_the_queue_silently_falls_behind_and_everything_is_stale(dsn: str, tmp_path: Path) -> None:
    """openlinker#2609 (15,066 waiting), #2623: how much waits, and since when, is seen by people and by alerts."""
    async with place(dsn, tmp_path, {"behind": "rest"}) as at:
        await at.apply()
        await at.stocked(10)
        await write(at, "behind", 5, ordering_key="one")
        await at.around["behind"].news(4)
        await at.node.poller.round()
        await at.node.publisher.round()
        # No worker and no mapper runs, as after an upgrade that went wrong: nothing else could tell.
        await at.forward(3_600)
        endpoint, feed = await at.hub.flow.endpoint("behind"), await at.hub.feeds.feed("behind-news")
        (status,) = await at.hub.publications.status()
        assert endpoint.unfinished >= 5
        assert endpoint.oldest_s is not None
        assert endpoint.oldest_s >= 3_600
        assert feed.waiting == 4
        assert feed.lag_s is not None
        assert feed.lag_s >= 3_600
        assert status.behind == 2
        assert status.oldest_s is not None
        assert status.oldest_s >= 3_600
        await at.hub.keep_house()
        assert gauge("onhand_outbox_waiting", endpoint="behind") >= 5
        assert gauge("onhand_outbox_oldest_seconds", endpoint="behind") >= 3_600
        assert gauge("onhand_inbox_waiting", feed="behind-news") == 4
        assert gauge("onhand_inbox_oldest_seconds", feed="behind-news") >= 3_600
        async with at.hub.publishing(), asyncio.timeout(30):
            while gauge("onhand_publication_freshness_seconds", channel="behind") < 3_600:
                await at.database.sql("select pg_sleep(0.05)")
        await at.settle()
        again = await at.another()
        await again.hub.keep_house()
        assert gauge("onhand_outbox_oldest_seconds", endpoint="behind") == 0
        assert gauge("onhand_inbox_oldest_seconds", feed="behind-news") == 0


async def test_a_channels_sync_stops_and_nobody_is_told(dsn: str, tmp_path: Path) -> None:
    """ecommerce_integrations#289, #298, woocommerce#59381: told within its bound, and never switched off for good."""

    def careful(content: dict[str, Any]) -> None:
        content["feeds"]["source-news"]["expect_within_s"] = 300
        fallback = {"sources": ["source-news"], "shrink_after_s": 600, "factor_percent": 50}
        content["channels"]["shop"]["publish"]["fallback"] = fallback
        content["endpoints"]["source"]["breaker"]["window_s"] = 600

    async with place(dsn, tmp_path, {"source": "rest", "shop": "rest"}) as at:
        source, shop = at.around["source"], at.around["shop"]
        await at.apply(careful)
        await at.stocked(10)
        await at.settle(rounds=2)
        await source.sicken("down")
        await at.settle(rounds=5)
        feed = await at.hub.feeds.feed("source-news")
        assert feed.stale_since is not None
        assert "transient" in feed.why
        await (await at.another()).hub.keep_house()
        assert gauge("onhand_feed_stale", feed="source-news") == 1
        assert gauge("onhand_endpoint_breaker_open", endpoint="source") == 1
        await at.settle(rounds=12)
        assert await shop.shows() == [5, 5], "what rests on it shows less"
        await at.settle(rounds=30, step_s=3_600)
        await source.news(2)
        await source.heal("down")
        await at.settle(rounds=6)
        assert (await at.hub.feeds.feed("source-news")).status == "well"
        assert await shop.shows() == [10, 10]
        await (await at.another()).hub.keep_house()
        assert gauge("onhand_feed_stale", feed="source-news") == 0
        assert gauge("onhand_endpoint_breaker_open", endpoint="source") == 0


async def test_webhooks_lost_no_retry_no_bulk_replay(dsn: str, tmp_path: Path) -> None:
    """medusa#11633, n8n#34358, wp-shopify#68: the poll of the stream finds them, and a replay says which."""

    def hooked(content: dict[str, Any]) -> None:
        content["feeds"]["hooks"] = {"endpoint": "market", "stream": "orders", "mode": "webhook"}

    async with place(dsn, tmp_path, {"market": "bazaar"}) as at:
        market = at.around["market"]
        await at.apply(hooked)
        await at.stocked(10, *market.skus())
        hooks = [market.partner.webhook("orders", "good", now=datetime.now(UTC)) for _ in range(10)]
        for each in hooks[::3]:
            await at.hub.receive_webhook("hooks", path=each.path, headers=each.headers, body=each.body)
        await at.settle(rounds=2)
        orders = {json.loads(each.body)["order"]["id"] for each in hooks}
        events = await accepted(at.database)
        assert sorted(events) == sorted(f"order/{order}/accepted" for order in orders), "each once, however it came"
        before = await at.database.sql("select count(*)::int as n from event")
        since = datetime.now(UTC) - timedelta(hours=1)
        again = await at.hub.inbox.replay(Filter(since=since, states=("mapped",)), who="ada", reason="a mended mapping")
        assert len(again) == 10 + 4
        await at.settle(rounds=1)
        assert await at.database.sql("select count(*)::int as n from event") == before


async def accepted(database: Database) -> list[str]:
    rows = await database.sql("select event_id from event where type = 'order.accepted'")
    return [row["event_id"] for row in rows]


async def test_duplicates_no_idempotency_keys(dsn: str, tmp_path: Path) -> None:
    """saleor/apps#339, ShopifySharp#919: the same webhook, the same command, five times and at once, is one."""

    def hooked(content: dict[str, Any]) -> None:
        content["feeds"] = {"hooks": {"endpoint": "market", "stream": "orders", "mode": "webhook"}}

    async with place(dsn, tmp_path, {"market": "bazaar"}) as at:
        market = at.around["market"]
        await at.apply(hooked)
        await at.stocked(10, *market.skus())
        hook = market.partner.webhook("orders", "good", now=datetime.now(UTC))
        puts = await asyncio.gather(
            *(at.hub.receive_webhook("hooks", path=hook.path, headers=hook.headers, body=hook.body) for _ in range(5))
        )
        assert sorted(put.outcome for (put,) in puts) == ["repeated"] * 4 + ["stored"]
        commands = await write(at, "market", 1)
        assert await write(at, "market", 1) == commands
        await asyncio.gather(*(write(at, "market", 1) for _ in range(5)))
        other = await at.another()
        await asyncio.gather(at.node.round(), other.round())
        assert len(await accepted(at.database)) == 1
        assert await happened(at, "market", commands) == [1]
        assert await at.states() == {"done": 1}


async def test_jobs_stuck_after_a_crash_block_the_channel(dsn: str, tmp_path: Path) -> None:
    """OCA queue#386, #882: what a dead node held is another's once its lease is over, by itself."""
    async with place(dsn, tmp_path, {"erp": "rest"}, besides=Holding) as at:
        erp = at.around["erp"]
        assert isinstance(erp.partner, Holding)
        await at.apply(lambda content: content["endpoints"]["erp"].update(timeout_s=20))
        await at.stocked(10)
        commands = await write(at, "erp", 4, ordering_key="one")
        await erp.news(3)
        reached = erp.partner.hold(nth=3)
        dying = asyncio.create_task(at.node.round())
        await asyncio.wait_for(reached.wait(), 30)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        erp.partner.let_go()
        assert await at.database.sql("select from flow_call") != [], "it died with calls in its hands"
        other = await at.another()
        await at.forward(5)
        await other.round()
        assert (await at.states()).get("done", 0) < 4, "while the lease lasts it may still be at work"
        await at.settle(other, rounds=4)
        assert await at.states() == {"done": 4}
        assert await happened(at, "erp", commands) == [1] * 4
        assert await erp.shows() == [10, 10]
        read = await at.hub.inbox.find(Filter(feed="erp-news", states=("mapped",)), n=100)
        assert {line.key for line in read} == await erp.told()


class Strict(Rest):
    """A partner that takes five calls a minute, says for how long to wait, and blocks whoever does not."""

    now_s: float = 0.0
    closed_until_s: float = 0.0
    lately: tuple[float, ...] = ()

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Answer, or not now."""
        if self.now_s < self.closed_until_s:
            self.broken.append(f"called at {self.now_s:g} s, to be left alone until {self.closed_until_s:g} s")
        self.lately = (*(at for at in self.lately if at > self.now_s - 60), self.now_s)
        if len(self.lately) > 5:
            self.closed_until_s = self.now_s + 90
            return web.Response(status=429, headers={"retry-after": "90"})
        return await super().answer(request, body)


async def test_the_connector_gets_its_own_host_blocked(dsn: str, tmp_path: Path) -> None:
    """openlinker#1772, erpnext_shopify#110: "not now" is obeyed by every node, and costs no message anything."""

    def one_at_a_time(content: dict[str, Any]) -> None:
        content["endpoints"]["strict"] |= {"limits": {"concurrency": 1}, "retry": {"attempts_max": 2, "first_s": 1}}

    async with place(dsn, tmp_path, {"strict": "rest"}, besides=Strict) as at:
        strict = at.around["strict"]
        fake = strict.partner
        assert isinstance(fake, Strict)
        await at.apply(one_at_a_time)
        await at.stocked(10)
        commands = await write(at, "strict", 20)
        other = await at.another()
        for _ in range(80):
            await asyncio.gather(at.node.round(), other.round())
            if await at.states() == {"done": 20}:
                break
            await at.forward(15)
            fake.now_s = at.ahead_s
        assert fake.broken == []
        assert await at.states() == {"done": 20}
        assert await happened(at, "strict", commands) == [1] * 20
        refused = await at.database.sql("select counted from outbox_attempt where kind = 'throttled'")
        assert refused
        assert not any(row["counted"] for row in refused)


async def test_one_bad_target_or_message_blocks_or_floods_everything(dsn: str, tmp_path: Path) -> None:
    """redpanda connect#414, kafka-connect-jdbc#1312: dead letters are what was refused, never what nobody heard."""
    async with place(dsn, tmp_path, {"well": "rest", "down": "rest"}) as at:
        well, down = at.around["well"], at.around["down"]
        await at.apply()
        await at.stocked(10)
        await down.sicken("down")
        waiting = await write(at, "down", 100)
        healthy = await write(at, "well", 5)
        operation = well.command(0)[0]
        await at.hub.outbox.write(
            [Command(endpoint="well", operation=operation, body=well.partner.poison(operation), idempotency_key="bad")]
        )
        healthy += await write(at, "well", 5, first=6)
        assert isinstance(well.partner, Rest)
        await well.news(3)
        bad = {"number": "BAD", "changed_at": "2026-03-01T09:00:00Z", "name": "Bad", "unit": {"is": "no text"}}
        well.partner.told["items"]["BAD"] = bad
        await well.news(3)
        await at.settle(rounds=2)
        assert await happened(at, "well", healthy) == [1] * 10
        assert await well.shows() == [10, 10]
        await at.settle(rounds=24, step_s=3_600)
        dead = [row["idempotency_key"] for row in await at.commands() if row["state"] == "dead"]
        assert dead == ["bad"], "a day of outage makes no dead letters"
        (letter,) = await at.hub.inbox.find(Filter(states=("dead",)), n=100)
        assert letter.key.startswith("BAD:")
        assert len(await at.hub.inbox.find(Filter(feed="well-news", states=("mapped",)), n=100)) == 6
        await down.heal("down")
        await at.settle(rounds=6)
        assert await happened(at, "down", waiting) == [1] * 100
        assert await contradictions(at.database) == []


async def test_a_partial_failure_recorded_as_success(dsn: str, tmp_path: Path) -> None:
    """OCA edi-framework PR#88: of a call that was done in part, each part has its own end."""

    def wrong(content: dict[str, Any]) -> None:
        content["channels"]["shop"]["publish"]["listings"]["X2"] = "NO-SUCH"

    async with place(dsn, tmp_path, {"shop": "rest"}) as at:
        await at.apply(wrong)
        await at.stocked(10)
        await at.settle(rounds=2)
        one, two = (await at.hub.publications.page(channel="shop")).rows
        assert (one.sku, one.shown, one.acknowledged) == ("X1", 10, 10)
        assert (two.sku, two.shown, two.acknowledged) == ("X2", None, None)
        assert two.error
        (status,) = await at.hub.publications.status()
        assert (status.in_step, status.unlisted + status.failed) == (1, 1)
