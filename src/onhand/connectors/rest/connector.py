"""The connector `rest`: what the settings describe, carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onhand.connectors.rest import hearing, reading, telling
from onhand.connectors.rest.asking import Asker
from onhand.connectors.rest.config import ReadBack, Request, Stream, read_config
from onhand.connectors.rest.documents import Values, text, things, whole
from onhand.sdk import (
    Answer,
    Arrival,
    Checked,
    Connector,
    Delivered,
    Gone,
    Link,
    Message,
    NotClaimed,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    Shown,
    StockUpdate,
    Unauthorised,
    Unreachable,
)
from onhand.sdk.http import AnswerLost


class Rest(Connector):
    """A system whose requests and answers the settings describe."""

    def __init__(self, config: Mapping[str, Any], link: Link) -> None:
        super().__init__(config, link)
        self._config = read_config(config)
        self._asker = Asker(self._config, link)

    async def check(self) -> Checked:
        """Ask for what `check` names, then for one thing of each stream."""
        probe = self._config.check
        try:
            answer = await self._asker.ask(Request(path=probe.path), Values({}))
            state = _state(answer)
            if state != "ok":
                return Checked(
                    state=state,
                    detail=f"{probe.path or 'the base_url'} answers {answer.status}",
                    missing=(("check",) if state == "under_privileged" else ()),
                )
            missing = [name for name, each in self._config.streams.items() if await self._is_forbidden(each)]
        except (Unreachable, AnswerLost) as fault:
            return Checked(state="unreachable", detail=fault.detail)
        partner = (text(answer.body, probe.product) or "") if probe.product else ""
        if missing:
            detail = f"not allowed to read {', '.join(missing)}"
            return Checked(state="under_privileged", detail=detail, missing=tuple(missing), partner=partner)
        return Checked(state="ok", partner=partner)

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Read a page of a stream that the settings describe."""
        asked = self._stream(stream)
        if asked.request is None:
            raise NotClaimed(f"The settings say of the stream {stream!r} no request, so it cannot be polled.")
        place, limit = reading.read_place(cursor, asked), min(limit, asked.limit_max)
        if asked.paging.style == "link" and place.next:
            answer = await self._asker.call("GET", place.next, {}, dict(self._config.headers))
        else:
            answer = await self._asker.ask(asked.request, reading.values_of(place, limit=limit, stream=asked))
        outcome = self.outcome(answer)
        if not isinstance(outcome, Delivered):
            raise ReadFailed(outcome)
        return reading.page_of(answer, place, asked, limit=limit, link=self.link)

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Carry out commands one by one."""
        asked = self._config.operations.get(operation)
        if asked is None:
            raise NotClaimed(f"The settings say nothing of the operation {operation!r}.")
        now = self.link.now()
        return [await telling.carry_out(self._asker, asked, command, now=now) for command in commands]

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        """Say what listings should show, as the settings say it."""
        if self._config.publish is None:
            raise NotClaimed("The settings say nothing of `publish`.")
        return await telling.publish(self._asker, self._config.publish, updates, key=key, now=self.link.now())

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        """Ask what listings show, all of them at once or one by one."""
        asked = self._config.read_back
        if asked is None:
            raise NotClaimed("The settings say nothing of `read_back`.")
        if asked.one_by_one:
            return [await self._shown(asked, name, location) for name, location in listings]
        names = ",".join(dict.fromkeys(name for name, _ in listings))
        answer = await self._asker.ask(asked.request, Values({"listings": names}))
        self._good(answer)
        shown: dict[tuple[str, str | None], int | None] = {}
        for each in things(answer.body, asked.items):
            place = text(each, asked.location) if asked.location else None
            shown[text(each, asked.listing) or "", place] = whole(text(each, asked.quantity))
        return [
            Shown(listing=name, location=location, quantity=shown.get((name, location if asked.location else None)))
            for name, location in listings
        ]

    def arrived(self, stream: str, arrival: Arrival) -> Sequence[Message]:
        """Check a webhook as the settings say, and return what it says."""
        asked = self._stream(stream)
        if asked.webhook is None:
            raise NotClaimed(f"The settings say of the stream {stream!r} no webhook.")
        return hearing.heard(arrival, asked, asked.webhook, self.link)

    async def _shown(self, asked: ReadBack, name: str, location: str | None) -> Shown:
        answer = await self._asker.ask(asked.request, Values({"listing": name, "location": location}))
        if isinstance(self.outcome(answer), Gone):
            return Shown(listing=name, location=location, quantity=None)
        self._good(answer)
        return Shown(listing=name, location=location, quantity=whole(text(answer.body, asked.quantity)))

    def _good(self, answer: Answer) -> None:
        outcome = self.outcome(answer)
        if not isinstance(outcome, Delivered):
            raise ReadFailed(outcome)

    def _stream(self, name: str) -> Stream:
        found = self._config.streams.get(name)
        if found is None:
            raise NotClaimed(f"The settings say nothing of the stream {name!r}.")
        return found

    async def _is_forbidden(self, stream: Stream) -> bool:
        if stream.request is None:
            return False
        place = reading.read_place(None, stream)
        answer = await self._asker.ask(stream.request, reading.values_of(place, limit=1, stream=stream))
        return isinstance(self.outcome(answer), Unauthorised)


def _state(answer: Answer) -> Any:
    """Return what the answer to a check says: 401 of the credentials, 403 of rights, all else of the partner."""
    if answer.status in (401, 407):
        return "unauthorised"
    if answer.status == 403:
        return "under_privileged"
    return "ok" if answer.status < 300 else "unreachable"
