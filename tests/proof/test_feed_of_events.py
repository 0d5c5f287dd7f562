"""The feed of events while writers commit late: nothing is skipped, nothing comes twice, however the commits fall."""

from __future__ import annotations

import asyncio

from onhand.bootstrap import Hub
from onhand.store.postgres.driver import Database
from tests.proof.faults import FaultyDatabase, Held
from tests.proof.ground import applied, hub_on, item, receipt


async def read_on(hub: Hub, after: str | None) -> tuple[list[str], str | None]:
    page = await hub.ledger.events(after=after, limit=3)
    return [row.id for row in page.rows], page.next_cursor


async def test_an_event_that_commits_after_its_followers_is_not_skipped(database: Database) -> None:
    """A cursor on `seq > n` skips it for ever: its number is smaller than those already read."""
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), item("B")])
        held = Held("commit")
        async with hub_on(FaultyDatabase(database, held), network=None) as slow:
            # An item comes in a transaction of its own with an explicit commit, which is held back.
            late = asyncio.create_task(slow.record([item("LATE", id_="late")]))
            await held.waits.wait()
            await applied(hub, [receipt("A", 1, id_=f"e{n}") for n in range(8)])
            seen: list[str] = []
            cursor: str | None = None
            for _ in range(6):
                ids, cursor = await read_on(hub, cursor)
                seen += ids
            assert "late" not in seen
            held.go.set()
            await late
            for _ in range(8):
                ids, cursor = await read_on(hub, cursor)
                seen += ids
    assert sorted(seen) == sorted(["item/A", "item/B", "late", *(f"e{n}" for n in range(8))])


async def test_a_reader_beside_six_busy_writers_sees_each_event_once(database: Database) -> None:
    async with hub_on(database) as hub:
        await applied(hub, [item("A"), item("B")])
        done = asyncio.Event()

        async def write(name: str) -> None:
            async with hub_on(database, network=None) as node:
                for n in range(25):
                    await applied(node, [receipt("AB"[n % 2], 1, id_=f"{name}/{n}")])

        async def read() -> list[str]:
            seen: list[str] = []
            cursor: str | None = None
            quiet = 0
            while quiet < 3:
                finished = done.is_set()
                ids, cursor = await read_on(hub, cursor)
                seen += ids
                quiet = quiet + 1 if finished and not ids else 0
            return seen

        reader = asyncio.create_task(read())
        await asyncio.gather(*(write(f"w{n}") for n in range(6)))
        done.set()
        seen = await reader
    assert len(seen) == len(set(seen))
    assert set(seen) == {"item/A", "item/B"} | {f"w{n}/{k}" for n in range(6) for k in range(25)}
