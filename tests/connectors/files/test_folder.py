"""Files that are dropped, read, stored and moved; whole or half written, by one node or two, in a folder or by SFTP."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from onhand.app.mapping_files import read_mapping
from onhand.connectors.files.connector import FilesConnector
from onhand.connectors.files.fake import Fake
from onhand.domain.endpoint import Endpoint
from onhand.domain.mapping import Context
from onhand.domain.outcome import Delivered, Rejected
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.ops import limits
from onhand.sdk import Message, NotClaimed, Outgoing, ReadFailed, StockUpdate
from onhand.sdk.registry import SettingsInvalid, installed
from tests.connectors.files.conftest import NOW, Clock
from tests.connectors.files.sshd import Server, cut_line, sshd

AWAY: dict[str, Any] = {"done": "done", "failed": "failed"}
GOOD = b"sku,location,Qty,Counted\r\nA-1,central,5,2026-03-01T08:00:00Z\r\n"


def connector(url: str, clock: Clock | None = None, secret: Path | None = None, **settings: Any) -> FilesConnector:
    whole = {**Fake().settings(), **settings}
    endpoint = Endpoint(
        code="drop",
        system="supplier",
        base_url=url,
        sender="files",
        settings=whole,
        secret=None if secret is None else f"file:{secret}",
        allow_private_addresses=True,
        timeout_s=20,
    )
    made = installed().get("files").make(whole, EndpointLink(endpoint, Transport(), clock=clock or Clock()))
    assert isinstance(made, FilesConnector)
    return made


async def names(reader: FilesConnector, cursor: str | None, **more: Any) -> tuple[list[str], str | None]:
    page = await reader.read("rows", cursor, **{"limit": 100, **more})
    return [message.key.partition("@")[0] for message in page.messages], page.cursor


def lying(fake: Fake, folder: str) -> list[str]:
    return sorted(path.name for path in (fake.root / folder).glob("*")) if (fake.root / folder).exists() else []


# ------------------------------------------------------------------------------------------------------------- reading


async def test_a_file_is_one_message_byte_for_byte_and_goes_away_once_it_is_stored(fake: Fake, clock: Clock) -> None:
    key = fake.drop("stock 1;ü.csv", GOOD)
    reader = connector(fake.url, clock, **AWAY)

    page = await reader.read("rows", None, limit=10)

    (message,) = page.messages
    assert (message.key, message.body, page.more) == (key, GOOD, False)
    assert lying(fake, "incoming") == ["stock 1;ü.csv"], "it lies there until it is stored"
    document = reader.decode("rows", message.body, message.content_type)
    assert msgspec.to_builtins(document)["file"] == "stock 1;ü.csv"
    await reader.stored("rows", page.messages)
    await reader.stored("rows", page.messages)
    assert lying(fake, "incoming") == []
    assert lying(fake, "done") == ["20260301T120000.000000Z-stock 1;ü.csv"]
    assert (fake.root / "done" / lying(fake, "done")[0]).read_bytes() == GOOD


async def test_files_come_oldest_first_page_by_page_and_none_twice(fake: Fake) -> None:
    keys = list(await fake.populate("rows", 7))
    keys.insert(0, await fake.late("rows"))
    reader = connector(fake.url)
    seen: list[str] = []
    cursor, more = None, True
    while more:
        page = await reader.read("rows", cursor, limit=3)
        seen += [message.key for message in page.messages]
        cursor, more = page.cursor, page.more
    assert seen == keys
    assert await names(reader, cursor) == ([], cursor)


async def test_the_same_name_dropped_again_is_another_message_even_with_the_same_content(fake: Fake) -> None:
    first = fake.drop("stock.csv", GOOD)
    reader = connector(fake.url)
    _, cursor = await names(reader, None)
    second = fake.drop("stock.csv", GOOD)
    page = await reader.read("rows", cursor, limit=10)
    assert [message.key for message in page.messages] == [second] != [first]


async def test_a_file_that_was_replaced_after_it_was_read_is_not_moved_away_unread(fake: Fake) -> None:
    fake.drop("stock.csv", GOOD)
    reader = connector(fake.url, **AWAY)
    page = await reader.read("rows", None, limit=10)
    newer = fake.drop("stock.csv", GOOD + b"A-2,central,7,2026-03-01T08:00:00Z\r\n")
    await reader.stored("rows", page.messages)
    assert lying(fake, "done") == []
    assert [m.key for m in (await reader.read("rows", page.cursor, limit=10)).messages] == [newer]


async def test_a_file_that_was_stored_but_not_moved_is_read_again_after_a_while_and_then_moved(
    fake: Fake, clock: Clock
) -> None:
    """The crash between the commit and the move: the cursor says that it was read, and it still lies there."""
    key = fake.drop("stock.csv", GOOD)
    reader = connector(fake.url, clock, **AWAY)
    _, cursor = await names(reader, None)
    clock.forward(limits.FILE_SEEN_AGAIN_S - 1)
    assert (await names(reader, cursor))[0] == []
    clock.forward(1)
    page = await reader.read("rows", cursor, limit=10)
    assert [message.key for message in page.messages] == [key], "the inbox knows the key, and tells that it is stored"
    await reader.stored("rows", page.messages)
    assert lying(fake, "incoming") == []


async def test_a_file_that_these_settings_cannot_read_goes_to_failed_with_its_reason(fake: Fake) -> None:
    fake.drop("bad.csv", GOOD.replace(b",5,", b",five,"))
    fake.drop("good.csv", GOOD)
    reader = connector(fake.url, **AWAY)
    page = await reader.read("rows", None, limit=10)
    assert len(page.messages) == 2, "it is kept all the same"
    await reader.stored("rows", page.messages)
    stamp = "20260301T120000.000000Z"
    assert lying(fake, "done") == [f"{stamp}-good.csv"]
    assert lying(fake, "failed") == [f"{stamp}-bad.csv", f"{stamp}-bad.csv.reason.txt"]
    reason = (fake.root / "failed" / f"{stamp}-bad.csv.reason.txt").read_text()
    assert reason.startswith("bad.csv: row 2, column 'Qty': 'five' is not a number")


async def test_a_file_that_is_too_large_is_left_and_told_while_the_others_pass_it(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FILE_BYTES_MAX", 500)
    fake.drop("huge.csv", b"x" * 501)
    fake.drop("good.csv", GOOD)
    reader = connector(fake.url, **AWAY)
    page = await reader.read("rows", None, limit=10)
    assert [message.key.partition("@")[0] for message in page.messages] == ["good.csv"]
    await reader.stored("rows", page.messages)
    with pytest.raises(ReadFailed, match=r"huge\.csv") as caught:
        await reader.read("rows", page.cursor, limit=10)
    assert isinstance(caught.value.outcome, Rejected)
    assert lying(fake, "incoming") == ["huge.csv"]


@pytest.mark.parametrize("name", [b"st\xfcck.csv", b"a\nb.csv", b"a\\b.csv"])
async def test_a_name_that_cannot_be_used_blocks_nobody_and_is_told(fake: Fake, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(fake.root / "incoming") + b"/" + name))).write_bytes(GOOD)
    fake.drop("good.csv", GOOD)
    reader = connector(fake.url)
    found, cursor = await names(reader, None)
    assert found == ["good.csv"]
    with pytest.raises(ReadFailed, match="cannot be used"):
        await reader.read("rows", cursor, limit=10)


async def test_a_page_holds_only_so_many_bytes(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FILE_PAGE_BYTES_MAX", 2 * len(GOOD) + 1)
    for number in range(5):
        fake.drop(f"{number}.csv", GOOD)
    page = await connector(fake.url).read("rows", None, limit=100)
    assert (len(page.messages), page.more) == (2, True)


async def test_a_stream_that_is_not_there_and_a_cursor_that_is_none_do_no_harm(fake: Fake) -> None:
    fake.drop("stock.csv", GOOD)
    reader = connector(fake.url)
    with pytest.raises(NotClaimed):
        await reader.read("orders", None, limit=1)
    for cursor in ("", "nonsense", '{"files": 1}', "[]", "\ud800"):
        assert (await names(reader, cursor))[0] == ["stock.csv"]


# ------------------------------------------------------------------------------------------------- half-written files


async def test_hidden_and_unfitting_names_are_not_read(fake: Fake) -> None:
    for name in (".stock.csv.part", "stock.csv.tmp", "README.txt"):
        (fake.root / "incoming" / name).write_bytes(GOOD)
    (fake.root / "incoming" / "folder.csv").mkdir()
    assert (await names(connector(fake.url), None))[0] == []


async def test_a_file_that_still_grows_is_read_only_once_it_has_looked_the_same_for_long_enough(
    fake: Fake, clock: Clock
) -> None:
    path = fake.root / "incoming" / "stock.csv"
    path.write_bytes(GOOD[:30])
    reader = connector(fake.url, clock, complete={"when": "unchanged", "for_s": 60})
    found, cursor = await names(reader, None)
    assert found == []
    clock.forward(59)
    path.write_bytes(GOOD)
    found, cursor = await names(reader, cursor)
    assert found == [], "it has changed, so its time begins anew"
    clock.forward(59)
    assert (await names(reader, cursor))[0] == []
    clock.forward(1)
    assert (await names(reader, cursor))[0] == ["stock.csv"]
    assert (await names(connector(fake.url, clock, complete={"when": "unchanged", "for_s": 60}), cursor))[0] == [
        "stock.csv"
    ], "another node goes on from the cursor"


async def test_a_marker_says_that_a_file_is_whole_and_goes_away_with_it(fake: Fake) -> None:
    fake.drop("stock.csv", GOOD)
    reader = connector(fake.url, pattern="*", complete={"when": "marker", "suffix": ".done"}, **AWAY)
    assert (await names(reader, None))[0] == []
    fake.drop("stock.csv.done", b"")
    page = await reader.read("rows", None, limit=10)
    assert [message.key.partition("@")[0] for message in page.messages] == ["stock.csv"]
    await reader.stored("rows", page.messages)
    assert lying(fake, "incoming") == []
    assert [name.partition("-")[2] for name in lying(fake, "done")] == ["stock.csv", "stock.csv.done"]


# ------------------------------------------------------------------------------------------------------------ telling


def outgoing(body: str, key: str = "k-1") -> Outgoing:
    return Outgoing(
        id=1, lane="normal", operation="file.write", ordering_key=None, idempotency_key=key, limit_key=None, body=body,
        cause="test", created_at=NOW, deadline_at=NOW + timedelta(days=1), tries=0, attempts=0, verify=False,
    )  # fmt: skip


async def test_numbers_are_written_in_one_file_that_replaces_itself(fake: Fake) -> None:
    writer = connector(fake.url)
    updates = [StockUpdate(listing=f"L-{n}", sku=f"A,{n}", quantity=n, location="central") for n in range(3)]
    for _ in range(2):
        outcomes = await writer.publish(updates, key="k-1")
        assert all(isinstance(each, Delivered) for each in outcomes)
    assert fake.sheets() == [
        [{"listing": f"L-{n}", "sku": f"A,{n}", "location": "central", "quantity": str(n)} for n in range(3)]
    ]
    await writer.publish(updates[:1], key="k-2")
    assert len(fake.sheets()) == 2


async def test_a_name_that_a_spreadsheet_would_run_is_refused_alone_escaped_or_kept(fake: Fake) -> None:
    updates = [
        StockUpdate(listing=name, sku="A", quantity=1) for name in ("L-1", "=cmd|' /C calc'!A0", "@SUM(1)", "L-2")
    ]
    outcomes = await connector(fake.url).publish(updates, key="k")
    assert [each.kind for each in outcomes] == ["delivered", "rejected", "rejected", "delivered"]
    assert [row["listing"] for row in fake.sheets()[0]] == ["L-1", "L-2"]
    await connector(fake.url, export={"formulas": "escape"}).publish(updates, key="k")
    assert fake.sheets()[0][1]["listing"] == "'=cmd|' /C calc'!A0"
    await connector(fake.url, export={"formulas": "keep"}).publish(updates, key="k")
    assert fake.sheets()[0][1]["listing"] == "=cmd|' /C calc'!A0"


async def test_rows_of_a_command_are_written_exactly_in_the_declared_form(fake: Fake) -> None:
    export = {
        "columns": {"order": "Auftrag", "amount": "Betrag"},
        "delimiter": ";",
        "decimal_mark": ",",
        "encoding": "cp1252",
        "file": "orders-{key}.csv",
    }
    writer = connector(fake.url, export=export)
    body = '{"rows": [{"order": "Té;1", "amount": 1.10}, {"order": null, "amount": 12345678901234567890}]}'
    (outcome,) = await writer.send("file.write", [outgoing(body)])
    assert isinstance(outcome, Delivered)
    (path,) = (fake.root / "outgoing").iterdir()
    assert path.read_bytes() == 'Auftrag;Betrag\r\n"Té;1";1,10\r\n;12345678901234567890\r\n'.encode("cp1252")
    assert outcome.answer == f"outgoing/{path.name}"


@pytest.mark.parametrize(
    "body",
    ["", "[]", '{"rows": 1}', '{"rows": [1]}', '{"rows": [{"other": 1}]}', '{"rows": [{"sku": [1]}]}',
     '{"rows": [{"sku": true}]}', '{"rows": [{"sku": "\\u0000"}]}', '{"rows": [{"sku": "\\ud800"}]}'],
)  # fmt: skip
async def test_what_cannot_be_written_is_refused_and_nothing_is_written(fake: Fake, body: str) -> None:
    (outcome,) = await connector(fake.url).send("file.write", [outgoing(body)])
    assert isinstance(outcome, Rejected)
    assert fake.sheets() == []


# ------------------------------------------------------------------------------------------------------ check, settings


async def test_the_check_tells_what_is_wrong(fake: Fake) -> None:
    assert (await connector(fake.url, **AWAY).check()).state == "ok"
    found = await connector(fake.url, folder="elsewhere").check()
    assert (found.state, found.missing) == ("under_privileged", ("read elsewhere",))
    (fake.root / "blocked").write_text("a file where a folder should be")
    found = await connector(fake.url, done="blocked").check()
    assert (found.state, found.missing) == ("under_privileged", ("write to blocked",))
    await fake.stop()
    assert (await connector(fake.url).check()).state == "unreachable"


async def test_discovery_shows_the_files_that_lie_there(fake: Fake) -> None:
    fake.drop("stock.csv", GOOD)
    assert [(each.code, each.facts["bytes"]) for each in await connector(fake.url).discover()] == [
        ("stock.csv", str(len(GOOD)))
    ]


@pytest.mark.parametrize(
    "settings",
    [{"folder": "../up"}, {"folder": "/etc"}, {"done": "a/../../b"}, {"pattern": "a/b"}, {"columns": [{"name": "row"}]},
     {"columns": [{"name": "a", "typ": "text"}]}, {"export": {"file": "stock.csv"}}, {"export": {"file": "a/{key}"}},
     {"csv": {"delimiters": []}}, {"no_such": 1}, {"xlsx": {"sheet": 0}}],
)  # fmt: skip
def test_settings_that_lead_elsewhere_or_mean_nothing_are_refused(settings: Mapping[str, Any]) -> None:
    assert installed().get("files").check_settings({**Fake().settings(), **settings})


@pytest.mark.parametrize(
    "settings",
    [{"timezone": "Atlantis/Deep"}, {"columns": [{"name": "at", "type": "date", "formats": ["YYYY YYYY"]}]}],
)
async def test_a_zone_or_a_format_that_is_none_is_told_when_the_endpoint_is_set_up(
    fake: Fake, settings: dict[str, Any]
) -> None:
    columns = [{"name": "at", "type": "datetime"}]
    with pytest.raises(SettingsInvalid):
        connector(fake.url, **{"columns": columns, **settings})


async def test_the_mapping_makes_stock_of_the_samples_and_of_what_the_stand_in_drops(fake: Fake) -> None:
    await fake.populate("rows", 1)
    reader, package = connector(fake.url), installed().get("files")
    mapping = read_mapping(package.text("mapping.yaml"), file="mapping.yaml")["stock"]
    (message,) = (await reader.read("rows", None, limit=1)).messages
    bodies = [message.body, *(path.read_bytes() for path in sorted((package.folder / "samples" / "rows").iterdir()))]
    context = Context(system="supplier", look_up=lambda _kind, _code: None, received_at=NOW)
    for body in bodies:
        rows = mapping.apply(reader.decode("rows", body, message.content_type), context)
        assert {row.type for row in rows} == {"stock.stated"}
        assert all(row.data["quantity"] >= 0 and row.data["as_of"].startswith("2026-0") for row in rows)
        assert len({row.id for row in rows}) == len(rows) > 0


async def test_where_each_file_states_all_there_is_a_read_brings_one_as_of_its_last_change(fake: Fake) -> None:
    keys = await fake.populate("rows", 3)
    reader = connector(fake.url, whole_stock=True)
    cursor = None
    for number, key in enumerate(keys, 1):
        page = await reader.read("rows", cursor, limit=10)
        assert [message.key for message in page.messages] == [key]
        assert (page.more, page.snapshot_as_of) == (False, datetime(2026, 3, 1, 0, 0, number, tzinfo=UTC))
        cursor = page.cursor
    assert (await reader.read("rows", cursor, limit=10)).snapshot_as_of is None


# -------------------------------------------------------------------------------------------------- a real SFTP server


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with sshd(tmp_path / "sshd") as running:
        (running.files / "incoming").mkdir()
        (tmp_path / "secret").write_text(running.credentials())
        yield running


async def drain(reader: FilesConnector, inbox: dict[str, bytes], offered: list[Message], turn: asyncio.Barrier) -> None:
    """Read, store what is new by its key in one step, then move, as a node does; both nodes read at the same moment."""
    cursor: str | None = None
    for _ in range(4):
        await turn.wait()
        page = await reader.read("rows", cursor, limit=10)
        for message in page.messages:
            offered.append(message)
            inbox.setdefault(message.key, message.body)
        cursor = page.cursor
        await reader.stored("rows", page.messages)


async def test_two_nodes_that_read_one_folder_at_once_take_each_file_once(server: Server, tmp_path: Path) -> None:
    whole = {
        f"stock-{number:03}.csv": GOOD + f"A-{number},central,1,2026-03-01T08:00:00Z\r\n".encode()
        for number in range(30)
    }
    for name, content in whole.items():
        (server.files / "incoming" / name).write_bytes(content)
    inbox: dict[str, bytes] = {}
    offered: list[Message] = []
    turn = asyncio.Barrier(2)
    nodes = [connector(server.url, Clock(), tmp_path / "secret", done="done") for _ in range(2)]

    await asyncio.gather(*(drain(node, inbox, offered, turn) for node in nodes))

    assert {key.partition("@")[0]: body for key, body in inbox.items()} == whole
    assert len(inbox) == 30 < len(offered), "both nodes saw some files, and the keys told them apart"
    assert list((server.files / "incoming").iterdir()) == []
    assert sorted(path.name.partition("-")[2] for path in (server.files / "done").iterdir()) == sorted(whole)


async def test_a_read_whose_line_is_cut_brings_nothing_and_the_next_one_all(server: Server, tmp_path: Path) -> None:
    for number in range(5):
        (server.files / "incoming" / f"{number}.csv").write_bytes(GOOD + os.urandom(300_000))
    async with cut_line(server.port, after_bytes=700_000) as port:
        url = server.url.replace(str(server.port), str(port))
        with pytest.raises(Exception, match="the connection was lost"):
            await connector(url, Clock(), tmp_path / "secret").read("rows", None, limit=10)
    page = await connector(server.url, Clock(), tmp_path / "secret").read("rows", None, limit=10)
    assert len(page.messages) == 5


async def test_the_check_tells_a_wrong_key_a_wrong_login_and_a_dead_server_apart(
    server: Server, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    reader = connector(server.url, Clock(), secret, done="done")
    assert (await reader.check()).state == "ok"
    secret.write_text(json.dumps({"user": "nobody-here", "password": "s3cret", "host_key": server.host_key}))
    assert (await reader.check()).state == "unauthorised"
    secret.write_text(server.credentials(host_key=""))
    assert (await reader.check()).state == "unauthorised"
    secret.write_text(server.credentials())
    assert (await connector(server.url.replace(str(server.port), "1"), Clock(), secret).check()).state == "unreachable"
