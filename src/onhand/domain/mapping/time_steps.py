"""Steps on times: reading instants and days, writing them."""

from __future__ import annotations

import re
from typing import Any, Final

from onhand.domain.mapping.compiling import Compiling
from onhand.domain.mapping.errors import Place, shown
from onhand.domain.mapping.times import NAMED, day_reader, instant_reader, writer
from onhand.domain.mapping.unknown import Do

_FORM: Final = "'iso', 'unix', 'unix_ms', or a form such as '%d.%m.%Y %H:%M'"
_KNOWN_DIRECTIVES: Final = re.compile(r"(?:[^%\x00-\x1f]|%[aAbBdHIjmMpSfyYz%])+")


def instant(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Read a point in time."""
    read = _forms(c, spec, at)
    if read is None:
        return None
    forms, zone = read
    if zone is None and any(form not in NAMED and "%z" not in form for form in forms):
        if not isinstance(spec, dict) or "zone" not in spec:
            c.wrong(at, shown(forms[0]) + " without a zone", "'zone:' beside it, or %z in it")
        return None
    reader = instant_reader(forms, zone)
    return lambda _, value: reader(value).isoformat()


def day(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Read a calendar day."""
    read = _forms(c, spec, at)
    if read is None:
        return None
    reader = day_reader(*read)
    return lambda _, value: reader(value).isoformat()


def formatted(c: Compiling, spec: Any, at: Place) -> Do | None:
    """Write a time in the partner's form."""
    read = _forms(c, spec, at)
    if read is None:
        return None
    forms, zone = read
    if len(forms) > 1:
        c.wrong(at, "several forms", "the one to write")
        return None
    return _writing(forms[0], zone)


def _writing(form: str, zone: Any) -> Do:
    write = writer(form, zone)
    return lambda _, value: write(value)


def _forms(c: Compiling, spec: Any, at: Place) -> tuple[list[str], Any] | None:
    """Return the forms and the zone of a step about time."""
    if spec is True:
        return ["iso"], None
    known = c.keys(spec, at, ("form", "zone")) if isinstance(spec, dict) else {"form": spec}
    place = (*at, "form") if isinstance(spec, dict) else at
    stated = known.get("form", "iso")
    forms = stated if isinstance(stated, list) and stated else [stated]
    zone = c.zone(known.get("zone"), (*at, "zone"))
    good = [form for form in forms if _is_form(c, form, place)]
    return (good, zone) if len(good) == len(forms) else None


def _is_form(c: Compiling, form: Any, at: Place) -> bool:
    if isinstance(form, str) and (form in NAMED or ("%" in form and _KNOWN_DIRECTIVES.fullmatch(form))):
        return True
    c.wrong(at, shown(form), _FORM, word=form if isinstance(form, str) else "", known=NAMED)
    return False
