"""The verbs of config as code: `onhand plan`, `onhand apply`, and `onhand network versions | show | rollback`."""

from __future__ import annotations

import getpass
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from onhand.app.apply_network import Plan, plan_rollback
from onhand.app.network_files import load_folder, write_folder
from onhand.app.networks import Networks
from onhand.bootstrap import open_hub
from onhand.cli import network_text, output
from onhand.cli.init import FOLDER, Folder
from onhand.cli.options import HERE, Json, Where
from onhand.domain.errors import OnhandError

app = App(name="network", help="Versions of the network: list, show, roll back.")

Number: TypeAlias = Annotated[int, Parameter(name="N", help="The version's number.")]
Yes: TypeAlias = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Message: TypeAlias = Annotated[str, Parameter(name=("--message", "-m"), help="Why; kept with the version.")]
By: TypeAlias = Annotated[str | None, Parameter(name="--by", help="Who applies it; your user name when left out.")]


class NotConfirmed(OnhandError):
    """A change was shown and nobody said yes to it."""

    code = "not_confirmed"
    title = "Nobody said yes"
    remedy = "Look at the plan, then apply it with --yes or answer 'yes'."


async def plan(folder: Folder = FOLDER, /, *, where: Where = HERE, as_json: Json = False) -> None:
    """Show what the files in DIR would change in what runs, and what that sets in motion. Changes nothing."""
    files = load_folder(folder)
    async with _networks(where) as networks:
        found = await networks.plan(files)
    if as_json:
        output.emit_json(network_text.plan_json(found))
    else:
        _draw(network_text.plan_text(found))


async def apply(
    folder: Folder = FOLDER,
    /,
    *,
    yes: Yes = False,
    message: Message = "",
    by: By = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Put the files in DIR in force, all of them or none, as a new numbered version."""
    files = load_folder(folder)
    async with _networks(where) as networks:
        found = await networks.plan(files)
        await _apply(networks, found, yes=yes, message=message, by=by, as_json=as_json)


@app.command
async def versions(
    *,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    before: Annotated[int | None, Parameter(help="Only versions with a smaller number.")] = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """List the versions, the newest first."""
    async with _networks(where) as networks:
        found = await networks.versions(before=before, limit=limit)
    if as_json:
        output.emit_json(found)
    else:
        rows = [(str(v.version), network_text.when(v), v.applied_by, v.message or None) for v in found]
        output.table(("version", "applied", "by", "message"), rows)


@app.command
async def show(
    number: Number,
    /,
    *,
    write: Annotated[Path | None, Parameter(help="Write its files into this folder, byte for byte.")] = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Show one version with its files as they were applied."""
    async with _networks(where) as networks:
        version = await networks.show(number)
    if write is not None:
        write_folder(write, version.files)
    if as_json:
        output.emit_json(version)
    elif write is not None:
        output.say(f"Wrote {len(version.files)} files of version {number} to {write}.")
    else:
        _draw(network_text.version_text(version))


@app.command
async def rollback(
    number: Number,
    /,
    *,
    yes: Yes = False,
    message: Message = "",
    by: By = None,
    where: Where = HERE,
    as_json: Json = False,
) -> None:
    """Put the content of an earlier version in force again, as a new version."""
    async with _networks(where) as networks:
        found = await plan_rollback(networks.store, number)
        why = message or f"Roll back to version {number}"
        await _apply(networks, found, yes=yes, message=why, by=by, as_json=as_json)


@asynccontextmanager
async def _networks(where: Where) -> AsyncIterator[Networks]:
    async with open_hub(where.settings()) as hub:
        yield hub.networks


async def _apply(networks: Networks, plan: Plan, *, yes: bool, message: str, by: str | None, as_json: bool) -> None:
    if not as_json:
        _draw(network_text.plan_text(plan))
    if not plan.empty and not yes:
        _confirm()
    version = await networks.apply(plan, who=by or user(), message=message)
    if as_json:
        output.emit_json({**network_text.plan_json(plan), "applied": version})
    elif version is not None:
        output.say(f"\nVersion {version.version} is in force.")


def _confirm() -> None:
    """Ask on the terminal. Raises NotConfirmed when there is nobody to ask, or the answer is no."""
    if not sys.stdin.isatty():
        raise NotConfirmed("This is not a terminal, so there is nobody to ask.")
    sys.stderr.write("\nApply this? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise NotConfirmed("The answer was not yes.")


def user() -> str:
    """Who types this, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as containers have
        return "unknown"


def _draw(text: Text) -> None:
    """Print text that may be coloured; in a pipe it is plain, and nothing is cut or wrapped."""
    Console(highlight=False, soft_wrap=True).print(text)
