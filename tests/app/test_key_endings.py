"""A key that is revoked while somebody uses it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from onhand.app.answers import KeyRow
from onhand.app.keys import Keys, KnownKey, _hash, _new
from onhand.domain.errors import Unauthorised


class Store:
    def __init__(self) -> None:
        self.prefix, self.secret, self.whole = _new()
        self.revoked: datetime | None = None
        self.read = asyncio.Event()
        self.go_on = asyncio.Event()

    async def by_prefix(self, prefix: str) -> KnownKey:
        found = KnownKey(
            id=1,
            client_id=1,
            client="x",
            secret_hash=_hash(self.secret),
            scopes=("admin",),
            expires_at=None,
            revoked_at=self.revoked,
            now=datetime.now(UTC),
        )
        self.read.set()
        await self.go_on.wait()
        return found

    async def used(self, key_id: int) -> None: ...

    async def revoke(self, key_id: int) -> bool:
        self.revoked = datetime.now(UTC)
        return True

    async def get(self, key_id: int) -> Any:
        return KeyRow(
            id=1,
            client="x",
            prefix=self.prefix,
            scopes=("admin",),
            created_at=datetime.now(UTC),
            expires_at=None,
            revoked_at=self.revoked,
            last_used_at=None,
        ), datetime.now(UTC)


async def test_a_key_that_is_looked_up_while_it_is_revoked_ends_at_once_on_this_node() -> None:
    store = Store()
    keys = Keys(store)  # type: ignore[arg-type]
    under_way = asyncio.create_task(keys.authenticate(store.whole))
    await store.read.wait()
    await keys.revoke(1)
    store.go_on.set()
    await under_way
    with pytest.raises(Unauthorised):
        await keys.authenticate(store.whole)
