"""`onhand verify` and `onhand rebuild`: is everything that is kept what the ledger says, and making it so again."""

from __future__ import annotations

from typing import Any

from onhand.app.answers import Difference, Verification
from onhand.bootstrap import open_hub
from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.cli.progress import steps


async def verify(*, where: Where = HERE, json: Json = False) -> int:
    """Work out everything that is kept anew from the ledger, while the hub goes on, and name each difference.

    Exit code 1 when there is one.
    """
    async with open_hub(where.settings(), application="onhand verify") as hub:
        with steps("verifying", quiet=json) as tell:
            found = await hub.verify(tell)
    if json:
        output.emit_json(found)
    else:
        _show(found)
    return 0 if found.ok else 1


async def rebuild(*, where: Where = HERE, json: Json = False) -> int:
    """Correct what differs from the ledger, then verify. Writers wait a moment; events and movements are not touched.

    Exit code 1 when differences remain.
    """
    async with open_hub(where.settings(), application="onhand rebuild") as hub:
        with steps("rebuilding", quiet=json) as tell:
            done = await hub.rebuild(tell)
    if json:
        output.emit_json(done)
        return 0 if done.verification.ok else 1
    corrected = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in done.mended.items() if n)
    output.say(f"Corrected {corrected or 'nothing'} in {done.took_s:.1f} s.")
    _show(done.verification)
    return 0 if done.verification.ok else 1


def _show(found: Verification) -> None:
    output.pairs([(what.replace("_", " "), n) for what, n in found.checked.items()])
    output.say("")
    if found.differences:
        output.table(
            ("check", "sku", "where", "kept", "should be", "first at"), [_row(one) for one in found.differences]
        )
        output.say("")
        for meaning in dict.fromkeys(one.explanation for one in found.differences):
            output.say(meaning)
        total = sum(n for check, n in found.found.items() if check != "promised_beyond")
        output.say(f"{total:,} differences in {found.took_s:.1f} s. 'onhand rebuild' corrects what can be worked out.")
    else:
        output.say(f"Everything is as the ledger says; checked in {found.took_s:.1f} s.")
    if found.notes:
        output.say("")
        output.say(found.notes[0].explanation)
        output.table(("sku", "where", "on hand", "promised"), [_row(note)[1:5] for note in found.notes])


def _row(one: Difference) -> tuple[Any, ...]:
    seq = None if one.first_at_seq is None else f"movement {one.first_at_seq}"
    return (one.check, one.sku, one.where, one.kept, one.recomputed, seq)
