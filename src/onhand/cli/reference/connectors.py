"""The page of connectors: which come with Onhand, what each can do and has proved, and every check of the suite."""

from __future__ import annotations

from typing import Final

from onhand.cli.reference.markdown import head, table
from onhand.sdk import registry
from onhand.sdk.registry import Package
from onhand.testkit import suite  # noqa: F401 - importing it enters every check
from onhand.testkit.check import CHECKS
from onhand.testkit.quality import read_quality
from onhand.testkit.tiers import MORE

INTRODUCTION = """\
What comes with this release. [The guide](../guides/connectors.md) says how to connect a system and how to write a
connector; [the concept](../concepts/connectors.md), what the checks are for.
"""

OURS: Final = "onhand.connectors."


def page() -> str:
    """The whole page."""
    packages = [package for package in registry.installed() if package.module.startswith(OURS)]
    parts = [
        head("Connectors", INTRODUCTION, source="the manifests, `quality.toml` and `onhand.testkit`"),
        table(("Connector", "For", "Tier", "Earned", "Run against"), [_line(package) for package in packages]),
        *(_about(package) for package in packages),
        "## The checks\n\nA tier demands its own checks and those of the tiers above it in this list.\n",
        table(
            ("Check", "Tier", "What must be true", "Guards against"),
            [(each.id, _tier(each.id), each.sentence, each.guards) for _, each in sorted(CHECKS.items())],
        ),
    ]
    return "\n".join(parts)


def _line(package: Package) -> tuple[str, ...]:
    manifest, quality = package.manifest, read_quality(package)
    return (
        f"[`{package.name}`](#{package.name})",
        manifest.title,
        manifest.tier,
        quality.earned if quality else "not recorded",
        ", ".join(manifest.partner_versions) or "its stand-in",
    )


def _about(package: Package) -> str:
    manifest, quality = package.manifest, read_quality(package)
    parts = [
        f"## {package.name}\n\n{manifest.summary} [Its page](../../src/onhand/connectors/{package.name}/docs.md).\n"
    ]
    streams = [
        (f"`{name}`", ", ".join(each.modes), "yes" if each.snapshot else "", ", ".join(f"`{e}`" for e in each.events))
        for name, each in manifest.streams.items()
    ]
    operations = [
        (f"`{name}`", str(each.batch), each.idempotency, each.description) for name, each in manifest.operations.items()
    ]
    if streams:
        parts.append(table(("Stream", "Comes by", "Snapshot", "Events"), streams))
    if operations:
        parts.append(table(("Operation", "Commands a call", "Repeated safely by", "What it does"), operations))
    if quality and quality.not_applicable:
        parts.append("Does not apply:\n")
        parts.append(table(("Check", "Why"), list(quality.not_applicable.items())))
    return "\n".join(parts)


def _tier(check: str) -> str:
    return next(tier for tier, demanded in MORE.items() if check in demanded)
