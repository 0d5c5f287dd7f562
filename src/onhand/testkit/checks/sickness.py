"""K28, K29: bad networks and every kind of answer, reading and telling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Delivered, Outcome, Throttled, Transient
from onhand.sdk.connector import Connector
from onhand.sdk.fake import Fault
from onhand.sdk.manifest import Manifest
from onhand.testkit import reading
from onhand.testkit.check import Broken, NotApplicable, check, expect, no_accident, polled
from onhand.testkit.stage import Scene, Stage
from onhand.testkit.telling import Telling, tellings
from onhand.testkit.toxics import TOXICS, Proxy, Toxic

IMPATIENT_S = 0.4


def _crosses_a_network(manifest: Manifest) -> str:
    return "" if polled(manifest) or manifest.operations else "it neither reads nor tells"


@check(28, guards="What works on the desk and not at night (P3, P4, P6).", when=_crosses_a_network, limit_s=180)
async def survives_bad_networks(stage: Stage) -> None:
    """Through eight bad networks nothing is lost and nothing happens twice, reading and telling."""
    async with stage.scene() as scene:
        scene.needs("toxics")
        if not scene.partner.url.startswith(("http://", "sftp://")):
            raise NotApplicable("its partner is not reached over a network")
        async with Proxy(scene.partner.url) as proxy:
            scene.policy = {**scene.policy, "base_url": proxy.url}
            for stream in polled(stage.manifest):
                await _reads_through(scene, proxy, stream)
            for telling in tellings(scene) if stage.manifest.operations else []:
                await _tells_through(scene, proxy, telling)
            expect(proxy.connections, but="nothing went through the proxy: does the connector use its link?")


async def _reads_through(scene: Scene, proxy: Proxy, stream: str) -> None:
    """Read on after each toxic from the last cursor that was stored; in the end everything is there."""
    seen: set[str] = set()
    cursor: str | None = None
    for number, toxic in enumerate(TOXICS):
        await scene.partner.populate(stream, 3)
        await proxy.be(toxic)
        cursor = await _read_as_far_as_possible(scene, stream, cursor, seen, toxic)
        await proxy.be(None)
        if number % 3 == 2:
            found = await reading.pages(scene.connector(), stream, cursor)
            seen |= reading.keys(found)
            cursor = reading.last_cursor(found)
    found = await reading.pages(scene.connector(), stream, cursor)
    seen |= reading.keys(found)
    missing = set(await scene.partner.keys(stream)) - seen
    if scene.manifest.streams[stream].snapshot:
        missing -= reading.keys(await reading.pages(scene.connector(), stream))
    expect(not missing, but=f"{stream}: {len(missing)} were lost on bad networks: {sorted(missing)[:3]}")


async def _read_as_far_as_possible(
    scene: Scene, stream: str, cursor: str | None, seen: set[str], toxic: Toxic
) -> str | None:
    connector = scene.connector(timeout_s=IMPATIENT_S)
    for _ in range(reading.PAGES_MAX):
        try:
            with no_accident(f"{stream}, {toxic}"):
                page = await connector.read(stream, cursor, limit=10)
        except OnhandError:
            return cursor
        expect(
            toxic not in ("down", "timeout", "reset_peer"),
            but=f"{stream}, {toxic}: a read that cannot be done succeeds",
        )
        seen |= {message.key for message in page.messages}
        cursor = page.cursor
        if not page.more:
            return cursor
    raise Broken(f"{stream}, {toxic}: reading does not end")


async def _tells_through(scene: Scene, proxy: Proxy, telling: Telling) -> None:
    if telling.claim.idempotency == "none":
        return
    things = await telling.things(len(TOXICS), first=5_000)
    for thing, toxic in zip(things, TOXICS, strict=True):
        await proxy.be(toxic)
        (outcome,) = await telling.tell(scene.connector(timeout_s=IMPATIENT_S), [thing])
        happened = await telling.happened(thing)
        if isinstance(outcome, Delivered):
            expect(happened == 1, but=f"{telling.name}, {toxic}: delivered, it says, and it happened {happened} times")
        else:
            expect(
                outcome.kind in ("unknown", "transient", "throttled"),
                but=f"{telling.name}, {toxic}: a bad network counts as {outcome.kind!r}: {outcome.detail}",
            )
            expect(
                outcome.kind == "unknown" or happened == 0,
                but=f"{telling.name}, {toxic}: it was done, and the outcome {outcome.kind!r} says that it was not",
            )
        await proxy.be(None)
        (outcome,) = await telling.tell(scene.connector(), [thing], verify=True)
        happened = await telling.happened(thing)
        expect(
            isinstance(outcome, Delivered) and happened == 1,
            but=f"{telling.name}, after {toxic}: said again it is {outcome.kind} and happened {happened} times",
        )


GRAMMAR: dict[int, tuple[str, ...]] = {
    400: ("rejected",),
    401: ("unauthorised",),
    403: ("unauthorised", "rejected", "throttled"),
    404: ("gone", "rejected", "transient"),
    410: ("gone", "rejected"),
    408: ("transient", "unknown"),
    422: ("rejected",),
    425: ("transient",),
    429: ("throttled",),
    500: ("unknown", "transient"),
    502: ("unknown", "transient"),
    503: ("transient", "throttled"),
    504: ("unknown", "transient"),
}
"""What each status may count as. Where there are several, partners differ, and the connector knows its own."""

READING = {400: ("rejected", "transient", "unknown"), 404: ("gone", "rejected", "transient", "unauthorised")}
"""Where asking is judged more leniently than telling: the message at fault is our own request."""

RETRY_AFTER_S = 7


@check(
    29, guards="Good messages in the dead letters because a partner was down (pains 12, 13).", when=_crosses_a_network
)
async def answers_have_their_kind(stage: Stage) -> None:
    """Every answer has its kind: 4xx, 429, 5xx, silence, a closed door."""
    async with stage.scene() as scene:
        for stream in polled(stage.manifest):
            await scene.partner.populate(stream, 1)

            async def read(connector: Connector, stream: str = stream) -> Outcome | None:
                return await reading.failure(connector, stream)

            await _grammar(scene, stream, read, {**GRAMMAR, **READING})
        for telling in tellings(scene) if stage.manifest.operations else []:
            things = iter(await telling.things(len(GRAMMAR) + 5, first=7_000))

            async def tell(connector: Connector, telling: Telling = telling) -> Outcome | None:
                (outcome,) = await telling.tell(connector, [next(things)])  # noqa: B023 - used within this round only
                return outcome

            await _grammar(scene, telling.name, tell, GRAMMAR)


Ask = Callable[[Connector], Awaitable[Outcome | None]]


async def _grammar(scene: Scene, name: str, ask: Ask, grammar: dict[int, tuple[str, ...]]) -> None:
    fake = scene.fake
    connector = scene.connector()
    for status, kinds in grammar.items():
        wait = {"retry-after": str(RETRY_AFTER_S)} if status in (429, 503) else {}
        fake.sicken(Fault(kind="status", status=status, times=None, headers=wait, body=fake.refusal()))
        outcome = await _asked(ask, connector, f"{name}, {status}")
        fake.heal()
        expect(outcome is not None and not isinstance(outcome, Delivered), but=f"{name}: {status} counts as success")
        assert outcome is not None
        expect(
            outcome.kind in kinds, but=f"{name}: {status} counts as {outcome.kind!r}, should be {' or '.join(kinds)}"
        )
        if wait and isinstance(outcome, Throttled | Transient):
            expect(
                outcome.retry_after_s == RETRY_AFTER_S,
                but=f"{name}: {status} asks for {RETRY_AFTER_S} s, which is lost",
            )
    fake.sicken(Fault(kind="slow", times=None, delay_s=IMPATIENT_S * 2))
    outcome = await _asked(ask, scene.connector(timeout_s=IMPATIENT_S / 2), f"{name}, silence")
    fake.heal()
    expect(
        outcome is not None and outcome.kind == "unknown", but=f"{name}: silence counts as {outcome and outcome.kind}"
    )
    await fake.stop()
    outcome = await _asked(ask, connector, f"{name}, nobody there")
    expect(outcome is not None and outcome.kind == "transient", but=f"{name}: a closed door counts as {outcome}")
    await fake.start(port=urlsplit(fake.url).port or 0)


async def _asked(ask: Ask, connector: Connector, what: str) -> Outcome | None:
    with no_accident(what):
        return await ask(connector)
