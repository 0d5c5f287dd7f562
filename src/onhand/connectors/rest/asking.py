"""Requests as the settings describe them, with what proves who asks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from onhand.connectors.rest.config import Config, Request
from onhand.connectors.rest.documents import Values, fill, fill_document, text, whole
from onhand.sdk import Answer, Link, Secret, SecretMissing

TOKEN_SPARE_S = 30
"""A token that ends within this is not used any more."""


class Asker:
    """Makes the requests of one endpoint."""

    def __init__(self, config: Config, link: Link) -> None:
        self._config = config
        self._link = link
        self._token: tuple[int, Secret, datetime] | None = None

    async def ask(self, request: Request, values: Values, body: bytes = b"") -> Answer:
        """Make a request of the settings; a body of its own goes before the one that is given."""
        query = {name: fill(each, values) for name, each in request.query.items()}
        headers = {
            name: fill(each, values, quote=_printable)
            for name, each in {**self._config.headers, **request.headers}.items()
        }
        if request.body is not None:
            body = msgspec.json.encode(fill_document(request.body, values))
        if request.method == "GET":
            body = b""
        elif body and "content-type" not in {name.lower() for name in headers}:
            headers["content-type"] = "application/json"
        path = fill(request.path, values, quote=lambda each: quote(each, safe=""))
        return await self.call(request.method, path, {k: v for k, v in query.items() if v}, headers, body)

    async def call(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Make a request that says who asks; a token that is no longer accepted is got anew once."""
        answer = await self._call(method, path, query, headers, body)
        if answer.status == 401 and self._token is not None:
            self._token = None
            answer = await self._call(method, path, query, headers, body)
        return answer

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        proof = await self._proof()
        if isinstance(proof, Answer):
            return proof
        # A header that says who asks is ours alone: a setting cannot replace it by one in plain text.
        rest = {name: each for name, each in headers.items() if name.lower() not in {n.lower() for n in proof}}
        return await self._link.call(method, path, query=query or None, headers={**rest, **proof}, body=body)

    async def _proof(self) -> Mapping[str, str] | Answer:
        """Return the headers that say who asks, or the answer by which no token was given."""
        auth = self._config.auth
        if auth.kind == "none":
            return {}
        if auth.kind == "bearer":
            return {"authorization": f"Bearer {member(self._link, 'token')}"}
        if auth.kind == "header":
            return {auth.header.lower(): f"{auth.prefix}{member(self._link, 'token')}"}
        if auth.kind == "basic":
            fields = self._link.secret_fields()
            pair = f"{_of(fields, 'user')}:{_of(fields, 'password')}"
            return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return await self._oauth()

    async def _oauth(self) -> Mapping[str, str] | Answer:
        """Return a token of client credentials (RFC 6749, 4.4), got anew when it ends or the secret has changed."""
        fields = self._link.secret_fields()
        mark = hash((_of(fields, "client_id"), _of(fields, "client_secret")))
        now = self._link.now()
        if self._token is None or self._token[0] != mark or self._token[2] <= now:
            pair = f"{quote(fields['client_id'], safe='')}:{quote(fields['client_secret'], safe='')}"
            asked: dict[str, Any] = {"grant_type": "client_credentials"}
            form = "&".join(f"{name}={quote(value, safe='')}" for name, value in [*asked.items(), *self._scope()])
            answer = await self._link.call(
                "POST",
                self._config.auth.token_path,
                headers={
                    "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                    "content-type": "application/x-www-form-urlencoded",
                },
                body=form.encode(),
            )
            token = text(answer.body, "access_token") if answer.status == 200 else None
            if token is None:
                # What goes wrong here is told as it is, but an answer of 200 without a token, or 400, gives no access.
                refused = answer.status in (200, 400)
                return msgspec.structs.replace(answer, status=401, body=b"no token was given") if refused else answer
            lasts_s = whole(text(answer.body, "expires_in")) or 300
            self._token = (mark, Secret(token), now + timedelta(seconds=max(0, lasts_s - TOKEN_SPARE_S)))
        return {"authorization": f"Bearer {self._token[1].reveal()}"}

    def _scope(self) -> list[tuple[str, str]]:
        return [("scope", self._config.auth.scope)] if self._config.auth.scope else []


def member(link: Link, name: str) -> str:
    """Return a member of the secret; where that is no JSON object, all of it. Raises SecretMissing."""
    if link.secret().reveal().startswith("{"):
        return _of(link.secret_fields(), name)
    return link.secret().reveal()


def _printable(value: str) -> str:
    """Return a value as a header can carry it: what would end the header is left out."""
    return "".join(c for c in value if c.isprintable())


def _of(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise SecretMissing(f"The secret has no member {name!r}.")
    return fields[name]
