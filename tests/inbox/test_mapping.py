"""Messages become facts: each ends in the ledger, in quarantine or as a dead letter; replays do nothing twice."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from onhand.app.inbox import Filter
from onhand.app.inbox_map import LEFT_BEHIND
from onhand.domain.errors import InvalidInput, NotFound, Unavailable
from onhand.store.directory import Directory
from onhand.store.inbox_reading import PostgresInboxReads
from tests.flow.world import Clock
from tests.inbox.world import World, item, receipt


async def test_a_message_of_a_hundred_records_with_a_bad_one_applies_the_others_and_names_it(world: World) -> None:
    await world.apply()
    await world.items("A")
    events = [receipt("A", 1, id_=f"r{n}") for n in range(100)]
    events[57]["data"]["lines"][0]["quantity"] = -3
    number = await world.put({"events": events})
    await world.node.mapper.round()
    shown = await world.inbox.show(number)
    assert await world.stock() == {("A", "EAST"): 99}
    assert (shown.message.state, shown.message.place) == ("dead", "/data/lines/0/quantity")
    assert shown.message.reason is not None
    assert shown.message.reason.startswith("contract_violation: event 'r57'")
    assert shown.counts == {"applied": 99, "rejected": 1}
    assert shown.events[0].event_id == "r57"


async def test_a_record_that_cannot_be_mapped_does_not_hold_up_the_others(world: World) -> None:
    await world.apply()
    await world.items("A")
    number = await world.put({"events": [receipt("A", 1, id_="r1"), {"odd": 1}, receipt("A", 2, id_="r3")]})
    await world.node.mapper.round()
    line = (await world.inbox.show(number)).message
    assert (line.state, line.place, line.reason) == ("dead", "/events/1", "mapping_failed: It is odd.")
    assert await world.stock() == {("A", "EAST"): 3}


async def test_after_mending_the_mapping_a_replay_applies_the_rest_and_nothing_twice(world: World) -> None:
    await world.apply()
    await world.items("A")
    await world.put({"events": [receipt("A", 5, id_="r1")], "odd": 1}, key="x")
    await world.node.mapper.round()
    assert (await world.states())["x"] == "dead"
    world.mapping.mended, world.mapping.fingerprint = True, "v2"
    replayed = await world.inbox.replay(Filter(feed="moves"), who="ada", reason="mended")
    await world.node.mapper.round()
    assert len(replayed) == 1
    assert (await world.states())["x"] == "mapped"
    assert await world.stock() == {("A", "EAST"): 5}
    again = await world.inbox.replay(Filter(feed="moves", states=("mapped",)), who="ada")
    await world.node.mapper.round()
    assert len(again) == 2
    assert await world.stock() == {("A", "EAST"): 5}
    shown = await world.inbox.show(replayed[0])
    assert [(a.outcome, a.fingerprint) for a in shown.attempts] == [("dead", "v1"), ("mapped", "v2"), ("mapped", "v2")]
    assert shown.message.replays == 2
    assert [(e.event_id, e.outcome) for e in shown.events] == [("r1", "applied")]


async def test_replaying_twice_is_replaying_once(world: World) -> None:
    await world.apply()
    await world.put({"odd": 1})
    await world.node.mapper.round()
    assert len(await world.inbox.replay(Filter(feed="moves"), who="ada")) == 1
    assert await world.inbox.replay(Filter(feed="moves"), who="ada") == []


async def test_what_is_replayed_has_to_be_said(world: World) -> None:
    with pytest.raises(InvalidInput, match="not said"):
        await world.inbox.replay(Filter(), who="ada")


async def test_a_replay_means_what_it_names(world: World, clock: Clock) -> None:
    await world.apply()
    early = await world.put({"odd": 1}, key="early")
    since = clock.now
    clock.forward(10)
    late = await world.put(b"[", key="late")
    await world.node.mapper.round()
    for wanted, meant in [
        (Filter(until=clock.now), [early]),
        (Filter(since=clock.now), [late]),
        (Filter(key="late"), [late]),
        (Filter(reason="It is odd"), [early]),
        (Filter(reason="It%odd"), []),
        (Filter(ids=(late,)), [late]),
        (Filter(since=since), [early, late]),
        (Filter(since=clock.now + timedelta(days=1)), []),
    ]:
        assert await world.inbox.replay(wanted, who="ada") == meant, wanted
        await world.node.mapper.round()


async def test_quarantined_events_are_found_from_their_message_and_back(world: World) -> None:
    await world.apply()
    number = await world.put({"events": [receipt("GHOST", 5, id_="r1")]})
    await world.node.mapper.round()
    shown = await world.inbox.show(number)
    assert (shown.message.state, shown.counts) == ("quarantined", {"quarantined": 1})
    assert shown.message.reason == "1 of its events lies in quarantine"
    assert shown.events[0].quarantine_id is not None
    assert [line.id for line in await world.inbox.origin("wms", "r1")] == [number]
    await world.items("GHOST")
    await world.inbox.replay(Filter(ids=(number,)), who="ada")
    await world.node.mapper.round()
    assert (await world.inbox.show(number)).message.state == "mapped"
    assert await world.stock() == {("GHOST", "EAST"): 5}


async def test_a_discarded_message_is_kept_and_never_mapped(world: World) -> None:
    await world.apply()
    number = await world.put({"odd": 1})
    await world.node.mapper.round()
    with pytest.raises(InvalidInput, match="Say why"):
        await world.inbox.discard(Filter(ids=(number,)), who="ada", reason=" ")
    assert await world.inbox.discard(Filter(ids=(number,)), who="ada", reason="typed twice") == [number]
    line = (await world.inbox.show(number)).message
    assert (line.state, line.reason) == ("discarded", "typed twice")
    assert await world.inbox.replay(Filter(ids=(number,)), who="ada") == []
    assert await world.inbox.body(number) == b'{"odd": 1}'


async def test_a_defect_of_ours_is_tried_again_with_longer_waits_and_then_told(world: World, clock: Clock) -> None:
    await world.apply()
    number = await world.put({"bug": 1})
    tries = []
    for _ in range(40):
        await world.node.mapper.round()
        shown = await world.inbox.show(number)
        tries.append(len(shown.attempts))
        clock.forward(1)
    assert shown.message.state == "dead"
    assert (shown.message.reason or "").startswith("defect: the mapping of moves broke (ZeroDivisionError")
    assert tries[-1] == 5
    gaps = [tries.count(n) for n in range(1, 5)]
    assert gaps == sorted(gaps)
    assert all(attempt.counted for attempt in shown.attempts)


async def test_one_defect_does_not_hold_up_its_neighbours(world: World) -> None:
    await world.apply()
    await world.items("A")
    for number in range(5):
        await world.put({"events": [receipt("A", 1, id_=f"r{number}")]}, key=f"k{number}")
    await world.put({"bug": 1}, key="sick")
    await world.node.mapper.round()
    states = await world.states()
    assert states.pop("sick") == "new"
    assert set(states.values()) == {"mapped"}
    assert await world.stock() == {("A", "EAST"): 5}


async def test_a_defect_while_recording_ends_the_one_message_that_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply()
    await world.items("A")
    record = world.node.map._record

    async def breaks(events: object, **more: object) -> object:
        if any(each.id == "sick" for each in events):  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return await record(events, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.node.map, "_record", breaks)
    for name in ("a", "sick", "b"):
        await world.put({"events": [receipt("A", 1, id_=name)]}, key=name)
    await world.node.mapper.round()
    states = await world.states()
    assert (states["a"], states["sick"], states["b"]) == ("mapped", "new", "mapped")


async def test_a_database_that_is_down_costs_a_message_nothing(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply()
    number = await world.put({"events": [item("A")]})
    record, down = world.node.map._record, True

    async def sometimes(events: object, **more: object) -> object:
        if down:
            message = "The database is down."
            raise Unavailable(message)
        return await record(events, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.node.map, "_record", sometimes)
    for _ in range(8):
        await world.node.mapper.round()
        clock.forward(5)
    assert (await world.inbox.show(number)).message.attempts == 0
    down = False
    await world.node.mapper.round()
    assert (await world.inbox.show(number)).message.state == "mapped"


async def test_a_mapping_that_is_missing_costs_attempts_and_names_itself(world: World, clock: Clock) -> None:
    await world.apply()
    world.mapping.broken = NotFound("There is no mapping 'moves'.")
    number = await world.put({"events": [item("A")]})
    for _ in range(6):
        await world.node.mapper.round()
        clock.forward(30)
    line = (await world.inbox.show(number)).message
    assert (line.state, line.reason) == ("dead", "not_found: There is no mapping 'moves'.")
    world.mapping.broken = None
    await world.inbox.replay(Filter(reason="no mapping"), who="ada")
    await world.node.mapper.round()
    assert (await world.inbox.show(number)).message.state == "mapped"


async def test_what_a_node_left_behind_is_taken_over_and_given_up_when_every_node_dies_of_it(
    world: World, clock: Clock
) -> None:
    await world.apply()
    number = await world.put({"events": [item("A")]})
    for _ in range(4):
        held = await world.node.mapping_store.claim("moves", n=10, bytes_max=1000, lease_s=60, alone=False)
        assert [message.id for message in held] == [number]
        assert await world.node.mapping_store.claim("moves", n=10, bytes_max=1000, lease_s=60, alone=False) == []
        clock.forward(61)
    await world.node.mapper.round()
    assert (await world.inbox.show(number)).message.state == "mapped"
    other = await world.put({"events": [item("B")]}, key="poison")
    for _ in range(5):
        await world.node.mapping_store.claim("moves", n=10, bytes_max=1000, lease_s=60, alone=False)
        clock.forward(61)
    await world.node.mapper.round()
    line = (await world.inbox.show(other)).message
    assert (line.state, line.reason) == ("dead", LEFT_BEHIND)


async def test_a_node_that_comes_back_after_its_lease_writes_nothing_down(world: World, clock: Clock) -> None:
    await world.apply()
    number = await world.put({"odd": 1})
    (held,) = await world.node.mapping_store.claim("moves", n=1, bytes_max=1000, lease_s=60, alone=False)
    clock.forward(61)
    other = world.another("b")
    world.mapping.mended = True
    await other.mapper.round()
    from onhand.app.inbox_ports import Ended  # noqa: PLC0415
    from onhand.domain.inbox import End  # noqa: PLC0415

    end = End(state="dead", attempts=0, outcome="dead", reason="late")
    await world.node.mapping_store.finish([Ended(message=held, end=end)])
    shown = await world.inbox.show(number)
    assert shown.message.state == "mapped"
    assert [attempt.number for attempt in shown.attempts] == [2]


async def test_two_nodes_share_a_backlog_and_each_message_is_mapped_once(world: World) -> None:
    await world.apply()
    await world.items("A")
    for number in range(600):
        await world.put({"events": [receipt("A", 1, id_=f"r{number}")]}, key=f"k{number}")
    seen = len(world.mapping.seen)
    await asyncio.gather(world.node.mapper.round(), world.another("b").mapper.round())
    assert set((await world.states()).values()) == {"mapped"}
    assert await world.stock() == {("A", "EAST"): 600}
    assert len(world.mapping.seen) == seen + 600


async def test_a_feed_whose_bodies_are_bad_does_not_hold_up_another(world: World) -> None:
    await world.apply("  other: {endpoint: shelf, stream: moves, mode: webhook}")
    for number in range(250):
        await world.put({"bug": number}, key=f"sick{number}")
    await world.put({"events": [item("A")]}, key="well", feed="other")
    await world.node.mapper.round()
    assert (await world.states())["well"] == "mapped"


async def test_a_body_that_cannot_be_read_is_a_dead_letter_as_it_came(world: World) -> None:
    await world.apply()
    raw = b'{"events": [\xff]}'
    number = await world.put(raw)
    await world.node.mapper.round()
    line = (await world.inbox.show(number)).message
    assert line.state == "dead"
    assert (line.reason or "").startswith("invalid_utf8")
    assert await world.inbox.body(number) == raw


async def test_rows_of_stock_in_a_feed_that_does_not_say_what_they_mean_are_refused(world: World) -> None:
    await world.apply()
    number = await world.put({"rows": [{"sku": "A", "quantity": 5}]})
    await world.node.mapper.round()
    assert ((await world.inbox.show(number)).message.reason or "").startswith("statement_undeclared")


async def test_a_file_of_many_events_is_recorded_in_parts_and_a_second_time_changes_nothing(world: World) -> None:
    await world.apply()
    await world.items("A")
    number = await world.put({"events": [receipt("A", 1, id_=f"r{n}") for n in range(2500)]})
    await world.node.mapper.round()
    assert (await world.inbox.show(number)).counts == {"applied": 2500}
    await world.inbox.replay(Filter(ids=(number,), states=("mapped",)), who="ada")
    await world.node.mapper.round()
    assert await world.stock() == {("A", "EAST"): 2500}
    assert (await world.inbox.show(number)).counts == {"applied": 2500}


async def test_events_without_ids_are_named_by_their_message_and_never_twice(world: World) -> None:
    await world.apply()
    await world.items("A")
    event = {"type": "receipt.posted", "data": {"location": "EAST", "lines": [{"sku": "A", "quantity": 2}]}}
    await world.put({"events": [event, event]}, key="x" * 400)
    await world.node.mapper.round()
    assert await world.stock() == {("A", "EAST"): 4}
    rows = await world.database.sql("select event_id from inbox_event where event_id like '%#%' order by 1")
    assert [row["event_id"][-2:] for row in rows] == ["#0", "#1"]


async def test_old_messages_are_forgotten_and_dead_letters_are_not(world: World, clock: Clock) -> None:
    await world.apply()
    await world.put({"events": [item("A")]}, key="done")
    await world.put({"odd": 1}, key="dead")
    await world.node.mapper.round()
    reads = PostgresInboxReads(world.database, Directory(world.database), now=clock)
    await reads.forget(now=clock.now + timedelta(days=89))
    assert len(await world.states()) == 2
    await reads.forget(now=clock.now + timedelta(days=91))
    assert await world.states() == {"dead": "dead"}
    assert await world.database.sql("select from inbox_event") == []


async def test_a_body_is_mapped_as_its_content_type_says(world: World) -> None:
    await world.apply()
    body = json.dumps({"events": [item("A")]}).encode()
    for n, content_type in enumerate(["application/json; charset=utf-8", "application/vnd.x+json", "", "what/ever"]):
        await world.put(body, key=f"k{n}", content_type=content_type)
    await world.node.mapper.round()
    assert set((await world.states()).values()) == {"mapped"}
