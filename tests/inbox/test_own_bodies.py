"""Bodies that a connector takes apart by its endpoint's settings: files with declared columns, in the whole hub."""

from __future__ import annotations

from pathlib import Path

from onhand.app.inbox import Filter
from onhand.connectors.files.fake import Fake
from tests.proof.matrix import story

HEAD = "sku,location,Qty,Counted\r\n"


async def test_a_file_is_read_by_its_declared_columns_and_a_bad_one_is_told_with_its_place(
    dsn: str, tmp_path: Path
) -> None:
    """The suite decodes files by itself, so that it never missed that the hub did not."""
    async with story(dsn, "files", tmp_path) as told:
        assert isinstance(told.partner.partner, Fake)
        folder = told.partner.partner
        good = folder.drop("good.csv", f"{HEAD}A-1,central,41,2026-03-02T08:00:00Z\r\n".encode())
        bad = folder.drop("bad.csv", f"{HEAD}A-1,central,many,2026-03-02T09:00:00Z\r\n".encode())
        await told.at.forward(60)
        await told.node.poller.round()
        await told.node.mapper.round()
        found = {line.key: line for line in await told.hub.inbox.find(Filter(feed="partner-news"))}
        assert found[good].state == "mapped"
        assert found[bad].state == "dead"
        assert "Qty" in (found[bad].reason or "")
        rows = await told.at.database.sql(
            "select sum(b.quantity)::bigint as n from balance b join item i on i.id = b.item_id"
            " join location l on l.id = b.location_id where i.sku = 'A-1' and l.code = 'central'"
        )
        assert rows[0]["n"] == 41
