"""The page of resiliency: what still works while a partner is sick, and what becomes of its own, partner by partner.

`CELLS` is also the table of the test behind it (`tests/proof/test_resiliency_matrix.py`), one test a cell, so that the
page cannot say more than what is tested. What a partner has nothing of stands in the page with its reason, as in the
manifests, and has no test.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from onhand.cli.reference.markdown import head, table
from onhand.sdk import registry
from onhand.sdk.manifest import Manifest
from onhand.sdk.registry import Package

INTRODUCTION = """\
One row for each connector that comes with Onhand, one column for each thing that the hub does. While the partner of the
row is sick, or after it is well again, each cell holds; each is a test of its own.
[The concept](../concepts/resiliency.md) says why it is built so, and what to look at when it happens.
"""

TEST: Final = "tests/proof/test_resiliency_matrix.py"
FUNCTION: Final = "test_a_sick_partner_hurts_only_itself_and_comes_back"
PUBLISH: Final = "stock.publish"
OURS: Final = "onhand.connectors."


class Sickness(NamedTuple):
    """One way of being sick. `taken_for`: what the hub makes of it."""

    name: str
    does: str
    taken_for: str


SICKNESSES: Final = (
    Sickness("down", "refuses connections", "transient: the breaker opens, and what waits loses no attempt by it"),
    Sickness("silent", "accepts, and never answers", "unknown, once the time of a call is over"),
    Sickness("losing_answers", "does the work, then hangs up", "unknown: said again under the same key, or looked up"),
    Sickness("failing", "answers 500", "unknown, because some did the work before they failed"),
    Sickness("throttling", "answers 429 with Retry-After", "throttled: the endpoint rests as long as it was told"),
    Sickness("unauthorised", "answers 401", "unauthorised: the breaker opens at once, and no attempt is lost"),
    Sickness("garbage", "does the work, and answers 200 with what is no document", "unknown"),
)
"""In the order in which every partner of the test goes through them, with a recovery after each."""


class Capability(NamedTuple):
    """One column: a thing that the hub does, `during` the sickness or after it."""

    name: str
    title: str
    during: bool


CAPABILITIES: Final = (
    Capability("reserve", "Promises", True),
    Capability("record", "Facts", True),
    Capability("others_numbers", "Numbers of other channels", True),
    Capability("others_feeds", "Feeds of other systems", True),
    Capability("seen", "Somebody is told", True),
    Capability("own_numbers", "Its own numbers", False),
    Capability("own_feed", "Its own feed", False),
    Capability("own_commands", "Its own commands", False),
)

HOLDS: Final = {
    "reserve": "decided as ever",
    "record": "recorded as ever",
    "others_numbers": "told meanwhile",
    "others_feeds": "read and mapped meanwhile",
    "seen": "endpoint or feed says what is wrong; calls stay few",
}

KEPT_BY: Final = {
    "key": "by its key",
    "lookup": "looked up first",
    "state": "a state may be said again",
    "none": "at least once",
}
"""How an operation is repeated without a second effect, by what its manifest claims."""


class Cell(NamedTuple):
    """What holds for one partner and one capability. `tested` False: there is nothing of the kind; `words` say why."""

    partner: str
    capability: str
    words: str
    tested: bool

    @property
    def id(self) -> str:
        """The name of its test's parameter."""
        return f"{self.partner}-{self.capability}"


def packages() -> list[Package]:
    """The rows: the connectors that come with Onhand."""
    return [package for package in registry.installed() if package.module.startswith(OURS)]


def sicknesses(manifest: Manifest) -> tuple[Sickness, ...]:
    """How a partner can be sick: a folder can only be gone."""
    return SICKNESSES[:1] if manifest.files else SICKNESSES


def cells() -> list[Cell]:
    """The whole table, row by row."""
    return [_cell(package, each.name) for package in packages() for each in CAPABILITIES]


def page() -> str:
    """The whole page."""
    rows = {package.name: package.manifest for package in packages()}
    found = {(each.partner, each.capability): each for each in cells()}
    return "\n".join([
        head("Resiliency", INTRODUCTION, source="the manifests and `onhand.cli.reference.resiliency`"),
        "## What holds\n",
        *(_matrix(rows, found, during=during) for during in (True, False)),
        f"The test of a cell is `{FUNCTION}[PARTNER-CAPABILITY]` in\n[{TEST}](../../{TEST}). There they are called:\n",
        table(("Column", "Capability"), [(each.title, f"`{each.name}`") for each in CAPABILITIES]),
        "## How partners are sick\n\nOne after the other, with a recovery after each.\n",
        table(
            ("Sickness", "The partner", "Counts as", "Partners"),
            [(f"`{s.name}`", s.does, s.taken_for, _who(rows, s)) for s in SICKNESSES],
        ),
        "A folder gives no answers, so that it can only be gone; the connector's own tests make SFTP servers sick.\n",
    ])  # fmt: skip


def _matrix(rows: dict[str, Manifest], found: dict[tuple[str, str], Cell], *, during: bool) -> str:
    shown = [each for each in CAPABILITIES if each.during is during]
    title = "While it is sick" if during else "Once it is well again"
    lines = [(f"[`{name}`](connectors.md#{name})", *(_told(found[name, each.name]) for each in shown)) for name in rows]
    return table((title, *(each.title for each in shown)), lines)


def _told(cell: Cell) -> str:
    return cell.words if cell.tested else f"– ({cell.words})"


def _who(rows: dict[str, Manifest], sickness: Sickness) -> str:
    able = [name for name, manifest in rows.items() if sickness in sicknesses(manifest)]
    return "all" if len(able) == len(rows) else f"all but {', '.join(f'`{n}`' for n in rows if n not in able)}"


def _cell(package: Package, capability: str) -> Cell:
    if capability in HOLDS:
        return Cell(package.name, capability, HOLDS[capability], tested=True)
    words, tested = _OWN[capability](package.manifest)
    return Cell(package.name, capability, words, tested)


def _numbers(manifest: Manifest) -> tuple[str, bool]:
    claimed = manifest.operations.get(PUBLISH)
    if claimed is None:
        return "it is told no numbers", False
    if claimed.answers_later:
        return "right again, asked for until each has its answer", True
    return "right again, told until it says so", True


def _feed(manifest: Manifest) -> tuple[str, bool]:
    if not manifest.streams:
        return "it tells nothing", False
    return ("every file" if manifest.files else "read on from its cursor") + ", nothing skipped", True


def _commands(manifest: Manifest) -> tuple[str, bool]:
    kinds = [each.idempotency for name, each in manifest.operations.items() if name != PUBLISH]
    if not kinds:
        return "it is told nothing else", False
    return f"each done once ({KEPT_BY[kinds[0]]})", True


_OWN: Final = {"own_numbers": _numbers, "own_feed": _feed, "own_commands": _commands}
