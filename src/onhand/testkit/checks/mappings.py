"""K09, K11 to K13: what the mapping makes of what a partner says, and of what nobody should say."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from onhand.contracts import strict_json
from onhand.contracts.envelope import event
from onhand.contracts.registry import packaged
from onhand.domain.errors import InvalidInput, OnhandError
from onhand.domain.mapping import Mapped, round_trips
from onhand.domain.stock_statement import STATED
from onhand.sdk.connector import Message
from onhand.testkit import mapping
from onhand.testkit.check import Broken, NotApplicable, check, expect, maps, no_accident, polled
from onhand.testkit.hostile import BODIES, variants
from onhand.testkit.stage import Scene, Stage


@asynccontextmanager
async def _translated(stage: Stage) -> AsyncIterator[list[tuple[str, mapping.Translator, list[Message]]]]:
    """Every stream whose mapping says something, with what its partner says and what was recorded of it."""
    found = []
    async with stage.scene() as scene:
        connector = scene.connector()
        for stream, claim in stage.manifest.streams.items():
            translator = mapping.Translator(stage.package, connector, stream, claim)
            if not translator.is_empty:
                said = await mapping.said(scene, stream, connector)
                found.append((stream, translator, [*said, *mapping.recordings(stage.package, stream)]))
        if not found:
            raise NotApplicable("its mappings are empty: each operator writes his own")
        yield found


@check(9, guards="Facts that nobody downstream can read.", when=maps)
async def events_keep_contracts(stage: Stage) -> None:
    """Every event keeps the contract that it names, and every type that is claimed comes about."""
    async with _translated(stage) as found:
        for stream, translator, messages in found:
            seen: set[str] = set()
            for message in messages:
                for each in _events(stream, translator, message):
                    seen.add(each.type)
                    _keeps_contract(stream, message, each)
            claimed = set(stage.manifest.streams[stream].events)
            # Rows of stock become counts or adjustments, whichever the operator's feed declares.
            missing = claimed - seen if STATED not in seen else set()
            expect(not missing, but=f"{stream}: nothing that is said or recorded gives {', '.join(sorted(missing))}")
            unclaimed = seen - claimed - {STATED}
            expect(not unclaimed, but=f"{stream}: gives {', '.join(sorted(unclaimed))}, which is not claimed")


def _events(stream: str, translator: mapping.Translator, message: Message) -> list[Mapped]:
    try:
        with no_accident(f"{stream}, {message.key}"):
            return translator.events(message)
    except OnhandError as error:
        raise Broken(f"{stream}, {message.key}: {error.code}: {error.detail}") from error


def _keeps_contract(stream: str, message: Message, each: Mapped) -> None:
    if each.type == STATED:
        missing = {"sku", "quantity"} - set(each.data)
        expect(not missing, but=f"{stream}, {message.key}: a row of stock without {', '.join(sorted(missing))}")
        return
    try:
        made = event(
            id=each.id or message.key, source="somewhere", type=each.type, time=each.time or message.occurred_at,
            subject=each.subject, data=each.data,
        )  # fmt: skip
        wrong = packaged().check(made)
    except InvalidInput as error:
        raise Broken(f"{stream}, {message.key}: {error.detail}") from error
    said = "; ".join(f"{violation.pointer or '/'} {violation.message}" for violation in wrong[:2])
    expect(not wrong, but=f"{stream}, {message.key}: {each.type}: {said}")


HOSTILE_S_MAX = 30.0


@check(11, guards="One body that stops a feed (pain 13).", when=maps, limit_s=120)
async def hostile_bodies(stage: Stage) -> None:
    """Hostile bodies end as refusals with reasons or as events, never as accidents, and soon."""
    async with _translated(stage) as found:
        for stream, translator, messages in found:
            began, looked = time.monotonic(), 0
            for body in _hostile(messages):
                looked += 1
                message = Message(key="hostile", body=body, content_type=messages[0].content_type)
                _refused_or_mapped(stream, translator, message)
            took_s = time.monotonic() - began
            expect(took_s < HOSTILE_S_MAX, but=f"{stream}: {looked} hostile bodies took {took_s:.0f} s")


def _hostile(messages: list[Message]) -> Iterator[bytes]:
    yield from BODIES
    for message in messages[:2]:
        yield from variants(message.body)


def _refused_or_mapped(stream: str, translator: mapping.Translator, message: Message) -> None:
    try:
        with no_accident(f"{stream}, the body {message.body[:60]!r}"):
            events = translator.events(message)
    except OnhandError as error:
        expect(error.detail, but=f"{stream}: a hostile body is refused without a reason")
        return
    for each in events:
        expect(each.type, but=f"{stream}: a hostile body becomes an event without a type")


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_FRACTION = re.compile(rb"-?\d+\.\d+(?:[eE][+-]?\d+)?")


@check(12, guards="Cents and hours that get lost on the way.", when=maps)
async def exact_and_zoned(stage: Stage) -> None:
    """Numbers stay exact and times have a zone."""
    async with stage.scene() as scene:
        await _as_the_partner_wrote(scene)
    async with _translated(stage) as found:
        for stream, translator, messages in found:
            for message in messages:
                for each in _events(stream, translator, message):
                    floats = list(_floats(each.data, ""))
                    expect(not floats, but=f"{stream}, {message.key}: {floats[0] if floats else ''} is a binary float")
                    zoned = each.time is None or each.time.utcoffset() is not None
                    expect(zoned, but=f"{stream}, {message.key}: its time has no zone")


async def _as_the_partner_wrote(scene: Scene) -> None:
    """Numbers with places stand in messages as they stood in the partner's answers; times of messages have zones."""
    for stream in polled(scene.manifest):
        link = scene.link()
        connector = scene.package.make(link.endpoint.settings, link)
        for message in await mapping.said(scene, stream, connector):
            zoned = message.occurred_at is None or message.occurred_at.utcoffset() is not None
            expect(zoned, but=f"{stream}: the message {message.key} has a time without a zone")
            if not message.body.lstrip().startswith((b"{", b"[")):
                continue
            answered = {number for answer in link.answers for number in _FRACTION.findall(answer.body)}
            for number in _FRACTION.findall(_STRING.sub(b"", message.body)):
                expect(
                    not link.answers or number in answered,
                    but=f"{stream}: {number.decode()} in the message {message.key} is not as the partner wrote it",
                )


def _floats(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float):
        yield place or "/"
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _floats(each, f"{place}/{name}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _floats(each, f"{place}/{number}")
    else:
        assert value is None or isinstance(value, str | int | bool | Decimal), type(value)


@check(13, guards="A field that dies on its way out and back.", when=maps)
async def out_and_back(stage: Stage) -> None:
    """What is mapped out and back in is the same object."""
    found = mapping.mappings(stage.package)
    pairs = [(name, name.removesuffix("_out")) for name in mapping.of_direction(found, outbound=True)]
    pairs = [(out, back) for out, back in pairs if back != out and back in found]
    if not pairs:
        raise NotApplicable("no mapping out (NAME_out) has one that reads it back (NAME)")
    for out, back in pairs:
        samples = list(mapping.outbound_samples(stage.package, out))
        expect(samples, but=f"samples/{out} holds no canonical document to send out and back")
        for name, body in samples:
            differences = round_trips(found[back], found[out], strict_json.loads(body), mapping.context())
            expect(not differences, but=f"{out}, {name}: {'; '.join(differences[:2])}")
