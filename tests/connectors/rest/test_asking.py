"""How requests prove who asks, and what the connection's check says."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onhand.sdk.secrets import SecretMissing
from tests.connectors.rest.partner import Clock, command, facing, write_secret

CREATE = {"operations": {"order.create": {"request": {"method": "POST", "path": "/orders"}}}}


@pytest.mark.parametrize(
    ("auth", "secret", "header", "value"),
    [
        ({"kind": "bearer"}, "tok", "authorization", "Bearer tok"),
        ({"kind": "bearer"}, {"token": "tok", "webhook_secret": "x"}, "authorization", "Bearer tok"),
        ({"kind": "header", "header": "X-Key", "prefix": "k="}, "tok", "x-key", "k=tok"),
        (
            {"kind": "basic"},
            {"user": "ada", "password": "pw"},
            "authorization",
            "Basic " + base64.b64encode(b"ada:pw").decode(),
        ),
    ],
)
async def test_each_way_of_proving_who_asks(auth: Any, secret: Any, header: str, value: str, tmp_path: Path) -> None:
    async with facing(lambda *_: {}, {"auth": auth, **CREATE}, secret=secret, folder=tmp_path) as (partner, connector):
        await connector.send("order.create", [command({})])
        assert partner.last.headers[header] == value


async def test_a_secret_without_the_member_that_is_needed_is_named_and_not_shown(tmp_path: Path) -> None:
    settings = {"auth": {"kind": "basic"}, **CREATE}
    async with facing(lambda *_: {}, settings, secret={"user": "ada"}, folder=tmp_path) as (_, connector):
        with pytest.raises(SecretMissing, match="password"):
            await connector.send("order.create", [command({})])


class Tokens:
    """A partner with tokens of ten minutes."""

    def __init__(self) -> None:
        self.given = 0
        self.valid = {"token-0"}
        self.key = "s3"

    def __call__(self, request: web.Request, body: bytes) -> Any:
        if request.path == "/api/oauth/token":
            pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            if pair != f"app:{self.key}" or b"grant_type=client_credentials" not in body:
                return web.json_response({"error": "invalid_client"}, status=400)
            self.given += 1
            self.valid = {f"token-{self.given}"}
            return {"access_token": f"token-{self.given}", "expires_in": 600}
        known = request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid
        return {} if known else web.Response(status=401)


async def test_a_token_is_got_once_and_anew_when_it_ends_is_revoked_or_the_secret_changes(tmp_path: Path) -> None:
    partner_of, clock = Tokens(), Clock()
    settings = {"auth": {"kind": "oauth2", "token_path": "/oauth/token", "scope": "a b"}, **CREATE}
    secret = {"client_id": "app", "client_secret": "s3"}
    async with facing(partner_of, settings, secret=secret, folder=tmp_path, clock=clock) as (partner, connector):

        async def kind() -> str:
            (found,) = await connector.send("order.create", [command({})])
            return found.kind

        assert [await kind(), await kind()] == ["delivered", "delivered"]
        assert partner_of.given == 1
        clock.now += timedelta(seconds=580)
        assert (await kind(), partner_of.given) == ("delivered", 2)
        partner_of.valid = set()
        assert (await kind(), partner_of.given) == ("delivered", 3)
        partner_of.key = "new"
        write_secret(tmp_path, {"client_id": "app", "client_secret": "new"})
        assert (await kind(), partner_of.given) == ("delivered", 4)
        write_secret(tmp_path, {"client_id": "app", "client_secret": "wrong"})
        assert await kind() == "unauthorised"
        assert partner.broken == []


async def test_values_cannot_break_out_of_their_place(tmp_path: Path) -> None:
    request = {
        "method": "POST",
        "path": "/o/{number}/x",
        "headers": {"X-Note": "{note}"},
        "query": {"n": "{number}"},
    }
    settings = {"operations": {"order.create": {"request": request}}}
    async with facing(lambda *_: {}, settings, folder=tmp_path) as (partner, connector):
        (outcome,) = await connector.send("order.create", [command({"number": "../a?b=1", "note": "x\r\nX-Evil: 1"})])
    assert outcome.kind == "delivered"
    assert partner.last.path.startswith("/api/o/..%2Fa%3Fb%3D1/x?n=")
    assert "x-evil" not in partner.last.headers


async def test_the_check_asks_for_each_stream_and_names_what_is_forbidden(tmp_path: Path) -> None:
    def answer(request: web.Request, _body: bytes) -> Any:
        return web.Response(status=403) if "secret" in request.path else {"version": "9", "rows": []}

    streams = {name: {"request": {"path": f"/{name}"}, "items": "rows", "key": ["id"]} for name in ("open", "secret")}
    settings = {
        "check": {"path": "/me", "product": "version"},
        "streams": {"orders": streams["open"], "items": streams["secret"]},
    }
    async with facing(answer, settings, folder=tmp_path) as (_, connector):
        found = await connector.check()
    assert (found.state, found.missing, found.partner) == ("under_privileged", ("items",), "9")
