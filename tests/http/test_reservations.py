"""Making promises over HTTP: what is granted, refused, repeated, and how each is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Caller, order
from tests.http.stand_in import StandIn


async def test_a_granted_reservation_answers_201_with_its_sources(call: Caller) -> None:
    answered = await call.post("/v1/reservations", order(expires_in_s=60))
    assert answered.status == 201
    assert answered.json["state"] == "granted"
    assert answered.json["reservation_id"] == "res_1"
    assert answered.json["lines"][0]["sources"] == [{"location": "DC", "quantity": 3}]
    assert answered.json["expires_at"] == "2026-11-23T08:01:00Z"
    assert answered.json["replayed"] is False


async def test_a_line_without_an_id_is_known_by_its_number(call: Caller) -> None:
    lines = [{"sku": "TEA-001", "quantity": 1}, {"sku": "TEA-001", "quantity": 1, "line_id": "x"}]
    answered = await call.post("/v1/reservations", {**order(), "lines": lines})
    assert [line["line_id"] for line in answered.json["lines"]] == ["1", "x"]


async def test_too_little_stock_answers_409_with_the_shortfall_of_each_line(call: Caller) -> None:
    answered = await call.post("/v1/reservations", order(quantity=50))
    assert (answered.status, answered.problem) == (409, "insufficient_stock")
    assert answered.json["lines"] == [{"line_id": "1", "sku": "TEA-001", "requested": 50, "available": 10, "short": 40}]


async def test_a_repeat_gets_the_first_answer_and_says_so(call: Caller, hub: StandIn) -> None:
    first = await call.post("/v1/reservations", order())
    again = await call.post("/v1/reservations", order())
    assert again.status == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert again.json == {**first.json, "replayed": True}
    assert hub.stock["TEA-001"] == 7


async def test_a_repeated_refusal_is_the_same_refusal(call: Caller, hub: StandIn) -> None:
    await call.post("/v1/reservations", order(quantity=50))
    hub.stock["TEA-001"] = 100
    again = await call.post("/v1/reservations", order(quantity=50))
    assert again.status == 409
    assert again.json["replayed"] is True
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_another_body_under_the_same_request_id_answers_422(call: Caller) -> None:
    await call.post("/v1/reservations", order())
    answered = await call.post("/v1/reservations", order(quantity=4))
    assert (answered.status, answered.problem) == (422, "request_id_reused")


@pytest.mark.parametrize("header", ['"order-9"', "order-9"])
async def test_the_idempotency_key_may_stand_in_for_the_request_id(call: Caller, header: str) -> None:
    body = order()
    del body["request_id"]
    answered = await call.post("/v1/reservations", body, headers={"Idempotency-Key": header})
    assert answered.json["request_id"] == "order-9"


async def test_a_key_and_a_request_id_that_differ_answer_422(call: Caller, hub: StandIn) -> None:
    answered = await call.post("/v1/reservations", order(), headers={"Idempotency-Key": '"another"'})
    assert (answered.status, answered.problem) == (422, "request_id_mismatch")
    assert hub.calls == []


async def test_a_request_without_any_id_is_refused(call: Caller) -> None:
    body = order()
    del body["request_id"]
    answered = await call.post("/v1/reservations", body)
    assert (answered.status, answered.problem, answered.json["pointer"]) == (422, "invalid_input", "/request_id")


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("extend", {"expires_in_s": 60}, {"expires_at": "2026-11-23T08:01:00Z"}),
        ("extend", {"expires_at": "2026-11-23T10:00:00+01:00"}, {"expires_at": "2026-11-23T09:00:00Z"}),
        ("transfer", {"channel": "shop"}, {"channel": "shop"}),
        ("release", None, {"state": "released"}),
        ("fulfil", None, {"state": "fulfilled"}),
        ("fulfil", {"lines": [{"line_id": "1", "quantity": 3}]}, {"state": "fulfilled"}),
    ],
)
async def test_each_verb_answers_with_the_reservation(call: Caller, verb: str, body: Any, expected: Any) -> None:
    await call.post("/v1/reservations", order())
    answered = await call.post(f"/v1/reservations/res_1/{verb}", body)
    assert answered.status == 200, answered.body
    assert expected.items() <= answered.json.items()


async def test_a_change_replaces_the_lines(call: Caller) -> None:
    await call.post("/v1/reservations", order())
    answered = await call.post("/v1/reservations/res_1/change", {"lines": [{"sku": "TEA-001", "quantity": 1}]})
    assert answered.json["lines"] == [{"line_id": "1", "sku": "TEA-001", "requested": 1, "granted": 1}]


async def test_a_verb_with_a_key_is_done_once(call: Caller, hub: StandIn) -> None:
    await call.post("/v1/reservations", order())
    key = {"Idempotency-Key": '"k1"'}
    await call.post("/v1/reservations/res_1/release", headers=key)
    again = await call.post("/v1/reservations/res_1/release", headers=key)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    other = await call.post("/v1/reservations/res_1/extend", {"expires_in_s": 5}, headers=key)
    assert (other.status, other.problem) == (422, "idempotency_key_reused")


async def test_verbs_say_what_is_wrong(call: Caller) -> None:
    await call.post("/v1/reservations", order())
    both = {"expires_in_s": 5, "expires_at": "2026-11-24T00:00:00Z"}
    assert (await call.post("/v1/reservations/res_1/extend", both)).problem == "invalid_input"
    assert (await call.post("/v1/reservations/res_1/extend", {})).problem == "invalid_input"
    assert (await call.post("/v1/reservations/res_1/transfer", {})).problem == "invalid_input"
    assert (await call.post("/v1/reservations/res_7/release")).problem == "reservation_not_found"
    await call.post("/v1/reservations/res_1/release")
    closed = await call.post("/v1/reservations/res_1/extend", {"expires_in_s": 5})
    assert (closed.status, closed.problem, closed.json["state"]) == (409, "reservation_closed", "released")


async def test_a_reservation_can_be_read_with_its_log(call: Caller) -> None:
    made = await call.post("/v1/reservations", order())
    assert (await call.get("/v1/reservations/res_1")).json == made.json
    assert (await call.get("/v1/reservations/res_1/log")).json["rows"][0]["verb"] == "create"
    assert (await call.get("/v1/reservations/res_2")).problem == "reservation_not_found"


async def test_a_list_is_read_page_by_page_by_its_links(call: Caller) -> None:
    for number in range(5):
        await call.post("/v1/reservations", order(f"order-{number}", quantity=1))
    path: str | None = "/v1/reservations?limit=2&channel=web"
    seen = []
    while path:
        page = await call.get(path)
        seen += [row["request_id"] for row in page.json["rows"]]
        link = page.headers.get("Link")
        assert (link is None) == (page.json["next"] is None)
        path = f"/v1/reservations{link[1:].partition('>')[0]}" if link else None
    assert seen == [f"order-{number}" for number in range(5)]
