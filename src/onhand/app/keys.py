"""API keys: making them, ending them, and finding out who asks.

A key reads `ohk_<prefix>_<secret>`: the prefix is public and finds the row, the secret has 256 bits of entropy, and
only its SHA-256 is kept. (A slow password hash protects weak secrets from guessing; there is nothing to guess here.)
Who asks is remembered for CACHE_S seconds on each node, so a revocation takes effect everywhere within that time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from onhand.app.answers import KeyRow
from onhand.app.identity import SCOPES, Client
from onhand.domain.errors import Conflict, InvalidInput, NotFound, OnhandError, Unauthorised

CACHE_S: Final = 5.0
"""How long a node remembers who is behind a key: the time in which a revocation takes effect."""

CACHE_MAX: Final = 4_096
"""Remembered keys of one node; when they are more, the memory starts anew rather than growing for ever."""

NOTE_USE_S: Final = 60.0
"""How often at most the use of a key is noted."""

SECRET_BYTES: Final = 32
CLIENT_NAME_MAX: Final = 200
OVERLAP_S_MAX: Final = 30 * 86_400

_FORM: Final = re.compile(r"ohk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class KeyNotFound(NotFound):
    """There is no key of that number."""

    code = "key_not_found"
    title = "There is no such key"
    remedy = "'onhand keys list' shows the keys that there are."


class KeyEnded(Conflict):
    """The key is revoked or has expired, so it cannot be rotated."""

    code = "key_ended"
    title = "The key has ended"
    remedy = "Make a new key instead."


class KnownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A kept key as authentication needs it; `now` is the database's clock, which alone judges expiry."""

    id: int
    client_id: int
    client: str
    secret_hash: bytes
    scopes: Sequence[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    now: datetime


class KeyStore(Protocol):
    """What keys need from a store."""

    async def create(
        self, *, client: str, prefix: str, secret_hash: bytes, scopes: Sequence[str], expires_at: datetime | None
    ) -> KeyRow:
        """Keep a new key; the client is made when it is not there yet."""

    async def get(self, key_id: int) -> tuple[KeyRow, datetime] | None:
        """Return one key and the shared clock."""

    async def all(self) -> list[KeyRow]:
        """Return all keys, the oldest first."""

    async def replace(
        self, key_id: int, *, prefix: str, secret_hash: bytes, expires_at: datetime | None, overlap_s: int
    ) -> KeyRow:
        """Add a key like this one and let this one end after the overlap, in one transaction."""

    async def revoke(self, key_id: int) -> bool:
        """End a key for good; False when there is none."""

    async def by_prefix(self, prefix: str) -> KnownKey | None:
        """Return the key with that prefix."""

    async def used(self, key_id: int) -> None:
        """Note that a key was used."""

    async def client(self, name: str) -> int:
        """Return the id of a client, which is made when it is not there yet."""


class Keys:
    """The use cases. `clock` gives seconds of this process; it bounds only what is remembered."""

    def __init__(self, store: KeyStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[bytes, tuple[Client, float]] = {}
        self._endings = 0
        self._noted: dict[int, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def create(
        self, *, client: str, scopes: Sequence[str], expires_at: datetime | None = None
    ) -> tuple[KeyRow, str]:
        """Make a key; returns it with its secret, which is shown this one time. Raises InvalidInput."""
        _check(client, scopes)
        if expires_at is not None and (expires_at.utcoffset() is None or expires_at <= datetime.now(UTC)):
            raise InvalidInput("The expiry must be an instant with its zone, in the future.", pointer="/expires_at")
        prefix, secret, whole = _new()
        row = await self._store.create(
            client=client, prefix=prefix, secret_hash=_hash(secret), scopes=sorted(set(scopes)), expires_at=expires_at
        )
        return row, whole

    async def list(self) -> list[KeyRow]:
        """Return all keys, ended ones included, the oldest first."""
        return await self._store.all()

    async def rotate(self, key_id: int, *, overlap_s: int = 86_400) -> tuple[KeyRow, str]:
        """Replace a key by one with the same client and scopes; the old one works on for `overlap_s` seconds.

        The new one lives as long as the old one was meant to live. Raises KeyNotFound, KeyEnded, InvalidInput.
        """
        if not 0 <= overlap_s <= OVERLAP_S_MAX:
            raise InvalidInput(f"The overlap must be 0 to {OVERLAP_S_MAX} seconds.", pointer="/overlap_s")
        old, now = await self._one(key_id)
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise KeyEnded(f"Key {key_id} ({old.prefix}) is not valid any more.")
        expires_at = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        prefix, secret, whole = _new()
        row = await self._store.replace(
            key_id, prefix=prefix, secret_hash=_hash(secret), expires_at=expires_at, overlap_s=overlap_s
        )
        self._forget(key_id)
        return row, whole

    async def revoke(self, key_id: int) -> KeyRow:
        """End a key at once on this node and within CACHE_S seconds on every other. Raises KeyNotFound."""
        if 0 < key_id < 2**31:
            await self._store.revoke(key_id)
        self._forget(key_id)
        return (await self._one(key_id))[0]

    async def authenticate(self, secret: str) -> Client:
        """Return who is behind a key. Raises Unauthorised when it is not known, revoked or expired."""
        print_ = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(print_)
        if known is not None and self._clock() < known[1]:
            return known[0]
        endings = self._endings
        client, lives_s = await self._look_up(secret)
        if endings != self._endings:
            return client  # a key was ended meanwhile, perhaps this one after it was read: ask again next time
        if len(self._known) >= CACHE_MAX:
            self._known.clear()
        self._known[print_] = (client, self._clock() + min(CACHE_S, lives_s))
        self._note_use(client.key_id)
        return client

    async def without_key(self, name: str) -> Client:
        """Return a client that may do everything: for who works on the database itself and needs no key to it."""
        return Client(id=await self._store.client(name), name=name, scopes=frozenset({"admin"}))

    async def close(self) -> None:
        """Wait for the notes about use that are under way."""
        if self._notes:
            await asyncio.gather(*self._notes)

    async def _look_up(self, secret: str) -> tuple[Client, float]:
        form = _FORM.fullmatch(secret)
        if form is None:
            raise Unauthorised("That is not a key of Onhand's.")
        key = await self._store.by_prefix(form[1])
        # A comparison against zeros costs an unknown prefix the time of a known one.
        if not hmac.compare_digest(_hash(form[2]), bytes(32) if key is None else key.secret_hash) or key is None:
            raise Unauthorised("The key is not known.")
        lives_s = CACHE_S if key.expires_at is None else (key.expires_at - key.now).total_seconds()
        if key.revoked_at is not None or lives_s <= 0:
            raise Unauthorised("The key was revoked." if key.revoked_at is not None else "The key has expired.")
        return Client(id=key.client_id, name=key.client, scopes=frozenset(key.scopes), key_id=key.id), lives_s

    async def _one(self, key_id: int) -> tuple[KeyRow, datetime]:
        found = await self._store.get(key_id) if 0 < key_id < 2**31 else None
        if found is None:
            raise KeyNotFound(f"There is no key {key_id}.")
        return found

    def _forget(self, key_id: int) -> None:
        self._endings += 1
        self._known = {print_: known for print_, known in self._known.items() if known[0].key_id != key_id}

    def _note_use(self, key_id: int) -> None:
        """Note the use beside the request, not before its answer; a note that fails is not worth an error."""
        now = self._clock()
        if now - self._noted.get(key_id, -NOTE_USE_S) < NOTE_USE_S:
            return
        if len(self._noted) >= CACHE_MAX:
            self._noted.clear()
        self._noted[key_id] = now
        task = asyncio.create_task(self._write_use(key_id))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, key_id: int) -> None:
        try:
            await self._store.used(key_id)
        except OnhandError:
            self._noted.pop(key_id, None)  # the next use tries again


def _check(client: str, scopes: Sequence[str]) -> None:
    if not 1 <= len(client) <= CLIENT_NAME_MAX or client != client.strip() or _CONTROL.search(client):
        raise InvalidInput(
            f"A client's name has 1 to {CLIENT_NAME_MAX} printable characters, no blank at either end.",
            pointer="/client",
        )
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        what = f"There is no scope {unknown[0]!r}." if unknown else "A key without a scope could do nothing."
        raise InvalidInput(what, pointer="/scopes", remedy=f"Choose from: {', '.join(SCOPES)}.")


def _new() -> tuple[str, str, str]:
    """Return prefix, secret and the whole key."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
    return prefix, secret, f"ohk_{prefix}_{secret}"


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
