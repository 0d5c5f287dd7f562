"""API keys: what is kept, who is let in, and how soon an ended key is refused."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from onhand.app import keys as use
from onhand.app.keys import KeyEnded, KeyNotFound, Keys
from onhand.domain.errors import InvalidInput, Unauthorised
from onhand.store.keys import PostgresKeys
from onhand.store.postgres.driver import Database

LATER = datetime.now(UTC) + timedelta(days=30)


class Clock:
    """Seconds that pass only when a test lets them."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(database: Database, clock: Clock) -> Keys:
    return Keys(PostgresKeys(database), clock=clock)


def other_node(database: Database, clock: Clock) -> Keys:
    return Keys(PostgresKeys(database), clock=clock)


async def test_a_key_has_256_bits_of_entropy_and_names_its_row(keys: Keys) -> None:
    row, secret = await keys.create(client="web-shop", scopes=["stock:read"])
    form = re.fullmatch(r"ohk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", secret)
    assert form is not None
    assert row.prefix == form[1]
    assert (await keys.create(client="web-shop", scopes=["stock:read"]))[1] != secret


async def test_only_the_sha_256_of_the_secret_is_kept(keys: Keys, database: Database) -> None:
    _, secret = await keys.create(client="web-shop", scopes=["stock:read"])
    whole_row = (await database.sql("select k.*, k::text as text from api_key k"))[0]
    assert whole_row["secret_hash"] == hashlib.sha256(secret.split("_", 2)[2].encode()).digest()
    assert secret.split("_", 2)[2] not in whole_row["text"]


async def test_a_key_says_who_asks_and_what_it_may_do(keys: Keys) -> None:
    row, secret = await keys.create(client="web-shop", scopes=["stock:read", "promises:write", "stock:read"])
    client = await keys.authenticate(secret)
    assert (client.name, client.key_id) == ("web-shop", row.id)
    assert row.scopes == ("promises:write", "stock:read")
    assert client.may("promises:write")
    assert not client.may("events:write")


async def test_two_keys_of_one_client_are_the_same_client(keys: Keys) -> None:
    _, one = await keys.create(client="web-shop", scopes=["stock:read"])
    _, two = await keys.create(client="web-shop", scopes=["admin"])
    _, other = await keys.create(client="desk", scopes=["admin"])
    ids = [(await keys.authenticate(secret)).id for secret in (one, two, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "bend",
    [
        lambda secret: secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        lambda secret: "ohk_000000000000" + secret[16:],
        lambda secret: secret + "A",
        lambda secret: secret.upper(),
        lambda _: "",
        lambda _: "ohk__",
        lambda _: "ohk_\x00\ud800_ß",
        lambda secret: secret * 10_000,
    ],
)
async def test_anything_but_the_very_key_is_refused(keys: Keys, bend: object) -> None:
    _, secret = await keys.create(client="web-shop", scopes=["admin"])
    with pytest.raises(Unauthorised) as refusal:
        await keys.authenticate(bend(secret))  # type: ignore[operator]
    assert secret not in str(refusal.value)


async def test_a_revoked_key_is_refused_at_once_here_and_within_seconds_elsewhere(
    keys: Keys, database: Database, clock: Clock
) -> None:
    elsewhere = other_node(database, clock)
    row, secret = await keys.create(client="web-shop", scopes=["admin"])
    await keys.authenticate(secret)
    await elsewhere.authenticate(secret)
    revoked = await keys.revoke(row.id)
    assert revoked.revoked_at is not None
    with pytest.raises(Unauthorised, match="revoked"):
        await keys.authenticate(secret)
    await elsewhere.authenticate(secret)  # still remembered there
    clock.now += use.CACHE_S
    with pytest.raises(Unauthorised, match="revoked"):
        await elsewhere.authenticate(secret)


async def test_revoking_twice_keeps_the_first_moment(keys: Keys) -> None:
    row, _ = await keys.create(client="web-shop", scopes=["admin"])
    assert await keys.revoke(row.id) == await keys.revoke(row.id)


async def test_a_remembered_key_costs_no_query(keys: Keys, database: Database, clock: Clock) -> None:
    _, secret = await keys.create(client="web-shop", scopes=["admin"])
    await keys.authenticate(secret)
    await database.sql("update api_key set revoked_at = now()")
    clock.now += use.CACHE_S - 0.001
    assert (await keys.authenticate(secret)).name == "web-shop"


async def test_a_key_is_never_remembered_beyond_its_expiry(keys: Keys, database: Database, clock: Clock) -> None:
    row, secret = await keys.create(client="web-shop", scopes=["admin"], expires_at=LATER)
    await database.sql("update api_key set expires_at = clock_timestamp() + interval '2 seconds'")
    await keys.authenticate(secret)
    await database.sql("update api_key set expires_at = clock_timestamp() - interval '1 millisecond'")
    clock.now += 2
    with pytest.raises(Unauthorised, match="expired"):
        await keys.authenticate(secret)
    assert row.expires_at == LATER


async def test_a_rotated_key_works_on_for_its_overlap_and_the_new_one_at_once(keys: Keys, database: Database) -> None:
    old, old_secret = await keys.create(client="web-shop", scopes=["stock:read"])
    new, new_secret = await keys.rotate(old.id, overlap_s=3600)
    assert (await keys.authenticate(old_secret)).id == (await keys.authenticate(new_secret)).id
    assert (new.client, new.scopes, new.expires_at) == (old.client, old.scopes, None)
    kept = {row.id: row for row in await keys.list()}
    left = kept[old.id].expires_at
    assert left is not None
    assert timedelta(minutes=59) < left - datetime.now(UTC) <= timedelta(hours=1)


async def test_a_key_rotated_without_overlap_ends_at_once(keys: Keys) -> None:
    old, old_secret = await keys.create(client="web-shop", scopes=["stock:read"])
    await keys.authenticate(old_secret)
    await keys.rotate(old.id, overlap_s=0)
    with pytest.raises(Unauthorised, match="expired"):
        await keys.authenticate(old_secret)


async def test_rotation_never_lengthens_the_life_of_the_old_key(keys: Keys, database: Database) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    old, _ = await keys.create(client="web-shop", scopes=["stock:read"], expires_at=soon)
    new, _ = await keys.rotate(old.id, overlap_s=86_400)
    assert {row.id: row.expires_at for row in await keys.list()}[old.id] == soon
    assert new.expires_at is not None
    assert new.expires_at > soon


async def test_an_ended_key_cannot_be_rotated(keys: Keys) -> None:
    row, _ = await keys.create(client="web-shop", scopes=["stock:read"])
    await keys.revoke(row.id)
    with pytest.raises(KeyEnded):
        await keys.rotate(row.id)


@pytest.mark.parametrize("number", [0, -1, 99, 2**31, 10**30])
async def test_a_key_that_is_not_there_is_said_not_to_be_there(keys: Keys, number: int) -> None:
    with pytest.raises(KeyNotFound):
        await keys.revoke(number)
    with pytest.raises(KeyNotFound):
        await keys.rotate(number)


@pytest.mark.parametrize(
    ("client", "scopes", "expires_at", "pointer"),
    [
        ("", ["admin"], None, "/client"),
        (" web", ["admin"], None, "/client"),
        ("a\nb", ["admin"], None, "/client"),
        ("x" * 201, ["admin"], None, "/client"),
        ("web", [], None, "/scopes"),
        ("web", ["stock:write"], None, "/scopes"),
        ("web", ["admin"], datetime(2001, 1, 1, tzinfo=UTC), "/expires_at"),
        ("web", ["admin"], datetime(2099, 1, 1), "/expires_at"),  # noqa: DTZ001 - the fault under test
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    keys: Keys, client: str, scopes: list[str], expires_at: datetime | None, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await keys.create(client=client, scopes=scopes, expires_at=expires_at)
    assert refusal.value.facts["pointer"] == pointer
    assert await keys.list() == []


async def test_use_is_noted_beside_the_request_and_once_a_minute_at_most(
    keys: Keys, database: Database, clock: Clock
) -> None:
    async def noted() -> datetime | None:
        return (await database.sql("select last_used_at from api_key"))[0][0]  # type: ignore[no-any-return]

    _, secret = await keys.create(client="web-shop", scopes=["admin"])
    await keys.authenticate(secret)
    await keys.close()
    first = await noted()
    assert first is not None
    clock.now += use.CACHE_S + 1  # looked up again, not noted again
    await keys.authenticate(secret)
    await keys.close()
    assert await noted() == first
    clock.now += use.NOTE_USE_S  # this node would note, the row says that it is too early
    await keys.authenticate(secret)
    await keys.close()
    assert await noted() == first
    await database.sql("update api_key set last_used_at = last_used_at - interval '2 minutes'")
    clock.now += use.NOTE_USE_S
    await keys.authenticate(secret)
    await keys.close()
    assert await noted() >= first  # type: ignore[operator]


async def test_many_at_once_with_a_new_client_make_one_client(keys: Keys, database: Database) -> None:
    await asyncio.gather(*(keys.create(client="web-shop", scopes=["admin"]) for _ in range(8)))
    assert (await database.sql("select count(*) from client"))[0][0] == 1
    assert len(await keys.list()) == 8


async def test_who_works_on_the_database_itself_is_a_client_too(keys: Keys) -> None:
    _, secret = await keys.create(client="ann", scopes=["stock:read"])
    ann = await keys.without_key("ann")
    assert ann.id == (await keys.authenticate(secret)).id
    assert ann.may("quarantine:write")


async def test_what_is_remembered_is_bounded(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use, "CACHE_MAX", 3)
    for number in range(8):
        _, secret = await keys.create(client=f"c{number}", scopes=["admin"])
        assert (await keys.authenticate(secret)).name == f"c{number}"
    assert len(keys._known) <= 3
    await keys.close()
