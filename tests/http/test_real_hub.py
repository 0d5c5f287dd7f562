"""The API over the real hub and a real PostgreSQL: what partners see when all parts work together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.http.conftest import Caller, Serving, order, receipt
from tests.http.test_bad_input import LINE, raw
from tests.http.worlds import World, world

EMOJI = "🫖 tea/pot"


@pytest_asyncio.fixture
async def there(dsn: str) -> AsyncIterator[World]:
    """The business."""
    async with world(dsn, {"TEA-001": 10, "tea-001": 1, EMOJI: 4}) as made:
        yield made


@pytest_asyncio.fixture
async def real(server: Serving, there: World) -> AsyncIterator[Caller]:
    """A server over the real hub; its calls carry the key of the business."""
    async with server(there.hub) as caller:
        caller.key = there.key
        yield caller


async def available(call: Caller, sku: str) -> int:
    answered = await call.get(f"/v1/availability?channel=web&sku={quote(sku, safe='')}")
    assert answered.status == 200, answered.body
    return int(answered.json["rows"][0]["quantity"])


async def test_a_promise_lives_from_the_request_to_the_shipment(real: Caller) -> None:
    made = await real.post("/v1/reservations", order(expires_in_s=600))
    assert (made.status, made.json["state"]) == (201, "granted")
    assert made.json["lines"][0]["sources"] == [{"location": "DC", "quantity": 3}]
    assert await available(real, "TEA-001") == 7
    reservation = f"/v1/reservations/{made.json['reservation_id']}"
    again = await real.post("/v1/reservations", order(expires_in_s=600))
    assert (again.status, again.json) == (201, {**made.json, "replayed": True})
    extended = await real.post(f"{reservation}/extend", {"expires_in_s": 900})
    assert extended.json["expires_at"] > made.json["expires_at"]
    changed = await real.post(f"{reservation}/change", {"lines": [{"sku": "TEA-001", "quantity": 2}]})
    assert changed.status == 200, changed.body
    assert await available(real, "TEA-001") == 8
    shipped = await real.post(f"{reservation}/fulfil")
    assert (shipped.status, shipped.json["state"]) == (200, "fulfilled")
    assert await available(real, "TEA-001") == 8
    balance = (await real.get("/v1/balances?sku=TEA-001&location=DC")).json["rows"]
    assert [row["quantity"] for row in balance] == [8]
    verbs = [row["verb"] for row in (await real.get(f"{reservation}/log")).json["rows"]]
    assert verbs[0] == "create"
    closed = await real.post(f"{reservation}/extend", {"expires_in_s": 60})
    assert (closed.status, closed.problem) == (409, "reservation_closed")


async def test_a_refusal_and_its_repetition_tell_the_same_shortfall(real: Caller) -> None:
    first = await real.post("/v1/reservations", order(quantity=50))
    again = await real.post("/v1/reservations", order(quantity=50))
    assert (first.status, first.problem) == (409, "insufficient_stock")
    assert again.json["lines"] == first.json["lines"]
    assert (first.json["replayed"], again.json["replayed"]) == (False, True)
    reused = await real.post("/v1/reservations", order(quantity=1))
    assert (reused.status, reused.problem) == (422, "request_id_reused")


async def test_twenty_callers_for_ten_units_get_ten(real: Caller) -> None:
    answers = await asyncio.gather(
        *(real.post("/v1/reservations", order(f"o-{number}", quantity=1)) for number in range(20))
    )
    assert sorted(each.status for each in answers) == [201] * 10 + [409] * 10
    assert await available(real, "TEA-001") == 0


async def test_skus_that_differ_only_by_case_or_hold_emoji_and_slashes_stay_apart(real: Caller) -> None:
    assert (await real.post("/v1/reservations", order("a", sku="tea-001", quantity=1))).status == 201
    assert (await real.post("/v1/reservations", order("b", sku=EMOJI, quantity=4))).status == 201
    assert [await available(real, sku) for sku in ("TEA-001", "tea-001", EMOJI)] == [10, 0, 0]
    assert (await real.get(f"/v1/items/{quote(EMOJI, safe='')}")).json["sku"] == EMOJI
    missing = await real.get("/v1/items/Tea-001")
    assert (missing.status, missing.problem) == (404, "item_not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 1' + b"0" * 30 + b"}")),
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 999999999999}', b', "expires_in_s": 31622400')),
        ("/v1/reservations", raw(LINE, b', "expires_at": "0001-01-01T00:00:00Z"')),
        ("/v1/reservations", raw(LINE, b', "expires_at": "9800-12-31T23:59:59-12:00"')),
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 1, "lot": "\\ud800"}')),
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 1, "location": "DC", "group": "DC"}')),
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 1, "location": "NOWHERE"}')),
        ("/v1/reservations", raw(b'{"sku": "TEA-001", "quantity": 1, "uom": "pallet"}')),
        ("/v1/reservations", raw(b'{"sku": "NONE", "quantity": 1}')),
        ("/v1/reservations", b'{"request_id": "r", "channel": "none", "lines": [' + LINE + b"]}"),
        ("/v1/reservations", raw(b",".join([b'{"sku": "TEA-001", "quantity": 1, "line_id": "1"}'] * 2))),
        ("/v1/availability", b'{"channel": "web", "skus": ["TEA-001"], "dates": ["9800-01-01", "1900-01-01"]}'),
        ("/v1/availability", b'{"channel": "none", "skus": ["TEA-001"]}'),
        ("/v1/quarantine/release", b'{"ids": [9007199254740993]}'),
        ("/v1/quarantine/999999999999999999/release", b""),
        ("/v1/keys/999999999999999999/revoke", b""),
        ("/v1/keys", b'{"client": "c", "scopes": ["stock:read"], "expires_at": "1900-01-01T00:00:00Z"}'),
        ("/v1/reservations/res_99999999999999999999/release", b""),
        ("/v1/reservations/res_-1/release", b""),
        ("/v1/reservations/%F0%9F%AB%96/release", b""),
    ],
)
async def test_bad_input_is_a_clear_error_and_changes_nothing(real: Caller, path: str, body: bytes) -> None:
    answered = await real.post(path, body)
    if answered.status < 400:
        assert path == "/v1/availability", "only a question may be answered"
    else:
        assert 400 <= answered.status < 500, answered.body
        assert answered.json["detail"]
        assert answered.problem != "internal_error"
    assert await available(real, "TEA-001") == 10
    assert [
        row["state"] for row in (await real.get("/v1/reservations")).json["rows"] if row["state"] == "granted"
    ] == []


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        (b"", b', "ship_date": "9800-12-31", "min_remaining_life_days": 36500', 409),
        (b"", b', "ship_date": "1900-01-01"', 201),
        (b', "min_expiry": "0001-01-01"', b"", 201),
        (b', "min_expiry": "9999-12-31"', b"", 409),
    ],
)
async def test_lots_are_chosen_up_to_the_ends_of_the_calendar(
    real: Caller, line: bytes, more: bytes, status: int
) -> None:
    item = {**receipt("item"), "type": "item.upserted", "data": {"sku": "LOT", "lot_tracked": True}}
    lines = [{"sku": "LOT", "quantity": 5, "lot": "L1", "expiry": "2999-12-31"}]
    await real.post("/v1/events", [item, {**receipt("in"), "data": {"location": "DC", "lines": lines}}])
    answered = await real.post("/v1/reservations", raw(b'{"sku": "LOT", "quantity": 1' + line + b"}", more))
    assert answered.status == status, answered.body


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (receipt("e", quantity=int("1" + "0" * 30)), "rejected"),
        (receipt("e", time="0001-01-01T00:00:00Z"), "quarantined"),
        (receipt("e", time="9999-12-31T23:59:59-14:00"), "rejected"),
        (receipt("e", time="2026-11-23T08:00:00+99:00"), "rejected"),
        (receipt("e", sku="NONE"), "quarantined"),
        (receipt("e", source="nobody"), "quarantined"),
        ({**receipt("e"), "data": {"location": "NOWHERE", "lines": [{"sku": "A", "quantity": 1}]}}, "quarantined"),
        ({**receipt("e"), "data": {"location": "DC", "lines": [{"sku": "TEA-001", "quantity": 1}] * 100_000}}, None),
        ({**receipt("e"), "id": "x" * 201}, "rejected"),
        ({**receipt("e"), "data": {"location": "DC\u0000", "lines": [{"sku": "TEA-001", "quantity": 1}]}}, "rejected"),
    ],
)  # fmt: skip
async def test_a_bad_fact_ends_rejected_or_set_aside_and_moves_nothing(
    real: Caller, event: dict[str, object], outcome: str | None
) -> None:
    answered = await real.post("/v1/events", [event])
    assert answered.status in {200, 422, 413, 400}, answered.body[:300]
    if outcome == "rejected":
        assert answered.status == 422 or answered.json["results"][0]["outcome"] == "rejected"
    elif outcome is not None:
        assert answered.json["results"][0]["outcome"] == outcome
    assert [row["quantity"] for row in (await real.get("/v1/balances?sku=TEA-001&location=DC")).json["rows"]] == [10]


async def test_a_fact_set_aside_is_released_after_the_mend(real: Caller) -> None:
    held = await real.post("/v1/events", receipt("late", sku="NEW"))
    assert held.json["results"][0]["reason"] == "unknown_item"
    number = held.json["results"][0]["quarantine_id"]
    still = await real.post(f"/v1/quarantine/{number}/release")
    assert still.json["counts"] == {"quarantined": 1}
    await real.post("/v1/events", {**receipt("item"), "type": "item.upserted", "data": {"sku": "NEW"}})
    released = await real.post("/v1/quarantine/release", {"reason": "unknown_item"})
    assert released.json["counts"] == {"applied": 1}
    assert await available(real, "NEW") == 5
    explained = await real.get("/v1/balances/explain?sku=NEW&location=DC")
    assert [row["event_id"] for row in explained.json["rows"]] == ["late"]


async def test_lists_are_complete_and_end(real: Caller) -> None:
    seen: list[str] = []
    path: str | None = "?limit=2"
    while path is not None:
        page = await real.get(f"/v1/items{path}")
        seen += [row["sku"] for row in page.json["rows"]]
        path = page.headers["Link"][1:].partition(">")[0] if page.json["next"] else None
    assert sorted(seen) == sorted(["TEA-001", "tea-001", EMOJI])
    assert len((await real.get("/v1/movements?limit=1000")).json["rows"]) == 3
    feed = await real.get("/v1/events?limit=1000")
    assert len(feed.json["rows"]) == 6
    end = await real.get(f"/v1/events?after={feed.json['next']}")
    assert (end.json["rows"], end.json["next"]) == ([], feed.json["next"])
    assert (await real.get("/v1/events?after=nonsense")).status == 422
    assert {row["code"] for row in (await real.get("/v1/channels")).json["rows"]} == {"web", "shop"}
    assert (await real.get("/v1/network")).json["version"] == 1


async def test_a_revoked_key_stops_working_at_once_on_this_node(real: Caller) -> None:
    made = (await real.post("/v1/keys", {"client": "shop", "scopes": ["stock:read"]})).json
    assert (await real.get("/v1/items", key=made["secret"])).status == 200
    await real.post(f"/v1/keys/{made['key']['id']}/revoke")
    refused = await real.get("/v1/items", key=made["secret"])
    assert (refused.status, refused.problem) == (401, "unauthorised")


async def test_a_client_sees_only_its_own_reservations(real: Caller) -> None:
    made = await real.post("/v1/reservations", order())
    key = (await real.post("/v1/keys", {"client": "other", "scopes": ["promises:read"]})).json["secret"]
    assert (await real.get("/v1/reservations", key=key)).json["rows"] == []
    hidden = await real.get(f"/v1/reservations/{made.json['reservation_id']}", key=key)
    assert (hidden.status, hidden.problem) == (404, "reservation_not_found")


async def test_the_node_says_that_it_is_ready(real: Caller) -> None:
    answered = await real.get("/readyz", key=None)
    assert (answered.status, answered.json["status"], answered.json["network_version"]) == (200, "ready", 1)
