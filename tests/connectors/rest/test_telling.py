"""Telling with settings alone: keys, look-ups, batches, and answers that mean something else here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onhand.domain.outcome import Rejected, Throttled
from onhand.sdk.connector import StockUpdate
from tests.connectors.rest.partner import command, facing


def operation(grammar: Any = None, **fields: Any) -> dict[str, Any]:
    request = {"method": "POST", "path": "/orders", "headers": {"Idempotency-Key": "{key}"}}
    return {"operations": {"order.create": {"request": request, "grammar": grammar or {}, **fields}}}


async def test_a_command_carries_its_body_as_it_is_and_its_key(tmp_path: Path) -> None:
    async with facing(lambda *_: {}, operation(), folder=tmp_path) as (partner, connector):
        await connector.send("order.create", [command({"price": 19.9, "n": 2}, key="order/7")])
    assert json.loads(partner.last.body) == {"price": 19.9, "n": 2}
    assert partner.last.headers["idempotency-key"] == "order/7"
    assert partner.last.headers["content-type"] == "application/json"


async def test_a_body_of_the_settings_takes_values_with_their_kind(tmp_path: Path) -> None:
    body = {
        "ref": "{order.number}",
        "n": "{lines.0.quantity}",
        "said": "no. {order.number}!",
        "all": "{lines}",
        "none": "{x}",
    }
    request = {"method": "PUT", "path": "/o", "body": body}
    settings = {"operations": {"order.create": {"request": request}}}
    async with facing(lambda *_: {}, settings, folder=tmp_path) as (partner, connector):
        await connector.send("order.create", [command({"order": {"number": "A1"}, "lines": [{"quantity": 3}]})])
    assert json.loads(partner.last.body) == {
        "ref": "A1", "n": 3, "said": "no. A1!", "all": [{"quantity": 3}], "none": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "grammar", "kind"),
    [
        (200, b"{}", {}, "delivered"),
        (204, b"", {}, "delivered"),
        (200, b"<html>busy</html>", {}, "unknown"),
        (200, b'{"errors": ["no stock"]}', {"error": "errors"}, "rejected"),
        (200, b'{"errors": []}', {"error": "errors"}, "delivered"),
        (409, b"{}", {}, "transient"),
        (409, b"{}", {"statuses": {"409": "delivered"}}, "delivered"),
        (404, b"{}", {"statuses": {"404": "transient"}}, "transient"),
        (400, b"{}", {"statuses": {"400": "throttled"}}, "throttled"),
        (503, b"{}", {"statuses": {"503": "rejected"}}, "rejected"),
    ],
)
async def test_what_an_answer_means(status: int, body: bytes, grammar: Any, kind: str, tmp_path: Path) -> None:
    def answer(*_: object) -> web.Response:
        return web.Response(status=status, body=body)

    async with facing(answer, operation(grammar), folder=tmp_path) as (_, connector):
        (outcome,) = await connector.send("order.create", [command({})])
    assert outcome.kind == kind


async def test_a_refusal_has_the_partners_words_and_a_wait_its_time(tmp_path: Path) -> None:
    def refuse(*_: object) -> web.Response:
        return web.json_response({"error": {"message": "unknown sku"}}, status=422)

    async with facing(refuse, operation({"reason": "error.message"}), folder=tmp_path) as (_, connector):
        (outcome,) = await connector.send("order.create", [command({})])
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "unknown sku"

    def busy(*_: object) -> web.Response:
        return web.Response(status=420, headers={"retry-after": "9"})

    async with facing(busy, operation({"statuses": {"420": "throttled"}}), folder=tmp_path) as (_, connector):
        (outcome,) = await connector.send("order.create", [command({})])
    assert isinstance(outcome, Throttled)


async def test_a_lost_answer_is_looked_up_before_it_is_said_again(tmp_path: Path) -> None:
    made: list[str] = []

    def answer(request: web.Request, body: bytes) -> Any:
        if request.method == "GET":
            return {"found": [each for each in made if each == request.query["ref"]]}
        made.append(json.loads(body)["number"])
        return {}

    lookup = {"path": "/orders", "query": {"ref": "{number}"}}
    settings = operation(lookup=lookup, found="found")
    async with facing(answer, settings, folder=tmp_path) as (partner, connector):
        for verify in (False, True, True):
            (outcome,) = await connector.send("order.create", [command({"number": "A1"}, verify=verify)])
            assert outcome.kind == "delivered"
        assert made == ["A1"]
        (outcome,) = await connector.send("order.create", [command({"number": "A2"}, verify=True)])
        assert made == ["A1", "A2"]
        assert partner.calls == 5


@pytest.mark.parametrize(("status", "kind"), [(503, "transient"), (401, "unauthorised"), (400, "unknown")])
async def test_a_look_up_that_fails_sends_nothing(status: int, kind: str, tmp_path: Path) -> None:
    def answer(request: web.Request, _body: bytes) -> Any:
        return web.Response(status=status) if request.method == "GET" else {}

    settings = operation(lookup={"path": "/orders"})
    async with facing(answer, settings, folder=tmp_path) as (partner, connector):
        (outcome,) = await connector.send("order.create", [command({}, verify=True)])
    assert outcome.kind == kind
    assert [each.method for each in partner.heard] == ["GET"]


def updates(*pairs: tuple[str, int]) -> list[StockUpdate]:
    return [StockUpdate(listing=name, sku=name, quantity=n, location="A") for name, n in pairs]


async def test_numbers_go_one_by_one_where_there_is_no_line(tmp_path: Path) -> None:
    request = {"method": "PUT", "path": "/stock/{listing}", "body": {"n": "{quantity}", "at": "{location}"}}
    async with facing(lambda *_: {}, {"publish": {"request": request}}, folder=tmp_path) as (partner, connector):
        outcomes = await connector.publish(updates(("a/b", 3), ("c", 0)), key="k")
    assert [each.kind for each in outcomes] == ["delivered", "delivered"]
    assert [each.path for each in partner.heard] == ["/api/stock/a%2Fb", "/api/stock/c"]
    assert json.loads(partner.heard[1].body) == {"n": 0, "at": "A"}


BATCH = {
    "publish": {
        "request": {"method": "PUT", "path": "/stock", "headers": {"X-Key": "{key}"}, "body": {"lines": "{lines}"}},
        "line": {"sku": "{listing}", "n": "{quantity}"},
        "results": "results",
        "result_listing": "sku",
        "result_error": "why",
    }
}


async def test_a_batch_is_told_apart_and_what_is_not_spoken_of_is_not_known(tmp_path: Path) -> None:
    answer = {"results": [{"sku": "a"}, {"sku": "b", "why": "not listed"}]}
    async with facing(lambda *_: answer, BATCH, folder=tmp_path) as (partner, connector):
        outcomes = await connector.publish(updates(("a", 1), ("b", 2), ("c", 3)), key="k-9")
    assert [each.kind for each in outcomes] == ["delivered", "rejected", "unknown"]
    assert json.loads(partner.last.body) == {
        "lines": [{"sku": name, "n": n} for name, n in (("a", 1), ("b", 2), ("c", 3))]
    }
    assert (partner.calls, partner.last.headers["x-key"]) == (1, "k-9")


async def test_numbers_are_read_back_at_once_or_one_by_one(tmp_path: Path) -> None:
    at_once = {
        "read_back": {"request": {"path": "/s", "query": {"skus": "{listings}"}}, "listing": "sku", "quantity": "n"}
    }
    rows = [{"sku": "a", "n": 5}, {"sku": "b", "n": 2.0}, {"sku": "d", "n": 1.5}]
    async with facing(lambda *_: rows, at_once, folder=tmp_path) as (partner, connector):
        shown = await connector.read_back([("a", None), ("b", None), ("c", None), ("d", None)])
        assert "skus=a%2Cb%2Cc%2Cd" in partner.last.path
    assert [each.quantity for each in shown] == [5, 2, None, None]

    def one(request: web.Request, _body: bytes) -> Any:
        return web.Response(status=404) if request.path.endswith("c") else {"quantity": 7}

    each = {"read_back": {"request": {"path": "/s/{listing}"}, "one_by_one": True}}
    async with facing(one, each, folder=tmp_path) as (_, connector):
        assert [s.quantity for s in await connector.read_back([("a", None), ("c", None)])] == [7, None]
