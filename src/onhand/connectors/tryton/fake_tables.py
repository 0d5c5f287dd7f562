"""Tables as Tryton answers for them: domains, dotted paths over relations, and records that come back in its manner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from onhand.connectors.tryton.wire import Record

Value = Callable[[Record, str], Any]
Domain = Sequence[Any]

RELATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "product.product": {
        "template": "product.template", "default_uom": "product.uom", "sale_uom": "product.uom",
        "purchase_uom": "product.uom",
    },
    "stock.location": {
        "parent": "stock.location", "input_location": "stock.location", "output_location": "stock.location",
        "storage_location": "stock.location",
    },
    "stock.move": {
        "product": "product.product", "from_location": "stock.location", "to_location": "stock.location",
        "shipment": "*", "sale": "sale.sale",
    },
    "sale.line": {"product": "product.product", "unit": "product.uom"},
}  # fmt: skip
"""Where a field leads; `*` to the record of any table, as `model,id`."""


LASTING: Final = ("code", "reference", "description")
"""Fields that never change once a record is there, so that they can be looked up."""


class Unknown(Exception):
    """A model or field that is not there: Tryton answers with its name in quotes."""

    def __init__(self, name: str) -> None:
        super().__init__(repr(name))


class Tables:
    """Every table, and what can be asked of them."""

    def __init__(self, names: Iterable[str], *, before: Mapping[str, int] | None = None) -> None:
        """`before` says how many records of a table there were once, so that its numbers begin behind them."""
        self._rows: dict[str, dict[int, Record]] = {name: {} for name in names}
        self._before = before or {}
        self._index: dict[tuple[str, str, Any], list[int]] = {}

    @property
    def models(self) -> frozenset[str]:
        """The names of all tables."""
        return frozenset(self._rows)

    def rows(self, model: str) -> dict[int, Record]:
        """Return a table by its id. Raises Unknown."""
        try:
            return self._rows[model]
        except KeyError:
            raise Unknown(model) from None

    def add(self, model: str, **values: Any) -> Record:
        """Add a record."""
        rows = self.rows(model)
        record = {"id": self._before.get(model, 0) + len(rows) + 1, **values}
        rows[record["id"]] = record
        for field in LASTING:
            if record.get(field) is not None:
                self._index.setdefault((model, field, record[field]), []).append(record["id"])
        return record

    def having(self, model: str, field: str, value: Any) -> list[Record]:
        """Return the records with a value in one of the LASTING fields."""
        rows = self.rows(model)
        return [rows[each] for each in self._index.get((model, field, value), ())]

    def one(self, model: str, **values: Any) -> Record:
        """Return the first record with these values."""
        return next(r for r in self.rows(model).values() if all(r.get(name) == value for name, value in values.items()))

    def search(self, model: str, domain: Domain, *, computed: Value, active_only: bool) -> list[Record]:
        """Return the records that fit a domain, in the order of their ids."""
        found = []
        for record in self._candidates(model, domain):
            hidden = active_only and record.get("active") is False
            if not hidden and self._fits(model, record, domain, computed):
                found.append(record)
        return found

    def _candidates(self, model: str, domain: Domain) -> Iterable[Record]:
        """Return the records that may fit: where ids or lasting values are asked for, those alone."""
        rows = self.rows(model)
        for clause in domain if domain and domain[0] != "OR" else ():
            field, operator, wanted = clause if isinstance(clause, list) and len(clause) == 3 else ("", "", None)
            values = [wanted] if operator == "=" else wanted if operator == "in" else None
            if values is None or None in values:
                continue
            if field == "id":
                return [rows[each] for each in sorted(values) if each in rows]
            if field in LASTING:
                found = [record for value in values for record in self.having(model, field, value)]
                return sorted(found, key=lambda record: int(record["id"]))
        return rows.values()

    def read(self, model: str, record: Record, fields: Sequence[str], computed: Value) -> Record:
        """Return a record's fields; those of a related record lie below the field's name and a dot."""
        answer: Record = {"id": record["id"]}
        for field in fields:
            head, _, rest = field.partition(".")
            if not rest:
                answer[field] = self._value(model, record, field, computed)
                continue
            target, other = self._follow(model, record, head)
            nested = None if other is None else self.read(target, other, [rest], computed)
            known = answer.setdefault(f"{head}.", nested)
            if isinstance(known, dict) and nested is not None:
                _merge(known, nested)
        return answer

    def _fits(self, model: str, record: Record, domain: Domain, computed: Value) -> bool:
        if not domain:
            return True
        if domain[0] in ("AND", "OR"):
            parts = [self._fits(model, record, each, computed) for each in domain[1:]]
            return any(parts) if domain[0] == "OR" else all(parts)
        if isinstance(domain[0], str):
            path, operator, wanted = domain
            return _COMPARE[operator](self._reach(model, record, path, computed), wanted)
        return all(self._fits(model, record, each, computed) for each in domain)

    def _reach(self, model: str, record: Record, path: str, computed: Value) -> Any:
        head, _, rest = path.partition(".")
        if not rest:
            return self._value(model, record, head, computed)
        target, other = self._follow(model, record, head)
        return None if other is None else self._reach(target, other, rest, computed)

    def _follow(self, model: str, record: Record, field: str) -> tuple[str, Record | None]:
        target = RELATIONS.get(model, {}).get(field)
        if target is None:
            raise Unknown(field)
        value = record.get(field)
        if value is None:
            return target, None
        if target == "*":
            target, _, value = value.partition(",")
        return target, self.rows(target).get(int(value))

    def _value(self, model: str, record: Record, field: str, computed: Value) -> Any:
        if field in record:
            return record[field]
        return computed({"__name__": model, **record}, field)


def _merge(known: Record, nested: Record) -> None:
    for name, value in nested.items():
        if isinstance(value, dict) and isinstance(known.get(name), dict):
            _merge(known[name], value)
        else:
            known[name] = value


def _like(value: Any, pattern: str) -> bool:
    words = re.escape(pattern).replace("%", ".*").replace("_", ".")
    return value is not None and re.fullmatch(words, str(value), re.DOTALL) is not None


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not None and wanted is not None and compare(value, wanted)


_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, wanted: value not in wanted,
    "like": _like,
    # As SQL has it: nothing is neither like nor unlike anything.
    "not like": lambda value, pattern: value is not None and not _like(value, pattern),
    ">": _ordered(lambda value, wanted: value > wanted),
    ">=": _ordered(lambda value, wanted: value >= wanted),
    "<": _ordered(lambda value, wanted: value < wanted),
    "<=": _ordered(lambda value, wanted: value <= wanted),
}
