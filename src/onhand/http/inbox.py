"""What partners send by themselves: webhooks, whose signature is their credential."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from onhand.app.inbox_receive import FeedNotReady, MessageTooLarge, UnknownFeed
from onhand.http.call import Call, Reply
from onhand.http.limits import WEBHOOK_BYTES_MAX
from onhand.http.operation import Answer, answer, operation
from onhand.sdk.connector import WebhookRefused


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a webhook: how many messages were new, and how many were here already."""

    stored: int
    repeated: int


@operation(
    "POST", "/v1/inbox/{feed}", id="receive_webhook", tag="Facts", scope=None, lane="feeds", body=bytes,
    body_bytes_max=WEBHOOK_BYTES_MAX, body_required=False, rated_by="feed",
    body_media_types=("application/json", "application/xml", "application/octet-stream"),
    body_example={"type": "order.created", "data": {"id": "4711"}}, path_example={"feed": "shop-orders"},
    answers={200: Answer(meaning="It is stored, or was stored before.", type=WebhookAnswer,
                         example={"stored": 1, "repeated": 0})},
    errors=(UnknownFeed, WebhookRefused, FeedNotReady, MessageTooLarge),
)  # fmt: skip
async def receive(call: Call, _query: Any, body: bytes) -> Reply:
    """Take a partner's webhook.

    The feed's connector checks signature and time; what fits is stored byte for byte before it is acknowledged, and
    understood later, or is a dead letter then. Sending the same again is always safe. A body of any content type is
    taken.
    """
    puts = await call.hub.receive_webhook(
        call.path["feed"], path=call.scope["raw_path"].decode("latin-1"), headers=headers_of(call), body=body
    )
    outcomes = Counter(put.outcome for put in puts)
    return answer(WebhookAnswer(stored=outcomes["stored"] + outcomes["changed"], repeated=outcomes["repeated"]))


def headers_of(call: Call) -> dict[str, str]:
    """The headers by their names in lower case; those that come more than once are joined as RFC 9110 says."""
    found: dict[str, str] = {}
    for name, value in call.scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
