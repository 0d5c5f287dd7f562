"""API keys in PostgreSQL: the adapter behind `onhand.app.keys`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from onhand.app.answers import KeyRow
from onhand.app.keys import KnownKey
from onhand.store.postgres.driver import Database, Row, Session


class PostgresKeys:
    """The KeyStore of `onhand.app.keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, *, client: str, prefix: str, secret_hash: bytes, scopes: Sequence[str], expires_at: datetime | None
    ) -> KeyRow:
        """Keep a new key; the client is made when it is not there yet."""
        client_id = await self.client(client)
        async with self._database.transaction() as session:
            number = await session.fetchval("keys.add", client_id, prefix, secret_hash, list(scopes), expires_at)
            return await _row(session, number)

    async def get(self, key_id: int) -> tuple[KeyRow, datetime] | None:
        """Return one key and the shared clock."""
        row = await self._database.fetchrow("keys.get", key_id)
        return None if row is None else (key_row(row), row["now"])

    async def all(self) -> list[KeyRow]:
        """Return all keys, the oldest first."""
        return [key_row(row) for row in await self._database.fetch("keys.all")]

    async def replace(
        self, key_id: int, *, prefix: str, secret_hash: bytes, expires_at: datetime | None, overlap_s: int
    ) -> KeyRow:
        """Add a key like this one and let this one end after the overlap, in one transaction."""
        async with self._database.transaction() as session:
            old = await session.fetchrow("keys.lock", key_id)
            assert old is not None, "keys are never deleted"
            number = await session.fetchval(
                "keys.add", old["client_id"], prefix, secret_hash, old["scopes"], expires_at
            )
            await session.execute("keys.end_early", key_id, old["now"] + timedelta(seconds=overlap_s))
            return await _row(session, number)

    async def revoke(self, key_id: int) -> bool:
        """End a key for good; False when there is none."""
        return await self._database.fetchval("keys.revoke", key_id) is not None

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Return the key with that prefix."""
        row = await self._database.fetchrow("keys.by_prefix", prefix)
        return None if row is None else KnownKey(**dict(row.items()))

    async def client(self, name: str) -> int:
        """Return the id of a client, which is made when it is not there yet."""
        return int(await self._database.fetchval("keys.client", name))

    async def used(self, key_id: int) -> None:
        """Note that a key was used."""
        await self._database.execute("keys.used", key_id)


async def _row(session: Session, number: int) -> KeyRow:
    row = await session.fetchrow("keys.get", number)
    assert row is not None, "the key that this transaction has just written"
    return key_row(row)


def key_row(row: Row) -> KeyRow:
    """Return a key as it is answered."""
    return KeyRow(
        id=row["id"],
        client=row["client"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
