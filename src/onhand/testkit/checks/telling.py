"""K22 to K27: what is told has its effect once, whatever becomes of the answers."""

from __future__ import annotations

import asyncio
import math

import msgspec

from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Transient, Unknown
from onhand.sdk.connector import Connector
from onhand.sdk.fake import FakePartner, Fault, FaultKind, Heard
from onhand.testkit.check import NotApplicable, check, expect, publishes, tells
from onhand.testkit.outlet import KitOutlet, kit_outlet
from onhand.testkit.stage import Scene, Stage, broken_towards
from onhand.testkit.telling import PUBLISH, Telling, Thing, all_delivered, tellings

VOLATILE = {"authorization", "date", "content-length", "user-agent", "host", "accept", "accept-encoding", "cookie"}
"""Headers that may differ between two tries of the same thing; signatures and their times besides."""


@check(22, guards="Two orders for one, after a retry (pain 10, P4).", when=tells)
async def key_never_changes(stage: Stage) -> None:
    """An idempotency key travels with every try and never changes."""
    async with stage.scene() as scene:
        for telling in tellings(scene):
            fake = scene.fake
            (thing,) = await telling.things(1)
            before = len(fake.heard)
            fake.sicken(Fault(kind="status", status=503, times=2))
            connector = scene.connector()
            for _ in range(2):
                (outcome,) = await telling.tell(connector, [thing])
                expect(not isinstance(outcome, Delivered), but=f"{telling.name}: 503 counts as delivered")
            fake.heal()
            all_delivered(await telling.tell(scene.connector(), [thing]), f"{telling.name}, on the third try")
            expect(await telling.happened(thing) == 1, but=f"{telling.name}: it did not happen once")
            tries = [each for each in list(fake.heard)[before:] if each.method not in ("GET", "HEAD")]
            if telling.claim.idempotency == "key":
                _same_key(telling, thing, tries)


def _same_key(telling: Telling, thing: Thing, tries: list[Heard]) -> None:
    """The key goes along word for word, or as something that does not change from try to try."""
    told = [each for each in tries if each.path == tries[-1].path] if tries else []
    if all(_carries(each, thing.key) for each in told):
        return
    marks = {_lasting(each) for each in told}
    expect(len(marks) == 1, but=f"{telling.name}: the tries differ, and none carries the key {thing.key!r} as it is")


def _carries(heard: Heard, key: str) -> bool:
    return key.encode() in heard.body or key in heard.path or any(key in value for value in heard.headers.values())


def _lasting(heard: Heard) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    headers = {
        name: value
        for name, value in heard.headers.items()
        if name not in VOLATILE and "signature" not in name and "timestamp" not in name
    }
    return heard.body, tuple(sorted(headers.items()))


LOSSES: tuple[FaultKind, ...] = ("lose_answer", "cut", "garbage")


@check(23, guards="The partner did the work, the hub did not hear of it (P4).", when=tells)
async def lost_answer_is_no_second_effect(stage: Stage) -> None:
    """An answer that is lost after the effect leads to no second effect."""
    looked = 0
    async with stage.scene() as scene:
        for telling in tellings(scene):
            if telling.claim.idempotency == "none":
                continue
            looked += 1
            for number, kind in enumerate(LOSSES, 1):
                (thing,) = await telling.things(1, first=number * 10)
                scene.fake.sicken(Fault(kind=kind, times=None))
                connector = scene.connector()
                (outcome,) = await telling.tell(connector, [thing])
                scene.fake.heal()
                what = f"{telling.name}, {kind}"
                expect(
                    isinstance(outcome, Unknown | Delivered) or await telling.happened(thing) == 0,
                    but=f"{what}: it was done, and the outcome is {outcome.kind!r}, which says that it was not",
                )
                if isinstance(outcome, Delivered):
                    expect(await telling.happened(thing) == 1, but=f"{what}: it counts as delivered and was not done")
                all_delivered(await telling.tell(scene.connector(), [thing], verify=True), f"{what}, said again")
                happened = await telling.happened(thing)
                expect(happened == 1, but=f"{what}: after it was said again it has happened {happened} times")
    if not looked:
        raise NotApplicable("its operations claim that a repetition may do harm (idempotency 'none')")


@check(24, guards="A partial failure recorded as success (pains, 'also').", when=tells)
async def partial_batch(stage: Stage) -> None:
    """A batch that is refused in part is told apart, one by one."""
    looked = 0
    async with stage.scene() as scene:
        for telling in tellings(scene):
            if telling.claim.batch == 1:
                continue
            looked += 1
            good = await telling.things(min(4, telling.claim.batch - 1))
            poison = telling.poison()
            middle = len(good) // 2
            told = [*good[:middle], poison, *good[middle:]]
            outcomes = await telling.tell(scene.connector(), told)
            if telling.claim.answers_later:
                outcomes = await _answered(scene, telling, told, outcomes)
            all_delivered([*outcomes[:middle], *outcomes[middle + 1 :]], f"{telling.name}, beside one that is refused")
            refused = outcomes[middle]
            expect(
                isinstance(refused, Rejected | Gone), but=f"{telling.name}: what is refused counts as {refused.kind!r}"
            )
            for thing in good:
                expect(await telling.happened(thing) == 1, but=f"{telling.name}: {thing.key} was not done")
    if not looked:
        raise NotApplicable("none of its operations takes more than one command a call")


async def _answered(scene: Scene, telling: Telling, told: list[Thing], outcomes: list[Outcome]) -> list[Outcome]:
    """Return what the partner answers later."""
    first = outcomes[0]
    assert isinstance(first, Delivered), first
    await scene.partner.settle()
    ticket = await scene.connector().ticket(first.answer)
    expect(ticket.done, but=f"{telling.name}: its ticket is not done when the partner is")
    keys = [each.key for each in told]
    if telling.publishes:
        keys = [each.update.listing for each in told]
    found = [ticket.results.get(key, ticket.results.get(each.key)) for key, each in zip(keys, told, strict=True)]
    expect(
        None not in found,
        but=f"{telling.name}: the ticket tells nothing of {keys[found.index(None)] if None in found else ''}",
    )
    return [each for each in found if each is not None]


@check(25, guards="A replay that ships twice (P4). The cheapest proof of idempotency there is.", when=tells)
async def second_apply_is_empty(stage: Stage) -> None:
    """The same thing said a second time changes nothing."""
    async with stage.scene() as scene:
        looked = 0
        for telling in tellings(scene):
            if telling.claim.idempotency == "none":
                continue
            looked += 1
            things = await telling.things(3)
            for number in range(2):
                verify = number > 0
                outcomes = await telling.tell(scene.connector(), things, verify=verify)
                all_delivered(outcomes, f"{telling.name}, said {'again' if verify else 'once'}")
                for thing in things:
                    happened = await telling.happened(thing)
                    expect(happened == 1, but=f"{telling.name}: said {number + 1} times, it happened {happened} times")
        expect(not broken_towards(scene.partner), but="; ".join(broken_towards(scene.partner)))
    if not looked:
        raise NotApplicable("its operations claim that a repetition may do harm (idempotency 'none')")


@check(26, guards="An older quantity that lands on the channel last (pain 6).", when=publishes, limit_s=120)
async def stale_never_overwrites(stage: Stage) -> None:
    """What is old never overwrites what is new, neither in the partner's hands nor through the hub."""
    async with stage.scene() as scene:
        await _old_number_said_again(scene, Telling(scene, PUBLISH))
    async with stage.scene() as scene:
        (listing,) = await scene.partner.listings(1)
        async with kit_outlet(stage, scene, listing) as outlet:
            await outlet.apply()
            await _newest_is_told(outlet)


async def _old_number_said_again(scene: Scene, telling: Telling) -> None:
    """A late repetition of a number that was replaced, where the partner knows keys or compares before it sets."""
    if not telling.claim.compare_and_set and telling.claim.idempotency != "key":
        return  # the hub alone sees to it: it reads the number at the moment of sending
    (old,) = await telling.things(1)
    new = msgspec.structs.replace(old, key="kit-new", quantity=old.quantity + 7, last_shown=old.quantity)
    connector = scene.connector()
    all_delivered(await telling.tell(connector, [old]), telling.name)
    all_delivered(await telling.tell(connector, [new]), telling.name)
    await telling.tell(connector, [old])
    expect(
        await telling.happened(new) == 1, but=f"{telling.name}: a late repetition of the old number replaced the new"
    )


async def _newest_is_told(outlet: KitOutlet) -> None:
    """Stock moves on while the partner is down, and while its answers are lost: in the end the newest number shows."""
    await outlet.receive(100)
    await _shows(outlet, 100, "at first")
    faults = outlet.scene.partner if isinstance(outlet.scene.partner, FakePartner) else None
    if "faults" in outlet.scene.partner.without:
        faults = None
    left = 100
    for kind in ("status", "lose_answer", "refuse"):
        if faults is not None:
            faults.sicken(Fault(kind=kind, times=None))
        await outlet.ship(10)
        await outlet.work()
        await outlet.ship(5)
        await outlet.work(rounds=1)
        if faults is not None:
            faults.heal()
        left -= 15
        await _shows(outlet, left, f"after {kind}")
    found = await outlet.later()
    expect(found == left, but=f"a day later the listing shows {found}, not {left}: an old number came late")


async def _shows(outlet: KitOutlet, wanted: int, when: str) -> None:
    found = await outlet.until_shown(wanted)
    expect(found == wanted, but=f"{when} the listing shows {found}, not {wanted}")


COUNT = 1_000
IN_FLIGHT = 50


@check(27, guards="State that is shared between calls (pain 1).", when=tells, limit_s=180)
async def a_thousand_in_parallel(stage: Stage) -> None:
    """A thousand in parallel, none lost, none twice."""
    async with stage.scene(policy={"timeout_s": 60.0}) as scene:
        for telling in tellings(scene):
            things = await telling.things(COUNT)
            connector, turns = scene.connector(), asyncio.Semaphore(IN_FLIGHT)
            batch = telling.claim.batch
            parts = [things[start : start + batch] for start in range(0, COUNT, batch)]

            told = (_patiently(telling, connector, part, turns) for part in parts)
            outcomes = [each for found in await asyncio.gather(*told) for each in found]
            all_delivered(outcomes, f"{telling.name}, {COUNT} in {math.ceil(COUNT / batch)} calls")
            counts = [await telling.happened(thing) for thing in things]
            lost, twice = counts.count(0), sum(1 for each in counts if each > 1)
            expect(not lost and not twice, but=f"{telling.name}: of {COUNT} {lost} are lost and {twice} happened twice")


async def _patiently(
    telling: Telling, connector: Connector, part: list[Thing], turns: asyncio.Semaphore
) -> list[Outcome]:
    """Tell, and tell again what the partner was too busy for, as the hub does: a few times."""
    async with turns:
        outcomes = await telling.tell(connector, part)
        for _ in range(20):
            again = [n for n, each in enumerate(outcomes) if isinstance(each, Transient)]
            if not again:
                break
            await asyncio.sleep(0.01)
            for number, outcome in zip(again, await telling.tell(connector, [part[n] for n in again]), strict=True):
                outcomes[number] = outcome
    return outcomes
