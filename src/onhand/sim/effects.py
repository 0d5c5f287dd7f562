"""From attempts to effects: what each call did to what is free to promise, and to what lies on the shelf.

Free and shelf differ: a grant takes from what is free and moves nothing; goods that leave for a promise take from the
shelf what was no longer free. So each place of each item has two pools.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from onhand.sim.history import Granted
from onhand.sim.merging import Attempts, Contradiction, Request, SentFact, Step
from onhand.sim.pools import GAIN, GRANT, LOSS, NEVER, Pool

Place = tuple[str, str]
"""SKU and location code."""


class Effects:
    """The pools that a history adds up to."""

    def __init__(self, attempts: Attempts, *, skew_ns: int = 0) -> None:
        self.free: dict[Place, Pool] = defaultdict(Pool)
        self.shelf: dict[Place, Pool] = defaultdict(Pool)
        self.contradictions: list[Contradiction] = []
        self._skew_ns = skew_ns
        self._places: dict[str, set[str]] = defaultdict(set)
        later = _by_reservation(attempts)
        for fact in attempts.facts.values():
            self._move_shelf(fact)
            if fact.reservation is None or fact.reservation not in later.granted:
                self._move_free(fact)
        for request in attempts.requests.values():
            if isinstance(request.answer, Granted):
                self._grant(request, request.answer)
                self._live(request.answer, later.steps[request.answer.reservation])
        for sku, location in self.free:
            self._places[sku].add(location)
        for request in attempts.requests.values():
            if request.answer is None:
                self._perhaps(request)

    def had_enough(self, request: Request) -> str | None:
        """A place that certainly had all that was asked for, and what the policy keeps, during the whole call."""
        assert request.answered_ns is not None, "a request with an answer was answered at some moment"
        wanted: dict[str, int] = defaultdict(int)
        for _, sku, quantity in request.lines:
            wanted[sku] += quantity
        own: dict[Place, int] = defaultdict(int)
        if isinstance(request.answer, Granted):
            for sku, location, quantity in request.answer.sources:
                own[sku, location] += quantity
        places = request.places or sorted(set[str]().union(*(self._places[sku] for sku in wanted)))
        for location in places:
            if all(
                (sku, location) in self.free
                and self.free[sku, location].certainly_at_least(start=request.sent_ns, end=request.answered_ns)
                + own[sku, location]
                >= quantity + (request.keep or 0)
                for sku, quantity in wanted.items()
            ):
                return location
        return None

    def _move_shelf(self, fact: SentFact) -> None:
        for kind, place, quantity, early, late in _moves(fact):
            self.shelf[place].add(kind, quantity, early=early, late=late)

    def _move_free(self, fact: SentFact) -> None:
        for kind, place, quantity, early, late in _moves(fact):
            self.free[place].add(kind, quantity, early=early, late=late)

    def _grant(self, request: Request, answer: Granted) -> None:
        assert request.answered_ns is not None, "a grant is an answer"
        for place, quantity in _summed(answer).items():
            self.free[place].add(GRANT, quantity, early=request.sent_ns, late=request.answered_ns, owner=request.number)

    def _perhaps(self, request: Request) -> None:
        """What nobody answered may hold stock anywhere."""
        for _, sku, quantity in request.lines:
            for location in request.places or self._places[sku]:
                if (sku, location) in self.free:
                    self.free[sku, location].add(GRANT, quantity, early=request.sent_ns, late=NEVER)

    def _live(self, answer: Granted, steps: list[Step | SentFact]) -> None:
        """Follow one promise through its life."""
        promise = _Promise(answer, skew_ns=self._skew_ns)
        for step in sorted(steps, key=lambda one: one.sent_ns):
            if isinstance(step, SentFact):
                self._ship(promise, step)
            elif step.done is not False:
                self._change(promise, step)
        for place, quantity in promise.held.items():
            if quantity and promise.ends is not None:
                self.free[place].add(GAIN, quantity, early=promise.ends[0], late=promise.ends[1])

    def _change(self, promise: _Promise, step: Step) -> None:
        if step.done and promise.certainly_over(step.sent_ns):
            detail = f"{promise.reservation} was over when this was accepted."
            self.contradictions.append(Contradiction("used_after_its_end", step.id, detail))
        late = _late(step)
        if step.expires_ns is not None:
            promise.extend(step.expires_ns, certain=step.done is True)
            return
        for place, quantity in promise.held.items():
            if quantity:
                self.free[place].add(GAIN, quantity, early=step.sent_ns, late=late)
        if step.done:
            promise.held.clear()
            promise.released = True
        else:
            promise.unsure = True

    def _ship(self, promise: _Promise, fact: SentFact) -> None:
        for kind, place, quantity, early, late in _moves(fact):
            left = quantity
            if kind == LOSS and not promise.certainly_over(early):
                for held, taken in promise.take(place, quantity):
                    if held == place and not promise.perhaps_over(late):
                        left -= taken  # what was promised leaves: what is free stays as it is
                    else:
                        self.free[held].add(GAIN, taken, early=promise.gain_from(early), late=late)
            if left:
                self.free[place].add(kind, left, early=early, late=late)


class _Promise:
    """What a promise still holds, and when it ends by itself."""

    def __init__(self, answer: Granted, *, skew_ns: int) -> None:
        self.reservation = answer.reservation
        self.held: dict[Place, int] = _summed(answer)
        self.released = False
        self.unsure = False
        self._skew_ns = skew_ns
        self.ends = None if answer.expires_ns is None else self._window(answer.expires_ns)

    def extend(self, expires_ns: int, *, certain: bool) -> None:
        """Move the deadline; an extension that nobody answered leaves both possible."""
        window = self._window(expires_ns)
        if not certain and self.ends is not None:
            window = (min(self.ends[0], window[0]), max(self.ends[1], window[1]))
        self.ends = window

    def certainly_over(self, at: int) -> bool:
        """Whether nothing can be held any more at that moment."""
        return self.released or (self.ends is not None and at > self.ends[1])

    def perhaps_over(self, at: int) -> bool:
        """Whether it may have ended by that moment."""
        return self.unsure or (self.ends is not None and at >= self.ends[0])

    def gain_from(self, early: int) -> int:
        """The first moment at which what it holds may be free again."""
        return early if self.ends is None else min(early, self.ends[0])

    def take(self, place: Place, quantity: int) -> Iterator[tuple[Place, int]]:
        """Use up what is held of the item: at the place first, then elsewhere."""
        others = [held for held in self.held if held[0] == place[0] and held != place]
        for held in [place, *others]:
            taken = min(quantity, self.held.get(held, 0))
            if taken:
                self.held[held] -= taken
                quantity -= taken
                yield held, taken

    def _window(self, expires_ns: int) -> tuple[int, int]:
        return expires_ns - self._skew_ns, expires_ns + self._skew_ns


class _Later:
    def __init__(self) -> None:
        self.granted: set[str] = set()
        self.steps: dict[str, list[Step | SentFact]] = defaultdict(list)


def _by_reservation(attempts: Attempts) -> _Later:
    later = _Later()
    for request in attempts.requests.values():
        if isinstance(request.answer, Granted):
            later.granted.add(request.answer.reservation)
    for step in attempts.steps.values():
        later.steps[step.reservation].append(step)
    for fact in attempts.facts.values():
        if fact.reservation is not None:
            later.steps[fact.reservation].append(fact)
    return later


def _moves(fact: SentFact) -> Iterator[tuple[int, Place, int, int, int]]:
    """(kind, place, quantity, earliest, latest) of what a fact did, or may have done."""
    if fact.answered_ns is not None and not fact.counted:
        return  # quarantined or rejected: it is not in the ledger
    for sku, location, quantity in fact.stock:
        if quantity:
            yield GAIN if quantity > 0 else LOSS, (sku, location), abs(quantity), fact.sent_ns, _late(fact)


def _late(one: Step | SentFact) -> int:
    return NEVER if one.answered_ns is None else one.answered_ns


def _summed(answer: Granted) -> dict[Place, int]:
    summed: dict[Place, int] = defaultdict(int)
    for sku, location, quantity in answer.sources:
        summed[sku, location] += quantity
    return {place: quantity for place, quantity in summed.items() if quantity}
