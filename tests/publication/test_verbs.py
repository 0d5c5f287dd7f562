"""The verbs and the API of publishing, as people type and call them, and the hub's own controller behind them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from onhand import cli
from onhand.bootstrap import Hub
from onhand.http.operation import OPERATIONS
from onhand.store.postgres.driver import Database
from tests.cli.desk import NETWORK, Terminal

PUBLISHED = {
    **NETWORK,
    "channels.yaml": (
        "channels:\n  web:\n    kind: marketplace\n    sells_from: [A, B]\n    safety_stock: {default: 2}\n"
        "    publish: {endpoint: market, read_back_percent: 0}\n  desk: {kind: desk, sells_from: [A]}\n"
    ),
    "endpoints.yaml": "endpoints:\n  market: {system: wms, base_url: 'https://market.example/{operation}'}\n",
}


def fact(id_: str, type_: str, **data: object) -> dict[str, object]:
    return {"specversion": "1.0", "id": id_, "source": "wms", "type": type_, "data": data}


@pytest.fixture
def onhand(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal at a database with a channel that is told numbers, and one that is not."""
    for name in ("ONHAND_URL", "ONHAND_KEY", "ONHAND_DSN", "ONHAND_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, text in PUBLISHED.items():
        (tmp_path / name).write_text(text)
    terminal = Terminal(capsys, "--dsn", dsn)
    terminal("apply", tmp_path, "--yes")
    facts = [
        fact("i1", "item.upserted", sku="TEA"),
        fact("r1", "receipt.posted", location="A", lines=[{"sku": "TEA", "quantity": 30}]),
    ]
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    terminal("events", "send", tmp_path / "facts.json")
    asyncio.run(work_out(dsn))
    return terminal


async def work_out(dsn: str) -> None:
    """One round of the hub's own controller."""
    async with await Database.connect(dsn) as database:
        hub = Hub(database)
        await hub.ready()
        await hub.publisher().round()


def test_status_and_differences_show_what_is_not_in_step(onhand: Terminal) -> None:
    (status,) = onhand("channels", "status", "--json", code=cli.NO).json
    assert (status["channel"], status["listed"], status["in_step"], status["behind"]) == ("web", 1, 0, 1)
    assert "in step" in onhand("channels", "status", code=cli.NO).out
    assert "oldest difference" in onhand("channels", "status", "web", code=cli.NO).out
    (row,) = onhand("publish", "diff", "web", "--json", code=cli.NO).json
    assert (row["sku"], row["desired"], row.get("shown")) == ("TEA", 28, None)
    assert "TEA" in onhand("publish", "diff", code=cli.NO).out


def test_pause_resume_and_now_say_who_and_why(onhand: Terminal) -> None:
    assert "web is paused." in onhand("publish", "pause", "web", "-m", "stocktaking", "--by", "ada").out
    assert onhand("publish", "pause", "web", "--json").json == {"changed": False}
    shown = onhand("channels", "status", "web", code=cli.NO).out
    assert "by ada: stocktaking" in shown
    assert "told numbers again" in onhand("publish", "resume", "web", "--by", "ada").out
    assert onhand("publish", "now", "web", "TEA", "--json").json == {"listings": 1}


def test_explain_adds_up_and_names_the_event(onhand: Terminal) -> None:
    found = onhand("explain", "web", "TEA", "--json").json
    (line,) = found["lines"]
    assert sum(term["quantity"] for term in line["terms"]) == line["number"] == 28
    assert found["balances"][0]["event_id"] == "r1"
    text = onhand("explain", "web", "TEA").out
    assert "safety stock" in text
    assert "wms r1" in text
    assert onhand("explain", "web", "TEA", "--at", "2020-01-01T00:00Z", "--json").json["lines"] == []


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        (("channels", "status", "desk"), "not_published"),
        (("publish", "diff", "nowhere"), "unknown_channel"),
        (("explain", "desk", "TEA"), "not_published"),
        (("explain", "web", "NONE"), "not_published"),
        (("publish", "now", "web", "TEA", "NONE"), "not_published"),
        (("explain", "web", "TEA", "--at", "soon"), "invalid_input"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(onhand: Terminal, tokens: tuple[str, ...], code: str) -> None:
    assert json.loads(onhand(*tokens, "--json", code=cli.REFUSED).err)["error"]["code"] == code


def test_the_api_has_both_operations() -> None:
    from onhand.http.areas import operations  # noqa: PLC0415 - enters all areas in the table

    assert {"list_publications", "explain_publication"} <= {each.id for each in operations()}
    assert OPERATIONS
