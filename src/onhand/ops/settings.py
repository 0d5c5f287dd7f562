"""Every setting of Onhand: its name, type, default and meaning, in one place.

Settings say *how a process runs* (where the database is, how it logs); what the business decides lives in the network
configuration instead. A setting comes from a flag, else from its `ONHAND_*` variable, else from its default.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from onhand.domain.errors import InvalidInput
from onhand.ops import limits


class BadSetting(InvalidInput):
    """A setting has a value that it cannot take."""

    code = "bad_setting"
    title = "A setting is not valid"
    done = "Nothing was started."
    remedy = "Correct the variable or flag named; docs/reference/settings.md lists all of them."


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Where embedded data lies when nobody says otherwise.

    `/var/lib/onhand` for root, whose home the server's unprivileged account cannot enter; else
    `$XDG_DATA_HOME/onhand`, which is `~/.local/share/onhand` where XDG_DATA_HOME is not set.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/onhand")
    base = environment.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(base) / "onhand"


def _setting(variable: str, default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this process runs. Made by `load`; the defaults alone give an embedded database."""

    dsn: str | None = _setting(
        "ONHAND_DSN", None, "libpq URI of a PostgreSQL of yours, such as postgresql://user@host/database"
    )
    pg: str | None = _setting(
        "ONHAND_PG", None, "which PostgreSQL to run: 'system', 'wheel' or a directory of programs; unset tries all"
    )
    data_dir: Path | None = _setting(
        "ONHAND_DATA_DIR", None, "where the embedded database lies; see the guide for the default"
    )
    keep_database: bool = _setting(
        "ONHAND_KEEP_DATABASE", False, "leave the embedded server running when the last process leaves"
    )
    pool_max: int = _setting(
        "ONHAND_POOL_MAX", limits.DATABASE_POOL_MAX, "database connections that one process opens at most"
    )

    @property
    def data_folder(self) -> Path:
        """The embedded database's directory: the one set, or the default of this account."""
        return self.data_dir or default_data_dir(os.environ)


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as the documentation and `--help` show it."""

    name: str
    variable: str
    default: object
    meaning: str


def described() -> list[Described]:
    """All settings, in the order of their declaration."""
    return [Described(f.name, f.metadata["variable"], f.default, f.metadata["meaning"]) for f in fields(Settings)]


def load(environment: Mapping[str, str] | None = None, **flags: object) -> Settings:
    """Settings from the environment; a flag that is not None wins. Raises BadSetting naming the variable."""
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for one in fields(Settings):
        if flags.get(one.name) is not None:
            values[one.name] = flags[one.name]
        elif text := environment.get(one.metadata["variable"]):
            values[one.name] = _read(text, kind=str(one.type), variable=one.metadata["variable"])
    return Settings(**values)  # type: ignore[arg-type]


def without_dsn(found: Settings) -> Settings:
    """The same settings for the embedded database: whoever names a data directory means that one."""
    return replace(found, dsn=None)


def unknown(environment: Mapping[str, str]) -> list[str]:
    """A warning for each `ONHAND_*` variable that no setting reads: mostly a slip of the pen that would go unseen."""
    known = {f.metadata["variable"] for f in fields(Settings)} | _READ_ELSEWHERE
    warnings = []
    for variable in sorted(environment):
        if variable.startswith("ONHAND_") and not variable.startswith(_JUDGED_BY_SERVE) and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            warnings.append(f"{variable} is set, but Onhand has no such setting{hint}")
    return warnings


_READ_ELSEWHERE = {"ONHAND_TEST_PG", "ONHAND_TEST_PROFILE", "ONHAND_URL", "ONHAND_KEY"}
"""Variables of the test suite and of the client, which are not settings of a server process."""

_JUDGED_BY_SERVE = "ONHAND_HTTP_"
"""The settings of the API stand in a layer above; `onhand serve` refuses those among them that do not exist."""


def _read(text: str, *, kind: str, variable: str) -> object:
    if kind.startswith("bool"):
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off"}:
            return False
        raise BadSetting(f"{variable} is {text!r}; it must be 1 or 0.", variable=variable)
    if kind.startswith("int"):
        if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
            raise BadSetting(f"{variable} is {text!r}; it must be a whole number from 1 to 1000000.", variable=variable)
        return int(text)
    return Path(text).expanduser() if kind.startswith("Path") else text
