"""Who asks: the client behind an API key, and what it may do."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Scope = Literal[
    "events:write",
    "events:read",
    "stock:read",
    "promises:write",
    "promises:read",
    "quarantine:read",
    "quarantine:write",
    "admin",
]
SCOPES: Final[tuple[str, ...]] = get_args(Scope)


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A caller. Its `id` is the namespace of its request ids, whichever of its keys it uses."""

    id: int
    name: str
    scopes: frozenset[str]
    key_id: int = 0

    def may(self, scope: Scope) -> bool:
        """Tell whether it carries the scope; admin carries all."""
        return scope in self.scopes or "admin" in self.scopes
