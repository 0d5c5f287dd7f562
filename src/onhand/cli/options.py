"""Options that many verbs share, declared once so that they read alike everywhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from onhand.cli import output
from onhand.ops import settings

Json: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which database a verb works on."""

    dsn: Annotated[str | None, Parameter(help="A PostgreSQL of yours, as a libpq URI. [env: ONHAND_DSN]")] = None
    data_dir: Annotated[Path | None, Parameter(help="Where the embedded database lies. [env: ONHAND_DATA_DIR]")] = None

    def settings(self) -> settings.Settings:
        """The settings of this process, these flags first; warns of variables that nothing reads."""
        for warning in settings.unknown(os.environ):
            output.warn(warning)
        found = settings.load(dsn=self.dsn, data_dir=self.data_dir)
        if self.data_dir is not None and self.dsn is None:
            return settings.without_dsn(found)
        return found


HERE = Where()
"""What the environment says, no flags given."""
