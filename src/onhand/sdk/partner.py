"""What the conformance suite asks of whoever plays a partner: a connector's `fake.py`, or a real one with a harness.

A connector's folder holds `fake.py` with a class `Fake`, a subclass of `FakePartner` (or of `Partner`, where the
partner is no HTTP server; it is made as `Fake(seed=...)` then). It overrides the parts of the streams and operations
that the manifest claims; the suite calls no others. What a partner cannot play, because it has nothing of the kind,
stands in `without` with its reason, and is reported, never left out silently.

Keys are `Message.key` as the connector makes them: the stand-in knows its connector's scheme. Listings and locations
are the partner's own names. Bodies of commands are JSON as the operation's mapping makes them (what `send` is given).

Beside it lie recordings, `samples/<stream>/<name>.<json, xml, csv, ...>`: bodies of messages as a real partner sends
them, two of each stream at least, with nobody's personal data in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import msgspec

from onhand.sdk.connector import Arrival

Part = Literal[
    "change", "late", "webhook", "under_privilege", "rotate_secret", "poison", "partly", "drift", "faults", "toxics"
]  # fmt: skip
"""The parts that a partner may be unable to play, as `without` names them."""

ArrivalKind = Literal["good", "bad", "unsigned", "replayed", "stale", "malformed"]
"""A webhook as it should be; with a wrong signature; without one; the last good one again, byte for byte; signed well
but long ago; signed well but no document."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the partner sells: its name there, the SKU behind it, and where its numbers are kept."""

    listing: str
    sku: str
    location: str | None = None


class NotPlayed(Exception):
    """A part was asked for that this partner does not play."""


class Partner:
    """A partner on a stage. `url` is its base address once started; it is an async context manager."""

    without: ClassVar[Mapping[Part, str]] = {}
    """Parts that it cannot play, each with the reason: a partner that signs nothing has no `webhook`."""

    url: str = ""
    broken: list[str]
    """Promises that were broken towards it, in words; the suite ends by asserting that there is none."""

    async def start(self, *, port: int = 0) -> Self:
        """Be there; `url` is the base address then."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Be gone; the state stays."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------------------------------------------- how to reach it

    def settings(self) -> dict[str, Any]:
        """Return the settings of an endpoint that reaches it, every stream switched on."""
        return {}

    def credentials(self) -> str:
        """Return what lies at the endpoint's secret place: a text, or a JSON object of texts. Empty: it needs none."""
        return ""

    async def rotate_secret(self) -> None:
        """Accept new credentials only, from now on; `credentials` gives them."""
        raise NotPlayed("rotate_secret")

    async def under_privilege(self, on: bool = True) -> None:
        """Accept the credentials, but do not allow all that the manifest claims; with False allow all again."""
        raise NotPlayed("under_privilege")

    # -------------------------------------------------------------------------------------------------- what it tells

    async def populate(self, stream: str, count: int) -> Sequence[str]:
        """Let `count` new things happen that a stream tells; return the keys of their messages."""
        raise NotPlayed("populate")

    async def change(self, stream: str) -> str:
        """Change something that the stream has told already; return the key of the message that tells so."""
        raise NotPlayed("change")

    async def late(self, stream: str) -> str:
        """Let something be seen only now that carries a time before the newest thing told; return its key.

        As when a partner's transaction began early and was committed late: cursors that do not overlap skip it.
        """
        raise NotPlayed("late")

    async def keys(self, stream: str) -> Sequence[str]:
        """Return the keys of all messages that a read from the beginning brings now."""
        raise NotPlayed("keys")

    def webhook(self, stream: str, kind: ArrivalKind, *, now: datetime) -> Arrival:
        """Return a webhook of the stream as it arrives at `now`, signed by `credentials` as `kind` says."""
        raise NotPlayed("webhook")

    # ------------------------------------------------------------------------------------------------- what it is told

    def command(self, operation: str, number: int) -> str:
        """Return the body of a command that the partner accepts; another number is another thing."""
        raise NotPlayed("command")

    def poison(self, operation: str) -> str:
        """Return the body of a command that the partner understands and refuses, whatever the day."""
        raise NotPlayed("poison")

    def refusal(self) -> bytes:
        """Return the body of a refusal (of 400, 422, say) in the partner's dialect."""
        return b'{"message": "no"}'

    async def happened(self, operation: str, body: str, key: str) -> int:
        """Return how often the effect of a command can be seen: two for an order that was made twice.

        A state that stands counts one however often it was set. `key` is the idempotency key it was sent with.
        """
        raise NotPlayed("happened")

    async def listings(self, count: int) -> Sequence[Listing]:
        """Return so many listings that the partner has; it makes them where they are missing. Different SKUs."""
        raise NotPlayed("listings")

    def unknown_listing(self) -> Listing:
        """Return a listing that the partner does not have, for calls that are refused in part."""
        raise NotPlayed("partly")

    async def shown(self, listing: Listing) -> int | None:
        """Return the number that buyers see, after all that the partner still works on is done."""
        raise NotPlayed("shown")

    async def drift(self, listing: Listing, quantity: int) -> None:
        """Show another number by the partner's own doing, as when somebody edits it there."""
        raise NotPlayed("drift")

    async def settle(self) -> None:
        """Finish now what the partner would answer later. Needed where an operation `answers_later`."""
