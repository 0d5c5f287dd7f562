"""The sender of numbers: tells channels the newest there are, asks for late answers, looks at what they show.

A command names a listing and carries no number, so what is told is read at the moment of telling. A worker may be
killed at any instant: what it told without writing it down is told again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from onhand.app.flow_ports import Call, Outgoing
from onhand.app.publish_looks import look
from onhand.app.publish_ports import PUBLISH, READ_BACK, TICKET, Body, Listing, Newest, TellingStore, Told
from onhand.app.publish_send import Moment, answered, call_key, question, questions, to_outbox, told
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import OnhandError
from onhand.domain.network import Network
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Transient
from onhand.domain.publication import Finding, visible_at
from onhand.domain.publishing import Publishing as Policy
from onhand.ops import limits, metrics
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.connector import Connector, NotClaimed, ReadFailed, StockUpdate

log = structlog.get_logger("onhand.publishing")

_BODY = msgspec.json.Decoder(Body)

IN_VAIN: Final = Delivered(detail="it is published no more, or waits for a person")
AS_SHOWN: Final = Delivered(detail="the channel shows this number already")
TOO_SOON: Final = Delivered(detail="too soon to be seen there; it is looked at later")
BLIND: Final = Delivered(detail="this channel cannot be read back")


class PublishingSender:
    """The Sender of `onhand.app.flow_ports` for the operations by which channels are told numbers and looked at."""

    def __init__(self, store: TellingStore, of: Callable[[Endpoint], Connector]) -> None:
        self._store = store
        self._of = of

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Carry a call's commands, which are of one operation; one outcome for each."""
        saying = _Saying(self._store, self._of(call.endpoint), call.endpoint)
        return await saying.say(call.commands[0].operation, call.commands)


class _Saying:
    """Commands of one operation in one call, on their way through a connector."""

    def __init__(self, store: TellingStore, connector: Connector, endpoint: Endpoint) -> None:
        self._store = store
        self._connector = connector
        self._endpoint = endpoint
        self._settle_s = 2 * endpoint.timeout_s

    async def say(self, operation: str, commands: Sequence[Outgoing]) -> list[Outcome]:
        """Return one outcome for each command."""
        outcomes: dict[int, Outcome] = {}
        read: list[tuple[Outgoing, Body]] = []
        for command in commands:
            try:
                read.append((command, _BODY.decode(command.body)))
            except msgspec.MsgspecError as error:
                outcomes[command.id] = Rejected(reason=f"the body cannot be read: {error}")
        if operation == PUBLISH:
            outcomes |= await self._publish(read)
        elif operation == READ_BACK:
            outcomes |= await self._read_back(read)
        elif operation == TICKET:
            for command, body in read:
                outcomes[command.id] = await self._ticket(body)
        return [outcomes.get(each.id) or Rejected(reason=f"there is no operation {operation!r}") for each in commands]

    async def _publish(self, read: Sequence[tuple[Outgoing, Body]]) -> dict[int, Outcome]:
        """Tell the newest numbers there are; what was the reason for telling does not matter any more."""
        outcomes: dict[int, Outcome] = {}
        said: list[tuple[Outgoing, Newest]] = []
        record: list[Told] = []
        for (command, _), newest in zip(read, await self._store.newest([body for _, body in read]), strict=True):
            if newest is None or newest.row.state != "listed" or newest.row.ticket is not None:
                outcomes[command.id] = IN_VAIN
                if newest is not None and newest.row.ticket is None:
                    record.append(_unsaid(newest, command))
            elif _shown_already(newest, command):
                outcomes[command.id] = AS_SHOWN
                record.append(_unsaid(newest, command))
            else:
                said.append((command, newest))
        questions_at = None
        if said:
            more, at = await self._tell(said, outcomes)
            record += more
            questions_at = at.now + timedelta(seconds=await self._first_asked_s(said))
        if record:
            asked = [] if questions_at is None else questions(self._endpoint, record, at=questions_at)
            await self._store.record(record, asked)
            for each in record:
                metrics.number_told(each.channel, each.what)
        return outcomes

    async def _first_asked_s(self, said: Sequence[tuple[Outgoing, Newest]]) -> float:
        """Return how soon to ask for a late answer first: sooner than usual where a channel is quick to answer."""
        channels = (await self._store.network()).channels
        policies = [channels[newest.row.channel].publish for _, newest in said if newest.row.channel in channels]
        within_s = min((each.answers_within_s for each in policies if each is not None), default=math.inf)
        return min(limits.PUBLISH_TICKET_FIRST_S, within_s / limits.PUBLISH_TICKET_PART)

    async def _tell(
        self, said: Sequence[tuple[Outgoing, Newest]], outcomes: dict[int, Outcome]
    ) -> tuple[list[Told], Moment]:
        commands, numbers = [each for each, _ in said], [each for _, each in said]
        updates = [
            StockUpdate(
                listing=n.row.listing, quantity=n.quantity, sku=n.row.sku, location=n.row.place, last_shown=n.row.shown
            )
            for n in numbers
        ]
        key, started = call_key(commands, numbers), await self._store.now()
        given = await self._call_publish(updates, key)
        at = Moment(started, await self._store.now(), self._settle_s)
        claimed = self._connector.manifest.operations.get(PUBLISH)
        later = claimed is not None and claimed.answers_later
        record = []
        for command, newest, outcome in zip(commands, numbers, given, strict=True):
            outcomes[command.id] = to_outbox(outcome)
            found = told(newest, outcome, command=command, key=key, later=later, at=at)
            if found is not None:
                record.append(found)
        return record, at

    async def _call_publish(self, updates: Sequence[StockUpdate], key: str) -> Sequence[Outcome]:
        try:
            given = list(await self._connector.publish(updates, key=key))
        except ReadFailed as failed:
            given = [failed.outcome]
        except OnhandError as fault:
            given = [outcome_of_fault(fault)]
        if len(given) == 1:
            return given * len(updates)
        if len(given) != len(updates):
            log.error("connector_miscounted", endpoint=self._endpoint.code, given=len(given), asked=len(updates))
            return [Transient(detail=f"the connector gave {len(given)} outcomes for {len(updates)}")] * len(updates)
        return given

    async def _ticket(self, body: Body) -> Outcome:
        """Ask for a late answer. One that is lost, or that speaks of some only, has the rest told again."""
        rows = await self._store.of_ticket(body.channel, body.ticket or "")
        if not rows:
            return IN_VAIN
        try:
            ticket = await self._connector.ticket(body.ticket or "")
        except ReadFailed as failed:
            if not isinstance(failed.outcome, Gone | Rejected):
                return failed.outcome
            await self._store.record(answered(rows, None, now=await self._store.now()), [])
            return Delivered(detail=f"lost: {failed.outcome.detail or failed.outcome.kind}")
        except OnhandError as fault:
            return outcome_of_fault(fault)
        now = await self._store.now()
        if not ticket.done:
            again = now + timedelta(seconds=max(1.0, ticket.retry_after_s))
            asked = body.asked + 1
            await self._store.record(
                [], [question(self._endpoint, body.channel, body.ticket or "", at=again, asked=asked)]
            )
            return Delivered(detail="not done yet")
        found = answered(rows, ticket.results, now=now)
        await self._store.record(found, [])
        for each in found:
            metrics.number_told(each.channel, each.what)
        return Delivered(detail=f"{sum(1 for each in found if each.what == 'acknowledged')} of {len(found)} are done")

    async def _read_back(self, read: Sequence[tuple[Outgoing, Body]]) -> dict[int, Outcome]:
        """Look at what the channel really shows, and write down what that means."""
        found = await self._store.rows([body for _, body in read])
        wanted = [(command, row) for (command, _), row in zip(read, found, strict=True) if row is not None]
        outcomes: dict[int, Outcome] = {command.id: IN_VAIN for command, _ in read}
        wanted = await self._ripe(wanted, outcomes)
        if not wanted:
            return outcomes
        try:
            shown = await self._connector.read_back([(row.listing, row.place) for _, row in wanted])
        except NotClaimed:
            await self._store.blind([row.key for _, row in wanted])
            return outcomes | {command.id: BLIND for command, _ in wanted}
        except ReadFailed as failed:
            return outcomes | {command.id: failed.outcome for command, _ in wanted}
        except OnhandError as fault:
            return outcomes | {command.id: outcome_of_fault(fault) for command, _ in wanted}
        seen = {(e.listing, e.location): e.quantity for e in shown if e.quantity is None or abs(e.quantity) < 1 << 63}
        told_of = [(c, row) for c, row in wanted if (row.listing, row.place) in seen]
        silent = Transient(detail="the channel's answer does not speak of it")
        outcomes |= {command.id: silent for command, _ in wanted}
        return outcomes | await self._judged(told_of, seen)

    async def _ripe(
        self, wanted: Sequence[tuple[Outgoing, Listing]], outcomes: dict[int, Outcome]
    ) -> list[tuple[Outgoing, Listing]]:
        """Return what can be looked at now; the rest is looked at later."""
        now, network, ripe, later = await self._store.now(), await self._store.network(), [], []
        for command, row in wanted:
            policy = self._policy(network, row)
            at = visible_at(policy, acknowledged_at=row.acknowledged_at, awaits=row.ticket is not None, now=now)
            if at is None:
                ripe.append((command, row))
            else:
                later.append((row.key, at))
                outcomes[command.id] = TOO_SOON
        await self._store.look_later(later)
        return ripe

    def _policy(self, network: Network, row: Listing) -> Policy:
        channel = network.channel(row.channel)
        told_by = None if channel is None else channel.publish
        return told_by or Policy(endpoint=self._endpoint.code)

    async def _judged(
        self, wanted: Sequence[tuple[Outgoing, Listing]], seen: Mapping[tuple[str, str | None], int | None]
    ) -> dict[int, Outcome]:
        now, network = await self._store.now(), await self._store.network()
        looks, outcomes = [], {}
        for command, row in wanted:
            finding, looked = look(row, seen[row.listing, row.place], self._policy(network, row), now=now)
            looks.append(looked)
            outcomes[command.id] = _found(finding, looked.detail)
            metrics.looked_at(row.channel, finding.what)
        await self._store.looked(looks)
        return outcomes


def _shown_already(newest: Newest, command: Outgoing) -> bool:
    """Tell whether there is nothing to say: the number went back to what is shown before it was told."""
    row = newest.row
    return (
        row.shown == newest.quantity and row.cause == "change" and not command.verify
        and row.look_why not in ("doubt", "conflict")
    )  # fmt: skip


def _unsaid(newest: Newest, command: Outgoing) -> Told:
    row = newest.row
    return Told(key=row.key, channel=row.channel, what="same", quantity=row.shown, command=command.id)


def _found(finding: Finding, detail: str | None) -> Outcome:
    """Return what a look is to the outbox: what a person must see to becomes a dead letter with an owner."""
    if finding.what == "unlisted":
        return Gone(detail="the channel does not know this listing any more")
    if finding.what == "stuck":
        return Rejected(reason=f"{detail}, however often it is told")
    return Delivered(detail=finding.what)
