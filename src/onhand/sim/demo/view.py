"""The live view of the week: a screen that fits 80 columns and makes use of 160; plain lines where there is none."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from onhand.sim.demo.tally import CHANNELS, DAYS, Tally

REFRESH_S = 0.125
WIDE = 120
HEAD_LINES = 4
ABOVE_LINES = 24
SMALL_LINES = 4
"""Lines of the head, of the panels above the story (its own frame included), and of each of the two small ones."""

LOW = 32
STORY_LINES = 12
STORY_LINES_MIN = 3
PARTNER_LINES = 4
_STATES = {"well": "green", "down": "bold red"}
_BARS = " ▁▂▃▄▅▆▇█"


@asynccontextmanager
async def shown(tally: Tally, *, console: Console | None = None) -> AsyncIterator[None]:
    """Show the week while the block runs: live on a terminal, line by line elsewhere."""
    console = console or Console()
    draw = _live(tally, console) if console.is_terminal else _lines(tally, _write)
    task = asyncio.create_task(draw)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def screen(tally: Tally, *, width: int, height: int = 40) -> RenderableType:
    """The whole view as it stands; on a low screen the story is what gives way first, then facts and flash sale."""
    if width < WIDE:
        above = [_channels(tally), _partners(tally)]
        above += [_facts(tally), _flash(tally)] if height >= LOW else []
        left = height - HEAD_LINES - (ABOVE_LINES if height >= LOW else ABOVE_LINES - 2 * SMALL_LINES)
        body: RenderableType = Group(*above, _story(tally, max(STORY_LINES_MIN, min(STORY_LINES, left))))
    else:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        beside = Group(_channels(tally), _partners(tally), _facts(tally), _flash(tally))
        grid.add_row(beside, _story(tally, ABOVE_LINES - 4))
        body = grid
    return Group(_head(tally, width), body)


def sparkline(values: list[int], width: int) -> str:
    """The last `width` values as bars; square roots, so that a flash sale does not flatten the rest."""
    last = values[-width:]
    top = math.sqrt(max(last, default=0)) or 1.0
    return "".join(_BARS[max(min(8, math.ceil(8 * math.sqrt(value) / top)), value > 0)] for value in last).rjust(width)


async def _live(tally: Tally, console: Console) -> None:
    before = 0

    def drawn() -> RenderableType:
        return screen(tally, width=console.width, height=console.height)

    with Live(drawn(), console=console, auto_refresh=False, transient=False) as live:
        try:
            while True:
                await asyncio.sleep(REFRESH_S)
                tally.rates.append(tally.promises - before)
                before = tally.promises
                live.update(drawn(), refresh=True)
        finally:
            live.update(drawn(), refresh=True)


async def _lines(tally: Tally, write: Callable[[str], None]) -> None:
    told = 0
    try:
        while True:
            await asyncio.sleep(REFRESH_S)
            told = _tell_new(tally, told, write)
    finally:
        _tell_new(tally, told, write)


def _tell_new(tally: Tally, told: int, write: Callable[[str], None]) -> int:
    for when, text in list(tally.story)[told:]:
        write(f"{when}  {text}")
    return len(tally.story)


def _head(tally: Tally, width: int) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    days = Text()
    for number, name in enumerate(DAYS):
        style = "bold black on green" if number == tally.day else "green" if number < tally.day else "dim"
        days.append(f" {name} ", style)
    days.append(f"  {tally.hour:02d}:00", "bold")
    nodes = Text()
    for name, alive in tally.nodes:
        nodes.append("● " if alive else "✗ ", "green" if alive else "bold red")
        nodes.append(f"{name}  ", "" if alive else "red")
    line.add_row(days, nodes)
    spark = Text(sparkline(list(tally.rates), max(10, width - 32)), "cyan")
    took = time.monotonic() - tally.started
    rates = Table.grid(expand=True)
    rates.add_column(no_wrap=True)
    rates.add_column(justify="right", no_wrap=True)
    rates.add_row(spark, Text(f"{tally.promises:,} promises  {took:3.0f} s", "dim"))
    return Panel(Group(line, rates), title="[bold]Almond & Reed[/] · a week with Onhand", border_style="green")


def _channels(tally: Tally) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 1), header_style="dim")
    table.add_column("channel")
    for name in ("requests", "granted", "partly", "refused", "units"):
        table.add_column(name, justify="right")
    for code in CHANNELS:
        counts = tally.channels[code]
        partly = counts["partly_granted"] + counts["backordered"]
        cells = (counts["requests"], counts["granted"], partly, counts["refused"], counts["units"])
        table.add_row(code, *(f"{cell:,}" if cell else "·" for cell in cells))
    return Panel(table, title="promises by channel", title_align="left", border_style="blue")


def _partners(tally: Tally) -> RenderableType:
    table = Table(expand=True, box=None, padding=(0, 1), header_style="dim")
    table.add_column("partner", no_wrap=True)
    for name, width in (("is", 8), ("breaker", 8)):
        table.add_column(name, width=width, no_wrap=True)
    for name, width in (("waiting", 9), ("in step", 10), ("behind", 8)):
        table.add_column(name, width=width, justify="right", no_wrap=True)
    for line in tally.partners:
        behind = line.listed - line.in_step
        table.add_row(
            line.name,
            Text(line.state, _STATES.get(line.state, "yellow")),
            Text(line.breaker, "dim" if line.breaker == "closed" else "bold red"),
            f"{line.waiting:,}" if line.waiting else "·",
            f"{line.in_step:,} of {line.listed:,}" if line.channel else "",
            Text(f"{behind:,}" if behind else "·", "yellow" if behind else "") if line.channel else "",
        )
    for _ in range(PARTNER_LINES - len(tally.partners)):
        table.add_row("·")
    return Panel(table, title="partners, and the numbers they show", title_align="left", border_style="blue")


def _facts(tally: Tally) -> RenderableType:
    outcomes = Text()
    for name, style in (("applied", "green"), ("duplicate", "dim"), ("quarantined", "yellow"), ("rejected", "red")):
        if tally.events[name]:
            outcomes.append(f"{tally.events[name]:,} {name}  ", style)
    kinds = "  ".join(f"{name.replace('.', ' ')} {count:,}" for name, count in tally.types.most_common(5))
    body = Group(outcomes, Text(kinds, "dim", no_wrap=True, overflow="ellipsis"))
    return Panel(body, title="facts", title_align="left", border_style="blue")


def _flash(tally: Tally) -> RenderableType:
    flash = tally.flash
    if not flash.stock:
        return Panel(Text("Thursday at noon\n", "dim"), title="flash sale", title_align="left", border_style="blue")
    text = Text(f"{flash.sold:,} of {flash.stock:,} sold · {flash.refused:,} refused", "bold" if flash.running else "")
    if flash.killed_after is not None:
        text.append(f" · a node killed at {flash.killed_after:,}", "red")
    if flash.retried:
        text.append(f" · {flash.retried:,} retried", "yellow")
    body = Table.grid(expand=True)
    body.add_row(ProgressBar(total=max(flash.stock, 1), completed=flash.sold))
    body.add_row(text)
    return Panel(body, title="flash sale", title_align="left", border_style="magenta")


def _story(tally: Tally, lines: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True, min_width=9)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for when, text in list(tally.story)[-lines:]:
        table.add_row(when, text)
    for _ in range(lines - len(tally.story)):
        table.add_row("", "")
    return Panel(table, title="what happened", title_align="left", border_style="blue")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
