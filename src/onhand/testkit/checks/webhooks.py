"""K21: a webhook is taken only from its partner, only now, and the same one is the same one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from onhand.domain.errors import OnhandError
from onhand.sdk.connector import Arrival, Connector, Message, WebhookRefused
from onhand.sdk.partner import ArrivalKind
from onhand.testkit.check import Broken, check, expect, heard, hears, no_accident
from onhand.testkit.hostile import BODIES
from onhand.testkit.stage import Stage

REFUSED: dict[ArrivalKind, tuple[str, ...]] = {
    "bad": ("bad_signature",),
    "unsigned": ("unsigned", "bad_signature"),
    "stale": ("stale",),
    "malformed": ("malformed",),
}
"""Webhooks that must be refused, with the reasons that fit."""


@check(21, guards="Orders that anybody can invent; a recording that is played again.", when=hears)
async def webhooks_are_told_apart(stage: Stage) -> None:
    """A webhook is taken when it is good, refused when its signature is bad or old, and known when it comes again."""
    now = datetime.now(UTC)
    for stream in heard(stage.manifest):
        async with stage.scene() as scene:
            scene.needs("webhook")
            connector, partner = scene.connector(), scene.partner
            before = getattr(partner, "calls", 0)
            good = await _taken(connector, stream, partner.webhook(stream, "good", now=now))
            again = await _taken(connector, stream, partner.webhook(stream, "replayed", now=now))
            expect(
                [m.key for m in good] == [m.key for m in again],
                but=f"{stream}: the same webhook has another key when it comes again",
            )
            other = await _taken(connector, stream, partner.webhook(stream, "good", now=now))
            expect({m.key for m in other} != {m.key for m in good}, but=f"{stream}: another webhook has the same key")
            for kind, reasons in REFUSED.items():
                if kind != "stale" or "stale" not in str(partner.without.get("webhook", "")):
                    await _refused(connector, stream, partner.webhook(stream, kind, now=now), kind, reasons)
            await _hostile(connector, stream, partner.webhook(stream, "good", now=now))
            expect(
                getattr(partner, "calls", 0) == before, but=f"{stream}: it asks the partner before it answers a webhook"
            )


async def _taken(connector: Connector, stream: str, arrival: Arrival) -> Sequence[Message]:
    try:
        found = connector.arrived(stream, arrival)
    except WebhookRefused as error:
        raise Broken(f"{stream}: a good webhook is refused: {error.reason}, {error.detail}") from error
    expect(found, but=f"{stream}: a good webhook says nothing")
    return found


async def _refused(
    connector: Connector, stream: str, arrival: Arrival, kind: ArrivalKind, reasons: tuple[str, ...]
) -> None:
    try:
        connector.arrived(stream, arrival)
    except WebhookRefused as error:
        expect(error.reason in reasons, but=f"{stream}: one that is {kind} is refused as {error.reason!r}")
    else:
        raise Broken(f"{stream}: a webhook that is {kind} is taken")


async def _hostile(connector: Connector, stream: str, good: Arrival) -> None:
    """Bodies that nobody signed: each must be refused, none may be an accident."""
    for body in BODIES:
        for headers in (good.headers, {}, dict.fromkeys(good.headers, "\x00é" * 50)):
            arrival = Arrival(path=good.path, headers=headers, body=body, received_at=good.received_at)
            try:
                with no_accident(f"{stream}, a hostile webhook"):
                    connector.arrived(stream, arrival)
            except WebhookRefused as error:
                expect(
                    error.reason != "malformed",
                    but=f"{stream}: a body that nobody signed is taken apart before its signature is checked",
                )
                continue
            except OnhandError:
                continue
            raise Broken(f"{stream}: a body that nobody signed is taken")
