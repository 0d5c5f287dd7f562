"""`onhand inbox` and `onhand feeds`: what people type, for a person and as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from onhand import cli
from tests.inbox.world import World, item, receipt


class Typed:
    """Runs verbs on the world's database."""

    def __init__(self, world: World, dsn: str, out: pytest.CaptureFixture[str]) -> None:
        self._where = ["--dsn", dsn]
        self._out = out
        self.world = world

    async def __call__(self, *tokens: object, expect: int = 0) -> str:
        code = await asyncio.to_thread(cli.run, [*map(str, tokens), *self._where])
        told = self._out.readouterr()
        assert code == expect, told.err
        return told.out if expect == 0 else told.err

    async def json(self, *tokens: object) -> Any:
        return json.loads(await self(*tokens, "--json"))


@pytest.fixture
def typed(world: World, dsn: str, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(world, dsn, capsys)


async def test_a_dead_letter_is_found_looked_at_mended_and_replayed(typed: Typed) -> None:
    world = typed.world
    await world.apply()
    await world.items("A")
    number = await world.put({"events": [receipt("A", 5, id_="r1")], "odd": 1}, key="x")
    await world.node.mapper.round()
    assert "mapping_failed: It is odd." in await typed("inbox", "list", "--state", "dead")
    (line,) = await typed.json("inbox", "list", "--state", "dead", "--feed", "moves", "--why", "odd")
    assert (line["id"], line["place"]) == (number, "/odd")
    shown = await typed("inbox", "show", number)
    assert "how it came" in shown
    assert (await typed.json("inbox", "show", number))["attempts"][0]["outcome"] == "dead"
    assert (
        await typed("inbox", "show", number, "--body")
        == '{"events": [' + json.dumps(receipt("A", 5, id_="r1")) + '], "odd": 1}'
    )
    world.mapping.mended = True
    world.clock.forward(3650 * 86_400)  # the command goes by the real clock
    assert await typed.json("inbox", "replay", "--number", number, "-m", "mended") == {"replayed": [number]}
    await world.node.mapper.round()
    assert "mapped" in await typed("inbox", "list", "--number", number)
    assert f"{number}" in await typed("inbox", "origin", "wms", "r1")
    assert "1 applied" in await typed("inbox", "show", number)


async def test_what_is_discarded_needs_a_reason_and_what_is_replayed_a_name(typed: Typed) -> None:
    await typed.world.apply()
    number = await typed.world.put({"odd": 1})
    await typed.world.node.mapper.round()
    assert "Say why" in await typed("inbox", "discard", "--number", number, expect=3)
    assert "not said" in await typed("inbox", "replay", expect=3)
    assert "is no state" in await typed("inbox", "list", "--state", "ded", expect=3)
    assert "is no time" in await typed("inbox", "list", "--since", "yesterday", expect=3)
    assert "Discarded: 1." in await typed("inbox", "discard", "--number", number, "--reason", "typed twice")
    assert "message_not_found" in await typed("inbox", "show", 999, expect=3)


@pytest.mark.parametrize("verb", ["list", "replay", "discard"])
@pytest.mark.parametrize(
    ("what", "told"),
    [
        (("--number", 999, "--number", 1), "There is no message 999."),
        (("--number", 10**30), "message_not_found"),
        (("--feed", "mvoes"), "unknown_feed"),
    ],
)
async def test_what_nobody_knows_is_told_and_not_taken_for_nothing_to_do(
    typed: Typed, verb: str, what: tuple[object, ...], told: str
) -> None:
    await typed.world.apply()
    await typed.world.put({"odd": 1})
    await typed.world.node.mapper.round()
    because = ("--reason", "typed twice") if verb == "discard" else ()
    assert told in await typed("inbox", verb, *what, *because, expect=3)
    assert set((await typed.world.states()).values()) == {"dead"}


async def test_feeds_are_listed_paused_resumed_and_asked(typed: Typed) -> None:
    world = typed.world
    await world.apply()
    world.shelf.says({"events": [item("A")]})
    await world.node.work()
    assert "moves" in await typed("feeds", "list")
    view = await typed.json("feeds", "status", "moves")
    assert (view["cursor"], view["waiting"], view["dead"], view["means"]) == ("1", 0, 0, "events")
    assert "last empty at" in await typed("feeds", "status", "moves")
    assert await typed.json("feeds", "pause", "moves", "--reason", "stocktaking") == {"changed": True}
    assert "paused already" in await typed("feeds", "pause", "moves")
    assert (await typed.json("feeds", "list"))[0]["why"] == "stocktaking"
    assert "goes on" in await typed("feeds", "resume", "moves")
    assert "due now" in await typed("feeds", "now", "moves")
    await world.node.poller.round()
    assert len(world.shelf.calls) == 2
    assert "unknown_feed" in await typed("feeds", "status", "other", expect=3)
