"""Writing files for the partner: one for each command, or one with the numbers of many listings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from onhand.connectors.files import export
from onhand.connectors.files.settings import Export
from onhand.sdk import Delivered, Files, Outcome, Outgoing, Rejected, StockUpdate


class _Rows(msgspec.Struct, frozen=True):
    rows: list[dict[str, Any]]


async def write(files: Files, settings: Export, command: Outgoing) -> Outcome:
    """Write the rows of one command."""
    try:
        body = msgspec.json.Decoder(_Rows, float_hook=Decimal).decode(command.body)
        content = export.content_of([export.cells_of(row, settings) for row in body.rows], settings)
    except (msgspec.DecodeError, UnicodeError) as error:
        return Rejected(reason=f"the body is not rows of an export: {error}"[:300])
    except export.NotWritable as error:
        return Rejected(reason=error.reason, field=error.field)
    return await _put(files, settings, command.idempotency_key, content)


async def publish(files: Files, settings: Export, updates: Sequence[StockUpdate], *, key: str) -> Sequence[Outcome]:
    """Write the numbers of all listings that can be written; the others are refused one by one."""
    outcomes: dict[int, Outcome] = {}
    rows: dict[int, list[str]] = {}
    for number, update in enumerate(updates):
        try:
            rows[number] = export.cells_of(_row(update, settings), settings)
        except export.NotWritable as error:
            outcomes[number] = Rejected(reason=error.reason, field=error.field)
    if rows:
        outcome = await _put(files, settings, key, export.content_of(rows.values(), settings))
        outcomes.update(dict.fromkeys(rows, outcome))
    return [outcomes[number] for number in range(len(updates))]


def _row(update: StockUpdate, settings: Export) -> dict[str, Any]:
    row = {"listing": update.listing, "sku": update.sku, "location": update.location, "quantity": update.quantity}
    return {name: row[name] for name in row if name in (settings.columns or export.COLUMNS)}


async def _put(files: Files, settings: Export, key: str, content: bytes) -> Outcome:
    path = f"{settings.folder}/{export.file_name(settings, key)}"
    await files.write(path, content)
    return Delivered(detail=f"{len(content)} bytes", answer=path)
