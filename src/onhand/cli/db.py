"""`onhand db`: the database as its operator sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from onhand.cli import output
from onhand.cli.options import HERE, Json, Where
from onhand.ops.settings import Settings
from onhand.store.postgres import backup as backups
from onhand.store.postgres import doctor as examination
from onhand.store.postgres import migrations, opening, supervisor
from onhand.store.postgres.driver import Database
from onhand.store.postgres.layout import Layout
from onhand.store.postgres.process import State

app = App(name="db", help="Look after the database.")

File = Annotated[Path, Parameter(help="The backup's file.")]


@app.command
async def status(*, where: Where = HERE, as_json: Json = False) -> int:
    """Show where the database is, whether it runs and whether its schema is current. Starts nothing.

    Exit code 1 when it does not run or needs a migration.
    """
    settings = where.settings()
    found = await _status(settings)
    if as_json:
        output.emit_json(found)
    else:
        output.pairs([(name.replace("_", " "), _plain(value)) for name, value in found.items()])
    return 0 if found["state"] == "ready" and found.get("current") else 1


@app.command
async def migrate(*, where: Where = HERE, as_json: Json = False) -> None:
    """Bring the database to this release's schema. A second run finds nothing to do."""
    async with opening.opened(where.settings(), migrate=False) as database:
        report = await migrations.migrate(database)
    if as_json:
        output.emit_json(report)
    elif report.applied or report.functions:
        output.say(f"Applied {_plain(report.applied + report.functions)} in {report.duration_ms} ms.")
    else:
        output.say("The schema is current.")


@app.command
async def doctor(*, where: Where = HERE, as_json: Json = False) -> int:
    """Examine the server, the schema and the disk. Exit code 1 when something needs a hand."""
    settings = where.settings()
    async with opening.opened(settings, migrate=False) as database:
        findings = await examination.examine(database, data_dir=None if settings.dsn else settings.data_folder)
    if as_json:
        output.emit_json(findings)
    else:
        output.table(
            ("check", "verdict", "found", "advice"), [(f.check, f.verdict, f.found, f.advice) for f in findings]
        )
    return 1 if any(finding.verdict != "ok" for finding in findings) else 0


@app.command
async def backup(file: File, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Write a consistent copy of everything to FILE while the hub goes on working."""
    async with opening.opened(where.settings(), migrate=False) as database:
        manifest = await backups.back_up(database, file)
    _report(manifest, f"Wrote {file}, {file.stat().st_size / 1e6:.1f} MB", as_json=as_json)


@app.command
async def restore(file: File, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Read a backup into an empty database, then count every table against it."""
    async with opening.opened(where.settings(), migrate=False) as database:
        manifest = await backups.restore(database, file)
    _report(manifest, f"Restored {file}, taken {manifest.taken_at}", as_json=as_json)


@app.command
def stop(*, where: Where = HERE, as_json: Json = False) -> int:
    """Stop the embedded server, whoever uses it. Exit code 1 when it was not running."""
    stopped = supervisor.stop(where.settings().data_folder)
    if as_json:
        output.emit_json({"stopped": stopped})
    else:
        output.say("Stopped." if stopped else "It was not running.")
    return 0 if stopped else 1


async def _status(settings: Settings) -> dict[str, Any]:
    if settings.dsn:
        inside = await _inside(settings.dsn)  # first: it tells an address that cannot be read
        return {"kind": "your server", "address": backups.without_password(settings.dsn), **inside}
    layout = Layout(settings.data_folder)
    state = supervisor.state(settings.data_folder) if layout.cluster.is_dir() else State.DOWN
    found: dict[str, Any] = {"kind": "embedded", "data_dir": str(settings.data_folder), "made_by": layout.made_by()}
    if state is not State.READY:
        return {**found, "state": state.value}
    return {**found, **await _inside(layout.dsn("onhand"))}


async def _inside(dsn: str) -> dict[str, Any]:
    async with await Database.connect(dsn, pool_max=1) as database:
        schema = await migrations.status(database)
        (row,) = await database.sql(
            "select current_setting('server_version') as version, pg_database_size(current_database()) as size"
        )
    return {
        "state": "ready",
        "server_version": row["version"],
        "size_bytes": row["size"],
        "current": schema.current,
        "applied": len(schema.applied),
        "pending": [*schema.pending, *schema.functions_changed, *schema.functions_gone],
        "edited": list(schema.edited),
        "newer_release": schema.newer_release,
    }


def _report(manifest: backups.Manifest, headline: str, *, as_json: bool) -> None:
    if as_json:
        output.emit_json(manifest)
        return
    output.say(f"{headline}: {len(manifest.rows)} tables, {sum(manifest.rows.values()):,} rows, counted.")


def _plain(value: object) -> object:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
