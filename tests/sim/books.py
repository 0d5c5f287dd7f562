"""Small order books with every kind of dirt, and short ways to judge and read them."""

from __future__ import annotations

import gzip
from pathlib import Path

from onhand.sim.replay.judging import Judge, Line
from onhand.sim.replay.leaps import in_step
from onhand.sim.replay.policy import Policy, load
from onhand.sim.replay.source import records
from onhand.sim.replay.survey import Survey, survey

HEADING = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,CustomerID,Country\n"

DIRTY = (Path(__file__).parent / "dirty.csv").read_text(encoding="utf-8")
DIRTY_LINES = 26

OTHER_YEAR = (
    "InvoiceNo;StockCode;Description;Quantity;InvoiceDate;UnitPrice;CustomerID;Country\r\n"
    "536365;85123A;CAF\xc9 LIGHT \xa32;6;12/1/2010 8:26;2,55;17850.0;United Kingdom\r\n"
    "536365;71053;LANTERN;1,200;12/1/2010 8:26;3,39;17850.0;United Kingdom\r\n"
    "536366;22633;HAND WARMER;6;12/13/2010 8:28 PM;1,85;nan;Eire\r\n"
)


def book(folder: Path, text: str | bytes, name: str = "book.csv") -> Path:
    """Write an order book; gzipped when its name says so."""
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def judged(path: Path, policy: Policy | None = None) -> tuple[list[Line], Judge, Survey]:
    """Every line of a book with its verdict, in order."""
    policy = policy or load()
    found = survey(path, policy)
    judge = Judge(policy, order=found.date_order, spellings=found.spellings if policy.sku_case == "fold" else None)
    return list(in_step(judge.judge(raw) for raw in records(path, found.dialect))), judge, found
