"""What becomes of a code that nobody knows: `unknown: fail`, `keep`, or the value to take instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from onhand.domain.mapping.compiling import Compiling
from onhand.domain.mapping.errors import Place, Unfit, shown
from onhand.domain.mapping.scope import Scope

Do = Callable[[Scope, Any], Any]

FAIL: Final = "fail"
KEEP: Final = "keep"


def read_unknown(c: Compiling, spec: dict[str, Any], at: Place) -> Any:
    """Return what the specification says, `fail` when it says nothing."""
    return c.scalar(spec["unknown"], (*at, "unknown")) if "unknown" in spec else FAIL


def ask_unknown(unknown: Any, value: Any, message: str, code: str) -> Any:
    """Return what stands for the unknown code. Raises Unfit."""
    if unknown == FAIL:
        raise Unfit(message.format(shown(code)))
    return value if unknown == KEEP else unknown
