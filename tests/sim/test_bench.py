"""The bench measures what it says it measures: its requests are right, its report adds up, it refuses to flatter."""

from __future__ import annotations

from datetime import date
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from onhand.http.form import read as read_form
from onhand.http.reservations import ReservationForm
from onhand.ops.settings import Settings
from onhand.sim.bench import machine, run
from onhand.sim.bench.load import Job, requests, sku
from onhand.sim.bench.machine import Machine, NotDurable
from onhand.sim.bench.report import Report, Row, figure, page, write_page
from onhand.store.postgres.driver import Database

SMALL = run.Size(
    skus=50,
    seconds=0.3,
    repetitions=1,
    floor_orders=200,
    connections=8,
    balances=40,
    movements=500,
    commands=1_000,
    messages=100,
)


def job(**changes: object) -> Job:
    base = Job(host="127.0.0.1", port=1, key="k", prefix="p-")
    return msgspec.structs.replace(base, **changes)


@pytest.mark.parametrize("lines", [1, 10])
def test_prebuilt_requests_are_what_the_api_reads_and_no_two_are_the_same(lines: int) -> None:
    sent = list(islice(requests(job(skus=100, order_lines=lines)), 50))
    assert len({len(one) for one in sent}) == 1
    forms = []
    for one in sent:
        head, _, body = one.partition(b"\r\n\r\n")
        assert f"content-length: {len(body)}".encode() in head
        forms.append(read_form(body, ReservationForm))
    assert len({form.request_id for form in forms}) == 50
    assert all(len({line.sku for line in form.lines}) == lines for form in forms)


def test_a_hot_job_asks_for_one_item_and_a_uniform_one_for_many() -> None:
    assert all(sku(0).encode() in one for one in islice(requests(job(skus=1)), 20))
    assert len({one[-40:] for one in islice(requests(job(skus=1000)), 20)}) > 15


async def test_a_database_that_forgets_is_refused_unless_one_insists(database: Database) -> None:
    found = await machine.describe(database)
    assert not found.durable
    with pytest.raises(NotDurable, match="fsync"):
        machine.require_durable(found, unsafe=False)
    machine.require_durable(found, unsafe=True)


def test_the_page_of_the_documentation_holds_the_figures_their_floors_and_the_command(tmp_path: Path) -> None:
    where = Machine(
        cores=2, processor="a processor", memory_mb=1024, system="Linux", python="CPython 3.11", postgresql="18",
        durable=True, load_before=3.0, settings={"fsync": "on", "synchronous_commit": "on"},
    )  # fmt: skip
    row = Row(
        key="uniform", what="orders", value=8000.4, unit="orders/s", floor=16_000, floor_what="the function", ratio=0.5,
        target="≥ 0.5", met=True,
    )  # fmt: skip
    report = Report(
        machine=where, quick=False, command="onhand bench", rows=(row,), costs={"node": 90.0},
        left_out={"outbox": "not built"}, took_s=1,
    )  # fmt: skip
    text = page(report, day=date(2026, 11, 23))
    assert "| orders | 8,000 orders/s | 16,000 orders/s | 0.50 | ≥ 0.5 (met) |" in text
    for part in (
        "onhand bench --write-docs",
        "**orders**: the function",
        "outbox: not built",
        "fsync on",
        "others were using it",
    ):
        assert part in text
    assert write_page(report, tmp_path, day=date(2026, 11, 23)).read_text(encoding="utf-8") == text


def test_figures_have_no_more_digits_than_they_are_worth() -> None:
    assert [figure(value, "x") for value in (12345.6, 123.45, 1.234)] == ["12,346 x", "123.5 x", "1.23 x"]


@pytest.mark.slow
async def test_a_small_run_measures_every_row_beside_its_floor(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "QUICK", SMALL)
    said: list[str] = []
    report = await run.run(Settings(dsn=dsn), quick=True, unsafe=True, command="onhand bench", progress=said.append)
    rows = {row.key: row for row in report.rows}
    assert set(rows) == {
        "uniform", "hot", "p99", "ten_lines", "intake", "mapped", "outbox", "memory", "publication",
        "explain", "rebuild",
    }  # fmt: skip
    assert all(row.value > 0 for row in report.rows)
    assert all(row.ratio and row.floor for key, row in rows.items() if key not in ("p99", "memory"))
    assert all(row.met is None for row in report.rows), "a quick run judges nothing"
    assert said
