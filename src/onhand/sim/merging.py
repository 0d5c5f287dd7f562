"""Attempts put together: what one id was asked, when it can have taken effect, and the one answer that it got.

An effect took place between the first time that the id was sent and the first time that an answer came. Answers after
that must be the same. For memory's sake only what later checks need is kept: an answer is compared and dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from onhand.sim.history import INSUFFICIENT, Extend, Fact, Granted, Refused, Release, Reserve, Stock

_APPLIED = "applied"
_KNOWN = ("applied", "duplicate")
_DONE = {"release": "released", "extend": "extended"}


class Contradiction(NamedTuple):
    """Two things that cannot both be right."""

    kind: str
    id: str
    detail: str


class Merged:
    """All attempts of one id. `answered_ns` is the first answer's moment, None while the outcome is unknown."""

    __slots__ = ("answered_ns", "id", "number", "sent_ns")

    def __init__(self, entry: Fact | Reserve | Release | Extend, number: int) -> None:
        self.id = entry.id
        self.number = number
        self.sent_ns = entry.sent_ns
        self.answered_ns: int | None = None

    def span(self, entry: Fact | Reserve | Release | Extend, *, answered: bool) -> None:
        """Widen to the first sending, narrow to the first answer."""
        self.sent_ns = min(self.sent_ns, entry.sent_ns)
        if answered and entry.answered_ns is not None:
            first = entry.answered_ns if self.answered_ns is None else min(self.answered_ns, entry.answered_ns)
            self.answered_ns = first


class Request(Merged):
    """One request for a promise, with its one answer."""

    __slots__ = ("answer", "body", "keep", "lines", "places")

    def __init__(self, entry: Reserve, number: int) -> None:
        super().__init__(entry, number)
        self.body = entry.body
        self.lines = entry.lines
        self.keep = entry.keep
        self.places = entry.places
        self.answer: Granted | Refused | None = None

    def is_short(self) -> bool:
        """Whether it got less than it asked for because of the stock."""
        if isinstance(self.answer, Granted):
            return sum(granted for _, granted in self.answer.lines) < sum(quantity for *_, quantity in self.lines)
        return isinstance(self.answer, Refused) and self.answer.code == INSUFFICIENT


class SentFact(Merged):
    """One fact; `counted` when the hub has taken it into the ledger."""

    __slots__ = ("applied", "counted", "reservation", "stock")

    def __init__(self, entry: Fact, number: int) -> None:
        super().__init__(entry, number)
        self.stock: tuple[Stock, ...] = entry.stock
        self.reservation = entry.reservation
        self.applied = 0
        self.counted = False


class Step(Merged):
    """A release or an extension; `done` when the hub said that it is."""

    __slots__ = ("done", "expires_ns", "reservation")

    def __init__(self, entry: Release | Extend, number: int) -> None:
        super().__init__(entry, number)
        self.reservation = entry.reservation
        self.expires_ns = entry.expires_ns if isinstance(entry, Extend) else None
        self.done: bool | None = None


class Attempts:
    """The whole history by id."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}
        self.facts: dict[str, SentFact] = {}
        self.steps: dict[str, Step] = {}
        self.contradictions: list[Contradiction] = []
        self._names: list[str] = []

    def add(self, entry: Fact | Reserve | Release | Extend) -> None:
        """Take in one attempt."""
        match entry:
            case Reserve():
                self._reserve(entry)
            case Fact():
                self._fact(entry)
            case _:
                self._step(entry)

    def name_of(self, number: int) -> str:
        """The id behind a number."""
        return self._names[number]

    def unresolved(self) -> Iterator[str]:
        """Ids without any answer."""
        for group in (self.requests, self.facts, self.steps):
            for one in group.values():
                if one.answered_ns is None:
                    yield one.id

    def short(self) -> Iterator[Request]:
        """Requests that got less than they asked for."""
        return (request for request in self.requests.values() if request.is_short())

    def granted(self) -> tuple[int, int]:
        """Units certainly granted, and units that may have been."""
        least = most = 0
        for request in self.requests.values():
            if isinstance(request.answer, Granted):
                units = sum(granted for _, granted in request.answer.lines)
                least, most = least + units, most + units
            elif request.answer is None:
                most += sum(quantity for *_, quantity in request.lines)
        return least, most

    def _number(self, entry: Fact | Reserve | Release | Extend) -> int:
        self._names.append(entry.id)
        return len(self._names) - 1

    def _reserve(self, entry: Reserve) -> None:
        known = self.requests.get(entry.id)
        if known is None:
            known = self.requests[entry.id] = Request(entry, self._number(entry))
        if entry.body != known.body:
            if isinstance(entry.answer, Granted):
                self._contradict("id_reused", entry.id, "Another body was granted under the same id.")
            return
        known.span(entry, answered=entry.answer is not None)
        if entry.answer is None:
            return
        if known.answer is None:
            known.answer = entry.answer
            self._fits(known, entry.answer)
        elif known.answer != entry.answer:
            self._contradict("answer_changed", entry.id, f"First {_short(known.answer)}, then {_short(entry.answer)}.")

    def _fits(self, request: Request, answer: Granted | Refused) -> None:
        if isinstance(answer, Refused):
            return
        asked = {line: quantity for line, _, quantity in request.lines}
        for line, granted in answer.lines:
            if not 0 <= granted <= asked.get(line, 0):
                self._contradict("granted_too_much", request.id, f"Line {line}: {granted} of {asked.get(line, 0)}.")

    def _fact(self, entry: Fact) -> None:
        known = self.facts.get(entry.id)
        if known is None:
            known = self.facts[entry.id] = SentFact(entry, self._number(entry))
        if entry.stock != known.stock or entry.reservation != known.reservation:
            if entry.outcome in _KNOWN:
                self._contradict("id_reused", entry.id, f"A fact with another body was {entry.outcome}.")
            return
        if entry.outcome in _KNOWN and not known.counted:
            known.answered_ns = None  # what was kept in quarantine until now did nothing until now
            known.counted = True
        known.span(entry, answered=entry.outcome in _KNOWN or (not known.counted and entry.outcome is not None))
        known.applied += entry.outcome == _APPLIED
        if known.applied == 2 and entry.outcome == _APPLIED:
            self._contradict("applied_twice", entry.id, "The hub says of the same fact twice that it applied it.")

    def _step(self, entry: Release | Extend) -> None:
        known = self.steps.get(entry.id)
        if known is None:
            known = self.steps[entry.id] = Step(entry, self._number(entry))
        known.span(entry, answered=entry.outcome is not None)
        if entry.outcome is None:
            return
        done = entry.outcome == _DONE["release" if isinstance(entry, Release) else "extend"]
        if known.done is not None and known.done != done:
            self._contradict("answer_changed", entry.id, f"Answered {entry.outcome} after another answer.")
        elif known.done is None:
            known.done = done

    def _contradict(self, kind: str, name: str, detail: str) -> None:
        self.contradictions.append(Contradiction(kind, name, detail))


def _short(answer: Granted | Refused) -> str:
    if isinstance(answer, Refused):
        return f"refused ({answer.code})"
    return f"{answer.reservation} {answer.state} with {sum(granted for _, granted in answer.lines)} units"
