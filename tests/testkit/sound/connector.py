"""The connector that does everything as it should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from onhand.sdk import (
    Answer,
    AnswerLost,
    Arrival,
    Checked,
    Connector,
    Delivered,
    Gone,
    Message,
    NotClaimed,
    Outcome,
    Outgoing,
    Page,
    ReadFailed,
    Rejected,
    Shown,
    StockUpdate,
    Transient,
    Unknown,
    Unreachable,
    WebhookRefused,
    verify,
)

TOLERANCE = timedelta(minutes=5)
FIELDS = {"it shows something else": "stale"}


class Order(msgspec.Struct):
    number: str
    changed_at: datetime


class Sound(Connector):
    async def check(self) -> Checked:
        try:
            answer = await self._call("GET", "/orders", {"limit": "1"})
        except (Unreachable, AnswerLost) as fault:
            return Checked(state="unreachable", detail=fault.detail)
        if answer.status == 401:
            return Checked(state="unauthorised", detail="the token is not accepted")
        if answer.status == 403:
            return Checked(state="under_privileged", detail="orders may not be read", missing=("orders",))
        return Checked(state="ok")

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        if stream == "stock":
            return await self._stock(int(cursor or 0), limit)
        if stream != "orders":
            raise NotClaimed(f"There is no stream {stream!r}.")
        since, _, skip = (cursor or "").partition("/")
        answer = await self._good("/orders", {"since": since, "skip": skip or "0", "limit": str(limit)})
        try:
            raw = msgspec.json.decode(answer.body, type=list[msgspec.Raw])
            orders = [msgspec.json.decode(each, type=Order) for each in raw]
        except msgspec.MsgspecError as error:
            raise ReadFailed(Transient(detail="the answer is no list of orders")) from error
        messages = tuple(self._message(order, bytes(body)) for order, body in zip(orders, raw, strict=True))
        if len(orders) < limit:
            return Page(messages=messages, cursor=self._before(orders, cursor))
        last = orders[-1].changed_at.isoformat()
        onward = f"{last}/0" if last != since else f"{since}/{int(skip or 0) + len(orders)}"
        return Page(messages=messages, cursor=onward, more=True)

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        if operation != "order.create":
            raise NotClaimed(f"There is no operation {operation!r}.")
        return [await self._create(each) for each in commands]

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        lines = [{"sku": each.listing, "quantity": each.quantity, "was": each.last_shown} for each in updates]
        answer = await self._call("PUT", "/stock", {}, {"idempotency-key": key}, msgspec.json.encode(lines))
        outcome = self.outcome(answer)
        if not isinstance(outcome, Delivered):
            return [outcome] * len(updates)
        try:
            results = msgspec.json.decode(answer.body, type=list[str])
        except msgspec.MsgspecError:
            return [Unknown(detail="the answer is no list of results")] * len(updates)
        return [Delivered() if each == "ok" else Rejected(reason=each, field=FIELDS.get(each)) for each in results]

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        answer = await self._good("/stock", {"skip": "0", "limit": "100000"})
        rows = msgspec.json.decode(answer.body, type=dict[str, object])["rows"]
        shown = {row["sku"]: row["quantity"] for row in msgspec.convert(rows, list[dict[str, object]])}
        return [Shown(listing=name, quantity=msgspec.convert(shown.get(name), int | None)) for name, _ in listings]

    def arrived(self, stream: str, arrival: Arrival) -> Sequence[Message]:
        heads = [arrival.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
        if not all(heads):
            raise WebhookRefused("unsigned", "a header is missing")
        key = self.link.secret_fields()["webhook_secret"].encode()
        signatures = heads[2] if heads[2].isascii() else ""
        if not verify(key, message_id=heads[0], timestamp=heads[1], body=arrival.body, signatures=signatures):
            raise WebhookRefused("bad_signature", "it does not fit")
        if abs(arrival.received_at - datetime.fromtimestamp(int(heads[1]), UTC)) > TOLERANCE:
            raise WebhookRefused("stale", "it is too old")
        try:
            order = msgspec.json.decode(arrival.body, type=Order)
        except msgspec.MsgspecError as error:
            raise WebhookRefused("malformed", "it is no order") from error
        return [self._message(order, arrival.body)]

    def _message(self, order: Order, body: bytes) -> Message:
        return Message(key=f"{order.number}@{order.changed_at.isoformat()}", body=body, occurred_at=order.changed_at)

    def _before(self, orders: Sequence[Order], cursor: str | None) -> str | None:
        if not orders:
            return cursor
        return f"{(orders[-1].changed_at - timedelta(seconds=int(self.config.get('overlap_s', 600)))).isoformat()}/0"

    async def _stock(self, skip: int, limit: int) -> Page:
        answer = await self._good("/stock", {"skip": str(skip), "limit": str(limit)})
        try:
            rows = msgspec.json.decode(
                msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])["rows"], type=list[msgspec.Raw]
            )
            as_of = msgspec.json.decode(
                msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])["as_of"], type=datetime
            )
            seen = [(msgspec.json.decode(each, type=dict[str, object]), bytes(each)) for each in rows]
        except (msgspec.MsgspecError, LookupError) as error:
            raise ReadFailed(Transient(detail="the answer is no stock")) from error
        messages = tuple(Message(key=f"{row['sku']}={row['quantity']}", body=body) for row, body in seen)
        more = len(rows) == limit
        return Page(messages=messages, cursor=str(skip + limit) if more else "0", more=more, snapshot_as_of=as_of)

    async def _create(self, command: Outgoing) -> Outcome:
        headers = {"idempotency-key": command.idempotency_key, "content-type": "application/json"}
        answer = await self._call("POST", "/orders", {}, headers, command.body.encode())
        return self.outcome(answer)

    def outcome(self, answer: Answer) -> Outcome:
        outcome = super().outcome(answer)
        if isinstance(outcome, Delivered) and not answer.body.startswith((b"{", b"[")):
            return Unknown(status=answer.status, detail="success, and no document")
        return Rejected(reason="not found", status=404) if isinstance(outcome, Gone) else outcome

    async def _good(self, path: str, query: dict[str, str]) -> Answer:
        answer = await self._call("GET", path, query)
        outcome = self.outcome(answer)
        if not isinstance(outcome, Delivered):
            raise ReadFailed(outcome)
        return answer

    async def _call(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        proof = {"authorization": f"Bearer {self.link.secret_fields()['token']}"}
        return await self.link.call(method, path, query=query, headers={**(headers or {}), **proof}, body=body)
