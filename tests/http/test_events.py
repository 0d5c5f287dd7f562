"""Sending facts over HTTP, in each of the ways in which partners send them, and reading them back."""

from __future__ import annotations

import msgspec
import pytest

from tests.http.conftest import Caller, receipt
from tests.http.stand_in import StandIn

APPLIED = {"results": [{"source": "wms", "id": "GR-1", "outcome": "applied"}], "counts": {"applied": 1}}


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/cloudevents+json", "application/cloudevents+json; charset=utf-8"]
)
async def test_one_event_is_read_from_an_object(call: Caller, hub: StandIn, content_type: str) -> None:
    answered = await call.post("/v1/events", receipt(), headers={"Content-Type": content_type})
    assert (answered.status, answered.json) == (200, APPLIED)
    assert hub.stock["TEA-001"] == 15


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents-batch+json"])
async def test_a_batch_is_read_from_an_array(call: Caller, hub: StandIn, content_type: str) -> None:
    batch = [receipt("a"), receipt("b"), receipt("a")]
    answered = await call.post("/v1/events", batch, headers={"Content-Type": content_type})
    assert [each["outcome"] for each in answered.json["results"]] == ["applied", "applied", "duplicate"]
    assert answered.json["counts"] == {"applied": 2, "duplicate": 1}
    assert hub.stock["TEA-001"] == 20


async def test_binary_mode_reads_the_attributes_from_headers(call: Caller) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "GR-1", "ce-source": "wms", "ce-type": "receipt.posted"}
    answered = await call.post("/v1/events", receipt()["data"], headers=headers)
    assert (answered.status, answered.json) == (200, APPLIED)


async def test_an_event_sent_twice_counts_once(call: Caller, hub: StandIn) -> None:
    await call.post("/v1/events", receipt())
    again = await call.post("/v1/events", receipt())
    assert again.json["results"][0]["outcome"] == "duplicate"
    assert hub.stock["TEA-001"] == 15


async def test_an_empty_batch_is_accepted(call: Caller) -> None:
    answered = await call.post("/v1/events", b"[]")
    assert (answered.status, answered.json) == (200, {"results": [], "counts": {}})


async def test_some_rejected_answer_207_and_all_rejected_a_problem(call: Caller) -> None:
    some = await call.post("/v1/events", [receipt(), receipt("b", quantity=0)])
    assert (some.status, some.json["counts"]) == (207, {"applied": 1, "rejected": 1})
    assert some.json["results"][1]["errors"][0]["pointer"].endswith("/lines/0/quantity")
    every = await call.post("/v1/events", receipt("c", quantity=0))
    assert (every.status, every.problem) == (422, "events_rejected")
    assert every.json["results"][0]["errors"][0]["pointer"].endswith("/lines/0/quantity")


async def test_a_fact_that_breaks_a_rule_is_accepted_and_set_aside(call: Caller) -> None:
    answered = await call.post("/v1/events", receipt(sku="NEW"))
    assert answered.status == 200
    assert answered.json["results"][0]["outcome"] == "quarantined"
    listed = await call.get("/v1/quarantine?state=open&reason=unknown_item")
    assert listed.json["rows"][0]["event"]["id"] == "GR-1"
    one = await call.get("/v1/quarantine/1")
    assert one.json["facts"] == {"sku": "NEW"}


async def test_a_fact_set_aside_can_be_released_or_discarded(call: Caller) -> None:
    await call.post("/v1/events", [receipt(str(number), sku="NEW") for number in range(4)])
    assert (await call.post("/v1/quarantine/1/release")).json["counts"] == {"applied": 1}
    assert (await call.post("/v1/quarantine/release", {"ids": [2]})).json["counts"] == {"applied": 1}
    discarded = await call.post("/v1/quarantine/3/discard", {"note": "typed twice"})
    assert (discarded.json["state"], discarded.json["note"]) == ("discarded", "typed twice")
    assert discarded.json["resolved_by"] == "tests"
    assert (await call.post("/v1/quarantine/release", {"reason": "unknown_item"})).json["counts"] == {"applied": 1}
    assert (await call.post("/v1/quarantine/release", {})).json == {"results": [], "counts": {}}
    assert (await call.post("/v1/quarantine/99/release")).status == 404
    assert (await call.get("/v1/quarantine/x")).problem == "invalid_parameter"
    assert (await call.post("/v1/quarantine/3/discard", {})).problem == "invalid_input"


async def test_accepted_events_are_read_back_as_a_feed_and_one_by_one(call: Caller) -> None:
    await call.post("/v1/events", [receipt(str(number), source="https://wms.example/a?b=1") for number in range(3)])
    feed = await call.get("/v1/events?type=receipt.posted&limit=2")
    assert [row["id"] for row in feed.json["rows"]] == ["0", "1"]
    one = await call.get("/v1/events/one?source=https%3A%2F%2Fwms.example%2Fa%3Fb%3D1&id=2")
    assert one.json["seq"] == 3
    assert (await call.get("/v1/events/one?source=wms&id=9")).status == 404


@pytest.mark.parametrize("content_type", ["text/csv", "application/cloudevents+avro", "application/cloudevents+xml"])
async def test_other_formats_of_events_answer_415(call: Caller, content_type: str) -> None:
    answered = await call.post("/v1/events", msgspec.json.encode(receipt()), headers={"Content-Type": content_type})
    assert (answered.status, answered.problem) == (415, "unsupported_media_type")
