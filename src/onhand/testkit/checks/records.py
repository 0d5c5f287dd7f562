"""K39 to K42: what is written about a connector, and whether it is true."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, get_args

import yaml

from onhand.domain.errors import OnhandError
from onhand.sdk.manifest import TIERS, Manifest
from onhand.sdk.partner import Part, Partner
from onhand.sdk.registry import Package
from onhand.testkit import reading
from onhand.testkit.check import CHECKS, COUNT, Broken, NotApplicable, check, expect, heard, polled
from onhand.testkit.quality import Quality, read_quality
from onhand.testkit.stage import Scene, Stage
from onhand.testkit.telling import PUBLISH, all_delivered, tellings


@check(39, guards="Reading code at night.")
async def page_is_complete(stage: Stage) -> None:
    """Its page names every setting, stream and operation, and its example works."""
    package, manifest = stage.package, stage.manifest
    try:
        text = package.text("docs.md")
    except OnhandError as error:
        raise Broken(error.detail) from error
    wanted = [*package.config_schema.get("properties", {}), *manifest.streams, *manifest.operations]
    wanted += manifest.auth.secret_fields
    missing = [name for name in wanted if f"`{name}`" not in text]
    expect(not missing, but=f"docs.md does not speak of {', '.join(f'`{name}`' for name in missing[:5])}")
    examples = [each for each in _endpoints(text) if each.get("sender") == manifest.code]
    expect(examples, but=f"docs.md has no yaml example of an endpoint with `sender: {manifest.code}`")
    for each in examples:
        mistakes = package.check_settings(each.get("settings", {}))
        expect(not mistakes, but=f"the example of docs.md is not valid: {'; '.join(mistakes[:2])}")
    if manifest.auth.kind != "none":
        expect(any(each.get("secret") for each in examples), but="no example of docs.md says where the secret lies")
    for stream in manifest.streams:
        samples = sorted((package.folder / "samples" / stream).glob("*"))
        expect(
            manifest.tier == "draft" or len(samples) >= 2,
            but=f"samples/{stream} holds {len(samples)} recordings, not two",
        )


def _endpoints(text: str) -> Iterator[dict[str, Any]]:
    """Give every endpoint of the examples of a page."""
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        try:
            document = yaml.safe_load(block)
        except yaml.YAMLError as error:
            raise Broken(f"an example of docs.md is no YAML: {error}") from error
        if isinstance(document, dict):
            yield from document.get("endpoints", {}).values()


@check(40, guards="A grade from long ago.")
async def quality_is_recorded(stage: Stage) -> None:
    """Its quality file is about this version, and earns the tier that is claimed."""
    found = _quality(stage)
    if found is None:
        return
    manifest = stage.manifest
    expect(found.version == manifest.version, but=f"quality.toml is about {found.version}, this is {manifest.version}")
    expect(
        TIERS.index(found.earned) >= TIERS.index(manifest.tier),
        but=f"it claims {manifest.tier} and has earned {found.earned}",
    )


def _quality(stage: Stage) -> Quality | None:
    """Return the record; None while it is being written. Raises Broken where there is none."""
    if stage.recording:
        return None
    found = read_quality(stage.package)
    if found is None:
        raise Broken("there is no quality.toml that can be read: run 'onhand connector check NAME --write'")
    return found


PARTS_OF_STREAMS = ("populate", "keys")
PARTS_OF_OPERATIONS = ("command", "happened")
PARTS_OF_PUBLISHING = ("listings", "shown")


@check(41, guards="A green suite that looked at nothing.")
async def nothing_is_silent(stage: Stage) -> None:
    """Nothing is skipped silently."""
    expect(len(CHECKS) == COUNT, but=f"the table holds {len(CHECKS)} checks, not {COUNT}")
    async with stage.scene() as scene:
        without = scene.partner.without
        for part, reason in without.items():
            expect(part in get_args(Part), but=f"`without` names {part!r}, which is no part that may be left out")
            expect(len(reason.split()) >= 3, but=f"`without` gives no reason for {part!r}")
        missing = [part for part in _needed(stage.manifest) if not _plays(scene.partner, part)]
        expect(not missing, but=f"the stand-in does not play {', '.join(missing)}, which the claims need")


def _needed(manifest: Manifest) -> list[str]:
    needed: list[str] = []
    needed += PARTS_OF_STREAMS if polled(manifest) else ()
    needed += ("webhook",) if heard(manifest) else ()
    needed += PARTS_OF_OPERATIONS if set(manifest.operations) - {PUBLISH} else ()
    needed += PARTS_OF_PUBLISHING if PUBLISH in manifest.operations else ()
    return needed


def _plays(partner: Partner, part: str) -> bool:
    return part in partner.without or getattr(type(partner), part) is not getattr(Partner, part)


READ_COUNT = 200
TELL_COUNT = 100


@check(42, guards="A connector that falls behind and was never fast enough (pain 7).", limit_s=120)
async def benchmark_is_recorded(stage: Stage) -> None:
    """How fast it reads and tells is measured and recorded."""
    if not polled(stage.manifest) and not stage.manifest.operations:
        raise NotApplicable("it neither reads nor tells")
    async with stage.scene(policy={"timeout_s": 60.0}) as scene:
        await _measure_reading(stage, scene)
        if stage.manifest.operations:
            await _measure_telling(stage, scene)
    for name, figure in stage.figures.items():
        expect(figure >= 1, but=f"{name}: {figure} a second")
    found = _quality(stage)
    if found is not None:
        missing = set(stage.figures) - set(found.figures)
        expect(not missing, but=f"quality.toml has no figure for {', '.join(sorted(missing))}")


async def _measure_reading(stage: Stage, scene: Scene) -> None:
    for stream in polled(stage.manifest):
        await scene.partner.populate(stream, READ_COUNT)
        connector, began = scene.connector(), time.perf_counter()
        found = await reading.pages(connector, stream, limit=100)
        took_s = time.perf_counter() - began
        stage.figures[f"{stream} read/s"] = int(len(reading.messages(found)) / took_s)


async def _measure_telling(stage: Stage, scene: Scene) -> None:
    for telling in tellings(scene):
        things = await telling.things(TELL_COUNT)
        connector, began = scene.connector(), time.perf_counter()
        all_delivered(await telling.tell(connector, things), telling.name)
        stage.figures[f"{telling.name} told/s"] = int(TELL_COUNT / (time.perf_counter() - began))


def recorded(package: Package, name: str) -> bool:
    """Tell whether the record says that a check does not apply; true where there is no record yet."""
    found = read_quality(package)
    return found is None or name in found.not_applicable
