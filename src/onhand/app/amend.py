"""The verbs on a reservation: extend, change, transfer, release, fulfil.

Each is one transaction with the reservation locked: the new state is whole or the old one stands. Changing and
transferring put everything back, plan anew on what is then free, and take again; if that is refused, nothing happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from onhand.app.amend_ports import AmendStore, Held, Holding, Opened
from onhand.app.answers import LineAnswer, ReservationAnswer
from onhand.app.fulfilment import FulfilLine, shipments_of
from onhand.app.identity import Client
from onhand.app.ports import Moved
from onhand.app.promise_errors import (
    DeadlineRefused,
    IdempotencyKeyReused,
    InsufficientStock,
    ReservationClosed,
    ReservationExpired,
    ReservationNotFound,
)
from onhand.app.reservation_view import internal_number, view
from onhand.app.reserve import bounded_deadline, external_id, shortfall_of
from onhand.domain.errors import InvalidInput, Unavailable
from onhand.domain.planning import Shortfall, plan
from onhand.domain.reservation import LIVE, Line, Request, Verb, check_verb, state_at

ATTEMPTS_MAX: Final = 8
"""How often a verb starts again because stock moved under it; it holds the rows it freed, so this is rare."""

Work = Callable[[Opened], Awaitable[None]]


class Amend:
    """The use cases; every one takes the caller, the reservation's id, and `key`, the caller's Idempotency-Key.

    All raise ReservationNotFound, ReservationExpired, ReservationClosed and IdempotencyKeyReused.
    """

    def __init__(self, store: AmendStore) -> None:
        self._store = store

    async def extend(
        self,
        client: Client,
        reservation_id: str,
        *,
        expires_at: datetime | None = None,
        expires_in_s: int | None = None,
        key: str | None = None,
    ) -> ReservationAnswer:
        """Give it another deadline. Raises DeadlineRefused for one that has passed or is too far."""

        async def work(opened: Opened) -> None:
            await opened.extend(await _new_deadline(opened, expires_at, expires_in_s))

        asked = ("extend", reservation_id, expires_at, expires_in_s)
        return await self._do(client, reservation_id, "extend", work, key=key, asked=asked)

    async def release(self, client: Client, reservation_id: str, *, key: str | None = None) -> ReservationAnswer:
        """Give back all that it holds. A second release answers as the first."""

        async def work(opened: Opened) -> None:
            await opened.end(state="released", verb="release")

        asked = ("release", reservation_id)
        return await self._do(client, reservation_id, "release", work, key=key, asked=asked, done="released")

    async def change(
        self, client: Client, reservation_id: str, lines: Sequence[Line], *, key: str | None = None
    ) -> ReservationAnswer:
        """Hold other lines instead, by the same mode and deadline. Raises InsufficientStock, and nothing changes."""

        async def work(opened: Opened) -> None:
            await _replan(opened, _again(opened.held.request, lines=tuple(lines)), verb="change")

        return await self._do(client, reservation_id, "change", work, key=key, asked=("change", reservation_id, lines))

    async def transfer(
        self,
        client: Client,
        reservation_id: str,
        *,
        channel: str | None = None,
        location: str | None = None,
        group: str | None = None,
        key: str | None = None,
    ) -> ReservationAnswer:
        """Hand what is open over to another channel, or hold it at another location or group, in one step."""
        if channel is None and location is None and group is None:
            raise InvalidInput("A transfer names a channel, a location or a group; this one names none.", pointer="")

        async def work(opened: Opened) -> None:
            lines = await _open_lines(opened, location=location, group=group)
            request = _again(opened.held.request, lines=lines, channel=channel or opened.held.channel)
            await _replan(opened, request, verb="transfer")

        asked = ("transfer", reservation_id, channel, location, group)
        return await self._do(client, reservation_id, "transfer", work, key=key, asked=asked)

    async def fulfil(
        self,
        client: Client,
        reservation_id: str,
        *,
        lines: Sequence[FulfilLine] | None = None,
        occurred_at: datetime | None = None,
        key: str | None = None,
    ) -> ReservationAnswer:
        """Ship what it holds, or the lines given: the goods leave the ledger and the claims with them.

        A second fulfilment of all of it answers as the first. A part needs an idempotency key to be repeated safely.
        """

        async def work(opened: Opened) -> None:
            decided, version = await shipments_of(opened, lines, occurred_at or opened.held.now)
            await opened.record(decided, version=version)

        done = "fulfilled" if lines is None else None
        asked = ("fulfil", reservation_id, lines, occurred_at)
        return await self._do(client, reservation_id, "fulfil", work, key=key, asked=asked, done=done)

    async def _do(
        self,
        client: Client,
        reservation_id: str,
        verb: Verb,
        work: Work,
        *,
        key: str | None,
        asked: Any,
        done: str | None = None,
    ) -> ReservationAnswer:
        print_ = hashlib.blake2b(msgspec.json.encode(asked), digest_size=16).digest()
        number = internal_number(reservation_id)
        for _ in range(ATTEMPTS_MAX):
            if key is not None and (kept := await self._store.answered(client.id, key)):
                return _repeat(kept.body, same=kept.fingerprint == print_, key=key)
            try:
                return await self._attempt(client, number, verb, work, key=key, print_=print_, done=done)
            except Moved:
                continue
        raise Unavailable("The stock of this reservation moved faster than it could be changed.")

    async def _attempt(
        self, client: Client, number: int, verb: Verb, work: Work, *, key: str | None, print_: bytes, done: str | None
    ) -> ReservationAnswer:
        async with self._store.open(number) as opened:
            if opened is None or not (opened.held.client_id == client.id or client.may("admin")):
                raise ReservationNotFound(f"There is no reservation {external_id(number)!r}.")
            repeated = opened.held.state == done
            if not repeated:
                _check(opened.held, verb)
                await work(opened)
            answer = view(await opened.again(), await opened.holdings(), await opened.waiting(), replayed=repeated)
            if key is not None:
                body = msgspec.json.encode(answer)
                await opened.note_answer(client=client.id, key=key, fingerprint=print_, body=body)
            return answer


def _check(held: Held, verb: Verb) -> None:
    state = state_at(held.state, expires_at=held.expires_at, now=held.now)
    if state == "expired":
        raise ReservationExpired(f"Reservation {external_id(held.number)} expired at {held.expires_at}.", state=state)
    if state not in LIVE:
        raise ReservationClosed(f"Reservation {external_id(held.number)} is {state}.", state=state)
    check_verb(state, verb)


def _repeat(body: bytes, *, same: bool, key: str) -> ReservationAnswer:
    if not same:
        raise IdempotencyKeyReused(f"The idempotency key {key!r} was used before for another call.")
    return msgspec.structs.replace(msgspec.json.decode(body, type=ReservationAnswer), replayed=True)


async def _new_deadline(opened: Opened, expires_at: datetime | None, expires_in_s: int | None) -> datetime:
    if (expires_at is None) == (expires_in_s is None):
        raise InvalidInput("Send one of expires_at and expires_in_s.", pointer="")
    known, _ = await opened.known(())
    channel = known.network.channel(opened.held.channel)
    if channel is None:
        raise DeadlineRefused(f"The channel {opened.held.channel!r} is gone from the network.")
    return bounded_deadline(channel, opened.held.now, expires_at=expires_at, expires_in_s=expires_in_s)


def _again(request: Request, *, lines: tuple[Line, ...], channel: str | None = None) -> Request:
    """Return the request to plan anew: its deadline stays with the reservation and is not asked for again."""
    return msgspec.structs.replace(
        request, lines=lines, channel=channel or request.channel, expires_at=None, expires_in_s=None
    )


async def _open_lines(opened: Opened, *, location: str | None, group: str | None) -> tuple[Line, ...]:
    holdings = await opened.holdings()
    lines = []
    for number, (asked, answered) in enumerate(zip(opened.held.request.lines, opened.held.lines, strict=True)):
        left = answered.backordered + _open_of(answered, [h for h in holdings if h.line == number])
        if left > 0:
            at = {"location": location, "group": group} if location or group else {}
            lines.append(msgspec.structs.replace(asked, quantity=left, uom=None, **at))
    if not lines:
        raise ReservationClosed(f"Nothing of {external_id(opened.held.number)} is open any more.")
    return tuple(lines)


def _open_of(line: LineAnswer, holdings: Sequence[Holding]) -> int:
    """Return what of a line was granted and has not left; of a kit the parts leave, and one begun is still owed."""
    parts: dict[str, tuple[int, int]] = {}
    for holding in holdings:
        held, gone = parts.get(holding.sku, (0, 0))
        parts[holding.sku] = (held + holding.held, gone + holding.fulfilled)
    held, gone = parts.pop(line.sku, (0, 0))
    if not parts:
        return line.granted - gone
    built = line.granted - held - gone
    return held + max(-(-part * built // (part + left)) for part, left in parts.values())


async def _replan(opened: Opened, request: Request, *, verb: str) -> None:
    await opened.put_back()
    reading = await opened.read(request)
    planned = plan(reading.snapshot, request)
    if isinstance(planned, Shortfall):
        raise InsufficientStock(shortfall_of(planned.lines))
    await opened.retake(planned, request, reading, verb=verb)
