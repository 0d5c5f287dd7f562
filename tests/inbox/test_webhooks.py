"""Webhooks over real sockets: signed and stored before the answer, refused without a trace, hostile ones sent away."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from onhand.app.inbox import Filter
from onhand.bootstrap import Hub
from onhand.http.app import build_app
from onhand.http.limits import WEBHOOK_BYTES_MAX
from onhand.http.server import serving
from onhand.http.settings import HttpSettings
from onhand.ops import metrics
from onhand.sdk.signing import sign
from onhand.store.postgres.driver import Database
from tests.inbox.conftest import KEY
from tests.inbox.world import NETWORK
from tests.proof.audit import contradictions
from tests.proof.faults import FaultyDatabase, Strike

FEED = """\
  hooks: {endpoint: shelf, stream: moves, mode: webhook}
  mute: {endpoint: silent, stream: moves, mode: webhook}
"""
SILENT = "endpoints:\n  silent: {{system: wms, sender: shelf, settings: {{folder: x}}}}\n"
BODY = json.dumps({"no": 1}).encode()


class Partner:
    """A partner that signs."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def send(
        self, body: Any = BODY, *, feed: str = "hooks", message_id: str = "m1", at: int | None = None,
        key: bytes = KEY, headers: dict[str, str] | None = None, drop: str = "",
    ) -> tuple[int, Any]:  # fmt: skip
        stamp = str(int(time.time()) if at is None else at)
        signed = body if isinstance(body, bytes) else b""
        told = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(key, message_id=message_id, timestamp=stamp, body=signed),
            **(headers or {}),
        }
        told.pop(drop, None)
        async with self.session.post(f"{self.url}/v1/inbox/{feed}", data=body, headers=told) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def partner_of(hub: Hub, **settings: Any) -> AsyncIterator[Partner]:
    chosen = HttpSettings(port=0, **settings)
    async with (
        serving(build_app(hub, chosen), chosen) as running,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
    ):
        yield Partner(session, running.url)


@pytest_asyncio.fixture
async def hub(database: Database, tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(database)
    text = NETWORK.format(folder=tmp_path, policy="", more=FEED)
    files = {"a.yaml": text, "b.yaml": SILENT.format()}
    await made.networks.apply(await made.networks.plan(files), who="test")
    yield made
    await made.close()


@pytest_asyncio.fixture
async def partner(hub: Hub) -> AsyncIterator[Partner]:
    async with partner_of(hub) as found:
        yield found


async def messages(hub: Hub) -> list[tuple[str, str, int]]:
    return [(line.key, line.state, line.repeats) for line in await hub.inbox.find(Filter())]


def refused(reason: str) -> float:
    return metrics.WEBHOOKS_REFUSED.labels("hooks", reason)._value.get()  # type: ignore[no-any-return]


async def test_what_is_signed_is_stored_byte_for_byte_and_then_acknowledged(hub: Hub, partner: Partner) -> None:
    body = b'{"a":  1,\r\n "b": "\xc3\xa4"}'
    assert await partner.send(body) == (200, {"stored": 1, "repeated": 0})
    assert await messages(hub) == [("m1", "new", 0)]
    line = (await hub.inbox.find(Filter()))[0]
    assert await hub.inbox.body(line.id) == body
    facts = (await hub.inbox.show(line.id)).facts
    assert facts["path"] == "/v1/inbox/hooks"
    assert facts["webhook-id"] == "m1"
    assert not any("signature" in name or "auth" in name for name in facts)


async def test_what_comes_again_is_acknowledged_again_and_nothing_new(hub: Hub, partner: Partner) -> None:
    await partner.send()
    assert await partner.send() == (200, {"stored": 0, "repeated": 1})
    assert await messages(hub) == [("m1", "new", 1)]
    assert await partner.send(b'{"no": 2}') == (200, {"stored": 1, "repeated": 0})
    assert [line.changed for line in await hub.inbox.find(Filter())] == [True, False]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"key": b"x" * 32}, "bad_signature"),
        ({"headers": {"webhook-signature": "v1,AAAA"}}, "bad_signature"),
        ({"headers": {"webhook-signature": "rubbish"}}, "bad_signature"),
        ({"drop": "webhook-signature"}, "unsigned"),
        ({"drop": "webhook-id"}, "unsigned"),
        ({"at": 1_000_000_000}, "stale"),
        ({"at": 4_000_000_000}, "stale"),
    ],
)
async def test_what_is_not_the_partner_s_own_is_refused_and_leaves_nothing(
    hub: Hub, partner: Partner, how: dict[str, Any], reason: str
) -> None:
    before = refused(reason)
    status, problem = await partner.send(**how)
    assert (status, problem["code"], problem["reason"]) == (401, "webhook_refused", reason)
    assert await messages(hub) == []
    assert refused(reason) == before + 1


async def test_what_is_signed_and_cannot_be_taken_apart_is_a_dead_letter_until_somebody_has_it_mapped(
    hub: Hub, partner: Partner
) -> None:
    """The partner did all that it owed: refused, it would try again for days and then be silent for good."""
    body = json.dumps({"kind": "item", "sku": "A", "wrapped": True}).encode()
    assert await partner.send(body) == (200, {"stored": 1, "repeated": 0})
    assert await partner.send(body, message_id="m2") == (200, {"stored": 0, "repeated": 1})
    assert (await partner.send(body, key=b"x" * 32))[0] == 401
    async with hub.reading() as (_, mapper):
        await mapper.round()
        (line,) = await hub.inbox.find(Filter())
        assert (line.state, line.reason, line.repeats) == ("dead", "webhook_malformed: It is wrapped.", 1)
        assert await hub.inbox.body(line.id) == body
        await hub.inbox.replay(Filter(ids=(line.id,)), who="ada")
        await mapper.round()
    (line,) = await hub.inbox.find(Filter())
    assert (line.state, line.reason) == ("mapped", None)


@pytest.mark.parametrize("feed", ["nobody", "moves", "..%2f..", "%00", "x" * 500])
async def test_a_feed_that_takes_no_webhooks_is_not_there(partner: Partner, feed: str) -> None:
    status, problem = await partner.send(feed=feed)
    assert (status, problem["code"]) in ((404, "unknown_feed"), (404, "route_not_found"), (400, "invalid_parameter"))


async def test_a_feed_whose_secret_is_missing_is_our_trouble_and_the_partner_tries_again(
    hub: Hub, partner: Partner
) -> None:
    status, problem = await partner.send(feed="mute")
    assert (status, problem["code"]) == (503, "feed_not_ready")
    assert await messages(hub) == []


async def test_any_content_type_and_no_body_at_all_are_taken_when_they_are_signed(hub: Hub, partner: Partner) -> None:
    for number, body in enumerate([b"", b"<a/>", bytes(range(256)), b"a=1&b=2"]):
        status, _ = await partner.send(body, message_id=f"m{number}", headers={"content-type": "what/ever; x=y"})
        assert status == 200
    assert len(await messages(hub)) == 4


async def test_a_hundred_megabytes_are_refused_before_they_are_read(hub: Hub, partner: Partner) -> None:
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1600):
            sent += 65_536
            yield bytes(65_536)

    try:
        status, problem = await partner.send(flood())
    except aiohttp.ClientError:
        pass  # the line was cut while it was still sending, which is as good
    else:
        assert (status, problem["code"]) == (413, "payload_too_large")
    assert await messages(hub) == []
    status, problem = await partner.send(io.BytesIO(b"x" * (WEBHOOK_BYTES_MAX + 1)))
    assert (status, problem["code"]) == (413, "payload_too_large")


async def test_a_small_body_that_unpacks_to_a_huge_one_is_refused(hub: Hub, partner: Partner) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    status, problem = await partner.send(bomb, headers={"content-encoding": "gzip"})
    assert (status, problem["code"]) == (413, "payload_too_large")


async def test_a_flood_of_headers_is_turned_away_or_cut_down(hub: Hub, partner: Partner) -> None:
    many = {f"x-flood-{n}": "v" * 300 for n in range(500)}
    try:
        status, _ = await partner.send(headers=many)
    except aiohttp.ClientError:
        status = 431
    assert status == 431
    assert await messages(hub) == []
    few = {f"x-flood-{n}": "v" * 900 for n in range(80)}
    assert (await partner.send(headers=few))[0] == 200
    facts = (await hub.inbox.show((await hub.inbox.find(Filter()))[0].id)).facts
    assert len(facts) <= 61
    assert max(map(len, facts.values())) <= 500


async def test_whoever_guesses_signatures_is_slowed_down_and_the_partner_is_not(hub: Hub, partner: Partner) -> None:
    guesses = await asyncio.gather(*(partner.send(key=b"x" * 32) for _ in range(200)))
    assert {status for status, _ in guesses} == {401, 429}
    assert (await partner.send())[0] == 200


async def test_a_feed_s_rate_is_kept(hub: Hub) -> None:
    async with partner_of(hub, rate_per_s=1.0, rate_burst=3) as partner:
        statuses = [(await partner.send(message_id=f"m{n}"))[0] for n in range(5)]
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses


async def test_a_hundred_at_once_are_all_stored_once(hub: Hub, partner: Partner) -> None:
    answers = await asyncio.gather(*(partner.send(message_id=f"m{n % 50}") for n in range(100)))
    assert {status for status, _ in answers} == {200}
    assert len(await messages(hub)) == 50
    assert sum(answer["stored"] for _, answer in answers) == 50


@pytest.mark.parametrize("kind", ["lost_before", "lost_after", "deadlock", "full"])
async def test_what_is_acknowledged_is_there_whatever_the_database_does(
    hub: Hub, database: Database, kind: Any
) -> None:
    """P3 at the door: the n-th call fails, until none is left; a 200 means stored, anything else is sent again."""
    for nth in range(1, 12):
        strike = Strike(nth=nth, kind=kind)
        sick = Hub(FaultyDatabase(database, strike))
        async with partner_of(sick) as partner:
            status, _ = await partner.send(message_id=f"m{nth}")
            there = any(key == f"m{nth}" for key, _, _ in await messages(hub))
            assert there or status != 200, (nth, status)
            assert status in (200, 503, 507, 500), (nth, status)
            if status != 200:
                assert (await partner.send(message_id=f"m{nth}"))[0] == 200
        await sick.close()
        assert sum(key == f"m{nth}" for key, _, _ in await messages(hub)) == 1
        if not strike.struck:
            break
    else:
        pytest.fail("the storing of one webhook takes more calls than anybody would think")
    assert await contradictions(database) == []
