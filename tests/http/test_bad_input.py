"""Bad input: a clear error, never a 500, nothing half done. The cases are those that people and fuzzers send."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from tests.http.conftest import Caller, Serving, order, receipt
from tests.http.stand_in import ADMIN_KEY, StandIn

LINE = b'{"sku": "TEA-001", "quantity": 1}'


def raw(line: bytes = LINE, more: bytes = b"") -> bytes:
    return b'{"request_id": "r", "channel": "web", "lines": [' + line + b"]" + more + b"}"


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b"", 422, "invalid_input", ""),
        (b"{", 400, "malformed_json", None),
        (b"[]", 422, "invalid_input", ""),
        (b"null", 422, "invalid_input", ""),
        (b"\xff\xfe{}", 400, "invalid_utf8", None),
        (raw(b'{"sku": "A\\u0000B", "quantity": 1}'), 422, "forbidden_character", "/lines/0/sku"),
        (raw(b'{"sku": "A\x00B", "quantity": 1}'), 400, "malformed_json", None),
        (raw(b'{"sku": "A\\nB", "quantity": 1}'), 422, "invalid_input", "/lines/0/sku"),
        (raw(b'{"sku": "A", "quantity": NaN}'), 400, "malformed_json", None),
        (raw(b'{"sku": "A", "quantity": Infinity}'), 400, "malformed_json", None),
        (raw(b'{"sku": "A", "quantity": 1' + b"0" * 30 + b"}"), 422, "number_out_of_range", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": 1e30}'), 422, "number_out_of_range", None),
        (raw(b'{"sku": "A", "quantity": 1e999999999}'), 422, "number_out_of_range", None),
        (raw(b'{"sku": "A", "quantity": 0}'), 422, "invalid_input", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": -1}'), 422, "invalid_input", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": 1.5}'), 422, "invalid_input", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": "3"}'), 422, "invalid_input", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": true}'), 422, "invalid_input", "/lines/0/quantity"),
        (raw(b'{"sku": "A", "quantity": 1, "quantity": 2}'), 400, "duplicate_key", None),
        (raw(b'{"sku": "", "quantity": 1}'), 422, "invalid_input", "/lines/0/sku"),
        (raw(LINE + b"," + LINE + b', {"sku": "B"}'), 422, "invalid_input", "/lines/2"),
        (raw(LINE + b', {"sku": "B", "quantity": 1, "qty": 2}'), 422, "invalid_input", "/lines/1/qty"),
        (raw(b""), 422, "invalid_input", "/lines"),
        (raw(more=b', "expires_at": "0001-01-01T00:00:00+14:00"'), 422, "invalid_input", "/expires_at"),
        (raw(more=b', "expires_at": "2026-12-01T10:00:00"'), 422, "invalid_input", "/expires_at"),
        (raw(more=b', "expires_at": "2026-12-01T10:00:00+99:00"'), 422, "invalid_input", "/expires_at"),
        (raw(more=b', "expires_at": "2026-02-30T10:00:00Z"'), 422, "invalid_input", "/expires_at"),
        (raw(more=b', "expires_in_s": 0'), 422, "invalid_input", "/expires_in_s"),
        (raw(more=b', "expires_in_s": 99999999999'), 422, "invalid_input", "/expires_in_s"),
        (raw(more=b', "mode": "some"'), 422, "invalid_input", "/mode"),
        (raw(more=b', "colour": "red"'), 422, "invalid_input", "/colour"),
        (raw(more=b', "x": ' + b"[" * 5_000 + b"]" * 5_000), 400, "too_deep", None),
        (raw(b",".join([LINE] * 1_001)), 422, "invalid_input", "/lines"),
        (raw(b",".join([LINE] * 100_000)), 413, "payload_too_large", None),
    ],
)  # fmt: skip
async def test_a_bad_reservation_is_refused_with_a_pointer(
    call: Caller, hub: StandIn, body: bytes, status: int, code: str, pointer: str | None
) -> None:
    answered = await call.post("/v1/reservations", body)
    assert (answered.status, answered.problem) == (status, code), answered.body[:400]
    if pointer is not None:
        assert answered.json["pointer"] == pointer
    assert hub.calls == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1066-10-14T09:00:00Z"])
async def test_moments_off_the_calendar_are_refused_wherever_they_are_taken(call: Caller, moment: str) -> None:
    await call.post("/v1/reservations", order())
    answers = [
        await call.post("/v1/reservations", order("r2", expires_at=moment)),
        await call.post("/v1/reservations/res_1/extend", {"expires_at": moment}),
        await call.post("/v1/reservations/res_1/fulfil", {"occurred_at": moment}),
        await call.post("/v1/keys", {"client": "c", "scopes": ["stock:read"], "expires_at": moment}),
        await call.post("/v1/reservations", order("r3", ship_date=moment[:10])),
        await call.post("/v1/availability", {"channel": "web", "skus": ["A"], "dates": [moment[:10]]}),
        await call.get(f"/v1/balances?occurred_as_of={moment.replace('+', '%2B')}"),
    ]
    assert [each.problem for each in answers] == ["invalid_input"] * len(answers)


@pytest.mark.parametrize("sku", ["🫖 tea/pot", "tea pot", "ТЕА-001", "a%2Fb", "a//b", "/a", "a+b&c=d#e?f", "é", "."])
async def test_any_printable_sku_survives_body_path_and_query(call: Caller, hub: StandIn, sku: str) -> None:
    hub.stock[sku] = 4
    made = await call.post("/v1/reservations", order(sku=sku, quantity=1))
    assert made.json["lines"][0]["sku"] == sku
    assert (await call.get(f"/v1/items/{quote(sku, safe='')}")).json["sku"] == sku
    answered = await call.get(f"/v1/availability?channel=web&sku={quote(sku, safe='')}")
    assert answered.json["rows"][0] == {"sku": sku, "channel": "web", "quantity": 3}


async def test_skus_that_differ_only_by_case_are_two_skus(call: Caller, hub: StandIn) -> None:
    hub.stock |= {"tea-001": 1}
    await call.post("/v1/reservations", order(sku="tea-001", quantity=1))
    assert hub.stock == {"TEA-001": 10, "tea-001": 0}
    assert (await call.get("/v1/items/Tea-001")).status == 404


async def test_100_mb_declared_are_refused_before_they_are_read(call: Caller, hub: StandIn) -> None:
    body = b'{"request_id": "' + b"x" * 100_000_000 + b'"}'
    for path in ("/v1/reservations", "/v1/events", "/v1/availability", "/v1/keys"):
        answered = await call.post(path, body)
        assert (answered.status, answered.problem) == (413, "payload_too_large")
    assert hub.calls == []
    assert (await call.get("/healthz")).status == 200


async def test_a_chunked_body_is_counted_while_it_comes_in(call: Caller, hub: StandIn) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(400):
            sent += 100_000
            yield b"x" * 100_000

    answered = await call("POST", "/v1/reservations", data=endless())
    assert (answered.status, answered.problem) == (413, "payload_too_large")
    assert hub.calls == []


async def test_a_body_that_trickles_in_times_out(server: Serving, hub: StandIn) -> None:
    async with server(body_timeout_s=0.05) as call:
        never = asyncio.Event()

        async def slow() -> Any:
            yield b'{"request_id"'
            await never.wait()

        answered = await call("POST", "/v1/reservations", data=slow())
        assert (answered.status, answered.problem) == (408, "request_timeout")
    assert hub.calls == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(call: Caller, hub: StandIn) -> None:
    host, port = call.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /v1/reservations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\nContent-Length: 999\r\n\r\n"
    )
    writer.write(head.encode() + b'{"request_id": "r"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await call.get("/healthz")).status == 200
    assert hub.calls == []


async def test_gzip_bodies_are_read(call: Caller) -> None:
    body = gzip.compress(msgspec.json.encode(order()))
    answered = await call.post("/v1/reservations", body, headers={"Content-Encoding": "gzip"})
    assert answered.status == 201


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (gzip.compress(b" " * 50_000_000, mtime=0), "gzip", 413, "payload_too_large"),
        (b"not gzip", "gzip", 400, "broken_encoding"),
        (gzip.compress(b"{}", mtime=0)[:-3], "gzip", 400, "broken_encoding"),
        (gzip.compress(b"{}", mtime=0) + b"x", "gzip", 400, "broken_encoding"),
        (b"{}", "br", 415, "media_type_not_read"),
        (b"{}", "gzip, gzip", 415, "media_type_not_read"),
    ],
)
async def test_other_encodings_are_refused(call: Caller, body: bytes, encoding: str, status: int, code: str) -> None:
    answered = await call.post("/v1/reservations", body, headers={"Content-Encoding": encoding})
    assert (answered.status, answered.problem) == (status, code)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=latin-1", "multipart/form-data"]
)
async def test_other_content_types_answer_415(call: Caller, content_type: str) -> None:
    answered = await call.post("/v1/reservations", msgspec.json.encode(order()), headers={"Content-Type": content_type})
    assert (answered.status, answered.problem) == (415, "media_type_not_read")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"),
        ("limit=5&limit=6", "limit"), ("skus=A", "skus"), ("sku=%FF", "sku"), ("sku=%00", "sku"), ("sku=", "sku"),
        ("occurred_as_of=2026-01-01T00:00:00", "occurred_as_of"), ("occurred_as_of=yesterday", "occurred_as_of"),
        ("recorded_as_of=0000-01-01T00:00:00Z", "recorded_as_of"), ("%E2%82=1", "query"),
    ],
)  # fmt: skip
async def test_a_bad_query_is_refused_by_name(call: Caller, hub: StandIn, query: str, parameter: str) -> None:
    answered = await call.get(f"/v1/balances?{query}")
    assert (answered.status, answered.problem, answered.json["parameter"]) == (400, "invalid_parameter", parameter)
    assert hub.calls == []


@pytest.mark.parametrize("header", ['""', '"a', 'a"b', "x" * 201, '"' + "x" * 201 + '"', "a b", '"a", "b"'])
async def test_a_bad_idempotency_key_is_refused(call: Caller, header: str) -> None:
    answered = await call.post("/v1/reservations", order(), headers={"Idempotency-Key": header})
    assert (answered.status, answered.problem) == (400, "invalid_idempotency_key")


async def raw_exchange(call: Caller, data: bytes) -> bytes:
    host, port = call.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /v1/items?query=" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414", b"uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"x" * 200_000 + b"\r\n\r\n", b"431", b"headers_too_large"),
        (b"NONSENSE\r\n\r\n", b"400", b"malformed_request"),
        (b"GET /v1/items/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"400", b"malformed_request"),
        (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"400", b"malformed_request"),
    ],
)
async def test_what_is_not_http_is_told_as_a_problem_too(call: Caller, data: bytes, status: bytes, code: bytes) -> None:
    answered = await raw_exchange(call, data)
    assert answered.startswith(b"HTTP/1.1 " + status), answered[:200]
    assert b"application/problem+json" in answered
    assert b'"code":"' + code in answered


async def test_a_head_that_trickles_in_is_cut_off(server: Serving) -> None:
    async with server(head_timeout_s=0.05) as call:
        assert (await raw_exchange(call, b"GET /healthz HTTP/1.1\r\nHost:")).startswith(b"HTTP/1.1 408")
        assert await raw_exchange(call, b"") == b""


async def test_an_event_with_bad_data_is_rejected_and_the_others_are_not(call: Caller, hub: StandIn) -> None:
    bad = [receipt("b1", quantity=0), receipt("b2", quantity=10**13), receipt("b3", time="2026-13-01T00:00:00Z"),
           receipt("b4", time="2026-11-23T08:00:00"), receipt("b5", sku="A\u0000B"),
           {**receipt("b6"), "type": "no.such"}, "not an event", 7]  # fmt: skip
    answered = await call.post("/v1/events", [receipt("good"), *bad])
    assert answered.status == 207, answered.body
    outcomes = [each["outcome"] for each in answered.json["results"]]
    assert outcomes == ["applied"] + ["rejected"] * len(bad)
    assert answered.json["counts"] == {"applied": 1, "rejected": len(bad)}
    assert hub.stock["TEA-001"] == 15


async def test_more_than_10_000_events_are_refused_whole(call: Caller, hub: StandIn) -> None:
    answered = await call.post("/v1/events", [receipt(str(number)) for number in range(10_001)])
    assert 400 <= answered.status < 500
    assert answered.problem
    assert hub.calls == []


async def test_a_closed_connection_in_mid_answer_is_no_error_of_ours(call: Caller) -> None:
    async with aiohttp.ClientSession() as session:
        response = await session.get(call.url + "/openapi.json")
        response.close()
    assert (await call.get("/healthz")).status == 200
