"""What a connector is: a class that reads from a partner, tells it things, and reads back what it shows.

Subclass `Connector` and override what the manifest claims, nothing else. The hub does the rest: it keeps rates and
windows, stores what was read before it moves the cursor, writes idempotency keys before the call, tries again, maps
bodies to events, and remembers. So a connector has no state of its own, keeps nothing between calls but connections'
tokens, and never sleeps, retries or catches what it cannot name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from onhand.app.flow_ports import Outgoing
from onhand.domain.errors import OnhandError
from onhand.domain.outcome import Outcome
from onhand.sdk.answers import outcome_of_answer
from onhand.sdk.http import Answer
from onhand.sdk.link import Link
from onhand.sdk.manifest import Manifest


class NotClaimed(OnhandError):
    """Something was asked of a connector that its manifest does not claim."""

    code = "not_claimed"
    title = "The connector cannot do this"
    remedy = "'onhand connector list' shows what each connector can do."


class ReadFailed(OnhandError):
    """Reading from a partner failed; `outcome` is one of the six kinds of error, and decides what comes next."""

    code = "read_failed"
    title = "The partner could not be read"
    done = "Nothing was stored, and the cursor stands where it stood."

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail or outcome.kind, kind=outcome.kind)
        self.outcome = outcome


class WebhookRefused(OnhandError):
    """What arrived is not what its partner signs, and nothing of it is stored; or it is, and cannot be taken apart.

    `reason`: `unsigned`, `bad_signature`, `stale` (its time is outside the window) or `malformed`. Raise `malformed`
    only once the signature fits: such a webhook is its partner's word, is stored whole and becomes a dead letter.
    """

    code = "webhook_refused"
    title = "The webhook is not from its partner"
    done = "Nothing was stored."
    remedy = "Compare the secret at both ends and the clocks; the partner's log shows what it sent."

    def __init__(self, reason: Literal["unsigned", "bad_signature", "stale", "malformed"], detail: str) -> None:
        super().__init__(detail, reason=reason)
        self.reason = reason


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of credentials and rights found, in words for a person.

    `state`: `ok`, `unreachable`, `unauthorised` (credentials not accepted) or `under_privileged` (accepted, but
    something that the manifest claims is not allowed; `missing` names it).
    """

    state: Literal["ok", "unreachable", "unauthorised", "under_privileged"]
    detail: str = ""
    missing: tuple[str, ...] = ()
    partner: str = ""
    """What the partner says it is: product and version."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that discovery found at a partner and that configuration may refer to."""

    kind: Literal["location", "channel", "item", "status", "unit", "stream", "other"]
    code: str
    name: str = ""
    facts: Mapping[str, str] = {}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a partner said, byte for byte.

    `key` makes it one and the same within its stream: what changes with each version of the thing (an order's number
    and its time of change, say), so that a repetition is recognised and a change is not. `occurred_at` is the partner's
    time where it tells one.
    """

    key: str
    body: bytes
    content_type: str = "application/json"
    occurred_at: datetime | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What one read brought. The cursor is durable only once the messages are: both are stored in one transaction.

    `cursor` is where the next read begins; it must skip nothing, not even what the partner commits late under
    an earlier time, so cursors overlap and repetitions fall to their keys. `more` says that another page waits.
    `snapshot_as_of` is set on the pages of a snapshot: the partner's own cut-off, the same on all of them.
    """

    messages: tuple[Message, ...]
    cursor: str | None
    more: bool = False
    snapshot_as_of: datetime | None = None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it came in. Header names are in lower case; the repr shows neither headers nor body."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime

    def __repr__(self) -> str:
        return f"Arrival({self.path}, {len(self.body)} bytes)"


class StockUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The number that a listing should show: absolute, the newest there is at the moment of sending.

    `listing` is the partner's own name of it; `location` the partner's name of a location where its numbers are kept
    per location. `last_shown` is the last number read back or acknowledged, for partners that compare and set.
    """

    listing: str
    quantity: int
    sku: str
    location: str | None = None
    last_shown: int | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a partner really shows for a listing; None: it does not know it."""

    listing: str
    quantity: int | None
    location: str | None = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """How the processing of something that a partner answers later stands: `results` by idempotency key once done."""

    done: bool
    results: Mapping[str, Outcome] = {}
    retry_after_s: float = 60.0


class Connector:
    """The base of every connector. `config` is what the endpoint's `settings` say, valid by `config.schema.json`."""

    manifest: ClassVar[Manifest]
    """Set by the registry from `manifest.toml`; what it claims is what this class implements."""

    def __init__(self, config: Mapping[str, Any], link: Link) -> None:
        self.config = config
        self.link = link

    async def check(self) -> Checked:
        """Tell whether the partner is there, accepts our credentials, and lets us do all that the manifest claims."""
        raise NotClaimed("This connector claims no check.")

    async def discover(self) -> Sequence[Found]:
        """Return what is there at the partner that configuration may refer to."""
        raise NotClaimed("This connector claims no discovery.")

    async def read(self, stream: str, cursor: str | None, *, limit: int) -> Page:
        """Return what is new in a stream since a cursor (None: from the beginning), about `limit` messages at most.

        Raises ReadFailed with one of the six kinds of error, and the faults of the link.
        """
        raise NotClaimed(f"This connector reads no stream {stream!r}.")

    async def stored(self, stream: str, messages: Sequence[Message]) -> None:
        """Hear that these messages are durable now: a file that was read may be moved away.

        Called after the commit, perhaps more than once, perhaps never after a crash: what is read again is recognised.
        """

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Tell the partner; return one outcome for each command in order, or a single one for all of them.

        `body` of a command is the JSON that the operation's mapping made, `idempotency_key` never changes over tries.
        A command with `verify` may have been done already: look first. May raise the faults of the link.
        """
        raise NotClaimed(f"This connector has no operation {operation!r}.")

    async def publish(self, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
        """Tell the partner what listings should show; outcomes as of `send`. Needed for the operation `stock.publish`.

        `key` is the idempotency key of the whole call. A partner that answers later gives Delivered with its ticket
        as `answer`; the manifest says so (`answers_later`).
        """
        raise NotClaimed("This connector publishes no stock.")

    async def ticket(self, ticket: str) -> Ticket:
        """Tell how something that the partner answers later stands. Needed where an operation `answers_later`."""
        raise NotClaimed("This connector's partner answers at once.")

    async def read_back(self, listings: Sequence[tuple[str, str | None]]) -> Sequence[Shown]:
        """Return what the partner really shows for these (listing, location)."""
        raise NotClaimed("This connector reads nothing back.")

    def arrived(self, stream: str, arrival: Arrival) -> Sequence[Message]:
        """Check a webhook's signature and time, and return what it says. Touches nothing but the secret.

        Raises WebhookRefused.
        """
        raise NotClaimed("This connector takes no webhooks.")

    def decode(self, stream: str, body: bytes, content_type: str) -> object:
        """Return a message's body as the document that its mapping reads, exact: no binary floats, times as texts.

        None: it is read by its content type. Override it where what the partner sends has to be taken apart by the
        endpoint's settings (a file with declared columns, say). Called when the message is mapped, perhaps long after
        it was stored, in a thread, and again after settings were mended; it touches nothing but `config`. Raises
        OnhandError, with the place, for a body that cannot be taken apart.
        """
        return None

    def outcome(self, answer: Answer) -> Outcome:
        """Return what an answer of the partner stands for; override where it means something else by a status."""
        return outcome_of_answer(answer, now=self.link.now())
