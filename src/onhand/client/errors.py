"""What a call can fail with, as types: by code where there is something to do about it, else by kind."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onhand.client.models import EventOutcome, LineShortfall


class OnhandError(Exception):
    """The base of all errors of the client."""


class ConnectionLost(OnhandError):
    """No answer came, after all attempts. Whether the last one had its effect is not known; repeating it is safe."""

    def __init__(self, detail: str, *, attempts: int) -> None:
        super().__init__(f"{detail} ({attempts} attempts). The same request id or event id makes repeating safe.")
        self.attempts = attempts


class NotUnderstood(OnhandError):
    """The answer is none of Onhand's, though it says that all went well: the address is that of something else."""


class ApiError(OnhandError):
    """The server refused; what it said is here. `code` is stable, `facts` are the problem's further members."""

    def __init__(self, *, status: int, code: str, detail: str, remedy: str, request_id: str, facts: dict[str, Any]
                 ) -> None:  # fmt: skip
        super().__init__(" ".join(part for part in (f"{detail} [{code}]", remedy) if part))
        self.status = status
        self.code = code
        self.detail = detail
        self.remedy = remedy
        self.request_id = request_id
        self.facts = facts


class Invalid(ApiError):
    """What was sent breaks its form or makes no sense (400, 413, 415, 422)."""

    @property
    def pointer(self) -> str | None:
        """Where in the body, as a JSON pointer, when that is known."""
        return self.facts.get("pointer")


class RequestIdReused(Invalid):
    """The request id or idempotency key was used before for something else."""


class EventsRejected(Invalid):
    """No event of the call keeps its contract; `results` tells what is wrong with each."""

    @property
    def results(self) -> list[EventOutcome]:
        """One outcome for each event, in order."""
        return msgspec.convert(self.facts.get("results", []), list[EventOutcome])


class Unauthorised(ApiError):
    """The key is missing, not known, revoked or expired (401)."""


class Forbidden(ApiError):
    """The key does not carry the scope needed (403)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """The present state forbids it (409)."""


class InsufficientStock(Conflict):
    """There is not enough stock; `lines` tells the shortfall of each line."""

    @property
    def lines(self) -> list[LineShortfall]:
        """One entry for each line that fell short."""
        return msgspec.convert(self.facts.get("lines", []), list[LineShortfall])

    @property
    def replayed(self) -> bool:
        """Whether this is the answer to an earlier, equal request."""
        return bool(self.facts.get("replayed"))


class ReservationClosed(Conflict):
    """The reservation has ended: released, fulfilled or expired."""


class Unavailable(ApiError):
    """The server could not do it now, after all attempts (429, 5xx)."""


_BY_CODE: Final[dict[str, type[ApiError]]] = {
    "insufficient_stock": InsufficientStock,
    "request_id_reused": RequestIdReused,
    "idempotency_key_reused": RequestIdReused,
    "events_rejected": EventsRejected,
    "reservation_closed": ReservationClosed,
    "reservation_expired": ReservationClosed,
}
_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: Unauthorised, 403: Forbidden, 404: NotFound, 409: Conflict, 408: Unavailable, 429: Unavailable,
}  # fmt: skip
_STANDARD = {"type", "title", "status", "detail", "instance", "code", "done", "remedy"}


def from_answer(status: int, body: bytes, *, request_id: str) -> ApiError:
    """The error that an answer tells; an answer that is no problem document (a proxy's, say) becomes one."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:  # msgspec's errors, and that of text that is not UTF-8
        document = {}
    code = str(document.get("code", f"http_{status}"))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (Unavailable if status >= 500 else Invalid)
    return kind(
        status=status,
        code=code,
        detail=str(document.get("detail") or f"The server answered with status {status}."),
        remedy=str(document.get("remedy", "")),
        request_id=request_id,
        facts={name: value for name, value in document.items() if name not in _STANDARD},
    )
