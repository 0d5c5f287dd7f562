"""The policy of an endpoint: how often, how many at once, when, and how patiently a partner's address is called.

An endpoint is one address of a system together with the limits that its owner sets. What several endpoints use up
together (an application's quota, an account's connections) stands in a `Quota` that they name. Everything here is a
value of config as code; what is used up at the moment lies in the store.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from onhand.domain.codes import Code, Seconds, Text

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

AtLimit = Literal["refuse", "drop_oldest", "case"]
AfterDead = Literal["go_on", "block"]

TimeOfDay = Annotated[str, Meta(title="a time of day as HH:MM", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Url = Annotated[
    str,
    Meta(
        title="an address without a query: https://, http://, sftp:// or file:///",
        max_length=500,
        pattern=r"^(https?://[^\s?#@]+|sftp://[^\s?#@:]+(:[0-9]{1,5})?(/[^\s?#@]*)?|file:///[^\s?#@]+)\Z",
    ),
]
SecretPlace = Annotated[
    str,
    Meta(title="env:NAME or file:/path", max_length=500, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\s]+)\Z"),
]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket: calls flow at a steady rate, and what was not used may be made up for in a burst."""

    calls_per_s: Annotated[
        float,
        Meta(ge=0.00001, le=100_000, description="Calls a second; 0.0056 is one call in about three minutes."),
    ]
    burst: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Calls that may be made at once after a quiet time.")
    ] = 1


class Sliding(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many calls in any stretch of time of that length."""

    calls: Annotated[int, Meta(ge=1, le=10_000_000, description="The most calls in any such stretch of time.")]
    in_s: Annotated[Seconds, Meta(description="The length of the stretch, in seconds.")]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket of points: each call takes what it costs, and the partner's answers say what is really left."""

    capacity: Annotated[int, Meta(ge=1, le=1_000_000_000, description="Points in the full bucket.")]
    restore_per_s: Annotated[float, Meta(ge=0.00001, le=10_000_000, description="Points that come back each second.")]
    per_call: Annotated[int, Meta(ge=0, le=1_000_000, description="Points that a call is expected to cost.")] = 1
    per_command: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Points that each command in the call is expected to add.")
    ] = 0


class Daily(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many on one calendar day."""

    calls: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="The most on one day: commands of a key, or else calls.")
    ]
    per_key: Annotated[
        bool, Meta(description="Count the commands of each limit key (say, a listing) instead of all calls together.")
    ] = False
    timezone: Annotated[str, Meta(description="The IANA time zone whose midnight begins the day.")] = "UTC"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What may be used up; every limit named here holds at the same time."""

    rates: Annotated[tuple[Rate, ...], Meta(description="Token buckets.")] = ()
    sliding: Annotated[tuple[Sliding, ...], Meta(description="Sliding windows.")] = ()
    concurrency: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="The most calls in flight at a time, from all nodes together."),
    ] = None
    cost: Annotated[Cost | None, Meta(description="A bucket of points whose level the partner's answers tell.")] = None
    daily: Annotated[Daily | None, Meta(description="A cap for each calendar day.")] = None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """Limits that several endpoints use up together: those of an application, an account or a machine."""

    code: Code
    limits: Annotated[Limits, Meta(description="What the endpoints may use up together.")]


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How patiently a command is tried again; waits for a limit, a window or a partner that is down are no tries."""

    attempts_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Tries, the first included, before a command is a dead letter.")
    ] = 8
    first_s: Annotated[
        float, Meta(ge=0.01, le=86_400, description="The longest wait before the second try; it doubles each time.")
    ] = 1.0
    longest_s: Annotated[
        float, Meta(ge=0.01, le=604_800, description="No wait of our own is longer than this, in seconds.")
    ] = 900.0
    retry_after_max_s: Annotated[
        Seconds, Meta(description="The longest wait that a partner may ask for with Retry-After, in seconds.")
    ] = 86_400


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """When a partner counts as down, and how it is asked whether it is back."""

    failures_percent: Annotated[
        int, Meta(ge=1, le=100, description="It opens when this share of the calls of the window failed.")
    ] = 50
    calls_min: Annotated[int, Meta(ge=1, le=100_000, description="It does not judge fewer calls than this.")] = 5
    window_s: Annotated[Seconds, Meta(description="The stretch of time that is judged, in seconds.")] = 60
    open_s: Annotated[
        Seconds, Meta(description="How long nothing is sent before it is probed; doubles while probes fail.")
    ] = 15
    open_max_s: Annotated[Seconds, Meta(description="The longest time between two probes, in seconds.")] = 300
    probes: Annotated[
        int, Meta(ge=1, le=100, description="Calls at a time that try whether it is back; so many must succeed.")
    ] = 1


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time at which the partner must not be called: on days of the week, on dates, or, with neither, every day."""

    days: Annotated[tuple[Day, ...], Meta(description="Days of the week on which it begins.")] = ()
    dates: Annotated[tuple[datetime.date, ...], Meta(description="Single dates on which it begins.")] = ()
    start: Annotated[TimeOfDay, Meta(description="When it begins, by the clock on the partner's wall.")] = "00:00"
    end: Annotated[
        TimeOfDay,
        Meta(description="When it ends; a time that is not after the start lies on the next day."),
    ] = "00:00"
    timezone: Annotated[str, Meta(description="The IANA time zone of the clock on the wall.")] = "UTC"


class Buffer(msgspec.Struct, frozen=True, kw_only=True):
    """How much may wait for an endpoint, and what becomes of what exceeds it."""

    limit: Annotated[int, Meta(ge=1, le=100_000_000, description="The most commands that may wait.")] = 1_000_000
    at_limit: Annotated[
        AtLimit,
        Meta(
            description="`refuse` tells whoever causes the command, whose transaction then fails; `drop_oldest` lets "
            "the newest count; `case` keeps the new ones as dead letters for the owner."
        ),
    ] = "refuse"


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane of commands, chosen by what starving it would cost."""

    weight: Annotated[
        int, Meta(ge=1, le=1_000, description="Its share of the calls while several lanes wait, against the others'.")
    ]
    calls_max: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="The most calls in flight for this lane, from all nodes together."),
    ] = None


DEFAULT_LANES: dict[str, Lane] = {"urgent": Lane(weight=8), "normal": Lane(weight=4), "bulk": Lane(weight=1)}
NORMAL = "normal"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a system, with the policy by which it is called."""

    code: Code
    system: Annotated[Code, Meta(description="The system whose address it is.")]
    base_url: Annotated[Url | None, Meta(description="Where it is; left out where a sender needs no address.")] = None
    sender: Annotated[Code, Meta(description="What carries commands there: `webhook`, or the name of a connector.")] = (
        "webhook"
    )
    settings: Annotated[
        dict[Code, Any],
        Meta(description="What the connector needs to know besides; its page lists every setting."),
    ] = {}
    secret: Annotated[
        SecretPlace | None,
        Meta(
            description="Where the secret is found, read at each call: a variable or a file, never the secret itself."
        ),
    ] = None
    allow_private_addresses: Annotated[
        bool,
        Meta(description="Whether it may lie on this machine or in a private network; refused otherwise."),
    ] = False
    owner: Annotated[
        Text | None, Meta(description="Who looks after its dead letters; the system's owner when left out.")
    ] = None
    quota: Annotated[Code | None, Meta(description="The quota that it shares with other endpoints.")] = None
    limits: Annotated[Limits, Meta(description="What may be used up at this endpoint.")] = Limits()
    timeout_s: Annotated[float, Meta(ge=0.05, le=600, description="How long one call may take, in seconds.")] = 20.0
    deadline_s: Annotated[
        Seconds, Meta(description="How old a command may become before it is a dead letter, unless it says itself.")
    ] = 259_200
    batch: Annotated[int, Meta(ge=1, le=10_000, description="The most commands that one call carries.")] = 1
    bulkhead: Annotated[
        int, Meta(ge=1, le=10_000, description="The most calls in flight from one node, so that it keeps its others.")
    ] = 16
    retry: Annotated[Retry, Meta(description="How patiently commands are tried again.")] = Retry()
    breaker: Annotated[Breaker, Meta(description="When the partner counts as down.")] = Breaker()
    windows: Annotated[tuple[Window, ...], Meta(description="When it must not be called.")] = ()
    buffer: Annotated[Buffer, Meta(description="How much may wait for it.")] = Buffer()
    lanes: Annotated[
        dict[Code, Lane],
        Meta(description="Lanes beside, or instead of, `urgent` (8), `normal` (4) and `bulk` (1)."),
    ] = {}
    after_dead: Annotated[
        AfterDead,
        Meta(
            description="What a dead letter means for later commands of its ordering key: `go_on`, or `block` until "
            "somebody replays or discards it."
        ),
    ] = "go_on"
    retired: Annotated[bool, Meta(description="No longer called: what waits for it stays until its deadline.")] = False

    def lane(self, name: str) -> Lane | None:
        """Return a lane's policy, None for a lane that neither it nor the hub knows."""
        return self.lanes.get(name) or DEFAULT_LANES.get(name)

    @property
    def all_lanes(self) -> dict[str, Lane]:
        """Every lane by name."""
        return {**DEFAULT_LANES, **self.lanes}

    @property
    def lease_s(self) -> float:
        """How long a call may be in flight before its worker counts as dead: a verification, the call, and air."""
        return 2 * self.timeout_s + 15
