"""Where a rule stands while it runs: the part of the document that it speaks of, and all that lies around it.

A scope is made for each turn of a loop, so it holds as little as possible; where it lies in the document is worked out
only when an error or a trace asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from onhand.domain.mapping.errors import Place, Unfit, pointer_text
from onhand.domain.mapping.limits import WORK_MAX

if TYPE_CHECKING:
    from onhand.domain.mapping.paths import Path

LookUp = Callable[[str, str], str | None]
"""(kind, code) -> the code of the other side, None when nobody has declared one."""


class Context(msgspec.Struct, kw_only=True):
    """What a mapping may know besides the document.

    `look_up` translates the partner's codes into ours; `look_up_theirs` ours into the partner's, for mappings out
    (where it is left out, `look_up` is asked there as well). `facts` are those of the transport: file name, headers.
    """

    system: str
    look_up: LookUp
    received_at: datetime
    trace: bool = False
    facts: Mapping[str, object] = {}
    look_up_theirs: LookUp | None = None


class Run:
    """One document on its way through one mapping."""

    __slots__ = ("context", "document", "look_up", "outbound", "work")

    def __init__(self, document: object, context: Context, *, outbound: bool) -> None:
        self.document = document
        self.context = context
        self.outbound = outbound
        self.work = WORK_MAX
        theirs = context.look_up_theirs if outbound else None
        self.look_up = context.look_up if theirs is None else theirs

    def spend(self, amount: int) -> None:
        """Count work; raise Unfit when the document asks for too much of it."""
        self.work -= amount
        if self.work < 0:
            raise Unfit(f"its loops ask for more than {WORK_MAX} values")


class Scope:
    """What a rule looks at. `up` is the scope around it, from which `path` leads to the `index`-th element."""

    __slots__ = ("group", "here", "index", "path", "run", "up")

    def __init__(
        self,
        here: Any,
        run: Run,
        up: Scope | None = None,
        path: Path | None = None,
        index: int = 0,
        group: tuple[int, ...] | None = None,
    ) -> None:
        self.here = here
        self.run = run
        self.up = up
        self.path = path
        self.index = index
        self.group = group

    def trail(self, at: Place = ()) -> Place:
        """Return the way from the top of the document to what lies `at` in here."""
        if self.up is None or self.path is None:
            return at
        index, rest = self.index, at
        if self.group is not None:
            inside = at and isinstance(at[0], int)
            index, rest = (self.group[int(at[0])], at[1:]) if inside else (self.group[0], ())
        return self.path.element_trail(self.up, index) + rest

    def pointer(self, at: Place = ()) -> str:
        """Return the same as a JSON pointer."""
        return pointer_text(self.trail(at))
