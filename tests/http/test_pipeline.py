"""What every request goes through: keys and scopes, ids, rates, lanes, problems, and a stop that drops nothing."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import Any

import pytest

from onhand.http import areas
from onhand.http.operation import Operation
from onhand.http.rate import Buckets
from tests.http.conftest import Caller, Serving, order, receipt
from tests.http.stand_in import StandIn

SCOPED = [each for each in areas.operations() if each.scope]


def path_of(operation: Operation) -> str:
    return re.sub(r"\{\w+\}", "1", operation.path)


@pytest.mark.parametrize("operation", SCOPED, ids=lambda each: each.id)
async def test_each_operation_needs_a_key_with_its_own_scope(call: Caller, hub: StandIn, operation: Operation) -> None:
    path = path_of(operation)
    without = await call(operation.method, path, key=None)
    assert (without.status, without.problem) == (401, "unauthorised")
    assert without.headers["WWW-Authenticate"] == 'Bearer realm="onhand"'
    assert (await call(operation.method, path, key="ohk_unknown")).status == 401
    other = hub.keys.add("ohk_other", *({"stock:read", "events:read", "promises:read"} - {operation.scope}))
    refused = await call(operation.method, path, key=other)
    assert (refused.status, refused.problem, refused.json["scope"]) == (403, "forbidden", operation.scope)
    assert hub.calls == []
    right = hub.keys.add("ohk_right", str(operation.scope))
    assert (await call(operation.method, path, key=right)).status not in {401, 403, 500}


@pytest.mark.parametrize("header", ["Basic dXNlcjpwdw==", "Bearer", "ohk_admin", "Bearer ÿ"])
async def test_other_authorisations_are_refused(call: Caller, header: str) -> None:
    answered = await call.get("/v1/items", key=None, headers={"Authorization": header})
    assert (answered.status, answered.problem) == (401, "unauthorised")


async def test_wrong_keys_from_one_address_are_slowed_down_and_right_ones_are_not(call: Caller) -> None:
    statuses = [(await call.get("/v1/items", key=f"ohk_{number}")).status for number in range(60)]
    assert statuses[0] == 401
    assert 429 in statuses, "a slow machine lets one through now and then, but not all of them"
    assert (await call.get("/v1/items")).status == 200


async def test_a_sane_request_id_is_kept_and_any_other_replaced(call: Caller) -> None:
    kept = await call.get("/v1/nowhere", headers={"X-Request-Id": "my-id:1"})
    assert kept.headers["X-Request-Id"] == "my-id:1"
    assert kept.json["instance"] == "urn:onhand:request:my-id:1"
    for bad in ("", "a b", "x" * 200, "ü"):
        made = (await call.get("/healthz", headers={"X-Request-Id": bad})).headers["X-Request-Id"]
        assert re.fullmatch(r"req_[0-9a-f]+", made)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "route_not_found"),
        ("GET", "/v1/items/a/../../x%00", 400, "invalid_parameter"),
        ("DELETE", "/v1/reservations", 405, "method_not_allowed"),
        ("PUT", "/v1/reservations/res_1", 405, "method_not_allowed"),
        ("GET", "/v1/quarantine/release", 405, "method_not_allowed"),
        ("TRACE", "/v1/items", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_told_as_a_problem(
    call: Caller, method: str, path: str, status: int, code: str
) -> None:
    answered = await call(method, path)
    assert (answered.status, answered.problem) == (status, code)
    if status == 405:
        assert answered.headers["Allow"]


async def test_a_405_names_the_hot_methods_too(call: Caller) -> None:
    answered = await call("DELETE", "/v1/reservations")
    assert {"GET", "POST"} <= set(answered.headers["Allow"].split(", "))


async def test_head_answers_like_get_without_a_body(call: Caller) -> None:
    answered = await call("HEAD", "/v1/items")
    assert (answered.status, answered.body) == (200, b"")
    assert int(answered.headers["Content-Length"]) > 0


async def test_a_defect_is_a_500_without_its_insides(call: Caller, hub: StandIn) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("postgresql://user:secret@db/onhand fell over")

    hub.reserve = broken  # type: ignore[assignment,method-assign]
    answered = await call.post("/v1/reservations", order())
    assert (answered.status, answered.problem) == (500, "internal_error")
    assert b"secret" not in answered.body
    assert b"RuntimeError" not in answered.body


async def test_a_client_is_held_to_its_rate_and_told_what_is_left(server: Serving, hub: StandIn) -> None:
    other = hub.keys.add("ohk_other", "stock:read")
    async with server(rate_per_s=0.5, rate_burst=2) as call:
        first = await call.get("/v1/items")
        assert first.headers["RateLimit-Policy"] == '"client";q=2;w=4'
        assert first.headers["RateLimit"] == '"client";r=1;t=2'
        assert (await call.get("/v1/items")).status == 200
        refused = await call.get("/v1/items")
        assert (refused.status, refused.problem) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == str(refused.json["retry_after_s"])
        assert (await call.get("/v1/items", key=other)).status == 200


def test_a_bucket_refills_with_time_and_never_beyond_its_burst() -> None:
    now = 0.0
    buckets = Buckets(per_s=10, burst=3, clock=lambda: now)
    for _ in range(3):
        buckets.take("a")
    now = 100.0
    assert buckets.take("a")[1][1] == b'"client";r=2;t=1'


def test_no_rate_means_no_limit_and_no_headers() -> None:
    buckets = Buckets(per_s=0, burst=1)
    assert [buckets.take("a") for _ in range(100)] == [[]] * 100


async def hold(call: Caller, hub: StandIn, count: int) -> list[asyncio.Task[Any]]:
    """Requests that are in flight until the gate opens."""
    hub.gate = asyncio.Event()
    tasks = [
        asyncio.create_task(call.post("/v1/reservations", order(f"held-{number}", quantity=1)))
        for number in range(count)
    ]
    while hub.calls.count("reserve") < count:
        await asyncio.sleep(0)
    return tasks


async def test_load_is_shed_in_order_and_reservations_are_never_refused(server: Serving, hub: StandIn) -> None:
    requests = {
        "analytics": ("GET", "/v1/movements", None),
        "feeds": ("POST", "/v1/events", receipt()),
        "reads": ("GET", "/v1/availability?channel=web&sku=TEA-001", None),
    }
    async with server(analytics_in_flight_max=1, feeds_in_flight_max=2, reads_in_flight_max=3) as call:
        for held, open_lanes in ((1, {"feeds", "reads"}), (2, {"reads"}), (3, set[str]())):
            tasks = await hold(call, hub, held)
            gate, hub.gate = hub.gate, None
            for lane, (method, path, body) in requests.items():
                answered = await call(method, path, json=body) if body else await call(method, path)
                if lane in open_lanes:
                    assert answered.status == 200
                else:
                    assert (answered.status, answered.problem, answered.json["lane"]) == (503, "overloaded", lane)
                    assert answered.headers["Retry-After"] == "1"
            assert (await call.post("/v1/reservations", order(f"free-{held}", quantity=1))).status == 201
            assert (await call.get("/healthz")).status == 200
            assert gate is not None
            gate.set()
            assert {task.status for task in await asyncio.gather(*tasks)} == {201}
            hub.calls.clear()
            hub.reserved.clear()
            hub.stock["TEA-001"] = 10


async def test_bodies_of_feeds_are_bounded_together(server: Serving, hub: StandIn) -> None:
    async with server(bodies_bytes_max=1_000) as call:
        hub.gate = asyncio.Event()
        first = asyncio.create_task(call.post("/v1/events", [receipt(str(number)) for number in range(9)]))
        while not hub.calls:
            await asyncio.sleep(0)
        gate, hub.gate = hub.gate, None
        assert (await call.post("/v1/events", receipt("x"))).problem == "overloaded"
        gate.set()
        assert (await first).status == 200
        assert (await call.post("/v1/events", receipt("x"))).status == 200


async def test_a_stopping_node_finishes_what_is_in_flight_and_refuses_what_is_new(call: Caller, hub: StandIn) -> None:
    tasks = await hold(call, hub, 1)
    call.running.stop()
    refused = await call.post("/v1/reservations", order("late"))
    assert (refused.status, refused.problem, refused.headers["Retry-After"]) == (503, "stopping", "1")
    assert refused.headers["Connection"] == "close"
    assert (await call.get("/readyz")).status == 503
    assert (await call.get("/healthz")).status == 200
    assert hub.gate is not None
    hub.gate.set()
    assert (await tasks[0]).status == 201
    await call.running.stopped()
    assert hub.calls == ["reserve"]


async def test_sigterm_begins_the_stop(server: Serving, hub: StandIn) -> None:
    async with server() as call:
        call.running._server.handle_exit(signal.SIGTERM, None)
        await call.running.stopped()


async def test_readiness_tells_what_the_hub_tells(call: Caller, hub: StandIn) -> None:
    assert (await call.get("/readyz")).json == {"status": "ready", "database": "ok"}
    hub.is_ready = {"ready": False, "database": "unreachable"}
    away = await call.get("/readyz", key=None)
    assert (away.status, away.json) == (503, {"status": "not_ready", "database": "unreachable"})


async def test_metrics_have_templates_for_labels_never_paths(call: Caller) -> None:
    await call.get("/v1/items/SECRET-SKU-%F0%9F%AB%96")
    await call.get("/nowhere/at/all")
    await call.post("/v1/reservations", order(quantity=99))
    text = (await call.get("/metrics", key=None)).body.decode()
    assert 'onhand_http_requests_total{method="GET",outcome="4xx",route="/v1/items/{sku}"}' in text
    assert 'onhand_http_requests_total{method="other",outcome="4xx",route="(none)"}' in text
    assert 'onhand_reservations_total{outcome="refused"}' in text
    assert "SECRET" not in text
    assert "nowhere" not in text


async def test_metrics_can_be_closed(server: Serving, hub: StandIn) -> None:
    async with server(metrics_open=False) as call:
        assert (await call.get("/metrics", key=None)).status == 401
        assert (await call.get("/metrics", key=hub.keys.add("ohk_reader", "stock:read"))).status == 403
        assert (await call.get("/metrics")).status == 200
