"""Every error that Onhand tells a person or a machine, as one type with a stable code.

An error says what happened (`detail`), what Onhand did about it (`done`) and what the reader can do (`remedy`).
Codes are part of the public interface: they are documented, never reused and never renamed. Layers above
translate an error (an HTTP status, an exit code); they never invent one.
"""

from __future__ import annotations

from typing import Any, ClassVar


class OnhandError(Exception):
    """The base of all of Onhand's own errors.

    `facts` are machine-readable members (JSON values) that belong to this occurrence, such as the shortfall of a line.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    done: ClassVar[str] = "Nothing was changed."
    remedy: ClassVar[str] = ""

    def __init__(self, detail: str, *, remedy: str | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts: dict[str, Any] = facts
        self.advice = remedy if remedy is not None else self.remedy

    def __str__(self) -> str:
        return " ".join(part for part in (self.detail, self.done, self.advice) if part)


class InvalidInput(OnhandError):
    """What was sent cannot be read or breaks the declared form."""

    code = "invalid_input"
    title = "The input is not valid"
    remedy = "Correct the named field and send it again."


class NotFound(OnhandError):
    """The thing named does not exist."""

    code = "not_found"
    title = "There is no such thing"
    remedy = "Check the identifier."


class Conflict(OnhandError):
    """The request is well formed but the present state forbids it."""

    code = "conflict"
    title = "The present state forbids this"


class Unauthorised(OnhandError):
    """No valid credential came with the request."""

    code = "unauthorised"
    title = "A valid API key is needed"
    remedy = "Send 'Authorization: Bearer <key>'; 'onhand keys create' makes one."


class Forbidden(OnhandError):
    """The credential is valid but does not carry the scope needed."""

    code = "forbidden"
    title = "This key may not do that"
    remedy = "Ask for a key with the scope named."


class Unavailable(OnhandError):
    """Something that Onhand depends on does not answer; trying again later is right."""

    code = "unavailable"
    title = "Not available at the moment"
    remedy = "Try again; the same request id or event id makes that safe."
