"""Tryton's JSON: plain values, save that decimals, dates and times travel in wrappers; and its clocks show no zone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

import msgspec

Record = dict[str, Any]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class NotJson(Exception):
    """What came back is no JSON document."""


def decode(body: bytes, zone: tzinfo) -> Any:
    """Return what an answer says: exact numbers, and times in the server's zone. Raises NotJson."""
    try:
        return json.loads(body, parse_float=Decimal, object_hook=lambda members: _unwrapped(members, zone))
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise NotJson(type(error).__name__) from error


def encode(value: object, zone: tzinfo) -> bytes:
    """Return a value as Tryton reads it."""
    return msgspec.json.encode(_wrapped(value, zone))


def plain(value: object) -> bytes:
    """Return a value as plain JSON with exact numbers, the same bytes for the same value: the body of a message."""
    return _ENCODER.encode(value)


def number(quantity: Decimal | int) -> Decimal | int:
    """Return a quantity without the '.0' that Tryton hangs on whole numbers, since it keeps them as floats."""
    exact = Decimal(quantity)
    return int(exact) if exact == exact.to_integral_value() else exact


def _unwrapped(members: Record, zone: tzinfo) -> Any:
    kind = members.get("__class__")
    if kind == "Decimal":
        return Decimal(members["decimal"])
    if kind == "date":
        return date(members["year"], members["month"], members["day"])
    if kind == "datetime":
        there = datetime(
            members["year"], members["month"], members["day"], members["hour"], members["minute"],
            members["second"], members["microsecond"], tzinfo=zone,
        )  # fmt: skip
        return there.astimezone(UTC)
    return members


def _wrapped(value: object, zone: tzinfo) -> Any:
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, datetime):
        there = value.astimezone(zone)
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{part: getattr(there, part) for part in parts}}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dict):
        return {name: _wrapped(each, zone) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_wrapped(each, zone) for each in value]
    return value
