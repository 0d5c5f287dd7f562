"""The verbs of daily work, typed as people type them: directly at a database, and at a running server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onhand import cli
from tests.cli.desk import NETWORK, Terminal, server


@pytest.fixture
def direct(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal at a database with a small network in force."""
    for name in ("ONHAND_URL", "ONHAND_KEY", "ONHAND_DSN", "ONHAND_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "network"
    folder.mkdir()
    for name, text in NETWORK.items():
        (folder / name).write_text(text)
    onhand = Terminal(capsys, "--dsn", dsn)
    onhand("apply", folder, "--yes")
    return onhand


@pytest.fixture(params=["direct", "server"])
def onhand(
    request: pytest.FixtureRequest, dsn: str, direct: Terminal, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    """The same terminal, or one that works through a server with a key."""
    if request.param == "direct":
        yield direct
        return
    key = direct("keys", "create", "tests", "--scope", "admin").out.strip()
    with server(dsn) as url:
        yield Terminal(capsys, "--url", url, "--key", key)


def fact(type_: str, number: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": f"e{number}", "source": "wms", "type": type_, "data": data}


ITEM = fact("item.upserted", 1, {"sku": "TEA=1"})
RECEIPT = fact("receipt.posted", 2, {"location": "A", "lines": [{"sku": "TEA=1", "quantity": 10}]})
LOST = fact("receipt.posted", 3, {"location": "A", "lines": [{"sku": "CUP", "quantity": 4}]})
BROKEN = fact("receipt.posted", 4, {"location": "A"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in (ITEM, RECEIPT)))
    return path


def test_facts_in_stock_out(onhand: Terminal, file: Path) -> None:
    assert onhand("events", "send", file).out == "2 applied\n"
    assert onhand("events", "send", file, "--json").json == {"counts": {"duplicate": 2}, "others": []}
    assert [row["quantity"] for row in onhand("stock", "TEA=1", "--json").json] == [10]
    assert "e2" in onhand("stock").out
    virtual = {row["location"]: row["quantity"] for row in onhand("stock", "--virtual", "--json").json}
    assert virtual == {"A": 10, "supplier": -10}
    moved = onhand("stock", "TEA=1", "--movements", "--json").json
    assert [(row["quantity"], row["event_type"]) for row in moved] == [(10, "receipt.posted")]
    assert onhand("stock", "nope", "--json", code=cli.NO).json == []
    assert onhand("stock", "--occurred-as-of", "2001-01-01T00:00:00Z", "--json", code=cli.NO).json == []


def test_availability_is_shown_with_its_terms(onhand: Terminal, file: Path) -> None:
    onhand("events", "send", file)
    (row,) = onhand("availability", "TEA=1", "--channel", "web", "--explain", "--date", "2099-01-01", "--json").json
    assert (row["quantity"], row["terms"][0]["term"]) == (10, "on_hand")
    assert row["promise"] == [{"day": "2099-01-01", "quantity": 10}]
    told = onhand("availability", "TEA=1", "nope", "--channel", "web", "--explain", code=cli.NO).out
    assert "on hand" in told
    assert "+10" in told
    refused = onhand("availability", "TEA=1", "--channel", "nope", code=cli.REFUSED)
    assert "[unknown_channel]" in refused.err
    assert onhand("availability", "TEA=1", "--channel", "web", "--date", "soon", code=cli.REFUSED).out == ""


def test_a_reservation_from_its_making_to_its_end(onhand: Terminal, file: Path) -> None:
    onhand("events", "send", file)
    made = onhand("reserve", "create", "TEA=1=3", "--channel", "web", "--request-id", "r1", "--json").json
    assert (made["state"], made["lines"][0]["granted"]) == ("granted", 3)
    again = onhand("reserve", "create", "TEA=1=3", "--channel", "web", "--request-id", "r1")
    assert "first answer again" in again.out
    name = made["reservation_id"]
    assert onhand("reserve", "extend", name, "--expires-in-s", "60", "--json").json["state"] == "granted"
    part = onhand("reserve", "fulfil", name, "1=1", "--json").json
    assert part["lines"][0]["fulfilled"] == 1
    assert onhand("reserve", "release", name, "--json").json["state"] == "released"
    verbs = [entry["verb"] for entry in onhand("reserve", "log", name, "--json").json]
    assert verbs == ["create", "extend", "fulfil", "release"]
    assert "released" in onhand("reserve", "show", name).out
    closed = onhand("reserve", "extend", name, "--expires-in-s", "60", code=cli.REFUSED)
    assert "[reservation_closed]" in closed.err


def test_not_enough_is_an_answer_with_its_shortfall(onhand: Terminal, file: Path) -> None:
    onhand("events", "send", file)
    refused = onhand("reserve", "create", "TEA=1=30", "--channel", "web", "--json", code=cli.NO).json
    assert (refused["code"], refused["lines"][0]["available"], refused["lines"][0]["short"]) == (
        "insufficient_stock", 10, 20,
    )  # fmt: skip
    assert "There is not enough" in onhand("reserve", "create", "TEA=1=30", "--channel", "web", code=cli.NO).out
    assert "[invalid_input]" in onhand("reserve", "create", "TEA", "--channel", "web", code=cli.REFUSED).err
    assert "[invalid_input]" in onhand("reserve", "create", "--channel", "web", code=cli.REFUSED).err


def test_what_was_not_accepted_is_listed_and_quarantine_is_worked_off(
    onhand: Terminal, file: Path, tmp_path: Path
) -> None:
    array = tmp_path / "events.json"
    array.write_text(json.dumps([LOST, BROKEN], indent=2))
    sent = onhand("events", "send", array, "--json", code=cli.NO).json
    assert sent["counts"] == {"quarantined": 1, "rejected": 1}
    assert "unknown_item" in onhand("events", "send", array, code=cli.NO).out
    (row,) = onhand("quarantine", "list", "--json", code=cli.NO).json
    assert (row["event_id"], row["reason"], row["times"]) == ("e3", "unknown_item", 2)
    assert onhand("quarantine", "list", "--type", "count.posted", "--json").json == []
    assert "Send the item" in onhand("quarantine", "show", row["id"]).out
    assert "unknown_item" in onhand("quarantine", "release", row["id"], code=cli.NO).out
    mend = tmp_path / "mend.json"
    mend.write_text(json.dumps(fact("item.upserted", 5, {"sku": "CUP"})))
    onhand("events", "send", mend)
    released = onhand("quarantine", "release", "--reason", "unknown_item", "--json").json
    assert released["counts"] == {"applied": 1}
    assert onhand("stock", "CUP", "--json").json[0]["quantity"] == 4
    assert "[invalid_input]" in onhand("quarantine", "release", code=cli.REFUSED).err
    assert "[quarantine_not_found]" in onhand("quarantine", "show", 999, code=cli.REFUSED).err


def test_a_fact_that_is_let_go_stays_listed_with_the_reason(onhand: Terminal, tmp_path: Path) -> None:
    array = tmp_path / "events.json"
    array.write_text(json.dumps([LOST]))
    onhand("events", "send", array, code=cli.NO)
    (row,) = onhand("quarantine", "list", "--json", code=cli.NO).json
    assert onhand("quarantine", "discard", row["id"], "--note", "typed twice").out == f"Discarded {row['id']}.\n"
    (kept,) = onhand("quarantine", "list", "--state", "discarded", "--json", code=cli.NO).json
    assert kept["note"] == "typed twice"
    assert onhand("events", "send", array, "--json", code=cli.NO).json["counts"] == {"discarded": 1}


def test_accepted_events_are_followed_and_shown(onhand: Terminal, file: Path) -> None:
    assert onhand("events", "tail", "--no-follow").out == ""
    onhand("events", "send", file)
    lines = onhand("events", "tail", "--no-follow", "--from-start").out.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["item.upserted", "receipt.posted"]
    only = onhand("events", "tail", "--no-follow", "--type", "receipt.posted", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in only] == ["e2"]
    shown = onhand("events", "show", "wms", "e2", "--json").json
    assert (shown["event"]["data"], shown["movements"][0]["quantity"]) == (RECEIPT["data"], 10)
    assert "TEA=1" in onhand("events", "show", "wms", "e2").out
    assert "[event_not_found]" in onhand("events", "show", "wms", "nope", code=cli.REFUSED).err


def test_keys_are_made_listed_rotated_and_revoked(onhand: Terminal) -> None:
    made = onhand("keys", "create", "shop", "--scope", "stock:read", "--scope", "promises:write", "--json").json
    number = made["key"]["id"]
    assert made["secret"].startswith("ohk_")
    plain = onhand("keys", "create", "shop", "--scope", "stock:read", "--expires-in-days", "7").out
    assert plain.startswith("ohk_")
    assert len(plain.splitlines()) == 1  # in a pipe the key alone, so that KEY=$(onhand keys create ...) works
    fresh = onhand("keys", "rotate", number, "--overlap-s", "0", "--json").json
    assert fresh["key"]["scopes"] == made["key"]["scopes"]
    assert "is revoked" in onhand("keys", "revoke", fresh["key"]["id"]).out
    listed = {row["id"]: row for row in onhand("keys", "list", "--json").json}
    assert listed[fresh["key"]["id"]]["revoked_at"] is not None
    assert made["secret"] not in onhand("keys", "list").out
    assert "[key_not_found]" in onhand("keys", "revoke", 999, code=cli.REFUSED).err
    onhand("keys", "create", "shop", "--scope", "nope", code=cli.USAGE)


def test_events_come_from_standard_input_in_any_form(
    direct: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def typed(text: str, code: int = cli.OK) -> dict[str, int]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        counts: dict[str, int] = direct("events", "send", "-", "--json", code=code).json["counts"]
        return counts

    assert typed(json.dumps(ITEM, indent=4)) == {"applied": 1}
    assert typed("\n" + json.dumps(RECEIPT) + "\n\n" + json.dumps(ITEM)) == {"applied": 1, "duplicate": 1}
    assert typed(json.dumps([RECEIPT, 7]), code=cli.NO) == {"duplicate": 1, "rejected": 1}
    assert typed(json.dumps(RECEIPT) + "\n{not json}\n", code=cli.NO) == {"duplicate": 1, "rejected": 1}
    assert typed("") == {}
    direct("events", "send", tmp_path / "nope.json", code=cli.REFUSED)


def test_verify_finds_and_rebuild_mends(direct: Terminal, file: Path, dsn: str) -> None:
    import asyncio  # noqa: PLC0415

    from onhand.store.postgres.driver import Database  # noqa: PLC0415

    direct("events", "send", file)
    assert direct("verify", "--json").json["ok"]

    async def corrupt() -> None:
        async with await Database.connect(dsn) as database:
            await database.sql("update stock set on_hand = on_hand + 1")

    asyncio.run(corrupt())
    found = direct("verify", code=cli.NO).out
    assert "On hand is not the sum" in found
    assert "onhand rebuild" in found
    assert direct("rebuild", "--json").json["mended"]["pools"] == 1
    assert "Everything is as the ledger says" in direct("verify").out


def test_a_server_that_is_not_there_and_a_key_that_is_wrong(
    direct: Terminal, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    key = direct("keys", "create", "reader", "--scope", "stock:read").out.strip()
    with server(dsn) as url:
        reader = Terminal(capsys, "--url", url, "--key", key)
        reader("stock", code=cli.NO)
        assert "[forbidden]" in reader("keys", "list", code=cli.REFUSED).err
        stranger = Terminal(capsys, "--url", url, "--key", key[:-3] + "abc")
        assert "[unauthorised]" in stranger("stock", code=cli.REFUSED).err


def test_a_flag_that_names_a_database_wins_over_the_environments_server(
    direct: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONHAND_URL", "http://127.0.0.1:1")
    assert direct("keys", "list", "--json").json == []


@pytest.mark.slow
def test_several_workers_serve_behind_one_address(
    direct: Terminal, dsn: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = direct("keys", "create", "tests", "--scope", "admin").out.strip()
    with server(dsn, "--workers", "2") as url:
        through = Terminal(capsys, "--url", url, "--key", key)
        assert through("events", "send", file).out == "2 applied\n"
        assert through("stock", "TEA=1", "--json").json[0]["quantity"] == 10
