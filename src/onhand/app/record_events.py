"""Facts in: from envelopes to the ledger, each ending as applied, duplicate, quarantined or rejected.

What breaks its contract is told to the caller at once. What keeps its contract but breaks a rule of the business is
kept in quarantine. Everything else is decided by `onhand.domain.ledger` and written in one transaction. Any part may
be repeated after a crash: an event is recognised by (source, id) and its fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from onhand.app.answers import EventOutcome, EventResult
from onhand.app.ports import (
    Decided,
    EventKey,
    EventsKnown,
    FactKey,
    FactStore,
    ItemsInUse,
    ItemStatement,
    Kept,
    NetworkMoved,
    Quarantined,
    RowsCrossed,
    Situation,
)
from onhand.contracts.cloudevents import encode_structured
from onhand.contracts.envelope import Envelope, fingerprint
from onhand.contracts.registry import Registry
from onhand.domain.admission import Admission
from onhand.domain.effects import Known
from onhand.domain.errors import InvalidInput, Unavailable
from onhand.domain.fact import Fact, Refused
from onhand.domain.item import Component, Item
from onhand.domain.ledger import decide, reservation_number
from onhand.domain.network import Network
from onhand.domain.quantity import Units

ATTEMPTS_MAX: Final = 8
"""How often a batch is decided anew because the network or an event of it moved meanwhile."""

SENT_AGAIN: Final = "sent again"
"""Who released a fact from quarantine that came a second time and was found in order then."""

Incoming = Envelope | InvalidInput
"""An event, or why something that was sent as one is none."""


class RecordEvents:
    """The use case: call it with what came in, get one outcome for each, in order."""

    def __init__(self, store: FactStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    async def __call__(
        self, events: Sequence[Incoming], *, received: Sequence[datetime] | None = None, released_by: str = SENT_AGAIN
    ) -> list[EventOutcome]:
        """Record events. Raises Unavailable when the store is; then nothing is lost, sending again is safe.

        `received` says when each came, where that is not now: the time of an event that states none. What lies in
        quarantine and is found in order now leaves it, released by `released_by`; what was discarded stays so.
        """
        outcomes: dict[int, EventOutcome] = {}
        valid: list[tuple[int, Envelope]] = []
        for number, event in enumerate(events):
            rejection = self._rejection(event)
            if rejection is not None:
                outcomes[number] = rejection
            elif isinstance(event, Envelope):
                valid.append((number, event))
        if valid:
            situation = await self._store.situation()
            came = dict(enumerate(received or ()))
            facts = [(number, _fact(envelope, came.get(number, situation.now))) for number, envelope in valid]
            outcomes.update(await self._record(facts, situation, released_by))
        return [outcomes[number] for number in range(len(events))]

    def _rejection(self, event: Incoming) -> EventOutcome | None:
        if not isinstance(event, Envelope):
            return _rejected("", "", event)
        try:
            violations = self._registry.check(event)
        except InvalidInput as error:
            return _rejected(event.source, event.id, error)
        if not violations:
            return None
        errors = tuple({"pointer": f"/data{v.pointer}", "keyword": v.keyword, "message": v.message} for v in violations)
        detail = f"The data breaks the contract of {event.type}: {errors[0]['pointer']} {errors[0]['message']}."
        return EventOutcome(
            source=event.source,
            id=event.id,
            outcome="rejected",
            reason="contract_violation",
            detail=detail,
            errors=errors,
        )

    async def _record(
        self, facts: Sequence[tuple[int, Fact]], situation: Situation, released_by: str
    ) -> Mapping[int, EventOutcome]:
        aside: Mapping[FactKey, Kept] = {}
        if situation.set_aside:
            aside = await self._store.set_aside([_key(fact) for _, fact in facts])
        intake = _Intake(facts, aside)
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._attempt(intake, situation)
            except NetworkMoved:
                intake.judge_again()
                situation = await self._store.situation()
            except EventsKnown:
                intake.drop_known(await self._store.fingerprints(intake.pending_keys()))
            except ItemsInUse as found:
                intake.refuse_in_use(found.keys)
            except RowsCrossed:
                continue  # the other one went through: each round somebody does
            else:
                await self._quarantine(intake)
                released = intake.released()
                if released:
                    await self._store.release(released, who=released_by)
                return intake.outcomes()
        raise Unavailable("The network or the rows of this batch moved over and over while it was decided.")

    async def _attempt(self, intake: _Intake, situation: Situation) -> None:
        intake.admit(Admission(situation.network, situation.now))
        stated = list(intake.item_statements(situation.network))
        if stated:
            await self._store.record_items(stated, version=situation.version, now=situation.now)
            intake.settle([one.fact for one in stated], "applied")
        items = await self._store.items(intake.skus())
        known = Known(situation.network, items, await self._store.reservations(intake.reservations()))
        decided = list(intake.decide(known))
        if decided:
            await self._store.record(decided, version=situation.version, now=situation.now)
            intake.settle([one.fact for one in decided], "applied")

    async def _quarantine(self, intake: _Intake) -> None:
        if not intake.refused:
            return
        # What was applied once stays a duplicate, even if a rule would refuse it today.
        intake.drop_known(await self._store.fingerprints([(f.source, f.id) for f, _ in intake.refused]))
        rows = [_quarantined(fact, reason) for fact, reason in intake.refused]
        if rows:
            intake.keep(await self._store.quarantine(rows))


class _Intake:
    """The bookkeeping of one batch: which event stands where, and what became of it."""

    def __init__(self, facts: Sequence[tuple[int, Fact]], aside: Mapping[FactKey, Kept]) -> None:
        self._numbers: dict[tuple[EventKey, bytes], list[int]] = {}
        self._aside = aside
        self._results: dict[int, EventOutcome] = {}
        self._facts: dict[EventKey, Fact] = {}
        self.refused: list[tuple[Fact, Refused]] = []
        for number, fact in facts:
            self._enter(number, fact)

    def _enter(self, number: int, fact: Fact) -> None:
        place = self._aside.get(_key(fact))
        if place is not None and place.state == "discarded":
            self._results[number] = _set_aside(fact, place, place.reason)
            return
        key = (fact.source, fact.id)
        first = self._facts.setdefault(key, fact)
        seen = self._numbers.setdefault((key, fact.fingerprint), [])
        if first.fingerprint != fact.fingerprint and not seen:
            self.refused.append((fact, _changed()))
        seen.append(number)

    def judge_again(self) -> None:
        """Take back refusals that another network may not repeat."""
        for fact, refusal in self.refused:
            if refusal.reason != "body_changed":
                self._facts[fact.source, fact.id] = fact
        self.refused = [one for one in self.refused if one[1].reason == "body_changed"]

    def admit(self, admission: Admission) -> None:
        """Refuse what comes from nobody, from somebody without authority, or from an impossible time."""
        for key, fact in list(self._facts.items()):
            try:
                system = admission.system_of(fact.source, fact.type, fact.occurred_at)
            except Refused as refusal:
                self._refuse(fact, refusal)
            else:
                if system != fact.system:
                    self._facts[key] = _of_system(fact, system)

    def item_statements(self, network: Network) -> Iterator[ItemStatement]:
        """Yield what the batch states about items; they come first, so that the rest may speak of them."""
        for fact in list(self._facts.values()):
            if fact.type == "item.upserted":
                try:
                    yield _item_statement(fact, network)
                except InvalidInput as error:
                    self._refuse(fact, Refused("item_invalid", error.detail, sku=fact.data["sku"]))

    def refuse_in_use(self, keys: Iterable[EventKey]) -> None:
        """Set aside statements that would give items another measure under their stock."""
        for key in keys:
            sku = self._facts[key].data["sku"]
            self._refuse(
                self._facts[key],
                Refused(
                    "item_in_use",
                    f"There is stock of {sku!r} or a promise of it, and this gives it another base unit, lots or none,"
                    " or makes a service of it: the numbers would mean something else.",
                    sku=sku,
                ),
            )

    def skus(self) -> set[str]:
        """Return every SKU that the pending facts name."""
        found: set[str] = set()
        for fact in self._facts.values():
            _collect_skus(fact.data, found)
        return found

    def reservations(self) -> set[int]:
        """Return every reservation number that the pending facts name."""
        numbers = set()
        for fact in self._facts.values():
            external = fact.data.get("reservation_id")
            if external is not None:
                try:
                    numbers.add(reservation_number(external))
                except Refused:
                    continue  # the rule will say so
        return numbers

    def decide(self, known: Known) -> Iterator[Decided]:
        """Yield each pending fact with what it does; refused ones are set aside."""
        for fact in list(self._facts.values()):
            try:
                effects = decide(known, fact)
            except Refused as refusal:
                self._refuse(fact, refusal)
            else:
                yield Decided(fact, effects)

    def pending_keys(self) -> list[EventKey]:
        """Return the keys of facts without an outcome."""
        return list(self._facts)

    def drop_known(self, fingerprints: Mapping[EventKey, bytes]) -> None:
        """Settle what is recorded already: the same body is a duplicate, another is quarantined."""
        for key, known in fingerprints.items():
            fact = self._facts.pop(key, None)
            if fact is not None and fact.fingerprint != known:
                self.refused.append((fact, _changed()))
            self._note(key, known, "duplicate")
        self.refused = [
            (fact, refusal if fingerprints.get((fact.source, fact.id)) is None else _changed())
            for fact, refusal in self.refused
            if fingerprints.get((fact.source, fact.id)) != fact.fingerprint
        ]

    def settle(self, facts: Iterable[Fact], result: EventResult) -> None:
        """Give facts their outcome; a repetition inside the batch is a duplicate of the first."""
        for fact in facts:
            key = (fact.source, fact.id)
            self._facts.pop(key, None)
            self._note(key, fact.fingerprint, result)

    def keep(self, kept: Sequence[Any]) -> None:
        """Note where the refused facts lie now."""
        for (fact, refusal), place in zip(self.refused, kept, strict=True):
            for number in self._numbers[(fact.source, fact.id), fact.fingerprint]:
                self._results[number] = _set_aside(fact, place, refusal.reason, refusal.detail)

    def released(self) -> list[int]:
        """Return the quarantine ids of those that lay open there and are recorded now."""
        recorded = ("applied", "duplicate")
        return [
            place.id
            for (source, id_, print_), place in self._aside.items()
            for number in self._numbers.get(((source, id_), print_), ())[:1]
            if self._results[number].outcome in recorded
        ]

    def outcomes(self) -> Mapping[int, EventOutcome]:
        """Return the outcome of each event by its number."""
        return self._results

    def _refuse(self, fact: Fact, refusal: Refused) -> None:
        self._facts.pop((fact.source, fact.id), None)
        self.refused.append((fact, refusal))

    def _note(self, key: EventKey, print_: bytes, result: EventResult) -> None:
        for place, number in enumerate(self._numbers.get((key, print_), ())):
            self._results.setdefault(
                number, EventOutcome(source=key[0], id=key[1], outcome=result if place == 0 else "duplicate")
            )


def _key(fact: Fact) -> FactKey:
    return (fact.source, fact.id, fact.fingerprint)


def _set_aside(fact: Fact, place: Kept, reason: str, detail: str | None = None) -> EventOutcome:
    discarded = place.state == "discarded"
    return EventOutcome(
        source=fact.source,
        id=fact.id,
        outcome="discarded" if discarded else "quarantined",
        quarantine_id=place.id,
        reason=place.reason if discarded else reason,
        detail=detail,
    )


def _fact(envelope: Envelope, now: datetime) -> Fact:
    return Fact(
        source=envelope.source,
        id=envelope.id,
        type=envelope.type,
        version=envelope.version or 1,
        system="",
        occurred_at=envelope.time or now,
        data=envelope.data,
        fingerprint=fingerprint(envelope),
        body=encode_structured(envelope).decode(),
    )


def _of_system(fact: Fact, system: str) -> Fact:
    return Fact(
        source=fact.source, id=fact.id, type=fact.type, version=fact.version, system=system,
        occurred_at=fact.occurred_at, data=fact.data, fingerprint=fact.fingerprint, body=fact.body,
    )  # fmt: skip


def _item_statement(fact: Fact, network: Network) -> ItemStatement:
    data = fact.data
    base = data.get("base_uom", network.items_policy.base_uom)
    own = {unit["code"]: unit["factor"] for unit in data.get("uoms", ())}
    selling = data.get("selling_uom")
    # A selling unit may be one that the network declares for every item; it is checked with them, kept without.
    Units(base, network.factors_for(base, own)).factor(selling)
    units = Units(base, own if selling in (None, base) or selling in own else network.factors_for(base, own))
    item = Item(
        id=0,
        sku=data["sku"],
        kind=data.get("kind", "stock"),
        units=units,
        selling_uom=selling,
        lot_tracked=data.get("lot_tracked", False),
        serial_tracked=data.get("serial_tracked", False),
        shelf_life_days=data.get("shelf_life_days"),
        category=data.get("category"),
        components=tuple(Component(part["sku"], part["quantity"]) for part in data.get("components", ())),
    )
    return ItemStatement(fact, item, data.get("name", ""), data.get("status"), data.get("attributes", {}))


def _collect_skus(data: Mapping[str, Any], found: set[str]) -> None:
    if "sku" in data:
        found.add(data["sku"])
    for part in ("lines", "components"):
        for line in data.get(part, ()):
            found.add(line["sku"])


def _changed() -> Refused:
    return Refused("body_changed", "An event of this source and id was recorded before with another body.")


def _quarantined(fact: Fact, refusal: Refused) -> Quarantined:
    return Quarantined(
        fact.source, fact.id, fact.type, fact.fingerprint, refusal.reason, refusal.detail, refusal.facts, fact.body
    )


def _rejected(source: str, id_: str, error: InvalidInput) -> EventOutcome:
    pointer = str(error.facts.get("pointer", ""))
    return EventOutcome(
        source=source,
        id=id_,
        outcome="rejected",
        reason=error.code,
        detail=error.detail,
        errors=({"pointer": pointer, "keyword": error.code, "message": error.detail},),
    )
