"""A small trading company inside a real Tryton: books, two warehouses, parties, and three users of unequal rights.

Made once by the calls that a consultant's clicks would make, then kept as the template of every server that a test
starts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.connectors.tryton.rpc import Desk

ADMIN = ("admin", "admin-secret-1")
HUB = ("onhand", "hub-secret-2")
CLERK = ("clerk", "clerk-secret-3")
"""The clerk may log in and see products and locations, but neither moves nor sales."""

RIGHTS = {
    ADMIN[0]: ("stock.group_stock_admin", "stock.group_stock_cancellation", "sale.group_sale_admin"),
    HUB[0]: ("stock.group_stock", "sale.group_sale"),
    CLERK[0]: (),
}


def found(desk: Desk) -> None:
    """Found the company and everything that it needs before its first sale."""
    euro = desk.make(
        "currency.currency", name="Euro", code="EUR", symbol="€", digits=2, rounding=Decimal("0.01"),
        rates=[["create", [{"date": day(2020, 1, 1), "rate": Decimal(1)}]]],
    )  # fmt: skip
    company = desk.make(
        "company.company", party=_party(desk, "Example Trading", code="EX"), currency=euro, timezone="UTC"
    )
    _let_work(desk, company)
    _books(desk, company)
    _party(desk, "Kiosk", code="C-1")
    _party(desk, "Tea importers", code="S-1")
    desk.make("account.invoice.payment_term", name="At once", lines=[["create", [{"type": "remainder"}]]])
    warehouse(desk, "WEST")
    units = desk.one("product.uom", [["name", "=", "Unit"]], "category")["category"]
    desk.make(
        "product.uom", name="Dozen", symbol="dz", category=units, factor=12.0, rate=round(1 / 12, 12), rounding=1.0,
        digits=0,
    )  # fmt: skip


def day(year: int, month: int, number: int) -> dict[str, Any]:
    """A date as Tryton's JSON has it."""
    return {"__class__": "date", "year": year, "month": month, "day": number}


def reference(desk: Desk, name: str) -> int:
    """The id of a record that a module brought along, `module.name`."""
    return int(desk.call("model.ir.model.data.get_id", name))


def warehouse(desk: Desk, code: str) -> int:
    """Make a warehouse with zones of its own."""
    zones = {
        zone: desk.make("stock.location", name=f"{zone} {code}", code=f"{zone}-{code}", type="storage")
        for zone in ("IN", "OUT", "STO")
    }
    lost = desk.one("stock.location", [["type", "=", "lost_found"]])["id"]
    return desk.make(
        "stock.location", name=f"Warehouse {code}", code=code, type="warehouse", input_location=zones["IN"],
        output_location=zones["OUT"], storage_location=zones["STO"], lost_found_location=lost,
    )  # fmt: skip


def _party(desk: Desk, name: str, *, code: str) -> int:
    return desk.make("party.party", name=name, code=code, addresses=[["create", [{"city": "Harbour"}]]])


def _let_work(desk: Desk, company: int) -> None:
    admin = desk.one("res.user", [["login", "=", ADMIN[0]]])["id"]
    desk.write("res.user", [admin], companies=[["add", [company]]], company=company, groups=_groups(desk, ADMIN[0]))
    desk.refresh()
    for login, password in (HUB, CLERK):
        desk.make(
            "res.user", name=login, login=login, password=password, companies=[["add", [company]]],
            company=company, groups=_groups(desk, login),
        )  # fmt: skip


def _groups(desk: Desk, login: str) -> list[Any]:
    return [["add", [reference(desk, name) for name in RIGHTS[login]]]]


def _books(desk: Desk, company: int) -> None:
    chart = reference(desk, "account.account_template_root_en")
    desk.wizard(
        "account.create_chart",
        [
            ("account", {}),
            ("create_account", {"account": {"account_template": chart, "company": company}}),
            ("create_properties", lambda: {"properties": {"company": company, **_defaults(desk)}}),
        ],
    )
    desk.make(
        "product.category", name="Goods", accounting=True,
        account_expense=_account(desk, "expense"), account_revenue=_account(desk, "revenue"),
    )  # fmt: skip


def _defaults(desk: Desk) -> dict[str, int]:
    return {
        "account_receivable": _account(desk, "receivable"),
        "account_payable": _account(desk, "payable"),
        "category_account_expense": _account(desk, "expense"),
        "category_account_revenue": _account(desk, "revenue"),
    }


def _account(desk: Desk, kind: str) -> int:
    return int(desk.find("account.account", [[f"type.{kind}", "=", True], ["closed", "!=", True]])[0]["id"])
