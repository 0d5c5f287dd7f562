"""A person's client for Tryton, for tests alone: does at the ERP what its users do there, over the same JSON-RPC.

It shares nothing with the connector, so that a mistake in how the connector reads or writes cannot hide itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

Record = dict[str, Any]


class Refused(Exception):
    """Tryton answered with an error: of a kind, with its facts."""

    def __init__(self, text: str, kind: str = "", facts: Sequence[Any] = ()) -> None:
        super().__init__(text)
        self.kind = kind
        self.facts = facts


class Desk:
    """One user's session at a Tryton."""

    def __init__(self, url: str, database: str, login: str, password: str) -> None:
        """Log in at a database of the server at `url`."""
        self._url = f"{url}/{database}/rpc/"
        user, token, *_ = self._post("common.db.login", [login, {"password": password}, "en"], header=None)
        self.user = int(user)
        shown = base64.b64encode(f"{login}:{user}:{token}".encode()).decode()
        self._header = f"Session {shown}"
        self.context: Record = {}
        self.refresh()

    def refresh(self) -> None:
        """Take the user's preferences as context, as every client does: the company stands in there."""
        self.context = self.call("model.res.user.get_preferences", True)

    def call(self, method: str, *args: Any, **context: Any) -> Any:
        """Call a method; keyword arguments join the context."""
        return self._post(method, [*args, {**self.context, **context}], header=self._header)

    def find(self, model: str, domain: list[Any], *fields: str, **context: Any) -> list[Record]:
        """Return the records that fit, oldest first."""
        order = [["id", "ASC"]]
        found: list[Record] = self.call(
            f"model.{model}.search_read", domain, 0, None, order, ["id", *fields], **context
        )
        return found

    def one(self, model: str, domain: list[Any], *fields: str) -> Record:
        """Return the only record that fits."""
        (found,) = self.find(model, domain, *fields)
        return found

    def make(self, model: str, **values: Any) -> int:
        """Create a record and return its id."""
        (made,) = self.call(f"model.{model}.create", [values])
        return int(made)

    def write(self, model: str, ids: list[int], **values: Any) -> None:
        """Change records."""
        self.call(f"model.{model}.write", ids, values)

    def press(self, model: str, button: str, *ids: int) -> Any:
        """Press a button of a form; where Tryton asks "are you sure?", say yes."""
        try:
            return self.call(f"model.{model}.{button}", list(ids))
        except Refused as refused:
            if refused.kind != "UserWarning":
                raise
            self.make("res.user.warning", user=self.user, name=refused.facts[0])
            return self.press(model, button, *ids)

    def wizard(self, name: str, steps: list[tuple[str, Record | Callable[[], Record]]], **context: Any) -> None:
        """Go through a wizard: each step is the state to go to, and what is filled in before."""
        session, _, _ = self.call(f"wizard.{name}.create", **context)
        filled: Record = {}
        for state, form in steps:
            filled |= form() if callable(form) else form
            self.call(f"wizard.{name}.execute", session, filled, state, **context)
        self.call(f"wizard.{name}.delete", session, **context)

    def _post(self, method: str, params: list[Any], *, header: str | None) -> Any:
        body = json.dumps({"id": 0, "method": method, "params": params}, default=_plain).encode()
        headers = {"content-type": "application/json"} | ({"authorization": header} if header else {})
        try:
            with urlopen(Request(self._url, body, headers), timeout=60) as answer:  # noqa: S310 - loopback
                said = json.load(answer)
        except HTTPError as error:
            raise Refused(f"{method}: {error.code} {error.read()[:300]!r}") from error
        if "error" in said:
            raise Refused(f"{method}: {said['error']}", *said["error"])
        return said.get("result")


def _plain(value: object) -> Record:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    raise TypeError(type(value))
