"""Regular expressions that cannot be made to run for ever.

Python's engine tries one way after the other, so the time that a pattern can take is the number of ways in which it may
match. That number is worked out when the mapping is read: alternatives add, what follows one another multiplies, an
open-ended repetition counts as the longest text. A pattern with more than PATTERN_WAYS_MAX ways is refused, and so are
repetitions without end of a group, references to groups, and looking around. Patterns speak of the whole text.
"""

from __future__ import annotations

import re
from typing import Final

from onhand.domain.mapping.limits import PATTERN_MAX, PATTERN_TEXT_MAX, PATTERN_WAYS_MAX

_QUANTIFIER: Final = re.compile(r"([*+?]|\{(\d{0,4})(,?)(\d{0,4})\})([?+]?)")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:[dDsSwW.^$*+?{}\[\]()|/\\\-nrt])")
_CAPPED: Final = 10**9


class BadPattern(Exception):
    """A pattern is not taken; the message says why."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern that is to be matched with `fullmatch`. Raises BadPattern."""
    if len(text) > PATTERN_MAX:
        raise BadPattern(f"a pattern of {len(text)} characters; {PATTERN_MAX} are taken")
    reading = _Reading(text)
    ways = reading.alternatives()
    if reading.at < len(text):
        raise BadPattern("a ')' too many")
    if ways > PATTERN_WAYS_MAX:
        raise BadPattern("a pattern with too many ways to match; use fewer open-ended repetitions")
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError) as error:
        raise BadPattern(f"a pattern that cannot be read ({error})") from None


class _Reading:
    """Counts the ways of a pattern from left to right; one object a pattern."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def alternatives(self) -> int:
        """Return the ways of everything up to the end or the ')' of the group."""
        ways = self._sequence()
        while self._peek() == "|":
            self.at += 1
            ways += self._sequence()
        return min(ways, _CAPPED)

    def _sequence(self) -> int:
        ways = 1
        while self._peek() not in ("", "|", ")"):
            ways = min(ways * self._repeated(), _CAPPED)
        return ways

    def _repeated(self) -> int:
        group = self._peek() == "("
        inner = self._group() if group else self._single()
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            if self._peek() == "{":
                raise BadPattern("a '{' that is neither a repetition nor escaped")
            return inner
        self.at = found.end()
        least, most = _bounds(found)
        if group and most is None:
            raise BadPattern("a repetition without end of a group; write how often at most, as in '(ab){1,5}'")
        top = PATTERN_TEXT_MAX if most is None else most
        one = 1 if found[5] == "+" else max(top - least + 1, 1)  # a possessive repetition gives nothing back
        ways: int = one * inner ** min(top, 64)
        return min(ways, _CAPPED)

    def _group(self) -> int:
        self.at += 1
        self.depth += 1
        if self.depth > 10:
            raise BadPattern("groups nested more than 10 deep")
        if self.text.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            raise BadPattern("a '(?', of which only '(?:' is taken")
        ways = self.alternatives()
        if self._peek() != ")":
            raise BadPattern("a '(' without its ')'")
        self.at += 1
        self.depth -= 1
        return ways

    def _single(self) -> int:
        head = self._peek()
        found = {"[": _CLASS, "\\": _ESCAPE}.get(head)
        if found is not None:
            match = found.match(self.text, self.at)
            if match is None:
                what = "a '[' without its ']'" if head == "[" else f"the escape {self.text[self.at : self.at + 2]!r}"
                raise BadPattern(what)
            self.at = match.end()
        elif head in "*+?":
            raise BadPattern(f"a {head!r} with nothing to repeat")
        else:
            self.at += 1
        return 1

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    sign, least, comma, most = found[1], found[2], found[3], found[4]
    if sign == "*":
        return 0, None
    if sign == "+":
        return 1, None
    if sign == "?":
        return 0, 1
    if not least and not (comma and most):
        raise BadPattern(f"the repetition {sign!r}")
    low = int(least or 0)
    if not comma:
        return low, low
    return low, int(most) if most else None
