"""Single values: what may pass from a document into an event, and the exact numbers in between.

Numbers are int or Decimal, whole ones always int; nothing here ever touches a binary float, and a result that cannot be
written down exactly is refused rather than rounded, unless a rule asks for rounding by name.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, Final, Literal

from onhand.domain.mapping.errors import Unfit, shown
from onhand.domain.mapping.limits import DEPTH_MAX, NUMBER_DIGITS_MAX, NUMBER_TEXT_MAX, TEXT_MAX
from onhand.domain.mapping.paths import Path
from onhand.domain.mapping.scope import Run, Scope

Number = int | Decimal


ROUNDINGS: Final[dict[str, str]] = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "down": decimal.ROUND_DOWN,
    "up": decimal.ROUND_UP,
    "floor": decimal.ROUND_FLOOR,
}

_BOUND: Final = 10**NUMBER_DIGITS_MAX
_TRAPS: Final[list[type[decimal.DecimalException]]] = [
    decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.Underflow,
]  # fmt: skip
_EXACT: Final = Context(prec=80, Emax=999, Emin=-999, traps=_TRAPS)
_ROUNDED: Final = Context(prec=80, Emax=999, Emin=-999, traps=_TRAPS[1:])
_PLAIN: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")


def clean(value: Any, run: Run) -> Any:
    """Return a value of the document as it may pass on, None for nothing. Raises Unfit."""
    kind = type(value)
    if kind is str:
        return plain_text(value) or None
    if kind is int:
        if -_BOUND < value < _BOUND:
            return value
        raise Unfit(f"{shown(value)} has more than {NUMBER_DIGITS_MAX} digits")
    if value is None or kind is bool:
        return value
    if kind is Decimal:
        return bounded(value)
    return _checked_whole(value, run)


def plain_text(value: Any) -> str:
    """Return a text that a database keeps and every program can write. Raises Unfit."""
    if type(value) is not str:
        raise Unfit(f"{shown(value)} stands where a text was expected")
    if "\x00" in value:
        raise Unfit("the text holds a NUL character")
    if not value.isascii() and _HALF.search(value):
        raise Unfit("the text holds half of a surrogate pair")
    return value


def read_clean(path: Path) -> Callable[[Scope], Any]:
    """Return the function that reads what a path to a single place leads to, ready to pass on."""
    get, name = path.getter(), path.member
    if name is None:
        return lambda scope: clean(get(scope), scope.run)

    def read(scope: Scope) -> Any:
        here = scope.here
        if type(here) is not dict:
            return clean(get(scope), scope.run)
        value = here.get(name)
        if type(value) is str and value.isascii() and "\x00" not in value:
            return value or None
        return clean(value, scope.run)

    return read


def text_of(value: Any) -> str:
    """Return a single value as text, as JSON would write it but without quotes. Raises Unfit."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is Decimal:
        return f"{value:f}"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise Unfit(f"{shown(value)} stands where a single value was expected")


def limited(text: str) -> str:
    """Return a text that was put together, unless it has grown too long."""
    if len(text) > TEXT_MAX:
        raise Unfit(f"the text would have more than {TEXT_MAX} characters")
    return text


def number_of(value: Any) -> Number:
    """Return a number that is written plainly, or is one. Raises Unfit."""
    kind = type(value)
    if kind is int or kind is Decimal:
        return bounded(value)
    if kind is str and len(value) <= NUMBER_TEXT_MAX:
        found = _PLAIN.fullmatch(value)
        if found is not None:
            return assembled(found[1], found[2], found[3])
    raise Unfit(f"{shown(value)} is not a number")


def assembled(sign: str | None, whole: str, fraction: str | None) -> Number:
    """Return the number of these digits; the common short ones without a detour."""
    rest = fraction.rstrip("0") if fraction else ""
    if len(whole) <= NUMBER_DIGITS_MAX and len(rest) <= NUMBER_DIGITS_MAX:
        if rest:
            return Decimal(f"{sign or ''}{whole}.{rest}")
        return -int(whole) if sign == "-" else int(whole)
    return bounded(Decimal(f"{sign or ''}{whole}.{rest or '0'}"))


def bounded(value: Number) -> Number:
    """Return a number in its one form, int where it is whole. Raises Unfit for one that is too large or too fine."""
    if type(value) is int:
        if -_BOUND < value < _BOUND:
            return value
        raise Unfit(f"{shown(value)} has more than {NUMBER_DIGITS_MAX} digits")
    assert isinstance(value, Decimal)
    try:
        short = value.normalize(_EXACT)
    except decimal.DecimalException:
        raise Unfit(f"{shown(value)} is too large or too fine") from None
    _, digits, exponent = short.as_tuple()
    if not isinstance(exponent, int):
        raise Unfit(f"{shown(value)} is not a number")
    # A written exponent is cheap to send and dear to expand: nothing is computed before its size is known.
    if not -NUMBER_DIGITS_MAX <= exponent <= NUMBER_DIGITS_MAX or len(digits) + exponent > NUMBER_DIGITS_MAX:
        raise Unfit(f"{shown(value)} is too large or too fine")
    return int(short) if exponent >= 0 else short


def exactly(operation: Literal["add", "subtract", "multiply", "divide"], one: Number, other: Number) -> Number:
    """Return the result, exactly. Raises Unfit when it has no end or no place."""
    try:
        return bounded(getattr(_EXACT, operation)(Decimal(one), Decimal(other)))
    except decimal.DecimalException:
        by_nought = operation == "divide" and not other
        why = "divides by nought" if by_nought else "cannot be written down exactly; 'round' where that is meant"
        raise Unfit(f"{operation} {one} and {other} {why}") from None


def divided(one: Number, other: Number, *, places: int, rounding: str) -> Number:
    """Return a quotient rounded to so many places."""
    if not other:
        raise Unfit(f"divide {one} and {other} divides by nought")
    return rounded(_ROUNDED.divide(Decimal(one), Decimal(other)), places=places, rounding=rounding)


def rounded(value: Number, *, places: int, rounding: str) -> Number:
    """Return a number rounded to so many places."""
    return bounded(Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=rounding, context=_ROUNDED))


def amount_text(value: Number, *, places: int | None) -> str:
    """Return an amount as text with so many places, or as few as it takes. Raises Unfit rather than round."""
    text = f"{value:f}" if type(value) is Decimal else str(value)
    if places is None:
        return text
    whole, _, fraction = text.partition(".")
    if len(fraction) > places:
        raise Unfit(f"{value} has more than {places} places behind the point")
    return f"{whole}.{fraction.ljust(places, '0')}" if places else whole


def reader(*, point: str, thousands: str, minus_behind: bool) -> Callable[[Any], Number]:
    """Return the function that reads numbers as a partner writes them; what is a number already passes."""
    groups = rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|[0-9]+" if thousands else "[0-9]+"
    fraction = rf"(?:{re.escape(point)}([0-9]+))?" if point else "()?"
    signs = ("", "([+-]?)") if minus_behind else ("([+-]?)", "")
    form = re.compile(rf"{signs[0]}({groups}){fraction}{signs[1]}", re.ASCII)
    order = (3, 1, 2) if minus_behind else (1, 2, 3)

    def read(value: Any) -> Number:
        if type(value) is not str:
            return number_of(value)
        text = value.strip()
        found = form.fullmatch(text) if len(text) <= NUMBER_TEXT_MAX else None
        if found is None:
            raise Unfit(f"{shown(value)} is not a number as it is written here")
        sign, whole, rest = (found[each] or "" for each in order)
        digits = whole.replace(thousands, "") if thousands else whole
        return assembled(sign, digits, rest)

    return read


def _checked_whole(value: Any, run: Run) -> Any:
    """Return a list or object that is passed on as it stands, after a look at every value in it."""
    level = [value]
    for _ in range(DEPTH_MAX):
        run.spend(len(level))
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                inner += each.values()
                for key in each:
                    plain_text(key)
            elif kind is list:
                inner += each
            elif kind is float:
                raise Unfit("a binary float stands here; documents are read with exact numbers")
            elif kind not in _SCALARS:
                raise Unfit(f"a {kind.__name__} stands here, which is none of JSON's kinds")
            else:
                clean(each, run)
        if not inner:
            return value
        level = inner
    raise Unfit(f"it nests deeper than {DEPTH_MAX} levels")


_HALF: Final = re.compile("[\ud800-\udfff]")
_SCALARS: Final = frozenset({str, int, bool, type(None), Decimal})
