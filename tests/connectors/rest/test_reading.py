"""Reading with settings alone: every way of paging, exact bodies, cursors that cannot skip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onhand.sdk.connector import Connector, Message, NotClaimed, ReadFailed
from tests.connectors.rest.partner import Answers, facing


def stream(**fields: Any) -> dict[str, Any]:
    orders = {"request": {"path": "/orders", "query": {"since": "{cursor}", "limit": "{limit}", "page": "{page}"}},
              "key": ["id", "at"], "cursor": {"field": "at", "overlap": 60}, **fields}  # fmt: skip
    return {"streams": {"orders": orders}}


async def all_of(
    connector: Connector, cursor: str | None = None, *, limit: int = 3
) -> tuple[list[Message], str | None]:
    found: list[Message] = []
    for _ in range(50):
        page = await connector.read("orders", cursor, limit=limit)
        found += page.messages
        cursor = page.cursor
        if not page.more:
            return found, cursor
    raise AssertionError("it does not end")


def row(number: int, minute: int = 0) -> dict[str, Any]:
    return {"id": number, "at": f"2026-03-02T10:{minute:02d}:{number:02d}Z"}


def sorted_pages(rows: list[dict[str, Any]]) -> Answers:
    """A partner that filters by time, sorts by it and counts pages."""

    def answer(request: web.Request, _body: bytes) -> Any:
        since = request.query.get("since") or "2000-01-01T00:00:00Z"
        found = [each for each in rows if datetime.fromisoformat(each["at"]) >= datetime.fromisoformat(since)]
        found.sort(key=lambda each: str(each["at"]))
        limit = int(request.query["limit"])
        begin = (int(request.query["page"]) - 1) * limit
        return found[begin : begin + limit]

    return answer


async def test_a_thing_that_moves_while_pages_are_read_takes_no_other_with_it(tmp_path: Path) -> None:
    """Counted pages shift when a thing of an earlier page changes: the first of the next page would be skipped."""
    rows = [row(n) for n in range(1, 8)]
    settings = stream(paging={"style": "page", "sorted": True})
    async with facing(sorted_pages(rows), settings, folder=tmp_path) as (_, connector):
        first = await connector.read("orders", None, limit=3)
        rows[0]["at"] = "2026-03-02T11:00:00Z"
        rest, _ = await all_of(connector, first.cursor)
    assert {json.loads(each.body)["id"] for each in [*first.messages, *rest]} == {1, 2, 3, 4, 5, 6, 7}


async def test_many_things_of_one_time_are_read_through(tmp_path: Path) -> None:
    rows = [{"id": n, "at": "2026-03-02T10:00:00Z"} for n in range(10)]
    settings = stream(paging={"style": "page", "sorted": True})
    async with facing(sorted_pages(rows), settings, folder=tmp_path) as (_, connector):
        found, _ = await all_of(connector)
    assert len({each.key for each in found}) == 10


@pytest.mark.parametrize(
    ("form", "values", "back"),
    [("number", [5, 9], "3"), ("epoch_s", [1000, 2000], "1940"), ("epoch_ms", [1_000_000, 2_000_000], "1940000")],
)
async def test_the_next_reading_begins_before_the_newest_by_the_overlap(
    form: str, values: list[int], back: str, tmp_path: Path
) -> None:
    rows = [{"id": n, "at": value} for n, value in enumerate(values)]
    overlap = 6 if form == "number" else 60
    settings = stream(cursor={"field": "at", "form": form, "overlap": overlap})
    async with facing(lambda *_: rows, settings, folder=tmp_path) as (partner, connector):
        _, cursor = await all_of(connector, limit=100)
        await connector.read("orders", cursor, limit=100)
        assert f"since={back}" in partner.last.path


async def test_bodies_stay_as_the_partner_wrote_them(tmp_path: Path) -> None:
    written = b'{"data": {"rows": [{"id": 1, "at": "2026-03-02T10:00:00Z", "price": 19.90, "odd":  1e2}]}}'
    async with facing(lambda *_: written, stream(items="data.rows"), folder=tmp_path) as (_, connector):
        (message,) = (await connector.read("orders", None, limit=10)).messages
    assert message.body == b'{"id": 1, "at": "2026-03-02T10:00:00Z", "price": 19.90, "odd":  1e2}'
    assert message.key == "1:2026-03-02T10\\:00\\:00Z"


async def test_tokens_and_links_lead_from_page_to_page(tmp_path: Path) -> None:
    def by_token(request: web.Request, _body: bytes) -> Any:
        at = int(request.query.get("t") or 0)
        return {"rows": [row(at + 1)], "meta": {"next": str(at + 1) if at < 4 else None}}

    settings = stream(items="rows", paging={"style": "token", "token": "meta.next"},
                      request={"path": "/orders", "query": {"t": "{token}"}})  # fmt: skip
    async with facing(by_token, settings, folder=tmp_path) as (_, connector):
        assert len((await all_of(connector))[0]) == 5

    def by_link(request: web.Request, _body: bytes) -> Any:
        at = int(request.query.get("p") or 0)
        there = f'<http://{request.host}/api/orders?p={at + 1}>; rel="next"' if at < 4 else '</api/orders>; rel="first"'
        return web.json_response([row(at + 1)], headers={"link": there})

    async with facing(by_link, stream(paging={"style": "link"}), folder=tmp_path) as (_, connector):
        assert len((await all_of(connector))[0]) == 5


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/api/orders", "/other/orders", "/api/../admin", "//evil/api/x"]
)
async def test_a_next_page_outside_the_endpoint_is_not_asked_for(target: str, tmp_path: Path) -> None:
    def answer(*_: object) -> Any:
        return web.json_response([row(1)], headers={"link": f'<{target}>; rel="next"'})

    async with facing(answer, stream(paging={"style": "link"}), folder=tmp_path) as (partner, connector):
        with pytest.raises(ReadFailed):
            await connector.read("orders", None, limit=1)
        assert partner.calls == 1


@pytest.mark.parametrize(
    ("answer", "settings"),
    [
        (b"<html>", {}),
        (b'{"rows": 5}', {"items": "rows"}),
        (b'[{"id": 1}]', {}),
        (b'[{"at": "2026-03-02T10:00:00Z"}]', {}),
        (b'[{"id": 1, "at": "2026-03-02T10:00:00"}]', {}),
        (b'[{"id": 1, "at": "yesterday"}]', {}),
        (b"[" * 50_000, {}),
    ],
    ids=["no JSON", "no list", "no cursor", "no key", "no zone", "no time", "too deep"],
)
async def test_an_answer_that_is_not_as_the_settings_say_moves_nothing(
    answer: bytes, settings: Mapping[str, Any], tmp_path: Path
) -> None:
    async with facing(lambda *_: answer, stream(**settings), folder=tmp_path) as (_, connector):
        with pytest.raises(ReadFailed):
            await connector.read("orders", None, limit=10)


async def test_a_snapshot_names_one_cut_off_on_all_its_pages(tmp_path: Path) -> None:
    def answer(request: web.Request, _body: bytes) -> Any:
        page = int(request.query["page"])
        return {
            "as_of": f"2026-03-02T10:00:0{page}Z",
            "rows": [{"sku": f"{page}-{n}"} for n in range(2 if page < 3 else 1)],
        }

    asked = {"path": "/stock", "query": {"page": "{page}"}}
    settings = {"streams": {"stock": {"request": asked, "items": "rows", "key": ["sku"], "as_of": "as_of",
                                      "paging": {"style": "page"}}}}  # fmt: skip
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        cursor, times = None, []
        for _ in range(3):
            page = await connector.read("stock", cursor, limit=2)
            times.append(page.snapshot_as_of)
            cursor = page.cursor
    assert len(set(times)) == 1
    assert str(times[0]) == "2026-03-02 10:00:01+00:00"


async def test_what_the_settings_do_not_describe_is_not_done(tmp_path: Path) -> None:
    async with facing(lambda *_: [], {}, folder=tmp_path) as (_, connector):
        with pytest.raises(NotClaimed):
            await connector.read("orders", None, limit=1)
        with pytest.raises(NotClaimed):
            await connector.send("order.create", ())
        with pytest.raises(NotClaimed):
            await connector.read_back([("a", None)])
