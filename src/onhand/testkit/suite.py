"""Runs the checks on one connector and says what they found. What pytest and the command line both stand on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping

from onhand.domain.errors import NotFound, OnhandError
from onhand.sdk.partner import NotPlayed
from onhand.sdk.registry import Package
from onhand.testkit import checks  # noqa: F401 - importing it enters every check
from onhand.testkit.check import CHECKS, Broken, Check, NotApplicable, NotYet, no_accident
from onhand.testkit.ground import Ground
from onhand.testkit.stage import MakePartner, Stage
from onhand.testkit.verdict import Report, Result, Verdict


async def run_one(each: Check, stage: Stage) -> Verdict:
    """Run one check; whatever happens becomes a verdict."""
    began = time.perf_counter()
    result, detail = await _tried(each, stage)
    return Verdict(
        id=each.id,
        sentence=each.sentence,
        result=result,
        detail=detail,
        took_ms=int((time.perf_counter() - began) * 1000),
    )


async def _tried(each: Check, stage: Stage) -> tuple[Result, str]:
    try:
        reason = "" if each.id == "K01" else each.when(stage.manifest)
        if reason:
            return "not_applicable", reason
        with no_accident("an accident"):
            async with asyncio.timeout(each.limit_s):
                await each.run(stage)
    except NotApplicable as error:
        return "not_applicable", str(error)
    except NotYet as error:
        return "not_yet", str(error)
    except Broken as error:
        text = f"the stand-in does not play {error.__cause__}" if isinstance(error.__cause__, NotPlayed) else str(error)
        return "failed", text
    except OnhandError as error:
        return "failed", f"{error.code}: {error.detail}"
    return "passed", ""


async def run(
    package: Package,
    ground: Ground,
    *,
    partner: MakePartner | None = None,
    only: Collection[str] = (),
    recording: bool = False,
    waivers: Mapping[str, str] | None = None,
) -> Report:
    """Run the suite, or `only` some of it, on a connector. Checks run one after the other, each on its own stage.

    Raises NotFound where a check that is named is none.
    """
    if unknown := sorted(set(only) - set(CHECKS)):
        raise NotFound(f"There is no check {', '.join(unknown)}.", remedy=f"Checks are {min(CHECKS)} to {max(CHECKS)}.")
    stage = Stage(package, partner, ground, recording=recording)
    wanted = [each for each in CHECKS.values() if not only or each.id in only]
    verdicts = [waived(await run_one(each, stage), waivers or {}) for each in wanted]
    return Report(
        connector=package.name,
        version=package.manifest.version,
        claimed=package.manifest.tier,
        partner="stand-in" if partner is None else getattr(partner, "__name__", "partner"),
        verdicts=tuple(sorted(verdicts, key=lambda each: each.id)),
        figures=dict(stage.figures),
    )


def waived(verdict: Verdict, waivers: Mapping[str, str]) -> Verdict:
    """Return the verdict as waivers leave it: a failure that is waived, or a waiver that is no longer needed."""
    reason = waivers.get(verdict.id)
    if reason is None:
        return verdict
    if verdict.result == "failed":
        result: Result = "waived"
        detail = f"{reason} ({verdict.detail})"
    else:
        result, detail = "failed", "it is waived and does not fail any more: take the waiver away"
    return Verdict(
        id=verdict.id, sentence=verdict.sentence, result=result, detail=detail, took_ms=verdict.took_ms
    )  # fmt: skip
