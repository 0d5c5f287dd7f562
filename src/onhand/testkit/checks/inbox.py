"""K17, K18: what comes in twice or in any order, through the hub's whole way in: inbox, mapping, ledger."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from onhand.contracts.envelope import Envelope, event
from onhand.domain.mapping import Mapped
from onhand.domain.stock_statement import STATED
from onhand.sdk.connector import WebhookRefused
from onhand.testkit import mapping
from onhand.testkit.check import NotApplicable, check, expect, maps, polled
from onhand.testkit.intake import KitInbox, items_of, kit_inbox
from onhand.testkit.stage import Scene, Stage


@check(17, guards="Duplicates that count twice (pain 10, P4).", when=maps, limit_s=240)
async def duplicate_is_one_fact(stage: Stage) -> None:
    """A message that comes twice is one message and one fact, read, heard or replayed."""
    for stream, claim in stage.manifest.streams.items():
        async with stage.scene() as scene:
            mode = next(mode for mode in ("poll", "file", "webhook") if mode in claim.modes)
            if mode == "webhook" and "webhook" in scene.partner.without:
                continue
            async with kit_inbox(stage, scene, stream, mode=mode) as inbox:
                await inbox.apply(await _events(scene, stream))
                if mode == "webhook":
                    await _heard_twice(scene, inbox, stream)
                else:
                    await _read_twice(scene, inbox, stream)


async def _read_twice(scene: Scene, inbox: KitInbox, stream: str) -> None:
    await inbox.read()
    messages = await inbox.messages()
    expect(messages >= 1, but=f"{stream}: nothing arrived in the inbox")
    await inbox.map()
    facts, dead = await inbox.facts(), await inbox.dead()
    expect(not dead, but=f"{stream}: {len(dead)} of {messages} are dead letters: {dead[:1]}")
    await inbox.read_from_the_beginning()
    expect(
        await inbox.messages() == messages,
        but=f"{stream}: read a second time, {messages} messages became {await inbox.messages()}",
    )
    await inbox.replay()
    expect(await inbox.facts() == facts, but=f"{stream}: replayed, {facts} facts became {await inbox.facts()}")
    if "change" not in scene.partner.without:
        await scene.partner.change(stream)
        await inbox.read()
        expect(await inbox.messages() > messages, but=f"{stream}: a change is taken for a repetition")


async def _heard_twice(scene: Scene, inbox: KitInbox, stream: str) -> None:
    now = datetime.now(UTC)
    for kind in ("good", "replayed"):
        await inbox.hear(scene.partner.webhook(stream, kind, now=now))
    expect(await inbox.messages() == 1, but=f"{stream}: a webhook that came twice is {await inbox.messages()} messages")
    with suppress(WebhookRefused):
        await inbox.hear(scene.partner.webhook(stream, "bad", now=now))
    expect(await inbox.messages() == 1, but=f"{stream}: a webhook with a bad signature is stored")
    await inbox.map()
    facts = await inbox.facts()
    await inbox.replay()
    expect(await inbox.facts() == facts, but=f"{stream}: replayed, {facts} facts became {await inbox.facts()}")


ORDERS = 2


@check(18, guards="Stock that depends on the weather (P5).", when=maps, limit_s=240)
async def any_order_same_end(stage: Stage) -> None:
    """In whatever order its facts arrive, and some of them twice, the end is the same."""
    looked = 0
    for stream in stage.manifest.streams:
        async with stage.scene() as scene:
            mapped = await _events(scene, stream)
            facts = [_fact(each, number) for number, each in enumerate(mapped) if each.type != STATED]
            if not facts:
                continue
            looked += 1
            ends = []
            for seed in range(ORDERS):
                async with kit_inbox(stage, scene, stream, mode=stage.manifest.streams[stream].modes[0]) as inbox:
                    await inbox.apply(mapped)
                    await inbox.record(items_of(mapped))
                    await inbox.record(_shuffled(facts, seed))
                    ends.append((await inbox.balances(), await inbox.recorded()))
            expect(
                all(end == ends[0] for end in ends),
                but=f"{stream}: the end depends on the order: {_first_difference(*ends[:2])}",
            )
    if not looked:
        raise NotApplicable("its streams state stock only: of two statements the one with the later cut-off holds")


def _first_difference(one: tuple[set[Any], set[Any]], other: tuple[set[Any], set[Any]]) -> object:
    """Return something that one end has and the other has not."""
    return next(iter((one[0] ^ other[0]) | (one[1] ^ other[1])), "")


def _shuffled(facts: list[Envelope], seed: int) -> list[Envelope]:
    """Return facts in another order, a few of them twice; the first order is their own."""
    if not seed:
        return facts
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    mixed = [*facts, *draw.sample(facts, min(3, len(facts)))]
    draw.shuffle(mixed)
    return mixed


async def _events(scene: Scene, stream: str) -> list[Mapped]:
    """Return what the messages of a stream become; nothing where its mapping is the operator's to write."""
    connector = scene.connector()
    translator = mapping.Translator(scene.package, connector, stream, scene.manifest.streams[stream])
    if translator.is_empty:
        raise NotApplicable("its mappings are empty: each operator writes his own")
    said = await mapping.said(scene, stream, connector, count=12)
    said += mapping.recordings(scene.package, stream)
    if stream in polled(scene.manifest) and "change" not in scene.partner.without:
        await scene.partner.change(stream)
        said += await mapping.said(scene, stream, connector, count=1)
    return [each for message in said for each in translator.events(message)]


def _fact(each: Mapped, number: int) -> Envelope:
    return event(
        id=each.id or f"kit-{number}", source="somewhere", type=each.type, time=each.time, subject=each.subject,
        data=each.data,
    )  # fmt: skip
