"""Answers of partners that are odd: they end, they tell, and they hold up nobody."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onhand.sdk.connector import ReadFailed
from tests.connectors.rest.partner import facing
from tests.connectors.rest.test_reading import all_of, row, sorted_pages, stream


async def test_a_link_header_that_is_odd_does_not_hold_up_the_node(tmp_path: Path) -> None:
    def answer(_request: web.Request, _body: bytes) -> Any:
        return web.Response(body=b"[]", headers={"link": "<>;rel= " * 750})  # 6 kB; 32 kB are allowed

    settings = stream(paging={"style": "link"})
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        begun = time.monotonic()
        await connector.read("orders", None, limit=3)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("end", ["", False])
async def test_an_empty_token_is_the_end(end: Any, tmp_path: Path) -> None:
    def answer(request: web.Request, _body: bytes) -> Any:
        second = request.query.get("token") == "t2"
        return {"items": [row(2 if second else 1)], "next": end if second else "t2"}

    settings = stream(
        items="items",
        paging={"style": "token", "token": "next"},
        request={"path": "/orders", "query": {"token": "{token}"}},
    )
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        found, _ = await all_of(connector)
    assert [json.loads(each.body)["id"] for each in found] == [1, 2]


async def test_one_thing_of_a_time_to_come_hides_no_other(tmp_path: Path) -> None:
    rows = [row(1), {"id": 2, "at": "2099-01-01T00:00:00Z"}]
    settings = stream(paging={"style": "page", "sorted": True})
    async with facing(sorted_pages(rows), settings, folder=tmp_path) as (_, connector):
        _, cursor = await all_of(connector)
        rows.append(row(3, 5))
        found, _ = await all_of(connector, cursor)
    assert 3 in {json.loads(each.body)["id"] for each in found}


@pytest.mark.parametrize(("form", "value"), [("epoch_s", "1e9999999")])
async def test_a_number_beyond_all_is_a_failed_read(form: str, value: str, tmp_path: Path) -> None:
    def answer(_request: web.Request, _body: bytes) -> Any:
        return b'[{"id": 1, "at": "%s"}]' % value.encode()

    settings = stream(cursor={"field": "at", "overlap": 60, "form": form})
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        with pytest.raises(ReadFailed):
            await connector.read("orders", None, limit=3)


async def test_a_date_header_of_no_year_is_none(tmp_path: Path) -> None:
    def answer(_request: web.Request, _body: bytes) -> Any:
        return web.Response(body=b"[]", headers={"date": "Thu, 01 Jan 99999999999 00:00:00 GMT"})

    settings = {"streams": {"orders": {"request": {"path": "/orders"}, "key": ["id"]}}}
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        await connector.read("orders", None, limit=3)
