"""The shelf: a log of lines that is read by number, a page at a time; and signed webhooks."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from onhand.sdk import Arrival, Connector, Message, Page, ReadFailed, Throttled, Transient, WebhookRefused, verify
from onhand.sdk.signing import key_of


class ShelfConnector(Connector):
    """Reads `log.jsonl` of its folder: `{"n": 1, "key": ..., "body": ...}` a line, numbers in any order of lines.

    `sick.json` says how the next reads end; `calls.log` has a line a read.
    """

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        folder = Path(self.config["folder"])
        with (folder / "calls.log").open("a") as calls:
            calls.write(f"{os.getpid()} {stream} {cursor}\n")
        self._be_sick(folder)
        lines = [json.loads(line) for line in (folder / f"{stream}.jsonl").read_text().splitlines()]
        after = int(cursor or 0)
        waiting = [line for line in lines if line["n"] > after]
        page = waiting[:limit]
        more = len(waiting) > len(page)
        as_of = next((line["as_of"] for line in page if "as_of" in line), None)
        return Page(
            messages=tuple(_message(line) for line in page if "body" in line),
            cursor=str(page[-1]["n"]) if page else cursor,
            more=more,
            snapshot_as_of=None if as_of is None else datetime.fromisoformat(as_of),
        )

    async def stored(self, stream: str, messages: Sequence[Message]) -> None:
        with (Path(self.config["folder"]) / "stored.log").open("a") as stored:
            stored.writelines(f"{stream} {message.key}\n" for message in messages)

    def arrived(self, stream: str, arrival: Arrival) -> Sequence[Message]:
        message_id, sent = arrival.headers.get("webhook-id", ""), arrival.headers.get("webhook-timestamp", "")
        signatures = arrival.headers.get("webhook-signature", "")
        if not message_id or not signatures:
            raise WebhookRefused("unsigned", "There is no signature.")
        key = key_of(self.link.secret())
        if not verify(key, message_id=message_id, timestamp=sent, body=arrival.body, signatures=signatures):
            raise WebhookRefused("bad_signature", "The signature does not fit.")
        if not sent.isdigit() or abs(arrival.received_at.timestamp() - int(sent)) > 300:
            raise WebhookRefused("stale", "It is too old.")
        if b'"wrapped"' in arrival.body:
            raise WebhookRefused("malformed", "It is wrapped.")
        content_type = arrival.headers.get("content-type", "")
        return [Message(key=message_id, body=arrival.body, content_type=content_type)]

    def _be_sick(self, folder: Path) -> None:
        path = folder / "sick.json"
        if not path.exists():
            return
        sick: list[Any] = json.loads(path.read_text())
        path.write_text(json.dumps(sick[1:]))
        if not sick:
            return
        if sick[0] == "throttled":
            raise ReadFailed(Throttled(detail="slower", retry_after_s=30.0))
        if sick[0] == "down":
            raise ReadFailed(Transient(detail="down"))
        if sick[0] == "bug":
            raise ZeroDivisionError


def _message(line: dict[str, Any]) -> Message:
    occurred = line.get("at")
    return Message(
        key=line["key"],
        body=line["body"].encode(),
        content_type=line.get("type", "application/json"),
        occurred_at=None if occurred is None else datetime.fromisoformat(occurred),
    )
