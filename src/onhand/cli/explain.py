"""`onhand explain`: why a channel shows what it shows of an item, down to event ids, calls and answers."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from onhand.bootstrap import open_hub
from onhand.cli import explain_text, output
from onhand.cli.options import HERE, Json, Where
from onhand.cli.outbox import instant


async def explain(
    channel: Annotated[str, Parameter(name="CHANNEL", help="The channel's code.")],
    sku: Annotated[str, Parameter(name="SKU", help="The item.")],
    /,
    *,
    at: Annotated[str | None, Parameter(help="A past moment, as 2026-11-23T08:00Z; now when left out.")] = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Explain a channel's number of an item: its terms, the events and promises behind it, and what was told."""
    async with open_hub(where.settings()) as hub:
        found = await hub.explain(channel, sku, at=instant(at))
    if as_json:
        output.emit_json(found)
        return
    explain_text.draw(found)
