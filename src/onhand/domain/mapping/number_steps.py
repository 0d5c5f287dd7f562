"""Steps on numbers, all of them exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from onhand.domain.mapping import values
from onhand.domain.mapping.compiling import Compiling, Table
from onhand.domain.mapping.errors import Place, Unfit, shown
from onhand.domain.mapping.paths import Get
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.unknown import Do, ask_unknown, read_unknown
from onhand.domain.mapping.values import ROUNDINGS, exactly, number_of

_MARKS = (".", ",", "'", " ", "’", "\u00a0", "\u202f", "·", "٫", "٬")


def number(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Read a number as the partner writes it."""
    if spec is True:
        return lambda _, value: (
            value if type(value) is int else number_of(value.strip() if type(value) is str else value)
        )
    known = c.keys(spec, at, ("decimal", "thousands", "minus"))
    marks = {"decimal": ".", "thousands": ""}
    for name in marks:
        if name in known:
            marks[name] = c.choice(known[name], (*at, name), _MARKS) or ""
    if marks["decimal"] == marks["thousands"]:
        c.wrong(at, "the same mark twice", "two different ones")
    minus = c.choice(known.get("minus", "before"), (*at, "minus"), ("before", "behind"))
    read = values.reader(point=marks["decimal"], thousands=marks["thousands"], minus_behind=minus == "behind")
    return lambda _, value: read(value)


def convert(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Multiply by the factor of a unit that stands elsewhere in the document; `divide` for the way back."""
    known = c.keys(spec, at, ("unit", "factors", "divide", "unknown"))
    unit = c.path(known.get("unit"), (*at, "unit"), many=False)
    factors = c.table(known.get("factors"), (*at, "factors"))
    unknown = read_unknown(c, known, at)
    if factors is None or unit is None:
        return None
    for code, factor in factors.items():
        found = c.number(factor, (*at, "factors", code))
        if found is not None and found <= 0:
            c.wrong((*at, "factors", code), shown(factor), "more than nought")
    how: Literal["multiply", "divide"] = "divide" if "divide" in known and c.flag(known["divide"], at) else "multiply"
    return _conversion(unit.getter(), factors, how, unknown)


def _conversion(get: Get, factors: Table, how: Literal["multiply", "divide"], unknown: Any) -> Do:
    def do(scope: Scope, value: Any) -> Any:
        code = values.text_of(get(scope)) if get(scope) is not None else ""
        factor = factors.get(code)
        if factor is None:
            factor = ask_unknown(unknown, 1, "there is no factor for the unit {}", code)
        return exactly(how, number_of(value), number_of(factor))

    return do


def times(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Multiply by a constant."""
    return _with_constant(c, spec, at, "multiply")


def over(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Divide by a constant."""
    if spec in (0, "0"):
        c.wrong(at, "nought", "a number to divide by")
        return None
    return _with_constant(c, spec, at, "divide")


def plus(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Add a constant."""
    return _with_constant(c, spec, at, "add")


def _with_constant(c: Compiling, spec: Any, at: Place, operation: Literal["add", "multiply", "divide"]) -> Do | None:
    constant = c.number(spec, at)
    if constant is None:
        return None
    other = constant
    return lambda _, value: exactly(operation, number_of(value), other)


def rounding(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Round to so many places, in a way that is named."""
    known = c.keys(spec, at, ("places", "how"))
    places = c.whole(known.get("places"), (*at, "places"), least=0, most=18)
    how = c.choice(known.get("how"), (*at, "how"), tuple(ROUNDINGS))
    if places is None or how is None:
        return None
    return _rounding(places, ROUNDINGS[how])


def _rounding(places: int, how: str) -> Do:
    return lambda _, value: values.rounded(number_of(value), places=places, rounding=how)


def whole(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Take a whole number only: refuse a broken one, or round it down."""
    how = "exact" if spec is True else c.choice(spec, at, ("exact", "down"))
    if how is None:
        return None
    return _floor if how == "down" else _exact


def _floor(_: Scope, value: Any) -> int:
    return int(Decimal(number_of(value)).to_integral_value(rounding=ROUNDINGS["floor"]))


def _exact(_: Scope, value: Any) -> int:
    found = value if type(value) is int else number_of(value)
    if type(found) is not int:
        raise Unfit(f"{found} is not a whole number")
    return found


def amount(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Write an amount of money as text, with so many places."""
    places = None if spec is True else c.whole(spec, at, least=0, most=6)
    if places is None and spec is not True:
        return None
    return _amount(places)


def _amount(places: int | None) -> Do:
    return lambda _, value: values.amount_text(number_of(value), places=places)
