"""A conversation with Vendure's Admin API: logs in, asks, and says what a refusal means.

Vendure answers 200 to almost everything. What went wrong stands in `errors`, by a code, or in a union of the answer, by
its `errorCode`. FORBIDDEN is said both to a session that has ended and to an account that may not, so it is believed
only of a session that has just begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onhand.connectors.vendure import documents
from onhand.sdk import (
    Answer,
    Gone,
    Link,
    Outcome,
    ReadFailed,
    Rejected,
    Transient,
    Unauthorised,
    Unknown,
    outcome_of_answer,
)

TOKEN: Final = "vendure-auth-token"  # noqa: S105 - the name of a header
CHANNEL: Final = "vendure-token"


class Forbidden(ReadFailed):
    """The account was accepted and may not do this."""


class _Said(msgspec.Struct, frozen=True):
    """The body of an answer; data as it was written, so that messages can be kept byte for byte."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[dict[str, Any]] = []


class Session:
    """Asks as one account in one channel. The token lives as long as the session; credentials are read at each call."""

    def __init__(self, link: Link, *, channel_token: str | None) -> None:
        self._link = link
        self._channel = {} if channel_token is None else {CHANNEL: channel_token}
        self._token: str | None = None
        self._account: Mapping[str, str] = {}
        self._turn = asyncio.Lock()

    async def ask(self, document: str, variables: Mapping[str, Any] | None = None) -> msgspec.Raw:
        """Return the data of an answer. Raises ReadFailed, SecretMissing and the faults of the link."""
        before = self._token
        token = await self._entered(refused=None)
        try:
            return await self._say(document, variables)
        except Forbidden:
            if token != before:
                raise
        await self._entered(refused=token)
        return await self._say(document, variables)

    async def log_in(self) -> None:
        """Begin a new session. Raises like `ask`."""
        await self._entered(refused=self._token)

    async def _entered(self, *, refused: str | None) -> str | None:
        """Return the token of a session, begun anew unless one is open for this account and was not `refused`.

        Many calls may need it at the same time; one of them logs in.
        """
        async with self._turn:
            account = self._link.secret_fields()
            if self._token is None or self._token == refused or account != self._account:
                await self._log_in(account)
            return self._token

    async def _log_in(self, account: Mapping[str, str]) -> None:
        self._token = None
        given = {"username": account.get("username", ""), "password": account.get("password", "")}
        answer = await self._post(documents.LOGIN, given)
        result = msgspec.json.decode(_data(answer, document=documents.LOGIN), type=dict[str, dict[str, Any]])["login"]
        if result["__typename"] != "CurrentUser":
            raise ReadFailed(Unauthorised(detail=f"Vendure does not accept the credentials: {_words(result)}"))
        token = answer.header(TOKEN)
        if not token:
            detail = f"Vendure gave no {TOKEN}: its authOptions.tokenMethod must include 'bearer'."
            raise ReadFailed(Unauthorised(detail=detail))
        self._token, self._account = token, account

    async def _say(self, document: str, variables: Mapping[str, Any] | None) -> msgspec.Raw:
        return _data(await self._post(document, variables or {}), document=document)

    async def _post(self, document: str, variables: Mapping[str, Any]) -> Answer:
        headers = {"accept": "application/json", **self._channel}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        answer = await self._link.call("POST", headers=headers, json={"query": document, "variables": variables})
        outcome = outcome_of_status(answer, self._link)
        if outcome is not None:
            raise ReadFailed(outcome)
        return answer


def outcome_of_status(answer: Answer, link: Link) -> Outcome | None:
    """Return what is wrong by an answer's status alone; None where its body has to tell."""
    if answer.status in (200, 400):
        return None
    if answer.status == 404:
        return Transient(status=404, detail="There is no Admin API at this address: correct the endpoint's base_url.")
    return outcome_of_answer(answer, now=link.now())


def refusal(result: Mapping[str, Any], *, done: str) -> Outcome | None:
    """Return what the union of an answer objects to; None where it is the type hoped for."""
    if result["__typename"] == done:
        return None
    return Rejected(reason=str(result.get("errorCode", result["__typename"])), detail=_words(result))


def _data(answer: Answer, *, document: str) -> msgspec.Raw:
    changes = document.startswith("mutation") and document is not documents.LOGIN
    said = _said(answer.body)
    if said is not None and said.errors:
        outcome = _outcome_of_error(said.errors[0], changes=changes)
        raise (Forbidden if _code(said.errors[0]) == "FORBIDDEN" else ReadFailed)(outcome)
    if answer.status == 400:
        raise ReadFailed(Rejected(reason="400", status=400, detail="It was refused with 400 and without a reason."))
    if said is None or bytes(said.data) == b"null":
        raise ReadFailed(_unsure("The answer is no GraphQL, or not whole.", changes=changes))
    return said.data


def _said(body: bytes) -> _Said | None:
    try:
        return msgspec.json.decode(body, type=_Said)
    except msgspec.DecodeError:
        return None


def _outcome_of_error(error: Mapping[str, Any], *, changes: bool) -> Outcome:
    code, words = _code(error), str(error.get("message", ""))
    if code == "FORBIDDEN":
        return Unauthorised(detail=f"The account may not do this in this channel: {_path(error)}.")
    if code == "CHANNEL_NOT_FOUND":
        return Unauthorised(detail=f"The setting channel_token is wrong: {words}.")
    if code == "ENTITY_NOT_FOUND":
        return Gone(detail=words)
    if code in {"USER_INPUT_ERROR", "BAD_USER_INPUT"} or code.startswith("GRAPHQL_"):
        return Rejected(reason=code, detail=words, field=_path(error) or None)
    return _unsure(f"Vendure failed: {words}", changes=changes)


def _unsure(detail: str, *, changes: bool) -> Outcome:
    return Unknown(detail=detail) if changes else Transient(detail=detail)


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    return str(extensions.get("code", "")) if isinstance(extensions, dict) else ""


def _path(error: Mapping[str, Any]) -> str:
    path = error.get("path")
    return ".".join(map(str, path)) if isinstance(path, list) else ""


def _words(result: Mapping[str, Any]) -> str:
    return str(result.get("transitionError") or result.get("message") or result["__typename"])
