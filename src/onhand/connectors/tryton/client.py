"""Calls to a Tryton: one JSON-RPC request each, in a session that is opened when first needed and anew when it ended.

Tryton tells errors in two ways. What its code refuses comes as 200 with an `error` member: the transaction was rolled
back, nothing was done. What its server or its database could not do comes as an HTTP status: on a hot item that is
503, after five tries of its own. Both become one of the six kinds of outcome here, and nowhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from onhand.connectors.tryton.wire import NotJson, Record, decode, encode
from onhand.sdk import (
    Answer,
    Link,
    Outcome,
    ReadFailed,
    Rejected,
    Transient,
    Unauthorised,
    Unknown,
    outcome_of_answer,
)

_NO_ACCESS: Final = ("You are not allowed to access", "You do not have permission")
"""How Tryton begins when a user lacks a right; the session asks for English, so that it can be told from a refusal."""


class Session:
    """A session at a Tryton and what it was opened with. Its repr shows none of it."""

    def __init__(self, secret: Mapping[str, str], user_id: int, token: str) -> None:
        self.secret = secret
        self.header = "Session " + base64.b64encode(f"{secret['user']}:{user_id}:{token}".encode()).decode()
        self.context: Record = {}

    def __repr__(self) -> str:
        return "Session(***)"


class Client:
    """Calls methods of a Tryton. Holds nothing but its session."""

    def __init__(self, link: Link, *, database: str, path: str, zone: str, company: int | None) -> None:
        self._link = link
        self._root = path
        self._path = f"/{database}{path}"
        self.zone = ZoneInfo(zone)
        self._company = company
        self._session: Session | None = None
        self._heard_at: datetime | None = None

    def now(self) -> datetime:
        """Return the partner's time of its last answer, or ours where it tells none."""
        return self._heard_at or self._link.now()

    async def call(self, method: str, *args: Any, **context: Any) -> Any:
        """Call a method with the user's context and more. Raises ReadFailed, and the faults of the link."""
        session = await self._opened()
        answer = await self._post(session, method, args, context)
        if answer.status == 401:
            session = await self._opened(anew=True)
            answer = await self._post(session, method, args, context)
        return self._result(answer)

    async def find(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: Sequence[Sequence[str]] = (("id", "ASC"),),
        **context: Any,
    ) -> list[Record]:
        """Return records that fit. Raises as `call` does."""
        method = f"model.{model}.search_read"
        found = await self.call(method, list(domain), 0, limit, [list(each) for each in order], list(fields), **context)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ReadFailed(Unknown(detail=f"{method} answered with no list of records"))
        return found

    async def context(self) -> Record:
        """Return the user's context, of which the company is the most important. Raises as `call` does."""
        return (await self._opened()).context

    async def version(self) -> str:
        """Return the version that the server tells to anybody. Raises as `call` does."""
        answer = await self._send("common.server.version", [], header=None, path=self._root)
        return str(self._result(answer))

    async def _opened(self, *, anew: bool = False) -> Session:
        secret = self._link.secret_fields()
        if self._session is None or anew or self._session.secret != secret:
            self._session = None
            self._session = await self._login(secret)
        return self._session

    async def _login(self, secret: Mapping[str, str]) -> Session:
        if "user" not in secret or "password" not in secret:
            raise ReadFailed(Unauthorised(detail="The secret has no members 'user' and 'password'."))
        answer = await self._send(
            "common.db.login", [secret["user"], {"password": secret["password"]}, "en"], header=None
        )
        if answer.status == 404:
            # Tryton says 404 as well when its database is too busy to let anybody in.
            raise ReadFailed(Transient(status=404, detail="404: there is no such database, or it lets nobody in now"))
        try:
            opened = self._result(answer)
        except ReadFailed as error:
            # A database that the server has not loaded yet: an error of its own, and no message is to blame.
            if isinstance(error.outcome, Rejected) and error.outcome.status == 200:
                raise ReadFailed(Transient(status=200, detail=error.outcome.reason)) from error
            raise
        if not isinstance(opened, list) or len(opened) < 2:
            raise ReadFailed(Unauthorised(detail="Tryton accepted the credentials but opened no session."))
        session = Session(secret, opened[0], opened[1])
        session.context = await self._preferences(session)
        return session

    async def _preferences(self, session: Session) -> Record:
        answer = await self._post(session, "model.res.user.get_preferences", [True], {})
        preferences = self._result(answer)
        chosen = {"company": self._company} if self._company is not None else {}
        kept = ("company", "company_filter", "employee", "groups")
        return {name: preferences[name] for name in kept if name in preferences} | chosen | {"language": "en"}

    async def _post(self, session: Session, method: str, args: Sequence[Any], context: Record) -> Answer:
        return await self._send(method, [*args, {**session.context, **context}], header=session.header)

    async def _send(self, method: str, params: Sequence[Any], *, header: str | None, path: str | None = None) -> Answer:
        headers = {"content-type": "application/json"} | ({"authorization": header} if header else {})
        body = encode({"id": 0, "method": method, "params": params}, self.zone)
        answer = await self._link.call("POST", path or self._path, headers=headers, body=body)
        self._heard_at = _date(answer)
        return answer

    def _result(self, answer: Answer) -> Any:
        if not 200 <= answer.status < 300:
            raise ReadFailed(outcome_of_status(answer, now=self._link.now()))
        if answer.cut:
            raise ReadFailed(Unknown(status=answer.status, detail="the answer is larger than is allowed"))
        try:
            said = decode(answer.body, self.zone)
        except NotJson as error:
            raise ReadFailed(Unknown(status=answer.status, detail="the answer is no JSON document")) from error
        if not isinstance(said, dict) or not ({"result", "error"} & said.keys()):
            raise ReadFailed(Unknown(status=answer.status, detail="the answer is no answer of JSON-RPC"))
        if "error" in said:
            raise ReadFailed(outcome_of_error(said["error"]))
        return said["result"]


def outcome_of_status(answer: Answer, *, now: datetime) -> Outcome:
    """Return what an HTTP status of Tryton's means."""
    if answer.status == 404:
        return Transient(status=404, detail="404: there is no such database at this address")
    if answer.status == 401:
        return Unauthorised(status=401, detail="401: user and password are not accepted")
    return outcome_of_answer(answer, now=now)


def outcome_of_error(error: Any) -> Outcome:
    """Return what a JSON-RPC error means. The transaction was rolled back, whatever it is."""
    kind, facts = (error[0], error[1]) if isinstance(error, list) and len(error) == 2 else (str(error), None)
    if kind == "ConcurrencyException":
        return Transient(status=200, detail=f"ConcurrencyException: {facts}")
    if kind == "LoginException":
        return Unauthorised(
            status=200, detail="Tryton asks for a further factor to log in, which a program cannot give."
        )
    if kind == "UserWarning":
        return Rejected(status=200, reason=f"Tryton asks whether to go on: {_text(facts, 1)}", field=None)
    if kind == "UserError":
        words = _text(facts, 0)
        if words.startswith(_NO_ACCESS):
            return Unauthorised(status=200, detail=words)
        return Rejected(status=200, reason=words)
    return Rejected(status=200, reason=f"Tryton failed: {str(kind)[:200]}")


def _text(facts: Any, place: int) -> str:
    """Return a message for people on one line."""
    words = str(facts[place]) if isinstance(facts, list) and len(facts) > place else str(facts)
    return " ".join(words.split())[:300]


def _date(answer: Answer) -> datetime | None:
    """Return the partner's own time, to the second, where it tells it with its zone."""
    try:
        at = parsedate_to_datetime(answer.header("date") or "")
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None else None
