"""K10, K15, K16, K19, K20: what is read is found again, whole, from any place; while nothing is new it costs little."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onhand.sdk.connector import Page
from onhand.testkit import reading
from onhand.testkit.check import check, expect, polled, reads
from onhand.testkit.intake import kit_inbox
from onhand.testkit.stage import Scene, Stage

THINGS = 25
"""Enough for three pages of ten, the last of them not full."""


@asynccontextmanager
async def _told(stage: Stage, stream: str, count: int = THINGS) -> AsyncIterator[Scene]:
    """A scene whose stream has told that many things."""
    async with stage.scene() as scene:
        made = await scene.partner.populate(stream, count)
        expect(
            len(set(made)) == count, but=f"the stand-in tells {len(set(made))} things of {stream}, asked for {count}"
        )
        yield scene


@check(10, guards="Duplicates that count twice, changes that are taken for duplicates (pain 10).", when=reads)
async def keys_are_stable(stage: Stage) -> None:
    """A thing keeps its key however often it is read, and has another when it has changed."""
    for stream in polled(stage.manifest):
        async with _told(stage, stream) as scene:
            once = reading.messages(await reading.pages(scene.connector(), stream))
            again = reading.messages(await reading.pages(scene.connector(), stream, limit=7))
            was = {message.key: message.body for message in once}
            expect(
                set(was) == set(await scene.partner.keys(stream)),
                but=f"{stream}: keys are not those of the things told",
            )
            expect(
                was == {m.key: m.body for m in again}, but=f"{stream}: a second read gives other keys or other bodies"
            )
            if "change" not in scene.partner.without:
                changed = await scene.partner.change(stream)
                expect(changed not in was, but=f"{stream}: the changed thing has the key of the unchanged one")
                now = reading.keys(await reading.pages(scene.connector(), stream))
                expect(changed in now, but=f"{stream}: the change is not read")


@check(15, guards="A cursor on id > n that loses what commits late (pain 9).", when=reads)
async def resumes_anywhere(stage: Stage) -> None:
    """Reading goes on from every page's cursor, skips nothing, and sees what was committed late."""
    for stream in polled(stage.manifest):
        async with _told(stage, stream) as scene:
            wanted = set(await scene.partner.keys(stream))
            for limit in (1, 10):
                found = await reading.pages(scene.connector(), stream, limit=limit)
                _nothing_missing(wanted, reading.keys(found), f"{stream}, pages of {limit}")
            await _from_every_boundary(scene, stream, found, wanted)
            if "late" not in scene.partner.without:
                cursor = reading.last_cursor(found)
                late = await scene.partner.late(stream)
                seen = reading.keys(await reading.pages(scene.connector(), stream, cursor))
                expect(late in seen, but=f"{stream}: what was committed late, under an earlier time, is skipped")


async def _from_every_boundary(scene: Scene, stream: str, found: list[Page], wanted: set[str]) -> None:
    """Stop after each page and go on with a connector that knows nothing but the cursor."""
    before: set[str] = set()
    cursor: str | None = None
    for number, page in enumerate(found, 1):
        before |= {message.key for message in page.messages}
        cursor = page.cursor
        rest = reading.keys(await reading.pages(scene.connector(), stream, cursor))
        _nothing_missing(wanted, before | rest, f"{stream}, going on after page {number}")


def _nothing_missing(wanted: set[str], seen: set[str], where: str) -> None:
    missing = wanted - seen
    expect(not missing, but=f"{where}: {len(missing)} of {len(wanted)} are skipped, {sorted(missing)[:3]}")


@check(16, guards="A crash between reading and storing that loses what lay between (P3).", when=reads, limit_s=240)
async def cursor_is_the_hubs(stage: Stage) -> None:
    """The cursor is the hub's: what was read but not stored is read again."""
    for stream in polled(stage.manifest):
        async with _told(stage, stream) as scene:
            connector = scene.connector()
            cursor: str | None = None
            for _ in range(3):
                page = await connector.read(stream, cursor, limit=10)
                again = await connector.read(stream, cursor, limit=10)
                _same(
                    page, again, f"{stream}: the same cursor gives something else the second time, nothing was stored"
                )
                other = await scene.connector().read(stream, cursor, limit=10)
                _same(page, other, f"{stream}: a new connector reads something else from the same cursor")
                await connector.stored(stream, page.messages)
                await connector.stored(stream, page.messages)
                if not page.more:
                    break
                cursor = page.cursor
            await scene.connector().stored(stream, page.messages)
        await _stored_with_the_messages(stage, stream)


async def _stored_with_the_messages(stage: Stage, stream: str) -> None:
    """Through a hub whose database is away when a page is to be stored: nothing moves, and all of it comes again."""
    mode = "poll" if "poll" in stage.manifest.streams[stream].modes else "file"
    async with _told(stage, stream) as scene, kit_inbox(stage, scene, stream, mode=mode) as inbox:
        await inbox.apply()
        await inbox.read_while_the_store_is_lost()
        moved = await inbox.cursor() is not None or await inbox.messages() > 0
        expect(not moved, but=f"{stream}: the cursor moved although nothing was stored")
        await inbox.read()
        wanted, came = len(set(await scene.partner.keys(stream))), await inbox.messages()
        expect(came >= wanted, but=f"{stream}: of {wanted} messages {came} are in the inbox")


def _same(page: Page, again: Page, but: str) -> None:
    expect([m.key for m in page.messages] == [m.key for m in again.messages], but=but)


@check(19, guards="A first load during which orders disappear.", when=reads)
async def no_gap(stage: Stage) -> None:
    """What happens while it is being read is not lost between the pages."""
    for stream, claim in stage.manifest.streams.items():
        if stream not in polled(stage.manifest):
            continue
        async with _told(stage, stream) as scene:
            connector = scene.connector()
            first = await connector.read(stream, None, limit=10)
            new = await scene.partner.populate(stream, 5)
            seen = {message.key for message in first.messages}
            found = [first]
            if first.more:
                rest = await reading.pages(connector, stream, first.cursor)
                found += rest
                seen |= reading.keys(rest)
            next_round = await reading.pages(connector, stream, reading.last_cursor(found))
            seen |= reading.keys(next_round)
            if claim.snapshot:
                _one_cut_off(stream, found)
                seen |= reading.keys(await reading.pages(connector, stream))
            _nothing_missing({*new, *await scene.partner.keys(stream)}, seen, f"{stream}, told between two pages")


def _one_cut_off(stream: str, found: list[Page]) -> None:
    times = {page.snapshot_as_of for page in found}
    expect(None not in times, but=f"{stream} claims to be a snapshot, and a page of it names no cut-off")
    expect(len(times) == 1, but=f"{stream}: the pages of one snapshot name {len(times)} cut-offs")
    expect(all(at and at.utcoffset() is not None for at in times), but=f"{stream}: the cut-off has no time zone")


@check(20, guards="Quotas that are spent on looking, cursors that run out over a weekend.", when=reads)
async def idle_is_cheap(stage: Stage) -> None:
    """While nothing is new a read is one short, empty look from a cursor that still holds."""
    for stream, claim in stage.manifest.streams.items():
        if stream not in polled(stage.manifest) or claim.snapshot:
            continue
        await _from_an_empty_partner(stage, stream)
        async with _told(stage, stream) as scene:
            connector = scene.connector()
            found = await reading.pages(connector, stream)
            cursor, known = reading.last_cursor(found), reading.keys(found)
            expect(cursor is not None, but=f"{stream}: after everything is read there is no cursor")
            sizes = []
            for _ in range(5):
                before = getattr(scene.partner, "calls", 0)
                idle = await reading.pages(connector, stream, cursor)
                new = reading.keys(idle) - known
                expect(not new, but=f"{stream}: an idle read tells something new: {sorted(new)[:3]}")
                sizes.append(getattr(scene.partner, "calls", 0) - before)
                cursor = reading.last_cursor(idle)
            expect(sizes[-1] <= max(3, sizes[0]), but=f"{stream}: idle reads take {sizes} requests")
            fresh = await scene.partner.populate(stream, 1)
            seen = reading.keys(await reading.pages(connector, stream, cursor))
            expect(set(fresh) <= seen, but=f"{stream}: after idle reads, what is new is not seen")


async def _from_an_empty_partner(stage: Stage, stream: str) -> None:
    """What happens after a read that found nothing at all is seen."""
    async with stage.scene() as scene:
        if await scene.partner.keys(stream):
            return  # this partner is never empty
        cursor = reading.last_cursor(await reading.pages(scene.connector(), stream))
        fresh = await scene.partner.populate(stream, 3)
        seen = reading.keys(await reading.pages(scene.connector(), stream, cursor))
        _nothing_missing(set(fresh), seen, f"{stream}, after a read of an empty partner")
