"""Steps on texts."""

from __future__ import annotations

import re
from typing import Any

from onhand.domain.mapping.compiling import Compiling
from onhand.domain.mapping.errors import Place, shown
from onhand.domain.mapping.limits import PATTERN_TEXT_MAX
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.unknown import Do, ask_unknown, read_unknown
from onhand.domain.mapping.values import limited, text_of


def split(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Cut a text; with `take`, keep one piece."""
    known = c.keys(spec, at, ("by", "take")) if isinstance(spec, dict) else {"by": spec}
    by = c.text(known.get("by"), (*at, "by") if isinstance(spec, dict) else at, "the text between the pieces")
    take = c.whole(known["take"], (*at, "take"), least=-1000, most=1000) if "take" in known else None
    if by is None:
        return None
    mark = by

    def do(scope: Scope, value: Any) -> Any:
        pieces = text_of(value).split(mark)
        scope.run.spend(len(pieces))
        if take is None:
            return [piece for piece in pieces if piece]
        return (pieces[take] or None) if -len(pieces) <= take < len(pieces) else None

    return do


def capture(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Keep the first group of a pattern that fits the whole text."""
    known = c.keys(spec, at, ("pattern", "unknown")) if isinstance(spec, dict) else {"pattern": spec}
    place = (*at, "pattern") if isinstance(spec, dict) else at
    pattern = c.pattern(known.get("pattern"), place)
    unknown = read_unknown(c, known, at)
    if pattern is None:
        return None
    if pattern.groups != 1:
        c.wrong(place, f"a pattern with {pattern.groups} groups", "one group, which is kept")
        return None

    def do(_: Scope, value: Any) -> Any:
        text = text_of(value)
        found = pattern.fullmatch(text) if len(text) <= PATTERN_TEXT_MAX else None
        if found is None:
            return ask_unknown(unknown, value, "{} does not fit the pattern", text)
        return found[1] or None

    return do


def trim(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Take white space off both ends."""
    return (lambda _, value: text_of(value).strip() or None) if c.flag(spec, at) else None


def case(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Write it in upper or lower case."""
    how = c.choice(spec, at, ("upper", "lower"))
    if how is None:
        return None
    return (lambda _, value: text_of(value).upper()) if how == "upper" else (lambda _, value: text_of(value).lower())


def replace(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Put texts in the place of others, in one pass, the longest first."""
    codes = c.codes(spec, at)
    if codes is None:
        return None
    for key in codes:
        if not key:
            c.wrong(at, "an empty text to replace", "a text")
            return None
    by = {key: text_of(value) for key, value in codes.items() if isinstance(value, (str, int))}
    pattern = re.compile("|".join(re.escape(key) for key in sorted(by, key=len, reverse=True)))
    return lambda _, value: limited(pattern.sub(lambda found: by[found[0]], text_of(value))) or None


def join(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Make one text of a list."""
    if not isinstance(spec, str):
        c.wrong(at, shown(spec), "the text between the pieces")
        return None
    return lambda _, value: (
        limited(spec.join(text_of(each) for each in value if each is not None)) or None
        if type(value) is list
        else text_of(value)
    )
