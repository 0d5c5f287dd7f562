"""The closing report of the demo: what was promised, what partners show, what the judges say, where to look next."""

from __future__ import annotations

from onhand.sim.demo.convergence import Connected
from onhand.sim.demo.run import Outcome
from onhand.sim.demo.tally import CHANNELS


def text(outcome: Outcome, *, kept: bool, data_dir: str) -> str:
    """The report for people, at most 80 columns wide."""
    parts = [_promises(outcome), _flash(outcome), _facts(outcome), _partners(outcome), _proof(outcome)]
    parts.append(_next(outcome, kept, data_dir))
    return "\n\n".join("\n".join(part) for part in parts)


def _promises(outcome: Outcome) -> list[str]:
    rows = [
        f"The week took {outcome.took_s:.0f} s (seed {outcome.seed}).",
        "",
        f"  promised  {outcome.promised_units:>8,} units on {outcome.requests:,} requests",
        f"  refused   {outcome.refused:>8,} requests",
        f"  oversold  {outcome.oversold:>8,} units",
        f"  shipped   {outcome.shipped:>8,} orders; {outcome.expired_or_forgotten:,} carts were forgotten and expired",
        "",
        f"  {'channel':<9}{'requests':>10}{'granted':>10}{'partly':>10}{'refused':>10}{'units':>10}",
    ]
    for code in CHANNELS:
        counts = outcome.channels.get(code, {})
        partly = counts.get("partly_granted", 0) + counts.get("backordered", 0)
        cells = (counts.get("requests", 0), counts.get("granted", 0), partly, counts.get("refused", 0))
        rows.append(f"  {code:<9}" + "".join(f"{cell:>10,}" for cell in (*cells, counts.get("units", 0))))
    return rows


def _flash(outcome: Outcome) -> list[str]:
    flash = outcome.flash
    sold = f"{flash['sold']:,.0f} of {flash['stock']:,.0f} sold to {flash['buyers']:,.0f} buyers"
    return [
        f"Flash sale: {sold} in {flash['took_s']:.1f} s, {flash['decisions_per_s']:,.0f} decisions/s.",
        f"  One of two nodes was killed after {flash['killed_after']:,.0f} sales. {flash['asked_again']:,.0f} calls",
        "  lost their node, were asked again, and each got its one answer.",
    ]


def _facts(outcome: Outcome) -> list[str]:
    counts = ", ".join(f"{count:,} {name}" for name, count in outcome.facts.items())
    rows = [f"Facts: {counts}. Waiting for a person:"]
    rows += [f"  {row['reason']}: {row['detail']}" for row in outcome.quarantine] or ["  nothing"]
    return rows


def _partners(outcome: Outcome) -> list[str]:
    found = outcome.connected
    in_step = all(not one.differences for one in found.channels)
    rows = [
        "Partners, each a process of its own: "
        + (f"every channel in step after {found.took_s:.0f} s." if in_step else "NOT EVERY CHANNEL IN STEP."),
        f"  {'channel':<8}{'listings':>9}{'in step':>9}{'changes':>9}{'told':>7}{'repaired':>10}  as buyers see it",
    ]
    for one in found.channels:
        counts = f"{one.listings:>9,}{one.in_step:>9,}{one.changes:>9,}{one.told:>7,}{one.drifts:>10,}"
        rows.append(f"  {one.channel:<8}{counts}  in the {one.partner}")
        rows += [f"    {each.listing}: shows {each.shown}, should show {each.desired}" for each in one.differences[:5]]
    rows += [f"  {name:<10} {text}" for name, text in _troubles(found)]
    return rows + [f"    {each}" for each in (*found.broken, *found.twice)[:10]]


def _troubles(found: Connected) -> list[tuple[str, str]]:
    one, hooks = found.troubles, found.webhooks
    opened = ", ".join(f"{name} {count}" for name, count in sorted(found.breakers_opened.items())) or "none"
    return [
        ("down", f"{one.away_changes:,} changes became {one.away_told:,} numbers; breakers opened: {opened}"),
        ("slow", f"{one.lost_answers:,} answers lost after the work; done twice: {len(found.twice) or 'nothing'}"),
        ("repeating", f"{hooks['sent']:,} webhooks, {hooks['repeated']:,} of them again: {hooks['stored']:,} facts"),
        ("window", f"{one.window_calls or 'no'} calls while it lasted; {one.window_waited:,} sales orders waited"),
        ("orders in", f"{found.orders_heard:,} of {found.orders:,} that the shop and the marketplace took"),
        ("orders out", f"{found.in_erp:,} of {found.to_erp:,} are in the ERP, each once"),
        ("given up", f"{found.dead or 'nothing'}"),
        ("broken", f"{len(found.broken) or 'no'} promises towards partners"),
    ]


def _proof(outcome: Outcome) -> list[str]:
    history, kept = outcome.history, outcome.verification
    checked = sum(kept.checked.values())
    verdict = "nothing was sold twice" if history.ok else "WRONG"
    rows = [
        f"Independent checker, from {history.attempts:,} calls and answers alone: {verdict}.",
        f"Database, {checked:,} figures recomputed from the ledger: {'all equal' if kept.ok else 'DIFFERENT'}.",
    ]
    rows += [f"  {finding.kind}: {finding.detail}" for finding in history.findings[:10]]
    rows += [f"  {one.check} {one.sku or ''} {one.where}: {one.explanation}" for one in kept.differences[:10]]
    return rows


def _next(outcome: Outcome, kept: bool, data_dir: str) -> list[str]:
    if not kept:
        return [
            "Where to look next:",
            "  onhand demo --keep          leaves it running, with its API at /docs",
            "  onhand replay FILE.csv      a real order book instead of an invented one",
            "  docs/concepts/proof.md      how the checker knows",
        ]
    return [
        "It is still running (Ctrl-C ends it):",
        *(f"  {url}/docs" for url in outcome.urls),
        f"  onhand stock MUG-ANNIVERSARY --data-dir {data_dir}",
        f"  onhand quarantine list --data-dir {data_dir}",
        f"  onhand verify --data-dir {data_dir}",
    ]
