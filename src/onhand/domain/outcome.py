"""What became of an attempt to tell a partner something: it was delivered, or one of six kinds of error and no other.

The kind decides who has to do something. `Transient`, `Throttled` and `Unauthorised` are about the partner: the message
is fine and waits. `Rejected` and `Gone` are about the message: a person must look, the others go on. `Unknown` is about
us: the answer was lost, so the same thing is said again under the same idempotency key, or looked up first.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from onhand.domain.throttle import Told

_UNKEPT = re.compile("[\x00\ud800-\udfff]")

Kind = Literal["delivered", "transient", "throttled", "unauthorised", "rejected", "gone", "unknown"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What every outcome may carry: words for a person, the partner's status, what it said about points."""

    detail: str = ""
    status: int | None = None
    told: Told | None = None

    def __post_init__(self) -> None:
        """Leave out what no database keeps: partners say these words, and connectors pass them on as they are."""
        for name in ("detail", "answer", "reason", "field"):
            text = getattr(self, name, None)
            if text and _UNKEPT.search(text):
                msgspec.structs.force_setattr(self, name, _UNKEPT.sub("\ufffd", text))

    @property
    def kind(self) -> Kind:
        """The outcome in a word."""
        return KINDS[type(self)]


class Delivered(Outcome, frozen=True, kw_only=True):
    """The partner has it; `answer` is what is worth keeping of what it said."""

    answer: str = ""


class Transient(Outcome, frozen=True, kw_only=True):
    """It surely was not done, and trying again later may help."""

    retry_after_s: float | None = None


class Throttled(Outcome, frozen=True, kw_only=True):
    """The partner wants fewer calls; nothing was done."""

    retry_after_s: float | None = None


class Unauthorised(Outcome, frozen=True, kw_only=True):
    """Our credentials or our configuration are not accepted; no message would be."""


class Rejected(Outcome, frozen=True, kw_only=True):
    """The partner understood and refuses this message; `field` is what it objects to, where it says so."""

    reason: str
    field: str | None = None


class Gone(Outcome, frozen=True, kw_only=True):
    """What the message speaks of is no longer there; with `endpoint`, the whole address is not."""

    endpoint: bool = False


class Unknown(Outcome, frozen=True, kw_only=True):
    """It may or may not have been done: the answer was lost."""


KINDS: dict[type[Outcome], Kind] = {
    Delivered: "delivered",
    Transient: "transient",
    Throttled: "throttled",
    Unauthorised: "unauthorised",
    Rejected: "rejected",
    Gone: "gone",
    Unknown: "unknown",
}
