"""What the suite found: a verdict for each of the checks, the tier they earn, the figures measured on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import msgspec

from onhand.sdk.manifest import TIERS, Tier
from onhand.testkit.check import COUNT
from onhand.testkit.tiers import DEMANDS

Result = Literal["passed", "failed", "not_applicable", "not_yet", "waived"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one check. `detail` says why, for everything but `passed`."""

    id: str
    sentence: str
    result: Result
    detail: str = ""
    took_ms: int = 0

    @property
    def stands_in_the_way(self) -> bool:
        """Whether a tier that demands this check is out of reach."""
        return self.result == "failed"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All verdicts on one connector against one partner."""

    connector: str
    version: str
    claimed: Tier
    partner: str
    verdicts: tuple[Verdict, ...]
    figures: Mapping[str, int] = {}
    """What was measured: `read_per_s`, `told_per_s`, by stream and operation."""

    @property
    def earned(self) -> Tier | None:
        """The highest tier of whose checks none failed; None where even those of a draft do, or not all were run."""
        if len(self.verdicts) < COUNT:
            return None
        failed = {each.id for each in self.verdicts if each.stands_in_the_way}
        earned: Tier | None = None
        for tier in TIERS:
            if failed & DEMANDS[tier]:
                break
            earned = tier
        return earned

    @property
    def ok(self) -> bool:
        """Whether it earns what it claims, or, of some of the checks, whether none says the contrary."""
        return not self.in_the_way(self.claimed)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many checks had each result."""
        return dict(Counter(each.result for each in self.verdicts))

    def in_the_way(self, tier: Tier) -> tuple[Verdict, ...]:
        """The failures that keep it from a tier."""
        return tuple(each for each in self.verdicts if each.stands_in_the_way and each.id in DEMANDS[tier])
