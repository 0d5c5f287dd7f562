"""The webhook sender: a command as a signed HTTP request, by the Standard Webhooks specification.

The receiver gets `webhook-id` (the idempotency key: the same for every try), `webhook-timestamp` and
`webhook-signature`, and by them can tell who spoke, when, and whether it has heard it before. Anything that answers
2xx has it. https://www.standardwebhooks.com, specification 1.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from onhand.app.flow_ports import Call, Outgoing
from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Gone, Outcome, Transient, Unauthorised
from onhand.flow.transport import Transport
from onhand.ops.clock import utc_now
from onhand.sdk.answers import outcome_of_answer, outcome_of_fault
from onhand.sdk.http import Request
from onhand.sdk.secrets import SecretMissing, read_secret
from onhand.sdk.signing import key_of, sign


class WebhookSender:
    """Sends commands one by one: a webhook carries one message."""

    def __init__(self, transport: Transport, *, clock: Callable[[], datetime] | None = None) -> None:
        self._transport = transport
        self._clock = clock or utc_now

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Tell the receiver each command of the call; one outcome for each."""
        if call.endpoint.base_url is None:
            return [Unauthorised(detail="the endpoint has no base_url")]
        try:
            secret = None if call.endpoint.secret is None else read_secret(call.endpoint.secret)
            key = None if secret is None else key_of(secret)
        except SecretMissing as error:
            return [Unauthorised(detail=error.detail)]
        return [await self._tell(call, command, key) for command in call.commands]

    async def _tell(self, call: Call, command: Outgoing, key: bytes | None) -> Outcome:
        now = self._clock()
        body = command.body.encode()
        try:
            answer = await self._transport.call(
                Request(
                    method="POST",
                    url=address(call.endpoint.base_url or "", command.operation),
                    headers=headers(command, body, key, now=now),
                    body=body,
                    timeout_s=call.endpoint.timeout_s,
                    allow_private_addresses=call.endpoint.allow_private_addresses,
                    answer_bytes_max=65_536,
                )
            )
        except OnhandError as fault:
            return outcome_of_fault(fault)
        return _meant(outcome_of_answer(answer, now=now))


def address(base_url: str, operation: str) -> str:
    """Return where a command goes: the base address, with `{operation}` in it replaced."""
    return base_url.replace("{operation}", operation)


def headers(command: Outgoing, body: bytes, key: bytes | None, *, now: datetime) -> dict[str, str]:
    """Return the headers of a webhook."""
    message_id = message_id_of(command.idempotency_key)
    timestamp = str(int(now.timestamp()))
    found = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "idempotency-key": f'"{message_id}"',
    }
    if key is not None:
        found["webhook-signature"] = sign(key, message_id=message_id, timestamp=timestamp, body=body)
    return found


def message_id_of(idempotency_key: str) -> str:
    """Return a key as a webhook-id: no '.' may stand in it, nor anything that a header cannot carry."""
    if idempotency_key.isascii() and all(c.isalnum() or c in "_-" for c in idempotency_key) and idempotency_key:
        return idempotency_key
    return "h_" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:40]


def _meant(outcome: Outcome) -> Outcome:
    """Return what a receiver of webhooks means: 410 that it wants no more, 404 that the address is wrong for all."""
    if outcome.status == 410:
        return Gone(status=410, detail=outcome.detail, endpoint=True)
    if outcome.status in (404, 405):
        return Transient(status=outcome.status, detail=outcome.detail)
    return outcome
