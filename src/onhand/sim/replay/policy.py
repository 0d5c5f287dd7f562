"""What a replay decides about lines, as a file that people can read and change: `replay.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import yaml
from msgspec import Meta

from onhand.domain.errors import InvalidInput

Pattern = str
Days = Annotated[int, Meta(ge=1, le=366)]
Field = Literal["invoice", "sku", "description", "quantity", "time", "price", "customer", "country"]

UNSPECIFIED: Final = "unspecified"


class BadPolicy(InvalidInput):
    """The replay's policy file says something that cannot be."""

    code = "bad_replay_policy"
    title = "The replay policy is not valid"
    done = "Nothing was sent."
    remedy = "Correct the file; 'onhand replay --init' writes a commented one."


class NonItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that recognises codes that are no goods."""

    reason: str
    code: Pattern | None = None
    description: Pattern | None = None


class SetAside(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Invoices that move no goods."""

    reason: str
    invoice: Pattern


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A typed-in text and the reason that it means."""

    reason: str
    text: Pattern


class ChannelRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which invoices belong to a channel."""

    channel: str
    countries: tuple[str, ...] = ()
    description: Pattern | None = None


class Replenishment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opening stock and receipts: the file has none."""

    opening_days: Days = 28
    opening_factor: Annotated[float, Meta(ge=0, le=100)] = 1.5
    window_days: Days = 28
    lead_time_days: Days = 7
    safety_days: Annotated[int, Meta(ge=0, le=366)] = 7
    cover_days: Days = 28


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All of it, as `replay.yaml` says it."""

    columns: dict[Field, str] = {}
    encoding: str = "auto"
    delimiter: Annotated[str, Meta(pattern=r'^(auto|[^"\r\n])$')] = "auto"
    date_order: Literal["auto", "day_first", "month_first"] = "auto"
    timezone: str = "UTC"
    cancellation: Pattern = "C.*"
    invoices_set_aside: tuple[SetAside, ...] = ()
    sku_case: Literal["fold", "exact"] = "fold"
    duplicate_lines: Literal["keep", "drop"] = "keep"
    quantity_max: Annotated[int, Meta(ge=1, le=1_000_000_000_000)] = 1_000_000
    non_items: tuple[NonItem, ...] = ()
    reasons: tuple[Reason, ...] = ()
    gains_without_price: bool = True
    channels: tuple[ChannelRule, ...] = ()
    default_channel: str = "default"
    mode: Literal["all", "partial", "backorder"] = "partial"
    hold_days: Days = 14
    ship_after_h: Annotated[int, Meta(ge=0, le=24 * 366)] = 24
    returns_status: str = "returned"
    location: str = "MAIN"
    stock: Replenishment = Replenishment()
    bucket_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of times that carry none."""
        return ZoneInfo(self.timezone)

    @cached_property
    def is_cancellation(self) -> re.Pattern[str]:
        """Fits whole invoice numbers."""
        return compiled(self.cancellation)

    @property
    def channel_codes(self) -> tuple[str, ...]:
        """Every channel that an invoice may end on."""
        return tuple(dict.fromkeys([*(rule.channel for rule in self.channels), self.default_channel]))


def compiled(pattern: Pattern) -> re.Pattern[str]:
    """The pattern, blind to case. Raises BadPolicy."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadPolicy(f"{pattern!r} is no regular expression: {error}.") from None


def default_text() -> str:
    """The commented policy that `--init` writes and that stands when nobody gives another."""
    return resources.files("onhand.sim.replay").joinpath("replay.yaml").read_text(encoding="utf-8")


def load(path: Path | None = None, *, columns: Mapping[str, str] | None = None) -> Policy:
    """The policy of a file, or the default; `columns` wins over the file's. Raises BadPolicy."""
    try:
        text = default_text() if path is None else path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadPolicy(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadPolicy(f"{path} is not UTF-8 text.") from None
    policy = read(text)
    if not columns:
        return policy
    return _checked({**msgspec.to_builtins(policy), "columns": {**policy.columns, **columns}})


def read(text: str) -> Policy:
    """The policy that a YAML text says. Raises BadPolicy."""
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadPolicy(f"It is no YAML: {error}.") from None
    return _checked(said if said is not None else {})


def _checked(said: object) -> Policy:
    try:
        policy = msgspec.convert(said, Policy)
    except msgspec.ValidationError as error:
        raise BadPolicy(f"{error}.") from None
    if policy.timezone not in available_timezones():
        raise BadPolicy(f"There is no time zone {policy.timezone!r}.")
    for pattern in _patterns(policy):
        compiled(pattern)
    return policy


def _patterns(policy: Policy) -> list[Pattern]:
    found: list[Pattern | None] = [policy.cancellation]
    found += [rule.invoice for rule in policy.invoices_set_aside]
    for rule in policy.non_items:
        if rule.code is None and rule.description is None:
            raise BadPolicy(f"The rule for {rule.reason!r} has neither a code nor a description.")
        found += [rule.code, rule.description]
    found += [rule.text for rule in policy.reasons]
    found += [rule.description for rule in policy.channels]
    return [pattern for pattern in found if pattern is not None]
